//! The engine: drives a pipeline until its jobs are finished.
//!
//! One engine runs in one process. Its parts are tasks of the tokio runtime that share [`shared::Shared`]:
//!
//! ```text
//! supervisor: adopts jobs, samples progress, sweeps, ends jobs
//! heartbeat:  renews leases, says what the workers do, stops what it can no longer vouch for
//! dispatcher: claims tasks --> bounded channel --> workers: fetch, extract --> bounded channel --> committer
//! ```
//!
//! What is absent: the engine keeps no task and no address that the queue or the store does not have, so a process
//! may be killed at any instant. It opens no socket and no file; fetchers and backends do.

mod committer;
mod dispatcher;
mod heartbeat;
mod job_run;
mod leases;
mod lifecycle;
mod progress;
mod share;
mod shared;
mod supervisor;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::fetch::Budget;
use crate::job::JobId;
use crate::lease::NodeId;
use crate::limits::Limits;
use crate::pipeline::Pipeline;
use crate::queue::QueueLimits;
use crate::retry::Backoff;
use shared::Shared;

pub use progress::Progress;

/// Which jobs an engine works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The constants of planning.
    pub limits: Limits,
    /// When the queue doubts a task; the same as the queue was opened with.
    pub queue_limits: QueueLimits,
    /// How long a lease holds.
    pub lease_for: Duration,
    /// How often leases are renewed and workers reported. A third of `lease_for` or less.
    pub heartbeat: Duration,
    /// How long before its end a lease is no longer trusted, so that work stops before others may begin it.
    pub lease_margin: Duration,
    /// How often expired leases are looked for.
    pub sweep_every: Duration,
    /// How often the queue and the list of jobs are asked when no hint comes.
    pub poll_every: Duration,
    /// How often progress is sampled.
    pub progress_every: Duration,
    /// The most fetches in flight in this process.
    pub max_in_flight: usize,
    /// The most tasks of one host and job that this process holds at a time, running and waiting.
    pub per_host: usize,
    /// The bounds of one fetch.
    pub budget: Budget,
    /// The wait before a failed task is tried again.
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
            lease_margin: Duration::from_secs(10),
            sweep_every: Duration::from_secs(5),
            poll_every: Duration::from_millis(250),
            progress_every: Duration::from_millis(250),
            max_in_flight: 2_048,
            per_host: 64,
            budget: Budget::default(),
            backoff: Backoff::default(),
            watermarks: Watermarks::default(),
        }
    }
}

/// When the committer writes what it has gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// As soon as this many outcomes wait.
    pub outcomes: usize,
    /// As soon as this many sightings wait. Twice as many is the most that may wait before workers do.
    pub sightings: usize,
    /// As soon as the first of them has waited this long.
    pub linger: Duration,
}

impl Default for Watermarks {
    fn default() -> Self {
        Self { outcomes: 512, sightings: 10_000, linger: Duration::from_millis(10) }
    }
}

/// A running engine. Dropping the handle aborts it.
#[derive(Debug)]
pub struct Engine<P: Pipeline> {
    shared: Arc<Shared<P>>,
    tasks: JoinSet<()>,
}

impl<P: Pipeline> Engine<P> {
    /// Starts the engine on the current tokio runtime.
    pub fn start(pipeline: Arc<P>, options: EngineOptions) -> Self {
        let (outcomes, finished) = committer::channel(&options);
        let shared = Arc::new(Shared::new(pipeline, options));
        let mut tasks = JoinSet::new();
        tasks.spawn(dispatcher::run(shared.clone(), outcomes));
        tasks.spawn(heartbeat::run(shared.clone()));
        tasks.spawn(committer::run(shared.clone(), finished));
        tasks.spawn(supervisor::run(shared.clone()));
        Self { shared, tasks }
    }

    /// The progress of a job, updated about as often as [`EngineOptions::progress_every`] says and once more at its
    /// end. Before the engine has taken the job up, the progress is that of an idle job.
    pub fn watch(&self, job: JobId) -> watch::Receiver<Progress> {
        self.shared.progress.subscribe(job)
    }

    /// Waits until the job is completed, failed, cancelled or paused, and answers its last progress.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// The error that stopped the whole engine, such as a damaged database.
    pub async fn finished(&self, job: JobId) -> Result<Progress> {
        loop {
            let mut progress = self.watch(job);
            tokio::select! {
                biased;
                () = self.shared.fatal.cancelled() => return Err(self.shared.fatal_error()),
                stopped = progress.wait_for(|progress| progress.stopped) => {
                    // An error only means that the engine forgot the job between two looks.
                    if let Ok(last) = stopped {
                        return Ok(last.clone());
                    }
                }
            }
        }
    }

    /// Stops well: claims nothing more, lets fetches in flight end, commits them, gives the rest back.
    ///
    /// Cancel-safe: a dropped drain goes on, and [`abort`](Self::abort) or another drain may follow.
    ///
    /// # Errors
    /// The error that stopped the whole engine earlier.
    pub async fn drain(&mut self) -> Result<()> {
        self.shared.drain.cancel();
        self.join().await
    }

    /// Stops at once: drops fetches in flight, gives their tasks back, commits what was fetched.
    ///
    /// # Errors
    /// The error that stopped the whole engine earlier.
    pub async fn abort(&mut self) -> Result<()> {
        self.shared.drain.cancel();
        self.shared.abort.cancel();
        self.join().await
    }

    async fn join(&mut self) -> Result<()> {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(panic) = ended {
                self.shared.fail(
                    Error::new(crate::ErrorKind::Internal, "engine", "a part of the engine panicked")
                        .with_source(panic),
                );
            }
        }
        if self.shared.fatal.is_cancelled() { Err(self.shared.fatal_error()) } else { Ok(()) }
    }
}

impl<P: Pipeline> Drop for Engine<P> {
    fn drop(&mut self) {
        self.shared.drain.cancel();
        self.shared.abort.cancel();
    }
}
