//! Zip files (APPNOTE 6.3.10, PKWARE), and what is kept in them: the documents of today's offices, books, programs.
//!
//! Takes a file and gives each file in it to `pieces.rs` as a page: its name and a reader of its bytes. The directory at the end
//! is read entry by entry and nothing is held of it, so the memory does not grow with it. An entry that cannot be read costs
//! no other. A file without its directory, which was cut, is read by the heads of the files in it (`zip/heads.rs`).

mod heads;

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};
use std::sync::Arc;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::archive::{Archive, Body, Capped, LONGEST_NAME, MOST_DECODED, Page, declared_by_name};
use super::places::{Part, Places, read_at};
pub(super) use heads::Heads;

/// What a zip file begins with: its first entry, or the end of a directory of none.
const MAGIC: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
/// The length of the record at the end (section 4.3.16), and of the longest comment behind it.
const END: u64 = 22;
const LONGEST_COMMENT: u64 = u16::MAX as u64;
/// The length of the record that points to the end of a large file (4.3.15), and of that end without its own comment (4.3.14).
const POINTER: u64 = 20;
const LARGE_END: usize = 56;
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

/// Where the directory is.
struct Directory {
    at: u64,
    /// Where the file says that it is.
    said: u64,
    length: u64,
}

/// Finds the directory by the record at the end of the file.
fn find_directory(file: &dyn Places, length: u64) -> Result<Option<Directory>> {
    let from = length.saturating_sub(END + LONGEST_COMMENT);
    let mut tail = vec![0; usize::try_from(length - from).unwrap_or_default()];
    let read = read_at(file, &mut tail, from)?;
    tail.truncate(read);
    // The comment behind it may hold anything, so the last is taken whose comment ends with the file.
    let is_end = |at: &usize| {
        tail.get(at + 20..at + 22).is_some_and(|size| at + END as usize + usize::from(short(size, 0)) == tail.len())
    };
    let ends = || memchr::memmem::rfind_iter(&tail, MAGIC[1]);
    if let Some(end) = ends().find(is_end) {
        return directory_before(file, &tail, from, end);
    }
    // Something else stands behind it: the last behind a directory.
    for end in ends() {
        let mut start = [0; 4];
        if let Some(directory) = directory_before(file, &tail, from, end)?
            && read_at(file, &mut start, directory.at)? == start.len()
            && start == *ENTRY_MAGIC
        {
            return Ok(Some(directory));
        }
    }
    Ok(None)
}

/// The directory of which the record at the end says where it is; the record stands at `end` in the `tail`, which begins at
/// `from`.
fn directory_before(file: &dyn Places, tail: &[u8], from: u64, end: usize) -> Result<Option<Directory>> {
    let (size, said) = (long_of(tail, end + 12), long_of(tail, end + 16));
    // Whichever number is too large for this record stands in that of large files; the others may be right in both.
    let counts = short(tail, end + 8).max(short(tail, end + 10));
    let is_large = counts == u16::MAX || size.max(said) == u64::from(u32::MAX);
    let end = from + end as u64;
    let large = if is_large { large_directory(file, end)? } else { None };
    let (size, said, end) = large.unwrap_or((size, said, end));
    // It stands right before its end.
    let at = end.checked_sub(size).filter(|at| *at >= said);
    Ok(at.map(|at| Directory { at, said, length: size }))
}

/// The size of the directory of a large file, where it says that it is, and where its end is.
fn large_directory(file: &dyn Places, end: u64) -> Result<Option<(u64, u64, u64)>> {
    let (mut pointer, mut large) = ([0; POINTER as usize], [0; LARGE_END]);
    let Some(before) = end.checked_sub(POINTER) else { return Ok(None) };
    if read_at(file, &mut pointer, before)? < pointer.len() || !pointer.starts_with(b"PK\x06\x07") {
        return Ok(None);
    }
    // Where other bytes stand before the zip file, its end is farther behind than it says: right before what points to it.
    for at in [longer(&pointer, 8), before.saturating_sub(LARGE_END as u64)] {
        if read_at(file, &mut large, at)? == large.len() && large.starts_with(b"PK\x06\x06") {
            return Ok(Some((longer(&large, 40), longer(&large, 48), at)));
        }
    }
    Ok(None)
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
mod tests {
    use std::io::{Seek, Write};

    use ::zip::write::SimpleFileOptions;
    use ::zip::{CompressionMethod, ZipWriter};
    use proptest::prelude::*;

    use super::*;
    use crate::source::file::Pieces;
    use crate::source::file::archive::texts;

    const WAYS: [CompressionMethod; 2] = [CompressionMethod::Stored, CompressionMethod::Deflated];

    fn packed(files: &[(&str, &[u8])], way: CompressionMethod) -> Vec<u8> {
        let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(way);
        for (name, text) in files {
            match name.strip_suffix('/') {
                Some(folder) => writer.add_directory(folder, options).unwrap(),
                None => writer.start_file(*name, options).unwrap(),
            }
            writer.write_all(text).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    /// The same with what is to be said of each file behind it.
    fn streamed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new_stream(Vec::new());
        for (name, text) in files {
            match name.strip_suffix('/') {
                Some(folder) => writer.add_directory(folder, SimpleFileOptions::default()).unwrap(),
                None => writer.start_file(*name, SimpleFileOptions::default()).unwrap(),
            }
            writer.write_all(text).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    /// What is read of a file with these bytes: the name within and the text of each piece, and the error at the end.
    fn read(bytes: &[u8]) -> (Vec<(String, String)>, Option<String>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        texts(Pieces::of_file(file, "a.zip", Vec::new()).unwrap())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn each_file_is_a_page() {
        let utf16: Vec<u8> = "cy@c.org".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let files = [
            ("word/", &b""[..]),
            ("word/document.xml", b"<w:t>ann@a.org</w:t>"),
            ("b\u{fc}ro.txt", b"ben@b.org"),
            ("image.png", b"\x7fPNG\0\0\0\rdan@d.org"),
            ("wide.txt", &utf16),
            ("empty", b""),
        ];
        let expected = pairs(&[
            ("word/document.xml", "<w:t>ann@a.org</w:t>"),
            ("b\u{fc}ro.txt", "ben@b.org"),
            ("image.png", "\u{7f}PNG\0\0\0\rdan@d.org"),
            ("wide.txt", "cy@c.org"),
        ]);
        for way in WAYS {
            let zip = packed(&files, way);
            assert_eq!(read(&zip), (expected.clone(), None), "{way:?}");
            // A comment that looks like an end, which it is not.
            let mut commented = [&zip[..], b"PK\x05\x06 is how it ends"].concat();
            let size = commented.len() - zip.len();
            commented[zip.len() - 2..zip.len()].copy_from_slice(&u16::try_from(size).unwrap().to_le_bytes());
            assert_eq!(read(&commented), (expected.clone(), None), "{way:?} with a comment");
        }
        assert_eq!(read(&packed(&[], WAYS[0])), (vec![], None), "an empty one");
    }

    #[test]
    fn zip_files_in_others_are_read_file_by_file() {
        let long: String = (0..90_000_u32).map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761))).collect();
        let small = packed(&[("word/document.xml", b"<w:document><w:t>a</w:t><w:t>nn@a.org</w:t>")], WAYS[1]);
        // Beyond what is kept in memory.
        let large = packed(&[("long", long.as_bytes()), ("last", b"ben@b.org")], WAYS[0]);
        let within = packed(&[("cv.docx", &small), ("large.zip", &large), ("c.txt", b"cy@c.org")], WAYS[1]);
        let zip = packed(&[("all.zip", &within), ("d.txt", b"dan@d.org")], WAYS[1]);
        let (mut found, failed) = read(&zip);
        assert!(failed.is_none(), "{failed:?}");
        found.retain(|(name, _)| !name.ends_with("#long"));
        let names = ["all.zip#cv.docx#word/document.xml", "all.zip#large.zip#last", "all.zip#c.txt", "d.txt"];
        assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
        assert_eq!(found[0].1.trim(), "ann@a.org");
        let gzip = |bytes: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let mut tar = tar::Builder::new(Vec::new());
        let mut head = tar::Header::new_gnu();
        head.set_size(9);
        tar.append_data(&mut head, "new/1", &b"eve@e.org"[..]).unwrap();
        let tar = tar.into_inner().unwrap();
        let warc = b"WARC/1.0\r\nWARC-Type: resource\r\nWARC-Target-URI: http://a.org/\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nfay@f.org\r\n\r\n";
        let files = [("a.tar", &tar[..]), ("a.tgz", &gzip(&tar)), ("a.docx.gz", &gzip(&small)), ("a.warc", &warc[..])];
        let (found, failed) = read(&packed(&files, WAYS[0]));
        let texts: Vec<_> = found.iter().map(|(name, text)| (name.as_str(), text.trim())).collect();
        let expected = [
            ("a.tar#new/1", "eve@e.org"),
            ("a.tgz#new/1", "eve@e.org"),
            ("a.docx.gz#word/document.xml", "ann@a.org"),
            ("a.warc#http://a.org/", "fay@f.org"),
        ];
        assert_eq!((texts, failed), (expected.to_vec(), None));
        let (found, failed) =
            read(&packed(&[("cut.zip", &small[..small.len() - 30]), ("d.txt", b"dan@d.org")], WAYS[0]));
        assert_eq!(found[1], pairs(&[("d.txt", "dan@d.org")])[0], "{found:?}");
        assert!(failed.unwrap().contains("cut off"));
    }

    #[test]
    fn large_directories_are_read_to_their_end() {
        let names: Vec<_> = (0..70_000).map(|number| number.to_string()).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
        let (found, failed) = read(&packed(&files, WAYS[0]));
        assert_eq!((found.len(), failed), (names.len(), None));
        assert!(found.iter().all(|(name, text)| name == text));
    }

    #[test]
    fn many_files_in_a_small_zip_file_are_read() {
        // Only the count is too large for the record at the end, and only that is left out of it by Info-ZIP and Python.
        let names: Vec<_> = (0..65_536).map(|number| number.to_string()).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
        let mut zip = packed(&files, WAYS[0]);
        let end = zip.len() - END as usize;
        let large = end - POINTER as usize - LARGE_END;
        assert!(zip[end..].starts_with(MAGIC[1]) && zip[large..].starts_with(b"PK\x06\x06"));
        for (field, of_large) in [(12, 40), (16, 48)] {
            let number = longer(&zip, large + of_large);
            zip[end + field..][..4].copy_from_slice(&u32::try_from(number).unwrap().to_le_bytes());
        }
        assert_eq!(short(&zip, end + 10), u16::MAX);
        let (found, failed) = read(&zip);
        assert_eq!((found.len(), failed), (names.len(), None));
        assert!(found.iter().all(|(name, text)| name == text));
    }

    #[test]
    fn what_cannot_be_read_costs_nothing_else() {
        let pdf = &b"%PDF-1.7\nann@a.org"[..];
        let gzip = {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(b"eve@e.org").unwrap();
            encoder.finish().unwrap()
        };
        let files = [("a.pdf", pdf), ("b.txt", b"ben@b.org"), ("c.txt", b"cy@c.org"), ("log.gz", &gzip)];
        let zip = packed(&files, WAYS[0]);
        let (rest, log) = (("b.txt", "ben@b.org"), ("log.gz", "eve@e.org"));
        let (found, failed) = read(&zip);
        assert_eq!(found, pairs(&[rest, ("c.txt", "cy@c.org"), log]));
        let failed = failed.unwrap();
        assert!(
            failed.contains("1 of its 4 files cannot be read whole, the first of them a.pdf") && failed.contains("pdf"),
            "{failed}"
        );
        // The third entry's method, flags, and place.
        let third = memchr::memmem::find_iter(&zip, b"PK\x01\x02").nth(2).unwrap();
        for (field, byte, why) in
            [(10, 99, "method 99"), (8, 1, "encrypted"), (44, 0xff, "damaged"), (23, 9, "lie over")]
        {
            let mut broken = zip.clone();
            broken[third + field] = byte;
            let (found, failed) = read(&broken);
            assert_eq!(found, pairs(&[rest, log]), "{why}");
            assert!(failed.unwrap().starts_with("2 of its 4 files cannot be read"), "{why}");
        }
        // Without its directory it is read by the heads of the files.
        let (found, failed) = read(&zip[..zip.len() - 9]);
        assert_eq!(found, pairs(&[rest, ("c.txt", "cy@c.org"), log]));
        assert!(failed.unwrap().contains("cut off"));
    }

    #[test]
    fn what_stands_behind_it_or_is_damaged_costs_little() {
        let files = [("a.txt", &b"ann@a.org"[..]), ("b.txt", b"ben@b.org"), ("c.txt", b"cy@c.org")];
        let all = pairs(&[("a.txt", "ann@a.org"), ("b.txt", "ben@b.org"), ("c.txt", "cy@c.org")]);
        for way in WAYS {
            let zip = packed(&files, way);
            for more in [&b"\n"[..], &[0; 100], b"PK\x05\x06 and so on, for more than twenty bytes"] {
                assert_eq!(read(&[&zip, more].concat()), (all.clone(), None), "{way:?}");
            }
            let second = memchr::memmem::find_iter(&zip, ENTRY_MAGIC).nth(1).unwrap();
            let mut broken = zip.clone();
            broken[second] = b'X';
            let (found, failed) = read(&broken);
            assert_eq!(found, [all[0].clone(), all[2].clone()], "{way:?}");
            assert!(failed.unwrap().starts_with("1 of its 3 files cannot be read"), "{way:?}");
        }
        let mut zip = packed(&files, WAYS[0]);
        let at = memchr::memmem::find(&zip, b"ben@").unwrap();
        zip[at] = b'k';
        let (found, failed) = read(&zip);
        assert_eq!(found[1].1, "ken@b.org");
        assert!(failed.unwrap().contains("b.txt: its checksum is wrong"));
    }

    #[test]
    fn bytes_that_stand_before_it_move_all_of_it() {
        let zip = packed(&[("a.txt", b"ann@a.org")], WAYS[1]);
        let (file, whole) = (tempfile::tempfile().unwrap(), [&b"#!/bin/sh\n"[..], &zip].concat());
        (&file).write_all(&whole).unwrap();
        let places: Arc<dyn Places> = Arc::new(file);
        let mut zip = Zip::open(&places).unwrap().unwrap();
        let page = zip.next_page().unwrap().unwrap();
        let mut text = String::new();
        page.body.unwrap().read_to_string(&mut text).unwrap();
        assert_eq!((&*page.url, &*text), ("a.txt", "ann@a.org"));
    }

    #[test]
    fn a_file_that_ends_as_a_zip_file_is_read_as_one() {
        let files = [("a.txt", &b"ann@a.org"[..]), ("b.txt", b"ben@b.org")];
        let zip = packed(&files, WAYS[1]);
        let before = "#!/bin/sh\n# written by eve@e.org\nexec java -jar \"$0\"\n";
        let expected = pairs(&[("", before), ("a.txt", "ann@a.org"), ("b.txt", "ben@b.org")]);
        let whole = [before.as_bytes(), &zip].concat();
        assert_eq!(read(&whole), (expected.clone(), None));
        // The programs that unpack themselves may say where all of it stands in the whole file.
        let mut moved = whole.clone();
        let directory = memchr::memmem::find(&whole, ENTRY_MAGIC).unwrap();
        let end = whole.len() - END as usize;
        let second = memchr::memmem::find_iter(&whole, ENTRY_MAGIC).nth(1).unwrap();
        for field in [directory + 42, second + 42, end + 16] {
            let said = u32_at(&whole, field) + u32::try_from(before.len()).unwrap();
            moved[field..field + 4].copy_from_slice(&said.to_le_bytes());
        }
        assert_eq!(read(&moved), (expected, None));
        // A text that only ends so is one.
        let mut other = whole;
        other[before.len()] = b'X';
        let (found, failed) = read(&other);
        assert_eq!((found.len(), &*found[0].0, failed), (1, "", None));
    }

    #[test]
    fn many_files_behind_something_else_are_read() {
        let names: Vec<_> = (0..65_536).map(|number| number.to_string()).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
        let (found, failed) = read(&[b"MZ ", &packed(&files, WAYS[0])[..]].concat());
        assert_eq!((found.len(), failed), (1 + names.len(), None));
    }

    #[test]
    fn what_is_left_of_one_that_was_cut_is_read() {
        let long: String = (0..40_000_u32).map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761))).collect();
        let files =
            [("a.txt", "ann@a.org"), ("b/", ""), ("b/ben.txt", "ben@b.org"), ("c.txt", &*long), ("d.txt", "dan@d.org")];
        let bytes = files.map(|(name, text)| (name, text.as_bytes()));
        let whole = pairs(&[files[0], files[2]]);
        for way in WAYS {
            for zip in [packed(&bytes, way), streamed(&bytes)] {
                let directory = memchr::memmem::find(&zip, b"PK\x01\x02").unwrap();
                let (found, failed) = read(&zip[..directory]);
                assert_eq!(found.last(), pairs(&[files[4]]).last(), "{way:?}");
                assert_eq!((&found[..2], found.len()), (&whole[..], 4), "{way:?}");
                assert!(failed.unwrap().contains("cut off"), "{way:?}");
                let (found, failed) = read(&zip[..directory / 2]);
                assert_eq!((&found[..2], found.len()), (&whole[..], 3), "{way:?}");
                assert!(found[2].0 == "c.txt" && long.starts_with(&found[2].1), "{way:?}");
                assert!(failed.unwrap().contains("c"), "{way:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_it_holds_it_ends(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut in any::<prop::sample::Index>(),
            is_cut in any::<bool>(),
        ) {
            let mut zip = packed(&[("a.txt", b"ann@a.org, ann@a.org"), ("b/", b""), ("b/c.html", b"<p>ben@b.org")], WAYS[1]);
            let length = zip.len();
            changes.iter().for_each(|(at, byte)| zip[at.index(length)] = *byte);
            if is_cut {
                zip.truncate(cut.index(length).max(4));
            }
            // The errors of opening are those of the system.
            read(&zip);
        }
    }
}
