//! Between Rust's unsigned numbers and SQLite's signed ones, and from rows to tasks.

use std::time::Duration;

use rusqlite::Row;

use super::failure::Failure;
use crate::clock::Timestamp;
use crate::job::JobId;
use crate::lease::Lease;
use crate::task::{Task, TaskId, Work};

/// A number as SQLite keeps it; what does not fit is the largest.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A limit as SQLite keeps it.
pub(super) fn limit(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number read back; a negative one, which nobody stored, is 0.
pub(super) fn uint(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

/// A small number read back.
pub(super) fn small(row: &Row<'_>, column: usize) -> rusqlite::Result<u32> {
    Ok(u32::try_from(row.get::<_, i64>(column)?).unwrap_or(u32::MAX))
}

/// The bits of a fingerprint as SQLite keeps them.
pub(super) fn bits(fingerprint: u64) -> i64 {
    fingerprint.cast_signed()
}

/// Whole milliseconds of a duration.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A time read back.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    uint(row, column).map(Timestamp)
}

/// A time read back where there is one.
pub(super) fn maybe_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let millis: Option<i64> = row.get(column)?;
    Ok(millis.map(|millis| Timestamp(u64::try_from(millis).unwrap_or(0))))
}

/// A task with its fence.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) lease: Lease,
    pub(super) crashes: u32,
    /// `None` for one that cannot be read here, which is not to hold up the others.
    pub(super) task: Option<Task>,
}

impl Stored {
    /// From the columns id, job, kind, locator, depth, fence, retries, crashes. The log tells of what cannot be read.
    pub(super) fn read(row: &Row<'_>) -> Result<Self, Failure> {
        let kind = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
        let locator = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
        let (id, job, crashes) = (TaskId(uint(row, 0)?), JobId(uint(row, 1)?), small(row, 7)?);
        let (depth, attempt) = (small(row, 4)?, small(row, 6)?.saturating_add(1));
        let work = Work::decode(kind, locator);
        if work.is_none() {
            tracing::warn!(task = id.0, kind, locator, "a task cannot be read here");
        }
        let task = work.map(|work| Task { id, job, work, depth, attempt, crashes });
        Ok(Self { lease: Lease { job, task: id, fence: uint(row, 5)? }, crashes, task })
    }
}
