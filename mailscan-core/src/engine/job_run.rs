//! A job that this engine works on: its limits, its counters, and whether it is to stop.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::EngineOptions;
use super::bound::Bound;
use super::lanes::{Choice, Lanes};
use super::met_links::MetLinks;
use super::progress::Progress;
use super::stored_lately::StoredLately;
use super::work_time::WorkTime;
use crate::dedup::BloomFront;
use crate::eta::{Eta, RateWindow};
use crate::forecast::{Forecast, Yield};
use crate::job::{Job, JobId, JobSource, JobState, JobStatus};
use crate::limits::Limits;
use crate::plan::WorkerPlan;
use crate::task::{Depth, ListPosition, Work};

/// The current rate is that of the last half minute.
const RATE_WINDOW: Duration = Duration::from_secs(30);
/// Tasks that were discovered within this time promise more.
const GROWTH_WINDOW: Duration = Duration::from_secs(5);
/// The false positives that the Bloom front is sized for.
const FALSE_POSITIVES: f64 = 0.01;
/// The most addresses that it is sized for at first.
const MOST: usize = Limits::MOST_BLOOM_CAPACITY;

/// Why a job stops here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    /// The state it is, or is to be, in.
    pub(super) status: JobStatus,
    /// What to tell people.
    pub(super) reason: Option<String>,
    /// Whether the store still has to be told.
    pub(super) tell_store: bool,
}

/// A job that this engine works on.
#[derive(Debug)]
pub(super) struct JobRun {
    pub(super) job: Job,
    /// The epoch of the store whose answers are remembered here.
    pub(super) epoch: u64,
    pub(super) plan: WorkerPlan,
    /// The most fetches at once: planned workers times their connections.
    pub(super) limit: usize,
    /// Handed to workers and not ended.
    pub(super) running: AtomicUsize,
    lanes: Mutex<Lanes>,
    /// Claimed and waiting in the dispatcher for a place.
    pub(super) ready: AtomicUsize,
    /// Whether the last claim found nothing.
    pub(super) dry: AtomicBool,
    /// What the store said last, and what this engine has added since it took the job up. Either may lag behind the
    /// store; neither is ever ahead of it, so the larger one is a safe count.
    stored: AtomicU64,
    added: AtomicU64,
    /// Tasks that were left out because the job has as many as it may have.
    pub(super) over_limit: AtomicU64,
    /// How many pages were read whose links lead further than the job goes.
    pub(super) at_depth: AtomicU64,
    /// The most pages of a search that its endpoint is asked for, where one has more; else 0.
    pub(super) most_pages: AtomicU32,
    pub(super) mentions: AtomicU64,
    pub(super) errors: AtomicU64,
    /// Links that are tasks already.
    pub(super) met_links: MetLinks,
    filter: Mutex<BloomFront>,
    stored_lately: Mutex<StoredLately>,
    /// The sightings that were dropped since the last batch was accounted for, as their addresses were known to be stored.
    pub(super) dropped: AtomicUsize,
    /// Whether so many addresses come again that new ones are worth to be remembered, too.
    pub(super) remember_new: AtomicBool,
    /// Whether most of what came last was new, so that the filter need not be asked.
    pub(super) mostly_new: AtomicBool,
    bloom_capacity: usize,
    work_time: Mutex<WorkTime>,
    /// How much of the time at work was over at the last resume that was heard of.
    before: Mutex<Duration>,
    window: Mutex<RateWindow>,
    depth: Mutex<Depth>,
    lists: Mutex<Vec<ListPosition>>,
    growth: Mutex<Growth>,
    bound: Mutex<Bound>,
    stop: Mutex<Option<Stop>>,
    /// Cancelled when nothing more is to be begun: the job stops, or the engine drains.
    pub(super) recall: CancellationToken,
}

/// How the job stood when its number of tasks last changed.
#[derive(Clone, Copy, Debug)]
struct Growth {
    tasks: u64,
    at: Instant,
    finished: u64,
    collected: u64,
}

impl Growth {
    /// Before any task is known.
    fn new(now: Instant) -> Self {
        Self { tasks: 0, at: now, finished: 0, collected: 0 }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl JobRun {
    /// How many places it could use: what its plan gives, but after a claim that found nothing no more than it holds.
    pub(super) fn could_use(&self) -> usize {
        if self.dry.load(Ordering::Relaxed) { self.limit.min(self.holds()) } else { self.limit }
    }

    /// Whether it holds nothing and the last claim found nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.could_use() == 0
    }

    /// How many of its tasks are at work or wait for a place.
    pub(super) fn holds(&self) -> usize {
        self.running.load(Ordering::Relaxed) + self.ready.load(Ordering::Relaxed)
    }

    /// A job, as the store of this epoch has it, to work on until it stops or the engine drains.
    pub(super) fn new(job: Job, epoch: u64, options: &EngineOptions, drain: &CancellationToken) -> Self {
        let limits = &options.limits;
        let plan = WorkerPlan::asked(job.spec.target, job.spec.options.workers, limits);
        let limit = plan.workers as usize * job.spec.options.connections_per_worker as usize;
        let stored = AtomicU64::new(job.collected);
        let mut window = RateWindow::new(RATE_WINDOW);
        window.push(job.active, job.collected);
        Self {
            epoch,
            plan,
            limit: limit.max(1),
            running: AtomicUsize::new(0),
            lanes: Mutex::new(Lanes::new(plan.workers)),
            ready: AtomicUsize::new(0),
            dry: AtomicBool::new(false),
            stored,
            added: AtomicU64::new(0),
            over_limit: AtomicU64::new(0),
            at_depth: AtomicU64::new(0),
            most_pages: AtomicU32::new(0),
            mentions: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            met_links: MetLinks::new(),
            filter: Mutex::new(BloomFront::new(limits.bloom_capacity, FALSE_POSITIVES)),
            stored_lately: Mutex::default(),
            dropped: AtomicUsize::new(0),
            remember_new: AtomicBool::new(false),
            mostly_new: AtomicBool::new(false),
            bloom_capacity: limits.bloom_capacity.clamp(1, MOST),
            work_time: Mutex::new(WorkTime::new(job.active, options.progress_every)),
            before: Mutex::new(job.active_before),
            window: Mutex::new(window),
            depth: Mutex::default(),
            lists: Mutex::default(),
            growth: Mutex::new(Growth::new(Instant::now())),
            bound: Mutex::default(),
            stop: Mutex::default(),
            recall: drain.child_token(),
            job,
        }
    }

    pub(super) fn id(&self) -> JobId {
        self.job.id
    }

    /// Notes that a task goes to a worker; answers the lane that it takes until it [ends](Self::end).
    pub(super) fn begin(&self, work: &Work) -> u32 {
        self.running.fetch_add(1, Ordering::Relaxed);
        let choice = if matches!(work, Work::Search { .. }) { Choice::Longest } else { Choice::Warmest };
        locked(&self.lanes).take(choice)
    }

    /// Notes that a task has ended.
    pub(super) fn end(&self, lane: u32) {
        locked(&self.lanes).give_back(lane);
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    /// Different addresses stored, never more than there are.
    pub(super) fn collected(&self) -> u64 {
        let own = self.job.collected + self.added.load(Ordering::Relaxed);
        own.max(self.stored.load(Ordering::Relaxed))
    }

    /// Notes what this engine has added; answers the count.
    pub(super) fn add(&self, new: u64) -> u64 {
        self.added.fetch_add(new, Ordering::Relaxed);
        self.collected()
    }

    /// Notes what the store says; answers the count.
    pub(super) fn heard(&self, collected: u64) -> u64 {
        self.stored.fetch_max(collected, Ordering::Relaxed);
        self.collected()
    }

    /// The filter of addresses that are stored. Locked briefly, never across an await.
    pub(super) fn filter(&self) -> MutexGuard<'_, BloomFront> {
        locked(&self.filter)
    }

    /// Addresses that the store has confirmed lately. Locked briefly, never across an await.
    pub(super) fn stored_lately(&self) -> MutexGuard<'_, StoredLately> {
        locked(&self.stored_lately)
    }

    /// An empty filter for more addresses than there are.
    pub(super) fn empty_filter(&self) -> BloomFront {
        let filter = self.filter();
        if filter.is_full() {
            return filter.grown();
        }
        let collected = usize::try_from(self.collected()).unwrap_or(usize::MAX).min(MOST);
        let first = BloomFront::new(collected.max(self.bloom_capacity), FALSE_POSITIVES);
        if collected < self.bloom_capacity { first } else { first.grown() }
    }

    /// Time at work in all: without pauses, and without the time in which nothing could be stored or this process stood still.
    pub(super) fn active(&self) -> Duration {
        locked(&self.work_time).active()
    }

    /// Looks whether work can be done from now on.
    pub(super) fn look(&self, can_work: bool) {
        locked(&self.work_time).look(can_work);
    }

    /// Time at work since the job was last resumed, in whichever process.
    pub(super) fn active_since(&self) -> Duration {
        self.active().saturating_sub(*locked(&self.before))
    }

    /// Notes what the store says of the last resume. One that was not heard of until now came after a pause that passed here as
    /// time at work, so the store knows that better as well.
    pub(super) fn heard_of_resume(&self, state: &JobState) {
        let mut before = locked(&self.before);
        if *before != state.active_before {
            *before = state.active_before;
            locked(&self.work_time).set(state.active);
        }
    }

    /// Asks the job to stop; the first reason stands. Answers whether this was the first.
    pub(super) fn stop(&self, stop: Stop) -> bool {
        let mut current = locked(&self.stop);
        let first = current.is_none();
        current.get_or_insert(stop);
        self.recall.cancel();
        first
    }

    /// What it stopped for has come to another end.
    pub(super) fn ends_as(&self, stop: Stop) {
        *locked(&self.stop) = Some(stop);
    }

    pub(super) fn stopping(&self) -> Option<Stop> {
        locked(&self.stop).clone()
    }

    pub(super) fn is_stopping(&self) -> bool {
        locked(&self.stop).is_some()
    }

    /// Notes that the store knows of the stop.
    pub(super) fn store_was_told(&self) {
        if let Some(stop) = locked(&self.stop).as_mut() {
            stop.tell_store = false;
        }
    }

    pub(super) fn set_depth(&self, depth: Depth) {
        *locked(&self.depth) = depth;
        let mut growth = locked(&self.growth);
        if growth.tasks != depth.total() {
            let finished = depth.done + depth.lost();
            *growth = Growth { tasks: depth.total(), at: Instant::now(), finished, collected: self.collected() };
        }
    }

    /// Whether the job has lists to read.
    pub(super) fn has_lists(&self) -> bool {
        self.job.spec.sources.iter().any(|source| matches!(source, JobSource::UrlList(_)))
    }

    pub(super) fn set_lists(&self, lists: Vec<ListPosition>) {
        *locked(&self.lists) = lists;
    }

    /// What bounds the job here.
    pub(super) fn bound(&self) -> Bound {
        locked(&self.bound).clone()
    }

    /// Notes what bounds the job here; answers whether it is of another kind than before.
    pub(super) fn set_bound(&self, bound: Bound) -> bool {
        let mut current = locked(&self.bound);
        let other = std::mem::discriminant(&*current) != std::mem::discriminant(&bound);
        *current = bound;
        other
    }

    /// Tasks that could be claimed, as far as is known.
    pub(super) fn pending(&self) -> u64 {
        locked(&self.depth).pending
    }

    /// What tasks brought since the last was discovered; `None` while some still are.
    fn yield_lately(&self, collected: u64, depth: &Depth) -> Option<Yield> {
        let growth = *locked(&self.growth);
        let tasks = (depth.done + depth.lost()).saturating_sub(growth.finished);
        let addresses = collected.saturating_sub(growth.collected);
        (growth.at.elapsed() >= GROWTH_WINDOW).then_some(Yield { tasks, addresses })
    }

    /// Notes a sample for the rate and tells how the job stands.
    pub(super) fn progress(&self, trouble: Option<String>, stopped: bool) -> Progress {
        let collected = self.collected();
        let (active, target, depth) = (self.active(), self.job.spec.target, *locked(&self.depth));
        let in_flight = self.running.load(Ordering::Relaxed);
        let busy = locked(&self.lanes).busy();
        let workers_active = u32::try_from(busy).unwrap_or(u32::MAX).min(self.plan.workers);
        let stop = self.stopping();
        let status = stop.as_ref().map_or(JobStatus::Running, |stop| stop.status);
        let eta = {
            let mut window = locked(&self.window);
            window.push(active, collected);
            Eta::new(collected, target, active, &window).in_state(status)
        };
        Progress {
            job: self.id(),
            status,
            // As long as it has not ended, what it waits for matters more than why it is to end.
            reason: trouble.or_else(|| stop.and_then(|stop| stop.reason)),
            collected,
            target,
            workers: self.plan.workers,
            workers_active,
            workers_idle: if status == JobStatus::Running { self.plan.workers - workers_active } else { 0 },
            in_flight,
            bound: self.bound(),
            depth,
            lists: locked(&self.lists).clone(),
            mentions: self.mentions.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            eta,
            forecast: Forecast::new(collected, target, &depth, self.yield_lately(collected, &depth)),
            stopped,
        }
    }
}
