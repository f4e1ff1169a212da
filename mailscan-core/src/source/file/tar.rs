//! Tar files (POSIX.1-2024, pax; and as GNU tar and the old ones write them): the files in them, one after the other.
//!
//! Takes a reader of the archive's bytes, of which any compression is undone already, and gives each file to `pieces.rs` as a
//! reader of its bytes, in constant memory. What is no file (folders, links, devices) is passed over. A head that is damaged
//! costs what stands up to the next one that is not.

use std::io::{Error, ErrorKind, Read, Result};
use std::sync::{Arc, Mutex};

use super::archive::{Archive, Body, LONGEST_NAME, Page, declared_by_name};
use super::members::{Member, Members, lock};

/// All of a tar file is a multiple of this.
pub(super) const BLOCK: usize = 512;
/// The most that is read of what says more about a file than its head has room for.
const LONGEST_MORE: u64 = 256 << 10;

/// Where the fields of a head stand.
mod field {
    use std::ops::Range;

    pub(super) const NAME: Range<usize> = 0..100;
    pub(super) const SIZE: Range<usize> = 124..136;
    pub(super) const CHECKSUM: Range<usize> = 148..156;
    pub(super) const KIND: usize = 156;
    pub(super) const MAGIC: Range<usize> = 257..263;
    pub(super) const PREFIX: Range<usize> = 345..500;
    /// Whether blocks follow that say where the holes of the file are, in the head and in such a block.
    pub(super) const MORE_HOLES: [usize; 2] = [482, 504];
}

/// A tar file that is read from the beginning.
pub(super) struct Tar {
    entries: Arc<Mutex<Members>>,
    /// Whether the last head was damaged.
    is_lost: bool,
}

impl Tar {
    pub(super) fn new(reader: Body) -> Self {
        Self { entries: Arc::new(Mutex::new(Members::new(reader, "entry"))), is_lost: false }
    }

    /// Whether a file that begins so is a tar file.
    pub(super) fn begins(start: &[u8]) -> bool {
        start.first_chunk().and_then(Head::read).is_some()
    }
}

impl Archive for Tar {
    fn next_page(&mut self) -> Result<Option<Page>> {
        let mut entries = lock(&self.entries);
        let mut more = More::default();
        loop {
            entries.pass()?;
            let Some(block) = next_block(&mut entries)? else { return Ok(None) };
            let Some(head) = Head::read(&block) else {
                if std::mem::replace(&mut self.is_lost, true) {
                    continue;
                }
                let damage = entries.damaged("has a head that is damaged");
                return Ok(Some(Page {
                    url: "".into(),
                    declared: declared_by_name(""),
                    media: None,
                    body: Err(damage),
                }));
            };
            self.is_lost = false;
            if head.has_more_holes {
                pass_holes(&mut entries)?;
            }
            let length = if head.holds_bytes() { more.length.unwrap_or(head.length) } else { 0 };
            entries.begin(length, length.next_multiple_of(BLOCK as u64) - length);
            let entry = Member::of(&self.entries, &entries);
            match head.kind {
                b'L' | b'x' => {
                    drop(entries);
                    more.read(head.kind, entry)?;
                    entries = lock(&self.entries);
                }
                kind if is_file(kind) => {
                    let name = more.name.take().unwrap_or(head.name);
                    if !name.ends_with('/') {
                        let declared = declared_by_name(&name);
                        return Ok(Some(Page { url: name.into(), declared, media: None, body: Ok(Box::new(entry)) }));
                    }
                    more = More::default();
                }
                // What is said of all files does not end what is said of the next.
                b'g' | b'K' => {}
                _ => more = More::default(),
            }
        }
    }

    fn wants_all(&self) -> bool {
        true
    }
}

/// Whether an entry of this kind is a file. Those that no standard knows are to be taken for one.
fn is_file(kind: u8) -> bool {
    !matches!(kind, b'1'..=b'6' | b'D' | b'K' | b'L' | b'N' | b'V' | b'X' | b'g' | b'x')
}

/// The next block that is not empty, as those at the end are; `None` at the end.
fn next_block(entries: &mut Members) -> Result<Option<[u8; BLOCK]>> {
    let mut block = [0; BLOCK];
    loop {
        match entries.block(&mut block)? {
            BLOCK if block == [0; BLOCK] => {}
            BLOCK => return Ok(Some(block)),
            read if block[..read].iter().all(|byte| *byte == 0) => return Ok(None),
            _ => {
                let message = "the archive ends within a head";
                return Err(Error::new(ErrorKind::UnexpectedEof, message));
            }
        }
    }
}

fn pass_holes(entries: &mut Members) -> Result<()> {
    let mut block = [0; BLOCK];
    while entries.block(&mut block)? == BLOCK && block[field::MORE_HOLES[1]] != 0 {}
    Ok(())
}

/// What the head of an entry says.
struct Head {
    name: String,
    /// How many bytes follow it.
    length: u64,
    kind: u8,
    has_more_holes: bool,
}

impl Head {
    /// A head; `None` for a block that is none.
    fn read(block: &[u8; BLOCK]) -> Option<Self> {
        let said = number(&block[field::CHECKSUM])?;
        let sum = |value: fn(u8) -> i64| {
            let around = block[..field::CHECKSUM.start].iter().chain(&block[field::CHECKSUM.end..]);
            around.map(|byte| value(*byte)).sum::<i64>() + i64::from(b' ') * field::CHECKSUM.len() as i64
        };
        // Some added up signed bytes.
        let sums = [sum(i64::from), sum(|byte| i64::from(byte.cast_signed()))];
        if !sums.into_iter().any(|sum| u64::try_from(sum) == Ok(said)) {
            return None;
        }
        let kind = block[field::KIND];
        let is_gnu = block[field::MAGIC] == *b"ustar ";
        let prefix = if block[field::MAGIC] == *b"ustar\0" { text(&block[field::PREFIX]) } else { String::new() };
        let name = text(&block[field::NAME]);
        Some(Self {
            name: if prefix.is_empty() { name } else { format!("{prefix}/{name}") },
            length: number(&block[field::SIZE])?,
            kind,
            has_more_holes: is_gnu && kind == b'S' && block[field::MORE_HOLES[0]] != 0,
        })
    }

    /// Whether bytes follow it: links name the size of what they lead to.
    fn holds_bytes(&self) -> bool {
        !matches!(self.kind, b'1'..=b'6')
    }
}

/// What entries before that of a file say of it.
#[derive(Default)]
struct More {
    name: Option<String>,
    length: Option<u64>,
}

impl More {
    /// Reads an entry of this kind.
    fn read(&mut self, kind: u8, entry: Member) -> Result<()> {
        let mut bytes = Vec::new();
        entry.take(LONGEST_MORE).read_to_end(&mut bytes)?;
        if kind == b'L' {
            self.name = Some(text(&bytes));
            return Ok(());
        }
        let mut rest = &bytes[..];
        while let Some((key, value, behind)) = record(rest) {
            match key {
                b"path" | b"GNU.sparse.name" => self.name = Some(text(value)),
                b"size" => self.length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()),
                _ => {}
            }
            rest = behind;
        }
        Ok(())
    }
}

/// The first record of what pax says of a file (`23 path=some/long/name` and a new line): its key, its value and the rest.
fn record(of: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let digits = memchr::memchr(b' ', of)?;
    let length: usize = std::str::from_utf8(&of[..digits]).ok()?.parse().ok()?;
    let (record, rest) = of.split_at_checked(length)?;
    let record = record.get(digits + 1..)?.strip_suffix(b"\n")?;
    let equals = memchr::memchr(b'=', record)?;
    Some((&record[..equals], &record[equals + 1..], rest))
}

/// A field that is a text, up to its zero.
fn text(field: &[u8]) -> String {
    let end = memchr::memchr(0, field).unwrap_or(field.len());
    let text = String::from_utf8_lossy(&field[..end]);
    text[..text.floor_char_boundary(LONGEST_NAME)].to_owned()
}

/// A field that is a number: octal digits between blanks and zeros, or, where they have no room, bytes behind a mark.
fn number(field: &[u8]) -> Option<u64> {
    if field.first() == Some(&0x80) {
        return field[1..].iter().try_fold(0_u64, |number, byte| number.checked_mul(256)?.checked_add((*byte).into()));
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let digits = &field[start..];
    let digits = &digits[..digits.iter().position(is_blank).unwrap_or(digits.len())];
    digits.iter().try_fold(0_u64, |number, digit| {
        digit.is_ascii_digit().then_some(())?;
        number.checked_mul(8)?.checked_add(u64::from(digit - b'0')).filter(|_| *digit < b'8')
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use ::tar::{Builder, EntryType, Header};
    use proptest::prelude::*;

    use super::*;
    use crate::source::file::Pieces;
    use crate::source::file::archive::texts;

    fn head(kind: EntryType, length: usize) -> Header {
        let mut head = Header::new_gnu();
        head.set_entry_type(kind);
        head.set_size(length as u64);
        head.set_mode(0o644);
        head
    }

    fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (name, text) in files {
            builder.append_data(&mut head(EntryType::Regular, text.len()), name, *text).unwrap();
        }
        builder.into_inner().unwrap()
    }

    /// What is read: the name within and the text of each piece, and the error at the end.
    fn read(bytes: impl Into<Vec<u8>>) -> (Vec<(String, String)>, Option<String>) {
        texts(Pieces::from_reader(Cursor::new(bytes.into()), "").unwrap())
    }

    fn found(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn files_are_read_under_their_names() {
        let long = format!("{}/ann.txt", "folder".repeat(40));
        let blocks = "x\n".repeat(256);
        let files = [("a.txt", "ann@a.org"), (&long, "bob@b.org"), ("empty.txt", ""), ("b.txt", &blocks)];
        let bytes = packed(&files.map(|(name, text)| (name, text.as_bytes())));
        let expected = found(&[files[0], files[1], files[3]]);
        assert_eq!(read(&bytes[..]), (expected.clone(), None));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&bytes).unwrap();
        assert_eq!(read(gzip.finish().unwrap()), (expected.clone(), None));
        let twice = [&bytes[..], &bytes].concat();
        assert_eq!(read(twice), ([&expected[..], &expected].concat(), None), "one behind the other");
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        assert_eq!(read(&bytes[..end]), (expected, None), "without its end");
    }

    #[test]
    fn a_database_is_told_of_and_searched_as_it_stands() {
        let database = "SQLite format 3\0 ann@a.org";
        let bytes = packed(&[("a.db", database.as_bytes()), ("b.txt", b"bob@b.org")]);
        let told =
            "1 of its 2 files cannot be read whole, the first of them a.db: it is of a kind that is not read (sqlite)";
        let (texts, error) = read(bytes);
        assert_eq!(texts, found(&[("a.db", database), ("b.txt", "bob@b.org")]));
        assert!(error.as_deref().is_some_and(|error| error.contains(told)), "{error:?}");
        let mut pieces = Pieces::from_reader(Cursor::new(database.as_bytes().to_vec()), "").unwrap();
        assert_eq!(pieces.by_ref().map(Result::unwrap).count(), 1);
        assert_eq!(pieces.unread(), Some("sqlite"));
    }

    #[test]
    fn what_pax_says_comes_before_the_head() {
        let mut builder = Builder::new(Vec::new());
        builder.append_pax_extensions([("path", &b"caf\xc3\xa9/ann.txt"[..]), ("size", b"9")]).unwrap();
        let mut file = head(EntryType::Regular, 9);
        file.set_path("short.txt").unwrap();
        file.set_size(0);
        file.set_cksum();
        builder.append(&file, &b"ann@a.org"[..]).unwrap();
        let mut bytes = builder.into_inner().unwrap();
        let at = bytes.windows(9).position(|window| window == b"short.txt").unwrap() + BLOCK;
        let mut block = b"ann@a.org".to_vec();
        block.resize(BLOCK, 0);
        if !bytes[at..].starts_with(b"ann@a.org") {
            bytes.splice(at..at, block);
        }
        assert_eq!(read(bytes), (found(&[("caf\u{e9}/ann.txt", "ann@a.org")]), None));
    }

    #[test]
    fn what_is_no_file_is_passed_over() {
        let mut builder = Builder::new(Vec::new());
        builder.append_data(&mut head(EntryType::Directory, 0), "folder/", &b""[..]).unwrap();
        let mut link = head(EntryType::Link, 0);
        builder.append_link(&mut link, "link", "a.txt").unwrap();
        builder.append_data(&mut head(EntryType::Regular, 9), "a.txt", &b"ann@a.org"[..]).unwrap();
        // A link that names the size of what it leads to.
        let mut bytes = builder.into_inner().unwrap();
        let mut link = head(EntryType::Link, 9);
        link.set_path("again").unwrap();
        link.set_cksum();
        bytes.splice(0..0, link.as_bytes().iter().copied());
        assert_eq!(read(bytes), (found(&[("a.txt", "ann@a.org")]), None));
    }

    #[test]
    fn old_heads_and_sparse_files() {
        let mut old = Header::new_old();
        old.set_path("old.txt").unwrap();
        old.set_size(9);
        old.set_cksum();
        let mut sparse = head(EntryType::GNUSparse, 9);
        sparse.set_path("sparse.txt").unwrap();
        sparse.as_gnu_mut().unwrap().set_is_extended(true);
        sparse.set_cksum();
        let text = |text: &str| [text.as_bytes(), &[0; BLOCK][text.len()..]].concat();
        let mut holes = [0; BLOCK];
        holes[field::MORE_HOLES[1]] = 1;
        let bytes = [
            &old.as_bytes()[..],
            &text("ann@a.org"),
            sparse.as_bytes(),
            &holes,
            &[0; BLOCK],
            &text("bob@b.org"),
            &[0; 2 * BLOCK],
        ];
        assert_eq!(read(bytes.concat()), (found(&[("old.txt", "ann@a.org"), ("sparse.txt", "bob@b.org")]), None));
    }

    #[test]
    fn what_is_packed_again_is_undone() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"ann@a.org").unwrap();
        let (gzip, zstd) = (gzip.finish().unwrap(), zstd::encode_all(&b"bob@b.org"[..], 1).unwrap());
        let files = [("a.log.gz", &gzip[..]), ("b", &zstd), ("c.zip", b"PK\x03\x04zip"), ("d.txt", b"eve@e.org")];
        let (read, failed) = read(packed(&files));
        assert_eq!(read, found(&[("a.log.gz", "ann@a.org"), ("b", "bob@b.org"), ("d.txt", "eve@e.org")]));
        assert!(
            failed.is_some_and(
                |error| error.starts_with("1 of its 4 files cannot be read whole, the first of them c.zip")
            )
        );
    }

    #[test]
    fn damage_costs_what_is_damaged() {
        let files = [("a.txt", &b"ann@a.org"[..]), ("b.txt", b"bob@b.org"), ("c.txt", b"eve@e.org")];
        let mut bytes = packed(&files);
        bytes[2 * BLOCK] ^= 1;
        let (left, failed) = read(&bytes[..]);
        assert_eq!(left, found(&[("a.txt", "ann@a.org"), ("c.txt", "eve@e.org")]));
        assert!(failed.is_some_and(|error| error.contains("entry 2 of the archive has a head that is damaged")));
        let whole = packed(&files);
        for (end, kept) in [(2 * BLOCK + 99, 1), (3 * BLOCK + 3, 2)] {
            let (left, failed) = read(&whole[..end]);
            assert_eq!(left.len(), kept);
            assert!(failed.is_some_and(|error| error.contains("the archive ends within")));
        }
    }

    #[test]
    fn a_text_is_no_tar_file() {
        let mut bytes = packed(&[("a.txt", b"ann@a.org")]);
        assert!(Tar::begins(&bytes));
        bytes[0] ^= 1;
        assert!(!Tar::begins(&bytes));
        assert!(!Tar::begins(&[b' '; BLOCK]) && !Tar::begins(&[0; BLOCK]) && !Tar::begins(b"short"));
    }

    #[test]
    fn numbers_are_octal_or_bytes() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0", Some(0)),
            (b"\x80\0\0\0\x02\0\0\0\0", Some(2 << 32)),
            (b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"0000648\0", None),
            (b"77777777777777777777777", None),
        ] {
            assert_eq!(number(field), expected, "{field:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_changed_it_ends(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..900), 1..6),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9),
            fixed in any::<bool>(),
        ) {
            let files: Vec<_> = texts.iter().map(|text| ("a.txt", &text[..])).collect();
            let mut bytes = packed(&files);
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
                // A head that was changed on purpose adds up.
                let head = at / BLOCK * BLOCK..at / BLOCK * BLOCK + BLOCK;
                if fixed && let Some(block) = bytes.get_mut(head) {
                    block[field::CHECKSUM].fill(b' ');
                    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
                    block[field::CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
                }
            }
            read(bytes);
        }
    }
}
