//! The index of addresses by fingerprint: sorted runs, merged as they grow.
//!
//! Fingerprints come in no order, so an index that is kept in order touches one page for every address as soon as it is
//! larger than a batch, and slows down with the job. Here a batch becomes a run of its own, in the order of
//! fingerprints, and runs of similar size are merged into one (a log-structured merge tree: O'Neil et al., Acta
//! Informatica 33, 1996). An address is written a few times in all, always beside its neighbours, whatever the size of
//! the job.
//!
//! A run is a row of `address_run` and the parts of `address_part`: a few kilobytes of entries each, found by their
//! first fingerprint. Entries of one fingerprint are never parted. Which addresses they are is for `addresses.rs` to
//! say: a fingerprint only says where to look.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::convert::{int, uint};
use super::failure::Failure;
use crate::job::JobId;

/// A fingerprint and the id of a row that has it. Runs are in this order.
pub(super) type Entry = (i64, i64);

/// The bytes of an entry: both numbers, little-endian.
const ENTRY: usize = 16;
/// The entries of a part: as many as fit in a page of the file.
const PART: usize = 250;
/// An older run is at least so many times as large as a newer one, or they are merged.
const GROWTH: u64 = 4;

/// A run: its id and how many entries it has.
type Run = (i64, u64);

/// The runs of a job, the newest and smallest first.
fn runs(connection: &Connection, job: JobId) -> Result<Vec<Run>, Failure> {
    let mut select = connection.prepare_cached(sql!("address_runs"))?;
    let runs = select.query_map([int(job.0)], |row| Ok((row.get(0)?, uint(row, 1)?)))?;
    Ok(runs.collect::<rusqlite::Result<_>>()?)
}

/// Adds entries, which are in order, to the index of a job.
pub(super) fn add(connection: &Connection, job: JobId, entries: &[Entry]) -> Result<(), Failure> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut total = entries.len() as u64;
    let mut merged = Vec::new();
    for (run, size) in runs(connection, job)? {
        if size >= total.saturating_mul(GROWTH) {
            break;
        }
        total += size;
        merged.push(run);
    }
    let mut cursors = vec![Cursor { part: Part::Given(entries), at: 0, run: None, first: 0 }];
    for run in &merged {
        cursors.extend(Cursor::open(connection, *run)?);
    }
    let mut writer = Writer::new(connection, job, total)?;
    merge(connection, cursors, &mut writer)?;
    writer.flush()?;
    for run in merged {
        connection.prepare_cached(sql!("address_part_delete"))?.execute([run])?;
        connection.prepare_cached(sql!("address_run_delete"))?.execute([run])?;
    }
    Ok(())
}

/// Writes the entries of all cursors in one order.
fn merge(connection: &Connection, mut cursors: Vec<Cursor<'_>>, writer: &mut Writer<'_>) -> Result<(), Failure> {
    while let Some(least) = (0..cursors.len()).min_by_key(|index| cursors[*index].entry()) {
        writer.push(cursors[least].entry())?;
        if !cursors[least].advance(connection)? {
            cursors.swap_remove(least);
        }
    }
    Ok(())
}

/// The entries of one part.
enum Part<'a> {
    Given(&'a [Entry]),
    Read(Vec<u8>),
}

impl Part<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Given(entries) => entries.len(),
            Self::Read(bytes) => bytes.len() / ENTRY,
        }
    }

    fn entry(&self, at: usize) -> Entry {
        match self {
            Self::Given(entries) => entries[at],
            Self::Read(bytes) => decode(bytes, at),
        }
    }
}

/// The entry at this place of a part's bytes; 0 for what is not there.
fn decode(bytes: &[u8], at: usize) -> Entry {
    let number = |from: usize| bytes.get(from..).and_then(<[u8]>::first_chunk).map_or(0, |b| i64::from_le_bytes(*b));
    (number(at * ENTRY), number(at * ENTRY + ENTRY / 2))
}

/// A place in a run that is read from the beginning; always at an entry.
struct Cursor<'a> {
    part: Part<'a>,
    at: usize,
    /// `None` for entries that are in no run yet.
    run: Option<i64>,
    /// The first fingerprint of the part.
    first: i64,
}

impl Cursor<'_> {
    /// The beginning of a run; `None` when it is empty.
    fn open(connection: &Connection, run: i64) -> Result<Option<Self>, Failure> {
        let first = connection
            .prepare_cached(sql!("address_part_first"))?
            .query_row([run], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(first.map(|(first, part)| Self { part: Part::Read(part), at: 0, run: Some(run), first }))
    }

    fn entry(&self) -> Entry {
        self.part.entry(self.at)
    }

    /// Goes on to the next entry; answers whether there is one.
    fn advance(&mut self, connection: &Connection) -> Result<bool, Failure> {
        self.at += 1;
        if self.at < self.part.len() {
            return Ok(true);
        }
        let Some(run) = self.run else { return Ok(false) };
        let next = connection
            .prepare_cached(sql!("address_part_next"))?
            .query_row([run, self.first], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((first, part)) = next else { return Ok(false) };
        *self = Self { part: Part::Read(part), at: 0, run: Some(run), first };
        Ok(true)
    }
}

/// Writes one run, part after part.
struct Writer<'a> {
    insert: CachedStatement<'a>,
    run: i64,
    part: Vec<u8>,
    first: i64,
    last: i64,
}

impl<'a> Writer<'a> {
    fn new(connection: &'a Connection, job: JobId, entries: u64) -> Result<Self, Failure> {
        connection.prepare_cached(sql!("address_run_insert"))?.execute([int(job.0), int(entries)])?;
        let run = connection.last_insert_rowid();
        let insert = connection.prepare_cached(sql!("address_part_insert"))?;
        Ok(Self { insert, run, part: Vec::with_capacity(PART * ENTRY), first: 0, last: 0 })
    }

    fn push(&mut self, (fingerprint, id): Entry) -> Result<(), Failure> {
        if self.part.len() >= PART * ENTRY && fingerprint != self.last {
            self.flush()?;
        }
        if self.part.is_empty() {
            self.first = fingerprint;
        }
        self.part.extend_from_slice(&fingerprint.to_le_bytes());
        self.part.extend_from_slice(&id.to_le_bytes());
        self.last = fingerprint;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if !self.part.is_empty() {
            self.insert.execute(params![self.run, self.first, self.part])?;
            self.part.clear();
        }
        Ok(())
    }
}

/// The index of one job, to be asked.
#[derive(Debug)]
pub(super) struct Index<'a> {
    connection: &'a Connection,
    runs: Vec<Run>,
}

impl<'a> Index<'a> {
    /// The index as it is now. It is good until entries are added; a reader opens it inside a transaction.
    pub(super) fn open(connection: &'a Connection, job: JobId) -> Result<Self, Failure> {
        Ok(Self { connection, runs: runs(connection, job)? })
    }

    /// The ids of the rows with this fingerprint.
    pub(super) fn find(&self, fingerprint: i64) -> Result<Vec<i64>, Failure> {
        let mut ids = Vec::new();
        let mut select = self.connection.prepare_cached(sql!("address_part_of"))?;
        for (run, _) in &self.runs {
            let mut rows = select.query([*run, fingerprint])?;
            let Some(row) = rows.next()? else { continue };
            let part = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            let (mut low, mut high) = (0, part.len() / ENTRY);
            while low < high {
                let middle = low.midpoint(high);
                if decode(part, middle).0 < fingerprint { low = middle + 1 } else { high = middle }
            }
            let same = (low..part.len() / ENTRY).map(|at| decode(part, at)).take_while(|entry| entry.0 == fingerprint);
            ids.extend(same.map(|entry| entry.1));
        }
        Ok(ids)
    }

    /// Hands over every fingerprint of the job.
    pub(super) fn fingerprints(&self, mut take: impl FnMut(i64)) -> Result<(), Failure> {
        let mut select = self.connection.prepare_cached(sql!("address_parts"))?;
        for (run, _) in &self.runs {
            let mut rows = select.query([*run])?;
            while let Some(row) = rows.next()? {
                let part = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
                (0..part.len() / ENTRY).for_each(|at| take(decode(part, at).0));
            }
        }
        Ok(())
    }
}

/// Puts the addresses of an older schema, which had an ordinary index, into runs: one for each job.
pub(super) fn build(connection: &Connection) -> Result<(), Failure> {
    let mut jobs = connection.prepare(sql!("migrations/0004_jobs"))?;
    let jobs: Vec<(u64, u64)> =
        jobs.query_map([], |row| Ok((uint(row, 0)?, uint(row, 1)?)))?.collect::<rusqlite::Result<_>>()?;
    for (job, entries) in jobs {
        let mut select = connection.prepare(sql!("migrations/0004_entries"))?;
        let mut rows = select.query([int(job)])?;
        let mut writer = Writer::new(connection, JobId(job), entries)?;
        while let Some(row) = rows.next()? {
            writer.push((row.get(0)?, row.get(1)?))?;
        }
        writer.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql!("migrations/0003_address_runs")).unwrap();
        connection
    }

    /// Adds batches of fingerprints, the ids counted up; answers the ids by fingerprint.
    fn fill(connection: &Connection, batches: &[Vec<i64>]) -> BTreeMap<i64, Vec<i64>> {
        let (mut expected, mut id) = (BTreeMap::<i64, Vec<i64>>::new(), 0);
        for batch in batches {
            let mut entries: Vec<Entry> = batch
                .iter()
                .map(|fingerprint| {
                    id += 1;
                    expected.entry(*fingerprint).or_default().push(id);
                    (*fingerprint, id)
                })
                .collect();
            entries.sort_unstable();
            add(connection, JobId(7), &entries).unwrap();
        }
        expected
    }

    fn found(connection: &Connection, fingerprint: i64) -> Vec<i64> {
        let mut ids = Index::open(connection, JobId(7)).unwrap().find(fingerprint).unwrap();
        ids.sort_unstable();
        ids
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn finds_every_entry_and_no_other(batches in prop::collection::vec(
            prop::collection::vec(prop_oneof![any::<i64>(), -3i64..3], 0..700), 1..12)) {
            let connection = database();
            let expected = fill(&connection, &batches);
            for (fingerprint, ids) in &expected {
                prop_assert_eq!(&found(&connection, *fingerprint), ids);
            }
            for absent in [i64::MIN, i64::MAX, 17, -17].into_iter().filter(|word| !expected.contains_key(word)) {
                prop_assert!(found(&connection, absent).is_empty());
            }
            let mut all = Vec::new();
            Index::open(&connection, JobId(7)).unwrap().fingerprints(|word| all.push(word)).unwrap();
            all.sort_unstable();
            let mut given: Vec<i64> = batches.concat();
            given.sort_unstable();
            prop_assert_eq!(all, given);
        }
    }

    #[test]
    fn runs_stay_few_and_each_job_has_its_own() {
        let connection = database();
        let batches: Vec<Vec<i64>> =
            (0..2_000).map(|n: i64| vec![n.wrapping_mul(0x5851_f42d_4c95_7f2d), n << 40, -n]).collect();
        fill(&connection, &batches);
        let sizes: Vec<u64> = runs(&connection, JobId(7)).unwrap().into_iter().map(|(_, size)| size).collect();
        assert!(sizes.windows(2).all(|pair| pair[1] >= GROWTH * pair[0]), "{sizes:?}");
        assert_eq!(sizes.iter().sum::<u64>(), 6_000);
        let parts: u64 = connection.query_row("SELECT count(*) FROM address_part", [], |row| uint(row, 0)).unwrap();
        assert!(parts <= 6_000 / PART as u64 + sizes.len() as u64 + 1, "{parts} parts");
        assert!(Index::open(&connection, JobId(8)).unwrap().find(0).unwrap().is_empty());
    }
}
