//! The text of macros (MS-OVBA, section 2.4.1): who wrote them often says so.
//!
//! Takes the stream of a module, in which the packed text stands behind what a program made of it, and gives the text. It is packed
//! in chunks of 4 KiB of text each, so what comes out is bounded by the caller alone.

use super::short;
use super::text::add_narrow;

/// What the text of every module begins with, as it is packed: the sign of packed text, the head of the first chunk between.
const SIGN: u8 = 1;
const BEGIN: &[u8] = b"\0Attribut";
/// The length of the head of a chunk, and what it holds: the length of the rest, and whether that is packed.
const HEAD: usize = 2;
const LENGTH: u16 = 0x0fff;
const IS_PACKED: u16 = 0x8000;
/// The most text of a chunk.
const CHUNK: usize = 4_096;

/// Adds the text of a module, of at most so many bytes; answers how many.
pub(super) fn add(module: &[u8], most: usize, text: &mut String) -> usize {
    let Some(begin) = memchr::memmem::rfind(module, BEGIN).and_then(|at| at.checked_sub(HEAD)) else { return 0 };
    if begin.checked_sub(1).map(|sign| module[sign]) != Some(SIGN) {
        return 0;
    }
    let (mut rest, mut unpacked) = (&module[begin..], Vec::new());
    while unpacked.len() < most
        && let Some(head) = short(rest, 0)
    {
        let length = usize::from(head & LENGTH) + 1;
        let within = &rest[HEAD..];
        let (chunk, behind) = within.split_at(within.len().min(length));
        if head & IS_PACKED == 0 {
            unpacked.extend_from_slice(chunk);
        } else {
            undo(chunk, &mut unpacked);
        }
        rest = behind;
    }
    unpacked.truncate(most);
    add_narrow(&unpacked, text);
    text.push('\n');
    unpacked.len()
}

/// Adds the text of a chunk, as far as it is whole.
fn undo(chunk: &[u8], unpacked: &mut Vec<u8>) {
    let start = unpacked.len();
    let mut bytes = chunk.iter().copied();
    // A byte says of the eight that follow which are references.
    while let Some(kinds) = bytes.next() {
        for kind in 0..8 {
            let Some(first) = bytes.next() else { return };
            if kinds & 1 << kind == 0 {
                unpacked.push(first);
                continue;
            }
            let Some(second) = bytes.next() else { return };
            let done = unpacked.len() - start;
            // The more text there is, the more bits say how far back it stands.
            let bits = usize::BITS - done.saturating_sub(1).leading_zeros();
            let shift = 16 - bits.clamp(4, 12);
            let reference = usize::from(u16::from_le_bytes([first, second]));
            let (back, length) = ((reference >> shift) + 1, (reference & ((1 << shift) - 1)) + 3);
            if back > done {
                return;
            }
            for _ in 0..length.min(CHUNK.saturating_sub(done)) {
                unpacked.push(unpacked[unpacked.len() - back]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_module_is_unpacked() {
        // The second example of the standard (section 3.2.2), behind what every module begins with.
        let chunk = b"\x00Attribut\x00#aaabcde\x82f\x00pahgijkl\x08\x08mno\x06p\x06q\x02p\x04\x10rstuv\x10vwxy\x00z";
        let head = 0xb000 | (chunk.len() as u16 - 1);
        let module = [&b"made of it \x01"[..], &head.to_le_bytes(), chunk].concat();
        let mut text = String::new();
        assert_eq!(add(&module, 1_000, &mut text), text.len() - 1);
        assert!(text.starts_with("Attribut#aaabcdef"), "{text}");
        assert_eq!(add(&module, 5, &mut text), 5);
        let plain = [&b"\x01"[..], &0x300f_u16.to_le_bytes(), b"\0Attribut ann@a"].concat();
        assert_eq!(add(&plain, 1_000, &mut text), 15);
        for none in [&b""[..], b"\0Attribut", b"xx\0Attribut", b"\x01"] {
            assert_eq!(add(none, 1_000, &mut text), 0);
        }
    }
}
