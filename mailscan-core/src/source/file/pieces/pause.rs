//! Pauses: how a reader that others write to says that it would wait for more, so that what it has given is searched meanwhile.
//!
//! Only the reader of plain text is asked so; whatever undoes a compression or reads an archive waits.

use std::io::{Error, Read, Result};

/// The error by which a reader of [`Pieces`](super::Pieces) answers that nothing comes for now: what it has given makes a piece,
/// if that is enough for one, and the next read waits for more. A reader that pauses again instead would be asked without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing comes for now")]
pub struct Pause;

impl Pause {
    pub(super) fn is(error: &Error) -> bool {
        matches!(error.get_ref(), Some(inner) if inner.is::<Self>())
    }
}

impl From<Pause> for Error {
    fn from(pause: Pause) -> Self {
        Self::other(pause)
    }
}

/// A reader that waits wherever the one within pauses.
pub(super) struct Patient<R>(pub(super) R);

impl<R: Read> Read for Patient<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if Pause::is(&error) => {}
                read => return read,
            }
        }
    }
}
