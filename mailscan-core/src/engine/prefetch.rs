//! How many tasks of a job are claimed before there is a place for them. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::share::FEW;

/// Tasks for so long are claimed ahead. A claim, and the commit that it may stand behind, take less; and where tasks end
/// quickly, claims and commits that bring many cost less for each than many that bring few.
const AHEAD: Duration = Duration::from_millis(40);
/// The most tasks that are claimed ahead. More lie in memory until no cache has them any more.
const MOST: usize = 256;
/// Claims are not told apart more finely.
const SHORTEST: Duration = Duration::from_millis(1);

/// How quickly a job takes up what is claimed for it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the last claim came.
    last: Option<Instant>,
    /// Tasks a second, each claim counting as much as all before it.
    per_second: f64,
}

impl Pace {
    /// Takes note of a claim and of how many tasks it brought.
    pub(super) fn note(&mut self, tasks: usize, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            let since = (now - last).max(SHORTEST);
            self.per_second = (self.per_second + tasks as f64 / since.as_secs_f64()) / 2.0;
        }
    }

    /// How many tasks are to wait for a place where there are so many places: half as many, as many again where places are
    /// few, since those tend to end together and a claim takes as long for them, and at least what the job takes up soon.
    pub(super) fn prefetch(&self, places: usize) -> usize {
        let soon = (self.per_second * AHEAD.as_secs_f64()) as usize;
        (places / 2).max(places.min(FEW)).max(soon).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is claimed ahead for 100 places after claims of so many tasks each, so many milliseconds apart.
    fn after(claims: impl IntoIterator<Item = (usize, u64)>) -> usize {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        for (tasks, millis) in claims {
            pace.note(tasks, now);
            now += Duration::from_millis(millis);
        }
        pace.prefetch(100)
    }

    #[test]
    fn a_job_that_takes_up_tasks_quickly_has_more_of_them_ahead() {
        assert_eq!(after([]), 100);
        assert_eq!(after([(1_000, 0)]), 100, "one claim is no pace");
        assert_eq!(after(vec![(100, 1_000); 9]), 100, "as many as for the places");
        let quick = after(vec![(100, 20); 20]);
        assert!((199..=200).contains(&quick), "40 ms of 5,000 a second, not {quick}");
        assert_eq!(after(vec![(100, 0); 20]), MOST);
        assert_eq!(after(vec![(100, 1); 20].into_iter().chain(vec![(0, 100); 20])), 100, "it came to rest");
    }

    #[test]
    fn half_of_many_places_are_ahead_and_no_more_than_the_most() {
        assert_eq!(
            [0, 1, 128, 200, 400, 10_000].map(|places| Pace::default().prefetch(places)),
            [0, 1, 128, 128, 200, 256]
        );
    }
}
