//! The set union of addresses: what is new, what is known, what comes too late.
//!
//! A fingerprint finds the place in the index and the identity decides, so two addresses of one fingerprint are two
//! rows, told apart by a probe number. A batch is written in the order of fingerprints, which touches each page of the
//! index once; the ids follow the order of the input. Near the target the order of the input decides who is let in, so
//! there the batch is written in that order.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::convert::{bits, int, uint};
use super::failure::Failure;
use super::writer::Session;
use crate::address::Address;
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::job::JobId;
use crate::store::{Inserted, Sighting};

/// How many more addresses a job takes, and what this batch added.
#[derive(Debug, Default)]
struct Quota {
    room: u64,
    added: u64,
    first: i64,
    last: i64,
}

/// One batch under way.
struct Batch<'a> {
    connection: &'a Connection,
    mask: u64,
    now: i64,
    quotas: HashMap<JobId, Quota>,
    /// The ids of sources met in this batch.
    sources: HashMap<&'a str, i64>,
}

/// Adds a batch of sightings.
pub(super) fn insert(
    session: &mut Session<'_>,
    sightings: &[Sighting],
    mask: u64,
    now: Timestamp,
) -> Result<Vec<Inserted>, Failure> {
    let connection = session.connection;
    let mut batch = Batch { connection, mask, now: int(now.0), quotas: HashMap::new(), sources: HashMap::new() };
    for sighting in sightings {
        batch.open(sighting.job)?;
    }
    let fingerprint = |sighting: &Sighting| bits(sighting.address.fingerprint() & mask);
    let mut order: Vec<(JobId, i64, usize)> =
        sightings.iter().enumerate().map(|(index, s)| (s.job, fingerprint(s), index)).collect();
    if batch.quotas.values().all(|quota| quota.room >= sightings.len() as u64) {
        order.sort_unstable();
    }
    let base: i64 = connection.prepare_cached(sql!("address_last_id"))?.query_row([], |row| row.get(0))?;
    let mut inserted = vec![Inserted::Known; sightings.len()];
    for (_, fingerprint, index) in order {
        let id = base.saturating_add(1).saturating_add_unsigned(index as u64);
        inserted[index] = batch.add(&sightings[index], fingerprint, id)?;
    }
    batch.close()?;
    Ok(inserted)
}

impl<'a> Batch<'a> {
    /// Reads how many more addresses a job takes.
    fn open(&mut self, job: JobId) -> Result<(), Failure> {
        if self.quotas.contains_key(&job) {
            return Ok(());
        }
        let mut quota = self.connection.prepare_cached(sql!("job_quota"))?;
        let (collected, target) = quota
            .query_row([int(job.0)], |row| Ok((uint(row, 0)?, uint(row, 1)?)))
            .optional()?
            .ok_or_else(|| Failure::Own(ErrorKind::NotFound, format!("there is no job {job}")))?;
        let quota = Quota { room: target.saturating_sub(collected), first: i64::MAX, ..Quota::default() };
        self.quotas.insert(job, quota);
        Ok(())
    }

    /// Adds one sighting under `id`, if it is new and there is room.
    fn add(&mut self, sighting: &'a Sighting, fingerprint: i64, id: i64) -> Result<Inserted, Failure> {
        let room = self.quotas.get(&sighting.job).is_some_and(|quota| quota.room > 0);
        let met = self.sources.get(&*sighting.source).copied();
        let added = match met {
            // Most sightings are new and their source is met, so the row is tried before anything is read.
            Some(source) if room => self.write(sighting, fingerprint, 0, source, id)?,
            _ => false,
        };
        if !added {
            let probe = match find(self.connection, sighting.job, &sighting.address, fingerprint)? {
                None => return Ok(Inserted::Known),
                Some(_) if !room => return Ok(Inserted::OverTarget),
                Some(free) => free,
            };
            let source = match met {
                Some(source) => source,
                None => self.source(&sighting.source)?,
            };
            self.write(sighting, fingerprint, probe, source, id)?;
        }
        if let Some(quota) = self.quotas.get_mut(&sighting.job) {
            quota.room -= 1;
            quota.added += 1;
            quota.first = quota.first.min(id);
            quota.last = quota.last.max(id);
        }
        Ok(Inserted::New)
    }

    /// Writes the row, unless its probe is taken.
    fn write(&self, sighting: &Sighting, fingerprint: i64, probe: i64, source: i64, id: i64) -> Result<bool, Failure> {
        let mut insert = self.connection.prepare_cached(sql!("address_insert"))?;
        let (job, email) = (int(sighting.job.0), sighting.address.as_str());
        let (offset, form) = (int(sighting.offset), sighting.form.as_str());
        Ok(insert.execute(params![id, job, fingerprint, probe, email, source, offset, form, self.now])? == 1)
    }

    /// The id of a source, which is kept from now on.
    fn source(&mut self, name: &'a str) -> Result<i64, Failure> {
        let hash = bits(xxhash_rust::xxh3::xxh3_64(name.as_bytes()) & self.mask);
        let mut select = self.connection.prepare_cached(sql!("source_by_hash"))?;
        let mut rows = select.query([hash])?;
        let mut id = None;
        while let Some(row) = rows.next()? {
            if row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)? == name {
                id = Some(row.get(0)?);
                break;
            }
        }
        let id = match id {
            Some(id) => id,
            None => {
                self.connection.prepare_cached(sql!("source_insert"))?.execute(params![hash, name])?;
                self.connection.last_insert_rowid()
            }
        };
        self.sources.insert(name, id);
        Ok(id)
    }

    /// Counts what was added.
    fn close(self) -> Result<(), Failure> {
        let mut count = self.connection.prepare_cached(sql!("job_collected"))?;
        for (job, quota) in self.quotas.into_iter().filter(|(_, quota)| quota.added > 0) {
            count.execute(params![int(job.0), int(quota.added), quota.first, quota.last])?;
        }
        Ok(())
    }
}

/// `None` when the address is stored, else the first free probe of its fingerprint.
fn find(connection: &Connection, job: JobId, address: &Address, fingerprint: i64) -> Result<Option<i64>, Failure> {
    let mut select = connection.prepare_cached(sql!("address_same_fingerprint"))?;
    let mut rows = select.query(params![int(job.0), fingerprint])?;
    let mut free = 0;
    while let Some(row) = rows.next()? {
        let email = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        if email == address.as_str() || parse(email)?.identity() == address.identity() {
            return Ok(None);
        }
        free = row.get::<_, i64>(0)? + 1;
    }
    Ok(Some(free))
}

/// Whether each address is stored for the job.
pub(super) fn known(
    connection: &Connection,
    job: JobId,
    addresses: &[Address],
    mask: u64,
) -> Result<Vec<bool>, Failure> {
    let known = |address: &Address| Ok(find(connection, job, address, bits(address.fingerprint() & mask))?.is_none());
    addresses.iter().map(known).collect()
}

/// An address read back.
pub(super) fn parse(email: &str) -> Result<Address, Failure> {
    Address::parse(email).ok_or_else(|| Failure::corrupt("address", email))
}
