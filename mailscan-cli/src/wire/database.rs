//! A queue and a store in whatever database was named: every call goes to the one that it is.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use mailscan_core::address::Address;
use mailscan_core::backend::postgres::Postgres;
use mailscan_core::backend::sqlite::{Sqlite, WorkerLock};
use mailscan_core::clock::Timestamp;
use mailscan_core::job::{Job, JobCounts, JobId, JobState, JobStatus, NewJob, Outline};
use mailscan_core::lease::{Claimed, Lease, NodeId, Settle};
use mailscan_core::queue::{ClaimRequest, Depth, Pushed, Queue, Renewed, Retried, Settled, Swept, TaskState};
use mailscan_core::store::{
    Created, Deletion, ErrorGroup, ErrorQuery, ErrorSelection, GroupQuery, Inserted, JobBound, JobQuery,
    NewWorkerError, NodeBeat, NodeSeen, Sighting, Store, Stored, Transition, WorkerError,
};
use mailscan_core::task::{ListPosition, NewTask, TaskId};
use mailscan_core::{ErrorKind, Result};
use tokio::time::Instant;

/// How long the right to run workers is waited for.
const LOCK_WITHIN: Duration = Duration::from_secs(1);
/// Within how long a process says that it has taken up a job: reports are a second apart.
const SAID_WITHIN: Duration = Duration::from_secs(2);
/// How often one looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Queue and store in one; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    /// In a file.
    Sqlite(Sqlite),
    /// At a server.
    Postgres(Postgres),
}

impl Database {
    /// Takes the right to run workers where only one process may have it at a time; a server lets in any number.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when another process has it.
    pub(crate) async fn try_lock_workers(&self) -> Result<Option<WorkerLock>> {
        let Self::Sqlite(sqlite) = self else { return Ok(None) };
        let until = Instant::now() + LOCK_WITHIN;
        loop {
            match sqlite.try_lock_workers().await {
                // A process that was killed a moment ago, or one that only looks whether another works.
                Err(error) if error.kind() == ErrorKind::Conflict && Instant::now() < until => {
                    tokio::time::sleep(LOCK_WITHIN / 20).await;
                }
                other => return other.map(Some),
            }
        }
    }

    /// Those of the jobs that run by their own account on which nobody works, as far as that can be told. Some may have come to
    /// their end meanwhile.
    pub(crate) async fn unattended(&self, running: &[JobId]) -> Result<Vec<JobId>> {
        if running.is_empty() || !self.can_tell_workers()? {
            return Ok(Vec::new());
        }
        let until = Instant::now() + SAID_WITHIN;
        loop {
            let Some(Said { taken, lately }) = self.said().await? else { return Ok(running.to_vec()) };
            let left: Vec<_> = running.iter().copied().filter(|job| !taken.contains(job)).collect();
            if left.is_empty() {
                return Ok(left);
            }
            if Instant::now() >= until {
                // Whoever cannot say so, as while nothing can be written, may have taken up any of them since.
                return Ok(if lately { left } else { Vec::new() });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether another process has the right to run workers, where only one may have it and that can be told.
    pub(crate) fn is_locked(&self) -> bool {
        matches!(self, Self::Sqlite(sqlite) if sqlite.has_workers().unwrap_or(false))
    }

    /// Whether it can be told if somebody works on the jobs of this database. Who may only read a file cannot.
    fn can_tell_workers(&self) -> Result<bool> {
        let Self::Sqlite(sqlite) = self else { return Ok(true) };
        match sqlite.has_workers() {
            Err(error) if error.kind() == ErrorKind::Unavailable => Ok(false),
            answer => answer.map(|_| true),
        }
    }

    /// What processes that work on jobs say of themselves; nothing where there is no such process.
    async fn said(&self) -> Result<Option<Said>> {
        let mut nodes = self.nodes().await?;
        let lately = nodes.iter().any(NodeSeen::is_alive);
        let nobody = match self {
            // Whoever takes the lock forgets all others, so it is this one that is there, however long it was silent.
            Self::Sqlite(sqlite) => !sqlite.has_workers()?,
            Self::Postgres(_) => {
                nodes.retain(NodeSeen::is_alive);
                !lately
            }
        };
        let taken = || nodes.iter().flat_map(|node| &node.beat.bounds).map(|bound| bound.job).collect();
        Ok((!nobody).then(|| Said { taken: taken(), lately }))
    }
}

/// What processes that work on jobs say of themselves.
struct Said {
    /// The jobs that they have taken up.
    taken: HashSet<JobId>,
    /// Whether one of them was heard of lately.
    lately: bool,
}

/// Methods that hand their call on.
macro_rules! hand_on {
    ($($name:ident($($value:ident: $of:ty),*) -> $answer:ty;)*) => {
        $(
            async fn $name(&self, $($value: $of),*) -> $answer {
                match self {
                    Self::Sqlite(sqlite) => sqlite.$name($($value),*).await,
                    Self::Postgres(postgres) => postgres.$name($($value),*).await,
                }
            }
        )*
    };
}

impl Queue for Database {
    hand_on! {
        push(tasks: &[NewTask]) -> Result<Vec<Pushed>>;
        claim(request: &ClaimRequest) -> Result<Vec<Claimed>>;
        renew(leases: &[Lease], lease_for: Duration) -> Result<Vec<Renewed>>;
        settle(batch: &[Settle]) -> Result<Vec<Settled>>;
        sweep(limit: NonZeroUsize) -> Result<Swept>;
        depths(jobs: &[JobId]) -> Result<Vec<Depth>>;
        retry(job: JobId, tasks: &[TaskId]) -> Result<Vec<Retried>>;
        states(job: JobId, tasks: &[TaskId]) -> Result<Vec<Option<TaskState>>>;
        purge_tasks(job: JobId, limit: NonZeroUsize) -> Result<bool>;
        lists(job: JobId) -> Result<Vec<ListPosition>>;
        ready() -> ();
    }
}

impl Store for Database {
    fn epoch(&self) -> u64 {
        match self {
            Self::Sqlite(sqlite) => sqlite.epoch(),
            Self::Postgres(postgres) => postgres.epoch(),
        }
    }

    hand_on! {
        create_job(job: &NewJob) -> Result<Created>;
        job(id: JobId) -> Result<Option<Job>>;
        jobs(query: &JobQuery) -> Result<Vec<JobState>>;
        job_counts() -> Result<JobCounts>;
        job_states(ids: &[JobId]) -> Result<Vec<Option<JobState>>>;
        outlines(ids: &[JobId]) -> Result<Vec<Option<Outline>>>;
        transition(id: JobId, from: &[JobStatus], to: JobStatus, reason: Option<&str>) -> Result<Transition>;
        delete_job(id: JobId) -> Result<Deletion>;
        deleted_jobs(limit: usize) -> Result<Vec<JobId>>;
        purge_job(id: JobId, limit: NonZeroUsize) -> Result<bool>;
        mark_seeded(id: JobId) -> Result<()>;
        record_active(id: JobId, active: Duration) -> Result<()>;
        insert(sightings: &[Sighting]) -> Result<Vec<Inserted>>;
        known(job: JobId, addresses: &[Address]) -> Result<Vec<bool>>;
        addresses(job: JobId, after: u64, limit: usize) -> Result<Vec<Stored>>;
        last_before(job: JobId, moment: Timestamp) -> Result<u64>;
        beat(beat: &NodeBeat) -> Result<()>;
        forget(node: &NodeId) -> Result<()>;
        nodes() -> Result<Vec<NodeSeen>>;
        bounds(job: JobId) -> Result<Vec<JobBound>>;
        free_space() -> Option<u64>;
        record_errors(errors: &[NewWorkerError]) -> Result<()>;
        errors(query: &ErrorQuery) -> Result<Vec<WorkerError>>;
        error_groups(query: &GroupQuery) -> Result<Vec<ErrorGroup>>;
        recover_errors(done: &[Lease]) -> Result<()>;
        open_errors(job: JobId) -> Result<u64>;
        resolve_errors(selection: &ErrorSelection, note: &str, retried: bool) -> Result<u64>;
    }

    async fn fingerprints<T: Send + 'static>(&self, job: JobId, sum: T, add: fn(&mut T, u64)) -> Result<T> {
        match self {
            Self::Sqlite(sqlite) => sqlite.fingerprints(job, sum, add).await,
            Self::Postgres(postgres) => postgres.fingerprints(job, sum, add).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use mailscan_core::backend::sqlite::SqliteOptions;
    use tempfile::TempDir;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_process_that_cannot_be_heard_of_is_believed_to_work_while_it_has_the_lock() {
        let folder = TempDir::new().unwrap();
        let sqlite = Sqlite::open(folder.path().join("mailscan.db"), SqliteOptions::default()).unwrap();
        let database = Database::Sqlite(sqlite);
        let running = [JobId(1), JobId(2)];
        assert_eq!(database.unattended(&running).await.unwrap(), running, "nobody works");
        let _lock = database.try_lock_workers().await.unwrap();
        assert_eq!(database.unattended(&running).await.unwrap(), [], "somebody has said nothing yet");

        let bounds = vec![JobBound { job: JobId(1), in_flight: 1, bound: String::new() }];
        let node = NodeId("node".to_owned());
        let beat = NodeBeat { node, host: String::new(), pid: 1, workers: Vec::new(), bounds };
        database.beat(&beat).await.unwrap();
        assert_eq!(database.unattended(&running).await.unwrap(), [JobId(2)]);
        tokio::time::advance(Duration::from_secs(100)).await;
        assert!(!database.nodes().await.unwrap()[0].is_alive());
        assert_eq!(database.unattended(&running).await.unwrap(), []);
    }
}
