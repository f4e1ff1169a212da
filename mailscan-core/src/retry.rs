//! How long to wait before the next attempt. Pure: the caller brings the randomness.

use std::time::Duration;

use crate::clock::FAR;

/// Exponential back-off with equal jitter: half of the wait is sure, half is random, so that tasks which failed
/// together do not come back together (Marc Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
}

impl Default for Backoff {
    /// 1 second, doubling to 5 minutes.
    fn default() -> Self {
        Self { base: Duration::from_secs(1), cap: Duration::from_secs(300) }
    }
}

impl Backoff {
    /// The wait after the failure of `attempt` (from 1), with `random` from 0 to 1; at least `asked` where the source
    /// asked for a time.
    pub fn delay(&self, attempt: u32, random: f64, asked: Option<Duration>) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let whole = self.base.saturating_mul(1 << doublings).min(self.cap).min(FAR);
        let jittered = whole.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0));
        jittered.max(asked.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_up_to_the_cap() {
        let backoff = Backoff::default();
        for (attempt, seconds) in [(0, 1), (1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (u32::MAX, 300)] {
            assert_eq!(backoff.delay(attempt, 1.0, None), Duration::from_secs(seconds), "attempt {attempt}");
        }
    }

    #[test]
    fn waits_at_least_as_long_as_asked() {
        let asked = Some(Duration::from_secs(3_600));
        assert_eq!(Backoff::default().delay(1, 0.5, asked), Duration::from_secs(3_600));
    }

    #[test]
    fn waits_without_end_are_cut_to_what_can_be_waited() {
        let endless = Backoff { base: Duration::MAX, cap: Duration::MAX };
        assert_eq!(endless.delay(1, 1.0, None), FAR);
    }

    proptest! {
        #[test]
        fn jitter_stays_in_the_upper_half(attempt in 1u32..40, random in 0.0..=1.0f64) {
            let backoff = Backoff::default();
            let whole = backoff.delay(attempt, 1.0, None);
            let delay = backoff.delay(attempt, random, None);
            prop_assert!(delay <= whole && delay * 2 >= whole);
        }
    }
}
