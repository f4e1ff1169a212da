//! The context: what looks like an address and stands where no address does.
//!
//! Looks at the document around a candidate. Says no to credentials in URLs, remotes of ssh and version control,
//! templates and handles, and tells the names of services; it never changes what the grammar found.

use std::ops::Range;

use super::grammar::Around;
use super::scan::REACH;
use super::{domain, template, unit};
use crate::class::{Class, Classes};

/// Names under which version control logs in.
const REMOTE_USERS: [&[u8]; 6] = [b"git", b"hg", b"svn", b"gitea", b"gitlab", b"forgejo"];
/// The furthest that the scheme of a URL is looked for before the end of its credentials.
const LONGEST_CREDENTIALS: usize = 256;
/// The furthest that the beginning of a `mailto:` URL is looked for.
const LONGEST_MAILTO: usize = 1 << 10;

/// Whether the candidate from `start` to `end` with its `@` at `at` is part of something else.
pub(super) fn is_no_address(document: &[u8], start: usize, at: usize, end: usize) -> bool {
    is_credentials(document, start)
        || is_remote(document, start, at, end)
        || goes_on(document, start, end)
        || is_label(document, start, at)
        || template::is_one(document, start, at)
}

/// Whether the candidate is the beginning of something that is written wrongly: `ann@a.org..com`, the first half of
/// `"ann@a.org"@b.org`, or a whole line that is `ann@a.org-`.
fn goes_on(document: &[u8], start: usize, end: usize) -> bool {
    match document.get(end..) {
        Some([b'.', b'.', next, ..]) => next.is_ascii_alphanumeric(),
        Some([b'"', b'@', ..]) => true,
        Some([b'-', ..]) => is_alone(document, start, end + 1),
        None | Some([] | [b'\n' | b'\r', ..]) => is_behind_quotes(&document[..start]),
        _ => false,
    }
}

/// Whether all that stands before on the line is one word with quotes in it, the last of them at its end: the whole line
/// is `just"not"right@a.org`.
fn is_behind_quotes(before: &[u8]) -> bool {
    let Some(word) = before.strip_suffix(b"\"") else { return false };
    let near = &word[word.len().saturating_sub(REACH)..];
    let quote = near.iter().rposition(|byte| matches!(byte, b'"' | b'\n' | b'\r' | b' ' | b'\t' | b',' | b';' | b'|'));
    quote.is_some_and(|quote| {
        let first = near[..quote].iter().rfind(|byte| !byte.is_ascii_graphic() || b",;|=:<>".contains(byte));
        near[quote] == b'"' && first.is_none_or(|first| matches!(first, b'\n' | b'\r'))
    })
}

/// Whether nothing else stands on the line of the bytes from `start` to `end`.
pub(super) fn is_alone(document: &[u8], start: usize, end: usize) -> bool {
    let begins = start.checked_sub(1).is_none_or(|before| matches!(document[before], b'\n' | b'\r'));
    begins && document.get(end).is_none_or(|after| matches!(after, b'\n' | b'\r'))
}

/// Whether `start` is inside the credentials of a URL: `scheme://user:secret@host`. `mailto://` and `http://mailto:` are none, but meant.
fn is_credentials(document: &[u8], start: usize) -> bool {
    let before = &document[start.saturating_sub(LONGEST_CREDENTIALS)..start];
    // Most candidates stand behind a space, a bracket or a quote, and there is no word.
    let word = before.iter().rposition(|byte| byte.is_ascii_whitespace() || matches!(byte, b'<' | b'>' | b'"'));
    let word = &before[word.map_or(0, |end| end + 1)..];
    ends_within_credentials(word)
        || (word.windows(2).any(|pair| ENCODED_SLASH.contains(&[pair[0], pair[1]]))
            && ends_within_credentials(&decoded(word)))
}

/// What every encoded `/` holds: `\/`, `%2F`, `\u002f`, `&#x2F;`, `&#47;`, `&sol;`.
const ENCODED_SLASH: [[u8; 2]; 5] = [*b"\\/", *b"2F", *b"2f", *b"47", *b"so"];

/// The bytes with what is encoded in them decoded, and one byte for each character beyond ASCII.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let (mut text, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let unit = unit::read(bytes, at, true);
        let ch = if unit.ch == unit::soft::ROFF { ':' } else { unit.ch };
        text.push(u8::try_from(ch).ok().filter(u8::is_ascii).unwrap_or(0x80));
        at = unit.end;
    }
    text
}

fn ends_within_credentials(before: &[u8]) -> bool {
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80 || b"-._~!$*+%:&=@".contains(byte);
    if !before.last().is_some_and(|last| *last == b'/' || inside(last)) {
        return false;
    }
    let authority = before.iter().rposition(|byte| !inside(byte)).map_or(0, |slash| slash + 1);
    let (scheme, user) = before.split_at(authority);
    // Forms put `http://` before all links, also before a `mailto:`, and people one behind it.
    let is_mailto =
        |user: &[u8]| [&b"mailto:"[..], b"mailto%3A"].iter().any(|mailto| begins_ignoring_case(user, mailto));
    scheme.ends_with(b"://")
        && !is_mailto(user)
        && ![&b"mailto://"[..], b"mailto:http://", b"mailto:https://"]
            .iter()
            .any(|url| ends_with_ignoring_case(scheme, url))
}

/// Whether what follows these bytes may be shown to be a local part by angle brackets or a `mailto:` before it, or by
/// standing alone on its line.
pub(super) fn may_be_shown(before: &[u8]) -> bool {
    let near = &before[before.len().saturating_sub(REACH)..];
    let Some(border) = near.iter().rposition(|byte| is_border(*byte)) else { return near.len() == before.len() };
    // A bracket may be written in a code.
    matches!(near[border], b'<' | b':' | b'\n' | b'\r') || near[border..].iter().any(|byte| b"&%\\".contains(byte))
}

/// Whether a unit can neither hold this byte, but as its last, nor a local part this character.
pub(super) fn is_border(byte: u8) -> bool {
    match byte {
        b'@' | b' ' | b'<' | b'>' | b'"' | b'(' | b')' | b',' | b'[' | b']' | b':' | 0x7f => true,
        _ => byte < b' ',
    }
}

/// Whether the candidate is a remote: `git@github.com:owner/name`, `ann@host.org:/srv`, `ann@host.org:work.git`, or one
/// under a name of its own for the host: `git@github.com-work:owner/name`.
fn is_remote(document: &[u8], start: usize, at: usize, end: usize) -> bool {
    let rest = &document[end..];
    let part_of_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'-';
    let name = if rest.first() == Some(&b'-') { rest.iter().take(64).take_while(part_of_name).count() } else { 0 };
    let Some(path) = rest[name..].strip_prefix(b":") else { return false };
    let stops = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`<>()[]{},;".contains(byte);
    let path = &path[..path.iter().take(256).take_while(|byte| !stops(byte)).count()];
    let user = &document[start..at];
    let known_user = REMOTE_USERS.iter().any(|known| known.eq_ignore_ascii_case(user)) && !path.is_empty();
    let rooted =
        path.starts_with(b"/") && !path.starts_with(b"//") || path.starts_with(b"~") || path.starts_with(br"\/");
    known_user || rooted || path.ends_with(b".git")
}

/// Whether the underscores at `at` close an emphasis, rather than go on a word.
pub(super) fn is_emphasis_end(around: &Around<'_>, at: usize) -> bool {
    let mut at = at;
    while around.document.get(at) == Some(&b'_') {
        at += 1;
    }
    around.unit(at).is_none_or(|unit| !unit.ch.is_alphanumeric())
}

/// Whether the unit at `at`, behind an apostrophe, is the `s` of a genitive.
pub(super) fn is_possessive(around: &Around<'_>, at: usize) -> bool {
    let next = |at: usize| around.unit(at).filter(|unit| unit.ch.is_alphanumeric());
    next(at).is_some_and(|unit| unit.ch == 's' && next(unit.end).is_none())
}

/// Whether the word before `start` is a `mailto:` URL, in which a `+` is no space (RFC 6068, section 5).
pub(super) fn is_in_mailto(document: &[u8], start: usize) -> bool {
    let near = &document[start.saturating_sub(LONGEST_MAILTO)..start];
    let word = near.iter().rposition(|byte| byte.is_ascii_whitespace() || b"<>\"'".contains(byte));
    let word = &near[word.map_or(0, |end| end + 1)..];
    memchr::memchr_iter(b':', word).any(|colon| ends_with_ignoring_case(&word[..=colon], b"mailto:"))
}

/// Whether the candidate is a label of Kotlin: `this@User.name`.
fn is_label(document: &[u8], start: usize, at: usize) -> bool {
    matches!(&document[start..at], b"this" | b"super") && document.get(at + 1).is_some_and(u8::is_ascii_uppercase)
}

/// The marks of the candidate at `span` with its `@` at `at`, with those that what stands beside it shows.
pub(super) fn marks(document: &[u8], span: &Range<usize>, at: usize, marks: Classes) -> Classes {
    if is_principal(document, span, at) { marks.with(Class::Machine) } else { marks }
}

/// Whether the candidate is the principal of a service of Kerberos, or the end of one: `HTTP/web.corp.com@CORP.COM`.
fn is_principal(document: &[u8], span: &Range<usize>, at: usize) -> bool {
    let slash = document[span.start..at].iter().rposition(|byte| *byte == b'/');
    let start = slash.map_or(span.start, |slash| span.start + slash + 1);
    let Some(service) = document[..start].strip_suffix(b"/") else { return false };
    let (host, realm) = (&document[start..at], &document[at..span.end]);
    let capitals = realm.iter().any(u8::is_ascii_uppercase) && !realm.iter().any(u8::is_ascii_lowercase);
    capitals
        && service.last().is_some_and(u8::is_ascii_alphanumeric)
        && host.contains(&b'.')
        && domain::known_length(host) == Some(host.len())
}

/// Whether `bytes` begin with `beginning`, in any letter case.
fn begins_ignoring_case(bytes: &[u8], beginning: &[u8]) -> bool {
    bytes.get(..beginning.len()).is_some_and(|bytes| bytes.eq_ignore_ascii_case(beginning))
}

/// Whether `bytes` end with the lower-case `ending`, in any letter case.
pub(super) fn ends_with_ignoring_case(bytes: &[u8], ending: &[u8]) -> bool {
    bytes.len() >= ending.len() && bytes[bytes.len() - ending.len()..].eq_ignore_ascii_case(ending)
}
