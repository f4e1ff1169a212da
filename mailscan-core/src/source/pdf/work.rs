//! How much a file may cost: what is done for it is counted, whatever the file says, and ends at a bound or at a deadline.
//!
//! Everybody who reads bytes, decodes them or goes through a table spends what that takes. Once nothing is left, nothing more is
//! read, and what was read so far counts.

use std::cell::Cell;
use std::time::Instant;

/// How much may be done for any file, in bytes that are read one by one, and for each byte of it.
const WORK: u64 = 192 << 20;
const WORK_PER_BYTE: u64 = 8;
/// After how much the clock is looked at.
const LOOK: u64 = 1 << 20;

/// What is left to be done for a file.
#[derive(Debug)]
pub(super) struct Work {
    left: Cell<u64>,
    until_look: Cell<u64>,
    deadline: Option<Instant>,
    is_late: Cell<bool>,
}

impl Work {
    /// For a file of this length.
    pub(super) fn new(length: usize, deadline: Option<Instant>) -> Self {
        let left = WORK.saturating_add(WORK_PER_BYTE.saturating_mul(length as u64));
        Self { left: Cell::new(left), until_look: Cell::new(0), deadline, is_late: Cell::new(false) }
    }

    /// Spends work on so many bytes; answers whether there is any left.
    pub(super) fn spend(&self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        self.left.set(self.left.get().saturating_sub(bytes));
        match self.until_look.get().checked_sub(bytes) {
            Some(left) => self.until_look.set(left),
            None => {
                self.until_look.set(LOOK);
                if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                    self.is_late.set(true);
                    self.left.set(0);
                }
            }
        }
        !self.is_over()
    }

    /// Whether nothing more is to be done.
    pub(super) fn is_over(&self) -> bool {
        self.left.get() == 0
    }

    /// What is to be told of it, if it did not suffice.
    pub(super) fn problem(&self) -> Option<&'static str> {
        match (self.is_late.get(), self.is_over()) {
            (true, _) => Some("there was no time to read it to its end"),
            (_, true) => Some("it would take too much work to read it to its end"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_at_its_bound_and_at_the_deadline() {
        let work = Work::new(0, None);
        assert!(work.spend(1_000) && work.problem().is_none());
        assert!(!work.spend(usize::MAX));
        assert_eq!(work.problem(), Some("it would take too much work to read it to its end"));
        let late = Work::new(0, Some(Instant::now()));
        assert!(!late.spend(1));
        assert_eq!(late.problem(), Some("there was no time to read it to its end"));
    }
}
