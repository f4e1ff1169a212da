//! What an engine is told by whoever starts it: its name, its bounds and its times.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::fetch::Budget;
use crate::job::{JobId, MOST_SECONDS};
use crate::lease::NodeId;
use crate::limits::Limits;
use crate::queue::QueueLimits;
use crate::retry::Backoff;
use crate::suppression::Suppression;

/// The longest that a lease may hold: whoever dies keeps its tasks from others for as long.
const LONGEST_LEASE: Duration = Duration::from_secs(24 * 3_600);

/// Which jobs an engine works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobFilter {
    /// Every queued or running job of the store. When the engine drains, they stay as they are for other engines.
    All,
    /// This one. When the engine drains, the job is paused.
    Only(JobId),
}

/// How an engine works. [`Default`] is right for a process of its own.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The name of this process among those that share the queue.
    pub node: NodeId,
    /// Which jobs to work on.
    pub jobs: JobFilter,
    /// The constants of planning. An engine reads the most workers, the workers for 1,000 e-mails and the size of the Bloom
    /// filter; what else they say is for whoever plans, and each job has its own in its [`JobOptions`](crate::job::JobOptions).
    pub limits: Limits,
    /// When the queue doubts a task; the same as the queue was opened with.
    pub queue_limits: QueueLimits,
    /// How long a lease holds. At most a day.
    pub lease_for: Duration,
    /// How often leases are renewed. A third of `lease_for` or less.
    pub heartbeat: Duration,
    /// How often the store hears what the workers do, whatever their leases, and how long jobs have been at work. Of workers it
    /// hears at once when work begins or ends.
    pub report_every: Duration,
    /// How long before its end a lease is no longer trusted, so that work stops before others may begin it. With `heartbeat`
    /// less than `lease_for`: a lease is renewed while it is trusted.
    pub lease_margin: Duration,
    /// How often expired leases are looked for.
    pub sweep_every: Duration,
    /// How often the queue and the list of jobs are asked when no hint comes.
    pub poll_every: Duration,
    /// How often progress is sampled.
    pub progress_every: Duration,
    /// The most fetches in flight in this process; fewer while memory, processors or disk are short. At most
    /// [`MOST_IN_FLIGHT`](Self::MOST_IN_FLIGHT).
    pub max_in_flight: usize,
    /// The most memory that this process is to use, in bytes, beside the limit of its container or machine.
    pub memory_limit: Option<u64>,
    /// No task is begun while fewer bytes than this can be written where the store keeps its data; once that is so, until
    /// there are twice as many.
    pub min_free_disk: u64,
    /// A host with this many tasks here, running or waiting, is claimed no more for now; one claim brings at most as
    /// many of one host and job. Where there are many hosts for few places, each gets no more than twice its share; files and
    /// calls of searches are no host's, and one claim may bring half of the places of them, but no more than this, nor
    /// than a thousand. Where one host is all that the only job has, and there are no more places than this, it may also
    /// have what waits for a place, and one claim may bring that. A job that asks its hosts less often than others counts
    /// by itself, and not in this ([`Fetcher::per_host_for`](crate::fetch::Fetcher::per_host_for)).
    pub per_host: usize,
    /// Who is not collected, whatever the job. Every process that works on it needs the list.
    pub suppression: Suppression,
    /// The bounds of one fetch.
    pub budget: Budget,
    /// The wait before a failed task is tried again: a day at most, on SQLite two hours after a restart.
    pub backoff: Backoff,
    /// When the committer writes.
    pub watermarks: Watermarks,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            node: NodeId::random(),
            jobs: JobFilter::All,
            limits: Limits::default(),
            queue_limits: QueueLimits::default(),
            lease_for: Duration::from_secs(90),
            heartbeat: Duration::from_secs(30),
            report_every: Duration::from_secs(3),
            lease_margin: Duration::from_secs(10),
            sweep_every: Duration::from_secs(5),
            poll_every: Duration::from_millis(250),
            progress_every: Duration::from_millis(250),
            max_in_flight: 2_048,
            memory_limit: None,
            min_free_disk: 256 << 20,
            per_host: 64,
            suppression: Suppression::default(),
            budget: Budget::default(),
            backoff: Backoff::default(),
            watermarks: Watermarks::default(),
        }
    }
}

/// When the committer writes what it has gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// As soon as this many outcomes wait. From 1 to [`MOST`](Self::MOST).
    pub outcomes: usize,
    /// As soon as this many sightings and discovered tasks wait. Twice as many is the most that may wait before workers do,
    /// and no outcome holds more. From 1 to [`MOST`](Self::MOST).
    pub sightings: usize,
    /// As soon as the first of them has waited this long. Outcomes wait only while their jobs have claimed tasks that wait for
    /// a place, or while more fetches run than there are outcomes, so a task on which everything waits is not held up; and where a
    /// job has nothing that waits for a place and one of them leads to more, a quarter as long.
    pub linger: Duration,
}

impl Default for Watermarks {
    fn default() -> Self {
        Self { outcomes: 512, sightings: 10_000, linger: Duration::from_millis(50) }
    }
}

impl EngineOptions {
    /// The most that [`max_in_flight`](Self::max_in_flight) may be.
    pub const MOST_IN_FLIGHT: usize = 1_000_000;

    /// Checks that an engine can keep to these options: that every period is more than 0 and no longer than
    /// [`MOST_SECONDS`], that every count is at least 1, that leases are renewed while they are trusted, and what else the
    /// fields say.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], naming the field.
    pub fn validate(&self) -> Result<()> {
        self.limits.validate()?;
        for (name, period) in [
            ("heartbeat", self.heartbeat),
            ("report_every", self.report_every),
            ("sweep_every", self.sweep_every),
            ("poll_every", self.poll_every),
            ("progress_every", self.progress_every),
        ] {
            is_time(name, period)?;
        }
        is_time("budget.time", self.budget.time)?;
        for (name, count, most) in [
            ("max_in_flight", self.max_in_flight, Self::MOST_IN_FLIGHT),
            ("per_host", self.per_host, usize::MAX),
            ("watermarks.outcomes", self.watermarks.outcomes, Watermarks::MOST),
            ("watermarks.sightings", self.watermarks.sightings, Watermarks::MOST),
            ("budget.body", self.budget.body, Budget::MOST_BODY),
        ] {
            if !(1..=most).contains(&count) {
                return Err(invalid(format!("`{name}` is {count}: give a number from 1 to {most}")));
            }
        }
        if self.lease_for > LONGEST_LEASE {
            return Err(invalid(format!("`lease_for` is longer than a day: {:?}", self.lease_for)));
        }
        if self.heartbeat.saturating_add(self.lease_margin) >= self.lease_for {
            return Err(invalid(format!(
                "a lease of {:?} ends before it is renewed: make `heartbeat` ({:?}) and `lease_margin` ({:?}) shorter",
                self.lease_for, self.heartbeat, self.lease_margin
            )));
        }
        if self.heartbeat.saturating_mul(3) > self.lease_for {
            return Err(invalid(format!(
                "`heartbeat` is {:?}: give a third of `lease_for` ({:?}) or less",
                self.heartbeat, self.lease_for
            )));
        }
        if self.watermarks.linger >= self.lease_for {
            return Err(invalid(format!(
                "`watermarks.linger` is {:?}: give less than a lease",
                self.watermarks.linger
            )));
        }
        Ok(())
    }
}

/// Whether it is a time that can be waited for, and is worth it.
fn is_time(name: &str, time: Duration) -> Result<()> {
    if time.is_zero() {
        return Err(invalid(format!("`{name}` is 0: give a time")));
    }
    if time > Duration::from_secs(MOST_SECONDS) {
        return Err(invalid(format!("`{name}` is {time:?}: give at most {MOST_SECONDS} s")));
    }
    Ok(())
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, "engine options", message)
}

impl Watermarks {
    /// The most outcomes, and the most sightings, that may wait.
    pub const MOST: usize = 1_000_000;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::backend::memory::{MemoryQueue, MemoryStore};
    use crate::engine::Engine;
    use crate::fetch::{FetchContext, FetchError, Fetched, Fetcher};
    use crate::pipeline::Backends;
    use crate::task::Task;

    #[derive(Debug)]
    struct Nothing;

    impl Fetcher for Nothing {
        async fn fetch(&self, _: &Task, _: &FetchContext<'_>) -> std::result::Result<Fetched, FetchError> {
            Ok(Fetched::default())
        }
    }

    type Change = fn(&mut EngineOptions);

    /// Options that cannot be kept to, each with what names it.
    const UNKEEPABLE: [(&str, Change); 18] = [
        ("`sweep_every`", |options| options.sweep_every = Duration::MAX),
        ("`budget.time`", |options| options.budget.time = Duration::ZERO),
        ("`budget.time`", |options| options.budget.time = Duration::MAX),
        ("`budget.body`", |options| options.budget.body = 0),
        ("`budget.body`", |options| options.budget.body = usize::MAX),
        ("`poll_every`", |options| options.poll_every = Duration::ZERO),
        ("`progress_every`", |options| options.progress_every = Duration::ZERO),
        ("`sweep_every`", |options| options.sweep_every = Duration::ZERO),
        ("`report_every`", |options| options.report_every = Duration::ZERO),
        ("`heartbeat`", |options| options.heartbeat = Duration::ZERO),
        ("`heartbeat` is 31s", |options| options.heartbeat = Duration::from_secs(31)),
        ("`max_in_flight`", |options| options.max_in_flight = usize::MAX),
        ("`watermarks.outcomes`", |options| options.watermarks.outcomes = 0),
        ("`watermarks.sightings`", |options| options.watermarks.sightings = usize::MAX),
        ("`per_host`", |options| options.per_host = 0),
        ("`lease_for`", |options| options.lease_for = Duration::MAX),
        ("ends before it is renewed", |options| options.lease_for = Duration::from_secs(12)),
        ("max workers", |options| options.limits.max_workers = 0),
    ];

    #[tokio::test]
    async fn options_that_cannot_be_kept_to_are_told_by_name_and_stop_the_engine() {
        assert!(EngineOptions::default().validate().is_ok());
        for (name, change) in UNKEEPABLE {
            let mut options = EngineOptions::default();
            change(&mut options);
            let queue = MemoryQueue::new(QueueLimits::default());
            let pipeline = Backends { queue, store: MemoryStore::new(), fetcher: Nothing };
            let engine = Engine::start(Arc::new(pipeline), options);
            let (failed, finished) = (engine.failed().await, engine.finished(JobId(1)).await.unwrap_err());
            for error in [failed, finished, engine.drain().await.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
                assert!(error.to_string().contains(name), "{name}: {error}");
                assert!(std::error::Error::source(&error).is_none(), "said once: {error:?}");
            }
        }
    }
}
