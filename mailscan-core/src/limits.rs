//! The contract's constants, all of which a user may set.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// The constants of planning. [`Default`] is the contract's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most workers of a job, and of an engine for all of its jobs together. From 1.
    pub max_workers: u32,
    /// Workers for every 1,000 e-mails. From 1.
    pub workers_per_1000: u32,
    /// The least time between two API requests of one worker.
    pub rate_limit: Duration,
    /// How long one worker takes to fetch the pages of one call, in parallel.
    pub deep_scrape: Duration,
    /// E-mails that one API call yields. From 1.
    pub emails_per_call: u32,
    /// How long a job may be at work.
    pub job_time_limit: Duration,
    /// How many fetches one worker keeps in flight. From 1.
    pub connections_per_worker: u32,
    /// How many addresses the Bloom filter is sized for at first; it grows. From 1 to
    /// [`MOST_BLOOM_CAPACITY`](Self::MOST_BLOOM_CAPACITY).
    pub bloom_capacity: usize,
    /// After how long without a heartbeat a worker counts as stale. Above 0, and at most
    /// [`MOST_STALE_AFTER`](Self::MOST_STALE_AFTER).
    pub stale_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_workers: 1_000,
            workers_per_1000: 50,
            rate_limit: Duration::from_millis(100),
            deep_scrape: Duration::from_secs(2),
            emails_per_call: 10,
            job_time_limit: Duration::from_secs(600),
            connections_per_worker: 100,
            bloom_capacity: 10_000,
            stale_after: Duration::from_secs(300),
        }
    }
}

impl Limits {
    /// The most that [`max_workers`](Self::max_workers) and [`workers_per_1000`](Self::workers_per_1000) may be.
    pub const MOST_WORKERS: u32 = 100_000;
    /// The most that [`bloom_capacity`](Self::bloom_capacity) may be: 1.3 GB of filter at first.
    pub const MOST_BLOOM_CAPACITY: usize = 1 << 30;
    /// The most that [`stale_after`](Self::stale_after) may be: a process that was silent for longer is forgotten by its store.
    pub const MOST_STALE_AFTER: Duration = Duration::from_secs(3_600);

    /// E-mails that one worker collects while there are fewer workers than `max_workers`; above, it is e-mails by workers.
    ///
    /// It says the same as `workers_per_1000` and is derived of it: 1,000 e-mails by their workers, rounded up, which is 20 for
    /// 50.
    pub fn optimal_results_per_worker(&self) -> u64 {
        1_000_u64.div_ceil(u64::from(self.workers_per_1000.max(1)))
    }

    /// Checks that every count is at least 1, and what else its field says.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], naming the field.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [
            ("max workers", self.max_workers),
            ("workers per 1,000 e-mails", self.workers_per_1000),
            ("e-mails per call", self.emails_per_call),
            ("connections per worker", self.connections_per_worker),
        ] {
            if value == 0 {
                return Err(Error::new(ErrorKind::Invalid, "limits", format!("{name} is 0: give at least 1")));
            }
        }
        let most = Self::MOST_WORKERS;
        if self.max_workers.max(self.workers_per_1000) > most {
            let message = format!("so many workers are too many: give at most {most}, in all and for 1,000 e-mails");
            return Err(Error::new(ErrorKind::Invalid, "limits", message));
        }
        let most = Self::MOST_BLOOM_CAPACITY;
        if !(1..=most).contains(&self.bloom_capacity) {
            let message = format!("the Bloom capacity is {}: give a number from 1 to {most}", self.bloom_capacity);
            return Err(Error::new(ErrorKind::Invalid, "limits", message));
        }
        if self.stale_after.is_zero() {
            let message = "workers are stale after 0 seconds: give more than the time between two reports";
            return Err(Error::new(ErrorKind::Invalid, "limits", message));
        }
        let most = Self::MOST_STALE_AFTER;
        if self.stale_after > most {
            let (seconds, most) = (self.stale_after.as_secs(), most.as_secs());
            let message = format!(
                "workers are stale after {seconds} seconds, but are forgotten after {most}: give at most {most} seconds"
            );
            return Err(Error::new(ErrorKind::Invalid, "limits", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_limits_are_refused_by_name() {
        let limits = Limits { emails_per_call: 0, ..Limits::default() };
        assert!(limits.validate().unwrap_err().to_string().contains("e-mails per call is 0"));
        assert!(Limits::default().validate().is_ok());
    }

    #[test]
    fn what_cannot_be_kept_to_is_refused() {
        for bloom_capacity in [0, Limits::MOST_BLOOM_CAPACITY + 1] {
            let error = Limits { bloom_capacity, ..Limits::default() }.validate().unwrap_err().to_string();
            assert!(error.contains(&format!("the Bloom capacity is {bloom_capacity}")), "{error}");
        }
        let stale_after = |stale_after| Limits { stale_after, ..Limits::default() }.validate();
        assert!(stale_after(Duration::ZERO).is_err());
        assert!(stale_after(Limits::MOST_STALE_AFTER).is_ok());
        let error = stale_after(Duration::from_secs(7_200)).unwrap_err().to_string();
        assert!(error.contains("stale after 7200 seconds"), "{error}");
    }
}
