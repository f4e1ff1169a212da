//! Files that hold others, and of these web archives (WARC, ISO 28500): the pages that a crawl kept, one after the other.
//! `tar.rs`, `zip.rs` and `held.rs` have the others.
//!
//! Takes a reader of the archive's bytes, of which gzip is undone already, and gives the page of each record to
//! `pieces.rs` as a reader of its body, in constant memory. What a record says of its size bounds it, so a page that
//! cannot be decoded costs no other.
//!
//! Pages are the records of answers, of resources and of texts that were made of pages (`response`, `resource`,
//! `conversion`, and `continuation`, which is read as a text of its own). What the archive says of itself and of the crawl
//! (`warcinfo`, `request`, `metadata`, `revisit`) was on no page and is passed over.

use std::io::{BufReader, Cursor, Error, ErrorKind, Read, Result};
use std::sync::{Arc, Mutex};

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::decode::peek;
use super::members::{Member, Members, lock};
use super::places;
use crate::extract::Media;
use crate::source::content_type::ContentType;
use crate::source::media;

/// What every record begins with.
pub(super) const MAGIC: &[u8] = b"WARC/";

/// How much is read from the archive at a time.
const CHUNK: usize = 64 << 10;
/// The most bytes of the head of a record, and of that of the answer in it.
const HEAD: u64 = 64 << 10;
/// How much of an address of a page, or of the name of a file, is kept.
pub(super) const LONGEST_NAME: usize = 4_096;
/// How many bytes tell whether a body is encoded as its head says.
const START: usize = 64;
/// The most content encodings laid over each other that are undone.
const MAX_ENCODINGS: usize = 2;
/// The largest window of a zstd body, as a power of two: the 8 MiB of RFC 9659.
const ZSTD_WINDOW: u32 = 23;
/// The most bytes that an encoded page is decoded to: more may be a bomb.
pub(super) const MOST_DECODED: u64 = 1 << 30;

pub(super) type Body = Box<dyn Read + Send>;

/// A file that holds others.
pub(super) trait Archive: Send {
    /// The next of them; what is left of the one before is passed over.
    ///
    /// # Errors
    /// Those of reading, and [`ErrorKind::InvalidData`] for what is none. Nothing can be read behind them.
    fn next_page(&mut self) -> Result<Option<Page>>;

    /// Whether files in it that are no text are searched as they stand, as those on the disk are.
    fn wants_all(&self) -> bool {
        false
    }
}

/// A page of an archive, or a file in one.
pub(super) struct Page {
    /// The address it was fetched from, or its name; empty for what belongs to the archive itself.
    pub(super) url: Arc<str>,
    /// What its head says it is.
    pub(super) declared: ContentType,
    /// How to read its body, where that is a text as it stands; else the body and `declared` tell.
    pub(super) media: Option<Media>,
    /// Its body, or why that cannot be decoded. Ends early once the next page is asked for.
    pub(super) body: Result<Body>,
}

/// How to read a file in an archive by its name; by its content where the name does not tell.
pub(super) fn declared_by_name(name: &str) -> ContentType {
    let is_text = || [".txt", ".csv", ".tsv", ".md", ".json", ".log"].iter().any(|ending| name.ends_with(ending));
    ContentType::parse(match media::of_name(name) {
        Some(Media::Html) => "text/html",
        Some(Media::Mail) => "message/rfc822",
        _ if is_text() => "text/plain",
        _ => "",
    })
}

/// What could not be read of an archive, which is what an error says that holds this: the rest was.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct InPart(String);

/// The error that says what could not be read of an archive.
pub(super) fn in_part(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidData, InPart(what.into()))
}

/// What could not be decoded of an archive.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// Whether the archive holds files rather than pages.
    pub(super) of_files: bool,
    /// The pages begun so far.
    pub(super) pages: u64,
    damaged: u64,
    /// What was wrong with the first.
    first: Option<String>,
    /// What the system could not do: all may be read another time.
    of_system: Option<Error>,
}

impl Damage {
    /// Notes why a page could not be read whole.
    pub(super) fn note(&mut self, page: Option<&Arc<str>>, error: &Error) {
        if self.of_system.is_none() {
            self.of_system = places::of_system(error);
        }
        self.damaged += 1;
        self.first.get_or_insert_with(|| match page.map_or("", |page| page) {
            "" => error.to_string(),
            page => format!("{page}: {error}"),
        });
    }

    /// The error it comes to, once, with what `failed` behind all pages. That of the system is told before any other.
    pub(super) fn take(&mut self, failed: Option<Error>) -> Option<Error> {
        let Self { of_files, pages, damaged, first, of_system } = std::mem::take(self);
        let kind = if of_files { "files" } else { "pages" };
        let message =
            |first| format!("{damaged} of its {pages} {kind} cannot be read whole, the first of them {first}");
        of_system.or(failed).or_else(|| Some(in_part(message(first?))))
    }
}

/// A web archive that is read from the beginning.
pub(super) struct Warc {
    records: Arc<Mutex<Members>>,
}

impl Warc {
    pub(super) fn new(reader: Body) -> Self {
        Self { records: Arc::new(Mutex::new(Members::new(reader, "record"))) }
    }
}

impl Archive for Warc {
    fn next_page(&mut self) -> Result<Option<Page>> {
        loop {
            let mut records = lock(&self.records);
            let Some(head) = next_head(&mut records)? else { return Ok(None) };
            if !matches!(head.get("warc-type"), "response" | "resource" | "conversion" | "continuation") {
                continue;
            }
            let url = head.get("warc-target-uri").trim_matches(['<', '>']);
            let url = url.get(..url.floor_char_boundary(LONGEST_NAME)).unwrap_or_default().into();
            let block = Member::of(&self.records, &records);
            let declared = ContentType::parse(head.get("content-type"));
            // A record need not say what its block is: how that begins tells.
            let is_untold = head.get("warc-type") == "response" && head.get("content-type").is_empty();
            if !is_untold && !declared.is("application/http") {
                return Ok(Some(Page { url, declared, media: None, body: Ok(Box::new(block)) }));
            }
            let mut first = Vec::new();
            records.line_within(&mut first, HEAD)?;
            if !first.starts_with(b"HTTP/") {
                let body: Body = Box::new(Cursor::new(first).chain(block));
                return Ok(Some(Page { url, declared: ContentType::default(), media: None, body: Ok(body) }));
            }
            let answer = Head::read(|line, most| records.line_within(line, most))?;
            drop(records);
            let Some(answer) = answer else {
                let body = Err(Error::new(ErrorKind::InvalidData, "its head is longer than 64 KiB"));
                return Ok(Some(Page { url, declared: ContentType::default(), media: None, body }));
            };
            let declared = ContentType::parse(answer.get("content-type"));
            return Ok(Some(Page { url, declared, media: None, body: undo(block, &answer) }));
        }
    }
}

/// Goes on to the next record and answers its head.
fn next_head(records: &mut Members) -> Result<Option<Head>> {
    records.pass()?;
    let mut line = Vec::new();
    while line.trim_ascii().is_empty() {
        line.clear();
        if records.line(&mut line, HEAD)? == 0 {
            return Ok(None);
        }
    }
    if !line.starts_with(MAGIC) {
        return Err(records.damaged("does not begin with `WARC/`"));
    }
    let head = Head::read(|line, most| records.line(line, most))?;
    let head = head.ok_or_else(|| records.damaged("has a head of more than 64 KiB"))?;
    let length = head.get("content-length").parse();
    records.begin(length.map_err(|_| records.damaged("does not say how long it is"))?, 0);
    Ok(Some(head))
}

/// The fields of a head by their names in lower case.
struct Head(Vec<(String, String)>);

impl Head {
    /// Reads fields up to an empty line, or the end, by what reads a line of which at most so many bytes may come; `None`
    /// when it is too long.
    fn read(mut read_line: impl FnMut(&mut Vec<u8>, u64) -> Result<u64>) -> Result<Option<Self>> {
        let (mut fields, mut left, mut line) = (Vec::<(String, String)>::new(), HEAD, Vec::new());
        loop {
            line.clear();
            left = left.saturating_sub(read_line(&mut line, left)?);
            if left == 0 {
                return Ok(None);
            }
            let text = String::from_utf8_lossy(&line);
            match (text.trim(), fields.last_mut()) {
                ("", _) => return Ok(Some(Self(fields))),
                // A value may go on in the next line.
                (more, Some((_, value))) if text.starts_with([' ', '\t']) => {
                    value.push(' ');
                    value.push_str(more);
                }
                (field, _) => {
                    if let Some((name, value)) = field.split_once(':') {
                        fields.push((name.trim_end().to_ascii_lowercase(), value.trim_start().to_owned()));
                    }
                }
            }
        }
    }

    /// The value of the first field of this name, or nothing.
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }
}

/// The body of an answer as its page was. Archives keep it as it came, or decoded under a head that says otherwise.
fn undo(block: Member, answer: &Head) -> Result<Body> {
    let mut body: Body = Box::new(block);
    if answer.get("transfer-encoding").to_ascii_lowercase().contains("chunked") {
        body = unchunk(body);
    }
    let encodings = answer.get("content-encoding").to_ascii_lowercase();
    let encodings: Vec<_> =
        encodings.split(',').map(str::trim).filter(|name| !matches!(*name, "" | "identity")).collect();
    if encodings.len() > MAX_ENCODINGS {
        let message = format!("{} content encodings lie over each other", encodings.len());
        return Err(Error::new(ErrorKind::InvalidData, message));
    }
    for encoding in encodings.into_iter().rev() {
        body = decode(body, encoding)?;
    }
    Ok(body)
}

fn unchunk(body: Body) -> Body {
    let (start, body) = peek(body, START);
    let digits = start.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let blanks = start[digits..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let behind = &start[digits + blanks..];
    let is_chunked = (1..=16).contains(&digits) && matches!(behind, [b'\r' | b'\n' | b';', ..]);
    if !is_chunked {
        return Box::new(body);
    }
    let chunks = chunked_transfer::Decoder::new(BufReader::with_capacity(CHUNK, body));
    Box::new(Chunks { chunks, ended: false })
}

/// The chunks of a body, whose decoder must not be asked again behind the last.
struct Chunks<R: Read> {
    chunks: chunked_transfer::Decoder<R>,
    ended: bool,
}

impl<R: Read> Read for Chunks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        let count = self.chunks.read(buffer)?;
        self.ended = count == 0;
        Ok(count)
    }
}

fn decode(body: Body, encoding: &str) -> Result<Body> {
    let (start, body) = peek(body, START);
    // RFC 1950: the method is 8, and both bytes together are a multiple of 31.
    let is_zlib = matches!(start[..], [a, b, ..] if a & 0x0f == 8 && u16::from_be_bytes([a, b]) % 31 == 0);
    let decoded: Body = match encoding {
        "gzip" | "x-gzip" if start.starts_with(b"\x1f\x8b") => Box::new(MultiGzDecoder::new(body)),
        "zstd" if start.starts_with(b"\x28\xb5\x2f\xfd") => {
            let mut decoder = zstd::stream::read::Decoder::new(body)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            Box::new(decoder)
        }
        "gzip" | "x-gzip" | "zstd" => return Ok(Box::new(body)),
        "deflate" if is_zlib => Box::new(ZlibDecoder::new(body)),
        "deflate" if is_text(&start) => return Ok(Box::new(body)),
        "deflate" => Box::new(DeflateDecoder::new(body)),
        "br" if is_text(&start) => return Ok(Box::new(body)),
        "br" => Box::new(brotli::Decompressor::new(body, CHUNK)),
        other => {
            let message = format!("the content encoding `{}` is not known", other.escape_debug());
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
    };
    Ok(Box::new(Capped { body: decoded, left: MOST_DECODED }))
}

/// Whether these bytes are more likely a text than compressed.
fn is_text(start: &[u8]) -> bool {
    start.iter().all(|byte| *byte >= b' ' && *byte != 0x7f || byte.is_ascii_whitespace()) && start.is_ascii()
}

/// A decoded body that must not go on for ever: an error behind what it may have.
pub(super) struct Capped {
    pub(super) body: Body,
    pub(super) left: u64,
}

impl Read for Capped {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.left == 0 && !buffer.is_empty() {
            return match self.body.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(Error::new(ErrorKind::InvalidData, "it is longer than 1 GiB, so it was read up to there")),
            };
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.body.read(&mut buffer[..most])?;
        self.left -= count as u64;
        Ok(count)
    }
}

/// What is read of an archive: the name within and the text of each piece, and the error at the end.
#[cfg(test)]
pub(super) fn texts(pieces: super::Pieces) -> (Vec<(String, String)>, Option<String>) {
    let (mut found, mut failed) = (Vec::new(), None);
    for piece in pieces {
        assert_eq!(failed, None, "an error is the last");
        match piece {
            Ok(piece) => {
                let page = piece.page.map(|page| page.to_string());
                found.push((page.unwrap_or_default(), String::from_utf8_lossy(&piece.bytes).into_owned()));
            }
            Err(error) => failed = Some(error.to_string()),
        }
    }
    (found, failed)
}

/// A zip file of these files.
#[cfg(test)]
pub(crate) fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, ::zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut writer, bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::file::Pieces;

    #[test]
    fn a_bomb_ends_in_an_error() {
        let body = |left| Capped { body: Box::new(Cursor::new(vec![b' '; 100])), left };
        assert_eq!(body(100).read_to_end(&mut Vec::new()).unwrap(), 100);
        let mut read = Vec::new();
        let error = body(99).read_to_end(&mut read).unwrap_err();
        assert_eq!((error.kind(), read.len()), (ErrorKind::InvalidData, 99), "all up to there is read");
        assert!(error.to_string().contains("read up to there"), "{error}");
    }

    #[test]
    fn a_page_ends_where_the_next_begins() {
        let record = |block: &str| {
            let head = "WARC/1.1\r\nWARC-Type: resource\r\nContent-Length: ";
            format!("{head}{}\r\n\r\n{block}\r\n\r\n", block.len())
        };
        let text = [record("first page"), record("second")].concat();
        let mut archive = Warc::new(Box::new(Cursor::new(text)));
        let mut first = archive.next_page().unwrap().unwrap().body.unwrap();
        let mut start = [0; 5];
        first.read_exact(&mut start).unwrap();
        let mut second = archive.next_page().unwrap().unwrap().body.unwrap();
        assert_eq!(first.read(&mut start).unwrap(), 0);
        let mut text = String::new();
        second.read_to_string(&mut text).unwrap();
        assert_eq!(text, "second");
        assert!(archive.next_page().unwrap().is_none());
    }

    /// Parts of which archives are made, so that chance makes some that are nearly right.
    fn parts() -> impl Strategy<Value = Vec<u8>> {
        let words = vec![
            &b"WARC/1.0\r\n"[..],
            b"WARC-Type: response\r\n",
            b"Content-Type: application/http\r\n",
            b"HTTP/1.1 200 OK\r\n",
            b"Content-Encoding: gzip, deflate\r\n",
            b"Content-Encoding: br\r\n",
            b"Content-Encoding: zstd\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"\r\n",
            b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
            b"\x28\xb5\x2f\xfd",
            b"ffffffffffffffff\r\n",
        ];
        let part = prop_oneof![
            12 => prop::sample::select(words).prop_map(<[u8]>::to_vec),
            1 => (0u64..60).prop_map(|length| format!("Content-Length: {length}\r\n").into_bytes()),
            1 => prop::collection::vec(any::<u8>(), 0..20),
        ];
        prop::collection::vec(part, 0..60).prop_map(|parts| [b"WARC/1.0\r\n".to_vec(), parts.concat()].concat())
    }

    proptest! {
        #[test]
        fn whatever_it_holds_it_ends(archive in parts()) {
            let mut failed = false;
            for piece in Pieces::from_reader(Cursor::new(archive), "").unwrap() {
                prop_assert!(!failed, "an error is the last");
                failed = piece.is_err();
            }
        }
    }
}
