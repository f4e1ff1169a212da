//! What the parts of an engine share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::EngineOptions;
use super::calls::Calls;
use super::intake::Intake;
use super::job_run::JobRun;
use super::leases::Leases;
use super::progress::Watchers;
use super::share::{Claimant, fair_shares};
use super::throttle::Throttle;
use super::vitals::Counters;
use super::worker::WorkerTable;
use crate::error::Error;
use crate::job::JobId;
use crate::pipeline::Pipeline;

/// The state that the parts of one engine share. Every lock is held briefly and never across an await.
#[derive(Debug)]
pub(super) struct Shared<P> {
    pub(super) pipeline: Arc<P>,
    pub(super) options: EngineOptions,
    pub(super) leases: Leases,
    pub(super) progress: Watchers,
    pub(super) workers: WorkerTable,
    pub(super) throttle: Throttle,
    pub(super) counters: Counters,
    /// Fetches in flight, over all jobs.
    pub(super) running: AtomicUsize,
    /// When the engine began.
    began: Instant,
    /// Fetches that workers are at.
    at_work: AtomicUsize,
    /// The first of them has begun, or the last has ended.
    pub(super) work_changed: Notify,
    /// Room for sightings and discovered tasks between workers and committer: two batches.
    pub(super) room: Arc<Semaphore>,
    pub(super) wake_dispatcher: Notify,
    pub(super) wake_supervisor: Notify,
    /// Somebody has changed a job in this process.
    pub(super) jobs_changed: Notify,
    /// Jobs are bounded by something else than before, or one of them was taken up or has ended here.
    pub(super) bounds_changed: Notify,
    /// No more claims.
    pub(super) drain: CancellationToken,
    /// No more fetching either.
    pub(super) abort: CancellationToken,
    /// Nothing more is written.
    pub(super) give_up: CancellationToken,
    /// No more waiting for anybody.
    pub(super) over: CancellationToken,
    /// All parts have ended.
    pub(super) ended: CancellationToken,
    pub(super) calls: Calls,
    /// Everything that was fetched is committed.
    pub(super) committed: CancellationToken,
    /// The engine cannot go on.
    pub(super) fatal: CancellationToken,
    fatal_error: Mutex<Option<Arc<Error>>>,
    /// What holds all jobs up at the moment, such as a full disk.
    trouble: Mutex<Option<String>>,
    /// Why what the workers do does not reach the store, although nothing else may be there to be written.
    unheard: Mutex<Option<String>>,
    /// Jobs that wait to be among them.
    pub(super) intake: Intake,
    runs: Mutex<BTreeMap<JobId, Arc<JobRun>>>,
    /// Jobs whose specification could not be read: what it says never changes.
    unreadable: Mutex<BTreeSet<JobId>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many places, shared between jobs by their weights, of which each can use no more than its `cap`.
fn shared_out(places: usize, runs: Vec<Arc<JobRun>>, cap: fn(&JobRun) -> usize) -> Vec<(Arc<JobRun>, usize)> {
    let claimant = |run: &Arc<JobRun>| Claimant { weight: run.job.spec.options.weight, cap: cap(run) };
    let shares = fair_shares(places, &runs.iter().map(claimant).collect::<Vec<_>>());
    runs.into_iter().zip(shares).collect()
}

fn room_total(options: &EngineOptions) -> usize {
    options.watermarks.sightings.clamp(1, Semaphore::MAX_PERMITS / 4) * 2
}

impl<P: Pipeline> Shared<P> {
    pub(super) fn new(pipeline: Arc<P>, options: EngineOptions) -> Self {
        let room = Arc::new(Semaphore::new(room_total(&options)));
        Self {
            room,
            pipeline,
            leases: Leases::default(),
            progress: Watchers::default(),
            workers: WorkerTable::default(),
            throttle: Throttle::new(),
            counters: Counters::default(),
            running: AtomicUsize::new(0),
            began: Instant::now(),
            at_work: AtomicUsize::new(0),
            work_changed: Notify::new(),
            wake_dispatcher: Notify::new(),
            wake_supervisor: Notify::new(),
            jobs_changed: Notify::new(),
            bounds_changed: Notify::new(),
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
            give_up: CancellationToken::new(),
            over: CancellationToken::new(),
            ended: CancellationToken::new(),
            calls: Calls::default(),
            committed: CancellationToken::new(),
            fatal: CancellationToken::new(),
            fatal_error: Mutex::default(),
            trouble: Mutex::default(),
            unheard: Mutex::default(),
            intake: Intake::default(),
            runs: Mutex::default(),
            unreadable: Mutex::default(),
            options,
        }
    }

    /// How many sightings and discovered tasks may be between workers and committer.
    pub(super) fn room_total(&self) -> usize {
        room_total(&self.options)
    }

    /// The jobs that this engine works on, by id.
    pub(super) fn runs(&self) -> Vec<Arc<JobRun>> {
        locked(&self.runs).values().cloned().collect()
    }

    pub(super) fn run(&self, job: JobId) -> Option<Arc<JobRun>> {
        locked(&self.runs).get(&job).cloned()
    }

    pub(super) fn add_run(&self, run: Arc<JobRun>) {
        locked(&self.runs).insert(run.id(), run);
        self.bounds_changed.notify_one();
        self.wake_dispatcher.notify_one();
    }

    /// Whether this engine passes a job over because it cannot read it.
    pub(super) fn is_unreadable(&self, job: JobId) -> bool {
        locked(&self.unreadable).contains(&job)
    }

    pub(super) fn note_unreadable(&self, job: JobId) {
        locked(&self.unreadable).insert(job);
    }

    pub(super) fn remove_run(&self, job: JobId) {
        locked(&self.runs).remove(&job);
    }

    /// Forgets who watched jobs that are not worked on here.
    pub(super) fn forget_unwatched(&self) {
        let runs = locked(&self.runs);
        self.progress.forget(|job| runs.contains_key(&job));
    }

    /// A worker has begun a fetch, and says so of itself already.
    pub(super) fn work_begins(&self) {
        if self.at_work.fetch_add(1, Ordering::Relaxed) == 0 {
            self.work_changed.notify_one();
        }
    }

    /// A worker has ended a fetch.
    pub(super) fn work_ends(&self) {
        if self.at_work.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.work_changed.notify_one();
        }
    }

    /// How the places of this process are shared between the jobs at work, which come with their shares: what each may have as far
    /// as its plan goes.
    pub(super) fn shares(&self) -> Vec<(Arc<JobRun>, usize)> {
        shared_out(self.throttle.places(), self.runs_at_work(), |run| run.limit)
    }

    /// The same among those that have something to do: what the others would leave empty is shared as well. They keep what they hold.
    ///
    /// Where a place is much of a share, those that are left over go round, and with fewer places than jobs all of them do.
    pub(super) fn shares_now(&self) -> Vec<(Arc<JobRun>, usize)> {
        let (places, runs) = (self.throttle.places(), self.runs_at_work());
        if runs.len() < 2 {
            return shared_out(places, runs, |run| run.limit);
        }
        let (mut busy, idle): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| !run.is_idle());
        if !busy.is_empty() && places < busy.len() * 10 {
            let turn = self.began.elapsed().as_secs() as usize;
            // With fewer places than jobs, as many are at it in turn.
            let step = if places < busy.len() { places.max(1) } else { 1 };
            let first = turn.wrapping_mul(step) % busy.len();
            busy.rotate_left(first);
        }
        let shares = if places < busy.len() {
            busy.into_iter().enumerate().map(|(at, run)| (run, usize::from(at < places))).collect()
        } else {
            shared_out(places, busy, JobRun::could_use)
        };
        shares.into_iter().chain(idle.into_iter().map(|run| (run, 0))).collect()
    }

    fn runs_at_work(&self) -> Vec<Arc<JobRun>> {
        self.runs().into_iter().filter(|run| !run.is_stopping()).collect()
    }

    /// Stops the whole engine because of an error that repeating will not mend.
    pub(super) fn fail(&self, error: Error) {
        tracing::error!(%error, "the engine stops");
        locked(&self.fatal_error).get_or_insert(Arc::new(error));
        self.fatal.cancel();
        self.drain.cancel();
        self.leases.interrupt_all();
        self.give_up.cancel();
    }

    /// The error that stopped the engine.
    pub(super) fn fatal_error(&self) -> Error {
        match locked(&self.fatal_error).clone() {
            Some(error) => error.again(),
            None => Error::new(crate::ErrorKind::Internal, "engine", "the engine stopped without a reason"),
        }
    }

    /// What keeps the engine from writing at the moment, whether or not there is something to be written.
    pub(super) fn trouble(&self) -> Option<String> {
        self.held_up().or_else(|| locked(&self.unheard).clone())
    }

    /// What keeps something from being written at the moment, and so holds all jobs up.
    pub(super) fn held_up(&self) -> Option<String> {
        locked(&self.trouble).clone()
    }

    pub(super) fn set_trouble(&self, what: Option<String>) {
        *locked(&self.trouble) = what;
    }

    /// Notes why the store hears nothing of this process, if it does not.
    pub(super) fn set_unheard(&self, why: Option<String>) {
        *locked(&self.unheard) = why;
    }
}
