//! Session ids in links. Pure.
//!
//! A server that gets no cookie back may write a fresh id into each link of each answer; every page then has endless
//! addresses, and a crawl no end. What a page links to is asked for without them; a source is asked for as it was given.

use std::borrow::Cow;

/// The shortest value that can be an id.
const SHORTEST: usize = 16;
/// The shortest value of a parameter whose name may as well stand for a session of a conference.
const SHORTEST_OF_PLAIN: usize = 32;
/// The parameter of Java's servlets, which stands behind a path, not in a query.
const OF_PATH: &str = ";jsessionid=";

/// A link, which holds no fragment, without the session ids in it.
pub(super) fn without(link: &str) -> Cow<'_, str> {
    // Nearly all links end the look here.
    match memchr::memchr2(b';', b'?', link.as_bytes()) {
        Some(at) => without_from(link, at),
        None => Cow::Borrowed(link),
    }
}

/// The same, where nothing that may hold one stands before this place.
fn without_from(link: &str, at: usize) -> Cow<'_, str> {
    let (path, query) = link.split_at(link.find('?').unwrap_or(link.len()));
    if find_of_path(path, at.min(path.len())).is_none() && !parameters(query).any(is_id) {
        return Cow::Borrowed(link);
    }
    let mut clean = String::with_capacity(link.len());
    let mut rest = path;
    while let Some(at) = find_of_path(rest, 0) {
        let (before, id) = rest.split_at(at);
        clean.push_str(before);
        rest = id.find('/').map_or("", |end| &id[end..]);
    }
    clean.push_str(rest);
    let mut sign = '?';
    for parameter in parameters(query).filter(|parameter| !is_id(parameter)) {
        clean.push(sign);
        clean.push_str(parameter);
        sign = '&';
    }
    Cow::Owned(clean)
}

/// Where an id stands in a path, from this place on.
fn find_of_path(path: &str, from: usize) -> Option<usize> {
    let bytes = path.as_bytes();
    memchr::memchr_iter(b';', &bytes[from..])
        .map(|at| from + at)
        .find(|at| bytes[*at..].get(..OF_PATH.len()).is_some_and(|name| name.eq_ignore_ascii_case(OF_PATH.as_bytes())))
}

/// The parameters of a query that begins with its question mark, as they are written.
fn parameters(query: &str) -> impl Iterator<Item = &str> {
    query.strip_prefix('?').into_iter().flat_map(|query| query.split('&'))
}

/// Whether a parameter is a session id: by its name, and by a value that no page would be numbered by.
fn is_id(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    let shortest = if is("phpsessid") || is("jsessionid") || is("cfid") || is("cftoken") || is_of_asp(name) {
        SHORTEST
    } else if is("sid") || is("sessionid") {
        SHORTEST_OF_PLAIN
    } else {
        return false;
    };
    value.len() >= shortest && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether it is the name of such a parameter of ASP, which goes on with letters of the server's own.
fn is_of_asp(name: &str) -> bool {
    name.get(..12).is_some_and(|begin| begin.eq_ignore_ascii_case("aspsessionid"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::without;

    #[test]
    fn session_ids_are_left_out_and_nothing_else() {
        let id = "0123456789abcdef0123456789ABCDEF";
        for (link, clean) in [
            ("/a;jsessionid=<>", "/a"),
            ("/a;JSESSIONID=<>.node1/b;jsessionid=<>?c=d", "/a/b?c=d"),
            ("/a;v=1;jsessionid=<>", "/a;v=1"),
            ("https://a.org/x?PHPSESSID=<>", "https://a.org/x"),
            ("/x?a=b&phpsessid=<>&c=d", "/x?a=b&c=d"),
            ("/x?sid=<>&a", "/x?a"),
            ("/x?ASPSESSIONIDQAZ=<>", "/x"),
            ("/x?CFID=<>&CFTOKEN=<>", "/x"),
            ("/x?a=;b", "/x?a=;b"),
            ("/x?sid=12&sessionid=0123456789abcdef", "/x?sid=12&sessionid=0123456789abcdef"),
            ("/x?phpsessid=7", "/x?phpsessid=7"),
            ("/x?sid=01234567-89ab-cdef-0123-456789abcdef", "/x?sid=01234567-89ab-cdef-0123-456789abcdef"),
            ("/x?next=/y;jsessionid=<>", "/x?next=/y;jsessionid=<>"),
            ("/x?", "/x?"),
            ("/;", "/;"),
        ] {
            let link = link.replace("<>", id);
            let (link, clean) = (link.replace("<>", id), clean.replace("<>", id));
            assert_eq!(without(&link), clean);
        }
    }

    proptest! {
        #[test]
        fn what_holds_no_name_of_one_stays(link in "[a-z/;?&=é0-9]{0,60}") {
            prop_assume!(!link.contains("sid") && !link.contains("session") && !link.contains("cf"));
            prop_assert_eq!(without(&link), &*link);
        }
    }
}
