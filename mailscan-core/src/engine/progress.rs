//! What a person or a program sees of a job while it runs, and who is watching.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
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
    pub(super) fn subscribe(&self, job: JobId) -> watch::Receiver<Progress> {
        let mut senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        senders.entry(job).or_insert_with(|| watch::Sender::new(Progress::idle(job))).subscribe()
    }

    pub(super) fn publish(&self, progress: Progress) {
        let mut senders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (job, stopped) = (progress.job, progress.stopped);
        let sender = senders.entry(job).or_insert_with(|| watch::Sender::new(Progress::idle(job)));
        sender.send_replace(progress);
        if stopped && sender.receiver_count() == 0 {
            senders.remove(&job);
        }
    }
}
