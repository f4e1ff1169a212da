//! From the bytes of a file to the bytes of its text: compression by content (`compression.rs`), also twice, UTF-16 by its mark or its
//! zeros, any other charset by what the document says of itself, ISO-2022-JP by its escapes, and Shift_JIS and Big5 by how often
//! what stands in it.
//!
//! Takes any reader and gives a reader of UTF-8 that is read in constant memory. Other text that says nothing of its charset
//! stays as it is: an address is ASCII in all that are in use, and what else there may be borders it. In these two it does not:
//! the second byte of a character may be a letter or `@`.

use std::io::{Cursor, Read, Result};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{BIG5, Decoder, DecoderResult, Encoding, SHIFT_JIS, UTF_8};

use super::archive::{Body, Capped, MOST_DECODED};
use super::compression::Compression;
use crate::extract::{Media, charset};
use crate::source::{declared, kind, media};

/// How much is read from the file at a time where it has to be decoded.
const CHUNK: usize = 64 << 10;
/// How much of a text tells which charset of ideographs it is in, and how many characters there have to be.
const TELLING: usize = 16 << 10;
const FEWEST: usize = 4;
/// How much of a compressed text tells its charset.
const START: usize = 4 << 10;
/// The most compressions laid over each other that are undone. One makes a thousand bytes of one, so the second is bounded.
const MOST_LAYERS: usize = 2;

/// What a file is encoded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Compressed(Compression),
    Charset(&'static Encoding),
}

impl Coding {
    /// What a file that begins with these bytes is encoded in, and is to be read as `media` if its name says so; `None`
    /// where its bytes are those of its text.
    pub(super) fn of(start: &[u8], media: Option<Media>) -> Option<Self> {
        let compressed = Compression::of(start).map(Self::Compressed);
        compressed.or_else(|| charset_of(start, media).map(Self::Charset))
    }
}

/// The charset of a text that begins with these bytes, unless that is UTF-8, or nothing tells.
fn charset_of(start: &[u8], media: Option<Media>) -> Option<&'static Encoding> {
    // Nothing decodes UTF-32, and its mark begins as that of UTF-16.
    if kind::of_content(start) == Some(kind::UTF_32) {
        return None;
    }
    let marked = start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff");
    if marked || charset::holds_zeros(start) {
        return charset::utf16_of(start);
    }
    // The mark of UTF-8 says more than the document does.
    if start.starts_with(b"\xef\xbb\xbf") {
        return None;
    }
    let media = media.unwrap_or_else(|| media::of_content(start));
    let declared = || if media == Media::Html { declared::in_document(start) } else { None };
    match media {
        // Its parts are each in a charset of their own.
        Media::Mail => None,
        Media::Html | Media::Text => {
            let by_content = || charset::iso_2022_of(start).or_else(|| ideographic(start));
            declared().or_else(by_content).filter(|encoding| *encoding != UTF_8)
        }
    }
}

/// Shift_JIS or Big5, where a text seems to be in one of them and nothing in it contradicts that.
fn ideographic(start: &[u8]) -> Option<&'static Encoding> {
    // First, as most files are ASCII, and this is asked of all of them.
    if start.is_ascii() {
        return None;
    }
    let first = Encoding::ascii_valid_up_to(start);
    if charset::is_utf8(&start[first..]) {
        return None;
    }
    let telling = &start[first..start.len().min(first + TELLING)];
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(telling, false);
    let guess = detector.guess(None, Utf8Detection::Deny);
    if guess != SHIFT_JIS && guess != BIG5 {
        return None;
    }
    let mut text = String::with_capacity(3 * telling.len());
    let mut decoder = guess.new_decoder_without_bom_handling();
    let (result, _) = decoder.decode_to_string_without_replacement(telling, &mut text, false);
    let wide = text.chars().filter(|character| !character.is_ascii()).count();
    (result == DecoderResult::InputEmpty && wide >= FEWEST).then_some(guess)
}

/// A reader of the text in UTF-8, of which a compression gives at most so many bytes.
pub(super) fn open(reader: impl Read + Send + 'static, coding: Coding, media: Option<Media>, most: u64) -> Body {
    match coding {
        Coding::Charset(encoding) => transcoder(reader, encoding),
        Coding::Compressed(compression) => {
            let (start, reader) = undo(reader, compression, most);
            match charset_of(&start, media) {
                Some(encoding) => transcoder(reader, encoding),
                None => reader,
            }
        }
    }
}

/// What was compressed, once or more often: its first bytes, and a reader that begins with them.
fn undo(reader: impl Read + Send + 'static, compression: Compression, most: u64) -> (Vec<u8>, Body) {
    let (mut start, mut body) = layer(reader, compression, most);
    for _ in 1..MOST_LAYERS {
        let Some(within) = Compression::of(&start) else { break };
        (start, body) = layer(body, within, most.min(MOST_DECODED));
    }
    (start, body)
}

fn layer(reader: impl Read + Send + 'static, compression: Compression, most: u64) -> (Vec<u8>, Body) {
    let (start, reader) = peek(Capped { body: compression.undo(reader), left: most }, START);
    (start, Box::new(reader))
}

fn transcoder(reader: impl Read + Send + 'static, encoding: &'static Encoding) -> Box<dyn Read + Send> {
    Box::new(Transcoder::new(reader, encoding.new_decoder_with_bom_removal()))
}

/// The first bytes of a reader, fewer at its end or where it fails, and a reader that begins with them again and fails
/// behind them.
pub(super) fn peek<R: Read>(mut reader: R, count: usize) -> (Vec<u8>, impl Read + use<R>) {
    let mut start = Vec::with_capacity(count);
    let failure = reader.by_ref().take(count as u64).read_to_end(&mut start).err();
    (start.clone(), Cursor::new(start).chain(Failure(failure)).chain(reader))
}

/// A reader that fails once, or is empty.
pub(super) struct Failure(pub(super) Option<std::io::Error>);

impl Read for Failure {
    fn read(&mut self, _: &mut [u8]) -> Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
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
        let Some(coding) = Coding::of(&bytes, None) else { return (String::from_utf8(bytes).unwrap(), false) };
        let mut text = String::new();
        open(Cursor::new(bytes), coding, None, u64::MAX).read_to_string(&mut text).unwrap();
        (text, matches!(coding, Coding::Compressed(_)))
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
    fn charsets_whose_characters_end_in_letters_are_told() {
        let japanese = "メール：info@acme.co.jp\n電子メール　sales@acme.co.jp\n（help@acme.co.jp）";
        let chinese = "電子郵件：info@acme.com.tw\n聯絡我們（help@acme.com.tw）";
        for (encoding, expected) in [(SHIFT_JIS, japanese), (BIG5, chinese)] {
            assert_eq!(text(encoding.encode(expected).0.into_owned()).0, expected, "{}", encoding.name());
        }
        for other in [
            "Grüße aus Köln: jürgen@acme.de, fährt über Österreich",
            "Déjà vu à l'été, café noir",
            "£ 20 ± 3 °C",
            "Привет из Москвы, пишите сюда",
        ] {
            for encoding in [encoding_rs::WINDOWS_1252, encoding_rs::WINDOWS_1251, encoding_rs::KOI8_R] {
                let (bytes, _, failed) = encoding.encode(other);
                assert!(failed || Coding::of(&bytes, None).is_none(), "{other} in {}", encoding.name());
            }
        }
    }

    #[test]
    fn plain_bytes_stay_as_they_are() {
        let zeros = [&b"\x7fELF\x02\x01\x01\0\0\0\0"[..], b"\0\0\0\0", b"key\0value\0"];
        for bytes in [&b""[..], b"a", b"ab", b"\x1f\x8b", b"longer text", b"\xe9", b"\x1b[1m", b"<p>caf\xe9"]
            .iter()
            .chain(&zeros)
        {
            assert_eq!(Coding::of(bytes, None), None, "{bytes:?}");
        }
    }

    #[test]
    fn every_member_of_a_gzip_file() {
        assert_eq!(text([gzip(b"one "), gzip(b""), gzip(b"two")].concat()), ("one two".to_owned(), true));
    }

    #[test]
    fn what_is_compressed_twice_is_undone_twice() {
        let long = "ann@a.org \u{fc}\n".repeat(20_000);
        assert_eq!(text(gzip(&gzip(long.as_bytes()))), (long.clone(), true));
        assert_eq!(text(gzip(&gzip(&utf16(&long, true)))), (long.clone(), true), "in another charset");
        // A bomb goes on in neither of its layers.
        for (bytes, rest) in [(gzip(&gzip(&[b' '; 500])), 100), (gzip(&gzip(b"").repeat(20)), 0)] {
            let coding = Coding::of(&bytes, None).unwrap();
            let mut read = Vec::new();
            open(Cursor::new(bytes), coding, None, 100).read_to_end(&mut read).unwrap_err();
            assert_eq!(read.len(), rest);
        }
        // A third stays.
        let bytes = gzip(&gzip(&gzip(b"ann@a.org")));
        let (coding, mut read) = (Coding::of(&bytes, None).unwrap(), Vec::new());
        open(Cursor::new(bytes), coding, None, u64::MAX).read_to_end(&mut read).unwrap();
        assert_eq!(kind::of_content(&read), Some("gzip"));
    }

    #[test]
    fn utf16_in_both_orders_and_inside_gzip() {
        let long = "ann@a.org \u{1f600} ü\n".repeat(20_000);
        assert_eq!(text(utf16(&long, true)), (long.clone(), false));
        assert_eq!(text(utf16(&long, false)), (long.clone(), false));
        assert_eq!(text(gzip(&utf16(&long, false))), (long, true));
        let long = "J\u{fc}rgen <ann@a.org>\n".repeat(20_000);
        assert_eq!(text(utf16(&long, true).split_off(2)), (long.clone(), false), "without a mark");
        assert_eq!(text(utf16(&long, false).split_off(2)), (long, false), "without a mark");
    }

    #[test]
    fn documents_say_their_charset() {
        for (document, decoded) in [
            (&b"<!doctype html><meta charset=shift_jis>\x83\x65ann@a.org"[..], "\u{30c6}ann@a.org"),
            (b"<?xml version='1.0' encoding='koi8-r'?>\xc1nn", "\u{430}nn"),
            (b"<html><meta content='text/html; charset=latin1'>jos\xe9@a.org", "jos\u{e9}@a.org"),
        ] {
            let (text, _) = text(document.to_vec());
            assert!(text.ends_with(decoded), "{text}");
        }
        assert_eq!(Coding::of(b"<html><meta charset=utf-8>", None), None);
        assert_eq!(Coding::of(b"\xef\xbb\xbf<html><meta charset=shift_jis>", None), None, "the mark counts");
        assert_eq!(Coding::of(b"write about <meta charset=shift_jis> here", None), None, "no markup");
    }

    #[test]
    fn escapes_show_iso_2022_jp() {
        assert_eq!(text(b"\x1b$B%F\x1b(Bann@a.org".to_vec()).0, "\u{30c6}ann@a.org");
        assert_eq!(
            Coding::of(b"\x1b$B%F\x1b(Bann@a.org", Some(Media::Mail)),
            None,
            "its parts are decoded on their own"
        );
    }

    #[test]
    fn a_damaged_gzip_file_is_an_error() {
        let text = b"text ".repeat(1_000);
        for length in [10, text.len()] {
            let mut bytes = gzip(&text[..length]);
            bytes.truncate(bytes.len() - 8);
            let (mut reader, mut read) =
                (open(Cursor::new(bytes), Coding::Compressed(Compression::Gzip), None, u64::MAX), Vec::new());
            assert!(reader.read_to_end(&mut read).is_err());
            assert_eq!(read, text[..length], "what could be read comes first");
        }
    }
}
