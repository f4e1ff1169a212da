//! Pieces: the text of a file of any length, in parts that are searched one by one.
//!
//! A piece ends where no address can stand, so that searching piece by piece finds what searching the whole would.
//! `pieces/within.rs` has what comes next of a file that holds others.

mod pause;
mod within;

use std::fs::File;
use std::io::{Cursor, ErrorKind, Read, Result};
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "http")]
use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8};

use super::archive::{self, Archive, Damage, MOST_DECODED, Warc};
use super::attached::Attached;
use super::buffer::Buffer;
use super::compression::Compression;
use super::decode::{self, Coding};
use super::held::{Format, Held, Unread};
use super::own;
use super::places::{Part, Places};
use super::runs::{self, Runs};
use super::tar::{self, Tar};
use super::zip::{Heads, Zip};
use crate::extract::{Extractor, Media, Search, border, charset, scan_into};
use crate::source::{
    kind, media,
    rtf::{self, Rtf},
};
use pause::Patient;
pub use pause::Pause;
use within::Outer;

/// How long a piece is at most.
const PIECE: usize = (1 << 20) + TAIL;
/// How much of a piece's end is searched for a place to cut.
const TAIL: usize = 64 << 10;
/// How much tells what a file is: the head of a tar file is the longest mark.
const START: usize = tar::BLOCK;
/// How many times as much as a file has may be kept of zip files in it, which is 1 GiB at least.
const MOST_KEPT: u64 = 8;
/// How much there has to be of a piece that is given before it is full: enough to be cut as a full one is.
const LEAST: usize = 16 << 10;
/// How much room the first read has at least.
const FIRST_READ: usize = 64 << 10;
/// How many files that hold others may stand in each other: a PDF is attached to a message that is attached to one in a zip file.
const DEEPEST: usize = 4;

/// A part of a file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins in the text: for a file that is compressed or in another charset than
    /// UTF-8, in the decoded bytes.
    pub offset: u64,
    /// The text.
    pub bytes: Vec<u8>,
    /// How to read it.
    pub media: Media,
    /// The address of the page that it is a part of, in a web archive: where the page changes, another text begins.
    pub page: Option<Arc<str>>,
}

/// A part of a file's text, in the memory of its [`Pieces`].
#[derive(Clone, Copy, Debug)]
pub struct PieceView<'a> {
    /// Where it begins in the text, as in a [`Piece`].
    pub offset: u64,
    /// The text.
    pub bytes: &'a [u8],
    /// How to read it.
    pub media: Media,
    /// The page that it is a part of, as in a [`Piece`].
    pub page: Option<&'a Arc<str>>,
}

/// The text of a file, in pieces of about 1 MiB, read in constant memory but for files of up to 64 MiB that can only be read
/// whole (PDFs, old documents of offices): gzip, bzip2, xz, lzma, zstd and charsets are decoded on the way.
///
/// A piece ends in its last 64 KiB, where a search of its end and of what follows finds what one of both together does: after
/// white space where that can be, else beside a bracket or a quote, another sign, or a character beyond ASCII. Where there
/// is no such place it ends anywhere: a run of 64 KiB that might be one address is none. Mail is cut anywhere, as its
/// reader remembers what a piece began.
///
/// A web archive (WARC) is the texts of its pages, one after the other, by what the head of each says of it; those that are
/// no text are passed over. A tar file is the texts of the files in it, each read as a file on the disk is, and so is a zip
/// file, such as today's documents of offices are ([`of_file`](Self::of_file)); and a PDF, of its own or in one of these, is
/// those of its pages (`page=1`): what it says of itself comes first and belongs to the whole. An old document of an office
/// (.doc, .xls, .ppt, and .rtf) is its text, and a message of Outlook (.msg) its texts and the files that are attached to it. Files that are
/// attached to other mail in base64 are read likewise, behind the text of their message, where they are blanked.
///
/// An error ends the iteration; what could be read before it comes first. Pages of an archive that cannot be decoded are
/// one error together, after all others.
pub struct Pieces {
    reader: Box<dyn Read + Send>,
    compressed: bool,
    media: Option<Media>,
    offset: u64,
    /// What was read stands in the first `filled` bytes; those after it are room to read into.
    buffer: Buffer,
    filled: usize,
    /// How much of it the last piece took.
    given: usize,
    failed: Option<std::io::Error>,
    ended: bool,
    /// Whose pages these are, if the file is a web archive or a PDF, or whose files, if it is a tar or a zip file.
    archive: Option<Box<dyn Archive>>,
    /// The files that hold the archive that is read, from the outermost on.
    outer: Vec<Outer>,
    /// What is attached to the mail that is read.
    attached: Attached,
    /// What it is, if that is not read.
    unread: Option<&'static str>,
    /// Whether a stranger made it to be fetched, who may wish to harm.
    is_foreign: bool,
    /// How much of zip files in it may still be kept: honest ones are not much larger in all than the file.
    keep_left: u64,
    page: Option<Arc<str>>,
    damage: Damage,
    /// What tells whether a cut changes anything.
    search: Search,
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
        Self::of_file(File::open(path)?, &path.to_string_lossy(), Vec::new())
    }

    /// The pieces of what `reader` gives. `name` tells by its ending how to read it, and may be empty. A reader that others write
    /// to as it is read may [pause](Pause).
    ///
    /// # Errors
    /// Those of reading its first bytes.
    pub fn from_reader(reader: impl Read + Send + 'static, name: &str) -> Result<Self> {
        Self::in_memory(reader, name, Vec::new())
    }

    /// The same in `memory`, of which only the room counts: who reads many files hands that of one
    /// ([`into_memory`](Self::into_memory)) on to the next, so that a small file costs no more than reading it.
    ///
    /// # Errors
    /// Those of reading the first bytes.
    pub fn in_memory(mut reader: impl Read + Send + 'static, name: &str, memory: Vec<u8>) -> Result<Self> {
        let mut this = Self::blank(name, memory);
        let failure = this.read_start(&mut reader)?;
        this.begin_file(Box::new(failure.chain(reader)));
        Ok(this)
    }

    /// The same of a whole file, which may be a zip file too, or end as one: those are read from their end.
    ///
    /// # Errors
    /// Those of reading the first bytes, and the directory of a zip file.
    pub fn of_file(mut file: File, name: &str, memory: Vec<u8>) -> Result<Self> {
        let mut this = Self::blank(name, memory);
        let data = file.metadata()?;
        this.keep_left = MOST_DECODED.max(data.len().saturating_mul(MOST_KEPT));
        let failure = this.read_start(&mut file)?;
        let file = Arc::new(file);
        let places = Arc::clone(&file) as Arc<dyn Places>;
        let start = &this.buffer.bytes()[..this.filled];
        if Zip::begins(start) {
            this.begin_zip(&places)?;
            return Ok(this);
        }
        // A pipe has no end to begin with, and what is another archive by its begin is that.
        let is_other = Format::of(start).is_some() || Compression::of(start).is_some() || Self::is_sequence(start);
        let may_end_as_zip = data.is_file() && !is_other;
        // A file that cannot be read at its end may be read up to there.
        match may_end_as_zip.then(|| Zip::open_behind(&places).ok().flatten()).flatten() {
            Some(zip) => this.begin_archive(Box::new(zip)),
            // Reading from a place moves where Windows reads on.
            None if may_end_as_zip && cfg!(windows) => {
                this.begin_file(Box::new(failure.chain(Part::behind(&places, this.filled as u64)?)));
            }
            None => this.begin_file(Box::new(failure.chain(file))),
        }
        Ok(this)
    }

    /// The same of bytes in memory that a stranger made: what is packed in them counts up to 1 GiB.
    ///
    /// # Errors
    /// Those of the directory of a zip file.
    #[cfg(feature = "http")]
    pub(crate) fn of_bytes(bytes: Bytes, name: &str) -> Result<Self> {
        let mut this = Self { is_foreign: true, keep_left: MOST_DECODED, ..Self::blank(name, Vec::new()) };
        let places: Arc<dyn Places> = Arc::new(bytes);
        let mut reader = Part::behind(&places, 0)?;
        let failure = this.read_start(&mut reader)?;
        match Zip::begins(&this.buffer.bytes()[..this.filled]) {
            true => this.begin_zip(&places)?,
            false => this.begin_file(Box::new(failure.chain(reader))),
        }
        Ok(this)
    }

    /// Whether bytes that begin so hold others, by their format or since they are compressed.
    #[cfg(feature = "http")]
    pub(crate) fn are_packed(start: &[u8]) -> bool {
        Zip::begins(start)
            || Compression::of(start).is_some()
            || Self::is_sequence(start)
            || rtf::begins(start)
            || Format::of(start) == Some(Format::Ole)
    }

    /// Whether an error is one of the system, not of what was read.
    #[cfg(feature = "http")]
    pub(crate) fn is_of_system(error: &std::io::Error) -> bool {
        super::places::of_system(error).is_some()
    }

    /// Whether files are attached to this mail.
    #[cfg(feature = "http")]
    pub(crate) fn are_attached(mail: &[u8]) -> bool {
        Attached::are_in(mail)
    }

    /// Whether bytes that begin so are files or pages one behind the other.
    pub(crate) fn is_sequence(start: &[u8]) -> bool {
        start.starts_with(archive::MAGIC) || Tar::begins(start)
    }

    /// Reads mail as if this had been attached to what came before.
    #[cfg(test)]
    pub(super) fn set_attached(&mut self, attached: Attached) {
        self.attached = attached;
    }

    /// Begins a zip file, or any other that only begins as one.
    fn begin_zip(&mut self, places: &Arc<dyn Places>) -> Result<()> {
        match open_zip(places)? {
            Some(archive) => self.begin_archive(archive),
            None => self.begin_file(Box::new(Part::behind(places, self.filled as u64)?)),
        }
        Ok(())
    }

    /// Begins a file that holds others.
    fn begin_archive(&mut self, archive: Box<dyn Archive>) {
        self.archive = Some(archive);
        self.damage.of_files = true;
        (self.filled, self.ended, self.compressed) = (0, true, true);
    }

    /// Nothing read yet.
    fn blank(name: &str, memory: Vec<u8>) -> Self {
        Self {
            reader: Box::new(std::io::empty()),
            compressed: false,
            media: media::of_name(name),
            offset: 0,
            buffer: Buffer::in_memory(memory, PIECE),
            filled: 0,
            given: 0,
            failed: None,
            ended: false,
            archive: None,
            outer: Vec::new(),
            attached: Attached::default(),
            unread: None,
            is_foreign: false,
            keep_left: u64::MAX,
            page: None,
            damage: Damage::default(),
            search: scan_into,
        }
    }

    /// Finds out what the file is of which the first bytes were read.
    fn begin_file(&mut self, reader: Box<dyn Read + Send>) {
        self.reader = reader;
        if let Some(coding) = self.coding(None) {
            self.undo(coding);
            self.compressed = matches!(coding, Coding::Compressed(_));
        }
        if self.compressed {
            let mut reader = std::mem::replace(&mut self.reader, Box::new(std::io::empty()));
            match self.read_start(&mut reader) {
                Ok(failure) => self.reader = Box::new(failure.chain(reader)),
                // An error here is one of the text.
                Err(error) => (self.failed, self.ended) = (Some(error), true),
            }
        }
        let start = &self.buffer.bytes()[..self.filled];
        if let Some(format) = Format::of(start) {
            self.damage.of_files = format.holds_files();
            self.archive = Some(Box::new(self.held(format)));
            (self.ended, self.compressed) = (true, true);
            return;
        }
        self.unread = kind::of_content(start);
        if self.join_runs() {
            return;
        }
        self.archive = self.sequence();
        self.damage.of_files = self.archive.as_ref().is_some_and(|archive| archive.wants_all());
        self.ended |= self.archive.is_some();
    }

    /// What is read, as files or pages one behind the other, if it is that.
    fn sequence(&mut self) -> Option<Box<dyn Archive>> {
        let start = &self.buffer.bytes()[..self.filled];
        if start.starts_with(archive::MAGIC) {
            return Some(Box::new(Warc::new(self.take_reader())));
        }
        Tar::begins(start).then(|| Box::new(Tar::new(self.take_reader())) as Box<dyn Archive>)
    }

    /// The file that is read, as one that is read whole. What a stranger sends is not searched as it stands.
    fn held(&mut self, format: Format) -> Held {
        let reader = self.take_reader();
        if self.is_foreign { Held::in_archive(format, reader) } else { Held::of_file(format, reader) }
    }

    /// Reads enough to tell what it is. What failed behind the first bytes comes behind them.
    fn read_start(&mut self, reader: &mut impl Read) -> Result<decode::Failure> {
        while self.filled < START && !self.ended {
            match self.read_some(reader) {
                Err(error) if Pause::is(&error) => {}
                Err(error) if self.filled > 0 => return Ok(decode::Failure(Some(error))),
                read => read?,
            }
        }
        Ok(decode::Failure(None))
    }

    /// The reader, as if nothing had been read from it.
    fn take_reader(&mut self) -> Box<dyn Read + Send> {
        let start = Cursor::new(self.buffer.bytes()[..self.filled].to_vec());
        self.filled = 0;
        Box::new(start.chain(Patient(std::mem::replace(&mut self.reader, Box::new(std::io::empty())))))
    }

    /// Reads on through what undoes the coding.
    fn undo(&mut self, coding: Coding) {
        let most = if self.is_foreign { MOST_DECODED } else { u64::MAX };
        self.reader = decode::open(self.take_reader(), coding, self.media, most);
        self.ended = false;
    }

    /// The same, cut so that `extractor` loses nothing by it. Without this nothing is lost by [`Extractor::new`].
    #[must_use]
    pub fn searched_by(self, extractor: &Extractor) -> Self {
        Self { search: extractor.search(), ..self }
    }

    /// What has to be decoded of what was read, where a head `declared` this charset or none did.
    fn coding(&mut self, declared: Option<&'static Encoding>) -> Option<Coding> {
        let start = &self.buffer.bytes()[..self.filled];
        // It names the charsets of its texts.
        if rtf::begins(start) {
            return None;
        }
        let coding = match declared {
            Some(encoding) if Encoding::for_bom(start).is_none() && self.media != Some(Media::Mail) => {
                Some(Coding::Charset(encoding)).filter(|_| encoding != UTF_8)?
            }
            _ => Coding::of(start, self.media)?,
        };
        if let Coding::Charset(encoding) = coding {
            // Most pages in an old charset are ASCII, which shows when all of it is there.
            self.fill();
            let text = &self.buffer.bytes()[..self.filled];
            if charset::is_as_it_is(text, encoding) && (self.ended || !text.is_ascii()) {
                return None;
            }
        }
        Some(coding)
    }

    /// The kind of the file, such as `7z` or `encrypted pdf`, where what stands in its bytes is not the text that it holds. They
    /// are given all the same. Of a PDF and of an old document of an office this is known behind the last piece.
    pub fn unread(&self) -> Option<&'static str> {
        self.unread
    }

    /// Whether these are of the file at `path` and it is a database of mailscan, or lies beside one: no source. Asked before the
    /// first piece.
    pub fn is_own(&self, path: &Path) -> bool {
        own::is_own(path, &self.buffer.bytes()[..self.filled])
    }

    /// The memory, for the next file.
    pub fn into_memory(self) -> Vec<u8> {
        self.buffer.into_memory()
    }

    /// Whether the file is compressed, as the texts of a PDF are, or packed as those of an old document of an office.
    pub fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// The next piece, and whether it is the last.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next_piece(&mut self) -> Result<Option<(Piece, bool)>> {
        let piece = self.next_view()?.map(|view| Piece {
            offset: view.offset,
            bytes: view.bytes.to_vec(),
            media: view.media,
            page: view.page.cloned(),
        });
        let goes_on =
            self.failed.is_some() || self.archive.is_some() || self.given < self.filled || self.attached.is_due();
        Ok(piece.map(|piece| (piece, self.ended && !goes_on)))
    }

    /// The next piece, which lasts until the one after it is asked for. Nothing of it is copied.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next_view(&mut self) -> Result<Option<PieceView<'_>>> {
        self.buffer.bytes_mut().copy_within(self.given..self.filled, 0);
        self.filled -= self.given;
        self.given = 0;
        self.fill();
        let media = loop {
            if self.attached.is_due() {
                self.enter_attached();
            }
            if self.filled == 0 {
                let failed = self.failed.take();
                if self.archive.is_none() {
                    return self.damage.take(failed).map_or(Ok(None), Err);
                }
                failed.inspect(|error| self.damage.note(self.page.as_ref(), error));
                self.turn_page()?;
                continue;
            }
            let bytes = &mut self.buffer.bytes_mut()[..self.filled];
            let media = *self.media.get_or_insert_with(|| media::of_content(bytes));
            self.given = match media {
                Media::Mail => self.attached.read(bytes, self.ended, &mut self.keep_left),
                _ if self.ended => self.filled,
                _ => border::last(bytes, TAIL, (media, self.search), |_| true),
            };
            // A pause is no reason to cut where there is no border.
            if media != Media::Mail && !self.ended && self.given == self.filled && self.filled < PIECE {
                self.given = 0;
                self.fill();
                continue;
            }
            // Nothing of a piece comes before what is attached to the message before it.
            if self.given > 0 || !self.attached.is_due() {
                break media;
            }
        };
        let offset = self.offset;
        self.offset += self.given as u64;
        let bytes = &self.buffer.bytes()[..self.given];
        Ok(Some(PieceView { offset, bytes, media, page: self.page.as_ref() }))
    }

    /// Tells what an archive could not give, or what it is instead of one.
    fn end_of_archive(&mut self, end: Result<()>) -> Result<()> {
        let Some(error) = self.damage.take(end.err()) else { return Ok(()) };
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Unread>()) {
            Some(Unread(kind)) => {
                self.unread = Some(kind);
                Ok(())
            }
            None => Err(error),
        }
    }

    /// Reads a document of an office paragraph by paragraph; answers whether it is one that has its text in runs.
    fn join_runs(&mut self) -> bool {
        let start = &self.buffer.bytes()[..self.filled];
        let (are_in_xml, is_rtf, media) = (runs::are_in(start), rtf::begins(start), rtf::media(start));
        if are_in_xml {
            (self.reader, self.media) = (Box::new(Runs::new(self.take_reader())), Some(Media::Html));
        } else if is_rtf {
            (self.reader, self.media) = (Box::new(Rtf::new(self.take_reader())), Some(media));
        } else {
            return false;
        }
        self.ended = false;
        self.fill();
        true
    }

    /// Reads until the piece is full, the reader pauses behind some of it, ends or fails; a failure is kept for the next call.
    fn fill(&mut self) {
        let mut reader = std::mem::replace(&mut self.reader, Box::new(std::io::empty()));
        while !self.ended && self.filled < PIECE {
            match self.read_some(&mut reader) {
                Ok(()) => {}
                Err(error) if Pause::is(&error) => {
                    if self.filled >= LEAST {
                        break;
                    }
                }
                Err(error) => (self.failed, self.ended) = (Some(error), true),
            }
        }
        self.reader = reader;
    }

    /// Reads once into the room that there is, making some where there is none.
    fn read_some(&mut self, reader: &mut impl Read) -> Result<()> {
        if self.filled == self.buffer.bytes().len() {
            self.buffer.grow((2 * self.filled).clamp(FIRST_READ, PIECE), self.filled);
        }
        match reader.read(&mut self.buffer.bytes_mut()[self.filled..]) {
            Ok(count) => {
                self.filled += count;
                self.ended = count == 0;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A zip file by its directory, or without it by what stands before each file; `None` for what only begins as one.
fn open_zip(places: &Arc<dyn Places>) -> Result<Option<Box<dyn Archive>>> {
    if let Some(zip) = Zip::open(places)? {
        return Ok(Some(Box::new(zip)));
    }
    Ok(Heads::open(places)?.map(|heads| Box::new(heads) as Box<dyn Archive>))
}

impl Iterator for Pieces {
    type Item = Result<Piece>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_piece().transpose()?.map(|(piece, _)| piece))
    }
}

#[cfg(test)]
mod tests;
