//! Bytes that are read from any place in them, by several at a time: a file, or a body in memory.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::sync::Arc;

use bytes::Bytes;

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

/// Bytes that are kept as they come.
#[derive(Default)]
pub(super) struct Keeping {
    start: Vec<u8>,
    file: Option<File>,
    length: u64,
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
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut file = tempfile::tempfile()?;
                file.write_all(&std::mem::take(&mut self.start))?;
                none.insert(file)
            }
        };
        file.write_all(bytes)?;
        (self.length, *left) = (length, rest);
        Ok(true)
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
            Ok(_) => {
                let message = "it is a zip file in another file, and they unpack to more than is kept of them";
                return Err(Error::new(ErrorKind::InvalidData, message));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
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
