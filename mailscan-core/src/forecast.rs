//! Whether a job's target can be reached with what is left. Pure.
//!
//! The engine brings the job's yield so far and the tasks that are still open; people read the answer beside the ETA.

use crate::task::Depth;

/// How many done tasks a yield must rest on before it is believed.
const ENOUGH_TASKS: u64 = 20;

/// What the yield so far says about the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forecast {
    /// Too little has been done to say.
    Unknown,
    /// The open tasks alone should yield what is missing, or the target is reached.
    Reachable,
    /// The open tasks should yield about this many addresses in all, fewer than the target, and no new ones have been
    /// discovered lately.
    Short {
        /// Collected now, plus open tasks times yield.
        expected: u64,
    },
    /// No task is left and the target is not reached.
    Exhausted,
}

/// What tasks brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Yield {
    /// Tasks that were done or given up.
    pub tasks: u64,
    /// New addresses of these.
    pub addresses: u64,
}

impl Yield {
    /// What `open` tasks more should bring at this yield; `None` when too few are known.
    fn of(self, open: u64) -> Option<u64> {
        let more = u128::from(open) * u128::from(self.addresses);
        (self.tasks >= ENOUGH_TASKS).then(|| u64::try_from(more / u128::from(self.tasks)).unwrap_or(u64::MAX))
    }
}

impl Forecast {
    /// The forecast for a job that has `collected` of `target` addresses. `lately` is the yield since tasks were last
    /// discovered, and `None` while they still are (a crawl meets new pages, a search goes on).
    ///
    /// The expectation is the plain mean: `collected + open x addresses / tasks`. While tasks are discovered it rests on
    /// all that are finished and only counts for the job, since what is open now says little about what is to come.
    /// Afterwards it rests on the latest, which are of the kind that is left: a search call brings pages and no address.
    pub fn new(collected: u64, target: u64, depth: &Depth, lately: Option<Yield>) -> Self {
        let all = Yield { tasks: depth.done + depth.lost(), addresses: collected };
        if collected >= target {
            return Self::Reachable;
        }
        if depth.open() == 0 {
            return if all.tasks == 0 { Self::Unknown } else { Self::Exhausted };
        }
        let Some(more) = lately.unwrap_or(all).of(depth.open()) else { return Self::Unknown };
        let expected = collected.saturating_add(more);
        match (expected >= target, lately) {
            (true, _) => Self::Reachable,
            (false, None) => Self::Unknown,
            (false, Some(_)) => Self::Short { expected },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(pending: u64, done: u64) -> Depth {
        Depth { pending, done, ..Depth::default() }
    }

    /// The yield of all tasks that are done, after the last was discovered.
    fn at_rest(collected: u64, depth: &Depth) -> Option<Yield> {
        Some(Yield { tasks: depth.done, addresses: collected })
    }

    fn forecast(collected: u64, target: u64, depth: &Depth) -> Forecast {
        Forecast::new(collected, target, depth, at_rest(collected, depth))
    }

    #[test]
    fn says_nothing_too_early() {
        assert_eq!(forecast(5, 100, &depth(3, ENOUGH_TASKS - 1)), Forecast::Unknown);
        assert_eq!(forecast(0, 100, &depth(0, 0)), Forecast::Unknown);
        let few = Some(Yield { tasks: ENOUGH_TASKS - 1, addresses: 0 });
        assert_eq!(Forecast::new(50, 100, &depth(3, 500), few), Forecast::Unknown);
    }

    #[test]
    fn compares_the_yield_with_what_is_missing() {
        assert_eq!(forecast(50, 100, &depth(50, 50)), Forecast::Reachable);
        assert_eq!(forecast(50, 100, &depth(49, 50)), Forecast::Short { expected: 99 });
        assert_eq!(forecast(50, 100, &depth(0, 50)), Forecast::Exhausted);
        assert_eq!(forecast(100, 100, &depth(0, 50)), Forecast::Reachable);
        assert_eq!(Forecast::new(50, 100, &depth(49, 50), None), Forecast::Unknown);
        assert_eq!(forecast(u64::MAX - 1, u64::MAX, &depth(u64::MAX / 2, 20)), Forecast::Reachable);
    }

    #[test]
    fn pages_that_are_left_bring_more_than_the_calls_that_led_to_them() {
        // 100 calls and 50 of their 100 pages are done, each page with 10 addresses.
        let pages = Some(Yield { tasks: 40, addresses: 400 });
        assert_eq!(Forecast::new(500, 1_000, &depth(50, 150), pages), Forecast::Reachable);
    }
}
