//! Pieces: the text of a file of any length, in parts that are searched one by one.
//!
//! A piece ends where no address can stand, so that searching piece by piece finds what searching the whole would.

use std::io::{ErrorKind, Read, Result};
use std::path::Path;

use super::decode;
use crate::extract::{Media, border};
use crate::source::media;

/// How long a piece is at most.
const PIECE: usize = (1 << 20) + TAIL;
/// How much of a piece's end is searched for a place to cut.
const TAIL: usize = 64 << 10;

/// A part of a file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins in the text: for a file that is compressed or in UTF-16, in the decoded bytes.
    pub offset: u64,
    /// The text.
    pub bytes: Vec<u8>,
    /// How to read it.
    pub media: Media,
}

/// The text of a file, in pieces of about 1 MiB, read in constant memory: gzip and UTF-16 are decoded on the way.
///
/// A piece ends after the last ASCII white space or control character of its last 64 KiB. Where there is none, it ends
/// beside the last angle bracket or quote there, else after the last other byte that can stand in no address; where
/// there is none of these either, it ends anywhere: a run of 64 KiB that might be one address is none.
///
/// An error ends the iteration; what could be read before it comes first.
pub struct Pieces {
    reader: Box<dyn Read + Send>,
    compressed: bool,
    media: Option<Media>,
    offset: u64,
    carried: Vec<u8>,
    failed: Option<std::io::Error>,
    ended: bool,
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pieces").field("offset", &self.offset).field("media", &self.media).finish_non_exhaustive()
    }
}

impl Pieces {
    /// The pieces of the file at `path`.
    ///
    /// # Errors
    /// Those of opening it and of reading its first bytes.
    pub fn open(path: &Path) -> Result<Self> {
        Self::from_reader(std::fs::File::open(path)?, &path.to_string_lossy())
    }

    /// The pieces of what `reader` gives. `name` tells by its ending how to read it, and may be empty.
    ///
    /// # Errors
    /// Those of reading its first bytes.
    pub fn from_reader(reader: impl Read + Send + 'static, name: &str) -> Result<Self> {
        let (reader, compressed) = decode::open(reader)?;
        let media = media::of_name(name);
        Ok(Self { reader, compressed, media, offset: 0, carried: Vec::new(), failed: None, ended: false })
    }

    /// Whether the file is compressed.
    pub fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// The next piece, and whether it is the last.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next_piece(&mut self) -> Result<Option<(Piece, bool)>> {
        let mut bytes = std::mem::take(&mut self.carried);
        self.fill(&mut bytes);
        if bytes.is_empty() {
            return self.failed.take().map_or(Ok(None), Err);
        }
        if !self.ended {
            self.carried = bytes.split_off(border::last(&bytes, TAIL));
        }
        let media = *self.media.get_or_insert_with(|| media::of_content(&bytes));
        let offset = self.offset;
        self.offset += bytes.len() as u64;
        Ok(Some((Piece { offset, bytes, media }, self.ended && self.failed.is_none())))
    }

    /// Reads until the piece is full, the reader ends or it fails; a failure is kept for the next call.
    fn fill(&mut self, bytes: &mut Vec<u8>) {
        while !self.ended && bytes.len() < PIECE {
            let missing = (PIECE - bytes.len()) as u64;
            match self.reader.by_ref().take(missing).read_to_end(bytes) {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = Some(error);
                    self.ended = true;
                }
            }
        }
    }
}

impl Iterator for Pieces {
    type Item = Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_piece().transpose()?.map(|(piece, _)| piece))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Error};

    use super::*;

    fn pieces(text: &[u8]) -> Vec<Piece> {
        Pieces::from_reader(Cursor::new(text.to_vec()), "").unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn pieces_are_the_text_and_follow_each_other() {
        let text = b"some words and ann@a.org\n".repeat(200_000);
        let pieces = pieces(&text);
        assert!(pieces.len() > 3);
        let mut whole = Vec::new();
        for piece in &pieces {
            assert_eq!(piece.offset, whole.len() as u64);
            assert!(piece.bytes.len() <= PIECE && piece.bytes.ends_with(b"\n") || piece.bytes.ends_with(b" "));
            whole.extend_from_slice(&piece.bytes);
        }
        assert!(whole == text);
    }

    #[test]
    fn without_white_space_a_sign_parts_them() {
        for (unit, start) in [("<b>ann@a.org</b>", &b"<"[..]), ("ann@a.org,", b"ann@"), ("\"ann@a.org\",", b"\"")] {
            let text = unit.repeat(300_000);
            let pieces = pieces(text.as_bytes());
            assert!(pieces.len() > 1);
            assert!(pieces.iter().all(|piece| piece.bytes.starts_with(start)), "{unit}");
        }
    }

    #[test]
    fn a_text_without_any_border_ends() {
        let text = vec![b'a'; 3 * PIECE + 7];
        assert_eq!(pieces(&text).iter().map(|piece| piece.bytes.len()).sum::<usize>(), text.len());
        assert_eq!(pieces(b""), []);
    }

    #[test]
    fn what_came_before_an_error_is_given_first() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> Result<usize> {
                Err(Error::other("broken"))
            }
        }
        let mut pieces = Pieces::from_reader(Cursor::new(b"some text").chain(Fails), "").unwrap();
        assert_eq!(pieces.next().unwrap().unwrap().bytes, b"some text");
        assert_eq!(pieces.next().unwrap().unwrap_err().to_string(), "broken");
        assert!(pieces.next().is_none());
    }

    #[test]
    fn media_by_name_and_by_content() {
        let media = |name: &str, text: &str| {
            let pieces = Pieces::from_reader(Cursor::new(text.as_bytes().to_vec()), name).unwrap();
            pieces.map(|piece| piece.unwrap().media).next().unwrap()
        };
        assert_eq!(media("a.HTML", "x"), Media::Html);
        assert_eq!(media("a.xml.gz", "x"), Media::Html);
        assert_eq!(media("a.txt", "\u{feff} <!DOCTYPE html>"), Media::Html);
        assert_eq!(media("page", "<HTML lang=de>"), Media::Html);
        assert_eq!(media("html", "text"), Media::Text);
    }
}
