//! Zip files without their directory, which is the last of them: those that were cut. Each file in one stands behind a head of
//! its own (section 4.3.7), and so does all that is left of it.

use std::io::Result;
use std::sync::Arc;

use super::{HEAD, MAGIC, Packed, large_fields, long_of, name_of, short, u32_at};
use crate::source::file::archive::{Archive, Page, declared_by_name, in_part};
use crate::source::file::places::{Part, Places, read_at};

/// The flag of a file whose length stands behind it.
const STREAMED: u16 = 8;
/// What stands behind a file: what was to be said of it, the head of the next one, or the directory.
const BEHIND: [&[u8]; 3] = [b"PK\x07\x08", MAGIC[0], b"PK\x01\x02"];
/// What any of these begins with, and how long they are.
const MARK: (&[u8], usize) = (b"PK", 4);
/// How much is searched for these at a time.
const CHUNK: usize = 64 << 10;

/// A zip file whose files are read in the order in which they stand.
pub(in crate::source::file) struct Heads {
    places: Arc<dyn Places>,
    at: u64,
    end: u64,
    is_over: bool,
}

impl Heads {
    /// The files of what begins as a zip file; `None` where the first of them is none.
    ///
    /// # Errors
    /// Those of reading.
    pub(in crate::source::file) fn open(places: &Arc<dyn Places>) -> Result<Option<Self>> {
        let mut this = Self { places: Arc::clone(places), at: 0, end: places.length()?, is_over: false };
        let is_one = this.next_file()?.is_some_and(|(_, first)| first.is_known());
        this.at = 0;
        Ok(is_one.then_some(this))
    }

    /// The next file, packed, and its name.
    fn next_file(&mut self) -> Result<Option<(String, Packed)>> {
        let mut head = [0; HEAD];
        if read_at(&*self.places, &mut head, self.at)? < HEAD || !head.starts_with(MAGIC[0]) {
            return Ok(None);
        }
        let (flags, method) = (short(&head, 6), short(&head, 8));
        // That of a streamed file stands behind it.
        let checksum = (flags & STREAMED == 0).then(|| u32_at(&head, 14));
        let mut more = vec![0; usize::from(short(&head, 26)) + usize::from(short(&head, 28))];
        let behind_head = self.at + HEAD as u64;
        if read_at(&*self.places, &mut more, behind_head)? < more.len() {
            return Ok(None);
        }
        let (name, extra) = more.split_at(usize::from(short(&head, 26)));
        let begin = behind_head + more.len() as u64;
        let end = match long_of(&head, 18) {
            0 if flags & STREAMED != 0 => self.find_behind(begin)?,
            said if said == u64::from(u32::MAX) => begin.saturating_add(large_fields(extra).nth(1).unwrap_or(said)),
            said => begin.saturating_add(said),
        };
        self.at = self.find_behind(end)?;
        if self.at < self.end && self.starts_with(BEHIND[0], self.at)? {
            self.at = self.find_head(self.at)?;
        }
        let part = Part { places: Arc::clone(&self.places), at: begin, end };
        Ok(Some((name_of(name), Packed { flags, method, checksum, part })))
    }

    fn starts_with(&self, mark: &[u8], at: u64) -> Result<bool> {
        let mut start = [0; MARK.1];
        Ok(read_at(&*self.places, &mut start, at)? == start.len() && start == mark)
    }

    /// Where anything that stands behind a file begins, from a place on, or the end.
    fn find_behind(&self, from: u64) -> Result<u64> {
        self.find(from, &BEHIND)
    }

    /// Where the next head or the directory begins.
    fn find_head(&self, from: u64) -> Result<u64> {
        self.find(from, &BEHIND[1..])
    }

    fn find(&self, from: u64, marks: &[&[u8]]) -> Result<u64> {
        let (mut at, mut chunk) = (from, vec![0; CHUNK]);
        while at < self.end {
            let count = read_at(&*self.places, &mut chunk, at)?;
            let read = &chunk[..count];
            let found = memchr::memmem::find_iter(read, MARK.0)
                .find(|place| marks.iter().any(|mark| read[*place..].starts_with(mark)));
            if let Some(place) = found {
                return Ok(at + place as u64);
            }
            if count < CHUNK {
                break;
            }
            // One may stand across the end of the chunk.
            at += (CHUNK - MARK.1 + 1) as u64;
        }
        Ok(self.end)
    }
}

/// Folders are passed over. Behind the last file stands an error.
impl Archive for Heads {
    fn next_page(&mut self) -> Result<Option<Page>> {
        while let Some((name, packed)) = self.next_file()? {
            if !name.ends_with('/') {
                let (declared, body) = (declared_by_name(&name), packed.open());
                return Ok(Some(Page { url: name.into(), declared, media: None, body }));
            }
        }
        if std::mem::replace(&mut self.is_over, true) {
            return Ok(None);
        }
        Err(in_part("the zip file is cut off, so what is left of it was read"))
    }

    fn wants_all(&self) -> bool {
        true
    }
}
