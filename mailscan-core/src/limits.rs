//! The contract's constants, all of which a user may set.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// The constants of planning. [`Default`] is the contract's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most workers of a job. From 1.
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
    /// How many addresses the Bloom filter is sized for at first; it grows.
    pub bloom_capacity: usize,
    /// After how long without a heartbeat a worker counts as stale.
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
    /// Checks that every count is at least 1.
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
}
