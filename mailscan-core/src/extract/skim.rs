//! Skimming: the few tags of an HTML document that matter to its links, copied one after the other.
//!
//! Takes a document and answers with a much smaller one, which the tokenizer reads in place of the whole: most of a page
//! is text and tags that link to nothing. Where tags and comments end is decided as the HTML standard's tokenizer does
//! (section 13.2.5); what a tag says is left to the reader.

use memchr::memmem;

/// The tags that are kept.
const KEPT: [&[u8]; 8] = [b"a", b"area", b"link", b"iframe", b"frame", b"base", b"meta", b"noscript"];
/// The elements whose insides are no markup, up to their end tag.
const OPAQUE: [&[u8]; 9] =
    [b"script", b"style", b"title", b"textarea", b"xmp", b"iframe", b"noembed", b"noframes", b"noscript"];

/// The document made of the tags that matter, in their order; `noscript` with all that stands in it.
pub(super) fn skim(document: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(open) = memchr::memchr(b'<', &document[at..]).map(|open| at + open) {
        let Some(end) = markup(document, open, &mut kept) else { break };
        at = end;
    }
    kept
}

/// Reads the markup, or the text, that begins with the `<` at `open`; answers where it ends, if it does.
fn markup(document: &[u8], open: usize, kept: &mut Vec<u8>) -> Option<usize> {
    match document.get(open + 1..)? {
        [b'!', b'-', b'-', ..] => comment_end(document, open + 4),
        [b'!' | b'?', ..] => after(document, open, b'>'),
        [b'/', first, ..] if first.is_ascii_alphabetic() => tag_end(document, open + 2),
        [b'/', _, ..] => after(document, open, b'>'),
        [first, ..] if first.is_ascii_alphabetic() => start_tag(document, open, kept),
        _ => Some(open + 1),
    }
}

/// Reads a start tag, and what it makes opaque.
fn start_tag(document: &[u8], open: usize, kept: &mut Vec<u8>) -> Option<usize> {
    let end = tag_end(document, open + 1)?;
    let is = |known: &&&[u8]| is_named(document, open + 1, known);
    let keeps = KEPT.iter().any(|name| is(&name));
    if keeps {
        kept.extend_from_slice(&document[open..end]);
    }
    if is_named(document, open + 1, b"plaintext") {
        return None;
    }
    let Some(name) = OPAQUE.iter().find(is) else { return Some(end) };
    let close = closing(document, end, name);
    let inside = &document[end..close.unwrap_or(document.len())];
    if *name == b"script" && is_escaped(inside) {
        // What ends such a script takes more states than are told here.
        kept.extend_from_slice(&document[open..]);
        return None;
    }
    if keeps {
        if *name == b"noscript" {
            kept.extend_from_slice(inside);
        }
        // Without its end, the element goes on to that of the document.
        close?;
        kept.extend_from_slice(b"</");
        kept.extend_from_slice(name);
        kept.push(b'>');
    }
    close
}

/// Whether a script opens another one in a comment, whose end tag then is not its own.
fn is_escaped(script: &[u8]) -> bool {
    memmem::find(script, b"<!--").is_some_and(|comment| {
        let rest = &script[comment..];
        memchr::memchr_iter(b'<', rest).any(|at| is_named(rest, at + 1, b"script"))
    })
}

/// Where the end tag of this name begins.
fn closing(document: &[u8], from: usize, name: &[u8]) -> Option<usize> {
    memmem::find_iter(&document[from..], b"</").map(|at| from + at).find(|at| is_named(document, at + 2, name))
}

/// Whether the name of the tag that begins at `at` is this one, in lower case here and in any case there.
fn is_named(document: &[u8], at: usize, name: &[u8]) -> bool {
    let end = at + name.len();
    document.get(at..end).is_some_and(|written| written.eq_ignore_ascii_case(name))
        && document.get(end).is_some_and(|next| is_space(*next) || matches!(next, b'/' | b'>'))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

fn after(document: &[u8], from: usize, sign: u8) -> Option<usize> {
    memchr::memchr(sign, &document[from..]).map(|at| from + at + 1)
}

/// The end of the comment whose text begins at `text`.
fn comment_end(document: &[u8], text: usize) -> Option<usize> {
    let rest = &document[text..];
    if rest.starts_with(b">") || rest.starts_with(b"->") {
        return after(document, text, b'>');
    }
    let ends = |at: &usize| rest[..*at].ends_with(b"--") || rest[..*at].ends_with(b"--!");
    memchr::memchr_iter(b'>', rest).find(ends).map(|at| text + at + 1)
}

/// The end of the tag whose name begins at `name`.
fn tag_end(document: &[u8], name: usize) -> Option<usize> {
    let mut at = name;
    let mut state = State::Name;
    loop {
        let byte = *document.get(at)?;
        at += 1;
        state = match (state, byte) {
            (State::Value, b'"' | b'\'') => {
                at = after(document, at, byte)?;
                State::Between
            }
            (_, b'>') => return Some(at),
            (State::Value, _) if is_space(byte) => State::Value,
            (State::Value | State::Unquoted, _) if !is_space(byte) => State::Unquoted,
            (State::Attribute | State::Behind, b'=') => State::Value,
            (State::Attribute | State::Behind, _) if is_space(byte) => State::Behind,
            (State::Name, _) if !is_space(byte) && byte != b'/' => State::Name,
            (_, b'/') => State::Between,
            (_, _) if is_space(byte) => State::Between,
            _ => State::Attribute,
        };
    }
}

/// Where in a tag a byte stands.
#[derive(Clone, Copy)]
enum State {
    /// In the tag's name.
    Name,
    /// Where an attribute may begin.
    Between,
    /// In the name of an attribute.
    Attribute,
    /// In the space behind one.
    Behind,
    /// Where a value has to begin.
    Value,
    /// In a value without quotes.
    Unquoted,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skimmed(document: &str) -> String {
        String::from_utf8(skim(document.as_bytes())).unwrap()
    }

    #[test]
    fn tags_that_link_are_kept_as_they_are() {
        let page = "<!doctype html><html><head><title>a <a href=x></title><BASE href='/b'></head>\
                    <p class='<a href=no>'>text <A\nHREF=\"a>b\" >link</A> <abbr href=x> <!-- <a href=no> --> 1 < 2 <img alt=it's><a href=y>";
        assert_eq!(skimmed(page), "<BASE href='/b'><A\nHREF=\"a>b\" ><a href=y>");
    }

    #[test]
    fn insides_that_are_no_markup_are_passed_over() {
        assert_eq!(skimmed("<script>'<a href=x>'</script ><a href=y>"), "<a href=y>");
        assert_eq!(skimmed("<iframe src=x><a href=no></iframe><a href=y>"), "<iframe src=x></iframe><a href=y>");
        assert_eq!(skimmed("<noscript><a href=x></noscript>"), "<noscript><a href=x></noscript>");
        assert_eq!(skimmed("<textarea><a href=x>"), "");
        assert_eq!(skimmed("<script><!-- <script> </script> --></script><a href=y>").len(), 54);
    }
}
