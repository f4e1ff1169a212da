//! Triggers: where an `@` stands in a document, in any of its spellings.
//!
//! Takes the document's bytes and answers with the units that are an `@`. Nearly every byte is passed by a vector test
//! of whole blocks: how many `&`, `%` and `\` a document holds does not matter, since every numeric spelling of `@`
//! holds the digits `40`, `64` or `37` and the only named one begins with `&c`. The test gives a bit for each
//! byte, and only at these bits is anything read.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, mask8x32, u8x32};

use super::Form;
use super::unit::{self, Unit};

/// How many bytes are tested at once.
const BLOCK: usize = 2 * HALF_LENGTH;
/// How many of them fill a vector.
const HALF_LENGTH: usize = 32;
/// A block and the two bytes after it, which its tests look at too.
const WINDOW: usize = BLOCK + 2;
/// How many hits are found in a row.
const MOST: usize = 64;
/// The most zeros that may lead the number of a character reference.
const LEADING_ZEROS: usize = 8;

/// What is to be done with each `@`.
pub(super) trait Visit {
    /// Takes the `@` that stands as it is at `at`. To be inlined, as it may go on with vectors.
    fn raw<S: Simd>(&mut self, simd: S, at: usize);

    /// Takes an `@` in any other spelling.
    fn coded(&mut self, at: Unit);
}

/// Shows `visitor` every `@` of `document`, in order.
pub(super) fn each(level: Level, document: &[u8], visitor: &mut impl Visit) {
    // The end that fills no window is searched with zeros after it.
    let rest = (document.len() + BLOCK).saturating_sub(WINDOW) / BLOCK * BLOCK;
    let mut end = [0; BLOCK + WINDOW];
    end[..document.len() - rest].copy_from_slice(&document[rest..]);
    dispatch!(level, simd => {
        search(simd, document, document, 0, visitor);
        search(simd, document, &end, rest, visitor);
    });
}

/// Shows the `@` in `bytes`, which stand at `offset` in the document.
#[inline(always)]
fn search<S: Simd>(simd: S, document: &[u8], bytes: &[u8], offset: usize, visitor: &mut impl Visit) {
    let mut hits = Hits::default();
    loop {
        find(simd, bytes, &mut hits);
        for (block, bits) in &hits.found[..hits.count] {
            for at in ones(*bits).map(
                #[inline(always)]
                |at| offset + block + at,
            ) {
                if document.get(at) == Some(&b'@') {
                    visitor.raw(simd, at);
                } else if let Some(unit) = read(document, at) {
                    visitor.coded(unit);
                }
            }
        }
        if hits.count < MOST {
            return;
        }
    }
}

/// Blocks in which an `@` may stand. They are found by the row, since starting and stopping a pass costs as much as a
/// few hundred bytes of it.
struct Hits {
    /// Where each begins, and a bit for each of its bytes, the lowest for the first.
    found: [(usize, u64); MOST],
    /// How many there are.
    count: usize,
    /// Where the next block begins.
    next: usize,
}

impl Default for Hits {
    fn default() -> Self {
        Self { found: [(0, 0); MOST], count: 0, next: 0 }
    }
}

/// The positions of the ones, from the lowest.
#[inline(always)]
fn ones(bits: u64) -> impl Iterator<Item = usize> {
    let rest = std::iter::successors(Some(bits), |bits| Some(bits & bits.wrapping_sub(1)));
    rest.take_while(|bits| *bits != 0).map(|bits| bits.trailing_zeros() as usize)
}

/// Finds the next hits, fewer than there is room for only at the end.
#[inline(always)]
fn find<S: Simd>(simd: S, bytes: &[u8], hits: &mut Hits) {
    let (mut count, mut next) = (0, hits.next);
    while let Some(window) = bytes.get(next..).and_then(|rest| rest.first_chunk::<WINDOW>()) {
        let low = Half::of(simd, window, 0);
        let high = Half::of(simd, window, HALF_LENGTH);
        if (low.hit | high.hit).any_true() {
            // Most numbers are no codes: what stands before them is asked only where there is one.
            hits.found[count] = (next, low.opening() | high.opening() << HALF_LENGTH);
            count += 1;
        }
        next += BLOCK;
        if count == MOST {
            break;
        }
    }
    (hits.count, hits.next) = (count, next);
}

/// The tests of half a block.
struct Half<S: Simd> {
    /// Its bytes.
    first: u8x32<S>,
    /// Where one is an `@`, or stands before what may be the number or the name of one.
    hit: mask8x32<S>,
}

impl<S: Simd> Half<S> {
    #[inline(always)]
    fn of(simd: S, window: &[u8; WINDOW], at: usize) -> Self {
        let first = u8x32::from_slice(simd, &window[at..at + HALF_LENGTH]);
        let second = u8x32::from_slice(simd, &window[at + 1..at + 1 + HALF_LENGTH]);
        let third = u8x32::from_slice(simd, &window[at + 2..at + 2 + HALF_LENGTH]);
        // `40` and `64`, with `44` and `60` for the price of one comparison.
        let number = (second | 2).simd_eq(b'6') & (third & !4).simd_eq(b'0');
        // `37` is the `%` of a percent-encoding that is written in references.
        let percent = second.simd_eq(b'3') & third.simd_eq(b'7');
        let name = first.simd_eq(b'&') & second.simd_eq(b'c');
        Self { first, hit: first.simd_eq(b'@') | number | percent | name }
    }

    /// The hits before which stands what opens a code, a bit each.
    #[inline(always)]
    fn opening(&self) -> u64 {
        let first = self.first;
        let sign = first.simd_eq(b'#') | first.simd_eq(b'%') | first.simd_eq(b'{') | first.simd_eq(b'&');
        let sign = sign | first.simd_eq(b'0') | first.simd_eq(b'x') | first.simd_eq(b'X');
        (self.hit & (first.simd_eq(b'@') | sign)).to_bitmask()
    }
}

/// The `@` in a code that begins at `at` or is around the digits after it, if there is one.
#[inline(never)]
fn read(document: &[u8], at: usize) -> Option<Unit> {
    let start = match document[at..] {
        [b'&', b'c', b'o', ..] => at,
        [b'#' | b'0', b'6', b'4', ..] | [b'#' | b'0', b'3', b'7', ..] => decimal(document, at + 1)?,
        [b'%' | b'x' | b'X' | b'{' | b'0', b'4', b'0', ..] => hexadecimal(document, at + 1)?,
        _ => return None,
    };
    // Where no code begins stands whatever it is, an `@` of its own perhaps.
    Some(unit::read(document, start, true)).filter(|unit| unit.ch == '@' && unit.form != Form::Plain)
}

/// Where the reference begins of which `64` or `37` at `key` may be the number: `&#64;`, `&#064`, `&#37;&#52;&#48;`.
fn decimal(document: &[u8], key: usize) -> Option<usize> {
    let (before, _) = without_zeros(&document[..key]);
    before.ends_with(b"&#").then(|| before.len() - 2)
}

/// Where the code begins of which `40` at `key` may be the number: `%40`, `&#x40;`, `\x40`, `\u0040`, `\u{40}`.
fn hexadecimal(document: &[u8], key: usize) -> Option<usize> {
    let (before, zeros) = without_zeros(&document[..key]);
    let length = match (*before.last()?, zeros) {
        (b'%', 0) => 1,
        (b'x', 0) if before.ends_with(br"\x") => 2,
        (b'u', 2) => 2,
        (b'{', _) if before.ends_with(br"\u{") => 3,
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

    #[derive(Default)]
    struct Positions(Vec<usize>);

    impl Visit for Positions {
        fn raw<S: Simd>(&mut self, _: S, at: usize) {
            self.0.push(at);
        }

        fn coded(&mut self, at: Unit) {
            self.0.push(at.start);
        }
    }

    fn positions(document: &[u8]) -> Vec<usize> {
        let mut positions = Positions::default();
        each(Level::new(), document, &mut positions);
        positions.0
    }

    #[test]
    fn every_spelling_is_seen_once_at_every_place() {
        let spellings = [
            "@",
            "&#64;",
            "&#64",
            "&#00000064",
            "&#x40;",
            "&#X0040",
            "&commat;",
            "%40",
            "\\u0040",
            "\\u{40}",
            "\\u{000040}",
            "\\x40",
            "&#37;&#52;&#48;",
        ];
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
        assert_eq!(positions(b"a@ax40 @x40 @00x40"), [1, 7, 12], "each once");
        assert_eq!(positions(b"40"), [0; 0]);
        assert_eq!(positions(b"64"), [0; 0]);
        assert_eq!(positions(b""), [0; 0]);
    }
}
