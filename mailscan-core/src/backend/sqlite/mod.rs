//! The embedded durable backend: queue and store in one SQLite file.
//!
//! [`Sqlite`] is both contracts over one file. Writes go to one thread that commits everything that waits for it in
//! one transaction (`writer.rs`); reads go to a small pool of connections (`reader.rs`). What the file must look like
//! is in `schema.rs` and `sql/migrations`, every query is a file in `sql`.
//!
//! Several processes may open one file, to read it and to change jobs; only one at a time runs workers on it, which
//! [`Sqlite::try_lock_workers`] settles.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::ready::ReadyHint;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::queue::QueueLimits;

/// The text of the query of this name.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("sql/", $name, ".sql"))
    };
}

mod addresses;
mod claim;
mod convert;
mod deletion;
mod failure;
mod filters;
mod lock;
mod pipeline;
mod push;
mod queue;
mod reader;
mod runs;
mod schema;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use lock::WorkerLock;
pub use pipeline::SqlitePipeline;

/// How a database is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SqliteOptions {
    /// When the queue doubts a task.
    pub queue_limits: QueueLimits,
}

/// A queue and a store in one SQLite file. Cheap to clone; all clones share one writer and its readers.
///
/// Writes have a thread of their own, whatever the runtime; reads take blocking threads of the runtime that they are called in,
/// up to eight at a time for as long as each lasts.
///
/// Dropping the last clone waits until the writer has ended what it was given and closed the file, which blocks the thread:
/// mostly for some milliseconds, behind a slow disk for as long as that takes. Where a runtime must not stop for it, drop it in
/// `spawn_blocking`. An [`Engine`](crate::engine::Engine) that has not ended yet holds a clone, too.
#[derive(Clone, Debug)]
pub struct Sqlite {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    clock: Clock,
    limits: QueueLimits,
    fingerprint_mask: u64,
    hint: ReadyHint,
    readers: reader::Readers,
    writer: writer::Writer,
}

impl Sqlite {
    /// Opens the database at `path`, creates it when there is no such file, and brings an older schema up to date.
    ///
    /// Reads and writes the file, so an asynchronous caller does well to call it in `spawn_blocking`.
    ///
    /// # Errors
    /// [`ErrorKind::NotADatabase`] when the file is something else, [`ErrorKind::SchemaTooNew`] when a newer mailscan
    /// wrote it, and whatever keeps the file from being opened.
    pub fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self> {
        Self::open_masked(path.as_ref(), options, u64::MAX)
    }

    /// Opens the database with only the bits of `fingerprint_mask` in use, so that fingerprints collide.
    fn open_masked(path: &Path, options: SqliteOptions, fingerprint_mask: u64) -> Result<Self> {
        let connection = schema::open(path)?;
        let path = std::fs::canonicalize(path).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "open database", format!("{}: {error}", path.display()))
        })?;
        let limits = options.queue_limits;
        let shared = Shared {
            readers: reader::Readers::new(path.clone()),
            writer: writer::Writer::start(connection)?,
            hint: ReadyHint::default(),
            clock: Clock::start(),
            path,
            limits,
            fingerprint_mask,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The file, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }
}
