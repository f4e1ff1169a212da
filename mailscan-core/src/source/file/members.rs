//! The members of an archive that is read from its beginning: records of a web archive, files of a tar file.
//!
//! Takes the reader of the archive's bytes. `archive.rs` and `tar.rs` read the heads through it and say how long each member is;
//! whoever reads a [`Member`] gets its bytes and no others, also when the archive has gone on meanwhile.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, copy, sink};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::archive::Body;

/// How much is read from the archive at a time.
const CHUNK: usize = 64 << 10;

/// An archive, and the place in the member that is read.
pub(super) struct Members {
    reader: BufReader<Body>,
    /// What a member is called.
    name: &'static str,
    /// The number of the member, from 1.
    number: u64,
    /// How many of its bytes are left.
    left: u64,
    /// How many bytes follow it that belong to none.
    padding: u64,
    /// Why the archive cannot be read any further.
    broken: Option<(ErrorKind, String)>,
}

impl Members {
    pub(super) fn new(reader: Body, name: &'static str) -> Self {
        let reader = BufReader::with_capacity(CHUNK, reader);
        Self { reader, name, number: 0, left: 0, padding: 0, broken: None }
    }

    /// Passes over what is left of the member, to the head of the next.
    ///
    /// # Errors
    /// Those of reading; [`ErrorKind::UnexpectedEof`] where the archive ends within the member. They come again from the reading
    /// of a member.
    pub(super) fn pass(&mut self) -> Result<()> {
        if let Some((kind, message)) = self.broken.take() {
            return Err(Error::new(kind, message));
        }
        let rest = std::mem::take(&mut self.left);
        if copy(&mut self.reader.by_ref().take(rest), &mut sink())? < rest {
            return Err(self.cut_off());
        }
        // What follows the last may be missing.
        copy(&mut self.reader.by_ref().take(std::mem::take(&mut self.padding)), &mut sink())?;
        self.number += 1;
        Ok(())
    }

    /// Begins a member of this length behind its head, and how many bytes follow that belong to none.
    pub(super) fn begin(&mut self, length: u64, padding: u64) {
        (self.left, self.padding) = (length, padding);
    }

    pub(super) fn damaged(&self, what: &str) -> Error {
        Error::new(ErrorKind::InvalidData, format!("{} {} of the archive {what}", self.name, self.number))
    }

    fn cut_off(&self) -> Error {
        Error::new(ErrorKind::UnexpectedEof, format!("the archive ends within its {} {}", self.name, self.number))
    }

    /// Reads a line of a head, or `most` bytes of it; answers how many, 0 at the end.
    pub(super) fn line(&mut self, line: &mut Vec<u8>, most: u64) -> Result<u64> {
        Ok(self.reader.by_ref().take(most).read_until(b'\n', line)? as u64)
    }

    /// The same within the member.
    pub(super) fn line_within(&mut self, line: &mut Vec<u8>, most: u64) -> Result<u64> {
        let count = self.line(line, most.min(self.left))?;
        self.left -= count;
        Ok(count)
    }

    /// Reads a block of a head, or what is left of the archive; answers how much.
    pub(super) fn block(&mut self, block: &mut [u8]) -> Result<usize> {
        let mut read = 0;
        while read < block.len() {
            match self.reader.read(&mut block[read..]) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    /// Reads from the member.
    fn read_within(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let count = match self.reader.read(&mut buffer[..most]) {
            Ok(0) => Err(self.cut_off()),
            read => read,
        };
        if let Err(error) = &count
            && error.kind() != ErrorKind::Interrupted
        {
            self.broken = Some((error.kind(), error.to_string()));
        }
        self.left -= *count.as_ref().unwrap_or(&0) as u64;
        count
    }
}

/// The archive, whatever became of a reader of it.
pub(super) fn lock(members: &Mutex<Members>) -> MutexGuard<'_, Members> {
    members.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A member, for as long as the archive has not gone on to the next.
pub(super) struct Member {
    members: Arc<Mutex<Members>>,
    number: u64,
}

impl Member {
    /// The member that the archive stands in.
    pub(super) fn of(members: &Arc<Mutex<Members>>, locked: &Members) -> Self {
        Self { members: Arc::clone(members), number: locked.number }
    }
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut members = lock(&self.members);
        if members.number == self.number { members.read_within(buffer) } else { Ok(0) }
    }
}
