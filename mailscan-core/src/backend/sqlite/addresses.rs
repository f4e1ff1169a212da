//! The set union of addresses: what is new, what is known, what comes too late.
//!
//! A batch is looked at in the order of fingerprints, where equal addresses are neighbours, and written in the order of
//! the input, at the end of the table. A fingerprint only says where to look (`runs.rs`); the identity decides, so two
//! addresses of one fingerprint are two addresses. Most addresses of a batch are new, and a Bloom filter in the writer's
//! memory knows so without a look at the index.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::convert::{bits, int, uint};
use super::deletion;
use super::failure::Failure;
use super::runs::{self, Index};
use super::writer::Session;
use crate::address::Address;
use crate::clock::Timestamp;
use crate::dedup::BloomFront;
use crate::error::ErrorKind;
use crate::job::JobId;
use crate::store::{Inserted, Sighting};

/// The most jobs whose filters are kept; beyond that they are made anew.
const FILTERS: usize = 64;
/// The addresses that a filter is made for at first, and how often it may err.
const FILTER_CAPACITY: usize = 10_000;
const FALSE_POSITIVES: f64 = 0.01;
/// The most addresses that a filter is made for; beyond that it errs more often.
const MOST: usize = 1 << 30;

/// The fingerprints of the addresses of jobs, in the writer's memory.
#[derive(Debug, Default)]
pub(super) struct Filters(HashMap<JobId, Filter>);

/// The fingerprints of one job's addresses.
#[derive(Debug)]
struct Filter {
    front: BloomFront,
    /// How many addresses the job had when the filter knew all of them.
    collected: u64,
}

impl Filters {
    /// Forgets everything: what was noted may have been undone.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Forgets a job.
    pub(super) fn forget(&mut self, job: JobId) {
        self.0.remove(&job);
    }

    /// The filter of a job that has so many addresses. Made from the index when it is full, and unless all of them came
    /// through here: other processes may write to the file.
    fn of(&mut self, job: JobId, collected: u64, index: &Index<'_>) -> Result<&mut Filter, Failure> {
        let usable = |filter: &Filter| filter.collected == collected && !filter.front.is_full();
        if !self.0.get(&job).is_some_and(usable) {
            if self.0.len() >= FILTERS {
                self.0.clear();
            }
            let addresses = usize::try_from(collected).unwrap_or(usize::MAX).clamp(FILTER_CAPACITY, MOST);
            let mut front = BloomFront::new(addresses, FALSE_POSITIVES).grown();
            index.fingerprints(|fingerprint| front.insert(fingerprint.cast_unsigned()))?;
            self.0.insert(job, Filter { front, collected });
        }
        let missing = || Failure::Own(ErrorKind::Internal, "a filter is missing".to_owned());
        self.0.get_mut(&job).ok_or_else(missing)
    }
}

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
    for (job, part) in &mut parts {
        if part.deleted {
            part.order.drain(..).for_each(|(_, place)| fates[place] = Fate::First);
            continue;
        }
        part.order.sort_unstable();
        let index = Index::open(connection, *job)?;
        let filter = session.memory.filters.of(*job, part.collected, &index)?;
        for group in part.order.chunk_by(|one, other| one.0 == other.0) {
            let stored = if filter.front.surely_new(group[0].0.cast_unsigned()) { None } else { Some(&index) };
            judge(connection, sightings, group, stored, &mut fates)?;
        }
    }
    let (inserted, ids) = write(connection, sightings, &fates, &mut parts, (mask, int(now.0)))?;
    for (job, part) in parts.into_iter().filter(|(_, part)| !part.deleted) {
        let entries: Vec<_> = part
            .order
            .iter()
            .filter(|(_, place)| inserted[*place] == Inserted::New)
            .map(|(fingerprint, place)| (*fingerprint, ids[*place]))
            .collect();
        runs::add(connection, job, &entries)?;
        let filter = session.memory.filters.of(job, part.collected, &Index::open(connection, job)?)?;
        entries.iter().for_each(|(fingerprint, _)| filter.front.insert(fingerprint.cast_unsigned()));
        filter.collected += entries.len() as u64;
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
    let ids = stored.map_or(Ok(Vec::new()), |index| index.find(group[0].0))?;
    for (at, (_, place)) in group.iter().enumerate() {
        let address = &sightings[*place].address;
        let same =
            |(_, other): &&(i64, usize)| fates[*other] == Fate::First && same(&sightings[*other].address, address);
        let first = group[..at].iter().find(same).map(|(_, other)| *other);
        fates[*place] = match first {
            Some(first) => Fate::Again(first),
            None if holds(connection, &ids, address)? => Fate::Stored,
            None => Fate::First,
        };
    }
    Ok(())
}

fn same(one: &Address, other: &Address) -> bool {
    one == other || one.identity() == other.identity()
}

/// Whether one of these rows is the address.
fn holds(connection: &Connection, ids: &[i64], address: &Address) -> Result<bool, Failure> {
    for id in ids {
        let mut select = connection.prepare_cached(sql!("address_email"))?;
        let mut rows = select.query([*id])?;
        let Some(row) = rows.next()? else { continue };
        let email = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        if email == address.as_str() || parse(email)?.identity() == address.identity() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes what is new while there is room, in the order of the input; answers what became of each sighting, and the ids
/// of the rows.
fn write(
    connection: &Connection,
    sightings: &[&Sighting],
    fates: &[Fate],
    parts: &mut BTreeMap<JobId, Part>,
    (mask, now): (u64, i64),
) -> Result<(Vec<Inserted>, Vec<i64>), Failure> {
    let mut id: i64 = connection.prepare_cached(sql!("address_last_id"))?.query_row([], |row| row.get(0))?;
    let mut insert = connection.prepare_cached(sql!("address_insert"))?;
    let mut sources = Sources::new(connection, mask)?;
    let mut inserted: Vec<Inserted> = Vec::with_capacity(sightings.len());
    let mut ids = vec![0; sightings.len()];
    for (place, (sighting, fate)) in sightings.iter().zip(fates).enumerate() {
        let room = parts.get_mut(&sighting.job).map(|part| &mut part.room).filter(|room| **room > 0);
        inserted.push(match (fate, room) {
            (Fate::Stored, _) => Inserted::Known,
            (Fate::Again(first), _) if inserted[*first] == Inserted::New => Inserted::Known,
            (Fate::Again(_), _) | (Fate::First, None) => Inserted::OverTarget,
            (Fate::First, Some(room)) => {
                let (job, source) = (int(sighting.job.0), sources.id(&sighting.source)?);
                let (email, offset, form) = (sighting.address.as_str(), int(sighting.offset), sighting.form.as_str());
                id = id.saturating_add(1);
                insert.execute(params![id, job, email, source, offset, form, sighting.classes.bits(), now])?;
                ids[place] = id;
                *room -= 1;
                Inserted::New
            }
        });
    }
    Ok((inserted, ids))
}

/// The ids of sources, which are kept from now on.
struct Sources<'c, 's> {
    select: CachedStatement<'c>,
    insert: CachedStatement<'c>,
    connection: &'c Connection,
    mask: u64,
    met: HashMap<&'s str, i64>,
    /// The one asked for last: neighbours mostly share theirs.
    last: Option<(&'s Arc<str>, i64)>,
}

impl<'c, 's> Sources<'c, 's> {
    fn new(connection: &'c Connection, mask: u64) -> Result<Self, Failure> {
        let select = connection.prepare_cached(sql!("source_by_hash"))?;
        let insert = connection.prepare_cached(sql!("source_insert"))?;
        Ok(Self { select, insert, connection, mask, met: HashMap::new(), last: None })
    }

    fn id(&mut self, name: &'s Arc<str>) -> Result<i64, Failure> {
        if let Some((last, id)) = self.last
            && Arc::ptr_eq(last, name)
        {
            return Ok(id);
        }
        let id = match self.met.get(&**name) {
            Some(id) => *id,
            None => self.look_up(name)?,
        };
        self.met.insert(name, id);
        self.last = Some((name, id));
        Ok(id)
    }

    fn look_up(&mut self, name: &str) -> Result<i64, Failure> {
        let hash = bits(xxhash_rust::xxh3::xxh3_64(name.as_bytes()) & self.mask);
        {
            let mut rows = self.select.query([hash])?;
            while let Some(row) = rows.next()? {
                if row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)? == name {
                    return Ok(row.get(0)?);
                }
            }
        }
        self.insert.execute(params![hash, name])?;
        Ok(self.connection.last_insert_rowid())
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
    let index = Index::open(&snapshot, job)?;
    let known = |address: &Address| {
        let ids = index.find(bits(address.fingerprint() & mask))?;
        holds(&snapshot, &ids, address)
    };
    addresses.iter().map(known).collect()
}

/// An address read back.
pub(super) fn parse(email: &str) -> Result<Address, Failure> {
    Address::parse(email).ok_or_else(|| Failure::corrupt("address", email))
}
