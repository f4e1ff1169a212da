//! PDFs as files that hold others: the pages, and before them what the file says of itself.
//!
//! Takes a reader of a file's bytes and gives each text of it to `pieces.rs`. A file is read whole, and its text taken out of it
//! whole, when its first page is asked for: so the memory that this takes is given back before anybody waits for whoever
//! searches the text.

use std::collections::VecDeque;
use std::io::{Cursor, Error, ErrorKind, Read, Result};
use std::sync::Arc;

use super::archive::{Archive, Body, Page};
use crate::extract::Media;
use crate::source::content_type::ContentType;
use crate::source::pdf::{self, Pdf, Room};

/// Up to this size a file is read before there is room for it.
const SMALL: u64 = 1 << 20;

/// A PDF, before and after it was read.
pub(super) struct Pages {
    reader: Option<Body>,
    /// Whether a file that cannot be read as one is given as it stands.
    as_it_stands: bool,
    /// The texts, and of which page each is.
    texts: VecDeque<(Arc<str>, Body)>,
    end: Option<Error>,
}

/// A file that is of a kind that is not read, which is what an error says that holds this.
#[derive(Debug, thiserror::Error)]
#[error("it is of a kind that is not read ({0})")]
pub(super) struct Unread(pub(super) &'static str);

impl Pages {
    /// The pages of a file.
    pub(super) fn of_file(reader: Body) -> Self {
        Self { reader: Some(reader), as_it_stands: true, texts: VecDeque::new(), end: None }
    }

    /// The pages of a file in an archive.
    pub(super) fn in_archive(reader: Body) -> Self {
        Self { as_it_stands: false, ..Self::of_file(reader) }
    }

    fn read(&mut self, mut reader: Body) -> Result<()> {
        let mut bytes = Vec::new();
        // What was read before an error counts.
        let mut failed = reader.by_ref().take(SMALL).read_to_end(&mut bytes).err();
        let is_small = failed.is_some() || (bytes.len() as u64) < SMALL;
        let room = Room::take(if is_small { bytes.len() } else { pdf::LARGEST }, None);
        if !is_small {
            let rest = (pdf::LARGEST - bytes.len()) as u64 + 1;
            failed = reader.by_ref().take(rest).read_to_end(&mut bytes).err();
        }
        let pdf = match bytes.len() > pdf::LARGEST {
            true => Pdf { unread: Some(pdf::TOO_LARGE), ..Pdf::default() },
            false => pdf::read(&bytes, None),
        };
        self.take(pdf, failed);
        if self.texts.is_empty() && self.as_it_stands {
            let whole: Body = Box::new(Cursor::new(bytes).chain(reader));
            self.texts.push_back(("".into(), whole));
        }
        drop(room);
        Ok(())
    }

    /// Takes what was read of a file.
    fn take(&mut self, pdf: Pdf, failed: Option<Error>) {
        let Pdf { information, pages, unread, problem } = pdf;
        let numbered = pages.into_iter().zip(1..).map(|(text, number)| (pdf::name_of_page(number).into(), text));
        let all = std::iter::once(("".into(), information)).chain(numbered);
        let texts = all.filter(|(_, text)| !text.is_empty());
        self.texts = texts.map(|(name, text)| (name, Box::new(Cursor::new(text.into_bytes())) as Body)).collect();
        let unread = unread.map(|kind| Error::new(ErrorKind::Unsupported, Unread(kind)));
        let damaged = problem.map(|problem| Error::new(ErrorKind::InvalidData, problem));
        self.end = failed.or(damaged).or(unread);
    }
}

impl Archive for Pages {
    fn next_page(&mut self) -> Result<Option<Page>> {
        if let Some(reader) = self.reader.take() {
            self.read(reader)?;
        }
        let Some((url, body)) = self.texts.pop_front() else { return self.end.take().map_or(Ok(None), Err) };
        Ok(Some(Page { url, declared: ContentType::default(), media: Some(Media::Text), body: Ok(body) }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use ::zip::ZipWriter;
    use ::zip::write::SimpleFileOptions;

    use super::*;
    use crate::source::file::Pieces;

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
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in [("a.pdf", FILE), ("b.pdf", "%PDF-1.7"), ("c.txt", "dan@d.org")] {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&writer.finish().unwrap().into_inner()).unwrap();
        file.rewind().unwrap();
        let (found, told) = read(Pieces::of_file(file, "a.zip", Vec::new()).unwrap());
        let rest = ("c.txt".to_owned(), "dan@d.org".to_owned());
        assert_eq!(found, [pages("a.pdf"), vec![rest]].concat());
        let message =
            "1 of its 3 files cannot be read, the first of them b.pdf: it is of a kind that is not read (damaged pdf)";
        assert_eq!(told.as_deref(), Some(message));
        for media in ["application/pdf", "application/octet-stream"] {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n\r\n{FILE}");
            let head = "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.org/a.pdf\r\nContent-Type: application/http\r\n";
            let warc = format!("{head}Content-Length: {}\r\n\r\n{answer}\r\n\r\n", answer.len());
            assert_eq!(read(of(warc.as_bytes())), (pages("http://a.org/a.pdf"), None), "{media}");
        }
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
