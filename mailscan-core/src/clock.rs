//! Time as the backends keep it: milliseconds since the Unix epoch, moved on by tokio's clock.
//!
//! Contracts take durations and never timestamps, so a backend owns its clock. A backend inside this process reads
//! [`Clock`]: the wall clock once at the start, and from then on the monotonic clock of tokio. A step of the wall clock
//! therefore moves no lease, and a test that pauses tokio's time moves every backend with it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: milliseconds since the Unix epoch, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This point moved on by `duration`, saturating; a part of a millisecond counts as a whole one.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        Self(self.0.saturating_add(u64::try_from(millis).unwrap_or(u64::MAX)))
    }

    /// The time from `earlier` to this point; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A clock that starts at the wall clock's reading and advances with tokio's monotonic time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Timestamp,
    start: tokio::time::Instant,
}

impl Clock {
    /// A clock that reads the wall clock now. Inside a tokio runtime with paused time it stands still until that moves.
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Timestamp(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX));
        Self { wall, start: tokio::time::Instant::now() }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.wall.after(self.start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn follows_tokio_time() {
        let clock = Clock::start();
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now().since(before), Duration::from_secs(90));
        assert_eq!(before.since(clock.now()), Duration::ZERO);
    }

    #[test]
    fn parts_of_a_millisecond_round_up() {
        assert_eq!(Timestamp(1).after(Duration::from_nanos(1)), Timestamp(2));
        assert_eq!(Timestamp(1).after(Duration::MAX), Timestamp(u64::MAX));
    }
}
