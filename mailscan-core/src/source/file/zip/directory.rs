//! Where the directory of a zip file is: the record at its end says so, and behind large files another one before it.

use std::io::Result;

use super::{ENTRY_MAGIC, MAGIC, long_of, longer, short};
use crate::source::file::places::{Places, read_at};

/// The length of the record at the end (section 4.3.16), and of the longest comment behind it.
pub(super) const END: u64 = 22;
const LONGEST_COMMENT: u64 = u16::MAX as u64;
/// The length of the record that points to the end of a large file (4.3.15), and of that end without its own comment (4.3.14).
pub(super) const POINTER: u64 = 20;
pub(super) const LARGE_END: usize = 56;

/// Where the directory is.
pub(super) struct Directory {
    pub(super) at: u64,
    /// Where the file says that it is.
    pub(super) said: u64,
    pub(super) length: u64,
}

/// Finds the directory by the record at the end of the file.
pub(super) fn find_directory(file: &dyn Places, length: u64) -> Result<Option<Directory>> {
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
        // What is damaged may name a place that no file has.
        if read_at(file, &mut large, at).is_ok_and(|read| read == large.len()) && large.starts_with(b"PK\x06\x06") {
            return Ok(Some((longer(&large, 40), longer(&large, 48), at)));
        }
    }
    Ok(None)
}
