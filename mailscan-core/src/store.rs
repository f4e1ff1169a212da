//! The contract of a store: jobs, their addresses, and what is known of workers and their errors.
//!
//! The committer hands sightings in; the command line, the API and the page read everything else. The behaviour that
//! every store owes is listed at each method and held by `mailscan_core::conformance` (feature `conformance`).
//!
//! Common to all methods:
//! - Results match the input's order and length.
//! - `Err`, or a dropped future, means "outcome unknown": every call is safe to repeat.
//! - Lists are read by key (`after`), in rising order of id, at most `limit` at a time.
//! - Every call ends in bounded time, as an error of kind `Unavailable` when need be; how long the engine waits, and what a call
//!   without an answer holds up, is the same as for a [queue](crate::queue).
//!
//! # Errors
//!
//! What the engine makes of an error depends on its [kind](crate::ErrorKind):
//!
//! | kind | of | the engine |
//! | --- | --- | --- |
//! | `Unavailable`, `Full` | what is written for a batch or at the end of a job | calls again, after 0.1 to 5 seconds, until it is answered; from the second time on it tells of the [trouble](crate::engine::Vitals::trouble) |
//! | `Unavailable`, `Full` | `jobs`, `job`, `job_states`, and what takes a job up | tries again at its next look |
//! | `NotFound` | what is asked or told of a job | takes it for deleted |
//! | `Corrupt` | `job` in an engine for all jobs | passes that job over, and leaves it to other processes |
//! | any other | all of these | stops for good, with all its jobs ([`Engine::failed`](crate::engine::Engine::failed)) |
//! | any | `record_active`, `beat`, `forget` | logs it; where `beat` fails twice in a row, it tells of the trouble |
//!
//! So a kind that is not transient is for what no later call can mend: one such answer stops every job of the process. Everything
//! else is called by [`crate::desk`], the API and the command line, which hand errors on.
//!
//! # Size of calls
//!
//! | call | holds at most |
//! | --- | --- |
//! | `insert`, `known` | less than twice [`Watermarks::sightings`](crate::engine::Watermarks), so 20,000 by default |
//! | `record_errors` | [`Watermarks::outcomes`](crate::engine::Watermarks) errors, or 1,000 after a sweep |
//! | `recover_errors` | `Watermarks::outcomes` leases |
//! | `jobs` | a limit of 10,000 |
//! | `job_states` | all jobs at work |
//! | `beat` | all workers of a process, and a bound for each job at work |

mod errors;
mod nodes;

use std::fmt::Debug;
use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::address::{Address, with_ascii_domain};
use crate::class::Classes;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::extract::Form;
use crate::job::{Job, JobCounts, JobId, JobState, JobStatus, NewJob, Outline};
use crate::lease::{Lease, NodeId};

pub use errors::{
    ErrorClass, ErrorGroup, ErrorQuery, ErrorSample, ErrorSelection, GroupKey, GroupQuery, NewWorkerError, Resolution,
    SAMPLES, WorkerError,
};
pub use nodes::{JobBound, NodeBeat, NodeSeen, SILENT_FOR, WorkerState, WorkerStatus, Workforce};

/// How many addresses [`Store::search_addresses`] reads at a time, and how often.
const SEARCHED: usize = 5_000;
const SEARCHED_PAGES: usize = 40;
/// How many addresses [`Store::fingerprints`] reads at a time.
const FINGERPRINTS: usize = 10_000;

/// A durable store. See the module's documentation for what is common to all methods.
pub trait Store: Debug + Send + Sync + 'static {
    /// Another number whenever the store may have lost the last of what it had confirmed, such as a server that came back from
    /// a copy of its data, and only then: no write changes it. Whoever remembers anything of what it said before
    /// forgets that, and what was made of it is made anew. One that never loses anything has always the same.
    fn epoch(&self) -> u64;

    /// The id of the last address of a job that was found before a moment, or one between it and the next of the job; 0 before the
    /// first. Ids rise with time.
    fn last_before(&self, job: JobId, moment: Timestamp) -> impl Future<Output = Result<u64>> + Send {
        async move {
            let (mut before, mut not_before) = (0, i64::MAX.cast_unsigned());
            while before < not_before {
                let middle = before + (not_before - before) / 2;
                match self.addresses(job, middle, 1).await?.first() {
                    Some(row) if row.found_at < moment => before = row.id,
                    _ => not_before = middle,
                }
            }
            Ok(before)
        }
    }

    /// Creates a job, queued and unseeded.
    ///
    /// - The same key again answers [`Created::Existing`] with the first one's id and changes nothing.
    fn create_job(&self, job: &NewJob) -> impl Future<Output = Result<Created>> + Send;

    /// The job with all that was asked for, which may be long; `None` when there is none.
    fn job(&self, id: JobId) -> impl Future<Output = Result<Option<Job>>> + Send;

    /// How jobs of these states (all states when empty) stand: with an id above `after`, or from the newest on with an id
    /// below it.
    ///
    /// - No specification is read, here and in [`job_states`](Self::job_states), and where states are given, little of jobs in
    ///   others: whoever looks at the jobs at work pays nothing for those that are over.
    fn jobs(&self, query: &JobQuery) -> impl Future<Output = Result<Vec<JobState>>> + Send;

    /// How many jobs are in which state, deleted ones excepted.
    fn job_counts(&self) -> impl Future<Output = Result<JobCounts>> + Send;

    /// How each of these jobs stands; `None` where there is no such job.
    fn job_states(&self, ids: &[JobId]) -> impl Future<Output = Result<Vec<Option<JobState>>>> + Send;

    /// What lists show of the specification of each of these jobs, which never changes; `None` where there is no such job,
    /// and an empty outline where this version cannot read the specification.
    fn outlines(&self, ids: &[JobId]) -> impl Future<Output = Result<Vec<Option<Outline>>>> + Send;

    /// Moves a job from one of the states `from` to `to`, with a reason for people.
    ///
    /// - Compare-and-set: in no other state than `from`, and only where
    ///   [`JobStatus::can_become`](crate::job::JobStatus::can_become) allows it.
    /// - A job already in `to` answers [`Transition::Already`] and keeps its reason.
    /// - The first change to running sets `started_at`; completed, failed and cancelled set `finished_at`, and every
    ///   other state clears it.
    /// - A [resume](crate::job::JobStatus::is_resumed_as) keeps the time at work so far as `active_before`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such job.
    fn transition(
        &self,
        id: JobId,
        from: &[JobStatus],
        to: JobStatus,
        reason: Option<&str>,
    ) -> impl Future<Output = Result<Transition>> + Send;

    /// Deletes a job that [can be deleted](crate::job::JobStatus::can_be_deleted): from then on there is no such job.
    ///
    /// - Its id is not used again, its key is free, and it has no addresses.
    /// - Whoever still works on it can leave nothing behind: an insert for it answers [`Inserted::OverTarget`], and no
    ///   errors are recorded.
    /// - What it had is removed by [`purge_job`](Self::purge_job), and its tasks by
    ///   [`Queue::purge_tasks`](crate::queue::Queue::purge_tasks); [`crate::desk::purge`] does both.
    fn delete_job(&self, id: JobId) -> impl Future<Output = Result<Deletion>> + Send;

    /// Up to `limit` deleted jobs of which something is left.
    fn deleted_jobs(&self, limit: usize) -> impl Future<Output = Result<Vec<JobId>>> + Send;

    /// Looks at up to `limit` rows that a deleted job has left and removes what is its own; answers whether there may be
    /// more. Leaves every other job alone, and one that is not deleted.
    fn purge_job(&self, id: JobId, limit: NonZeroUsize) -> impl Future<Output = Result<bool>> + Send;

    /// Notes that the job's first tasks are all on the queue.
    fn mark_seeded(&self, id: JobId) -> impl Future<Output = Result<()>> + Send;

    /// Raises the time that the job has been at work to `active`, which is kept to the millisecond; a smaller value changes
    /// nothing.
    fn record_active(&self, id: JobId, active: Duration) -> impl Future<Output = Result<()>> + Send;

    /// Adds addresses: an atomic set union by (job, [`Address::identity`]).
    ///
    /// - The first sighting of an address is kept, with its source; [`Inserted::New`] goes to exactly one sighting.
    /// - `collected` of the job is the number of rows that the union added; it never passes the target: what comes
    ///   after answers [`Inserted::OverTarget`]. An address that is stored answers [`Inserted::Known`] even then.
    /// - Two addresses with one fingerprint are two addresses.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when a job does not exist; then nothing of the batch is kept.
    fn insert(&self, sightings: &[Sighting]) -> impl Future<Output = Result<Vec<Inserted>>> + Send;

    /// Whether each address is stored for the job.
    fn known(&self, job: JobId, addresses: &[Address]) -> impl Future<Output = Result<Vec<bool>>> + Send;

    /// Hands the fingerprint of every stored address of a job to `add`, in any order, and answers what that made of
    /// `sum`. Addresses that are stored while it runs may be left out.
    ///
    /// This reads every address; a store that keeps fingerprints does better.
    fn fingerprints<T: Send + 'static>(
        &self,
        job: JobId,
        sum: T,
        add: fn(&mut T, u64),
    ) -> impl Future<Output = Result<T>> + Send {
        async move {
            let (mut sum, mut after) = (sum, 0);
            loop {
                let page = self.addresses(job, after, FINGERPRINTS).await?;
                let Some(last) = page.last() else { return Ok(sum) };
                after = last.id;
                page.iter().for_each(|stored| add(&mut sum, stored.address.fingerprint()));
            }
        }
    }

    /// Stored addresses of a job with an id above `after`, in the order in which they were first seen.
    fn addresses(&self, job: JobId, after: u64, limit: usize) -> impl Future<Output = Result<Vec<Stored>>> + Send;

    /// Stored addresses of a job whose text contains `text`, letter case aside, with an id above `after`; at most `limit`.
    /// Labels of an international domain may be as people write them, each as a whole.
    ///
    /// It looks at a bounded number of addresses: [`Matches::next_after`] says where to go on, however few there are. When all
    /// were looked at and no more match, it says so, also where there are as many as the limit.
    fn search_addresses(
        &self,
        job: JobId,
        text: &str,
        after: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Matches>> + Send {
        async move {
            let wanted = text.to_lowercase();
            let stored_as = with_ascii_domain(&wanted);
            let fits =
                |text: &str| text.contains(&wanted) || stored_as.as_deref().is_some_and(|wanted| text.contains(wanted));
            let (mut after, mut rows) = (after, Vec::new());
            for _ in 0..SEARCHED_PAGES {
                let page = self.addresses(job, after, SEARCHED).await?;
                let last = page.len() < SEARCHED;
                for stored in page {
                    let id = stored.id;
                    if fits(&stored.address.as_str().to_lowercase()) {
                        if rows.len() == limit {
                            return Ok(Matches { rows, next_after: Some(after) });
                        }
                        rows.push(stored);
                    }
                    after = id;
                }
                if last {
                    return Ok(Matches { rows, next_after: None });
                }
            }
            Ok(Matches { rows, next_after: Some(after) })
        }
    }

    /// Records what a process is and what its workers do; replaces what it said before. The store notes the time.
    ///
    /// Forgets processes that were silent for longer than [`SILENT_FOR`]: they died without a word.
    fn beat(&self, beat: &NodeBeat) -> impl Future<Output = Result<()>> + Send;

    /// Forgets a process that has stopped.
    fn forget(&self, node: &NodeId) -> impl Future<Output = Result<()>> + Send;

    /// All processes that beat and were not forgotten, with the time since their last beat.
    fn nodes(&self) -> impl Future<Output = Result<Vec<NodeSeen>>> + Send;

    /// What bounds a job in each process that works on it and was heard of within the last minute and a half.
    fn bounds(&self, job: JobId) -> impl Future<Output = Result<Vec<JobBound>>> + Send {
        async move {
            let nodes = self.nodes().await?.into_iter().filter(NodeSeen::is_alive);
            Ok(nodes.flat_map(|node| node.beat.bounds).filter(|bound| bound.job == job).collect())
        }
    }

    /// How many bytes may still be written where the store keeps its data; `None` when it cannot tell.
    fn free_space(&self) -> impl Future<Output = Option<u64>> + Send {
        std::future::ready(None)
    }

    /// Records errors of workers. The same (job, task, fence) again changes nothing.
    fn record_errors(&self, errors: &[NewWorkerError]) -> impl Future<Output = Result<()>> + Send;

    /// Recorded errors that match every field of the selection.
    fn errors(&self, query: &ErrorQuery) -> impl Future<Output = Result<Vec<WorkerError>>> + Send;

    /// Recorded errors that match the selection by class, code and host, the most frequent first, then by those names.
    fn error_groups(&self, query: &GroupQuery) -> impl Future<Output = Result<Vec<ErrorGroup>>> + Send;

    /// How many recorded errors of a job nobody has resolved.
    fn open_errors(&self, job: JobId) -> impl Future<Output = Result<u64>> + Send {
        async move {
            let groups = self.error_groups(&GroupQuery::first(Some(job), usize::MAX)).await?;
            Ok(groups.iter().map(|group| group.open).sum())
        }
    }

    /// Marks the open errors of earlier deliveries of these tasks as resolved, with [`RECOVERED`] as their note and their
    /// tasks as tried again: those with a lower fence than the lease with which the task is done now.
    fn recover_errors(&self, done: &[Lease]) -> impl Future<Output = Result<()>> + Send;

    /// Marks the open errors that the selection names as resolved, with a note and whether their tasks are tried again;
    /// answers how many there were.
    fn resolve_errors(
        &self,
        selection: &ErrorSelection,
        note: &str,
        retried: bool,
    ) -> impl Future<Output = Result<u64>> + Send;
}

/// The note of an error whose task was done by a later try.
pub const RECOVERED: &str = "a later try succeeded";

/// What became of a creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// A new job.
    New(JobId),
    /// The job that the key already named.
    Existing(JobId),
}

impl Created {
    /// The job's identity.
    pub const fn id(self) -> JobId {
        match self {
            Self::New(id) | Self::Existing(id) => id,
        }
    }
}

/// What became of a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The job is now in the new state.
    Applied,
    /// It was in that state before.
    Already,
    /// It is in this state, from which the change is not possible.
    Refused(JobStatus),
}

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The job is gone.
    Applied,
    /// There is no such job, perhaps because it was deleted before.
    Missing,
    /// It is in this state, in which it cannot be deleted.
    Refused(JobStatus),
}

/// Which jobs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobQuery {
    /// Only ids above this one; below it, from the newest on, when `descending`, where 0 is no bound.
    pub after: u64,
    /// The newest first.
    pub descending: bool,
    /// At most so many.
    pub limit: usize,
    /// Only these states; all when empty.
    pub statuses: Vec<JobStatus>,
}

/// An address with where it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// For which job.
    pub job: JobId,
    /// The address.
    pub address: Address,
    /// The URL or path in which it stood.
    pub source: Arc<str>,
    /// Where in the decoded document it began, in bytes.
    pub offset: u64,
    /// How it was written.
    pub form: Form,
    /// What else it is.
    pub classes: Classes,
}

/// What became of a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// The address was new and is stored.
    New,
    /// It was stored before.
    Known,
    /// The job has its target; the address is not stored.
    OverTarget,
}

/// A stored address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Rises in the order of first sighting.
    pub id: u64,
    /// The address as first seen.
    pub address: Address,
    /// The URL or path in which it was first seen.
    pub source: Arc<str>,
    /// Where in the decoded document it began, in bytes.
    pub offset: u64,
    /// How it was written.
    pub form: Form,
    /// What else it is, by the sighting that was stored.
    pub classes: Classes,
    /// When it was stored.
    pub found_at: Timestamp,
}

/// What a search among addresses has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// The addresses, by rising id.
    pub rows: Vec<Stored>,
    /// From where on nothing was looked at yet; `None` when that is nothing.
    pub next_after: Option<u64>,
}
