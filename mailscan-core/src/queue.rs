//! The contract of a queue: durable tasks, handed out under fenced leases.
//!
//! Tasks come from jobs and from what tasks discover; the engine claims them in batches and settles them in batches.
//! The behaviour that every queue owes is listed at each method and held by `mailscan_core::conformance` (feature
//! `conformance`).
//!
//! Common to all methods:
//! - Results match the input's order and length.
//! - `Err`, or a dropped future, means "outcome unknown": every call is safe to repeat.
//! - Durations go in, never timestamps: the queue owns the clock. They hold to the millisecond.
//! - Nothing waits for work to appear; [`Queue::ready`] is the only method that does.
//! - Every other call ends in bounded time, as an error of kind `Unavailable` when need be.
//!
//! # Errors
//!
//! What the engine makes of an error depends on its [kind](crate::ErrorKind):
//!
//! | kind | of | the engine |
//! | --- | --- | --- |
//! | `Unavailable`, `Full` | `push` and `settle` of a batch | commits it again, after 0.1 to 5 seconds, until it is answered; from the second time on it tells of the [trouble](crate::engine::Vitals::trouble) |
//! | `Unavailable`, `Full` | `claim`, `push` of a job's first tasks | tries again at its next look |
//! | `Invalid`, `Internal` | `push` of a job's first tasks | fails that job, with the error's message as its reason |
//! | any other | `claim`, `push`, `settle` | stops for good, with all its jobs ([`Engine::failed`](crate::engine::Engine::failed)) |
//! | any | `renew`, `sweep`, `settle` of what was claimed for a job that had ended | logs it and calls again later, or leaves it to the leases; what was not renewed in time is worked on no more |
//! | any | `depths`, `lists` for people | shows what it knew before |
//!
//! `depths` that show whether a job is done are called as a batch is written. `retry`, `states` and `purge_tasks` are called
//! by [`crate::desk`], which hands errors on. So a kind that is not transient is for what no later call can mend, such as a damaged
//! file: one such answer stops every job of the process.
//!
//! # Time and size of calls
//!
//! While it works, the engine waits for an answer however long it takes, and what depends on it stands still: without claims no
//! task begins, without settlements nothing ends. A drain waits 25 seconds for a call while others are answered, and five where none
//! is, then it aborts; an abort waits eight and three seconds, and drops the call a second later
//! ([`Engine::drain`](crate::engine::Engine::drain), [`Engine::abort`](crate::engine::Engine::abort)). The backends here end within
//! some 20 seconds.
//!
//! | call | holds at most |
//! | --- | --- |
//! | `push` | 10,000 first tasks of a job; of what tasks discover, less than twice [`Watermarks::sightings`](crate::engine::Watermarks) |
//! | `claim` | a share for each job at work, and in all what may be in flight and wait for a place; of `busy_hosts` one for each host of which a lease is held, and 10,000 more that rest |
//! | `renew` | 10,000 leases |
//! | `settle` | [`Watermarks::outcomes`](crate::engine::Watermarks) settlements; after a claim for a job that has ended, all that it brought |
//! | `sweep` | 1,000 leases |
//! | `depths` | all jobs at work |
//! | `retry`, `states` | what whoever calls gives; 10,000 in the API |

use std::fmt::Debug;
use std::future::Future;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::error::Result;
use crate::job::JobId;
use crate::lease::{Claimed, Lease, NodeId, Settle};
use crate::task::{LOCAL_HOST, ListPosition, NewTask, SEARCH_HOST, TaskId};

pub use crate::task::{Depth, TaskState};

/// A durable queue of tasks. See the module's documentation for what is common to all methods.
pub trait Queue: Debug + Send + Sync + 'static {
    /// Puts tasks on the queue.
    ///
    /// - A job holds each [`Work`](crate::task::Work) once: pushing it again answers [`Pushed::Duplicate`] with the
    ///   first one's id, whatever state that is in, also within one batch.
    /// - A task beyond its [`limit`](NewTask::limit) answers [`Pushed::OverLimit`] and is not kept; a duplicate is
    ///   answered as such even beyond the limit.
    /// - Pushed tasks can be claimed at once.
    fn push(&self, tasks: &[NewTask]) -> impl Future<Output = Result<Vec<Pushed>>> + Send;

    /// Claims tasks that are ready, for the jobs and up to the limits of the request.
    ///
    /// - A claimed task is leased: nobody else gets it before the lease ends.
    /// - The fence of a task rises with every claim.
    /// - Per call, one host yields at most [`per_host`](ClaimRequest::per_host) tasks of one job (that of searches and that of
    ///   files at most [`calls`](ClaimRequest::calls)), and a host in [`busy_hosts`](ClaimRequest::busy_hosts) none. Hosts take turns
    ///   between calls; within a host and job, tasks come in the order in which they became ready.
    /// - Tasks delivered in vain at least [`QueueLimits::suspect_after`] times are *suspects*: a call yields at most
    ///   [`suspects`](ClaimRequest::suspects) of them, those with the fewest crashes first.
    /// - Delayed tasks whose time has come are ready; expired leases are not (see [`sweep`](Self::sweep)).
    /// - The answer may be empty, and may hold less than the limits even when more is ready.
    fn claim(&self, request: &ClaimRequest) -> impl Future<Output = Result<Vec<Claimed>>> + Send;

    /// Extends leases to `lease_for` from now.
    ///
    /// - A lease that is still held by fence is extended, even when its time is over but no sweep has taken it.
    /// - A lost lease is a value ([`Renewed::Lost`]), never an error.
    fn renew(&self, leases: &[Lease], lease_for: Duration) -> impl Future<Output = Result<Vec<Renewed>>> + Send;

    /// Gives tasks back.
    ///
    /// - Job and fence are checked in the statement that writes: a lost lease changes nothing.
    /// - The same settlement again answers [`Settled::Repeated`].
    /// - [`Verdict::Retry`](crate::lease::Verdict::Retry) raises the attempt count,
    ///   [`Verdict::Release`](crate::lease::Verdict::Release) does not; both clear nothing of the crash count.
    /// - What an applied settlement [counts](Settle::counted) as left out is added to the job's depth, with the
    ///   settlement or not at all.
    fn settle(&self, batch: &[Settle]) -> impl Future<Output = Result<Vec<Settled>>> + Send;

    /// Takes back up to `limit` expired leases.
    ///
    /// - The task's fence rises, so its last holder has lost it; its crash count rises by one; its attempts do not.
    /// - A task whose crash count reaches [`QueueLimits::quarantine_after`] is quarantined instead of made ready.
    fn sweep(&self, limit: NonZeroUsize) -> impl Future<Output = Result<Swept>> + Send;

    /// How many tasks of each of these jobs are in which state. Cheap at any size; a job without tasks has a depth of zeros.
    fn depths(&self, jobs: &[JobId]) -> impl Future<Output = Result<Vec<Depth>>> + Send;

    /// The same of one job.
    fn depth(&self, job: JobId) -> impl Future<Output = Result<Depth>> + Send {
        async move { Ok(self.depths(&[job]).await?.pop().unwrap_or_default()) }
    }

    /// Puts tasks of a job that were given up (blocked, failed or quarantined) back, to be claimed at once.
    ///
    /// - Such a task begins anew: no attempts and no crashes are counted, so it is no suspect either.
    /// - A task that waits for its time, after a try that failed, waits no longer; its attempts and crashes count on.
    /// - Every other task is left as it is, and so are those of other jobs.
    fn retry(&self, job: JobId, tasks: &[TaskId]) -> impl Future<Output = Result<Vec<Retried>>> + Send;

    /// What has become of tasks of a job; `None` for a task that it does not have.
    fn states(&self, job: JobId, tasks: &[TaskId]) -> impl Future<Output = Result<Vec<Option<TaskState>>>> + Send;

    /// Removes up to `limit` tasks of a job that was deleted, whatever state they are in; answers whether there may be
    /// more.
    ///
    /// - The job takes no more tasks from then on: a push answers [`Pushed::OverLimit`], and nothing is kept.
    /// - A lease on a removed task is lost.
    /// - When nothing is left, the job's depth is zeros.
    fn purge_tasks(&self, job: JobId, limit: NonZeroUsize) -> impl Future<Output = Result<bool>> + Send;

    /// How far the lists of a job are read: an entry for every open [`Work::List`](crate::task::Work::List), by path and
    /// offset. A list that is read to its end has none.
    fn lists(&self, job: JobId) -> impl Future<Output = Result<Vec<ListPosition>>> + Send;

    /// Waits for a hint that a claim may find something.
    ///
    /// - A push, a return and a sweep of this process give one, to whoever waits and, where nobody does, to whoever waits next.
    /// - It may come without cause and may be missed by a crash or another process, so callers poll as well.
    ///
    /// Cancel-safe: dropping the future loses no hint, not even one that had come to it already. A [`tokio::sync::Notify`] is all
    /// that it takes (`notify_waiters`, then `notify_one`; here `notified`). A future that is always ready will not do: the
    /// dispatcher would claim without a pause. Nor will one that never is: tasks would begin up to
    /// [`poll_every`](crate::engine::EngineOptions::poll_every) late.
    fn ready(&self) -> impl Future<Output = ()> + Send;
}

/// When a queue doubts a task. Given to a backend when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// From this many crashes on, a task is a suspect and is delivered in isolation.
    pub suspect_after: u32,
    /// At this many crashes, a task is quarantined.
    pub quarantine_after: u32,
}

impl Default for QueueLimits {
    /// Suspect after 5, quarantine after 8. A killed process marks everything it had in flight, so a few marks say
    /// little; only a task that is there at the fifth death is delivered apart from the other suspects, and only one
    /// that is there at three more is given up.
    fn default() -> Self {
        Self { suspect_after: 5, quarantine_after: 8 }
    }
}

/// What became of a pushed task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is on the queue under this id.
    New(TaskId),
    /// The job already holds this work under this id.
    Duplicate(TaskId),
    /// The job has as many tasks as it may have.
    OverLimit,
}

/// The part of a claim that one job may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The job.
    pub job: JobId,
    /// The most tasks to claim for it.
    pub limit: usize,
}

/// What to claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Who claims.
    pub node: NodeId,
    /// For which jobs, and how much for each.
    pub shares: Vec<Share>,
    /// The most tasks of one host within one job.
    pub per_host: usize,
    /// The most calls of searches, and the most files and folders, within one job. All are of one host each ([`SEARCH_HOST`],
    /// [`LOCAL_HOST`]), but these are no sites that a share of the places would be too much for, and without calls the other
    /// hosts have nothing to do.
    pub calls: usize,
    /// Hosts that have enough in flight here.
    pub busy_hosts: Vec<String>,
    /// The most suspects to claim.
    pub suspects: usize,
    /// How long the leases hold.
    pub lease_for: Duration,
}

impl ClaimRequest {
    /// The most tasks of this host within one job.
    pub fn most_of(&self, host: &str) -> usize {
        if matches!(host, SEARCH_HOST | LOCAL_HOST) { self.calls } else { self.per_host }
    }
}

/// What became of a renewed lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// It holds for the time asked for.
    Held,
    /// The task was settled, swept or claimed by another.
    Lost,
}

/// What became of a task that was to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retried {
    /// It had been given up and is ready now.
    Ready,
    /// It is still to be done anyway, and waits for nothing.
    Open,
    /// It is done, or the job has no such task.
    Unchanged,
}

/// What became of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It took effect now.
    Applied,
    /// It had taken effect before.
    Repeated,
    /// The lease was lost; nothing changed.
    Lost,
}

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many tasks went back to the queue.
    pub returned: usize,
    /// The tasks that were quarantined by this sweep, each with the lease whose fence ended its last delivery.
    pub quarantined: Vec<Claimed>,
}
