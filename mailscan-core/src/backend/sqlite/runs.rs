//! The index of addresses and of tasks by fingerprint: sorted runs, merged as they grow.
//!
//! Fingerprints come in no order, so an index that is kept in order touches one page for every address as soon as it is
//! larger than a batch, and slows down with the job. Here a batch becomes a run of its own, in the order of
//! fingerprints, and runs of similar size are merged into one (a log-structured merge tree: O'Neil et al., Acta
//! Informatica 33, 1996). An entry is written a few times in all, always beside its neighbours, whatever the size of
//! the job.
//!
//! A run is a row of `entry_run` and the parts of `entry_part`: a few kilobytes of entries each, found by their
//! first fingerprint. Entries of one fingerprint are never parted. Which rows they are is for `addresses.rs` and
//! `push.rs` to say: a fingerprint only says where to look.

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::convert::{int, limit, uint};
use super::failure::Failure;
use crate::job::JobId;

/// A fingerprint and the id of a row that has it. Runs are in this order.
pub(super) type Entry = (i64, i64);

/// The bytes of an entry: both numbers, little-endian.
const ENTRY: usize = 16;
/// The entries of a part: as many as fit in a page of the file.
const PART: usize = 250;
/// An older run is at least so many times as large as a newer one, or they are merged. Of 400 equal batches an entry
/// is then written 4.8 times and 4.2 runs are there to look into on average; with 4 it would be 8.8 times and 2.8 runs.
const GROWTH: u64 = 2;

/// Whose rows an index finds: those of one job in one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Rows {
    Addresses(JobId),
    Tasks(JobId),
}

impl Rows {
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Addresses(_) => "address",
            Self::Tasks(_) => "task",
        }
    }

    pub(super) fn job(self) -> i64 {
        let (Self::Addresses(job) | Self::Tasks(job)) = self;
        int(job.0)
    }
}

/// A run: its id and how many entries it has.
type Run = (i64, u64);

/// The runs of an index, the newest and smallest first.
fn runs(connection: &Connection, rows: Rows) -> Result<Vec<Run>, Failure> {
    let mut select = connection.prepare_cached(sql!("runs"))?;
    let runs = select.query_map(params![rows.table(), rows.job()], |row| Ok((row.get(0)?, uint(row, 1)?)))?;
    Ok(runs.collect::<rusqlite::Result<_>>()?)
}

/// Adds entries, which are in order, to an index.
pub(super) fn add(connection: &Connection, rows: Rows, entries: &[Entry]) -> Result<(), Failure> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut total = entries.len() as u64;
    let mut merged = Vec::new();
    for (run, size) in runs(connection, rows)? {
        if size >= total.saturating_mul(GROWTH) {
            break;
        }
        total += size;
        merged.push(run);
    }
    let mut cursors = vec![Cursor { part: Part::Given(entries), at: 0, entry: entries[0], run: None, first: 0 }];
    for run in &merged {
        cursors.extend(Cursor::open(connection, *run)?);
    }
    let mut writer = Writer::new(connection, rows, total)?;
    merge(connection, cursors, &mut writer)?;
    writer.flush()?;
    for run in merged {
        connection.prepare_cached(sql!("part_delete"))?.execute([run])?;
        connection.prepare_cached(sql!("run_delete"))?.execute([run])?;
    }
    Ok(())
}

/// Writes the entries of all cursors in one order.
fn merge(connection: &Connection, mut cursors: Vec<Cursor<'_>>, writer: &mut Writer<'_>) -> Result<(), Failure> {
    while let Some(least) = (0..cursors.len()).min_by_key(|index| cursors[*index].entry) {
        writer.push(cursors[least].entry)?;
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
    /// What stands there.
    entry: Entry,
    /// `None` for entries that are in no run yet.
    run: Option<i64>,
    /// The first fingerprint of the part.
    first: i64,
}

impl Cursor<'_> {
    /// The beginning of a run; `None` when it is empty.
    fn open(connection: &Connection, run: i64) -> Result<Option<Self>, Failure> {
        let first = connection
            .prepare_cached(sql!("part_first"))?
            .query_row([run], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(first.map(|(first, part)| Self::at_part(run, first, part)))
    }

    fn at_part(run: i64, first: i64, part: Vec<u8>) -> Self {
        let part = Part::Read(part);
        Self { entry: part.entry(0), part, at: 0, run: Some(run), first }
    }

    /// Goes on to the next entry; answers whether there is one.
    fn advance(&mut self, connection: &Connection) -> Result<bool, Failure> {
        self.at += 1;
        if self.at < self.part.len() {
            self.entry = self.part.entry(self.at);
            return Ok(true);
        }
        let Some(run) = self.run else { return Ok(false) };
        let next = connection
            .prepare_cached(sql!("part_next"))?
            .query_row([run, self.first], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((first, part)) = next else { return Ok(false) };
        *self = Self::at_part(run, first, part);
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
    fn new(connection: &'a Connection, rows: Rows, entries: u64) -> Result<Self, Failure> {
        let values = params![rows.table(), rows.job(), int(entries)];
        connection.prepare_cached(sql!("run_insert"))?.execute(values)?;
        Ok(Self::of(connection.last_insert_rowid(), connection.prepare_cached(sql!("part_insert"))?))
    }

    /// Writes a run that is there, by this statement.
    fn of(run: i64, insert: CachedStatement<'a>) -> Self {
        Self { insert, run, part: Vec::with_capacity(PART * ENTRY), first: 0, last: 0 }
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

/// An index, to be asked.
#[derive(Debug)]
pub(super) struct Index<'a> {
    connection: &'a Connection,
    runs: Vec<Run>,
}

impl<'a> Index<'a> {
    /// The index as it is now. It is good until entries are added; a reader opens it inside a transaction.
    pub(super) fn open(connection: &'a Connection, rows: Rows) -> Result<Self, Failure> {
        Ok(Self { connection, runs: runs(connection, rows)? })
    }

    /// The id of the row with this fingerprint that is the one, which only the row itself can tell. The largest run, which
    /// has most of the rows, is asked first.
    pub(super) fn find(
        &self,
        fingerprint: i64,
        mut is: impl FnMut(i64) -> Result<bool, Failure>,
    ) -> Result<Option<i64>, Failure> {
        let mut select = self.connection.prepare_cached(sql!("part_of"))?;
        for (run, _) in self.runs.iter().rev() {
            let mut rows = select.query([*run, fingerprint])?;
            let Some(row) = rows.next()? else { continue };
            let part = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            let (mut low, mut high) = (0, part.len() / ENTRY);
            while low < high {
                let middle = low.midpoint(high);
                if decode(part, middle).0 < fingerprint { low = middle + 1 } else { high = middle }
            }
            let same = (low..part.len() / ENTRY).map(|at| decode(part, at)).take_while(|entry| entry.0 == fingerprint);
            for (_, id) in same {
                if is(id)? {
                    return Ok(Some(id));
                }
            }
        }
        Ok(None)
    }

    /// Hands over every fingerprint.
    pub(super) fn fingerprints(&self, mut take: impl FnMut(i64)) -> Result<(), Failure> {
        let mut select = self.connection.prepare_cached(sql!("parts"))?;
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

/// Takes up to so many entries out of an index, wherever they are; answers the ids of their rows.
pub(super) fn take(connection: &Connection, rows: Rows, most: usize) -> Result<Vec<i64>, Failure> {
    let mut taken = Vec::new();
    while taken.len() < most {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?));
        let mut any = connection.prepare_cached(sql!("part_any"))?;
        let Some((id, part)) = any.query_row(params![rows.table(), rows.job()], read).optional()? else {
            connection.prepare_cached(sql!("run_purge"))?.execute(params![rows.table(), rows.job()])?;
            break;
        };
        let entries = part.len() / ENTRY;
        let left = entries.saturating_sub(most - taken.len());
        taken.extend((left..entries).map(|at| decode(&part, at).1));
        if left == 0 {
            connection.prepare_cached(sql!("part_forget"))?.execute([id])?;
        } else {
            connection.prepare_cached(sql!("part_shrink"))?.execute(params![id, limit(left * ENTRY)])?;
        }
    }
    Ok(taken)
}

/// Puts the addresses of an older schema, which had an ordinary index, into runs: one for each job.
pub(super) fn build_of_addresses(connection: &Connection) -> Result<(), Failure> {
    let entries = sql!("migrations/0004_entries");
    for (job, size) in jobs(connection, sql!("migrations/0004_jobs"))? {
        // The tables as they were at that step.
        connection.execute(sql!("migrations/0004_run"), [int(job.0), int(size)])?;
        let insert = connection.prepare_cached(sql!("migrations/0004_part"))?;
        build(connection, job, entries, Writer::of(connection.last_insert_rowid(), insert))?;
    }
    Ok(())
}

/// Likewise the tasks.
pub(super) fn build_of_tasks(connection: &Connection) -> Result<(), Failure> {
    let entries = sql!("migrations/0011_entries");
    for (job, size) in jobs(connection, sql!("migrations/0011_jobs"))? {
        build(connection, job, entries, Writer::new(connection, Rows::Tasks(job), size)?)?;
    }
    Ok(())
}

/// Jobs with the number of their rows.
fn jobs(connection: &Connection, sql: &str) -> Result<Vec<(JobId, u64)>, Failure> {
    let mut jobs = connection.prepare(sql)?;
    let jobs = jobs.query_map([], |row| Ok((JobId(uint(row, 0)?), uint(row, 1)?)))?;
    Ok(jobs.collect::<rusqlite::Result<_>>()?)
}

/// Writes one run from the entries of a job, which come in order.
fn build(connection: &Connection, job: JobId, entries: &str, mut writer: Writer<'_>) -> Result<(), Failure> {
    let mut select = connection.prepare(entries)?;
    let mut rows = select.query([int(job.0)])?;
    while let Some(row) = rows.next()? {
        writer.push((row.get(0)?, row.get(1)?))?;
    }
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql!("migrations/0003_address_runs")).unwrap();
        connection.execute_batch(sql!("migrations/0010_entries")).unwrap();
        connection
    }

    const ROWS: Rows = Rows::Tasks(JobId(7));

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
            add(connection, ROWS, &entries).unwrap();
        }
        expected
    }

    fn found(connection: &Connection, fingerprint: i64) -> Vec<i64> {
        let mut ids = Vec::new();
        let note = |id| {
            ids.push(id);
            Ok(false)
        };
        assert_eq!(Index::open(connection, ROWS).unwrap().find(fingerprint, note).unwrap(), None);
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
            Index::open(&connection, ROWS).unwrap().fingerprints(|word| all.push(word)).unwrap();
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
        let sizes: Vec<u64> = runs(&connection, ROWS).unwrap().into_iter().map(|(_, size)| size).collect();
        assert!(sizes.windows(2).all(|pair| pair[1] >= GROWTH * pair[0]), "{sizes:?}");
        assert_eq!(sizes.iter().sum::<u64>(), 6_000);
        let parts: u64 = connection.query_row("SELECT count(*) FROM entry_part", [], |row| uint(row, 0)).unwrap();
        assert!(parts <= 6_000 / PART as u64 + sizes.len() as u64 + 1, "{parts} parts");
        for other in [Rows::Tasks(JobId(8)), Rows::Addresses(JobId(7))] {
            assert_eq!(Index::open(&connection, other).unwrap().find(0, |_| Ok(true)).unwrap(), None);
        }
        assert!(Index::open(&connection, ROWS).unwrap().find(0, |_| Ok(true)).unwrap().is_some());
    }

    #[test]
    fn entries_are_taken_some_at_a_time() {
        let connection = database();
        let batches: Vec<Vec<i64>> = (0..40).map(|n: i64| (n * 20..n * 20 + 20).collect()).collect();
        fill(&connection, &batches);
        add(&connection, Rows::Addresses(JobId(7)), &[(1, 1)]).unwrap();
        let mut all: Vec<i64> = Vec::new();
        loop {
            let taken = take(&connection, ROWS, 37).unwrap();
            all.extend(&taken);
            if taken.len() < 37 {
                break;
            }
        }
        all.sort_unstable();
        assert_eq!(all, (1..=800).collect::<Vec<_>>());
        let left: u64 = connection.query_row("SELECT count(*) FROM entry_run", [], |row| uint(row, 0)).unwrap();
        assert_eq!(left, 1, "those of other rows stay");
    }
}
