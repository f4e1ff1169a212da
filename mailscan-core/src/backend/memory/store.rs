//! The store in memory: vectors in the order of ids, and a set of identities for each job.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::address::Address;
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::job::{Job, JobCounts, JobId, JobState, JobStatus, NewJob, Outline};
use crate::lease::{Lease, NodeId};
use crate::store::{
    Created, Deletion, ErrorGroup, ErrorQuery, ErrorSample, ErrorSelection, GroupKey, GroupQuery, Inserted, JobQuery,
    NewWorkerError, NodeBeat, NodeSeen, RECOVERED, Resolution, SAMPLES, SILENT_FOR, Sighting, Store, Stored,
    Transition, WorkerError,
};
use crate::task::TaskId;

/// A store that lives as long as its process.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Clock,
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self { clock: Clock::start(), state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug, Default)]
struct State {
    jobs: BTreeMap<u64, JobRows>,
    last_job: u64,
    /// Deleted jobs with what is left of them; `None` when that is nothing.
    deleted: BTreeMap<u64, Option<JobRows>>,
    keys: HashMap<String, JobId>,
    last_address: u64,
    nodes: BTreeMap<NodeId, (NodeBeat, Timestamp)>,
    errors: Vec<WorkerError>,
    last_error: u64,
    recorded: HashSet<(JobId, TaskId, u64)>,
}

/// A job and its addresses.
#[derive(Debug)]
struct JobRows {
    job: Job,
    identities: HashSet<String>,
    addresses: Vec<Stored>,
}

impl State {
    fn job(&mut self, operation: &'static str, id: JobId) -> Result<&mut JobRows> {
        let missing = || Error::new(ErrorKind::NotFound, operation, format!("there is no job {id}"));
        self.jobs.get_mut(&id.0).ok_or_else(missing)
    }

    /// Removes up to so many rows of a deleted job; answers whether there are more.
    fn purge(&mut self, id: JobId, limit: usize) -> bool {
        let Some(left) = self.deleted.get_mut(&id.0) else { return false };
        let Some(rows) = left else { return false };
        let taken = rows.addresses.len().min(limit);
        for stored in rows.addresses.drain(rows.addresses.len() - taken..) {
            rows.identities.remove(&stored.address.identity());
        }
        let mut room = limit - taken;
        self.errors.retain(|row| {
            let removed = room > 0 && row.error.job == id;
            room -= usize::from(removed);
            !removed
        });
        if room == 0 {
            return true;
        }
        self.recorded.retain(|(job, ..)| *job != id);
        *left = None;
        false
    }

    fn insert(&mut self, sighting: &Sighting, now: Timestamp) -> Result<Inserted> {
        if self.deleted.contains_key(&sighting.job.0) {
            return Ok(Inserted::OverTarget);
        }
        let id = self.last_address + 1;
        let rows = self.job("insert", sighting.job)?;
        let identity = sighting.address.identity();
        if rows.identities.contains(&identity) {
            return Ok(Inserted::Known);
        }
        if rows.job.collected >= rows.job.spec.target {
            return Ok(Inserted::OverTarget);
        }
        rows.identities.insert(identity);
        rows.job.collected += 1;
        rows.addresses.push(Stored {
            id,
            address: sighting.address.clone(),
            source: sighting.source.clone(),
            offset: sighting.offset,
            form: sighting.form,
            classes: sighting.classes,
            found_at: now,
        });
        self.last_address = id;
        Ok(Inserted::New)
    }
}

impl Store for MemoryStore {
    /// Nothing outlives the process.
    fn epoch(&self) -> u64 {
        0
    }

    async fn create_job(&self, new: &NewJob) -> Result<Created> {
        let mut state = self.lock();
        if let Some(id) = state.keys.get(&new.key) {
            return Ok(Created::Existing(*id));
        }
        state.last_job += 1;
        let id = JobId(state.last_job);
        let job = Job {
            id,
            key: new.key.clone(),
            spec: new.spec.clone(),
            origin: new.origin.clone(),
            status: JobStatus::Queued,
            reason: None,
            seeded: false,
            collected: 0,
            active: Duration::ZERO,
            active_before: Duration::ZERO,
            created_at: self.clock.now(),
            started_at: None,
            finished_at: None,
        };
        state.keys.insert(new.key.clone(), id);
        state.jobs.insert(id.0, JobRows { job, identities: HashSet::new(), addresses: Vec::new() });
        Ok(Created::New(id))
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>> {
        Ok(self.lock().jobs.get(&id.0).map(|rows| rows.job.clone()))
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<JobState>> {
        let wanted = |job: &&Job| query.statuses.is_empty() || query.statuses.contains(&job.status);
        let state = self.lock();
        if query.descending {
            let before = if query.after == 0 { u64::MAX } else { query.after };
            let older = state.jobs.range(..before).rev().map(|(_, rows)| &rows.job);
            return Ok(older.filter(wanted).take(query.limit).map(Job::state).collect());
        }
        let later = state.jobs.range(query.after.saturating_add(1)..).map(|(_, rows)| &rows.job);
        Ok(later.filter(wanted).take(query.limit).map(Job::state).collect())
    }

    async fn job_counts(&self) -> Result<JobCounts> {
        let mut counts = JobCounts::default();
        self.lock().jobs.values().for_each(|rows| counts.add(rows.job.status, 1));
        Ok(counts)
    }

    async fn job_states(&self, ids: &[JobId]) -> Result<Vec<Option<JobState>>> {
        let state = self.lock();
        Ok(ids.iter().map(|id| state.jobs.get(&id.0).map(|rows| rows.job.state())).collect())
    }

    async fn outlines(&self, ids: &[JobId]) -> Result<Vec<Option<Outline>>> {
        let state = self.lock();
        Ok(ids.iter().map(|id| state.jobs.get(&id.0).map(|rows| rows.job.spec.outline())).collect())
    }

    async fn transition(
        &self,
        id: JobId,
        from: &[JobStatus],
        to: JobStatus,
        reason: Option<&str>,
    ) -> Result<Transition> {
        let now = self.clock.now();
        let mut state = self.lock();
        let job = &mut state.job("transition", id)?.job;
        if job.status == to {
            return Ok(Transition::Already);
        }
        if !from.contains(&job.status) || !job.status.can_become(to) {
            return Ok(Transition::Refused(job.status));
        }
        if job.status.is_resumed_as(to) {
            job.active_before = job.active;
        }
        job.status = to;
        job.reason = reason.map(str::to_owned);
        if to == JobStatus::Running {
            job.started_at.get_or_insert(now);
        }
        job.finished_at = to.is_settled().then_some(now);
        Ok(Transition::Applied)
    }

    async fn delete_job(&self, id: JobId) -> Result<Deletion> {
        let mut state = self.lock();
        let Some(status) = state.jobs.get(&id.0).map(|rows| rows.job.status) else { return Ok(Deletion::Missing) };
        if !status.can_be_deleted() {
            return Ok(Deletion::Refused(status));
        }
        let rows = state.jobs.remove(&id.0);
        if let Some(rows) = &rows {
            state.keys.remove(&rows.job.key);
        }
        state.deleted.insert(id.0, rows);
        Ok(Deletion::Applied)
    }

    async fn deleted_jobs(&self, limit: usize) -> Result<Vec<JobId>> {
        let state = self.lock();
        let left = state.deleted.iter().filter(|(_, rows)| rows.is_some());
        Ok(left.map(|(id, _)| JobId(*id)).take(limit).collect())
    }

    async fn purge_job(&self, id: JobId, limit: NonZeroUsize) -> Result<bool> {
        Ok(self.lock().purge(id, limit.get()))
    }

    async fn mark_seeded(&self, id: JobId) -> Result<()> {
        self.lock().job("mark seeded", id)?.job.seeded = true;
        Ok(())
    }

    async fn record_active(&self, id: JobId, active: Duration) -> Result<()> {
        let mut state = self.lock();
        let job = &mut state.job("record active", id)?.job;
        job.active = job.active.max(active);
        Ok(())
    }

    async fn insert(&self, sightings: &[Sighting]) -> Result<Vec<Inserted>> {
        let now = self.clock.now();
        let mut state = self.lock();
        // All jobs are looked up before the first row is written, so that a missing one leaves nothing behind.
        for sighting in sightings {
            if !state.deleted.contains_key(&sighting.job.0) {
                state.job("insert", sighting.job)?;
            }
        }
        sightings.iter().map(|sighting| state.insert(sighting, now)).collect()
    }

    async fn known(&self, job: JobId, addresses: &[Address]) -> Result<Vec<bool>> {
        let state = self.lock();
        let rows = state.jobs.get(&job.0);
        let known = |address: &Address| rows.is_some_and(|rows| rows.identities.contains(&address.identity()));
        Ok(addresses.iter().map(known).collect())
    }

    async fn addresses(&self, job: JobId, after: u64, limit: usize) -> Result<Vec<Stored>> {
        let state = self.lock();
        let rows = state.jobs.get(&job.0).map(|rows| rows.addresses.as_slice()).unwrap_or_default();
        let first = rows.partition_point(|row| row.id <= after);
        Ok(rows[first..].iter().take(limit).cloned().collect())
    }

    async fn beat(&self, beat: &NodeBeat) -> Result<()> {
        let now = self.clock.now();
        let mut state = self.lock();
        state.nodes.insert(beat.node.clone(), (beat.clone(), now));
        state.nodes.retain(|_, (_, at)| now.since(*at) <= SILENT_FOR);
        Ok(())
    }

    async fn forget(&self, node: &NodeId) -> Result<()> {
        self.lock().nodes.remove(node);
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<NodeSeen>> {
        let now = self.clock.now();
        let seen = |(beat, at): &(NodeBeat, Timestamp)| NodeSeen { beat: beat.clone(), silent_for: now.since(*at) };
        Ok(self.lock().nodes.values().map(seen).collect())
    }

    async fn record_errors(&self, errors: &[NewWorkerError]) -> Result<()> {
        let at = self.clock.now();
        let mut state = self.lock();
        for error in errors {
            let deleted = state.deleted.contains_key(&error.job.0);
            if !deleted && state.recorded.insert((error.job, error.task, error.fence)) {
                state.last_error += 1;
                let id = state.last_error;
                state.errors.push(WorkerError { id, error: error.clone(), at, resolved: None });
            }
        }
        Ok(())
    }

    async fn errors(&self, query: &ErrorQuery) -> Result<Vec<WorkerError>> {
        let wanted = |row: &&WorkerError| {
            row.id > query.after && !(query.open_only && row.resolved.is_some()) && selects(&query.of, row)
        };
        Ok(self.lock().errors.iter().filter(wanted).take(query.limit).cloned().collect())
    }

    async fn error_groups(&self, query: &GroupQuery) -> Result<Vec<ErrorGroup>> {
        let mut groups = BTreeMap::new();
        // The newest first, as samples are.
        for row in self.lock().errors.iter().rev().filter(|row| selects(&query.of, row)) {
            let NewWorkerError { class, code, host, label, message, .. } = &row.error;
            let (code, host) = (code.clone(), host.clone());
            let new = || ErrorGroup {
                class: *class,
                code: code.clone(),
                host: host.clone(),
                count: 0,
                open: 0,
                samples: Vec::new(),
            };
            let group = groups.entry((class.as_str(), code.clone(), host.clone())).or_insert_with(new);
            group.count += 1;
            group.open += u64::from(row.resolved.is_none());
            if group.samples.len() < SAMPLES {
                group.samples.push(ErrorSample { id: row.id, label: label.clone(), message: message.clone() });
            }
        }
        let place = |key: &GroupKey| (Reverse(key.count), key.class.as_str(), key.code.clone(), key.host.clone());
        let after = query.after.as_ref().map(place);
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.retain(|group| after.as_ref().is_none_or(|after| place(&group.key()) > *after));
        groups.sort_by_key(|group| place(&group.key()));
        groups.truncate(query.limit);
        Ok(groups)
    }

    async fn recover_errors(&self, done: &[Lease]) -> Result<()> {
        let at = self.clock.now();
        for row in self.lock().errors.iter_mut().filter(|row| row.resolved.is_none()) {
            let error = &row.error;
            if done.iter().any(|done| (done.job, done.task) == (error.job, error.task) && error.fence < done.fence) {
                row.resolved = Some(Resolution { at, note: RECOVERED.to_owned(), retried: true });
            }
        }
        Ok(())
    }

    async fn resolve_errors(&self, selection: &ErrorSelection, note: &str, retried: bool) -> Result<u64> {
        let at = self.clock.now();
        let mut count = 0;
        for row in self.lock().errors.iter_mut().filter(|row| row.resolved.is_none() && selects(selection, row)) {
            row.resolved = Some(Resolution { at, note: note.to_owned(), retried });
            count += 1;
        }
        Ok(count)
    }
}

fn selects(selection: &ErrorSelection, row: &WorkerError) -> bool {
    let error = &row.error;
    (selection.ids.is_empty() || selection.ids.contains(&row.id))
        && selection.job.is_none_or(|job| error.job == job)
        && selection.class.is_none_or(|class| error.class == class)
        && selection.code.as_ref().is_none_or(|code| *code == error.code)
        && selection.host.as_ref().is_none_or(|host| *host == error.host)
}
