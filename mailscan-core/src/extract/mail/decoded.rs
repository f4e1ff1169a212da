//! Decoded text: bytes, and the map back to where they came from.
//!
//! The decoders of mail add to it; [`super::text`] searches it.

use std::ops::Range;

use encoding_rs::Encoding;

use super::super::{Form, charset};
use super::line::Line;
use super::map::{Map, Step};

/// What was decoded of one text and not searched yet.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    /// Positions in the map count from the beginning of the text; this is that of the first byte here.
    searched: usize,
    map: Map,
}

impl Decoded {
    /// Bytes in another charset, with a map that leads back to their places among these.
    pub(super) fn transcoded(bytes: &[u8], encoding: &'static Encoding) -> Self {
        let mut decoded = Self::default();
        charset::characters(bytes, encoding, |characters, raw| {
            let step = if raw.len() == characters.len() { Step::Same } else { Step::Whole };
            decoded.coded(characters.as_bytes(), raw, step, Form::Plain);
        });
        decoded
    }

    /// Adds bytes as they stand in the document.
    pub(super) fn same(&mut self, line: Line<'_>, form: Form) {
        self.coded(line.bytes, line.start..line.start + line.bytes.len(), Step::Same, form);
    }

    /// Adds bytes that were decoded from `source`.
    pub(super) fn coded(&mut self, bytes: &[u8], source: Range<usize>, step: Step, form: Form) {
        if !bytes.is_empty() {
            self.map.add(self.end(), source, step, form);
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Adds another text.
    pub(super) fn append(&mut self, other: &Self) {
        self.map.append(self.end(), &other.map);
        self.bytes.extend_from_slice(&other.bytes);
    }

    /// Adds a byte that stands nowhere and parts what is before it from what comes, unless something does already.
    pub(super) fn border(&mut self, byte: u8, at: usize) {
        if self.bytes.last().is_some_and(|last| *last > b' ') {
            self.coded(&[byte], at..at, Step::Whole, Form::Plain);
        }
    }

    /// The position after the last byte, from the beginning of the text.
    pub(super) fn end(&self) -> usize {
        self.searched + self.bytes.len()
    }

    /// Where the bytes in `range` came from and how they were written; `torn` where they are plain but in pieces.
    pub(super) fn source(&self, range: Range<usize>, torn: Form) -> (Range<usize>, Form) {
        self.map.source(range.start + self.searched..range.end + self.searched, torn)
    }

    /// The end of what the first `length` bytes came from, of which there is one or more.
    pub(super) fn source_end(&self, length: usize) -> usize {
        self.source(length - 1..length, Form::Plain).0.end
    }

    /// Drops the first `count` bytes.
    pub(super) fn forget(&mut self, count: usize) {
        self.searched += count;
        self.bytes.drain(..count);
        self.map.forget(self.searched);
    }

    /// Begins another text.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.map.clear();
        self.searched = 0;
    }

    /// Whether nothing was cut off yet.
    pub(super) fn is_first(&self) -> bool {
        self.searched == 0
    }
}
