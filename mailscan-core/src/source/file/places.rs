//! Bytes that are read from any place in them, by several at a time: a file, or a body in memory.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::sync::Arc;

use bytes::Bytes;

use crate::source::open_files::is_out_of_files;

/// Bytes that can be read from any place.
pub(super) trait Places: Send + Sync {
    /// How many there are.
    ///
    /// # Errors
    /// Those of the system.
    fn length(&self) -> Result<u64>;

    /// Reads once from a place; answers how much, 0 beyond the end.
    ///
    /// # Errors
    /// Those of the system.
    fn read_once_at(&self, buffer: &mut [u8], at: u64) -> Result<usize>;
}

impl Places for File {
    fn length(&self) -> Result<u64> {
        self.metadata().map(|data| data.len())
    }

    #[cfg(unix)]
    fn read_once_at(&self, buffer: &mut [u8], at: u64) -> Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, at)
    }

    #[cfg(windows)]
    fn read_once_at(&self, buffer: &mut [u8], at: u64) -> Result<usize> {
        std::os::windows::fs::FileExt::seek_read(self, buffer, at)
    }
}

impl Places for Bytes {
    fn length(&self) -> Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_once_at(&self, buffer: &mut [u8], at: u64) -> Result<usize> {
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        let rest = self.get(from..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// Up to this size bytes are kept in memory, beyond it in a file without a name that is gone with them, which has a bound as well.
const IN_MEMORY: u64 = 256 << 10;
const LARGEST: u64 = 256 << 20;
/// How much is read at a time.
const CHUNK: usize = 32 << 10;

/// Why the system could not keep bytes, which says nothing of them.
#[derive(Clone, Debug, thiserror::Error)]
#[error("what it holds cannot be kept in a temporary file: {0}")]
struct NotKept(String);

/// The error of the system that this is, for who tells it later; `None` for one of what was read.
pub(super) fn of_system(error: &Error) -> Option<Error> {
    let not_kept = || error.get_ref()?.downcast_ref::<NotKept>().cloned().map(Error::other);
    error.raw_os_error().map(Error::from_raw_os_error).or_else(not_kept)
}

/// The error of keeping in a file.
fn not_kept(error: Error) -> Error {
    if is_out_of_files(&error) { error } else { Error::other(NotKept(error.to_string())) }
}

/// Bytes that are kept as they come. What is kept stays so when no more can be.
pub(super) struct Keeping {
    start: Vec<u8>,
    file: Option<File>,
    length: u64,
    open: fn() -> Result<File>,
}

impl Default for Keeping {
    fn default() -> Self {
        Self { start: Vec::new(), file: None, length: 0, open: tempfile::tempfile }
    }
}

impl Keeping {
    /// Keeps more, of which so much is `left` for all that is kept of one file in files; answers whether there is room, without which
    /// nothing was kept.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn add(&mut self, bytes: &[u8], left: &mut u64) -> Result<bool> {
        let length = self.length + bytes.len() as u64;
        if length < IN_MEMORY {
            self.start.extend_from_slice(bytes);
            self.length = length;
            return Ok(true);
        }
        // What was in memory counts with what no more fits.
        let counted = if self.file.is_none() { length } else { bytes.len() as u64 };
        let Some(rest) = left.checked_sub(counted).filter(|_| length <= LARGEST) else { return Ok(false) };
        self.write(bytes).map_err(not_kept)?;
        (self.length, *left) = (length, rest);
        Ok(true)
    }

    /// Writes more behind what is kept.
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(file) = &mut self.file {
            // Of what failed a part may stand there.
            file.seek(SeekFrom::Start(self.length))?;
            return file.write_all(bytes);
        }
        let mut file = (self.open)()?;
        file.write_all(&self.start)?;
        file.write_all(bytes)?;
        self.start = Vec::new();
        self.file = Some(file);
        Ok(())
    }

    /// How many bytes are kept.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// All of them.
    pub(super) fn finish(self) -> Arc<dyn Places> {
        match self.file {
            Some(file) => Arc::new(file),
            None => Arc::new(Bytes::from(self.start)),
        }
    }
}

/// The bytes that a reader gives, to be read from any place.
///
/// # Errors
/// Those of reading and of the file, and [`ErrorKind::InvalidData`] for more than 256 MiB, or than is `left` for all that are kept
/// of one file.
pub(super) fn kept(mut reader: impl Read, left: &mut u64) -> Result<Arc<dyn Places>> {
    let (mut keeping, mut chunk) = (Keeping::default(), vec![0; CHUNK]);
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(keeping.finish()),
            Ok(count) if keeping.add(&chunk[..count], left)? => {}
            Ok(count) => {
                let length = keeping.length() + count as u64;
                return Err(Error::new(ErrorKind::InvalidData, too_much(length)));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Why a zip file that has so many bytes, or more, is not kept.
fn too_much(length: u64) -> &'static str {
    if length > LARGEST {
        return "it is a zip file of more than 256 MiB in another file: unpack it to have it read";
    }
    "it is one of more zip files in another file than are kept (1 GiB, or 8 times that file): unpack it to have it read"
}

/// Reads from a place until the buffer is full or the bytes end; answers how much.
///
/// # Errors
/// Those of reading.
pub(super) fn read_at(places: &dyn Places, buffer: &mut [u8], at: u64) -> Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match places.read_once_at(&mut buffer[read..], at.saturating_add(read as u64)) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// A part of the bytes, wherever others read them.
pub(super) struct Part {
    pub(super) places: Arc<dyn Places>,
    pub(super) at: u64,
    pub(super) end: u64,
}

impl Part {
    /// What stands from a place on.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn behind(places: &Arc<dyn Places>, at: u64) -> Result<Self> {
        Ok(Self { places: Arc::clone(places), at, end: places.length()? })
    }
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let most = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.places.read_once_at(&mut buffer[..most], self.at)?;
        if count == 0 {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the file ends within it"));
        }
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(keeping: Keeping) -> Vec<u8> {
        let places = keeping.finish();
        let mut bytes = Vec::new();
        Part::behind(&places, 0).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_kept_stays_when_there_is_no_file() {
        let none = || Err(Error::from_raw_os_error(24));
        let mut keeping = Keeping { open: none, ..Keeping::default() };
        let mut left = u64::MAX;
        assert!(keeping.add(b"a", &mut left).unwrap());
        let error = keeping.add(&[b' '; IN_MEMORY as usize], &mut left).unwrap_err();
        assert_eq!(is_out_of_files(&error), cfg!(unix));
        assert!(of_system(&error).is_some() && keeping.add(b"b", &mut left).unwrap());
        assert_eq!((left, bytes_of(keeping)), (u64::MAX, b"ab".to_vec()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_kept_stays_when_the_disk_is_full() {
        let full = || File::options().read(true).write(true).open("/dev/full");
        let mut keeping = Keeping { open: full, ..Keeping::default() };
        let mut left = u64::MAX;
        assert!(keeping.add(b"a", &mut left).unwrap());
        let error = keeping.add(&[b' '; IN_MEMORY as usize], &mut left).unwrap_err();
        assert!(of_system(&error).is_some_and(|error| error.to_string().contains("temporary file")));
        assert_eq!(bytes_of(keeping), b"a");
    }

    #[test]
    fn what_was_written_in_part_is_written_over() {
        let (mut keeping, mut left) = (Keeping::default(), u64::MAX);
        let start = vec![b' '; IN_MEMORY as usize];
        assert!(keeping.add(&start, &mut left).unwrap());
        keeping.file.as_mut().unwrap().write_all(b"part of what failed").unwrap();
        assert!(keeping.add(b"ann@a.org", &mut left).unwrap());
        assert_eq!(keeping.length(), start.len() as u64 + 9);
        assert!(bytes_of(keeping)[start.len()..].starts_with(b"ann@a.org"));
    }

    #[test]
    fn a_zip_file_that_is_not_kept_is_told_by_the_bound_that_it_passes() {
        let told = |length: u64, mut left: u64| match kept(std::io::repeat(b' ').take(length), &mut left) {
            Ok(_) => "kept".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(told(IN_MEMORY, IN_MEMORY), "kept");
        assert!(told(IN_MEMORY + 1, IN_MEMORY).contains("than are kept (1 GiB"));
        assert!(told(LARGEST + 1, u64::MAX).contains("of more than 256 MiB"));
    }

    #[test]
    fn only_errors_of_the_system_are_told_as_such() {
        assert!(of_system(&Error::from(ErrorKind::InvalidData)).is_none());
        assert!(of_system(&Error::other("broken")).is_none());
        let error = of_system(&not_kept(Error::from_raw_os_error(2))).unwrap();
        assert!(of_system(&error).is_some() && error.kind() == ErrorKind::Other);
    }
}
