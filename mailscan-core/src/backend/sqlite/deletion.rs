//! Deleted jobs: gone at once for whoever asks, and removed row by row afterwards, so that no write takes long however much
//! a job has left.

use rusqlite::{Connection, OptionalExtension, params};

use super::convert::{int, limit};
use super::failure::Failure;
use super::runs::Rows;
use super::store::status;
use super::writer::Session;
use crate::job::JobId;
use crate::store::Deletion;

/// A part of an index is as large as so many rows.
const PART: usize = 32;

/// Deletes a job in a state that allows it.
pub(super) fn delete(session: &mut Session<'_>, id: JobId) -> Result<Deletion, Failure> {
    let connection = session.connection;
    let Some(status) = status(connection, id)? else { return Ok(Deletion::Missing) };
    if !status.can_be_deleted() {
        return Ok(Deletion::Refused(status));
    }
    connection.prepare_cached(sql!("job_deleted"))?.execute([int(id.0)])?;
    connection.prepare_cached(sql!("job_delete"))?.execute([int(id.0)])?;
    connection.prepare_cached(sql!("job_spec_delete"))?.execute([int(id.0)])?;
    session.memory.filters.forget(Rows::Addresses(id));
    Ok(Deletion::Applied)
}

/// Whether a job was deleted.
pub(super) fn is_deleted(connection: &Connection, id: JobId) -> Result<bool, Failure> {
    let mut count = connection.prepare_cached(sql!("job_is_deleted"))?;
    Ok(count.query_row([int(id.0)], |row| row.get::<_, i64>(0))? > 0)
}

/// Looks at up to so many rows that a deleted job has left; answers whether there may be more.
pub(super) fn purge(session: &mut Session<'_>, id: JobId, most: usize) -> Result<bool, Failure> {
    let connection = session.connection;
    let job = int(id.0);
    let range = connection
        .prepare_cached(sql!("deleted_range"))?
        .query_row([job], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?)))
        .optional()?;
    match range {
        None => return Ok(false),
        Some((Some(next), Some(last))) => {
            purge_addresses(connection, job, next, last, most)?;
            return Ok(true);
        }
        Some(_) => {}
    }
    let parts = (most / PART).max(1);
    let table = Rows::Addresses(id).table();
    if connection.prepare_cached(sql!("part_purge"))?.execute(params![table, job, limit(parts)])? == parts {
        return Ok(true);
    }
    connection.prepare_cached(sql!("run_purge"))?.execute(params![table, job])?;
    if connection.prepare_cached(sql!("error_purge"))?.execute(params![job, limit(most)])? == most {
        return Ok(true);
    }
    connection.prepare_cached(sql!("deleted_purged"))?.execute([job])?;
    Ok(false)
}

/// Removes what is the job's among the next addresses of its range, and notes how far that is.
fn purge_addresses(connection: &Connection, job: i64, next: i64, last: i64, most: usize) -> Result<(), Failure> {
    let mut select = connection.prepare_cached(sql!("address_window"))?;
    let window: Vec<(i64, i64, i64)> = select
        .query_map(params![next, last, limit(most)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut delete = connection.prepare_cached(sql!("address_delete"))?;
    let mut delete_source = connection.prepare_cached(sql!("source_delete"))?;
    let mut gone = None;
    for (id, _, source) in window.iter().filter(|(_, owner, _)| *owner == job) {
        delete.execute([id])?;
        // Neighbours share it.
        if gone.replace(source) != Some(source) {
            delete_source.execute([*source, job])?;
        }
    }
    let next = window.last().filter(|_| window.len() == most).map(|(id, ..)| id + 1);
    connection.prepare_cached(sql!("deleted_next"))?.execute(params![job, next])?;
    Ok(())
}
