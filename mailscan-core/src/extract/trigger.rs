//! Triggers: where an `@` stands in a document, in any of its spellings.
//!
//! Takes the document's bytes and answers with the units that are an `@`. Nearly every byte is passed by a test over
//! whole chunks that the compiler turns into SIMD: how many `&`, `%` and `\` a document holds does not matter, since
//! every numeric spelling of `@` holds the digits `40` or `64` and the only named one begins with `&c`.

use super::unit::{self, Unit};

/// How many bytes are passed at once.
const CHUNK: usize = 128;
/// The most zeros that may lead the number of a character reference.
const LEADING_ZEROS: usize = 8;

/// Calls `visit` with every `@` of `document`, in order.
pub(super) fn each(document: &[u8], mut visit: impl FnMut(Unit)) {
    let mut base = 0;
    while let Some((bytes, nexts)) = chunk(document, base) {
        if may_hold(bytes, nexts) {
            search(document, base..base + CHUNK, &mut visit);
        }
        base += CHUNK;
    }
    search(document, base..document.len(), &mut visit);
}

/// The chunk at `base`, and the same one byte further; `None` near the end.
fn chunk(document: &[u8], base: usize) -> Option<(&[u8; CHUNK], &[u8; CHUNK])> {
    let bytes = document[base..].first_chunk()?;
    Some((bytes, document.get(base + 1..)?.first_chunk()?))
}

/// Whether a spelling of `@` may stand in the bytes, each of which has its next one in `nexts`.
///
/// Not inlined: as two parameters they are loaded as they are, where the compiler would else shift one out of another.
#[inline(never)]
fn may_hold(bytes: &[u8; CHUNK], nexts: &[u8; CHUNK]) -> bool {
    let mut seen = 0;
    for (byte, next) in bytes.iter().zip(nexts) {
        // `40` and `64`, with `44` and `60` for the price of one comparison.
        let number = (byte | 2 == b'6') & (next & !4 == b'0');
        let name = (*byte == b'&') & (*next == b'c');
        seen |= u8::from((*byte == b'@') | number | name);
    }
    seen != 0
}

/// Visits what is keyed by the bytes of `range`: an `@`, the `40` or `64` of a number, the `&c` of a name.
fn search(document: &[u8], range: std::ops::Range<usize>, visit: &mut impl FnMut(Unit)) {
    // The `4` of a `64` may be the next chunk's first byte.
    let end = document.len().min(range.end + 1);
    for found in memchr::memchr3_iter(b'@', b'4', b'&', &document[range.start..end]) {
        let key = range.start + found;
        let start = match document[key] {
            b'4' if key > range.start && document[key - 1] == b'6' => decimal(document, key - 1),
            _ if key == range.end => None,
            b'@' => Some(key),
            b'4' if document.get(key + 1) == Some(&b'0') => hexadecimal(document, key),
            b'&' if document.get(key + 1) == Some(&b'c') => Some(key),
            _ => None,
        };
        let unit = start.map(|start| unit::read(document, start, true));
        unit.filter(|unit| unit.ch == '@').into_iter().for_each(&mut *visit);
    }
}

/// Where the reference begins of which `64` at `key` may be the number: `&#64;`, `&#064`.
fn decimal(document: &[u8], key: usize) -> Option<usize> {
    let (before, _) = without_zeros(&document[..key]);
    before.ends_with(b"&#").then(|| before.len() - 2)
}

/// Where the code begins of which `40` at `key` may be the number: `%40`, `&#x40;`, `\x40`, `\u0040`.
fn hexadecimal(document: &[u8], key: usize) -> Option<usize> {
    let (before, zeros) = without_zeros(&document[..key]);
    let length = match (*before.last()?, zeros) {
        (b'%', 0) => 1,
        (b'x', 0) if before.ends_with(br"\x") => 2,
        (b'u', 2) => 2,
        (b'x' | b'X', _) => 3,
        _ => return None,
    };
    before.len().checked_sub(length)
}

/// The bytes without the zeros at their end, and how many those are.
fn without_zeros(bytes: &[u8]) -> (&[u8], usize) {
    let zeros = bytes.iter().rev().take(LEADING_ZEROS).take_while(|byte| **byte == b'0').count();
    (&bytes[..bytes.len() - zeros], zeros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(document: &[u8]) -> Vec<usize> {
        let mut positions = Vec::new();
        each(document, |unit| positions.push(unit.start));
        positions
    }

    #[test]
    fn every_spelling_is_seen_once_at_every_place() {
        let spellings =
            ["@", "&#64;", "&#64", "&#00000064", "&#x40;", "&#X0040", "&commat;", "%40", "\\u0040", "\\x40"];
        for spelling in spellings {
            for offset in 0..2 * CHUNK + 20 {
                let mut document = vec![b'0'; 3 * CHUNK];
                document[offset..offset + spelling.len()].copy_from_slice(spelling.as_bytes());
                // A digit after it would change the number.
                document[offset + spelling.len()] = b' ';
                assert_eq!(positions(&document), [offset], "{spelling} at {offset}");
            }
        }
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        let text = "64 40 &#640; &#x400 %2540 \\u00400 &copy; &co 4064 \\u040 #64 x40 \\\\x4 &#000000064;";
        assert_eq!(positions(text.as_bytes()), [text.find("\\u0040").unwrap()]);
        assert_eq!(positions(b"40"), [0; 0]);
        assert_eq!(positions(b"64"), [0; 0]);
        assert_eq!(positions(b""), [0; 0]);
    }
}
