//! From the bytes of a file to the bytes of its text: gzip by content, UTF-16 by its mark.
//!
//! Takes any reader and gives a reader that is read in constant memory. Other charsets stay as they are: addresses are
//! ASCII in all that are in use for files.

use std::io::{BufReader, Cursor, Read, Result};

use encoding_rs::{Decoder, UTF_16BE, UTF_16LE};
use flate2::bufread::MultiGzDecoder;

/// How much is read from the file at a time where it has to be decoded.
const CHUNK: usize = 64 << 10;

/// How many of a file's first bytes tell whether it has to be decoded.
pub(super) const MARK: usize = 3;

/// Whether a file that begins with these bytes has to be decoded.
pub(super) fn is_encoded(start: &[u8]) -> bool {
    [&b"\x1f\x8b\x08"[..], b"\xff\xfe", b"\xfe\xff"].iter().any(|mark| start.starts_with(mark))
}

/// A reader of the text, and whether it was compressed.
pub(super) fn open(reader: impl Read + Send + 'static) -> Result<(Box<dyn Read + Send>, bool)> {
    let (start, reader) = peek(reader, MARK)?;
    if start == [0x1f, 0x8b, 8] {
        let decoder = MultiGzDecoder::new(BufReader::with_capacity(CHUNK, reader));
        return Ok((utf8(decoder)?, true));
    }
    Ok((utf8(reader)?, false))
}

/// A reader of the same text in UTF-8, if a mark says that it is UTF-16.
fn utf8(reader: impl Read + Send + 'static) -> Result<Box<dyn Read + Send>> {
    let (start, reader) = peek(reader, 2)?;
    let encoding = match start[..] {
        [0xff, 0xfe] => UTF_16LE,
        [0xfe, 0xff] => UTF_16BE,
        _ => return Ok(Box::new(reader)),
    };
    Ok(Box::new(Transcoder::new(reader, encoding.new_decoder_with_bom_removal())))
}

/// The first bytes of a reader, fewer at its end, and a reader that begins with them again.
fn peek<R: Read>(mut reader: R, count: usize) -> Result<(Vec<u8>, impl Read + use<R>)> {
    let mut start = Vec::with_capacity(count);
    reader.by_ref().take(count as u64).read_to_end(&mut start)?;
    Ok((start.clone(), Cursor::new(start).chain(reader)))
}

/// Reads another encoding as UTF-8.
struct Transcoder<R> {
    reader: R,
    decoder: Decoder,
    input: Vec<u8>,
    output: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Transcoder<R> {
    fn new(reader: R, decoder: Decoder) -> Self {
        Self { reader, decoder, input: vec![0; CHUNK], output: Vec::new(), given: 0, ended: false }
    }

    /// Decodes the next chunk into the output, which must have been given away.
    fn refill(&mut self) -> Result<()> {
        let count = loop {
            match self.reader.read(&mut self.input) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.ended = count == 0;
        // Room for the worst case, so that one call takes all of the input.
        let room = self.decoder.max_utf8_buffer_length(count).unwrap_or(4 * CHUNK);
        self.output.resize(room, 0);
        let (_, _, written, _) = self.decoder.decode_to_utf8(&self.input[..count], &mut self.output, self.ended);
        self.output.truncate(written);
        self.given = 0;
        Ok(())
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.given == self.output.len() && !self.ended {
            self.refill()?;
        }
        let count = (self.output.len() - self.given).min(buffer.len());
        buffer[..count].copy_from_slice(&self.output[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn text(bytes: Vec<u8>) -> (String, bool) {
        let (mut reader, compressed) = open(Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        (text, compressed)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let pair = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(pair).collect()
    }

    #[test]
    fn plain_bytes_stay_as_they_are() {
        for bytes in [&b""[..], b"a", b"ab", b"\x1f\x8b", b"longer text"] {
            let (mut reader, compressed) = open(Cursor::new(bytes.to_vec())).unwrap();
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            assert_eq!((read.as_slice(), compressed), (bytes, false));
        }
    }

    #[test]
    fn every_member_of_a_gzip_file() {
        assert_eq!(text([gzip(b"one "), gzip(b""), gzip(b"two")].concat()), ("one two".to_owned(), true));
    }

    #[test]
    fn utf16_in_both_orders_and_inside_gzip() {
        let long = "ann@a.org \u{1f600} ü\n".repeat(20_000);
        assert_eq!(text(utf16(&long, true)), (long.clone(), false));
        assert_eq!(text(utf16(&long, false)), (long.clone(), false));
        assert_eq!(text(gzip(&utf16(&long, false))), (long, true));
    }

    #[test]
    fn a_damaged_gzip_file_is_an_error() {
        let mut bytes = gzip(&b"text ".repeat(1_000));
        bytes.truncate(bytes.len() - 9);
        let (mut reader, _) = open(Cursor::new(bytes)).unwrap();
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
    }
}
