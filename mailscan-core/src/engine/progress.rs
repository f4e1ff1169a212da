//! What a person or a program sees of a job while it runs, and who is watching.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::bound::Bound;
use crate::eta::{Eta, RateWindow};
use crate::forecast::Forecast;
use crate::job::{JobId, JobStatus};
use crate::task::{Depth, ListPosition};

/// The state of a job at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The job.
    pub job: JobId,
    /// Its state.
    pub status: JobStatus,
    /// Why it is in this state, or what holds it up, when there is something to say.
    pub reason: Option<String>,
    /// Different addresses stored.
    pub collected: u64,
    /// Addresses wanted.
    pub target: u64,
    /// Workers planned for the job.
    pub workers: u32,
    /// Workers of this process that are busy with the job.
    pub workers_active: u32,
    /// Planned workers that have nothing to do; none once the job stops.
    pub workers_idle: u32,
    /// Fetches of the job in flight in this process.
    pub in_flight: usize,
    /// What keeps this process from having more in flight for the job.
    pub bound: Bound,
    /// Its tasks by state; `depth.done` is the number of pages, calls and files processed.
    pub depth: Depth,
    /// How far the job's lists of URLs are read; lists that are read to their end are left out.
    pub lists: Vec<ListPosition>,
    /// Mentions of addresses that were extracted by this process, repeats included.
    pub mentions: u64,
    /// Errors of workers in this process, retried ones included.
    pub errors: u64,
    /// When it will be done.
    pub eta: Eta,
    /// Whether the target can be reached with what is left.
    pub forecast: Forecast,
    /// Whether this engine has let go of the job.
    pub stopped: bool,
}

impl Progress {
    /// The progress of a job that the engine has not taken up.
    fn idle(job: JobId) -> Self {
        Self {
            job,
            status: JobStatus::Queued,
            reason: None,
            collected: 0,
            target: 0,
            workers: 0,
            workers_active: 0,
            workers_idle: 0,
            in_flight: 0,
            bound: Bound::Tasks,
            depth: Depth::default(),
            lists: Vec::new(),
            mentions: 0,
            errors: 0,
            eta: Eta::new(0, 1, Duration::ZERO, &RateWindow::new(Duration::ZERO)),
            forecast: Forecast::Unknown,
            stopped: false,
        }
    }

    /// Collected as a percentage of the target, from 0 to 100.
    pub fn percent(&self) -> f64 {
        if self.target == 0 { 0.0 } else { (self.collected as f64 * 100.0 / self.target as f64).min(100.0) }
    }
}

/// Who watches which job. Jobs that nobody watches and nobody runs are forgotten.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<HashMap<JobId, watch::Sender<Progress>>>);

impl Watchers {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, watch::Sender<Progress>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(&self, job: JobId) -> watch::Receiver<Progress> {
        self.lock().entry(job).or_insert_with(|| watch::Sender::new(Progress::idle(job))).subscribe()
    }

    /// What was published of a job last, while it is run or watched.
    pub(super) fn last(&self, job: JobId) -> Option<Progress> {
        self.lock().get(&job).map(|sender| sender.borrow().clone())
    }

    pub(super) fn publish(&self, progress: Progress) {
        let mut senders = self.lock();
        let (job, stopped) = (progress.job, progress.stopped);
        let sender = senders.entry(job).or_insert_with(|| watch::Sender::new(Progress::idle(job)));
        sender.send_replace(progress);
        if stopped && sender.receiver_count() == 0 {
            senders.remove(&job);
        }
    }

    /// Forgets jobs that nobody watches any more, unless they are run.
    pub(super) fn forget(&self, runs: impl Fn(JobId) -> bool) {
        self.lock().retain(|job, sender| sender.receiver_count() > 0 || runs(*job));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use crate::backend::memory::{MemoryQueue, MemoryStore};
    use crate::engine::{Engine, EngineOptions};
    use crate::fetch::{FetchContext, FetchError, Fetched, Fetcher};
    use crate::job::{JobId, JobSource, JobSpec, JobStatus, NewJob};
    use crate::pipeline::Backends;
    use crate::queue::QueueLimits;
    use crate::store::Store;
    use crate::task::Task;

    /// Answers nothing until it is let.
    #[derive(Debug)]
    struct Held(Semaphore);

    impl Fetcher for Held {
        async fn fetch(&self, _: &Task, _: &FetchContext<'_>) -> Result<Fetched, FetchError> {
            let _place = self.0.acquire().await;
            Ok(Fetched::default())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_that_nobody_watches_and_nobody_runs_are_forgotten() {
        let queue = MemoryQueue::new(QueueLimits::default());
        let pipeline = Arc::new(Backends { queue, store: MemoryStore::new(), fetcher: Held(Semaphore::new(0)) });
        let spec = JobSpec::new(5, vec![JobSource::Path("a".to_owned())]);
        let job = pipeline.store.create_job(&NewJob::new(spec)).await.unwrap().id();
        let engine = Engine::start(pipeline.clone(), EngineOptions::default());
        let known = || {
            let mut known: Vec<_> = engine.shared.progress.lock().keys().map(|job| job.0).collect();
            known.sort_unstable();
            known
        };
        let look = async || tokio::time::sleep(engine.shared.options.poll_every * 2).await;
        engine.watch(job).wait_for(|progress| progress.in_flight == 1).await.unwrap();
        let watched = engine.watch(JobId(700));
        (100..600).for_each(|unknown| drop(engine.watch(JobId(unknown))));
        look().await;
        assert_eq!(known(), [job.0, 700], "the one that runs and the one that is watched");
        drop(watched);
        pipeline.fetcher.0.add_permits(1);
        assert_eq!(engine.finished(job).await.unwrap().status, JobStatus::Completed);
        assert_eq!(engine.finished(job).await.unwrap().status, JobStatus::Completed, "of what the store knows");
        assert!(engine.finished(JobId(800)).await.is_err());
        look().await;
        assert_eq!(known(), [0_u64; 0]);
    }
}
