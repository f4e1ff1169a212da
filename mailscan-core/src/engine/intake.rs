//! The intake: makes the jobs that wait this engine's, some at a time.
//!
//! The supervisor offers them. Taking one up writes to the store several times and reads all that is stored of the job, so it
//! goes on beside the supervisor: what people decide of other jobs must not wait for it.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Notify;

use super::JobFilter;
use super::committer::reach_target;
use super::job_run::JobRun;
use super::shared::Shared;
use crate::dedup::BloomFront;
use crate::error::{ErrorKind, Result};
use crate::job::{Job, JobId, JobStatus};
use crate::pipeline::Pipeline;
use crate::queue::{Pushed, Queue};
use crate::store::{Store, Transition};

/// How many jobs are taken up at a time. They share the commits of a store.
const AT_ONCE: usize = 16;
/// The most tasks pushed in one call.
const PAGE: usize = 10_000;

/// The jobs that wait to be taken up.
#[derive(Debug, Default)]
pub(super) struct Intake {
    waiting: Mutex<BTreeSet<JobId>>,
    offered: Notify,
}

impl Intake {
    /// Says which jobs wait; those of an earlier offer wait no more.
    pub(super) fn offer(&self, jobs: impl Iterator<Item = JobId>) {
        let mut waiting = self.waiting();
        waiting.clear();
        waiting.extend(jobs);
        if !waiting.is_empty() {
            self.offered.notify_one();
        }
    }

    /// The oldest of them.
    fn next(&self) -> Option<JobId> {
        self.waiting().pop_first()
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeSet<JobId>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes up what is offered until the engine drains. What was begun then is ended.
pub(super) async fn run<P: Pipeline>(shared: &Shared<P>) {
    let (mut begun, mut ids) = (FuturesUnordered::new(), BTreeSet::new());
    loop {
        while begun.len() < AT_ONCE
            && !shared.drain.is_cancelled()
            && let Some(id) = shared.intake.next()
        {
            // An offer may be older than what became of the job here.
            if shared.run(id).is_none() && ids.insert(id) {
                begun.push(async move { (id, take_up(shared, id).await) });
            }
        }
        tokio::select! {
            Some((id, taken)) = begun.next() => {
                ids.remove(&id);
                heed(shared, id, taken);
            }
            () = shared.drain.cancelled(), if begun.is_empty() => return,
            () = shared.intake.offered.notified() => {}
        }
    }
}

fn heed<P: Pipeline>(shared: &Shared<P>, id: JobId, taken: Result<()>) {
    match taken {
        Ok(()) => {}
        // Paused and deleted since it was offered.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        // The next look offers it again.
        Err(error) if error.is_transient() => tracing::warn!(%error, job = %id, "a job could not be taken up"),
        Err(error) => shared.fail(error),
    }
}

/// Makes a job this engine's: running, with its first tasks on the queue and the filter rebuilt.
async fn take_up<P: Pipeline>(shared: &Shared<P>, id: JobId) -> Result<()> {
    let store = shared.pipeline.store();
    // Before anything is read.
    let epoch = store.epoch();
    // Before it is this engine's. An engine for all leaves a job that it cannot read, such as one of a newer version, to
    // those that can.
    match shared.ask(store.job(id)).await {
        Err(error) if error.kind() == ErrorKind::Corrupt && shared.options.jobs == JobFilter::All => {
            tracing::warn!(%error, job = %id, "a job that cannot be read here is passed over");
            shared.note_unreadable(id);
            return Ok(());
        }
        readable => readable?,
    };
    let from = [JobStatus::Queued, JobStatus::Running];
    if let Transition::Refused(_) = shared.ask(store.transition(id, &from, JobStatus::Running, None)).await? {
        return Ok(());
    }
    // Paused and deleted meanwhile, where there is none.
    let Some(job) = shared.ask(store.job(id)).await? else { return Ok(()) };
    // Slips that people are told of are no reason to end what has begun.
    let checked = if job.seeded { job.spec.validate_kept() } else { job.spec.validate() };
    if let Err(error) = checked {
        return refuse(shared, job.id, error.message()).await;
    }
    let left_out = match seed(shared, &job).await {
        Ok(left_out) => left_out,
        // It is this job that the queue does not take; the others go on.
        Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Internal) => {
            return refuse(shared, job.id, &format!("its first tasks were not taken: {}", error.message())).await;
        }
        Err(error) => return Err(error),
    };
    let run = JobRun::new(job, epoch, &shared.options, &shared.drain);
    run.over_limit.store(left_out, Ordering::Relaxed);
    tokio::select! {
        biased;
        // Nothing is fetched that it could be asked for.
        () = shared.drain.cancelled() => {}
        filled = shared.ask(fill_filter(store, &run)) => filled?,
    }
    let run = Arc::new(run);
    shared.progress.publish(run.progress(None, false));
    shared.add_run(run.clone());
    // The process before may have been killed between the last address and the end of the job.
    if run.collected() >= run.job.spec.target {
        reach_target(shared, &run);
    }
    Ok(())
}

/// Ends a job that cannot be begun.
async fn refuse<P: Pipeline>(shared: &Shared<P>, job: JobId, why: &str) -> Result<()> {
    let failed = shared.pipeline.store().transition(job, &[JobStatus::Running], JobStatus::Failed, Some(why));
    shared.ask(failed).await.map(|_| ())
}

/// Puts the first tasks of a job on the queue, unless they were; answers how many its limit left out.
async fn seed<P: Pipeline>(shared: &Shared<P>, job: &Job) -> Result<u64> {
    let mut left_out = 0;
    if !job.seeded {
        for tasks in job.spec.first_tasks(job.id)?.chunks(PAGE) {
            let pushed = shared.ask(shared.pipeline.queue().push(tasks)).await?;
            left_out += pushed.iter().filter(|result| **result == Pushed::OverLimit).count() as u64;
        }
        shared.ask(shared.pipeline.store().mark_seeded(job.id)).await?;
    }
    Ok(left_out)
}

/// Puts a filter in place that knows every stored address and has room for more.
pub(super) async fn fill_filter(store: &impl Store, run: &JobRun) -> Result<()> {
    let mut empty = run.empty_filter();
    loop {
        let filled = store.fingerprints(run.id(), empty, BloomFront::insert).await?;
        if !filled.is_full() {
            *run.filter() = filled;
            return Ok(());
        }
        empty = filled.grown();
    }
}
