//! Quoted-printable (RFC 2045), line by line, as lenient as mail is broken.
//!
//! Takes lines and adds what they hold to a text. An `=` that begins no code stands for itself.

use super::super::Form;
use super::decoded::Decoded;
use super::line::Line;
use super::map::Step;

/// Adds a line. A soft break at its end is left out, with the white space that was added on the way.
pub(super) fn line(line: Line<'_>, text: &mut Decoded) {
    let content = line.content().len();
    let soft = line.ends.then(|| soft_break(&line.bytes[..content])).flatten();
    codes(line.part(0..soft.unwrap_or(content)), text);
    if soft.is_none() {
        text.same(line.part(content..line.bytes.len()), Form::Plain);
    }
}

/// Where the soft break begins that ends these bytes of a line.
pub(super) fn soft_break(content: &[u8]) -> Option<usize> {
    content.trim_ascii_end().strip_suffix(b"=").map(<[u8]>::len)
}

/// Adds bytes in which there are codes, but no soft break.
fn codes(line: Line<'_>, text: &mut Decoded) {
    let mut from = 0;
    for at in memchr::memchr_iter(b'=', line.bytes) {
        if let Some(byte) = line.bytes.get(at + 1..at + 3).and_then(byte)
            && at >= from
        {
            text.same(line.part(from..at), Form::Plain);
            text.coded(&[byte], line.start + at..line.start + at + 3, Step::Whole, Form::QuotedPrintable);
            from = at + 3;
        }
    }
    text.same(line.part(from..line.bytes.len()), Form::Plain);
}

/// The byte that two hexadecimal digits stand for.
pub(super) fn byte(digits: &[u8]) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*digits.first()?)? << 4 | digit(*digits.get(1)?)?)
}
