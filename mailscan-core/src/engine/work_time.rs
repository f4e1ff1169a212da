//! How long a job has been at work here: its clock, which stands still while nothing can be stored or this process does not run.
//!
//! The supervisor moves it on with every look; what the store knows of the time at work comes from it and begins it.

use std::time::Duration;

use tokio::time::Instant;

/// So much passes from one look to the next at most, however rarely the process looks: what is more was passed asleep.
const LONGEST_STEP: Duration = Duration::from_secs(10);

/// The clock of one job.
#[derive(Debug)]
pub(super) struct WorkTime {
    /// Until the last look.
    active: Duration,
    looked: Instant,
    /// Whether the time since then counts.
    counts: bool,
    longest: Duration,
}

impl WorkTime {
    /// A clock that goes on from `active`, for who looks so often.
    pub(super) fn new(active: Duration, every: Duration) -> Self {
        Self { active, looked: Instant::now(), counts: true, longest: LONGEST_STEP.max(every.saturating_mul(3)) }
    }

    /// The time at work in all.
    pub(super) fn active(&self) -> Duration {
        let step = if self.counts { self.looked.elapsed().min(self.longest) } else { Duration::ZERO };
        self.active + step
    }

    /// Looks whether work can be done from now on.
    pub(super) fn look(&mut self, can_work: bool) {
        (self.active, self.looked, self.counts) = (self.active(), Instant::now(), can_work);
    }

    /// Goes on from what others know better.
    pub(super) fn set(&mut self, active: Duration) {
        (self.active, self.looked) = (active, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_time_in_which_work_can_be_done_counts() {
        let mut time = WorkTime::new(Duration::from_secs(5), Duration::from_secs(1));
        let mut after = async |seconds, can_work| {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            let before = time.active();
            time.look(can_work);
            assert_eq!(time.active(), before, "a look changes nothing of what was");
            before.as_secs()
        };
        assert_eq!(after(2, true).await, 7);
        assert_eq!(after(1, false).await, 8, "until it was seen");
        assert_eq!(after(5, false).await, 8);
        assert_eq!(after(5, true).await, 8);
        assert_eq!(after(1, true).await, 9);
        assert_eq!(after(3_600, true).await, 19, "nobody looked for an hour");
        time.set(Duration::from_secs(12));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(time.active().as_secs(), 13);
    }

    #[tokio::test(start_paused = true)]
    async fn who_looks_rarely_loses_nothing() {
        let mut time = WorkTime::new(Duration::ZERO, Duration::from_secs(60));
        tokio::time::advance(Duration::from_secs(100)).await;
        time.look(true);
        assert_eq!(time.active().as_secs(), 100);
    }
}
