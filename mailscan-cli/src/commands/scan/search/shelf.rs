//! Where a thread lays what it has found. Whoever takes results finds it there whatever the thread waits for: the next input
//! may be long in being listed, opened or read.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::worker::Searched;

/// Results, each with the number of its input.
pub(super) type Results = Vec<(usize, Searched)>;

#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<Laid>);

#[derive(Debug, Default)]
struct Laid {
    results: Results,
    /// What was found so far of the input that the thread waits for more of.
    begun: Option<(usize, Searched)>,
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Laid> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lay(&self, number: usize, searched: Searched) {
        self.lock().results.push((number, searched));
    }

    /// Waits, and lets others take meanwhile what was found so far of this input.
    pub(super) fn while_waiting<T>(&self, number: usize, searched: &mut Searched, wait: impl FnOnce() -> T) -> T {
        self.lock().begun = Some((number, std::mem::take(searched)));
        let waited = catch_unwind(AssertUnwindSafe(wait));
        // It is gone where the search was stopped and this thread left behind.
        *searched = self.lock().begun.take().map(|(_, searched)| searched).unwrap_or_default();
        waited.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Takes what lies here, and what was found so far of the input whose turn it is.
    pub(super) fn take(&self, turn: usize) -> Results {
        let mut laid = self.lock();
        let mut results = std::mem::take(&mut laid.results);
        let begun = laid.begun.as_mut().filter(|(number, searched)| *number == turn && searched.holds_any());
        results.extend(begun.map(|(number, searched)| (*number, searched.take_part())));
        results
    }

    /// Takes what lies here for good: what was found so far of an input is all that comes of it.
    pub(super) fn clear(&self) -> Results {
        let mut laid = self.lock();
        let mut results = std::mem::take(&mut laid.results);
        results.extend(
            laid.begun.take().map(|(number, searched)| (number, Searched { ended: true, stopped: true, ..searched })),
        );
        results
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Something of which this was read.
    fn read(source: &str, bytes: u64) -> Searched {
        let left_out = [(source.to_owned(), mailscan_core::class::Class::Literal)].into();
        Searched { source: source.to_owned(), bytes, left_out, ..Searched::default() }
    }

    fn numbers(results: &Results) -> Vec<(usize, u64, bool)> {
        results.iter().map(|(number, searched)| (*number, searched.bytes, searched.ended)).collect()
    }

    #[test]
    fn what_was_found_so_far_is_taken_in_its_turn_while_more_is_waited_for() {
        let shelf = Shelf::default();
        shelf.lay(3, read("c", 30));
        let mut searched = read("d", 40);
        shelf.while_waiting(4, &mut searched, || {
            assert_eq!(numbers(&shelf.take(3)), [(3, 30, false)]);
            assert_eq!(numbers(&shelf.take(4)), [(4, 40, false)]);
            assert_eq!(numbers(&shelf.take(4)), []);
        });
        assert_eq!((searched.source.as_str(), searched.bytes), ("d", 0));
        searched.bytes += 5;
        shelf.while_waiting(4, &mut searched, || {});
        assert_eq!(numbers(&shelf.take(4)), [], "it goes on");
        assert_eq!(searched.bytes, 5);
    }

    #[test]
    fn what_was_found_so_far_is_all_of_it_at_the_end() {
        let shelf = Shelf::default();
        let mut searched = read("d", 40);
        shelf.while_waiting(4, &mut searched, || {
            shelf.lay(3, read("c", 30));
            assert_eq!(numbers(&shelf.clear()), [(3, 30, false), (4, 40, true)]);
        });
        assert_eq!(numbers(&shelf.clear()), []);
    }

    #[test]
    fn what_was_found_before_a_panic_is_given_back() {
        let shelf = Shelf::default();
        let mut searched = read("d", 40);
        let waited = catch_unwind(AssertUnwindSafe(|| shelf.while_waiting(4, &mut searched, || panic!("a defect"))));
        assert!(waited.is_err());
        assert_eq!((searched.source.as_str(), searched.bytes), ("d", 40));
        assert_eq!(numbers(&shelf.clear()), []);
    }
}
