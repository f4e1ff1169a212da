//! Bloom filters in the writer's memory: which fingerprints an index surely does not have.
//!
//! Most rows of a batch are new, and a filter knows so without a look at the index. It is made from the index when it is
//! missing or full, and whenever the index has other rows than came through here: other processes may write to the file. Where
//! there is no room for it, the index is looked into instead: making filters in turn would read whole indexes for each batch.

use std::collections::HashMap;

use super::failure::Failure;
use super::runs::{Index, Rows};
use crate::dedup::BloomFront;

/// The most memory of all filters together, in bytes; a single one may take more.
const MOST_BYTES: usize = 128 << 20;
/// After so many operations without a look at it, a filter gives way to another.
const IDLE: u64 = 1_024;
/// The rows that a filter is made for at first, and how often it may err.
const CAPACITY: usize = 10_000;
const FALSE_POSITIVES: f64 = 0.01;
/// The most rows that a filter is made for; beyond that it errs more often.
const MOST: usize = 1 << 30;

/// The filters of all indexes.
#[derive(Debug, Default)]
pub(super) struct Filters {
    kept: HashMap<Rows, Filter>,
    /// The memory of all of them.
    bytes: usize,
    /// How many operations there were.
    operations: u64,
    /// No filter gives way before this operation.
    full_until: u64,
}

/// The fingerprints of one index.
#[derive(Debug)]
pub(super) struct Filter {
    front: BloomFront,
    /// How many rows the index had when the filter knew all of them.
    rows: u64,
    /// The last operation that looked at it.
    used: u64,
}

impl Filters {
    /// Forgets everything: what was noted may have been undone.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
        (self.bytes, self.full_until) = (0, 0);
    }

    /// Forgets an index.
    pub(super) fn forget(&mut self, rows: Rows) {
        if let Some(filter) = self.kept.remove(&rows) {
            self.bytes -= filter.front.bytes();
            self.full_until = 0;
        }
    }

    /// Counts an operation.
    pub(super) fn begin(&mut self) {
        self.operations += 1;
    }

    /// The filter of an index that has so many rows; `None` where there is no room for it.
    pub(super) fn of(&mut self, of: Rows, rows: u64, index: &Index<'_>) -> Result<Option<&mut Filter>, Failure> {
        if self.kept.get(&of).is_none_or(|filter| filter.rows != rows || filter.front.is_full()) {
            self.forget(of);
            let capacity = usize::try_from(rows).unwrap_or(usize::MAX).clamp(CAPACITY, MOST);
            if !self.make_room(BloomFront::bytes_grown_from(capacity, FALSE_POSITIVES)) {
                return Ok(None);
            }
            let mut front = BloomFront::new(capacity, FALSE_POSITIVES).grown();
            index.fingerprints(|fingerprint| front.insert(fingerprint.cast_unsigned()))?;
            self.bytes += front.bytes();
            self.kept.insert(of, Filter { front, rows, used: self.operations });
        }
        Ok(self.made(of, rows))
    }

    /// The same, if it is there.
    pub(super) fn made(&mut self, of: Rows, rows: u64) -> Option<&mut Filter> {
        let filter = self.kept.get_mut(&of).filter(|filter| filter.rows == rows)?;
        filter.used = self.operations;
        Some(filter)
    }

    /// Makes room for a filter of so many bytes at the cost of those that nobody looks at; answers whether there is any.
    fn make_room(&mut self, bytes: usize) -> bool {
        while self.bytes + bytes > MOST_BYTES {
            if self.operations < self.full_until {
                return false;
            }
            let Some((oldest, used)) =
                self.kept.iter().map(|(rows, filter)| (*rows, filter.used)).min_by_key(|(_, used)| *used)
            else {
                return true;
            };
            if self.operations - used < IDLE {
                self.full_until = used + IDLE;
                return false;
            }
            self.forget(oldest);
        }
        true
    }
}

impl Filter {
    /// Whether the index surely has no row with this fingerprint.
    pub(super) fn surely_new(&self, fingerprint: i64) -> bool {
        self.front.surely_new(fingerprint.cast_unsigned())
    }

    /// Notes rows that are added to the index, by fingerprint.
    pub(super) fn note(&mut self, fingerprints: impl Iterator<Item = i64>) {
        for fingerprint in fingerprints {
            self.front.insert(fingerprint.cast_unsigned());
            self.rows += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::job::JobId;

    #[test]
    fn filters_in_use_stay_and_idle_ones_give_way() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql!("migrations/0003_address_runs")).unwrap();
        connection.execute_batch(sql!("migrations/0010_entries")).unwrap();
        let mut filters = Filters::default();
        let rows = |job| Rows::Addresses(JobId(job));
        // An index without rows, of which a filter is told that it has so many.
        let of = |filters: &mut Filters, job, count| {
            filters.begin();
            filters.of(rows(job), count, &Index::open(&connection, rows(job)).unwrap()).unwrap().is_some()
        };
        let many = 4_000_000;
        let room = (MOST_BYTES / BloomFront::bytes_grown_from(many as usize, FALSE_POSITIVES)) as u64;
        for job in 0..room {
            assert!(of(&mut filters, job, many), "{job}");
        }
        assert!(!of(&mut filters, room, many), "no room, and all are in use");
        assert!(filters.made(rows(0), many).is_some() && filters.made(rows(room), many).is_none());
        assert!(filters.made(rows(0), many + 1).is_none(), "others wrote to the index");
        for _ in 0..IDLE {
            assert!(of(&mut filters, 0, many));
        }
        assert!(of(&mut filters, room, many), "the others are idle");
        assert!(filters.kept.contains_key(&rows(0)) && !filters.kept.contains_key(&rows(1)));
        assert!(filters.bytes <= MOST_BYTES);
        assert_eq!(filters.bytes, filters.kept.values().map(|filter| filter.front.bytes()).sum::<usize>());
    }
}
