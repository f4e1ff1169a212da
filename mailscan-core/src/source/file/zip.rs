//! Zip files (APPNOTE 6.3.10, PKWARE), and what is kept in them: the documents of today's offices, books, programs.
//!
//! Takes a file and gives each file in it to `pieces.rs` as a page: its name and a reader of its bytes. The directory at the end
//! is read entry by entry and nothing is held of it, so the memory does not grow with it. An entry that cannot be read costs
//! no other. Where the directory is, the end of the file tells (`zip/directory.rs`); a file that was cut has none, and is read by the
//! heads of the files in it (`zip/heads.rs`).

mod directory;
mod heads;

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};
use std::sync::Arc;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::archive::{Archive, Body, Capped, LONGEST_NAME, MOST_DECODED, Page, declared_by_name};
use super::places::{Part, Places, read_at};
use directory::{END, find_directory};
pub(super) use heads::Heads;

/// What a zip file begins with: its first entry, or the end of a directory of none.
const MAGIC: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
/// The length of an entry of the directory before its name (4.3.12), and of the head of a file before its name (4.3.7).
const ENTRY: usize = 46;
const HEAD: usize = 30;
/// What an entry of the directory begins with.
const ENTRY_MAGIC: &[u8; 4] = b"PK\x01\x02";
/// How much is read at a time.
const CHUNK: usize = 32 << 10;

/// The extra field that holds what is too large for an entry (4.5.3).
const LARGE: u16 = 1;
/// The flag of an entry whose bytes are encrypted.
const ENCRYPTED: u16 = 1;

/// A zip file whose entries are read in the order of its directory.
pub(super) struct Zip {
    places: Arc<dyn Places>,
    directory: BufReader<Part>,
    /// By how much everything is farther behind than it says: other bytes may stand before a zip file.
    shift: u64,
    /// How much stands before it that is still to be read, as a file of its own.
    front: Option<u64>,
    /// How many bytes entries may still take. Those of honest files do not lie over each other.
    left: u64,
}

impl Zip {
    /// Whether a file that begins so is a zip file.
    pub(super) fn begins(start: &[u8]) -> bool {
        MAGIC.iter().any(|magic| start.starts_with(magic))
    }

    /// A zip file; `None` for one without its end.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) fn open(places: &Arc<dyn Places>) -> Result<Option<Self>> {
        let length = places.length()?;
        let Some(directory) = find_directory(&**places, length)? else { return Ok(None) };
        let shift = directory.at - directory.said;
        let part = Part { places: Arc::clone(places), at: directory.at, end: directory.at + directory.length };
        Ok(Some(Self {
            places: Arc::clone(places),
            directory: BufReader::with_capacity(CHUNK, part),
            shift,
            front: None,
            left: length,
        }))
    }

    /// A zip file behind something else, such as the program that unpacks it: what stands before it is read first. `None` where the
    /// file does not end as one, or has not the file in it that its directory tells of first.
    ///
    /// # Errors
    /// Those of reading.
    pub(super) fn open_behind(places: &Arc<dyn Places>) -> Result<Option<Self>> {
        let length = places.length()?;
        let mut end = [0; END as usize];
        let Some(at) = length.checked_sub(END) else { return Ok(None) };
        // One read tells of nearly all files that they are none, so a comment is not looked for.
        let is_end =
            read_at(&**places, &mut end, at)? == end.len() && end.starts_with(MAGIC[1]) && short(&end, 20) == 0;
        if !is_end {
            return Ok(None);
        }
        let (Some(mut zip), Some(again)) = (Self::open(places)?, Self::open(places)?) else { return Ok(None) };
        let Ok(Some(first)) = zip.next_entry() else { return Ok(None) };
        let (front, mut head) = (first.at.saturating_add(zip.shift), [0; 4]);
        let is_there = read_at(&**places, &mut head, front)? == head.len() && head == *MAGIC[0];
        Ok(is_there.then_some(Self { front: Some(front), ..again }))
    }

    fn next_entry(&mut self) -> Result<Option<Entry>> {
        if self.directory.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut fixed = [0; ENTRY];
        self.directory.read_exact(&mut fixed).map_err(|_| damaged())?;
        if !fixed.starts_with(ENTRY_MAGIC) {
            self.find_entry()?;
            return Err(damaged());
        }
        let mut long = |length: u16| {
            let mut bytes = vec![0; usize::from(length)];
            self.directory.read_exact(&mut bytes).map(|()| bytes).map_err(|_| damaged())
        };
        let (name, extra, _comment) = (long(short(&fixed, 28))?, long(short(&fixed, 30))?, long(short(&fixed, 32))?);
        let mut large = large_fields(&extra);
        let whole = long_of(&fixed, 24);
        if whole == u64::from(u32::MAX) {
            // What it is unpacked is of no interest, but comes first.
            large.next();
        }
        let mut field = |at: usize| match long_of(&fixed, at) {
            said if said == u64::from(u32::MAX) => large.next().unwrap_or(said),
            said => said,
        };
        Ok(Some(Entry {
            flags: short(&fixed, 8),
            method: short(&fixed, 10),
            checksum: Some(u32_at(&fixed, 16)),
            length: field(20),
            at: field(42),
            name: name_of(&name),
        }))
    }

    /// Goes on to where the next entry seems to begin, after one that is damaged, or to the end.
    fn find_entry(&mut self) -> Result<()> {
        loop {
            let read = self.directory.fill_buf()?;
            let (found, count) = (memchr::memmem::find(read, ENTRY_MAGIC), read.len());
            if let Some(at) = found {
                self.directory.consume(at);
                return Ok(());
            }
            // A mark across what is read at a time costs one entry more.
            self.directory.consume(count);
            if count == 0 {
                return Ok(());
            }
        }
    }

    /// The bytes of a file.
    fn body(&mut self, entry: &Entry) -> Result<Body> {
        let overlap = || Error::new(ErrorKind::InvalidData, "the files in it lie over each other");
        self.left = self.left.checked_sub(entry.length).ok_or_else(overlap)?;
        let at = entry.at.checked_add(self.shift).ok_or_else(damaged)?;
        let mut head = [0; HEAD];
        if read_at(&*self.places, &mut head, at)? < HEAD || !head.starts_with(MAGIC[0]) {
            return Err(damaged());
        }
        let at = at + HEAD as u64 + u64::from(short(&head, 26)) + u64::from(short(&head, 28));
        let end = at.checked_add(entry.length).ok_or_else(damaged)?;
        let part = Part { places: Arc::clone(&self.places), at, end };
        Packed { flags: entry.flags, method: entry.method, checksum: entry.checksum, part }.open()
    }
}

/// A file as it is packed.
struct Packed {
    flags: u16,
    method: u16,
    /// That of its own bytes, where it is known (section 4.4.7).
    checksum: Option<u32>,
    part: Part,
}

impl Packed {
    /// Whether it is packed in a way that there is (section 4.4.5).
    fn is_known(&self) -> bool {
        matches!(self.method, 0..=20 | 93..=99)
    }

    /// Its own bytes.
    fn open(self) -> Result<Body> {
        if self.flags & ENCRYPTED != 0 {
            return Err(Error::new(ErrorKind::InvalidData, "it is encrypted"));
        }
        let part = BufReader::with_capacity(CHUNK, self.part);
        let body: Body = match self.method {
            0 => Box::new(part),
            8 => Box::new(Capped { body: Box::new(DeflateDecoder::new(part)), left: MOST_DECODED }),
            method => {
                let message = format!("its compression (method {method}) is none that is undone");
                return Err(Error::new(ErrorKind::InvalidData, message));
            }
        };
        Ok(match self.checksum {
            Some(expected) => Box::new(Checked { body, expected, crc: Crc::new() }),
            None => body,
        })
    }
}

/// A body that is an error at its end if it is not what was packed.
struct Checked {
    body: Body,
    expected: u32,
    crc: Crc,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.body.read(buffer)?;
        self.crc.update(&buffer[..count]);
        if count == 0 && !buffer.is_empty() && self.crc.sum() != self.expected {
            return Err(Error::new(ErrorKind::InvalidData, "its checksum is wrong, so what was read may be as well"));
        }
        Ok(count)
    }
}

/// Folders are passed over.
impl Archive for Zip {
    fn next_page(&mut self) -> Result<Option<Page>> {
        if let Some(end) = self.front.take() {
            let part = Part { places: Arc::clone(&self.places), at: 0, end };
            let (url, declared) = ("".into(), declared_by_name(""));
            return Ok(Some(Page { url, declared, media: None, body: Ok(Box::new(part)) }));
        }
        loop {
            let entry = match self.next_entry() {
                Ok(Some(entry)) => entry,
                Ok(None) => return Ok(None),
                Err(error) if error.kind() != ErrorKind::InvalidData => return Err(error),
                Err(error) => {
                    let (url, declared) = ("".into(), declared_by_name(""));
                    return Ok(Some(Page { url, declared, media: None, body: Err(error) }));
                }
            };
            if !entry.name.ends_with('/') {
                let (declared, body) = (declared_by_name(&entry.name), self.body(&entry));
                return Ok(Some(Page { url: entry.name.into(), declared, media: None, body }));
            }
        }
    }

    fn wants_all(&self) -> bool {
        true
    }
}

/// An entry of the directory.
struct Entry {
    flags: u16,
    method: u16,
    checksum: Option<u32>,
    /// How many bytes its packed file has.
    length: u64,
    /// Where the head of the file stands.
    at: u64,
    name: String,
}

/// The numbers of the field of large files.
fn large_fields(extra: &[u8]) -> impl Iterator<Item = u64> + use<> {
    let mut rest = extra;
    let mut found = Vec::new();
    while rest.len() >= 4 {
        let (kind, length) = (short(rest, 0), usize::from(short(rest, 2)));
        let Some(field) = rest.get(4..4 + length) else { break };
        if kind == LARGE {
            found = field.chunks_exact(8).take(3).map(|number| longer(number, 0)).collect();
            break;
        }
        rest = &rest[4 + length..];
    }
    found.into_iter()
}

/// What a file is called.
fn name_of(bytes: &[u8]) -> String {
    let name = String::from_utf8_lossy(bytes);
    name[..name.floor_char_boundary(LONGEST_NAME)].to_owned()
}

fn damaged() -> Error {
    Error::new(ErrorKind::InvalidData, "the directory of the zip file is damaged")
}

/// The bytes at a place, in the order of zip files; 0 beyond the end.
fn bytes<const COUNT: usize>(of: &[u8], at: usize) -> [u8; COUNT] {
    of.get(at..at + COUNT).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; COUNT])
}

fn short(of: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes(of, at))
}

fn u32_at(of: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes(of, at))
}

fn long_of(of: &[u8], at: usize) -> u64 {
    u64::from(u32_at(of, at))
}

fn longer(of: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes(of, at))
}

#[cfg(test)]
mod tests;
