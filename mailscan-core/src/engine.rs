//! The engine: drives a pipeline until its jobs are finished.
//!
//! One engine runs in one process. Its parts are tasks of the tokio runtime that share one state:
//!
//! ```text
//! supervisor: adopts jobs, samples progress, sweeps, ends jobs
//! throttle:   says how many fetches the process can bear
//! heartbeat:  renews leases, says what the workers do, stops what it can no longer vouch for
//! dispatcher: claims tasks --> a bounded channel each --> workers: fetch, extract --> bounded channel --> committer
//! ```
//!
//! What is absent: the engine keeps no task and no address that the queue or the store does not have, so a process
//! may be killed at any instant. It opens no socket and no file; fetchers and backends do. How it ends, whatever its backend
//! does, is in `ending.rs`.

mod bound;
mod calls;
mod committer;
mod dispatcher;
mod ending;
mod heartbeat;
mod intake;
mod job_run;
mod lanes;
mod leases;
mod lifecycle;
mod met_links;
mod options;
mod pool;
mod prefetch;
mod progress;
mod session_ids;
mod share;
mod shared;
mod stored_lately;
mod supervisor;
mod throttle;
mod vitals;
mod work_time;
mod worker;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::{Error, ErrorKind, Result};
use crate::job::{JobId, JobStatus};
use crate::pipeline::Pipeline;
use crate::queue::Queue;
use crate::store::Store;
use job_run::{JobRun, Stop};
use shared::Shared;

pub use bound::Bound;
pub use options::{EngineOptions, JobFilter, Watermarks};
pub use progress::Progress;
pub use vitals::{FrontCounts, LATENCY_BOUNDS, Latencies, TaskCounts, Vitals};

/// Tells how an engine stands, and tells it that something has changed. Cheap to clone.
#[derive(Clone)]
pub struct Monitor {
    vitals: Arc<dyn Fn() -> Option<Vitals> + Send + Sync>,
    look: Arc<dyn Fn() + Send + Sync>,
}

impl Monitor {
    /// How the engine stands now; `None` once it has ended, or an error has stopped it. Takes some microseconds and waits for
    /// nothing.
    pub fn vitals(&self) -> Option<Vitals> {
        (self.vitals)()
    }

    /// Has the engine look at the jobs now, because somebody changed one, instead of at the time of its next look. Waits
    /// for nothing.
    pub fn look(&self) {
        (self.look)();
    }
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Monitor").finish_non_exhaustive()
    }
}

/// A running engine, which may be shared (`Arc<Engine<P>>`): whoever holds it may wait for jobs, and stop it.
///
/// Dropping it stops it as [`abort`](Self::abort) does, behind the back of whoever drops it: tasks go back to the queue, a job
/// that it is for alone is paused, and the process is taken off the list. That takes some seconds at most, and a runtime that
/// goes on meanwhile. Where the runtime ends first, it is a crash: nothing is lost, but leases hold until they run out, and
/// their tasks count one [crash](crate::queue::QueueLimits) each. So whoever ends the process awaits `abort` or
/// [`drain`](Self::drain) first.
#[derive(Debug)]
#[must_use = "an engine that is dropped stops"]
pub struct Engine<P: Pipeline> {
    shared: Arc<Shared<P>>,
}

impl<P: Pipeline> Engine<P> {
    /// Starts the engine on the current tokio runtime.
    ///
    /// Options that an engine cannot keep to stop it before it has begun: [`failed`](Self::failed),
    /// [`finished`](Self::finished) and [`drain`](Self::drain) answer what [`EngineOptions::validate`] says of them.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without time.
    pub fn start(pipeline: Arc<P>, options: EngineOptions) -> Self {
        if let Err(error) = options.validate() {
            let shared = Arc::new(Shared::new(pipeline, EngineOptions::default()));
            shared.fail(error);
            ending::attend(shared.clone(), JoinSet::new());
            return Self { shared };
        }
        let (outcomes, finished) = committer::channel(&options);
        let shared = Arc::new(Shared::new(pipeline, options));
        let mut parts = JoinSet::new();
        parts.spawn(guarded(shared.clone(), dispatcher::run(shared.clone(), outcomes)));
        parts.spawn(guarded(shared.clone(), heartbeat::run(shared.clone())));
        parts.spawn(guarded(shared.clone(), committer::run(shared.clone(), finished)));
        parts.spawn(guarded(shared.clone(), supervisor::run(shared.clone())));
        parts.spawn(guarded(shared.clone(), throttle::run(shared.clone())));
        ending::attend(shared.clone(), parts);
        Self { shared }
    }

    /// The progress of a job, updated about as often as [`EngineOptions::progress_every`] says and once more at its
    /// end. Before the engine has taken the job up, the progress is that of an idle job.
    pub fn watch(&self, job: JobId) -> watch::Receiver<Progress> {
        self.shared.progress.subscribe(job)
    }

    /// What tells how the engine stands, for as long as it runs; it may be asked from anywhere and keeps nothing alive.
    pub fn monitor(&self) -> Monitor {
        let (told, woken) = (Arc::downgrade(&self.shared), Arc::downgrade(&self.shared));
        Monitor {
            vitals: Arc::new(move || told.upgrade().filter(|shared| shared.is_alive()).map(|shared| shared.vitals())),
            look: Arc::new(move || {
                if let Some(shared) = woken.upgrade() {
                    shared.jobs_changed.notify_one();
                }
            }),
        }
    }

    /// Waits until the job is completed, failed, cancelled or paused, or until the engine drains and has let go of it, and answers its
    /// last progress. With [`JobFilter::All`] the job may then be queued or running still, for other engines.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such job; the error that stopped the whole engine, such as a damaged
    /// database.
    pub async fn finished(&self, job: JobId) -> Result<Progress> {
        let mut progress = self.watch(job);
        loop {
            tokio::select! {
                biased;
                () = self.shared.fatal.cancelled() => return Err(self.shared.fatal_error()),
                // An error only means that nobody will say more; the store knows.
                _ = progress.wait_for(|progress| progress.stopped) => {}
                () = tokio::time::sleep(self.shared.options.poll_every) => {}
            }
            if let Some(last) = self.ended(job).await? {
                return Ok(last);
            }
            if progress.has_changed().is_err() || progress.borrow().stopped {
                tokio::time::sleep(self.shared.options.poll_every).await;
                progress = self.watch(job);
            }
        }
    }

    /// Waits for the error that stops the whole engine, such as a damaged database; without one, for ever. Cancel-safe.
    pub async fn failed(&self) -> Error {
        self.shared.fatal.cancelled().await;
        self.shared.fatal_error()
    }

    /// The last progress of a job that this engine does not work on and that does not wait for it.
    async fn ended(&self, id: JobId) -> Result<Option<Progress>> {
        if self.shared.run(id).is_some() {
            return Ok(None);
        }
        let missing = || Error::new(ErrorKind::NotFound, "job", format!("there is no job {id}"));
        let store = self.shared.pipeline.store();
        let job = match store.job_states(&[id]).await {
            Ok(jobs) => jobs.into_iter().flatten().next().ok_or_else(missing)?,
            Err(error) if error.is_transient() => return Ok(None),
            Err(error) => return Err(error),
        };
        let shown = self.shared.progress.last(id).filter(|progress| progress.stopped);
        let goes_on = matches!(job.status, JobStatus::Queued | JobStatus::Running);
        // Another engine, or a later one, goes on with it: this one has said its last once it drains.
        if goes_on && !self.shared.drain.is_cancelled() {
            return Ok(None);
        }
        if let Some(shown) = shown.filter(|progress| goes_on || progress.status == job.status) {
            return Ok(Some(shown));
        }
        let depth = self.shared.pipeline.queue().depth(id).await.unwrap_or_default();
        let job = match store.job(id).await {
            Ok(job) => job.ok_or_else(missing)?,
            Err(error) if error.is_transient() => return Ok(None),
            Err(error) => return Err(error),
        };
        let stop = Stop { status: job.status, reason: job.reason.clone(), tell_store: false };
        let run = JobRun::new(job, self.shared.pipeline.store().epoch(), &self.shared.options, &self.shared.drain);
        run.set_depth(depth);
        run.stop(stop);
        Ok(Some(run.progress(None, true)))
    }

    /// Stops well: claims nothing more, lets fetches in flight end, commits them, gives the rest back. Where the backend
    /// cannot be written to for five seconds of it, answers nothing for so long, or leaves one call without an answer for 25, it
    /// ends as [`abort`](Self::abort) does.
    ///
    /// Cancel-safe: a dropped drain goes on, and [`abort`](Self::abort) or another drain may follow, also from elsewhere.
    ///
    /// # Errors
    /// The error that stopped the whole engine earlier.
    pub async fn drain(&self) -> Result<()> {
        self.shared.drain.cancel();
        self.shared.until_ended().await
    }

    /// Stops at once: drops fetches in flight, gives their tasks back, commits what was fetched. A backend that answers nothing
    /// for three seconds, or has not taken all of it after eight, is not waited for: what is not committed then is delivered again,
    /// and counts as a crash. A second later no other call to it is waited for either, so that this ends whatever the backend
    /// does. Calls that were given up may still take effect.
    ///
    /// Cancel-safe as [`drain`](Self::drain) is.
    ///
    /// # Errors
    /// The error that stopped the whole engine earlier.
    pub async fn abort(&self) -> Result<()> {
        self.shared.abort();
        self.shared.until_ended().await
    }
}

/// Runs a part of the engine; should it panic, the whole engine stops instead of waiting for it for ever.
async fn guarded<P: Pipeline>(shared: Arc<Shared<P>>, part: impl Future<Output = ()> + Send) {
    if AssertUnwindSafe(part).catch_unwind().await.is_err() {
        shared.fail(Error::new(ErrorKind::Internal, "engine", "a part of the engine panicked: this is a defect"));
        shared.committed.cancel();
    }
}

impl<P: Pipeline> Drop for Engine<P> {
    fn drop(&mut self) {
        self.shared.abort();
    }
}
