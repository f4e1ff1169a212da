//! The text of Word documents (MS-DOC): main text, notes, headers, comments and text boxes, one behind the other.
//!
//! Takes the stream of the document and those of its tables. The text stands in pieces of which a table says where they are and
//! how they are written, in the order of the text; documents of Word 6 and 95 have it in one. What fields say, such as the
//! address of a link, stays in the text.

use super::text::{add_narrow, add_wide};
use super::{Outcome, bytes_at, length_at, short, strings};

/// What a document begins with, from Word 97 on and in the two versions before.
const MARKS: [u16; 3] = [0xa5ec, 0xa5dc, 0xa699];
/// The first version whose text is in pieces that may be UTF-16.
const WORD_97: u16 = 0xc1;

/// Where the head of the stream says what.
mod head {
    pub(super) const VERSION: usize = 0x02;
    pub(super) const FLAGS: usize = 0x0a;
    pub(super) const TEXT_BEGINS: usize = 0x18;
    pub(super) const TEXT_ENDS: usize = 0x1c;
    pub(super) const PIECES_AT: usize = 0x1a2;
    pub(super) const PIECES_LENGTH: usize = 0x1a6;
}

/// The flags there.
const IS_ENCRYPTED: u16 = 0x0100;
const HAS_SECOND_TABLE: u16 = 0x0200;

/// What parts of the table begin with: what pieces look like, and the pieces.
const LOOKS: u8 = 1;
const PIECES: u8 = 2;
/// How long a piece is in the table, and the places between which it stands.
const PIECE: usize = 8;
const PLACE: usize = 4;
/// Whether a piece is of one byte a character; then its place counts twice.
const IS_NARROW: u32 = 1 << 30;

/// What is not read.
const ENCRYPTED: &str = "encrypted doc";
/// What is wrong with a document.
const DAMAGED: &str = "the table of the Word document's text is damaged, so only what looks like text was read";

/// Adds the text of a document, with its tables.
pub(super) fn read(document: &[u8], tables: [Option<&[u8]>; 2], text: &mut String) -> Outcome {
    let (Some(mark), Some(version), Some(flags)) =
        (short(document, 0), short(document, head::VERSION), short(document, head::FLAGS))
    else {
        return Outcome::Problem(DAMAGED);
    };
    let is_one = MARKS.contains(&mark);
    if is_one && flags & IS_ENCRYPTED != 0 {
        return Outcome::Unread(ENCRYPTED);
    }
    let table = tables[usize::from(flags & HAS_SECOND_TABLE != 0)];
    let before = text.len();
    let read = match is_one {
        false => None,
        true if version < WORD_97 => add_old(document, text),
        true => table.and_then(|table| add_pieces(document, table, text)),
    };
    if read.is_none() {
        text.truncate(before);
        strings::add(document, text);
        return Outcome::Problem(DAMAGED);
    }
    text.push('\n');
    Outcome::Read
}

/// Adds the text of an old document; `None` where it has none.
fn add_old(document: &[u8], text: &mut String) -> Option<()> {
    let (start, end) = (length_at(document, head::TEXT_BEGINS)?, length_at(document, head::TEXT_ENDS)?);
    add_narrow(document.get(start..end)?, text);
    Some(())
}

/// Adds the pieces of a text; `None` where they cannot be found, or lie over each other.
fn add_pieces(document: &[u8], table: &[u8], text: &mut String) -> Option<()> {
    let (at, length) = (length_at(document, head::PIECES_AT)?, length_at(document, head::PIECES_LENGTH)?);
    let pieces = pieces(table.get(at..at.checked_add(length)?)?)?;
    let count = pieces.len().checked_sub(PLACE)? / (PIECE + PLACE);
    let mut left = document.len();
    for number in 0..count {
        let (from, to) = (length_at(pieces, number * PLACE)?, length_at(pieces, (number + 1) * PLACE)?);
        let characters = to.checked_sub(from)?;
        let piece = bytes_at::<PIECE>(pieces, (count + 1) * PLACE + number * PIECE)?;
        let place = u32::from_le_bytes([piece[2], piece[3], piece[4], piece[5]]);
        let is_narrow = place & IS_NARROW != 0;
        let place = usize::try_from(place & (IS_NARROW - 1)).ok()?;
        let (at, length) = if is_narrow { (place / 2, characters) } else { (place, characters.checked_mul(2)?) };
        // Those of honest documents do not lie over each other.
        left = left.checked_sub(length)?;
        let bytes = document.get(at..at.checked_add(length)?)?;
        if is_narrow { add_narrow(bytes, text) } else { add_wide(bytes, text) }
    }
    Some(())
}

/// The table of the pieces, behind what they look like.
fn pieces(mut parts: &[u8]) -> Option<&[u8]> {
    loop {
        match *parts.first()? {
            LOOKS => parts = parts.get(3 + usize::from(short(parts, 1)?)..)?,
            PIECES => return parts.get(5..5_usize.checked_add(length_at(parts, 1)?)?),
            _ => return None,
        }
    }
}
