//! Values in base64: of directories (`mail:: YW5uQGEub3Jn`, RFC 2849) and of address books (`EMAIL;ENCODING=B:`).
//!
//! Holds such a line with those that go on it until it is whole, and adds what it encodes to a text if that is text too; of
//! anything else, such as a photograph, the line as it stands.

use super::super::super::Form;
use super::super::base64::{self, Base64};
use super::super::decoded::Decoded;
use super::super::line::Line;

/// Where the value of a line begins that says it is in base64, and may be.
pub(super) fn value_of(line: &[u8]) -> Option<usize> {
    let colon = memchr::memchr(b':', line)?;
    let doubled = line.get(colon + 1) == Some(&b':');
    let value = colon + if doubled { 2 } else { 1 };
    ((doubled || is_encoded(&line[..colon])) && base64::is_base64(&line[value..])).then_some(value)
}

/// Whether a parameter behind the name says so.
fn is_encoded(name: &[u8]) -> bool {
    let mut parameters = name.split(|byte| *byte == b';').skip(1);
    let encodings: [&[u8]; 3] = [b"ENCODING=B", b"ENCODING=BASE64", b"BASE64"];
    parameters.any(|parameter| encodings.iter().any(|encoding| parameter.eq_ignore_ascii_case(encoding)))
}

/// The line that is being read.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    plain: Decoded,
    decoded: Decoded,
    base64: Base64,
    /// How much of what is decoded stands before the value.
    name: usize,
    /// Some of it was no base64.
    broken: bool,
}

impl Encoded {
    /// Adds a part of the line, of which the value begins at `value`.
    pub(super) fn line(&mut self, line: Line<'_>, value: usize) {
        self.plain.same(line, Form::Plain);
        if value > 0 {
            self.decoded.same(line.part(0..value), Form::Plain);
            self.name = value;
        }
        let value = line.part(value..line.content().len());
        self.broken |= !base64::is_base64(value.bytes);
        if !self.broken {
            self.base64.line(value, &mut self.decoded, Form::Base64);
        }
    }

    /// Adds the whole line, of which `last` was the last part, to `text`, and begins anew.
    pub(super) fn end(&mut self, last: Line<'_>, text: &mut Decoded) {
        let mut line = std::mem::take(self);
        line.base64.end(&mut line.decoded, Form::Base64);
        if line.broken || !is_text(&line.decoded.bytes[line.name..]) {
            text.append(&line.plain);
            return;
        }
        line.decoded.same(last.part(last.content().len()..last.bytes.len()), Form::Plain);
        text.append(&line.decoded);
    }
}

fn is_text(bytes: &[u8]) -> bool {
    let control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r');
    !bytes.iter().any(control) && std::str::from_utf8(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_say_they_are_encoded() {
        for (line, value) in [
            ("mail:: YW5u", Some(6)),
            ("EMAIL;ENCODING=BASE64:YW5u", Some(22)),
            ("EMAIL;TYPE=work;encoding=b:YW5u", Some(27)),
            ("PHOTO;JPEG;BASE64:YW5u", Some(18)),
            ("EMAIL;TYPE=base64:YW5u", None),
            ("mail:: ann@a.org", None),
            ("mail: YW5u", None),
            ("NOTE;ENCODING=8BIT:a::b", None),
            ("no colon", None),
        ] {
            assert_eq!(value_of(line.as_bytes()), value, "{line}");
        }
    }
}
