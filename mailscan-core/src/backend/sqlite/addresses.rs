//! The set union of addresses: what is new, what is known, what comes too late.
//!
//! A batch is looked at in the order of fingerprints, where equal addresses are neighbours, and written in the order of
//! the input, at the end of the table. A fingerprint only says where to look (`runs.rs`); the identity decides, so two
//! addresses of one fingerprint are two addresses. Most addresses of a batch are new, and a filter (`filters.rs`) knows so
//! without a look at the index.

use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::convert::{bits, int, uint};
use super::deletion;
use super::failure::Failure;
use super::runs::{self, Index, Rows};
use super::writer::Session;
use crate::address::Address;
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::job::JobId;
use crate::store::{Inserted, Sighting};

/// What a sighting turns out to be before it is known whether the job takes more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Stored before this batch.
    Stored,
    /// The first of its address.
    First,
    /// The same address as the sighting at this place of the batch, which is the first of it.
    Again(usize),
}

/// The part of a batch that belongs to one job.
struct Part {
    room: u64,
    /// The job was deleted: nothing is stored for it.
    deleted: bool,
    collected: u64,
    /// Fingerprints and places in the batch.
    order: Vec<(i64, usize)>,
}

/// Adds a batch of sightings.
pub(super) fn insert(
    session: &mut Session<'_>,
    sightings: &[&Sighting],
    mask: u64,
    now: Timestamp,
) -> Result<Vec<Inserted>, Failure> {
    let connection = session.connection;
    let mut parts = BTreeMap::new();
    for (place, sighting) in sightings.iter().enumerate() {
        let part = match parts.get_mut(&sighting.job) {
            Some(part) => part,
            None => parts.entry(sighting.job).or_insert(open(connection, sighting.job)?),
        };
        part.order.push((bits(sighting.address.fingerprint() & mask), place));
    }
    let mut fates = vec![Fate::Stored; sightings.len()];
    session.memory.filters.begin();
    for (job, part) in &mut parts {
        if part.deleted {
            part.order.drain(..).for_each(|(_, place)| fates[place] = Fate::First);
            continue;
        }
        part.order.sort_unstable();
        let index = Index::open(connection, Rows::Addresses(*job))?;
        let filter = session.memory.filters.of(Rows::Addresses(*job), part.collected, &index)?;
        for group in part.order.chunk_by(|one, other| one.0 == other.0) {
            let is_new = filter.as_ref().is_some_and(|filter| filter.surely_new(group[0].0));
            let stored = if is_new { None } else { Some(&index) };
            judge(connection, sightings, group, stored, &mut fates)?;
        }
    }
    let (inserted, ids) = write(connection, sightings, &fates, &mut parts, int(now.0))?;
    for (job, part) in parts.into_iter().filter(|(_, part)| !part.deleted) {
        let entries: Vec<_> = part
            .order
            .iter()
            .filter(|(_, place)| inserted[*place] == Inserted::New)
            .map(|(fingerprint, place)| (*fingerprint, ids[*place]))
            .collect();
        let rows = Rows::Addresses(job);
        if let Some(filter) = session.memory.filters.made(rows, part.collected) {
            filter.note(entries.iter().map(|(fingerprint, _)| *fingerprint));
        }
        runs::add(connection, rows, &entries)?;
        let new = || entries.iter().map(|(_, id)| *id);
        if let (Some(first), Some(last)) = (new().min(), new().max()) {
            let mut count = connection.prepare_cached(sql!("job_collected"))?;
            count.execute(params![int(job.0), int(entries.len() as u64), first, last])?;
        }
    }
    Ok(inserted)
}

/// Reads how many addresses a job has and how many more it takes.
fn open(connection: &Connection, job: JobId) -> Result<Part, Failure> {
    let mut quota = connection.prepare_cached(sql!("job_quota"))?;
    let found = quota.query_row([int(job.0)], |row| Ok((uint(row, 0)?, uint(row, 1)?))).optional()?;
    let (deleted, (collected, target)) = match found {
        Some(quota) => (false, quota),
        None if deletion::is_deleted(connection, job)? => (true, (0, 0)),
        None => return Err(Failure::Own(ErrorKind::NotFound, format!("there is no job {job}"))),
    };
    Ok(Part { room: target.saturating_sub(collected), deleted, collected, order: Vec::new() })
}

/// Decides about the sightings of one fingerprint, which are in the order of the input. `stored` is the index when it
/// may hold the fingerprint.
fn judge(
    connection: &Connection,
    sightings: &[&Sighting],
    group: &[(i64, usize)],
    stored: Option<&Index<'_>>,
    fates: &mut [Fate],
) -> Result<(), Failure> {
    for (at, (_, place)) in group.iter().enumerate() {
        let address = &sightings[*place].address;
        let first = group[..at].iter().map(|(_, other)| *other).find(|other| {
            matches!(fates[*other], Fate::First | Fate::Stored) && same(&sightings[*other].address, address)
        });
        fates[*place] = match (first, stored) {
            (Some(first), _) if fates[first] == Fate::Stored => Fate::Stored,
            (Some(first), _) => Fate::Again(first),
            (None, Some(index)) if holds(connection, index, group[0].0, address)? => Fate::Stored,
            (None, _) => Fate::First,
        };
    }
    Ok(())
}

fn same(one: &Address, other: &Address) -> bool {
    one == other || one.identity() == other.identity()
}

/// Whether the index has the address.
fn holds(connection: &Connection, index: &Index<'_>, fingerprint: i64, address: &Address) -> Result<bool, Failure> {
    let mut select = connection.prepare_cached(sql!("address_email"))?;
    let is = |id| {
        let mut rows = select.query([id])?;
        let Some(row) = rows.next()? else { return Ok(false) };
        let email = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        Ok(email == address.as_str() || parse(email)?.identity() == address.identity())
    };
    Ok(index.find(fingerprint, is)?.is_some())
}

/// Writes what is new while there is room, in the order of the input; answers what became of each sighting, and the ids
/// of the rows.
fn write(
    connection: &Connection,
    sightings: &[&Sighting],
    fates: &[Fate],
    parts: &mut BTreeMap<JobId, Part>,
    now: i64,
) -> Result<(Vec<Inserted>, Vec<i64>), Failure> {
    let mut id: i64 = connection.prepare_cached(sql!("address_last_id"))?.query_row([], |row| row.get(0))?;
    let mut insert = connection.prepare_cached(sql!("address_insert"))?;
    insert.raw_bind_parameter(8, now)?;
    // What neighbours mostly share stays bound from one row to the next.
    let mut bound = None;
    let mut sources = Sources::new(connection)?;
    let mut inserted: Vec<Inserted> = Vec::with_capacity(sightings.len());
    let mut ids = vec![0; sightings.len()];
    for (place, (sighting, fate)) in sightings.iter().zip(fates).enumerate() {
        let room = parts.get_mut(&sighting.job).map(|part| &mut part.room).filter(|room| **room > 0);
        inserted.push(match (fate, room) {
            (Fate::Stored, _) => Inserted::Known,
            (Fate::Again(first), _) if inserted[*first] == Inserted::New => Inserted::Known,
            (Fate::Again(_), _) | (Fate::First, None) => Inserted::OverTarget,
            (Fate::First, Some(room)) => {
                id = id.saturating_add(1);
                insert.raw_bind_parameter(1, id)?;
                insert.raw_bind_parameter(3, sighting.address.as_str())?;
                insert.raw_bind_parameter(4, sources.id(sighting.job, &sighting.source)?)?;
                insert.raw_bind_parameter(5, int(sighting.offset))?;
                let alike = (sighting.job, sighting.form, sighting.classes);
                if bound != Some(alike) {
                    insert.raw_bind_parameter(2, int(sighting.job.0))?;
                    insert.raw_bind_parameter(6, sighting.form.as_str())?;
                    insert.raw_bind_parameter(7, sighting.classes.bits())?;
                    bound = Some(alike);
                }
                insert.raw_execute()?;
                ids[place] = id;
                *room -= 1;
                Inserted::New
            }
        });
    }
    Ok((inserted, ids))
}

/// The ids of a batch's sources, which are kept from now on.
struct Sources<'c, 's> {
    insert: CachedStatement<'c>,
    connection: &'c Connection,
    met: HashMap<(JobId, &'s str), i64>,
    /// The one asked for last: neighbours mostly share theirs.
    last: Option<(JobId, &'s Arc<str>, i64)>,
}

impl<'c, 's> Sources<'c, 's> {
    fn new(connection: &'c Connection) -> Result<Self, Failure> {
        let insert = connection.prepare_cached(sql!("source_insert"))?;
        Ok(Self { insert, connection, met: HashMap::new(), last: None })
    }

    fn id(&mut self, job: JobId, name: &'s Arc<str>) -> Result<i64, Failure> {
        if let Some((of, last, id)) = self.last
            && of == job
            && Arc::ptr_eq(last, name)
        {
            return Ok(id);
        }
        let id = match self.met.entry((job, name)) {
            Entry::Occupied(met) => *met.get(),
            Entry::Vacant(new) => {
                self.insert.execute(params![int(job.0), &**name])?;
                *new.insert(self.connection.last_insert_rowid())
            }
        };
        self.last = Some((job, name, id));
        Ok(id)
    }
}

/// Whether each address is stored for the job.
pub(super) fn known(
    connection: &Connection,
    job: JobId,
    addresses: &[Address],
    mask: u64,
) -> Result<Vec<bool>, Failure> {
    // In one transaction, because the runs of the index change with every batch.
    let snapshot = connection.unchecked_transaction()?;
    let index = Index::open(&snapshot, Rows::Addresses(job))?;
    let known = |address: &Address| holds(&snapshot, &index, bits(address.fingerprint() & mask), address);
    addresses.iter().map(known).collect()
}

/// An address read back.
pub(super) fn parse(email: &str) -> Result<Address, Failure> {
    Address::parse(email).ok_or_else(|| Failure::corrupt("address", email))
}
