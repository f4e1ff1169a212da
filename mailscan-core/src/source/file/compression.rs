//! Compressed files: gzip, bzip2, xz, the older lzma, and zstd, told by their first bytes.
//!
//! Takes any reader and gives a reader of what was compressed, in memory that is bounded by what the formats allow a file to
//! ask for, or less. Files that were written one behind the other are one text.

use std::io::{BufReader, Error, ErrorKind, Read, Result};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

/// How much is read from the file at a time.
const CHUNK: usize = 64 << 10;
/// The largest window of a zstd file, as a power of two: what `zstd` itself undoes unless it is told otherwise.
const ZSTD_WINDOW: u32 = 27;
/// The most memory for an xz file, in bytes: `xz -9` takes 65 MiB to undo.
const XZ_MEMORY: u64 = 160 << 20;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Bzip2,
    Xz,
    Lzma,
    Zstd,
}

impl Compression {
    /// How a file that begins so is compressed, if it is.
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        let is_bzip2 = || matches!(start, [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] if rest.starts_with(b"1AY&SY"));
        Some(match start {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ if is_bzip2() => Self::Bzip2,
            _ if is_lzma(start) => Self::Lzma,
            _ => return None,
        })
    }

    /// A reader of what was compressed.
    pub(super) fn undo(self, reader: impl Read + Send + 'static) -> Box<dyn Read + Send> {
        let reader = BufReader::with_capacity(CHUNK, reader);
        match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(reader)),
            Self::Bzip2 => Box::new(Told { reader: Ok(MultiBzDecoder::new(reader)) }),
            Self::Xz | Self::Lzma => {
                let stream = match self {
                    Self::Lzma => Stream::new_lzma_decoder(XZ_MEMORY),
                    _ => Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED),
                };
                let stream = stream.map_err(Error::from);
                Box::new(Told { reader: stream.map(|stream| XzDecoder::new_stream(reader, stream)) })
            }
            Self::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(reader);
                let bounded = |mut decoder: zstd::stream::read::Decoder<'static, _>| {
                    decoder.window_log_max(ZSTD_WINDOW).map(|()| decoder)
                };
                Box::new(Told { reader: decoder.and_then(bounded) })
            }
        }
    }
}

/// Whether a file begins as those of lzma, which have no mark: the usual properties, a dictionary of 4 KiB or more as `xz` and
/// LZMA's own programs make them, and a length that is below 256 GiB or stands nowhere.
fn is_lzma(start: &[u8]) -> bool {
    let [0x5d, a, b, c, d, length @ ..] = start else { return false };
    let dictionary = u32::from_le_bytes([*a, *b, *c, *d]);
    let is_round = |size: u32| size.is_power_of_two() || (size / 3).is_power_of_two() && size.is_multiple_of(3);
    let Some(length) = length.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)) else { return false };
    dictionary >= 4 << 10 && is_round(dictionary) && (length < 1 << 38 || length == u64::MAX)
}

/// A decoder that could be made or not, and whose own errors are those of the data.
struct Told<R> {
    reader: Result<R>,
}

impl<R: Read> Read for Told<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let reader = match &mut self.reader {
            Ok(reader) => reader,
            Err(error) => return Err(Error::new(error.kind(), error.to_string())),
        };
        reader.read(buffer).map_err(|error| match error.kind() {
            // The system's have a number.
            ErrorKind::Other if error.raw_os_error().is_none() => Error::new(ErrorKind::InvalidData, error),
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    const ALL: [Compression; 4] = [Compression::Gzip, Compression::Bzip2, Compression::Xz, Compression::Zstd];

    fn compressed(how: Compression, bytes: &[u8]) -> Vec<u8> {
        match how {
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Lzma => {
                let options = liblzma::stream::LzmaOptions::new_preset(1).unwrap();
                let stream = Stream::new_lzma_encoder(&options).unwrap();
                let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Zstd => zstd::encode_all(bytes, 1).unwrap(),
        }
    }

    fn undone(how: Compression, bytes: Vec<u8>) -> (Vec<u8>, Option<ErrorKind>) {
        let mut text = Vec::new();
        let read = how.undo(Cursor::new(bytes)).read_to_end(&mut text);
        (text, read.err().map(|error| error.kind()))
    }

    #[test]
    fn files_are_told_and_undone_one_behind_the_other() {
        for how in ALL {
            let file = [compressed(how, b"one "), compressed(how, b"two")].concat();
            assert_eq!(Compression::of(&file), Some(how));
            assert_eq!(undone(how, file), (b"one two".to_vec(), None), "{how:?}");
        }
        for other in [&b"BZh91 is how it begins"[..], b"BZh", b"\x1f\x8b", b"\xfd7zX", b"\x28\xb5", b""] {
            assert_eq!(Compression::of(other), None, "{other:?}");
        }
    }

    #[test]
    fn lzma_is_told_by_what_its_head_may_be() {
        let text = b"ann@a.org ".repeat(10_000);
        let file = compressed(Compression::Lzma, &text);
        assert_eq!(Compression::of(&file), Some(Compression::Lzma));
        let (read, error) = undone(Compression::Lzma, file[..file.len() - 9].to_vec());
        assert!(text.starts_with(&read));
        assert_eq!(error, Some(ErrorKind::UnexpectedEof));
        for (at, byte) in [(0, b'['), (1, 1), (4, 3), (12, 1)] {
            let mut other = file.clone();
            other[at] = byte;
            assert_eq!(Compression::of(&other), None, "byte {at}");
        }
        assert_eq!(Compression::of(&file[..12]), None, "cut within its head");
        assert_eq!(undone(Compression::Lzma, file), (text, None));
    }

    #[test]
    fn what_is_cut_or_damaged_is_an_error_behind_what_could_be_read() {
        let text: String = (0..40_000_u32).map(|n| format!("{} ", n.wrapping_mul(2_654_435_761))).collect();
        let text = text.as_bytes();
        for how in ALL {
            let whole = compressed(how, text);
            let (read, error) = undone(how, whole[..whole.len() - 9].to_vec());
            assert!(text.starts_with(&read));
            assert_eq!(error, Some(ErrorKind::UnexpectedEof), "{how:?}");
            let mut damaged = whole;
            let middle = damaged.len() / 2;
            damaged[middle..middle + 99].fill(0x55);
            let (_, error) = undone(how, damaged);
            assert!(matches!(error, Some(ErrorKind::InvalidData | ErrorKind::InvalidInput)), "{how:?}: {error:?}");
        }
    }

    #[test]
    fn a_file_that_asks_for_too_much_memory_is_refused() {
        // A frame with a window of 2 GiB.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0];
        assert_eq!(undone(Compression::Zstd, frame.to_vec()).1, Some(ErrorKind::InvalidData));
        let mut options = liblzma::stream::LzmaOptions::new_preset(1).unwrap();
        options.dict_size(512 << 20);
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(&options);
        let stream = Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc32).unwrap();
        let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(b"ann@a.org").unwrap();
        let (read, error) = undone(Compression::Xz, encoder.finish().unwrap());
        assert_eq!((read, error), (Vec::new(), Some(ErrorKind::InvalidData)));
    }
}
