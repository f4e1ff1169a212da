//! Units: the decoded characters of a document, each with the bytes it was written as.
//!
//! Takes the document's bytes at one position and answers what stands there: a character as it is, a character
//! reference, a percent-encoded character, a JSON or JavaScript escape, or a tag of HTML that says where a line may break. Whether a unit belongs to an address is the
//! grammar's business.

mod bare;
pub(super) mod soft;

use super::Form;

/// The longest a unit that matters inside an address is in its source.
pub(super) const LONGEST: usize = 28;

/// The most digits of a numeric reference, leading zeros among them.
const MOST_DIGITS: usize = 16;

/// The most backslashes in a row that are one escape: those of text in text in text.
const MOST_BACKSLASHES: usize = 4;

/// One decoded character and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// The character; [`BORDER`] for anything that is none, such as a byte of no UTF-8.
    pub(super) ch: char,
    /// Its first byte in the document.
    pub(super) start: usize,
    /// The byte after its last.
    pub(super) end: usize,
    /// How it was written.
    pub(super) form: Form,
}

/// What stands for bytes that are no character: it can be part of no address.
pub(super) const BORDER: char = '\0';

/// Reads the unit at `at`, which must be inside the document. References count only where `references` is set.
pub(super) fn read(document: &[u8], at: usize, references: bool) -> Unit {
    let rest = &document[at..];
    let decoded = match rest[0] {
        b'&' if references => referenced_percent(rest)
            .map(|(ch, length)| (ch, length, Form::PercentEncoded))
            .or_else(|| reference(document, at).map(|(ch, length)| (ch, length, Form::CharacterReference))),
        b'%' => percent(rest).map(|(ch, length)| (ch, length, Form::PercentEncoded)),
        b'\\' => escaped_reference(rest)
            .filter(|_| references)
            .map(|(ch, length)| (ch, length, Form::CharacterReference))
            .or_else(|| escape(rest).map(|(ch, length)| (ch, length, Form::Escaped))),
        b'@' if is_doubled(document, at) => Some(('@', 2, Form::Escaped)),
        b'<' if references => soft::tag(rest).map(|length| (soft::HYPHEN, length, Form::CharacterReference)),
        _ => None,
    };
    let (ch, length, form) = decoded.unwrap_or_else(|| match raw(rest) {
        (BORDER, 1) => (legacy_letter(document, at).unwrap_or(BORDER), 1, Form::Plain),
        (ch, length) => (ch, length, Form::Plain),
    });
    let end = at + length;
    if matches!(ch, '\u{2010}' | '\u{2011}') && is_within_word(document, at, end) {
        let form = if form == Form::Plain { Form::CharacterReference } else { form };
        return Unit { ch: '-', start: at, end, form };
    }
    Unit { ch, start: at, end, form }
}

/// Whether letters or digits, or codes that may be some, stand on both sides. There the hyphens of typography, of which one
/// keeps a line from breaking, stand for that of ASCII.
fn is_within_word(document: &[u8], start: usize, end: usize) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80;
    let before = start.checked_sub(1).is_some_and(|before| word(&document[before]) || document[before] == b';');
    before && document.get(end).is_some_and(|after| word(after) || b"&%\\".contains(after))
}

/// Whether two `@`, and no third, begin at `at`: Texinfo and some templates write one so.
pub(super) fn is_doubled(document: &[u8], at: usize) -> bool {
    let is_at = |at: usize| document.get(at) == Some(&b'@');
    is_at(at) && is_at(at + 1) && !is_at(at + 2) && !at.checked_sub(1).is_some_and(is_at)
}

/// The first character of `bytes` as it is; a byte of no UTF-8 is a border of one byte.
fn raw(bytes: &[u8]) -> (char, usize) {
    let first = bytes[0];
    if first.is_ascii() {
        return (char::from(first), 1);
    }
    let length = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return (BORDER, 1),
    };
    let text = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.and_then(|text| text.chars().next()).map_or((BORDER, 1), |ch| (ch, length))
}

/// The letter of Windows-1252, which undeclared text mostly is, that a byte of no UTF-8 stands for inside of a word. Among
/// other bytes than those of text it stands for none, as in a program.
fn legacy_letter(document: &[u8], at: usize) -> Option<char> {
    let text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    let before = at.checked_sub(1).is_none_or(|before| text(&document[before]));
    let after = document.get(at + 1).is_some_and(|byte| byte.is_ascii_alphanumeric() || b".@-_".contains(byte));
    // Windows-1252 and Latin-1 have the same letters here.
    let letter = matches!(document[at], 0xC0..=0xD6 | 0xD8..=0xF6 | 0xF8..=0xFD);
    (before && after && letter).then(|| char::from(document[at]))
}

/// The character reference that stands at `at`, with or without its semicolon.
fn reference(document: &[u8], at: usize) -> Option<(char, usize)> {
    let bytes = &document[at..];
    match bytes.get(1)? {
        b'#' => numeric_reference(bytes),
        b'a' if bytes.starts_with(AMP) => twice_escaped(bytes, AMP.len() - 1).or_else(|| named_reference(bytes)),
        b'a'..=b'z' | b'A'..=b'Z' => {
            named_reference(bytes).or_else(|| bare::reference(bytes, || bare::is_in_tag(&document[..at])))
        }
        _ => None,
    }
}

/// The `&` of a numeric reference in text that was escaped twice, and the `#`.
const AMP: &[u8] = b"&amp;#";
/// The same in JSON.
const JSON_AMP: &[u8] = br"\u0026#";

/// The numeric reference of which the `&` is itself an escape of JSON.
fn escaped_reference(bytes: &[u8]) -> Option<(char, usize)> {
    let more = backslashes(bytes.iter()) - 1;
    if more == MOST_BACKSLASHES || !bytes[more..].starts_with(JSON_AMP) {
        return None;
    }
    twice_escaped(bytes, more + JSON_AMP.len() - 1)
}

/// The numeric reference, with its semicolon, of which the `#` is at `sharp`, and the length up to its end.
fn twice_escaped(bytes: &[u8], sharp: usize) -> Option<(char, usize)> {
    let (ch, length) = bytes.get(sharp - 1..).filter(|rest| rest.len() > 2).and_then(numeric_reference)?;
    let end = sharp - 1 + length;
    bytes[..end].ends_with(b";").then_some((ch, end))
}

/// Where the numeric reference begins of which the `#` is at `sharp`, if one may.
pub(super) fn numeric_start(document: &[u8], sharp: usize) -> Option<usize> {
    let text = &document[..=sharp];
    if text.ends_with(b"&#") {
        return Some(sharp - 1);
    }
    if text.ends_with(AMP) {
        return Some(text.len() - AMP.len());
    }
    text.ends_with(JSON_AMP).then(|| escape_start(document, text.len() - JSON_AMP.len() + 1))
}

/// Whether a numeric reference that may be part of a local part ends at `end`.
pub(super) fn is_behind_reference(document: &[u8], end: usize) -> bool {
    let near = &document[end.saturating_sub(LONGEST)..end];
    let sharp = if near.ends_with(b";") { memchr::memrchr(b'#', near) } else { None };
    let start = sharp.and_then(|sharp| numeric_start(document, end - near.len() + sharp));
    start.is_some_and(|start| {
        let unit = read(document, start, true);
        unit.end == end && (unit.ch.is_alphanumeric() || "._-+'".contains(unit.ch))
    })
}

/// The ASCII character that is percent-encoded at the beginning of `bytes`, with references for the three signs of its
/// code, as docutils cloaks the links of addresses: `&#37;&#52;&#48;`.
fn referenced_percent(bytes: &[u8]) -> Option<(char, usize)> {
    let mut at = "&#37;".len();
    if bytes.get(..at)? != b"&#37;" {
        return None;
    }
    let mut digits = [0; 2];
    for digit in &mut digits {
        let rest = bytes.get(at..)?;
        let (ch, length) = if rest.starts_with(b"&#") { numeric_reference(rest)? } else { raw(rest.get(..1)?) };
        *digit = u8::try_from(ch).ok()?;
        at += length;
    }
    let code = u8::try_from(hex(&digits)?).ok()?;
    code.is_ascii().then(|| (char::from(code), at))
}

fn numeric_reference(bytes: &[u8]) -> Option<(char, usize)> {
    let (start, radix) = if matches!(bytes.get(2), Some(b'x' | b'X')) { (3, 16) } else { (2, 10) };
    let digits =
        bytes[start..].iter().take(MOST_DIGITS + 1).take_while(|byte| char::from(**byte).is_digit(radix)).count();
    if digits == 0 || digits > MOST_DIGITS {
        return None;
    }
    let text = std::str::from_utf8(&bytes[start..start + digits]).ok()?;
    let ch = u32::from_str_radix(text, radix).ok().and_then(char::from_u32).unwrap_or(BORDER);
    let end = start + digits;
    Some((ch, end + usize::from(bytes.get(end) == Some(&b';'))))
}

/// The character of a named reference with its semicolon.
fn named_reference(bytes: &[u8]) -> Option<(char, usize)> {
    /// The longest name is `CounterClockwiseContourIntegral`.
    const LONGEST_NAME: usize = 31;
    let length = bytes[1..].iter().take(LONGEST_NAME + 1).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let name = &bytes[1..=length];
    let found = html_escape::NAMED_ENTITIES.binary_search_by(|(known, _)| known.cmp(&name)).ok()?;
    let mut chars = html_escape::NAMED_ENTITIES[found].1.chars();
    // A name that stands for two characters stands for no part of an address.
    let ch = chars.next().filter(|_| chars.next().is_none()).unwrap_or(BORDER);
    (bytes.get(length + 1) == Some(&b';')).then_some((ch, length + 2))
}

/// The percent-encoded character that `bytes` begins with, of one byte or of several that are UTF-8 together.
fn percent(bytes: &[u8]) -> Option<(char, usize)> {
    let mut decoded = [0; 4];
    for count in 0..4 {
        let triplet = bytes.get(count * 3..count * 3 + 3)?;
        if triplet[0] != b'%' {
            return None;
        }
        decoded[count] = u8::try_from(hex(&triplet[1..])?).ok()?;
        if let Ok(text) = std::str::from_utf8(&decoded[..=count]) {
            return text.chars().next().map(|ch| (ch, count * 3 + 3));
        }
    }
    None
}

/// The escape that `bytes` begins with: of JSON and JavaScript, of roff, which manuals are written in, or of a sign that
/// a regular expression, Markdown, LaTeX or Perl would take for its own.
///
/// Text inside of text, such as JSON in a string of JSON, doubles its backslashes: a few of them are read as one.
fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    let count = backslashes(bytes.iter());
    // A longer row is passed one by one until no more than that are left.
    if count > MOST_BACKSLASHES {
        return None;
    }
    escaped(&bytes[count - 1..]).map(|(ch, length)| (ch, count - 1 + length))
}

/// How many backslashes the bytes begin with, up to one more than count as an escape.
fn backslashes<'a>(bytes: impl Iterator<Item = &'a u8>) -> usize {
    bytes.take(MOST_BACKSLASHES + 1).take_while(|byte| **byte == b'\\').count()
}

/// Where the escape begins of which the last backslash is before `end`, or `end` where there is none.
pub(super) fn escape_start(document: &[u8], end: usize) -> usize {
    end - backslashes(document[..end].iter().rev()).min(MOST_BACKSLASHES)
}

/// The escape with one backslash that `bytes` begins with.
fn escaped(bytes: &[u8]) -> Option<(char, usize)> {
    /// The most digits between the braces of `\u{10ffff}`.
    const LONGEST_POINT: usize = 6;
    Some(match bytes.get(1)? {
        b'u' if bytes.get(2) == Some(&b'{') => {
            let digits = bytes[3..].iter().take(LONGEST_POINT + 1).take_while(|byte| byte.is_ascii_hexdigit()).count();
            let closed = (1..=LONGEST_POINT).contains(&digits) && bytes.get(3 + digits) == Some(&b'}');
            let point = hex(&bytes[3..3 + digits]).filter(|_| closed)?;
            (char::from_u32(point).unwrap_or(BORDER), digits + 4)
        }
        b'u' => (char::from_u32(hex(bytes.get(2..6)?)?).unwrap_or(BORDER), 6),
        b'x' => (char::from_u32(hex(bytes.get(2..4)?)?).unwrap_or(BORDER), 4),
        // Another font, which no text of a program asks for.
        b'f' if matches!(bytes.get(2), Some(b'B' | b'I' | b'R' | b'P' | b'0'..=b'9')) => (BORDER, 3),
        b':' => (soft::ROFF, 2),
        b'n' => ('\n', 2),
        b'r' => ('\r', 2),
        b't' => ('\t', 2),
        quoted @ (b'"' | b'\'' | b'/' | b'`' | b'-' | b'_' | b'+' | b'.' | b'@') => (char::from(*quoted), 2),
        _ => return None,
    })
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> (char, usize) {
        let unit = read(text.as_bytes(), 0, true);
        (unit.ch, unit.end)
    }

    #[test]
    fn every_legal_spelling_of_the_at_sign() {
        let spellings = [
            "&#64;",
            "&#64",
            "&#064;",
            "&#00000064;",
            "&#064",
            "&#x40;",
            "&#X40;",
            "&#x40",
            "&#x0040;",
            "&commat;",
            "%40",
            "\\u0040",
            "\\u{40}",
            "\\u{000040}",
            "\\x40",
            "&amp;#64;",
            "&amp;#x0040;",
            "\\u0026#64;",
            "\\\\u0026#064;",
            "@",
        ];
        for spelling in spellings {
            assert_eq!(decoded(spelling), ('@', spelling.len()), "{spelling}");
            assert_eq!(decoded(&format!("{spelling}z.org")), ('@', spelling.len()), "{spelling} before text");
        }
    }

    #[test]
    fn characters_of_several_bytes() {
        assert_eq!(decoded("%C3%BCx"), ('ü', 6));
        assert_eq!(decoded("üx"), ('ü', 2));
        assert_eq!(decoded("&uuml;x"), ('ü', 6));
        assert_eq!(read(b"\xffx", 0, true).ch, BORDER);
        assert_eq!(read(b"\xe4\xb8", 0, true).end, 1);
    }

    #[test]
    fn what_is_no_code_stands_as_it_is() {
        for text in [
            "&",
            "&;",
            "&#;",
            "&#x;",
            "&#xg",
            "&unknown;",
            "&commat",
            "%",
            "%4",
            "%zz",
            "%de",
            "\\",
            "\\u00",
            "\\u{}",
            "\\u{40",
            "\\u{0000040}",
            "\\q",
        ] {
            assert_eq!(decoded(text).1, 1, "{text}");
        }
        assert_eq!(read(b"&#64;", 0, false).ch, '&', "references do not count in plain text");
    }

    #[test]
    fn a_code_that_ends_with_the_text() {
        assert_eq!(decoded("&#37;&"), ('%', 5));
        assert_eq!(decoded("&#37;4&#"), ('%', 5));
    }

    #[test]
    fn borders_without_their_semicolon() {
        assert_eq!(decoded("&ltann"), ('<', 3));
        assert_eq!(decoded("&nbspann"), ('\u{a0}', 5));
    }
}
