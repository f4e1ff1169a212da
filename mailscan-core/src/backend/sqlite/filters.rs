//! Bloom filters in the writer's memory: which fingerprints an index surely does not have.
//!
//! Most rows of a batch are new, and a filter knows so without a look at the index. It is made from the index when it is
//! missing or full, and whenever the index has other rows than came through here: other processes may write to the file.

use std::collections::HashMap;

use super::failure::Failure;
use super::runs::{Index, Rows};
use crate::dedup::BloomFront;
use crate::error::ErrorKind;

/// The most filters that are kept; beyond that they are made anew.
const FILTERS: usize = 128;
/// The rows that a filter is made for at first, and how often it may err.
const CAPACITY: usize = 10_000;
const FALSE_POSITIVES: f64 = 0.01;
/// The most rows that a filter is made for; beyond that it errs more often.
const MOST: usize = 1 << 30;

/// The filters of all indexes.
#[derive(Debug, Default)]
pub(super) struct Filters(HashMap<Rows, Filter>);

/// The fingerprints of one index.
#[derive(Debug)]
pub(super) struct Filter {
    front: BloomFront,
    /// How many rows the index had when the filter knew all of them.
    rows: u64,
}

impl Filters {
    /// Forgets everything: what was noted may have been undone.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Forgets an index.
    pub(super) fn forget(&mut self, rows: Rows) {
        self.0.remove(&rows);
    }

    /// The filter of an index that has so many rows.
    pub(super) fn of(&mut self, of: Rows, rows: u64, index: &Index<'_>) -> Result<&mut Filter, Failure> {
        let usable = |filter: &Filter| filter.rows == rows && !filter.front.is_full();
        if !self.0.get(&of).is_some_and(usable) {
            if self.0.len() >= FILTERS {
                self.0.clear();
            }
            let capacity = usize::try_from(rows).unwrap_or(usize::MAX).clamp(CAPACITY, MOST);
            let mut front = BloomFront::new(capacity, FALSE_POSITIVES).grown();
            index.fingerprints(|fingerprint| front.insert(fingerprint.cast_unsigned()))?;
            self.0.insert(of, Filter { front, rows });
        }
        let missing = || Failure::Own(ErrorKind::Internal, "a filter is missing".to_owned());
        self.0.get_mut(&of).ok_or_else(missing)
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
