//! What people decide about jobs, and what that takes of queue and store together: resolving errors with another try
//! for their tasks, and removing what deleted jobs have left.
//!
//! Adapters call it; the engine does not know of it. Every step may be repeated, and a crash between two of them leaves
//! something that a repetition mends.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::job::{JobId, JobState, JobStatus};
use crate::queue::{Queue, Retried, TaskState};
use crate::store::{ErrorQuery, ErrorSelection, Store, WorkerError};
use crate::task::TaskId;

/// How many errors are looked at at a time.
const PAGE: usize = 1_000;
/// How many rows of a deleted job are removed at a time: others write in between.
const ROWS: NonZeroUsize = NonZeroUsize::new(2_000).unwrap();
/// How many deleted jobs are looked at at a time.
const JOBS: usize = 100;

/// What a person can do to a job that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Stop it for now.
    Pause,
    /// Leave it to running workers again.
    Resume,
    /// End it for good.
    Cancel,
}

impl Change {
    /// The state in which it leaves the job.
    pub const fn to(self) -> JobStatus {
        match self {
            Self::Pause => JobStatus::Paused,
            Self::Resume => JobStatus::Queued,
            Self::Cancel => JobStatus::Cancelled,
        }
    }

    /// The states in which the job may be.
    pub const fn from(self) -> &'static [JobStatus] {
        use JobStatus::{Failed, Paused, Queued, Running};
        match self {
            Self::Pause => &[Queued, Running],
            Self::Resume => &[Paused, Failed],
            Self::Cancel => &[Queued, Running, Paused, Failed],
        }
    }
}

/// Whether a job has failed and would only fail again if it were resumed: all that is left of it was given up. Its tasks come back by
/// [resolving its errors](retry_errors) with another try.
///
/// # Errors
/// When the queue cannot be asked.
pub async fn would_fail_again(queue: &impl Queue, job: &JobState) -> Result<bool> {
    Ok(job.status == JobStatus::Failed && queue.depth(job.id).await?.is_given_up())
}

/// What a resolution has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Errors that were open and are not any more.
    pub errors: u64,
    /// Tasks that had been given up and are on the queue again.
    pub tasks: u64,
    /// Where the time was over before all were looked at: the newest error that the next call is to come to.
    pub up_to: Option<u64>,
}

/// What came of trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The task is still to be done.
    Pending,
    /// The task was done.
    Succeeded,
    /// The task was given up again.
    Failed,
}

impl Outcome {
    /// A stable short name, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// Resolves the open errors that the selection names and puts their tasks, where they were given up, back on the queue.
/// A job that had come to its end goes on, as soon as an engine takes it up; a paused one stays paused; of one that is being
/// deleted nothing is tried.
///
/// Tasks go back first, then the job goes on, and errors are resolved last: what is open after a crash is what a
/// repetition has to look at. Errors that come meanwhile are left alone, be they of a task that has failed once more.
///
/// # Errors
/// [`ErrorKind::Conflict`] when a job is cancelled or has its target, so that its tasks would never be done; what came
/// before is done: a thousand errors at a time in the order of their ids, and of those one job after the other. Those of the
/// queue and the store.
pub async fn retry_errors(
    queue: &impl Queue,
    store: &impl Store,
    selection: &ErrorSelection,
    note: &str,
) -> Result<Resolved> {
    retry_until(queue, store, selection, note, None, None).await
}

/// The same for as long as there is time, and for errors up to this id only: that which an earlier call answered
/// ([`Resolved::up_to`]), so that several do together what one would do. Some errors are looked at however little time there is.
///
/// # Errors
/// Those of [`retry_errors`].
pub async fn retry_errors_within(
    queue: &impl Queue,
    store: &impl Store,
    selection: &ErrorSelection,
    note: &str,
    up_to: Option<u64>,
    time: Duration,
) -> Result<Resolved> {
    retry_until(queue, store, selection, note, up_to, Instant::now().checked_add(time)).await
}

async fn retry_until(
    queue: &impl Queue,
    store: &impl Store,
    selection: &ErrorSelection,
    note: &str,
    up_to: Option<u64>,
    end: Option<Instant>,
) -> Result<Resolved> {
    let mut resolved = Resolved::default();
    let newest = newest_error(store).await?.min(up_to.unwrap_or(u64::MAX));
    let mut query = ErrorQuery { after: 0, limit: PAGE, open_only: true, of: selection.clone() };
    while query.after < newest {
        let page = store.errors(&query).await?;
        let Some(last) = page.last() else { break };
        query.after = last.id;
        let mut jobs: BTreeMap<JobId, Vec<&WorkerError>> = BTreeMap::new();
        for row in page.iter().filter(|row| row.id <= newest) {
            jobs.entry(row.error.job).or_default().push(row);
        }
        for (job, errors) in jobs {
            if let Some(status) = found_as(store, job).await? {
                let part = retry(queue, store, (job, status), &errors, note).await?;
                resolved.errors += part.errors;
                resolved.tasks += part.tasks;
            }
        }
        if end.is_some_and(|end| Instant::now() >= end) && query.after < newest {
            resolved.up_to = Some(newest);
            break;
        }
    }
    Ok(resolved)
}

/// The id of the newest error that there is, of whatever job; 0 where there is none. Looks for it by halves, since errors are listed
/// from the oldest on.
async fn newest_error(store: &impl Store) -> Result<u64> {
    let (mut newest, mut beyond) = (0, i64::MAX.unsigned_abs());
    while newest < beyond {
        let after = newest + (beyond - newest) / 2;
        let one = ErrorQuery { after, limit: 1, ..ErrorQuery::default() };
        match store.errors(&one).await?.first() {
            Some(error) => newest = error.id,
            None => beyond = after,
        }
    }
    Ok(newest)
}

/// Whether any of the open errors that the selection names is of a task that was given up: resolved without another try, no
/// later [`retry_errors`] finds it.
///
/// # Errors
/// Those of the queue and the store.
pub async fn any_given_up(queue: &impl Queue, store: &impl Store, selection: &ErrorSelection) -> Result<bool> {
    let mut query = ErrorQuery { after: 0, limit: PAGE, open_only: true, of: selection.clone() };
    loop {
        let page = store.errors(&query).await?;
        let Some(last) = page.last() else { return Ok(false) };
        query.after = last.id;
        let mut jobs: BTreeMap<JobId, Vec<TaskId>> = BTreeMap::new();
        for row in &page {
            jobs.entry(row.error.job).or_default().push(row.error.task);
        }
        for (job, tasks) in jobs {
            if queue.states(job, &tasks).await?.contains(&Some(TaskState::GivenUp)) {
                return Ok(true);
            }
        }
    }
}

/// How the job is found, where there is one, and not just what a deletion has not come to yet. Refuses one whose tasks would never be
/// done.
async fn found_as(store: &impl Store, id: JobId) -> Result<Option<JobStatus>> {
    let refused = |message| Err(Error::new(ErrorKind::Conflict, "retry", message));
    match store.job_states(&[id]).await?.into_iter().flatten().next() {
        None => Ok(None),
        Some(job) if job.status == JobStatus::Cancelled => {
            refused(format!("job {id} is cancelled, so nothing of it is tried again: resolve without a retry"))
        }
        Some(job) if job.collected >= job.target => {
            refused(format!("job {id} has its target, so nothing of it is tried again: resolve without a retry"))
        }
        Some(job) => Ok(Some(job.status)),
    }
}

async fn retry(
    queue: &impl Queue,
    store: &impl Store,
    (job, found): (JobId, JobStatus),
    errors: &[&WorkerError],
    note: &str,
) -> Result<Resolved> {
    let tasks: Vec<TaskId> = errors.iter().map(|row| row.error.task).collect();
    let answers = queue.retry(job, &tasks).await?;
    go_on(queue, store, job, found).await?;
    let mut resolved = Resolved::default();
    // What is done already is not tried again, whatever its error says.
    for retried in [true, false] {
        let rows = errors.iter().zip(&answers).filter(|(_, answer)| (**answer != Retried::Unchanged) == retried);
        let ids: Vec<u64> = rows.map(|(row, _)| row.id).collect();
        if !ids.is_empty() {
            let selection = ErrorSelection { ids, job: Some(job), ..ErrorSelection::default() };
            resolved.errors += store.resolve_errors(&selection, note, retried).await?;
        }
    }
    resolved.tasks = answers.iter().filter(|answer| **answer == Retried::Ready).count() as u64;
    Ok(resolved)
}

/// Lets a job that had come to its end go on when it has something to do. Where it was found at its end and is paused by now, the engine
/// that had just ended it as a paused one saw the tasks come back, and took them for tried again before that.
async fn go_on(queue: &impl Queue, store: &impl Store, id: JobId, found: JobStatus) -> Result<()> {
    if queue.depth(id).await?.open() > 0 {
        let from: &[_] = match found {
            JobStatus::Completed | JobStatus::Failed => &[JobStatus::Completed, JobStatus::Failed, JobStatus::Paused],
            _ => &[JobStatus::Completed, JobStatus::Failed],
        };
        store.transition(id, from, JobStatus::Queued, Some("tasks that were given up are tried again")).await?;
    }
    Ok(())
}

/// What came of trying the tasks of these errors of one job again; `None` for an error that is open, or was resolved
/// without another try.
///
/// # Errors
/// Those of the queue.
pub async fn outcomes(queue: &impl Queue, job: JobId, errors: &[WorkerError]) -> Result<Vec<Option<Outcome>>> {
    let tasks: Vec<TaskId> = errors.iter().map(|row| row.error.task).collect();
    let states = queue.states(job, &tasks).await?;
    let outcome = |(row, state): (&WorkerError, Option<TaskState>)| {
        row.resolved.as_ref().filter(|resolution| resolution.retried)?;
        Some(match state? {
            TaskState::Open => Outcome::Pending,
            TaskState::Done => Outcome::Succeeded,
            TaskState::GivenUp => Outcome::Failed,
        })
    };
    Ok(errors.iter().zip(states).map(outcome).collect())
}

/// Removes everything that deleted jobs have left, in bounded batches; answers which jobs are wholly gone now.
///
/// Tasks go first: a job counts as deleted until its last row in the store is gone, so a later call goes on where this
/// one is stopped.
///
/// # Errors
/// Those of the queue and the store.
pub async fn purge(queue: &impl Queue, store: &impl Store) -> Result<Vec<JobId>> {
    let mut gone = Vec::new();
    loop {
        let jobs = store.deleted_jobs(JOBS).await?;
        for job in &jobs {
            while queue.purge_tasks(*job, ROWS).await? {}
            while store.purge_job(*job, ROWS).await? {}
            gone.push(*job);
        }
        if jobs.len() < JOBS {
            return Ok(gone);
        }
    }
}
