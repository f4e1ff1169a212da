//! How many tasks of a job are claimed before there is a place for them. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::share::FEW;

/// Tasks for so long are claimed ahead. A claim, and the commit that it may stand behind, take less; and where tasks end
/// quickly, claims and commits that bring many cost less for each than many that bring few.
const AHEAD: Duration = Duration::from_millis(40);
/// The most tasks that are claimed ahead. More lie in memory until no cache has them any more.
const MOST: usize = 256;

/// How quickly the tasks of a job are taken up by workers.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// What was taken up, and since when; not counted yet.
    taken: usize,
    since: Option<Instant>,
    /// Tasks a second. What was counted [`AHEAD`] ago weighs half as much as what is counted now.
    per_second: f64,
}

impl Pace {
    /// Takes note of a task that goes to a worker.
    pub(super) fn take(&mut self) {
        self.taken += 1;
    }

    /// How many tasks are to wait for a place where there are so many places: half as many, as many again where places are
    /// few, since those tend to end together and a claim takes as long for them, and at least what the job takes up soon.
    pub(super) fn prefetch(&mut self, places: usize, now: Instant) -> usize {
        self.count(now);
        let soon = (self.per_second * AHEAD.as_secs_f64()) as usize;
        (places / 2).max(places.min(FEW)).max(soon).min(MOST)
    }

    /// Counts what was taken up, once that took long enough to be a pace and not a burst.
    fn count(&mut self, now: Instant) {
        let passed = now - *self.since.get_or_insert(now);
        if passed >= AHEAD {
            let old = 0.5f64.powf(passed.div_duration_f64(AHEAD));
            let rate = self.taken as f64 / passed.as_secs_f64();
            *self = Self { taken: 0, since: Some(now), per_second: self.per_second * old + rate * (1.0 - old) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is claimed ahead for so many places after spans of so many milliseconds, in each of which so many tasks were
    /// taken up.
    fn after(places: usize, spans: impl IntoIterator<Item = (usize, u64)>) -> usize {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        let mut prefetch = pace.prefetch(places, now);
        for (tasks, millis) in spans {
            (0..tasks).for_each(|_| pace.take());
            now += Duration::from_millis(millis);
            prefetch = pace.prefetch(places, now);
        }
        prefetch
    }

    #[test]
    fn a_job_that_takes_up_tasks_quickly_has_more_of_them_ahead() {
        assert_eq!(after(10, []), 10);
        assert_eq!(after(10, vec![(50, 1_000); 9]), 10, "as many as for the places");
        let quick = after(10, vec![(50, 10); 100]);
        assert!((190..=200).contains(&quick), "40 ms of 5,000 a second, not {quick}");
        assert_eq!(after(10, vec![(1_000, 10); 100]), MOST);
    }

    #[test]
    fn a_burst_is_no_pace_and_is_forgotten_in_a_rest() {
        assert_eq!(after(10, [(10, 1), (200, 1)]), 10, "it took no time yet");
        assert_eq!(after(10, [(10, 0), (10, 3_000), (10, 1), (10, 3_000)]), 10);
        assert_eq!(after(10, vec![(1_000, 10); 100].into_iter().chain([(0, 1_000)])), 10);
    }

    #[test]
    fn half_of_many_places_are_ahead_and_no_more_than_the_most() {
        assert_eq!([0, 1, 128, 200, 400, 10_000].map(|places| after(places, [])), [0, 1, 128, 128, 200, MOST]);
    }
}
