//! The queue in memory: ordered sets by what a claim, a sweep or a promotion looks for next.
//!
//! One lock guards all of it and is held for one call at a time, so every call is atomic.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::backend::ready::{ReadyHint, ReadyOrder, State, due_at, due_by};
use crate::class::LeftOut;
use crate::clock::{Clock, Timestamp};
use crate::error::Result;
use crate::job::JobId;
use crate::lease::{Claimed, Lease, Settle, Verdict};
use crate::queue::{
    ClaimRequest, Depth, Pushed, Queue, QueueLimits, Renewed, Retried, Settled, Share, Swept, TaskState,
};
use crate::task::{ListPosition, NewTask, Task, TaskId, Work};

/// A queue that lives as long as its process.
#[derive(Debug)]
pub struct MemoryQueue {
    limits: QueueLimits,
    clock: Clock,
    hint: ReadyHint,
    tasks: Mutex<Tasks>,
}

impl MemoryQueue {
    /// An empty queue.
    pub fn new(limits: QueueLimits) -> Self {
        Self { limits, clock: Clock::start(), hint: ReadyHint::default(), tasks: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One task and where it stands.
#[derive(Debug)]
struct Entry {
    job: JobId,
    work: Work,
    host: String,
    depth: u32,
    state: State,
    due: u64,
    fence: u64,
    retries: u32,
    crashes: u32,
}

/// A due and the id of its task.
type Key = (u64, u64);

/// The tasks of one job, by what is looked for.
#[derive(Debug, Default)]
struct JobTasks {
    /// Ready tasks by host; a host without any is not kept.
    pending: BTreeMap<String, BTreeSet<Key>>,
    /// Ready suspects, those with the fewest crashes first.
    suspects: BTreeSet<(u32, Key)>,
    delayed: BTreeSet<Key>,
    /// The host that was served last.
    cursor: String,
    counts: [u64; State::COUNT],
    left_out: LeftOut,
    /// The job was deleted and takes no more tasks.
    closed: bool,
}

#[derive(Debug, Default)]
struct Tasks {
    entries: HashMap<TaskId, Entry>,
    last_id: u64,
    ids: HashMap<(JobId, Work), TaskId>,
    jobs: HashMap<JobId, JobTasks>,
    leased: BTreeSet<Key>,
    order: ReadyOrder,
}

impl Tasks {
    /// The task of a lease, when it is the lease's job and fence.
    fn fenced(&self, lease: &Lease) -> Option<&Entry> {
        self.entries
            .get(&lease.task)
            .filter(|entry| entry.job == lease.job && entry.fence == lease.fence && lease.fence > 0)
    }

    /// Takes the task out of the set of its state, or puts it in.
    fn index(&mut self, id: TaskId, insert: bool) {
        fn change<K: Ord>(set: &mut BTreeSet<K>, key: K, insert: bool) {
            if insert {
                set.insert(key);
            } else {
                set.remove(&key);
            }
        }
        let Some(entry) = self.entries.get(&id) else { return };
        let key = (entry.due, id.0);
        let job = self.jobs.entry(entry.job).or_default();
        let count = &mut job.counts[entry.state as usize];
        *count = if insert { *count + 1 } else { *count - 1 };
        match entry.state {
            State::Pending if insert => {
                job.pending.entry(entry.host.clone()).or_default().insert(key);
            }
            State::Pending => {
                if let Some(set) = job.pending.get_mut(&entry.host) {
                    set.remove(&key);
                    if set.is_empty() {
                        job.pending.remove(&entry.host);
                    }
                }
            }
            State::Suspect => change(&mut job.suspects, (entry.crashes, key), insert),
            State::Delayed => change(&mut job.delayed, key, insert),
            State::Leased => change(&mut self.leased, key, insert),
            State::Done | State::Blocked | State::Failed | State::Quarantined => {}
        }
    }

    /// Changes a task and keeps the sets in step.
    fn change(&mut self, id: TaskId, change: impl FnOnce(&mut Entry)) {
        self.index(id, false);
        if let Some(entry) = self.entries.get_mut(&id) {
            change(entry);
        }
        self.index(id, true);
    }

    /// Makes a task of the job that was given up ready as if it were new.
    fn retry(&mut self, job: JobId, id: TaskId, now: Timestamp) -> Retried {
        match self.state(job, id) {
            None | Some(TaskState::Done) => return Retried::Unchanged,
            Some(TaskState::Open) => {
                if self.entries.get(&id).is_some_and(|entry| entry.state == State::Delayed) {
                    let due = self.order.next(now);
                    self.change(id, |entry| entry.due = due);
                }
                return Retried::Open;
            }
            Some(TaskState::GivenUp) => {}
        }
        let due = self.order.next(now);
        self.change(id, |entry| {
            (entry.state, entry.due, entry.retries, entry.crashes) = (State::Pending, due, 0, 0);
        });
        Retried::Ready
    }

    fn state(&self, job: JobId, id: TaskId) -> Option<TaskState> {
        Some(self.entries.get(&id).filter(|entry| entry.job == job)?.state.of_task())
    }

    /// Removes up to so many tasks of a job for good; answers whether there are more.
    fn purge(&mut self, job: JobId, limit: usize) -> bool {
        let own = self.entries.iter().filter(|(_, entry)| entry.job == job).map(|(id, _)| *id);
        let ids: Vec<_> = own.take(limit).collect();
        for id in &ids {
            self.index(*id, false);
            if let Some(entry) = self.entries.remove(id) {
                self.ids.remove(&(job, entry.work));
            }
        }
        let tasks = self.jobs.entry(job).or_default();
        *tasks = JobTasks { closed: true, ..std::mem::take(tasks) };
        if tasks.counts.iter().sum::<u64>() == 0 {
            *tasks = JobTasks { closed: true, ..JobTasks::default() };
        }
        ids.len() == limit
    }

    fn push(&mut self, new: &NewTask, now: Timestamp) -> Pushed {
        let identity = (new.job, new.work.clone());
        if let Some(id) = self.ids.get(&identity) {
            return Pushed::Duplicate(*id);
        }
        let job = self.jobs.get(&new.job);
        let total: u64 = job.map_or(0, |job| job.counts.iter().sum());
        if job.is_some_and(|job| job.closed) || new.limit.is_some_and(|limit| total >= limit) {
            return Pushed::OverLimit;
        }
        let due = self.order.next(now);
        self.last_id += 1;
        let id = TaskId(self.last_id);
        let entry = Entry {
            job: new.job,
            work: new.work.clone(),
            host: new.work.host(),
            depth: new.depth,
            state: State::Pending,
            due,
            fence: 0,
            retries: 0,
            crashes: 0,
        };
        self.entries.insert(id, entry);
        self.ids.insert(identity, id);
        self.index(id, true);
        Pushed::New(id)
    }

    /// Makes the delayed tasks of a job ready whose time has come.
    fn promote(&mut self, job: JobId, now: Timestamp, suspect_after: u32) {
        let Some(tasks) = self.jobs.get(&job) else { return };
        let due: Vec<Key> = tasks.delayed.range(..=(due_by(now), u64::MAX)).copied().collect();
        for (_, id) in due {
            self.change(TaskId(id), |entry| entry.state = State::ready(entry.crashes, suspect_after));
        }
    }

    /// The suspects to deliver: fewest crashes first, over all shares.
    fn choose_suspects(&self, request: &ClaimRequest, taken: &mut Taken<'_>) -> Vec<TaskId> {
        let jobs = request.shares.iter().filter_map(|share| Some((share, self.jobs.get(&share.job)?)));
        let mut candidates: Vec<_> =
            jobs.flat_map(|(share, job)| job.suspects.iter().map(move |key| (*key, share))).collect();
        candidates.sort_by_key(|(key, _)| *key);
        let mut chosen = Vec::new();
        for ((_, (_, id)), share) in candidates {
            let again = chosen.contains(&TaskId(id));
            if !again && chosen.len() < request.suspects && taken.take(share, &self.entries[&TaskId(id)].host, 1) == 1 {
                chosen.push(TaskId(id));
            }
        }
        chosen
    }

    /// The ready tasks to deliver for one share: the hosts after the one served last, each its part.
    fn choose_pending(&mut self, share: &Share, taken: &mut Taken<'_>) -> Vec<TaskId> {
        let mut chosen = Vec::new();
        let Some(job) = self.jobs.get_mut(&share.job) else { return chosen };
        let after = (Bound::Excluded(job.cursor.as_str()), Bound::Unbounded);
        let upto = (Bound::Unbounded, Bound::Included(job.cursor.as_str()));
        let mut last = None;
        for (host, tasks) in job.pending.range::<str, _>(after).chain(job.pending.range::<str, _>(upto)) {
            if taken.left(share) == 0 {
                break;
            }
            let granted = taken.take(share, host, tasks.len());
            if granted > 0 {
                last = Some(host.clone());
                chosen.extend(tasks.iter().take(granted).map(|(_, id)| TaskId(*id)));
            }
        }
        if let Some(last) = last {
            job.cursor = last;
        }
        chosen
    }

    fn lease(&mut self, id: TaskId, end: u64) -> Claimed {
        self.change(id, |entry| {
            entry.state = State::Leased;
            entry.due = end;
            entry.fence += 1;
        });
        let task = self.task(id);
        Claimed { lease: self.lease_of(id), task }
    }

    fn lease_of(&self, id: TaskId) -> Lease {
        let entry = &self.entries[&id];
        Lease { job: entry.job, task: id, fence: entry.fence }
    }

    fn task(&self, id: TaskId) -> Task {
        let entry = &self.entries[&id];
        Task {
            id,
            job: entry.job,
            work: entry.work.clone(),
            depth: entry.depth,
            attempt: entry.retries.saturating_add(1),
            crashes: entry.crashes,
        }
    }

    fn settle(&mut self, settle: &Settle, now: Timestamp, suspect_after: u32) -> Settled {
        match self.fenced(&settle.lease).map(|entry| entry.state) {
            None => return Settled::Lost,
            Some(State::Leased) => {}
            Some(_) => return Settled::Repeated,
        }
        let at_once = self.order.next(now);
        self.jobs.entry(settle.lease.job).or_default().left_out.merge(&settle.counted());
        self.change(settle.lease.task, |entry| {
            entry.state = State::after(&settle.verdict, State::ready(entry.crashes, suspect_after));
            if let Verdict::Retry { .. } = settle.verdict {
                entry.retries = entry.retries.saturating_add(1);
            }
            entry.due = match settle.verdict {
                Verdict::Retry { after } | Verdict::Release { after } if !after.is_zero() => due_at(now.after(after)),
                _ => at_once,
            };
        });
        Settled::Applied
    }

    fn sweep(&mut self, limit: NonZeroUsize, now: Timestamp, limits: QueueLimits) -> Swept {
        let mut swept = Swept::default();
        let expired: Vec<Key> = self.leased.range(..=(due_at(now), u64::MAX)).take(limit.get()).copied().collect();
        for (_, id) in expired {
            let id = TaskId(id);
            let due = self.order.next(now);
            let mut quarantined = false;
            self.change(id, |entry| {
                entry.fence += 1;
                entry.crashes = entry.crashes.saturating_add(1);
                entry.due = due;
                quarantined = entry.crashes >= limits.quarantine_after;
                let ready = State::ready(entry.crashes, limits.suspect_after);
                entry.state = if quarantined { State::Quarantined } else { ready };
            });
            if quarantined {
                swept.quarantined.push(Claimed { lease: self.lease_of(id), task: self.task(id) });
            } else {
                swept.returned += 1;
            }
        }
        swept
    }
}

/// What one claim has taken so far, against its limits.
struct Taken<'a> {
    request: &'a ClaimRequest,
    by_job: HashMap<JobId, usize>,
    by_host: HashMap<(JobId, String), usize>,
}

impl<'a> Taken<'a> {
    fn new(request: &'a ClaimRequest) -> Self {
        Self { request, by_job: HashMap::new(), by_host: HashMap::new() }
    }

    fn left(&self, share: &Share) -> usize {
        share.limit.saturating_sub(self.by_job.get(&share.job).copied().unwrap_or(0))
    }

    /// Takes up to `wanted` tasks of a host, and answers how many the limits allow.
    fn take(&mut self, share: &Share, host: &str, wanted: usize) -> usize {
        if self.request.busy_hosts.iter().any(|busy| busy == host) {
            return 0;
        }
        let left = self.left(share);
        let of_host = self.by_host.entry((share.job, host.to_owned())).or_default();
        let granted = wanted.min(left).min(self.request.most_of(host).saturating_sub(*of_host));
        *of_host += granted;
        *self.by_job.entry(share.job).or_default() += granted;
        granted
    }
}

impl Queue for MemoryQueue {
    async fn push(&self, tasks: &[NewTask]) -> Result<Vec<Pushed>> {
        let now = self.clock.now();
        let pushed = {
            let mut all = self.lock();
            tasks.iter().map(|new| all.push(new, now)).collect()
        };
        self.hint.give();
        Ok(pushed)
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>> {
        let now = self.clock.now();
        let end = due_at(now.after(request.lease_for));
        let mut all = self.lock();
        for share in &request.shares {
            all.promote(share.job, now, self.limits.suspect_after);
        }
        let mut taken = Taken::new(request);
        let chosen = all.choose_suspects(request, &mut taken);
        let mut claimed: Vec<_> = chosen.into_iter().map(|id| all.lease(id, end)).collect();
        for share in &request.shares {
            let chosen = all.choose_pending(share, &mut taken);
            claimed.extend(chosen.into_iter().map(|id| all.lease(id, end)));
        }
        Ok(claimed)
    }

    async fn renew(&self, leases: &[Lease], lease_for: Duration) -> Result<Vec<Renewed>> {
        let end = due_at(self.clock.now().after(lease_for));
        let mut all = self.lock();
        let renew = |lease: &Lease| {
            if all.fenced(lease).is_none_or(|entry| entry.state != State::Leased) {
                return Renewed::Lost;
            }
            all.change(lease.task, |entry| entry.due = end);
            Renewed::Held
        };
        Ok(leases.iter().map(renew).collect())
    }

    async fn settle(&self, batch: &[Settle]) -> Result<Vec<Settled>> {
        let now = self.clock.now();
        let settled = {
            let mut all = self.lock();
            batch.iter().map(|settle| all.settle(settle, now, self.limits.suspect_after)).collect()
        };
        self.hint.give();
        Ok(settled)
    }

    async fn sweep(&self, limit: NonZeroUsize) -> Result<Swept> {
        let swept = self.lock().sweep(limit, self.clock.now(), self.limits);
        if swept.returned > 0 {
            self.hint.give();
        }
        Ok(swept)
    }

    async fn retry(&self, job: JobId, tasks: &[TaskId]) -> Result<Vec<Retried>> {
        let now = self.clock.now();
        let retried = {
            let mut all = self.lock();
            tasks.iter().map(|id| all.retry(job, *id, now)).collect()
        };
        self.hint.give();
        Ok(retried)
    }

    async fn states(&self, job: JobId, tasks: &[TaskId]) -> Result<Vec<Option<TaskState>>> {
        let all = self.lock();
        Ok(tasks.iter().map(|id| all.state(job, *id)).collect())
    }

    async fn purge_tasks(&self, job: JobId, limit: NonZeroUsize) -> Result<bool> {
        Ok(self.lock().purge(job, limit.get()))
    }

    async fn depths(&self, jobs: &[JobId]) -> Result<Vec<Depth>> {
        let all = self.lock();
        let depth = |job: &JobId| all.jobs.get(job).map(|job| State::depth(&job.counts, job.left_out));
        Ok(jobs.iter().map(|job| depth(job).unwrap_or_default()).collect())
    }

    async fn lists(&self, job: JobId) -> Result<Vec<ListPosition>> {
        let all = self.lock();
        let open = all.entries.values().filter(|entry| entry.job == job && entry.state.is_open());
        let mut lists: Vec<_> = open.filter_map(|entry| entry.work.list_position()).collect();
        lists.sort_unstable();
        Ok(lists)
    }

    async fn ready(&self) {
        self.hint.wait().await;
    }
}
