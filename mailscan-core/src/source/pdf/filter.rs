//! Undoes the filters of streams (ISO 32000-1, section 7.4), as far as text can be behind them.
//!
//! Takes the bytes of a stream as they stand in the file and gives what they say, up to a bound. What is damaged gives
//! what comes before the damage. Pictures are nobody's text: their filters are not undone.

use std::io::Read;

use flate2::read::{DeflateDecoder, ZlibDecoder};
use weezl::BitOrder;
use weezl::decode::Decoder as Lzw;

use super::lexer::{hex, is_blank};
use super::work::Work;

/// The most filters over each other.
pub(super) const MOST_FILTERS: usize = 3;
/// How much is decoded between two looks at what is left to be done.
const CHUNK: usize = 64 << 10;

/// A filter that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Flate(Predictor),
    /// Whether codes grow a code early, as they do unless the file says otherwise.
    Lzw(Predictor, bool),
    AsciiHex,
    Ascii85,
    RunLength,
    /// One that changes nothing.
    None,
}

/// How rows of bytes were made smaller before they were compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    /// Differences within rows of so many bytes, to the byte so many places before.
    Tiff {
        row: usize,
        back: usize,
    },
    /// The filters of PNG, each row with its own.
    Png {
        row: usize,
        back: usize,
    },
}

/// What decoding gave.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    /// Whether there is more than the bound, or the data is damaged.
    pub(super) is_part: bool,
}

impl Filter {
    /// Undoes this filter, up to `most` bytes.
    pub(super) fn undo(self, bytes: &[u8], most: usize, work: &Work) -> Decoded {
        match self {
            Self::Flate(predictor) => predictor.undo(inflate(bytes, most, work)),
            Self::Lzw(predictor, is_early) => predictor.undo(lzw(bytes, is_early, most, work)),
            Self::AsciiHex => {
                work.spend(bytes.len());
                cut(ascii_hex(bytes), most)
            }
            Self::Ascii85 => {
                work.spend(bytes.len());
                cut(ascii_85(bytes), most)
            }
            Self::RunLength => run_length(bytes, most, work),
            Self::None => cut(bytes.to_vec(), most),
        }
    }
}

fn cut(mut bytes: Vec<u8>, most: usize) -> Decoded {
    let is_part = bytes.len() > most;
    bytes.truncate(most);
    Decoded { bytes, is_part }
}

fn inflate(bytes: &[u8], most: usize, work: &Work) -> Decoded {
    let decoded = read(ZlibDecoder::new(bytes), most, work);
    if decoded.bytes.is_empty() && decoded.is_part {
        // A wrong head costs nothing but the head.
        return read(DeflateDecoder::new(bytes.get(2..).unwrap_or_default()), most, work);
    }
    decoded
}

fn read(mut reader: impl Read, most: usize, work: &Work) -> Decoded {
    let mut bytes = Vec::new();
    loop {
        let begun = bytes.len();
        bytes.resize((begun + CHUNK).min(most + 1), 0);
        let read = reader.read(&mut bytes[begun..]);
        bytes.truncate(begun + *read.as_ref().unwrap_or(&0));
        let is_over = !work.spend(bytes.len() - begun);
        match read {
            Ok(0) => return Decoded { bytes, is_part: false },
            Ok(_) if bytes.len() > most => return cut(bytes, most),
            Ok(_) if !is_over => {}
            _ => return Decoded { bytes, is_part: true },
        }
    }
}

fn lzw(bytes: &[u8], is_early: bool, most: usize, work: &Work) -> Decoded {
    let mut decoder = match is_early {
        true => Lzw::with_tiff_size_switch(BitOrder::Msb, 8),
        false => Lzw::new(BitOrder::Msb, 8),
    };
    let (mut rest, mut decoded, mut chunk) = (bytes, Vec::new(), vec![0; CHUNK]);
    loop {
        let result = decoder.decode_bytes(rest, &mut chunk);
        rest = &rest[result.consumed_in..];
        decoded.extend_from_slice(&chunk[..result.consumed_out]);
        let goes_on = work.spend(result.consumed_out + result.consumed_in);
        match result.status {
            _ if decoded.len() > most => return cut(decoded, most),
            Ok(weezl::LzwStatus::Done) => return Decoded { bytes: decoded, is_part: false },
            Ok(weezl::LzwStatus::Ok) if goes_on && result.consumed_in + result.consumed_out > 0 => {}
            // Many writers leave out the code of the end.
            Ok(_) => return Decoded { bytes: decoded, is_part: !rest.is_empty() },
            Err(_) => return Decoded { bytes: decoded, is_part: true },
        }
    }
}

fn ascii_hex(bytes: &[u8]) -> Vec<u8> {
    let end = memchr::memchr(b'>', bytes).unwrap_or(bytes.len());
    let digits: Vec<u8> = bytes[..end].iter().filter_map(|byte| hex(*byte)).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).unwrap_or(&0)).collect()
}

fn ascii_85(bytes: &[u8]) -> Vec<u8> {
    let (mut decoded, mut group) = (Vec::with_capacity(bytes.len()), Vec::with_capacity(5));
    for byte in bytes.iter().filter(|byte| !is_blank(**byte)) {
        match byte {
            b'z' if group.is_empty() => decoded.extend_from_slice(&[0; 4]),
            b'!'..=b'u' => group.push(byte - b'!'),
            _ => break,
        }
        if group.len() == 5 {
            decoded.extend_from_slice(&of_85(&group));
            group.clear();
        }
    }
    // Of n digits at the end n - 1 bytes are meant.
    if group.len() > 1 {
        let meant = group.len() - 1;
        group.resize(5, 84);
        decoded.extend_from_slice(&of_85(&group)[..meant]);
    }
    decoded
}

fn of_85(digits: &[u8]) -> [u8; 4] {
    digits.iter().fold(0_u32, |value, digit| value.wrapping_mul(85).wrapping_add(u32::from(*digit))).to_be_bytes()
}

fn run_length(bytes: &[u8], most: usize, work: &Work) -> Decoded {
    let (mut decoded, mut rest) = (Vec::new(), bytes);
    while let Some((length, behind)) = rest.split_first() {
        let length = usize::from(*length);
        if length == 128 || decoded.len() > most || !work.spend(128) {
            break;
        }
        if length < 128 {
            let run = &behind[..behind.len().min(length + 1)];
            decoded.extend_from_slice(run);
            rest = &behind[run.len()..];
        } else if let Some((byte, behind)) = behind.split_first() {
            decoded.resize(decoded.len() + 257 - length, *byte);
            rest = behind;
        } else {
            break;
        }
    }
    cut(decoded, most)
}

impl Predictor {
    /// Undoes it in what was decoded.
    fn undo(self, decoded: Decoded) -> Decoded {
        let Decoded { bytes, is_part } = decoded;
        let bytes = match self {
            Self::None => bytes,
            Self::Tiff { row, back } => undo_tiff(bytes, row, back),
            Self::Png { row, back } => undo_png(&bytes, row, back),
        };
        Decoded { bytes, is_part }
    }
}

fn undo_tiff(mut bytes: Vec<u8>, row: usize, back: usize) -> Vec<u8> {
    for row in bytes.chunks_mut(row.max(1)) {
        for at in back..row.len() {
            row[at] = row[at].wrapping_add(row[at - back]);
        }
    }
    bytes
}

/// PNG (ISO/IEC 15948), section 9.
fn undo_png(bytes: &[u8], row: usize, back: usize) -> Vec<u8> {
    let row = row.max(1);
    let mut decoded = Vec::with_capacity(bytes.len());
    // As long as the rows of this file are, and no longer: a row may be said to be of any length.
    let mut above = vec![0; row.min(bytes.len())];
    for line in bytes.chunks(row + 1) {
        let Some((kind, line)) = line.split_first() else { break };
        let begin = decoded.len();
        for (at, byte) in line.iter().enumerate() {
            let left = if at >= back { decoded[begin + at - back] } else { 0 };
            let corner = if at >= back { above[at - back] } else { 0 };
            let guess = match kind {
                1 => left,
                2 => above[at],
                3 => u8::midpoint(left, above[at]),
                4 => paeth(left, above[at], corner),
                _ => 0,
            };
            decoded.push(byte.wrapping_add(guess));
        }
        above[..line.len()].copy_from_slice(&decoded[begin..]);
    }
    decoded
}

fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let guess = i16::from(left) + i16::from(above) - i16::from(corner);
    let far = |from: u8| (guess - i16::from(from)).abs();
    if far(left) <= far(above) && far(left) <= far(corner) {
        left
    } else if far(above) <= far(corner) {
        above
    } else {
        corner
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const MOST: usize = 1 << 20;

    fn undo(filter: Filter, bytes: &[u8]) -> Vec<u8> {
        filter.undo(bytes, MOST, &Work::new(0, None)).bytes
    }

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn each_filter_is_undone() {
        let packed = deflate(b"ann@a.org");
        assert_eq!(undo(Filter::Flate(Predictor::None), &packed), b"ann@a.org");
        let headless = [b"??", &packed[2..]].concat();
        assert_eq!(undo(Filter::Flate(Predictor::None), &headless), b"ann@a.org");
        assert_eq!(undo(Filter::AsciiHex, b"61 6E6e4>zz"), b"ann@");
        assert_eq!(undo(Filter::Ascii85, b"@;]sJ@4 \nlJ=B)~>zz"), b"ann@a.org");
        assert_eq!(undo(Filter::Ascii85, b"z!!~>"), [0; 5]);
        assert_eq!(undo(Filter::RunLength, b"\x02ann\xffx\x80zz"), b"annxx");
        assert_eq!(undo(Filter::None, b"ann"), b"ann");
    }

    #[test]
    fn lzw_is_undone_in_both_ways() {
        let text = b"ann@a.org ".repeat(2_000);
        let early = weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8).encode(&text).unwrap();
        assert!(undo(Filter::Lzw(Predictor::None, true), &early) == text);
        let late = weezl::encode::Encoder::new(BitOrder::Msb, 8).encode(&text).unwrap();
        assert!(undo(Filter::Lzw(Predictor::None, false), &late) == text);
        // The example of the standard (7.4.4.2).
        assert_eq!(undo(Filter::Lzw(Predictor::None, true), b"\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01"), b"-----A---B");
    }

    #[test]
    fn predictors_are_undone() {
        let rows = [1, 1, 1, 1, 2, 1, 1, 1, 0, 9, 9, 9, 3, 1, 1, 1, 4, 1, 1, 1];
        let predictor = Predictor::Png { row: 3, back: 1 };
        let expected = [1, 2, 3, 2, 3, 4, 9, 9, 9, 5, 8, 9, 6, 9, 10];
        assert_eq!(undo(Filter::Flate(predictor), &deflate(&rows)), expected);
        let predictor = Predictor::Tiff { row: 3, back: 1 };
        assert_eq!(undo(Filter::Flate(predictor), &deflate(&[1, 1, 1, 5, 0, 1])), [1, 2, 3, 5, 5, 6]);
        let odd = Predictor::Png { row: usize::MAX - 1, back: 7 };
        assert_eq!(undo(Filter::Flate(odd), &deflate(&[2, 1, 1])), [1, 1]);
    }

    #[test]
    fn damage_and_bombs_give_what_comes_first() {
        let work = Work::new(0, None);
        let bomb = deflate(&vec![b' '; 4 << 20]);
        let decoded = Filter::Flate(Predictor::None).undo(&bomb, 1_000, &work);
        assert_eq!((decoded.bytes.len(), decoded.is_part), (1_000, true));
        let cut = &bomb[..bomb.len() / 2];
        let decoded = Filter::Flate(Predictor::None).undo(cut, MOST * 8, &work);
        assert!(decoded.is_part && !decoded.bytes.is_empty());
        let zeros = weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8).encode(&vec![0; 4 << 20]).unwrap();
        let decoded = Filter::Lzw(Predictor::None, true).undo(&zeros, 1_000, &work);
        assert_eq!((decoded.bytes.len(), decoded.is_part), (1_000, true));
        let decoded = Filter::RunLength.undo(&b"\x81x".repeat(100), 1_000, &work);
        assert_eq!((decoded.bytes.len(), decoded.is_part), (1_000, true));
    }
}
