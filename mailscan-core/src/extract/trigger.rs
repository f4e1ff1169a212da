//! Triggers: where an `@` stands in a document, in any of its spellings.
//!
//! Takes the document's bytes and answers with the units that are an `@`. Nearly every byte is passed by a vector test
//! of whole blocks: how many `&`, `%` and `\` a document holds does not matter, since every numeric spelling of `@`
//! holds the digits `40` or `64` and the only named one begins with `&c`. In a block that passes, a closer test gives
//! one bit a byte, and only at these bits is anything read.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, mask8x64, u8x64};

use super::unit::{self, Unit};

/// How many bytes are tested at once.
const BLOCK: usize = 64;
/// A block and the two bytes after it, which its tests look at too.
const WINDOW: usize = BLOCK + 2;
/// The most zeros that may lead the number of a character reference.
const LEADING_ZEROS: usize = 8;

/// Calls `visit` with every `@` of `document`, in order.
pub(super) fn each(document: &[u8], mut visit: impl FnMut(Unit)) {
    let level = Level::new();
    let mut search = |bytes: &[u8], offset: usize| {
        let mut base = 0;
        while let Some(candidates) = dispatch!(level, simd => next(simd, bytes, base)) {
            base = candidates.block + BLOCK;
            candidates.positions().filter_map(|at| read(document, offset + at)).for_each(&mut visit);
        }
    };
    search(document, 0);
    // The end that fills no window is searched with zeros after it.
    let rest = (document.len() + BLOCK).saturating_sub(WINDOW) / BLOCK * BLOCK;
    let mut end = [0; BLOCK + WINDOW];
    end[..document.len() - rest].copy_from_slice(&document[rest..]);
    search(&end, rest);
}

/// Where in a block an `@` may begin.
struct Candidates {
    /// Where the block begins.
    block: usize,
    /// A bit for each of its bytes, the lowest for the first.
    bits: u64,
}

impl Candidates {
    fn positions(self) -> impl Iterator<Item = usize> {
        let ones = std::iter::successors(Some(self.bits), |bits| Some(bits & bits.wrapping_sub(1)));
        ones.take_while(|bits| *bits != 0).map(move |bits| self.block + bits.trailing_zeros() as usize)
    }
}

/// The first block from `base` on with a candidate.
#[inline(always)]
fn next<S: Simd>(simd: S, bytes: &[u8], base: usize) -> Option<Candidates> {
    let mut block = base;
    while let Some(window) = bytes.get(block..).and_then(|rest| rest.first_chunk::<WINDOW>()) {
        let [first, second, third] = [0, 1, 2].map(
            #[inline(always)]
            |ahead| u8x64::from_slice(simd, &window[ahead..ahead + BLOCK]),
        );
        if is_near(first, second, third).any_true() {
            let bits = is_candidate(first, second, third).to_bitmask();
            if bits != 0 {
                return Some(Candidates { block, bits });
            }
        }
        block += BLOCK;
    }
    None
}

/// The quick test: `@`, `&c`, and digits after any byte that are `40`, `64`, `44` or `60`, the latter two for the price
/// of one comparison.
#[inline(always)]
fn is_near<S: Simd>(first: u8x64<S>, second: u8x64<S>, third: u8x64<S>) -> mask8x64<S> {
    let number = (second | 2).simd_eq(b'6') & (third & !4).simd_eq(b'0');
    let name = first.simd_eq(b'&') & second.simd_eq(b'c');
    first.simd_eq(b'@') | number | name
}

/// The closer test: `@`, `&co`, and the last byte before `40` or `64` with both digits.
#[inline(always)]
fn is_candidate<S: Simd>(first: u8x64<S>, second: u8x64<S>, third: u8x64<S>) -> mask8x64<S> {
    let name = first.simd_eq(b'&') & second.simd_eq(b'c') & third.simd_eq(b'o');
    let zero = first.simd_eq(b'0');
    let hexadecimal =
        second.simd_eq(b'4') & third.simd_eq(b'0') & (zero | first.simd_eq(b'%') | (first | 32).simd_eq(b'x'));
    let decimal = second.simd_eq(b'6') & third.simd_eq(b'4') & (zero | first.simd_eq(b'#'));
    first.simd_eq(b'@') | name | hexadecimal | decimal
}

/// The `@` that the candidate at `at` is part of, if it is one.
fn read(document: &[u8], at: usize) -> Option<Unit> {
    let start = match document[at] {
        b'@' | b'&' => at,
        _ if document[at + 1] == b'6' => decimal(document, at + 1)?,
        _ => hexadecimal(document, at + 1)?,
    };
    Some(unit::read(document, start, true)).filter(|unit| unit.ch == '@')
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
            for offset in 0..3 * BLOCK {
                let mut document = vec![b'0'; 4 * BLOCK];
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
