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
    content.iter().fold(true, |all, byte| {
        let digit = byte.is_ascii_alphanumeric() | matches!(byte, b'+' | b'/' | b'=');
        all & (digit | matches!(byte, b' ' | b'\t'))
    })
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
