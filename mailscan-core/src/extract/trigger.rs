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
/// How many blocks are tested in a row: starting and stopping a pass costs as much as a few hundred bytes of it, and a row
/// has to stay in the nearest cache.
const ROW: usize = 256;
/// The most zeros that may lead the number of a character reference.
const LEADING_ZEROS: usize = 14;

/// What is to be done with each `@`.
pub(super) trait Visit {
    /// Takes the `@` that stands as it is at `at`. To be inlined, as it may go on with vectors.
    fn raw<S: Simd>(&mut self, simd: S, at: usize);

    /// Takes an `@` in any other spelling.
    fn coded(&mut self, at: Unit);
}

/// Blocks in which an `@` may stand.
struct Row {
    /// Where each begins.
    starts: [usize; ROW],
    /// A bit for each byte of it, the lowest for the first.
    bits: [u64; ROW],
}

/// Shows `visitor` every `@` of `document`, in order.
pub(super) fn each(level: Level, document: &[u8], visitor: &mut impl Visit) {
    // The end that fills no window is searched with zeros after it.
    let rest = (document.len() + BLOCK).saturating_sub(WINDOW) / BLOCK * BLOCK;
    let mut end = [0; BLOCK + WINDOW];
    end[..document.len() - rest].copy_from_slice(&document[rest..]);
    let row = &mut Row { starts: [0; ROW], bits: [0; ROW] };
    dispatch!(level, simd => {
        search(simd, document, document, 0, row, visitor);
        search(simd, document, &end, rest, row, visitor);
    });
}

/// Shows the `@` in `bytes`, which stand at `offset` in the document.
#[inline(always)]
fn search<S: Simd>(simd: S, document: &[u8], bytes: &[u8], offset: usize, row: &mut Row, visitor: &mut impl Visit) {
    let mut next = 0;
    while next + WINDOW <= bytes.len() {
        // As a function of its own, it has the registers to itself.
        let (likely, end) = simd.vectorize(
            #[inline(always)]
            || find(simd, bytes, next, row),
        );
        let hits = check(simd, bytes, row, likely);
        for (block, bits) in row.starts.iter().zip(&row.bits).take(hits) {
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
        next = end;
    }
}

/// The positions of the ones, from the lowest.
#[inline(always)]
fn ones(bits: u64) -> impl Iterator<Item = usize> {
    let rest = std::iter::successors(Some(bits), |bits| Some(bits & bits.wrapping_sub(1)));
    rest.take_while(|bits| *bits != 0).map(|bits| bits.trailing_zeros() as usize)
}

/// Notes which of a row of blocks from `next` on pass the tests; answers how many do, and where the row ends.
///
/// The digits of some texts make every third of their blocks pass. No processor foretells which, and to note each and
/// forget most of them costs less than a branch that is guessed wrong.
#[inline(always)]
fn find<S: Simd>(simd: S, bytes: &[u8], next: usize, row: &mut Row) -> (usize, usize) {
    let mut count = 0;
    let rest = &bytes[next..];
    let blocks = ((rest.len() + BLOCK).saturating_sub(WINDOW) / BLOCK).min(ROW);
    for block in 0..blocks {
        let Some(window) = rest.get(block * BLOCK..).and_then(|rest| rest.first_chunk()) else { break };
        let (low, high) = (Half::of(simd, window, 0), Half::of(simd, window, HALF_LENGTH));
        row.starts[count] = next + block * BLOCK;
        count += usize::from((low.hit | high.hit).any_true());
    }
    (count, next + blocks * BLOCK)
}

/// Keeps of the first `likely` blocks those in which what was found is an `@` or stands behind what opens a code, which
/// most numbers do not; answers how many.
#[inline(always)]
fn check<S: Simd>(simd: S, bytes: &[u8], row: &mut Row, likely: usize) -> usize {
    let mut count = 0;
    for found in 0..likely {
        let block = row.starts[found];
        let Some(window) = bytes.get(block..).and_then(|rest| rest.first_chunk()) else { break };
        let (low, high) = (Half::of(simd, window, 0), Half::of(simd, window, HALF_LENGTH));
        let bits = low.opening() | high.opening() << HALF_LENGTH;
        (row.starts[count], row.bits[count]) = (block, bits);
        count += usize::from(bits != 0);
    }
    count
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

/// Where the reference begins of which `64` or `37` at `key` may be the number: `&#64;`, `&#064`, `&amp;#64;`,
/// `&#37;&#52;&#48;`.
fn decimal(document: &[u8], key: usize) -> Option<usize> {
    let (before, _) = without_zeros(&document[..key]);
    unit::numeric_start(document, before.strip_suffix(b"#")?.len())
}

/// Where the code begins of which `40` at `key` may be the number: `%40`, `&#x40;`, `\x40`, `\u0040`, `\u{40}`.
fn hexadecimal(document: &[u8], key: usize) -> Option<usize> {
    let (before, zeros) = without_zeros(&document[..key]);
    let length = match (*before.last()?, zeros) {
        (b'%', 0) => 1,
        (b'x', 0) if before.ends_with(br"\x") => 2,
        (b'u', 2) => 2,
        (b'{', _) if before.ends_with(br"\u{") => 3,
        (b'x' | b'X', _) => return unit::numeric_start(document, before[..before.len() - 1].strip_suffix(b"#")?.len()),
        _ => return None,
    };
    let start = before.len().checked_sub(length)?;
    Some(if document[start] == b'\\' { unit::escape_start(document, start + 1) } else { start })
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
            "&#00000000000064",
            "&#x40;",
            "&#X0040",
            "&commat;",
            "%40",
            "\\u0040",
            "\\u{40}",
            "\\u{000040}",
            "\\x40",
            "\\\\\\\\u0040",
            "&#37;&#52;&#48;",
            "&amp;#64;",
            "&amp;#x0040;",
            "\\u0026#064;",
            "\\\\\\\\u0026#X40;",
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
    fn rows_join_without_a_gap() {
        let length = 2 * ROW * BLOCK + 7;
        assert_eq!(positions(&vec![b'@'; length]), (0..length).collect::<Vec<_>>(), "every byte");
        for offset in ROW * BLOCK - 8..ROW * BLOCK + 8 {
            let mut document = vec![b'4'; length];
            document[offset..offset + 6].copy_from_slice(b"&#x40;");
            assert_eq!(positions(&document), [offset], "among blocks that all look like hits");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        let text = "64 40 &#640; &#x400 %2540 \\u00400 &copy; &co 4064 \\u040 #64 x40 \\\\x4 &#000000000000000064;";
        assert_eq!(positions(text.as_bytes()), [text.find("\\u0040").unwrap()]);
        assert_eq!(positions(b"a@ax40 @x40 @00x40"), [1, 7, 12], "each once");
        assert_eq!(positions(b"40"), [0; 0]);
        assert_eq!(positions(b"64"), [0; 0]);
        assert_eq!(positions(b""), [0; 0]);
    }
}
