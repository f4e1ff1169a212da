//! The leases that this process holds: which tasks are its own to work on, and until when it may trust that.
//!
//! The dispatcher adds what it claims, the committer removes what it has settled, the heartbeat renews what is here
//! and stops what it can no longer vouch for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ahash::AHashMap;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::job::JobId;
use crate::lease::Lease;
use crate::task::TaskId;

/// What a lease is to others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// Its task may be what ends processes.
    pub(super) suspect: bool,
    /// It counts in what its host has of this process.
    pub(super) counted: bool,
}

/// One held lease.
#[derive(Debug)]
struct Held {
    lease: Lease,
    host: Arc<str>,
    kind: Kind,
    /// The work is done and waits for the committer: it burdens its host no more.
    finished: bool,
    /// The host was asked for it, or is to be: how it ended tells how quickly the host gives back what it has.
    asked: bool,
    trusted_until: Instant,
    cancel: CancellationToken,
}

/// What one host has of this process, by the leases that count.
#[derive(Debug)]
struct HostLoad {
    /// Leases held now whose work is not done. A host without any is remembered for a while.
    held: usize,
    /// Leases whose work ended in the current span and in the one before.
    ended: [usize; 2],
    /// When the current span began.
    since: Instant,
}

impl HostLoad {
    /// The length of a span.
    const SPAN: Duration = Duration::from_secs(5);

    fn new(now: Instant) -> Self {
        Self { held: 0, ended: [0; 2], since: now }
    }

    /// Begins a new span when it is time for one.
    fn advance(&mut self, now: Instant) {
        let spans = (now - self.since).as_nanos() / Self::SPAN.as_nanos();
        if spans > 0 {
            self.ended = [0, if spans == 1 { self.ended[0] } else { 0 }];
            self.since = now;
        }
    }

    /// Leases whose work ended in the last five to ten seconds.
    fn ended_lately(&mut self, now: Instant) -> usize {
        self.advance(now);
        self.ended.iter().sum()
    }
}

/// All held leases, with what each host has of them and counts by job.
#[derive(Debug, Default)]
struct Table {
    held: AHashMap<(JobId, TaskId), Held>,
    by_host: AHashMap<Arc<str>, HostLoad>,
    by_job: AHashMap<JobId, usize>,
    suspects: usize,
    /// Hosts that are to be left alone until then.
    resting: AHashMap<String, Instant>,
    /// Nothing is to be worked on any more.
    stopped: bool,
}

/// The most resting hosts remembered; a host that is not costs a claim that comes back at once.
const MAX_RESTING: usize = 10_000;

/// The most hosts whose load is remembered while nothing of them is held: a claim looks at all of them.
const MAX_LOADS: usize = 1_000;

/// The leases that this process holds.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<Table>);

impl Leases {
    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic while the table was locked cannot have left it half changed: every change is a few assignments.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a lease; the token is cancelled when the lease is lost, its job stops, or all work does.
    pub(super) fn add(&self, lease: Lease, host: &str, kind: Kind, trusted_until: Instant) -> CancellationToken {
        let cancel = CancellationToken::new();
        let mut table = self.table();
        if table.stopped {
            cancel.cancel();
        }
        // An older lease of the task ran out unheard; whoever works under it does so in vain.
        if let Some(older) = table.remove((lease.job, lease.task)) {
            older.cancel.cancel();
        }
        let host = match table.by_host.get_key_value(host) {
            Some((known, _)) => known.clone(),
            None => Arc::from(host),
        };
        if kind.counted {
            table.by_host.entry(host.clone()).or_insert_with(|| HostLoad::new(Instant::now())).held += 1;
        }
        *table.by_job.entry(lease.job).or_default() += 1;
        table.suspects += usize::from(kind.suspect);
        let held = Held { lease, host, kind, finished: false, asked: true, trusted_until, cancel: cancel.clone() };
        table.held.insert((lease.job, lease.task), held);
        cancel
    }

    /// Notes that the host is not asked for a task this time, so that its end is no sign of how the host works.
    pub(super) fn not_asked(&self, lease: Lease) {
        if let Some(held) = self.table().held.get_mut(&(lease.job, lease.task))
            && held.lease == lease
        {
            held.asked = false;
        }
    }

    /// Notes that the work on a task is done. Its lease is held until the outcome is committed.
    pub(super) fn finish(&self, lease: Lease) {
        let mut table = self.table();
        if let Some(held) = table.held.get_mut(&(lease.job, lease.task))
            && held.lease == lease
            && !std::mem::replace(&mut held.finished, true)
            && held.kind.counted
        {
            let (host, asked) = (held.host.clone(), held.asked);
            table.relieve(&host, asked);
        }
    }

    /// How many tasks whose work is not done each job has of each host.
    pub(super) fn by_host(&self) -> AHashMap<JobId, AHashMap<Arc<str>, usize>> {
        let mut jobs = AHashMap::<_, AHashMap<_, usize>>::new();
        for held in self.table().held.values().filter(|held| !held.finished) {
            *jobs.entry(held.lease.job).or_default().entry(held.host.clone()).or_default() += 1;
        }
        jobs
    }

    /// Hosts of which a job itself has at least so many tasks whose work is not done.
    pub(super) fn filled_by(&self, job: JobId, most: usize) -> Vec<String> {
        let table = self.table();
        let mut hosts = AHashMap::<&str, usize>::new();
        for held in table.held.values().filter(|held| held.lease.job == job && !held.finished) {
            *hosts.entry(&held.host).or_default() += 1;
        }
        hosts.into_iter().filter(|(_, count)| *count >= most).map(|(host, _)| host.to_owned()).collect()
    }

    /// Forgets leases that were settled or lost.
    pub(super) fn remove(&self, leases: impl IntoIterator<Item = Lease>) {
        let mut table = self.table();
        for lease in leases {
            if table.held.get(&(lease.job, lease.task)).is_some_and(|held| held.lease == lease) {
                table.remove((lease.job, lease.task));
            }
        }
    }

    /// Whether this process still holds the lease.
    pub(super) fn holds(&self, lease: Lease) -> bool {
        self.table().held.get(&(lease.job, lease.task)).is_some_and(|held| held.lease == lease)
    }

    /// Every lease held now.
    pub(super) fn all(&self) -> Vec<Lease> {
        self.table().held.values().map(|held| held.lease).collect()
    }

    /// How many leases of a job are held.
    pub(super) fn held(&self, job: JobId) -> usize {
        self.table().by_job.get(&job).copied().unwrap_or(0)
    }

    /// How many suspects are among them.
    pub(super) fn suspects(&self) -> usize {
        self.table().suspects
    }

    /// Notes that a host has nothing for us before `until`, so that its tasks stay in the queue. What ended of it lately is
    /// no sign any more that more of them would.
    pub(super) fn rest(&self, host: String, until: Instant) {
        let mut table = self.table();
        if let Some(load) = table.by_host.get_mut(&*host) {
            load.ended = [0; 2];
        }
        if table.resting.len() >= MAX_RESTING {
            let now = Instant::now();
            table.resting.retain(|_, until| *until > now);
        }
        if table.resting.len() < MAX_RESTING {
            table.resting.insert(host, until);
        }
    }

    /// Hosts with at least so many tasks here as `limit` says, which is told how many ended lately, and those that rest.
    pub(super) fn busy_hosts(&self, limit: impl Fn(&str, usize) -> usize) -> Vec<String> {
        let now = Instant::now();
        let mut table = self.table();
        table.resting.retain(|_, until| *until > now);
        let mut busy = Vec::new();
        for (host, load) in &mut table.by_host {
            let ended = load.ended_lately(now);
            if load.held >= limit(host, ended) {
                busy.push(host.to_string());
            }
        }
        busy.extend(table.resting.keys().cloned());
        busy
    }

    /// How many tasks ended lately of the host of which most did.
    pub(super) fn most_ended(&self) -> usize {
        let now = Instant::now();
        self.table().by_host.values_mut().map(|load| load.ended_lately(now)).max().unwrap_or(0)
    }

    /// Hosts with at least so many tasks here as `limit` says that do not give them back: fewer than they hold ended
    /// lately. With them those that rest, and those with at least `most` tasks.
    pub(super) fn stalled_hosts(&self, limit: impl Fn(&str, usize) -> usize, most: usize) -> Vec<String> {
        let now = Instant::now();
        let mut table = self.table();
        table.by_host.retain(|_, load| load.held > 0 || load.ended_lately(now) > 0);
        let stalled = |host: &str, load: &mut HostLoad| {
            let ended = load.ended_lately(now);
            load.held >= limit(host, ended).max(ended).min(most)
        };
        let loads = table.by_host.iter_mut();
        let mut hosts: Vec<_> =
            loads.filter_map(|(host, load)| stalled(host, load).then(|| host.to_string())).collect();
        hosts.extend(table.resting.keys().cloned());
        hosts
    }

    /// Moves on the time until which these leases are trusted.
    pub(super) fn trust(&self, leases: impl IntoIterator<Item = Lease>, until: Instant) {
        let mut table = self.table();
        for lease in leases {
            if let Some(held) = table.held.get_mut(&(lease.job, lease.task))
                && held.lease == lease
            {
                held.trusted_until = until;
            }
        }
    }

    /// Stops the work on these leases and forgets them: others may hold them now.
    pub(super) fn lose(&self, leases: impl IntoIterator<Item = Lease>) {
        let mut table = self.table();
        for lease in leases {
            if table.held.get(&(lease.job, lease.task)).is_some_and(|held| held.lease == lease)
                && let Some(held) = table.remove((lease.job, lease.task))
            {
                held.cancel.cancel();
            }
        }
    }

    /// The leases that can no longer be trusted at `now`.
    pub(super) fn untrusted(&self, now: Instant) -> Vec<Lease> {
        self.table().held.values().filter(|held| held.trusted_until <= now).map(|held| held.lease).collect()
    }

    /// Stops the work of one job without giving up its leases: the workers give the tasks back.
    pub(super) fn interrupt(&self, job: JobId) {
        for held in self.table().held.values().filter(|held| held.lease.job == job) {
            held.cancel.cancel();
        }
    }

    /// Stops the work on every task, those included that are still to be added, without giving up their leases.
    pub(super) fn interrupt_all(&self) {
        let mut table = self.table();
        table.stopped = true;
        table.held.values().for_each(|held| held.cancel.cancel());
    }
}

impl Table {
    /// A host has one task less, for which it was asked or not.
    fn relieve(&mut self, host: &Arc<str>, asked: bool) {
        if let Some(load) = self.by_host.get_mut(host) {
            load.advance(Instant::now());
            load.held -= 1;
            load.ended[0] += usize::from(asked);
            if load.held == 0 && self.by_host.len() > MAX_LOADS {
                self.by_host.remove(host);
            }
        }
    }

    fn remove(&mut self, key: (JobId, TaskId)) -> Option<Held> {
        let held = self.held.remove(&key)?;
        self.suspects -= usize::from(held.kind.suspect);
        if held.kind.counted && !held.finished {
            self.relieve(&held.host, held.asked);
        }
        if let Some(count) = self.by_job.get_mut(&held.lease.job) {
            *count -= 1;
            if *count == 0 {
                self.by_job.remove(&held.lease.job);
            }
        }
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Kind = Kind { suspect: false, counted: true };

    fn lease(task: u64, fence: u64) -> Lease {
        Lease { job: JobId(1), task: TaskId(task), fence }
    }

    #[tokio::test]
    async fn counts_by_host_follow_adds_and_removes() {
        let leases = Leases::default();
        let until = Instant::now();
        leases.add(lease(1, 1), "a", PLAIN, until);
        leases.add(lease(2, 1), "a", Kind { suspect: true, ..PLAIN }, until);
        assert_eq!(leases.busy_hosts(|_, _| 2), ["a"]);
        assert_eq!(leases.suspects(), 1);
        leases.remove([lease(2, 1)]);
        assert!(leases.busy_hosts(|_, _| 2).is_empty());
        assert_eq!(leases.suspects(), 0);
        leases.remove([lease(1, 1)]);
        assert!(leases.busy_hosts(|_, _| 1).is_empty());
        assert_eq!(leases.table().by_job.len(), 0);
    }

    #[tokio::test]
    async fn what_a_job_holds_itself_is_told_from_what_others_do() {
        let leases = Leases::default();
        let of_another = Lease { job: JobId(2), task: TaskId(9), fence: 1 };
        for (lease, host) in [(lease(1, 1), "a"), (lease(2, 1), "a"), (lease(3, 1), "b"), (of_another, "b")] {
            leases.add(lease, host, PLAIN, Instant::now());
        }
        assert_eq!(leases.filled_by(JobId(1), 2), ["a"]);
        assert_eq!(leases.filled_by(JobId(2), 1), ["b"]);
        leases.finish(lease(1, 1));
        assert!(leases.filled_by(JobId(1), 2).is_empty(), "its work is done");
    }

    #[tokio::test]
    async fn what_does_not_count_burdens_no_host() {
        let leases = Leases::default();
        for task in 1..=2 {
            leases.add(lease(task, 1), "a", Kind { counted: false, ..PLAIN }, Instant::now());
        }
        leases.finish(lease(1, 1));
        assert_eq!(leases.filled_by(JobId(1), 1), ["a"], "its job has it all the same");
        leases.add(lease(3, 1), "a", PLAIN, Instant::now());
        leases.remove([lease(1, 1), lease(2, 1)]);
        assert_eq!((leases.busy_hosts(|_, _| 1), leases.busy_hosts(|_, _| 2)), (vec!["a".to_owned()], vec![]));
        assert_eq!(leases.most_ended(), 0);
    }

    #[tokio::test]
    async fn what_waits_for_the_committer_burdens_its_host_no_more() {
        let leases = Leases::default();
        for task in 1..=2 {
            leases.add(lease(task, 1), "a", PLAIN, Instant::now());
        }
        leases.finish(lease(1, 1));
        leases.finish(lease(1, 1));
        assert!(leases.busy_hosts(|_, _| 2).is_empty());
        assert_eq!((leases.busy_hosts(|_, _| 1), leases.held(JobId(1))), (vec!["a".to_owned()], 2));
        leases.remove([lease(1, 1), lease(2, 1)]);
        assert!(leases.busy_hosts(|_, _| 1).is_empty() && leases.held(JobId(1)) == 0);
        assert_eq!(leases.table().by_host["a"].ended[0], 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_not_asked_for_is_no_sign_of_a_quick_host() {
        let (leases, until) = (Leases::default(), Instant::now() + Duration::from_secs(60));
        for task in 1..=3 {
            leases.add(lease(task, 1), "a.org", PLAIN, until);
        }
        leases.not_asked(lease(1, 1));
        leases.finish(lease(1, 1));
        assert_eq!(leases.most_ended(), 0);
        leases.finish(lease(2, 1));
        leases.not_asked(lease(3, 1));
        leases.remove([lease(2, 1), lease(3, 1)]);
        assert_eq!(leases.most_ended(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_gives_back_is_not_stalled_for_a_while() {
        let leases = Leases::default();
        for task in 1..=6 {
            leases.add(lease(task, 1), "quick", PLAIN, Instant::now());
            leases.add(lease(task + 10, 1), "slow", PLAIN, Instant::now());
        }
        leases.remove((1..=4).map(|task| lease(task, 1)));
        assert!(leases.stalled_hosts(|_, _| 7, 9).is_empty(), "nobody holds so much");
        assert_eq!(leases.stalled_hosts(|_, _| 2, 9), ["slow"], "two of the quick one are held, four ended lately");
        let mut both = leases.stalled_hosts(|_, _| 2, 2);
        both.sort_unstable();
        assert_eq!(both, ["quick", "slow"], "that is the most it may hold");
        tokio::time::advance(HostLoad::SPAN * 3).await;
        assert_eq!(leases.stalled_hosts(|_, _| 2, 9).len(), 2);
    }

    #[tokio::test]
    async fn an_old_fence_removes_nothing() {
        let leases = Leases::default();
        leases.add(lease(1, 2), "a", PLAIN, Instant::now());
        leases.remove([lease(1, 1)]);
        leases.lose([lease(1, 1)]);
        assert!(leases.holds(lease(1, 2)));
    }

    #[tokio::test]
    async fn losing_a_lease_stops_its_work() {
        let leases = Leases::default();
        let now = Instant::now();
        let cancel = leases.add(lease(1, 1), "a", PLAIN, now);
        assert_eq!(leases.untrusted(now), [lease(1, 1)]);
        leases.lose([lease(1, 1)]);
        assert!(cancel.is_cancelled() && !leases.holds(lease(1, 1)));
    }

    #[tokio::test]
    async fn all_work_stops_what_is_added_later_and_what_was_held_before_included() {
        let leases = Leases::default();
        let [old, new] = [1, 2].map(|fence| leases.add(lease(1, fence), "a", PLAIN, Instant::now()));
        assert!(old.is_cancelled() && !new.is_cancelled(), "the task is held anew");
        leases.interrupt_all();
        let later = leases.add(lease(2, 1), "a", PLAIN, Instant::now());
        assert!(new.is_cancelled() && later.is_cancelled());
        assert!(leases.holds(lease(1, 2)) && leases.holds(lease(2, 1)), "they are given back as usual");
    }
}
