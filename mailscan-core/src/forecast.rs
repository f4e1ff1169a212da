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

impl Forecast {
    /// The forecast for a job that has `collected` of `target` addresses.
    ///
    /// The expectation is the plain mean: `collected + open x collected / finished`, where finished tasks are those
    /// done or given up. It only counts against the job when `growing` is false: while tasks are still discovered (a
    /// crawl meets new pages, a search goes on), what is open now says little about what is to come.
    pub fn new(collected: u64, target: u64, depth: &Depth, growing: bool) -> Self {
        let finished = depth.done + depth.lost();
        if collected >= target {
            return Self::Reachable;
        }
        if depth.open() == 0 {
            return if finished == 0 { Self::Unknown } else { Self::Exhausted };
        }
        if finished < ENOUGH_TASKS {
            return Self::Unknown;
        }
        let more = u128::from(depth.open()) * u128::from(collected) / u128::from(finished);
        let expected = u64::try_from(u128::from(collected) + more).unwrap_or(u64::MAX);
        match (expected >= target, growing) {
            (true, _) => Self::Reachable,
            (false, true) => Self::Unknown,
            (false, false) => Self::Short { expected },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(pending: u64, done: u64) -> Depth {
        Depth { pending, done, ..Depth::default() }
    }

    #[test]
    fn says_nothing_too_early() {
        assert_eq!(Forecast::new(5, 100, &depth(3, ENOUGH_TASKS - 1), false), Forecast::Unknown);
        assert_eq!(Forecast::new(0, 100, &depth(0, 0), false), Forecast::Unknown);
    }

    #[test]
    fn compares_the_yield_with_what_is_missing() {
        assert_eq!(Forecast::new(50, 100, &depth(50, 50), false), Forecast::Reachable);
        assert_eq!(Forecast::new(50, 100, &depth(49, 50), false), Forecast::Short { expected: 99 });
        assert_eq!(Forecast::new(50, 100, &depth(0, 50), false), Forecast::Exhausted);
        assert_eq!(Forecast::new(100, 100, &depth(0, 50), false), Forecast::Reachable);
        assert_eq!(Forecast::new(50, 100, &depth(49, 50), true), Forecast::Unknown);
        assert_eq!(Forecast::new(u64::MAX - 1, u64::MAX, &depth(u64::MAX / 2, 20), false), Forecast::Reachable);
    }
}
