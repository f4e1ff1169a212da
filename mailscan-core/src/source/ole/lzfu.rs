//! The packed text of messages (MS-OXRTFCP): what Outlook keeps of a text with fonts.
//!
//! Takes the bytes of the property and gives RTF, which `source/rtf.rs` reads. Each reference to what came before is of two bytes and stands for seventeen at
//! most, so what comes out is bounded by what goes in, and by what the caller wants.

use super::{length_at, long};

/// The length of the head: the lengths of what follows and of the text, the way of packing, a checksum.
const HEAD: usize = 16;
const TEXT_LENGTH: usize = 4;
const METHOD: usize = 8;
/// The ways: packed (`LZFu`), and as it is (`MELA`).
const PACKED: u32 = u32::from_le_bytes(*b"LZFu");
const PLAIN: u32 = u32::from_le_bytes(*b"MELA");

/// How far back a reference leads, and what stands there before the text begins.
const WINDOW: usize = 4_096;
const BEFORE: &[u8] =
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \
    \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\
    \\fs20\\b\\i\\u\\tab\\tx";

/// The text, or its first `most` bytes; nothing where there is none.
pub(super) fn unpack(bytes: &[u8], most: usize) -> Vec<u8> {
    let (Some(length), Some(method), Some(content)) =
        (length_at(bytes, TEXT_LENGTH), long(bytes, METHOD), bytes.get(HEAD..))
    else {
        return Vec::new();
    };
    let most = most.min(length);
    match method {
        PACKED => undo(content, most),
        PLAIN => content[..content.len().min(most)].to_vec(),
        _ => Vec::new(),
    }
}

fn undo(content: &[u8], most: usize) -> Vec<u8> {
    let mut unpacked = Unpacked::new(most);
    let mut bytes = content.iter().copied();
    // A byte says of the eight that follow which are references.
    while let Some(kinds) = bytes.next() {
        for kind in 0..8 {
            if unpacked.take(kinds & 1 << kind != 0, &mut bytes).is_none() {
                return unpacked.text;
            }
        }
    }
    unpacked.text
}

/// What is unpacked so far.
struct Unpacked {
    text: Vec<u8>,
    most: usize,
    window: [u8; WINDOW],
    /// Where in the window the next byte will stand.
    at: usize,
}

impl Unpacked {
    fn new(most: usize) -> Self {
        let mut window = [b' '; WINDOW];
        window[..BEFORE.len()].copy_from_slice(BEFORE);
        Self { text: Vec::new(), most, window, at: BEFORE.len() }
    }

    /// Takes a byte, or a reference to some; `None` at the end.
    fn take(&mut self, is_reference: bool, bytes: &mut impl Iterator<Item = u8>) -> Option<()> {
        let first = bytes.next()?;
        if !is_reference {
            return self.put(first);
        }
        let reference = usize::from(u16::from_be_bytes([first, bytes.next()?]));
        let (from, length) = (reference >> 4, (reference & 0xf) + 2);
        // One to where the next byte will stand is the end.
        if from == self.at {
            return None;
        }
        (from..from + length).try_for_each(|place| self.put(self.window[place % WINDOW]))
    }

    /// Adds a byte; `None` where there are enough.
    fn put(&mut self, byte: u8) -> Option<()> {
        if self.text.len() == self.most {
            return None;
        }
        self.window[self.at] = byte;
        self.at = (self.at + 1) % WINDOW;
        self.text.push(byte);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(method: u32, length: u32, content: &[u8]) -> Vec<u8> {
        let head = [content.len() as u32 + 12, length, method, 0];
        head.iter().flat_map(|number| number.to_le_bytes()).chain(content.iter().copied()).collect()
    }

    /// The examples of the standard (MS-OXRTFCP, section 4).
    #[test]
    fn the_examples_of_the_standard_are_unpacked() {
        let first = b"\x03\x00\x0a\x00rcpg125B2\x0a\xf3 hel\x09\x00 bw\x05\xb0ld}\x0a\x80\x0f\xa0";
        let text = b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n";
        assert_eq!(unpack(&packed(PACKED, 43, first), 1 << 20), text);
        let second = b"\x41\x00\x04\x20WXYZ\x0d\x6e\x7d\x01\x0e\xb0";
        assert_eq!(unpack(&packed(PACKED, 28, second), 1 << 20), b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}");
        assert_eq!(unpack(&packed(PACKED, 43, first), 7), b"{\\rtf1\\");
        assert_eq!(unpack(&packed(PLAIN, 9, b"ann@a.org and more"), 100), b"ann@a.org");
        for damaged in [&b""[..], b"short", &packed(0, 9, b"ann@a.org")] {
            assert_eq!(unpack(damaged, 100), b"");
        }
    }
}
