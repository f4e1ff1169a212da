//! Time as the backends keep it: milliseconds since the Unix epoch, moved on by tokio's clock.
//!
//! Contracts take durations and never timestamps, so a backend owns its clock. A backend inside this process reads
//! [`Clock`]: the wall clock once at the start, and from then on the monotonic clock of tokio. A step of the wall clock
//! therefore moves no lease, and a test that pauses tokio's time moves every backend with it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Further away than anything is waited for: thirty years. Nothing is told a longer time, since it could not be added to now.
pub(crate) const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

/// So long from now, or [`FAR`] where it is longer.
#[cfg(feature = "http")]
pub(crate) fn in_time(wait: Duration) -> tokio::time::Instant {
    tokio::time::Instant::now() + wait.min(FAR)
}

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

    /// The time in UTC as RFC 3339 writes it, such as `2024-02-29T12:00:00.250Z`.
    pub fn rfc3339(self) -> String {
        let (days, millis) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = civil(days);
        let (seconds, millis) = (millis / 1_000, millis % 1_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// Year, month and day of a day since the epoch, in the Gregorian calendar.
///
/// Counted in years that begin in March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    // 719,468 days lie between 1 March of year 0 and the epoch; 146,097 are in 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
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
    fn known_moments() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_207_999_999, "2024-02-29T11:59:59.999Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp(millis).rfc3339(), text);
        }
    }

    #[test]
    fn parts_of_a_millisecond_round_up() {
        assert_eq!(Timestamp(1).after(Duration::from_nanos(1)), Timestamp(2));
        assert_eq!(Timestamp(1).after(Duration::MAX), Timestamp(u64::MAX));
    }
}
