//! The right to run workers on a file: one process at a time.
//!
//! The operating system holds the lock on a file beside the database and drops it when its process dies, so whoever
//! gets it knows that every lease and every process noted in the database is of the past.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Sqlite;
use super::convert::int;
use super::failure::Failure;
use crate::backend::ready::due_at;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

const OPERATION: &str = "lock database";
/// What was delayed for longer was so by a clock that was ahead, since hosts may ask for an hour. A fetcher of one's own may have
/// said more: its task comes back earlier than it should, which a day in vain with another clock would not be worth.
const LONGEST_DELAY: Duration = Duration::from_secs(2 * 3_600);

/// The right to run workers on a database, to be kept for as long as an engine works on it; given back when dropped.
#[derive(Debug)]
#[must_use = "the right is given back when this is dropped"]
pub struct WorkerLock {
    /// The lock lasts as long as the file is open.
    _file: File,
}

impl Sqlite {
    /// Takes the right to run workers on this database.
    ///
    /// Whoever had it before is dead, so all leases end at once (the next sweeps return their tasks) and all processes
    /// are forgotten. No task waits for more than two hours from now on, in case that the clock was ahead when it was delayed.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when another process has it.
    pub async fn try_lock_workers(&self) -> Result<WorkerLock> {
        let lock = WorkerLock { _file: lock_file(&self.shared.path)? };
        let latest = Timestamp(self.shared.clock.now().0.saturating_add(LONGEST_DELAY.as_millis() as u64));
        self.write(OPERATION, move |session| {
            session.connection.prepare_cached(sql!("task_expire_all"))?.execute([])?;
            session.connection.prepare_cached(sql!("task_delayed_clamp"))?.execute([int(due_at(latest))])?;
            session.connection.prepare_cached(sql!("node_forget_all"))?.execute([])?;
            Ok::<_, Failure>(())
        })
        .await?;
        self.shared.hint.give();
        Ok(lock)
    }

    /// Whether a process runs workers on this database now, this one included. Two who ask at once are in nobody's way.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when the file beside the database cannot be used.
    pub fn has_workers(&self) -> Result<bool> {
        let path = lock_path(&self.shared.path);
        match open_lock(&path)?.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(unusable(&path, error)),
        }
    }
}

/// Locks the file beside a database until what is answered is dropped.
pub(super) fn lock_file(database: &Path) -> Result<File> {
    let path = lock_path(database);
    let file = open_lock(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(unusable(&path, error)),
        Err(TryLockError::WouldBlock) => {
            let message = format!("another process works on {}: wait for it to end", database.display());
            Err(Error::new(ErrorKind::Conflict, OPERATION, message))
        }
    }
}

/// The file beside a database.
fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-lock");
    PathBuf::from(name)
}

fn open_lock(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    opened.map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, error: std::io::Error) -> Error {
    let message = format!("{}: {error}", path.display());
    Error::new(ErrorKind::Unavailable, OPERATION, message).with_source(error)
}
