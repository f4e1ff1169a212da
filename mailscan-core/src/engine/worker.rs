//! A worker: takes the tasks that the pool sends it, fetches, extracts, and hands outcomes to the committer.
//!
//! Workers belong to the pool, not to a job. Each keeps several fetches in flight; the dispatcher decides how many run
//! in all, and which of them where. A worker holds no state that matters: whatever it has not committed is delivered again.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tracing::Instrument;

use super::committer::Finished;
use super::dispatcher::Assigned;
use super::shared::Shared;
use crate::class::LeftOut;
use crate::clock::FAR;
use crate::fetch::{
    BODIES_FULL, Document, Documents, FetchContext, FetchError, FetchErrorClass, Fetched, Fetcher, HOST_FULL, IN_PART,
    JOB_TURN, NOT_READ, Recall,
};
use crate::job::{Job, JobSpec};
use crate::lease::{Lease, Settle, Verdict};
use crate::pipeline::{Pipeline, TaskOutcome};
use crate::store::{ErrorClass, WorkerState};
use crate::task::{SEARCH_HOST, Task, Work};

mod links;
mod outcome;

use outcome::Harvest;

/// How long a fetcher may overrun its budget before it is dropped.
const GRACE: Duration = Duration::from_secs(5);

/// What every worker of the pool is doing, for heartbeats.
#[derive(Debug, Default)]
pub(super) struct WorkerTable(Mutex<Vec<Arc<Activity>>>);

/// What one worker is doing.
#[derive(Debug)]
pub(super) struct Activity {
    number: u32,
    doing: Mutex<Doing>,
}

#[derive(Debug, Default)]
struct Doing {
    in_flight: u32,
    /// The task that was begun last.
    last: Option<Arc<Task>>,
}

impl WorkerTable {
    /// Adds a worker that is idle.
    pub(super) fn add(&self) -> Arc<Activity> {
        let mut workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = u32::try_from(workers.len()).unwrap_or(u32::MAX);
        let activity = Arc::new(Activity { number, doing: Mutex::default() });
        workers.push(activity.clone());
        activity
    }

    /// What every worker is doing now.
    pub(super) fn states(&self) -> Vec<WorkerState> {
        let workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().map(|activity| activity.state()).collect()
    }

    /// How many workers there are, and how many of them have fetches in flight.
    pub(super) fn busy(&self) -> (usize, usize) {
        let workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (workers.len(), workers.iter().filter(|activity| activity.doing().in_flight > 0).count())
    }
}

impl Activity {
    fn doing(&self) -> MutexGuard<'_, Doing> {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, task: &Arc<Task>) {
        let mut doing = self.doing();
        doing.in_flight += 1;
        doing.last = Some(task.clone());
    }

    fn end(&self) {
        let mut doing = self.doing();
        doing.in_flight -= 1;
        if doing.in_flight == 0 {
            doing.last = None;
        }
    }

    fn state(&self) -> WorkerState {
        let doing = self.doing();
        let last = doing.last.as_ref();
        WorkerState {
            worker: self.number,
            in_flight: doing.in_flight,
            job: last.map(|task| task.job),
            task: last.map(|task| task.work.label()),
        }
    }
}

/// One worker of the pool.
#[derive(Debug)]
pub(super) struct Worker<P: Pipeline> {
    shared: Arc<Shared<P>>,
    activity: Arc<Activity>,
    outcomes: mpsc::Sender<Finished>,
    /// When this worker may call a search endpoint again.
    next_call: Mutex<Instant>,
}

impl<P: Pipeline> Worker<P> {
    pub(super) fn new(shared: Arc<Shared<P>>, activity: Arc<Activity>, outcomes: mpsc::Sender<Finished>) -> Self {
        Self { shared, activity, outcomes, next_call: Mutex::new(Instant::now()) }
    }

    /// Works until the channel is closed and everything in flight has ended.
    pub(super) async fn run(self, mut tasks: mpsc::Receiver<Box<Assigned>>) {
        let mut flights = FuturesUnordered::new();
        loop {
            tokio::select! {
                assigned = tasks.recv() => match assigned {
                    Some(assigned) => flights.push(self.carry_out(assigned)),
                    None => break,
                },
                Some(()) = flights.next() => {}
            }
        }
        while flights.next().await.is_some() {}
    }

    /// Carries out one task from the fetch to the committer.
    async fn carry_out(&self, assigned: Box<Assigned>) {
        let task = Arc::new(assigned.claimed.task.clone());
        self.activity.begin(&task);
        self.shared.work_begins();
        // A panic ends one delivery, not the worker.
        let worked = AssertUnwindSafe(self.work(&assigned)).catch_unwind().await;
        if worked.is_err() {
            let error = FetchError::new(FetchErrorClass::Transient, "panic", "the task panicked: this is a defect");
            self.give_up(&assigned, Box::default(), LeftOut::NONE, &error).await;
        }
        self.activity.end();
        self.shared.work_ends();
        self.shared.leases.finish(assigned.claimed.lease);
        assigned.run.end(assigned.lane);
        self.shared.running.fetch_sub(1, Ordering::Relaxed);
        self.shared.wake_dispatcher.notify_one();
    }

    async fn work(&self, assigned: &Assigned) {
        let fetched = tokio::select! {
            biased;
            () = assigned.cancel.cancelled() => None,
            fetched = self.fetch(assigned).instrument(span(assigned)) => Some(fetched),
        };
        match fetched {
            None => self.give_back(assigned).await,
            Some(Ok(fetched)) => self.harvest(assigned, fetched).await,
            Some(Err(error)) => self.give_up(assigned, Box::default(), LeftOut::NONE, &error).await,
        }
    }

    async fn fetch(&self, assigned: &Assigned) -> Result<Fetched, FetchError> {
        let Job { spec: JobSpec { options, .. }, origin, .. } = &assigned.run.job;
        let recall = Recall::on(&assigned.run.recall);
        let call_interval = self.shared.pipeline.fetcher().call_interval(options);
        recall.unless(self.turn(&assigned.claimed.task.work, call_interval)).await?;
        let context = FetchContext { options, origin, budget: self.shared.options.budget, recall };
        let budget = context.budget;
        // Boxed, since it is large and would be moved on from hand to hand.
        let fetch = Box::pin(self.shared.pipeline.fetcher().fetch(&assigned.claimed.task, &context));
        let fetched = tokio::time::timeout(budget.time.saturating_add(GRACE), fetch).await.unwrap_or_else(|_| {
            let message = format!("nothing came within {} s", budget.time.as_secs());
            Err(FetchError::new(FetchErrorClass::Transient, "task-timeout", message))
        });
        if let Err(error) = &fetched {
            tracing::Span::current().record("error.type", &*error.code).record("otel.status_code", "ERROR");
        }
        fetched
    }

    /// Waits until this worker may begin: at once, but for the calls of a search, which are an interval apart from start to
    /// start.
    async fn turn(&self, work: &Work, call_interval: Duration) -> Result<(), FetchError> {
        if !matches!(work, Work::Search { .. }) {
            return Ok(());
        }
        let turn = {
            let mut next = self.next_call.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(Instant::now());
            *next = turn + call_interval.min(FAR);
            turn
        };
        // A timer takes a millisecond even for what is due.
        if turn > Instant::now() {
            tokio::time::sleep_until(turn).await;
        }
        Ok(())
    }

    /// Extracts from what was fetched, piece by piece, and hands it on; the task is settled with the last piece.
    async fn harvest(&self, assigned: &Assigned, mut fetched: Fetched) {
        let run = &assigned.run;
        let options = &run.job.spec.options;
        let suppression = &self.shared.options.suppression;
        let mut harvest = Harvest::new(&assigned.claimed, options, &run.met_links, suppression);
        harvest.discover(&mut fetched);
        let Fetched { documents, most_pages, mut note, place: _place, discovered: _ } = fetched;
        run.most_pages.fetch_max(most_pages.unwrap_or_default(), Ordering::Relaxed);
        match documents {
            Documents::None => {}
            Documents::One(document) => harvest.read(&document),
            Documents::Stream(mut pieces) => loop {
                let piece = tokio::select! {
                    biased;
                    () = assigned.cancel.cancelled() => return self.give_back(assigned).await,
                    // Whoever stops the job does not wait for a piece; whoever drains waits for the end.
                    () = run.recall.cancelled(), if !run.recall.is_cancelled() || run.is_stopping() => {
                        if run.is_stopping() {
                            return self.give_back(assigned).await;
                        }
                        continue;
                    }
                    piece = pieces.recv() => piece,
                };
                if assigned.run.is_stopping() {
                    return self.give_back(assigned).await;
                }
                match piece {
                    None => break,
                    Some(Ok(document)) => self.read_piece(assigned, &mut harvest, &document).await,
                    Some(Err(error)) if matches!(&*error.code, NOT_READ | IN_PART) => note = Some(error),
                    Some(Err(error)) => {
                        // What came before the error counts; should the task be retried, it only comes again.
                        self.send_parts(assigned, &mut harvest).await;
                        let (rest, left_out) = harvest.rest();
                        return self.give_up(assigned, rest, left_out, &error).await;
                    }
                }
            },
        }
        self.send_parts(assigned, &mut harvest).await;
        run.at_depth.fetch_add(u64::from(harvest.is_at_depth()), Ordering::Relaxed);
        let note = note.or_else(|| harvest.note());
        let (mut rest, left_out) = harvest.rest();
        let node = &self.shared.options.node;
        rest.error = note.map(|note| outcome::record(&assigned.claimed, &note, ErrorClass::Partial, node));
        rest.recovered = (assigned.claimed.task.attempt > 1).then_some(assigned.claimed.lease);
        self.settle(assigned, rest, left_out, Verdict::Done).await;
    }

    async fn read_piece(&self, assigned: &Assigned, harvest: &mut Harvest<'_>, document: &Document) {
        harvest.read(document);
        if harvest.waiting() >= self.part_size() {
            self.send_parts(assigned, harvest).await;
        }
    }

    /// The most sightings and discovered tasks that go to the committer in one outcome.
    fn part_size(&self) -> usize {
        self.shared.options.watermarks.sightings.max(1)
    }

    /// Sends all but the last part of what was harvested, so that no single outcome is larger than a batch.
    async fn send_parts(&self, assigned: &Assigned, harvest: &mut Harvest<'_>) {
        while harvest.waiting() > self.part_size() {
            let part = harvest.part(self.part_size());
            self.send(assigned, part).await;
        }
    }

    /// Settles a task that failed, after what it had brought until then: a retry, a later return, or the end.
    async fn give_up(&self, assigned: &Assigned, mut brought: Box<TaskOutcome>, left_out: LeftOut, error: &FetchError) {
        let options = &self.shared.options;
        let max_attempts = assigned.run.job.spec.options.max_attempts;
        let failure = outcome::failure(&assigned.claimed, error, max_attempts, options.backoff, rand::random());
        if error.class == FetchErrorClass::Deferred {
            self.shared.leases.not_asked(assigned.claimed.lease);
        }
        if error.class == FetchErrorClass::Deferred
            && !matches!(&*error.code, JOB_TURN | HOST_FULL | BODIES_FULL)
            && let Some(after) = error.retry_after.filter(|after| !after.is_zero())
        {
            let host = assigned.claimed.task.work.host();
            // Calls of all endpoints go by one name, and the other endpoints have nothing to do with it.
            if host != SEARCH_HOST {
                self.shared.leases.rest(host, Instant::now() + after.min(options.lease_for));
            }
        }
        brought.error = failure.class.map(|class| outcome::record(&assigned.claimed, error, class, &options.node));
        self.settle(assigned, brought, left_out, failure.verdict).await;
    }

    /// Gives the task back untouched.
    async fn give_back(&self, assigned: &Assigned) {
        self.settle(assigned, Box::default(), LeftOut::NONE, Verdict::Release { after: Duration::ZERO }).await;
    }

    async fn settle(&self, assigned: &Assigned, mut outcome: Box<TaskOutcome>, left_out: LeftOut, verdict: Verdict) {
        let lease: Lease = assigned.claimed.lease;
        // What is no longer ours is another's to settle, and another finds the same addresses.
        if self.shared.leases.holds(lease) {
            outcome.settle = Some(Settle { lease, verdict, left_out });
            self.send(assigned, outcome).await;
        }
    }

    async fn send(&self, assigned: &Assigned, outcome: Box<TaskOutcome>) {
        let permits = outcome.weight().min(self.shared.room_total());
        let room = match u32::try_from(permits) {
            Ok(permits) if permits > 0 => Semaphore::acquire_many_owned(self.shared.room.clone(), permits).await.ok(),
            _ => None,
        };
        // The channel closes only when the engine fails; then the task is delivered again.
        if let Ok(place) = self.outcomes.reserve().await {
            place.send(Finished { run: assigned.run.clone(), outcome, room });
        }
    }
}

/// What is told of one fetch to whoever collects spans: nothing of what it asks for but the host.
fn span(assigned: &Assigned) -> tracing::Span {
    let task = &assigned.claimed.task;
    tracing::info_span!(
        "fetch",
        job = task.job.0,
        task = task.id.0,
        server.address = task.work.host(),
        error.type = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
    )
}
