//! Base64 (RFC 4648), line by line, with groups that go on over line ends.
//!
//! Takes lines of base64 and adds what they hold to a text. What is left of a last group is decoded as far as it goes.

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};

use super::super::Form;
use super::decoded::Decoded;
use super::line::Line;
use super::map::Step;

/// Decodes what careless encoders and cut files leave, too.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether bytes of a line are base64 and white space.
pub(super) fn is_base64(content: &[u8]) -> bool {
    // Without a short cut this is a few comparisons of whole vectors.
    content.iter().fold(true, |all, byte| all & (is_digit(*byte) | matches!(byte, b' ' | b'\t')))
}

/// Whether a byte is one of those that base64 is written in.
pub(super) fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() | matches!(byte, b'+' | b'/' | b'=')
}

/// Decodes the lines of one part.
#[derive(Debug, Default)]
pub(super) struct Base64 {
    /// The characters of a group that is not whole yet, each with its place.
    group: Vec<(u8, usize)>,
}

impl Base64 {
    /// Adds a line of base64.
    pub(super) fn line(&mut self, line: Line<'_>, text: &mut Decoded, form: Form) {
        let content = line.content();
        let before = content.len() - content.trim_ascii_start().len();
        let digits = content.trim_ascii();
        let whole = digits.len() - digits.len() % 4;
        let plain = self.group.is_empty() && digits[..whole].iter().all(|byte| !matches!(byte, b' ' | b'\t' | b'='));
        let groups = if plain { whole } else { 0 };
        self.groups(&digits[..groups], line.start + before, text, form);
        for (index, byte) in digits.iter().enumerate().skip(groups) {
            self.digit(*byte, line.start + before + index, text, form);
        }
    }

    /// Adds what there is of the last group, and begins anew.
    pub(super) fn end(&mut self, text: &mut Decoded, form: Form) {
        let digits: Vec<u8> = self.group.iter().map(|(digit, _)| *digit).collect();
        let mut bytes = [0; 3];
        // A single character is not a whole byte.
        let count = if digits.len() < 2 { 0 } else { LENIENT.decode_slice(&digits, &mut bytes).unwrap_or(0) };
        for (index, byte) in bytes[..count].iter().enumerate() {
            let source = self.group[index].1..self.group[index + 1].1 + 1;
            text.coded(&[*byte], source, Step::Whole, form);
        }
        self.group.clear();
    }

    fn groups(&mut self, digits: &[u8], start: usize, text: &mut Decoded, form: Form) {
        let mut bytes = [0; 3 << 6];
        for (index, digits) in digits.chunks(4 << 6).enumerate() {
            let start = start + index * (4 << 6);
            let count = LENIENT.decode_slice(digits, &mut bytes).unwrap_or(0);
            text.coded(&bytes[..count], start..start + digits.len(), Step::Base64, form);
        }
    }

    fn digit(&mut self, digit: u8, at: usize, text: &mut Decoded, form: Form) {
        match digit {
            b'=' => self.end(text, form),
            b' ' | b'\t' => {}
            _ => {
                self.group.push((digit, at));
                if self.group.len() == 4 {
                    self.end(text, form);
                }
            }
        }
    }
}

/// Decodes base64 in pieces that are cut anywhere, where nobody asks for the places.
#[cfg(feature = "files")]
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The digits of a group that is not whole yet.
    digits: Vec<u8>,
}

#[cfg(feature = "files")]
impl Stream {
    /// How much is decoded at a time.
    const CHUNK: usize = 16 << 10;

    /// Hands on what whole groups of digits hold. There may be white space between these.
    pub(super) fn read(&mut self, text: &[u8], mut each: impl FnMut(&[u8])) {
        for text in text.chunks(Self::CHUNK) {
            text.split(u8::is_ascii_whitespace).for_each(|digits| self.digits.extend_from_slice(digits));
            let mut at = 0;
            while let Some(length) = memchr::memchr(b'=', &self.digits[at..]) {
                give(&self.digits[at..at + length], &mut each);
                at += length + 1;
            }
            let whole = at + (self.digits.len() - at) / 4 * 4;
            give(&self.digits[at..whole], &mut each);
            self.digits.drain(..whole);
        }
    }

    /// Hands on what there is of the last group.
    pub(super) fn end(self, mut each: impl FnMut(&[u8])) {
        give(&self.digits, &mut each);
    }
}

/// Hands on what digits hold.
#[cfg(feature = "files")]
fn give(digits: &[u8], each: &mut impl FnMut(&[u8])) {
    // A single character is not a whole byte.
    let digits = if digits.len() % 4 == 1 { &digits[..digits.len() - 1] } else { digits };
    let mut bytes = vec![0; digits.len() / 4 * 3 + 3];
    let count = LENIENT.decode_slice(digits, &mut bytes).unwrap_or(0);
    if count > 0 {
        each(&bytes[..count]);
    }
}

#[cfg(all(test, feature = "files"))]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_cut_anywhere_and_hold_the_same() {
        let text = b"YW5u\r\nQGEub3Jn IGJlbg==\r\nQGI\n=\n=Lm9yZw";
        for size in 1..text.len() {
            let (mut stream, mut found) = (Stream::default(), Vec::new());
            text.chunks(size).for_each(|text| stream.read(text, |bytes| found.extend_from_slice(bytes)));
            stream.end(|bytes| found.extend_from_slice(bytes));
            assert_eq!(String::from_utf8_lossy(&found), "ann@a.org ben@b.org", "{size}");
        }
    }
}
