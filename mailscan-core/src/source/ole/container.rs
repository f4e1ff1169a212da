//! The container: a file system in a file (MS-CFB), of which storages are the folders and streams the files.
//!
//! Takes the bytes of a file and gives the entries of a storage and the bytes of a stream. The crate `cfb` reads the structure;
//! here is what it does not bound: how often a file may list the same part of its table of sectors, how many entries are looked
//! at, how many bytes streams take that lie over each other, and how many steps the way through their sectors takes.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use cfb::CompoundFile;

use super::{long, short};

/// The most entries of a file that are looked at.
const MOST_ENTRIES: usize = 100_000;
/// The most steps from one sector to the next that are taken to find those of all streams: each is found from its beginning.
const MOST_STEPS: u64 = 1 << 30;
/// How long the sectors of short streams are, and which streams are short.
const SMALL_SECTOR: u64 = 64;
const SHORT_STREAM: u64 = 4_096;

/// Where the header says how its sectors are to be read, and its length.
mod header {
    pub(super) const SECTOR_SHIFT: usize = 0x1e;
    pub(super) const FIRST_LIST: usize = 0x44;
    pub(super) const LISTED: usize = 0x4c;
    pub(super) const LENGTH: usize = 512;
}

/// Numbers from here on are no sectors.
const NO_SECTOR: u32 = 0xffff_fffa;

/// What is wrong with a file.
const OVERLAP: &str = "the streams of the OLE file lie over each other, so it was not read to its end";
const CUT: &str = "a stream of the OLE file ends before its end";
const TOO_MANY: &str = "the OLE file has so many parts that it was not read to its end";

/// The path of the root.
pub(super) fn root() -> PathBuf {
    PathBuf::from("/")
}

/// An entry of a storage.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) is_storage: bool,
    length: u64,
}

/// A file that is read.
pub(super) struct Container<'a> {
    file: CompoundFile<Cursor<&'a [u8]>>,
    /// How long the way to a stream is at most, by whether it is short.
    ways: [u64; 2],
    entries_left: usize,
    /// How many bytes streams may still take. Those of honest files do not lie over each other.
    bytes_left: u64,
    steps_left: u64,
    problem: Option<&'static str>,
}

impl<'a> Container<'a> {
    /// Opens a file; `None` where that cannot be done.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        if !is_bounded(bytes) {
            return None;
        }
        let file = CompoundFile::open(Cursor::new(bytes)).ok()?;
        let length = bytes.len() as u64;
        let short = file.root_entry().len().min(length) / SMALL_SECTOR;
        let long = length / file.version().sector_len() as u64;
        Some(Self {
            file,
            ways: [long, short],
            entries_left: MOST_ENTRIES,
            bytes_left: length,
            steps_left: MOST_STEPS,
            problem: None,
        })
    }

    /// What was wrong with what was read.
    pub(super) fn problem(&self) -> Option<&'static str> {
        self.problem
    }

    fn note(&mut self, problem: &'static str) {
        self.problem.get_or_insert(problem);
    }

    /// The entries of a storage.
    pub(super) fn list(&mut self, storage: &Path) -> Vec<Entry> {
        let Ok(entries) = self.file.read_storage(storage) else { return Vec::new() };
        let entries: Vec<_> = entries
            .take(self.entries_left + 1)
            .map(|entry| Entry {
                path: entry.path().to_owned(),
                name: entry.name().to_owned(),
                is_storage: entry.is_storage(),
                length: entry.len(),
            })
            .collect();
        let Some(left) = self.entries_left.checked_sub(entries.len()) else {
            self.note(TOO_MANY);
            self.entries_left = 0;
            return Vec::new();
        };
        self.entries_left = left;
        entries
    }

    /// The bytes of a stream, as far as they are there.
    pub(super) fn read(&mut self, entry: &Entry) -> Vec<u8> {
        let mut bytes = Vec::new();
        let way = self.ways[usize::from(entry.length < SHORT_STREAM)];
        let Some(left) = self.steps_left.checked_sub(way) else {
            self.note(TOO_MANY);
            return bytes;
        };
        self.steps_left = left;
        let Ok(stream) = self.file.open_stream(&entry.path) else {
            self.note(CUT);
            return bytes;
        };
        let wanted = entry.length.min(self.bytes_left);
        let failed = stream.take(wanted).read_to_end(&mut bytes).is_err();
        self.bytes_left -= bytes.len() as u64;
        if failed || (bytes.len() as u64) < wanted {
            self.note(CUT);
        } else if wanted < entry.length {
            self.note(if self.bytes_left == 0 { OVERLAP } else { CUT });
        }
        bytes
    }
}

/// Whether the table of sectors takes no more memory than the file: a sector of the table that is listed a million times would
/// be held a million times.
fn is_bounded(bytes: &[u8]) -> bool {
    listed(bytes).is_some_and(|(listed, sector)| listed.saturating_mul(sector) <= bytes.len())
}

/// How many sectors are listed as those of the table, and how long a sector is.
fn listed(bytes: &[u8]) -> Option<(usize, usize)> {
    let sector = match short(bytes, header::SECTOR_SHIFT)? {
        9 => 512,
        12 => 4_096,
        _ => return None,
    };
    let count =
        |list: &[u8]| list.chunks_exact(4).filter(|number| long(number, 0).is_some_and(|n| n < NO_SECTOR)).count();
    let mut listed = count(bytes.get(header::LISTED..header::LENGTH)?);
    let mut next = long(bytes, header::FIRST_LIST)?;
    // No sector is one of the list twice.
    for _ in 0..bytes.len() / sector {
        if next >= NO_SECTOR {
            break;
        }
        let at = usize::try_from(next).ok()?.checked_add(1)?.checked_mul(sector)?;
        let list = bytes.get(at..at.checked_add(sector)?)?;
        let (list, end) = list.split_at(sector - 4);
        listed += count(list);
        next = long(end, 0)?;
    }
    Some((listed, sector))
}
