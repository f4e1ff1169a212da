//! Files that are read whole, and hold texts or other files: PDFs and OLE compound files, such as old documents of offices.
//!
//! Takes a reader of a file's bytes and gives each text of it, and each file in it, to `pieces.rs`: the pages of a PDF, and before
//! them what it says of itself; the text of a document or a message, and what is attached to it. A file is read, and all of
//! this taken out of it, when its first text is asked for: so the memory that this takes is given back before anybody waits for
//! whoever searches the text.

use std::collections::VecDeque;
use std::io::{Cursor, Error, ErrorKind, Read, Result};
use std::sync::Arc;

use super::archive::{Archive, Body, Page, declared_by_name};
use crate::extract::Media;
use crate::source::content_type::ContentType;
use crate::source::ole::{self, Ole};
use crate::source::pdf::{self, Pdf, Room};

/// Up to this size a file is read before there is room for it.
const SMALL: u64 = 1 << 20;
/// The most bytes of a file that is read.
const LARGEST: usize = if pdf::LARGEST < ole::LARGEST { pdf::LARGEST } else { ole::LARGEST };

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Pdf,
    Ole,
}

impl Format {
    /// That of a file that begins so.
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        if start.starts_with(pdf::MAGIC) { Some(Self::Pdf) } else { start.starts_with(ole::MAGIC).then_some(Self::Ole) }
    }

    /// Whether what is in such a file are files, rather than pages.
    pub(super) fn holds_files(self) -> bool {
        self == Self::Ole
    }

    /// How much memory reading such a file takes, as the length of a PDF that takes as much. The directory of an OLE file
    /// takes more than its bytes.
    fn room_for(self, length: usize) -> usize {
        match self {
            Self::Pdf => length,
            Self::Ole => 2 * length,
        }
    }

    fn read(self, bytes: &[u8]) -> Content {
        match (self, bytes.len() > LARGEST) {
            (Self::Pdf, true) => Content { unread: Some(pdf::TOO_LARGE), ..Content::default() },
            (Self::Ole, true) => Content { unread: Some(ole::TOO_LARGE), ..Content::default() },
            (Self::Pdf, false) => pdf::read(bytes, None).into(),
            (Self::Ole, false) => ole::read(bytes).into(),
        }
    }
}

/// What is read of a file.
#[derive(Default)]
struct Content {
    texts: VecDeque<Text>,
    /// What kind of file it is, if that is one that is not read.
    unread: Option<&'static str>,
    /// What is wrong with it, beside that.
    problem: Option<&'static str>,
}

/// A text of a file, or a file in it.
struct Text {
    /// What it is called within the file; empty for what belongs to the file itself.
    name: Arc<str>,
    body: Body,
    /// How to read it; `None` for a file, which is read as any other.
    media: Option<Media>,
}

impl From<Pdf> for Content {
    fn from(pdf: Pdf) -> Self {
        let Pdf { information, pages, unread, problem } = pdf;
        let numbered = pages.into_iter().zip(1..).map(|(text, number)| (pdf::name_of_page(number).into(), text));
        let all = std::iter::once(("".into(), information)).chain(numbered);
        let texts = all.filter(|(_, text)| !text.is_empty());
        let texts = texts.map(|(name, text)| Text {
            name,
            body: Box::new(Cursor::new(text.into_bytes())),
            media: Some(Media::Text),
        });
        Self { texts: texts.collect(), unread, problem }
    }
}

impl From<Ole> for Content {
    fn from(ole: Ole) -> Self {
        let texts = ole.texts.into_iter().map(|text| Text {
            name: text.name.into(),
            body: Box::new(Cursor::new(text.bytes)),
            media: text.media,
        });
        Self { texts: texts.collect(), unread: ole.unread, problem: ole.problem }
    }
}

/// Such a file, before and after it was read.
pub(super) struct Held {
    format: Format,
    reader: Option<Body>,
    /// Whether a file that cannot be read as one is given as it stands.
    as_it_stands: bool,
    texts: VecDeque<Text>,
    end: Option<Error>,
}

/// A file that is of a kind that is not read, which is what an error says that holds this.
#[derive(Debug, thiserror::Error)]
#[error("it is of a kind that is not read ({0})")]
pub(super) struct Unread(pub(super) &'static str);

impl Held {
    /// A file of its own.
    pub(super) fn of_file(format: Format, reader: Body) -> Self {
        Self { format, reader: Some(reader), as_it_stands: true, texts: VecDeque::new(), end: None }
    }

    /// A file in an archive.
    pub(super) fn in_archive(format: Format, reader: Body) -> Self {
        Self { as_it_stands: false, ..Self::of_file(format, reader) }
    }

    fn read(&mut self, mut reader: Body) {
        let mut bytes = Vec::new();
        // What was read before an error counts.
        let mut failed = reader.by_ref().take(SMALL).read_to_end(&mut bytes).err();
        let is_small = failed.is_some() || (bytes.len() as u64) < SMALL;
        let room = Room::take(self.format.room_for(if is_small { bytes.len() } else { LARGEST }), None);
        if !is_small {
            let rest = (LARGEST - bytes.len()) as u64 + 1;
            failed = reader.by_ref().take(rest).read_to_end(&mut bytes).err();
        }
        let Content { texts, unread, problem } = self.format.read(&bytes);
        self.texts = texts;
        let unread = unread.map(|kind| Error::new(ErrorKind::Unsupported, Unread(kind)));
        let damaged = problem.map(|problem| Error::new(ErrorKind::InvalidData, problem));
        self.end = failed.or(damaged).or(unread);
        if self.texts.is_empty() && self.as_it_stands {
            let body: Body = Box::new(Cursor::new(bytes).chain(reader));
            self.texts.push_back(Text { name: "".into(), body, media: Some(Media::Text) });
        }
        drop(room);
    }
}

impl Archive for Held {
    fn next_page(&mut self) -> Result<Option<Page>> {
        if let Some(reader) = self.reader.take() {
            self.read(reader);
        }
        let Some(Text { name, body, media }) = self.texts.pop_front() else {
            return self.end.take().map_or(Ok(None), Err);
        };
        let declared = if media.is_none() { declared_by_name(&name) } else { ContentType::default() };
        Ok(Some(Page { url: name, declared, media, body: Ok(body) }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;
    use crate::source::file::{Pieces, zipped};

    /// A file of two pages and an author.
    const FILE: &str = "%PDF-1.7\n1 0 obj <</Pages 2 0 R>> endobj 2 0 obj <</Kids[3 0 R 4 0 R]>> endobj\n\
        3 0 obj <</Contents 5 0 R>> endobj 4 0 obj <</Contents 6 0 R>> endobj\n\
        5 0 obj <<>>stream\nBT /F 9 Tf (ann@a.org) Tj ET\nendstream endobj 6 0 obj <<>>stream\nBT /F 9 Tf (ben@b.org) Tj ET\nendstream\n\
        7 0 obj <</Author(cy@c.org)>> endobj trailer <</Root 1 0 R/Info 7 0 R>>";

    /// The page and the text of each piece, and what is told at the end.
    fn read(mut pieces: Pieces) -> (Vec<(String, String)>, Option<String>) {
        let (mut found, mut told) = (Vec::new(), None);
        for piece in pieces.by_ref() {
            assert_eq!(told, None, "an error is the last");
            match piece {
                Ok(piece) => {
                    let page = piece.page.map(|page| page.to_string()).unwrap_or_default();
                    found.push((page, String::from_utf8_lossy(&piece.bytes).trim_end().to_owned()));
                }
                Err(error) => told = Some(error.to_string()),
            }
        }
        (found, told.or(pieces.unread().map(str::to_owned)))
    }

    fn of(bytes: &[u8]) -> Pieces {
        Pieces::from_reader(Cursor::new(bytes.to_vec()), "").unwrap()
    }

    fn pages(before: &str) -> Vec<(String, String)> {
        let pages = [("", "Author: cy@c.org"), ("page=1", "ann@a.org"), ("page=2", "ben@b.org")];
        let name = |page: &str| match (before, page) {
            (before, "") => before.to_owned(),
            ("", page) => page.to_owned(),
            (before, page) => format!("{before}#{page}"),
        };
        pages.iter().map(|(page, text)| (name(page), (*text).to_owned())).collect()
    }

    #[test]
    fn a_file_is_its_pages() {
        assert_eq!(read(of(FILE.as_bytes())), (pages(""), None));
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(FILE.as_bytes()).unwrap();
        assert_eq!(read(of(&encoder.finish().unwrap())), (pages(""), None));
    }

    #[test]
    fn a_file_in_an_archive_is_its_pages_too() {
        let files = [("a.pdf", FILE.as_bytes()), ("b.pdf", b"%PDF-1.7"), ("c.txt", b"dan@d.org")];
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&zipped(&files)).unwrap();
        file.rewind().unwrap();
        let (found, told) = read(Pieces::of_file(file, "a.zip", Vec::new()).unwrap());
        let rest = ("c.txt".to_owned(), "dan@d.org".to_owned());
        assert_eq!(found, [pages("a.pdf"), vec![rest]].concat());
        let message = "1 of its 3 files cannot be read whole, the first of them b.pdf: it is of a kind that is not read (damaged pdf)";
        assert_eq!(told.as_deref(), Some(message));
        for media in ["application/pdf", "application/octet-stream"] {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n\r\n{FILE}");
            let head = "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.org/a.pdf\r\nContent-Type: application/http\r\n";
            let warc = format!("{head}Content-Length: {}\r\n\r\n{answer}\r\n\r\n", answer.len());
            assert_eq!(read(of(warc.as_bytes())), (pages("http://a.org/a.pdf"), None), "{media}");
        }
    }

    fn of_file(bytes: &[u8]) -> Pieces {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        Pieces::of_file(file, "", Vec::new()).unwrap()
    }

    /// A message to which these files are attached.
    fn message(files: &[(&str, &[u8])]) -> Vec<u8> {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let mut streams = vec![
            ("__properties_version1.0".to_owned(), Vec::new()),
            ("__substg1.0_1000001F".to_owned(), wide("ann@a.org")),
        ];
        for (number, (name, bytes)) in files.iter().enumerate() {
            let storage = format!("__attach_version1.0_#{number:08X}");
            streams.push((format!("{storage}/__substg1.0_3707001F"), wide(name)));
            streams.push((format!("{storage}/__substg1.0_37010102"), bytes.to_vec()));
        }
        let streams: Vec<_> = streams.iter().map(|(path, bytes)| (&**path, &bytes[..])).collect();
        ole::tests::file(&streams)
    }

    fn owned(found: &[(&str, &str)]) -> Vec<(String, String)> {
        found.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn what_is_attached_to_a_message_is_read_as_any_file() {
        let report = zipped(&[("word/document.xml", b"<w:t>ben@b.org</w:t>"), ("a.pdf", FILE.as_bytes())]);
        let inner = message(&[("c.txt", b"cy@c.org")]);
        let files: [(&str, &[u8]); 6] = [
            ("a.pdf", FILE.as_bytes()),
            ("report.docx", &report),
            ("inner.msg", &inner),
            ("a.7z", b"7z\xbc\xaf\x27\x1c"),
            ("a.html", b"<p>dan&#64;d.org"),
            ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0 q@qq.com"),
        ];
        let expected = [
            owned(&[("", "ann@a.org")]),
            pages("a.pdf"),
            owned(&[("report.docx#word/document.xml", "<w:t>ben@b.org</w:t>")]),
            pages("report.docx#a.pdf"),
            owned(&[("inner.msg", "ann@a.org"), ("inner.msg#c.txt", "cy@c.org"), ("a.html", "<p>dan&#64;d.org")]),
        ]
        .concat();
        let message = message(&files);
        let (found, told) = read(of(&message));
        assert_eq!(found, expected);
        let of_nine =
            "1 of its 9 files cannot be read whole, the first of them a.7z: it is of a kind that is not read (7z)";
        assert_eq!(told.as_deref(), Some(of_nine));
        // The same within a zip file, but for what stands too deep.
        let (found, told) = read(of_file(&zipped(&[("x.msg", &message)])));
        let within = |name: &str| if name.is_empty() { "x.msg".to_owned() } else { format!("x.msg#{name}") };
        let expected: Vec<_> = expected.iter().map(|(name, text)| (within(name), text.clone())).collect();
        assert_eq!(found, expected);
        assert!(told.is_some_and(|told| told.contains("1 of its 10 files") && told.contains("x.msg#a.7z: ")));
    }

    #[test]
    fn what_stands_too_deep_in_other_files_is_told_of() {
        let mut file = message(&[("c.txt", b"cy@c.org")]);
        for name in ["3.msg", "2.msg", "1.msg"] {
            file = message(&[(name, &file)]);
        }
        let (found, told) = read(of_file(&zipped(&[("0.msg", &file)])));
        let names = ["0.msg", "0.msg#1.msg", "0.msg#1.msg#2.msg"].map(|name| (name.to_owned(), "ann@a.org".to_owned()));
        assert_eq!(found, names);
        assert!(told.is_some_and(|told| told.contains("0.msg#1.msg#2.msg#3.msg: it stands too deep")));
    }

    #[test]
    fn an_old_document_is_its_text_wherever_it_is() {
        let cell = b"\x04\x02\x12\0\0\0\0\0\0\0\x09\0\0ann@a.org";
        let sheet = ole::tests::file(&[("Workbook", cell)]);
        assert_eq!(read(of(&sheet)), (owned(&[("", "ann@a.org")]), None));
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&sheet).unwrap();
        assert_eq!(read(of(&encoder.finish().unwrap())), (owned(&[("", "ann@a.org")]), None));
        let zip = zipped(&[("a.xls", &sheet), ("b.xls", &sheet[..600])]);
        let (found, told) = read(of_file(&zip));
        assert_eq!(found, owned(&[("a.xls", "ann@a.org")]));
        assert!(
            told.is_some_and(|told| told.contains("the first of them b.xls: the directory of the OLE file is damaged"))
        );
        for media in ["application/vnd.ms-excel", "application/octet-stream"] {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n\r\n");
            let answer = [head.as_bytes(), &sheet].concat();
            let head = "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.org/a.xls\r\nContent-Type: application/http\r\n";
            let warc =
                [format!("{head}Content-Length: {}\r\n\r\n", answer.len()).as_bytes(), &answer, b"\r\n\r\n"].concat();
            assert_eq!(read(of(&warc)), (owned(&[("http://a.org/a.xls", "ann@a.org")]), None), "{media}");
        }
    }

    #[test]
    fn an_old_document_that_is_not_read_is_told_of() {
        let locked = ole::tests::file(&[("Workbook", b"\x2f\0\0\0")]);
        let (found, told) = read(of(&locked));
        assert!(found.iter().all(|(_, text)| text.starts_with('\u{fffd}')), "as it stands");
        assert_eq!(told.as_deref(), Some("encrypted xls"));
        let (found, told) = read(of_file(&zipped(&[("a.xls", &locked), ("b.txt", b"ben@b.org")])));
        assert_eq!(found, owned(&[("b.txt", "ben@b.org")]));
        assert!(told.is_some_and(|told| told.ends_with("a.xls: it is of a kind that is not read (encrypted xls)")));
        let large = Cursor::new(locked).chain(std::io::repeat(b' ').take(ole::LARGEST as u64));
        let (found, told) = read(Pieces::from_reader(large.chain(Cursor::new("eve@e.org")), "").unwrap());
        assert_eq!(told.as_deref(), Some(ole::TOO_LARGE));
        assert!(found.last().is_some_and(|(_, text)| text.ends_with("eve@e.org")));
    }

    #[test]
    fn what_is_not_read_is_given_as_it_stands() {
        let (found, told) = read(of(b"%PDF-1.7 ann@a.org"));
        assert_eq!(found, [(String::new(), "%PDF-1.7 ann@a.org".to_owned())]);
        assert_eq!(told.as_deref(), Some("damaged pdf"));
        let large = Cursor::new(FILE.as_bytes().to_vec()).chain(std::io::repeat(b' ').take(pdf::LARGEST as u64));
        let pieces = Pieces::from_reader(large.chain(Cursor::new("eve@e.org")), "").unwrap();
        let (found, told) = read(pieces);
        assert_eq!(told.as_deref(), Some(pdf::TOO_LARGE));
        assert!(found.first().is_some_and(|(_, text)| text.starts_with("%PDF")));
        assert!(found.last().is_some_and(|(_, text)| text.ends_with("eve@e.org")));
    }

    #[test]
    fn a_reader_that_fails_is_told_of() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> Result<usize> {
                Err(Error::other("broken"))
            }
        }
        let reader = Cursor::new(FILE.as_bytes().to_vec()).chain(Fails);
        assert_eq!(read(Pieces::from_reader(reader, "").unwrap()), (pages(""), Some("broken".to_owned())));
    }
}
