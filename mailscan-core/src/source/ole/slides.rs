//! The text of PowerPoint's presentations (MS-PPT): slides, notes, comments, headers, and the addresses of links.
//!
//! Takes the stream of the presentation, which is records in each other. Those that hold text are known and decoded, whatever
//! they stand in; any other that holds no records is searched for what looks like text.

use super::text::{add_narrow, add_wide};
use super::{Outcome, length_at, long, short, strings};

/// What is not read.
pub(super) const ENCRYPTED: &str = "encrypted ppt";
/// What is wrong with a presentation.
const DAMAGED: &str =
    "the records of the PowerPoint presentation are damaged, so only what looks like text was read of some";

/// The length of the head of a record: flags, kind, length.
const HEAD: usize = 8;
/// What the flags of a record are that holds others.
const HOLDS_OTHERS: u16 = 0x0f;

/// Kinds of records: the first that there is, texts in both ways of writing them, and documents that are packed.
mod kind {
    pub(super) const FIRST: u16 = 1_000;
    pub(super) const WIDE_TEXT: u16 = 0x0fa0;
    pub(super) const NARROW_TEXT: u16 = 0x0fa8;
    pub(super) const STRING: u16 = 0x0fba;
    pub(super) const PACKED: u16 = 0x1011;
}

/// What newer programs keep for themselves begins with.
const ZIP: &[u8] = b"PK\x03\x04";

/// What stands before a document that is packed: how long it is.
const UNPACKED_LENGTH: usize = 4;

/// Where the stream of the user says whether the presentation is encrypted, and how.
const TOKEN_AT: usize = 12;
const ENCRYPTED_TOKEN: u32 = 0xf3d1_c4df;

/// Whether the stream of the user says that the presentation is encrypted.
pub(super) fn is_encrypted(user: &[u8]) -> bool {
    long(user, TOKEN_AT) == Some(ENCRYPTED_TOKEN)
}

/// Adds the text of a presentation, and to `packed` the documents that are embedded in it.
pub(super) fn read<'a>(stream: &'a [u8], text: &mut String, packed: &mut Vec<&'a [u8]>) -> Outcome {
    // Programs leave bytes between the records that are none. Up to where the next record stands, they are lost.
    let (mut at, mut lost, mut outcome) = (0, 0, Outcome::Read);
    while at < stream.len() {
        let Some(record) = Record::at(stream, at) else {
            (at, lost) = (at + 1, lost + 1);
            continue;
        };
        if !add_lost(&stream[at - lost..at], text) {
            outcome = Outcome::Problem(DAMAGED);
        }
        (at, lost) = (at + HEAD, 0);
        if record.holds_others {
            continue;
        }
        match (record.kind, record.bytes.get(UNPACKED_LENGTH..)) {
            (kind::PACKED, Some(document)) => packed.push(document),
            _ => record.add(text),
        }
        at += record.bytes.len();
    }
    if !add_lost(&stream[at - lost..], text) {
        outcome = Outcome::Problem(DAMAGED);
    }
    outcome
}

/// Adds what stands where a record should; whether there was nothing.
fn add_lost(lost: &[u8], text: &mut String) -> bool {
    strings::add(lost, text);
    lost.iter().all(|byte| *byte == 0)
}

struct Record<'a> {
    kind: u16,
    holds_others: bool,
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record at a place; `None` where there is none.
    fn at(stream: &'a [u8], at: usize) -> Option<Self> {
        let (flags, kind, length) = (short(stream, at)?, short(stream, at + 2)?, length_at(stream, at + 4)?);
        let within = &stream[at + HEAD..];
        let bytes = within.get(..length)?;
        let holds_others = flags & HOLDS_OTHERS == HOLDS_OTHERS && !bytes.starts_with(ZIP);
        (kind >= kind::FIRST).then_some(Self { kind, holds_others, bytes })
    }

    fn add(&self, text: &mut String) {
        match self.kind {
            kind::WIDE_TEXT | kind::STRING => add_wide(self.bytes, text),
            kind::NARROW_TEXT => add_narrow(self.bytes, text),
            _ if self.bytes.starts_with(ZIP) => {}
            _ => strings::add(self.bytes, text),
        }
        text.push('\n');
    }
}
