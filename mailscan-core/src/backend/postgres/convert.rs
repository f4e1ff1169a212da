//! Between Rust's numbers, times and text and PostgreSQL's, and from rows to tasks.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_postgres::Row;

use super::failure::Failure;
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::job::JobId;
use crate::lease::{Claimed, Lease};
use crate::task::{Task, TaskId, Work};

/// The longest time that the server is asked to reckon with: a hundred years.
const LONGEST: f64 = 3.2e9;

/// A number as PostgreSQL keeps it; what does not fit is the largest.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A limit as PostgreSQL keeps it.
pub(super) fn limit(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A small number as PostgreSQL keeps it.
pub(super) fn small(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// The bits of a fingerprint as PostgreSQL keeps them.
pub(super) fn bits(fingerprint: u64) -> i64 {
    fingerprint.cast_signed()
}

/// A duration in seconds, as the server reckons.
pub(super) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64().min(LONGEST)
}

/// Text as PostgreSQL keeps it: it has no place for NUL.
pub(super) fn text(value: &str) -> Cow<'_, str> {
    if value.contains('\0') { value.replace('\0', "\u{fffd}").into() } else { value.into() }
}

/// The same, owned.
pub(super) fn owned(value: &str) -> String {
    text(value).into_owned()
}

/// A number read back; a negative one, which nobody stored, is 0.
pub(super) fn uint(row: &Row, column: usize) -> Result<u64, Failure> {
    Ok(u64::try_from(row.try_get::<_, i64>(column)?).unwrap_or(0))
}

/// A small number read back.
pub(super) fn unsigned(row: &Row, column: usize) -> Result<u32, Failure> {
    Ok(u32::try_from(row.try_get::<_, i32>(column)?).unwrap_or(0))
}

/// The place of an input that a row is about; places are counted from 1 there.
pub(super) fn place(row: &Row, column: usize) -> Result<usize, Failure> {
    Ok(usize::try_from(uint(row, column)?.saturating_sub(1)).unwrap_or(usize::MAX))
}

/// A time read back.
pub(super) fn time(at: SystemTime) -> Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A name read back, by the function that knows all names.
pub(super) fn named<T>(row: &Row, column: usize, what: &str, parse: fn(&str) -> Option<T>) -> Result<T, Failure> {
    let name: &str = row.try_get(column)?;
    parse(name).ok_or_else(|| Failure::corrupt(what, name))
}

/// A task with its fence, from the columns id, job, kind, locator, depth, fence, retries, crashes; `None` for one that cannot be
/// read here, which is told in the log: it is not to hold up the others.
pub(super) fn claimed(row: &Row) -> Result<Option<Claimed>, Failure> {
    match read(row) {
        Ok(claimed) => Ok(Some(claimed)),
        Err(Failure::Own(ErrorKind::Corrupt, reason)) => {
            let task = uint(row, 0)?;
            tracing::warn!(task, reason, "a task cannot be read here");
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

fn read(row: &Row) -> Result<Claimed, Failure> {
    let (kind, locator): (&str, &str) = (row.try_get(2)?, row.try_get(3)?);
    let work = Work::decode(kind, locator).ok_or_else(|| Failure::corrupt("work", &format!("{kind} {locator}")))?;
    let (id, job) = (TaskId(uint(row, 0)?), JobId(uint(row, 1)?));
    let attempt = unsigned(row, 6)?.saturating_add(1);
    let task = Task { id, job, work, depth: unsigned(row, 4)?, attempt, crashes: unsigned(row, 7)? };
    Ok(Claimed { task, lease: Lease { job, task: id, fence: uint(row, 5)? } })
}
