//! The leases that this process holds: which tasks are its own to work on, and until when it may trust that.
//!
//! The dispatcher adds what it claims, the committer removes what it has settled, the heartbeat renews what is here
//! and stops what it can no longer vouch for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::job::JobId;
use crate::lease::Lease;
use crate::task::TaskId;

/// One held lease.
#[derive(Debug)]
struct Held {
    lease: Lease,
    host: Arc<str>,
    suspect: bool,
    trusted_until: Instant,
    cancel: CancellationToken,
}

/// All held leases, with counts by host and job.
#[derive(Debug, Default)]
struct Table {
    held: HashMap<(JobId, TaskId), Held>,
    by_host: HashMap<Arc<str>, usize>,
    by_job: HashMap<JobId, usize>,
    suspects: usize,
    /// Hosts that are to be left alone until then.
    resting: HashMap<String, Instant>,
}

/// The most resting hosts remembered; a host that is not costs a claim that comes back at once.
const MAX_RESTING: usize = 10_000;

/// The leases that this process holds.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<Table>);

impl Leases {
    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic while the table was locked cannot have left it half changed: every change is a few assignments.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a lease; the token is cancelled when the lease is lost or its job stops.
    pub(super) fn add(&self, lease: Lease, host: &str, suspect: bool, trusted_until: Instant) -> CancellationToken {
        let cancel = CancellationToken::new();
        let mut table = self.table();
        table.remove((lease.job, lease.task));
        let host = match table.by_host.get_key_value(host) {
            Some((known, _)) => known.clone(),
            None => Arc::from(host),
        };
        *table.by_host.entry(host.clone()).or_default() += 1;
        *table.by_job.entry(lease.job).or_default() += 1;
        table.suspects += usize::from(suspect);
        let held = Held { lease, host, suspect, trusted_until, cancel: cancel.clone() };
        table.held.insert((lease.job, lease.task), held);
        cancel
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

    /// Notes that a host has nothing for us before `until`, so that its tasks stay in the queue.
    pub(super) fn rest(&self, host: String, until: Instant) {
        let mut table = self.table();
        if table.resting.len() >= MAX_RESTING {
            let now = Instant::now();
            table.resting.retain(|_, until| *until > now);
        }
        if table.resting.len() < MAX_RESTING {
            table.resting.insert(host, until);
        }
    }

    /// Hosts with at least `limit` tasks here, and those that rest.
    pub(super) fn busy_hosts(&self, limit: usize) -> Vec<String> {
        let now = Instant::now();
        let mut table = self.table();
        table.resting.retain(|_, until| *until > now);
        let busy = table.by_host.iter().filter(|(_, count)| **count >= limit).map(|(host, _)| host.to_string());
        busy.chain(table.resting.keys().cloned()).collect()
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
}

impl Table {
    fn remove(&mut self, key: (JobId, TaskId)) -> Option<Held> {
        let held = self.held.remove(&key)?;
        self.suspects -= usize::from(held.suspect);
        decrement(&mut self.by_host, &held.host);
        decrement(&mut self.by_job, &held.lease.job);
        Some(held)
    }
}

/// Takes one off a count and forgets it at zero.
fn decrement<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(task: u64, fence: u64) -> Lease {
        Lease { job: JobId(1), task: TaskId(task), fence }
    }

    #[tokio::test]
    async fn counts_by_host_follow_adds_and_removes() {
        let leases = Leases::default();
        let until = Instant::now();
        leases.add(lease(1, 1), "a", false, until);
        leases.add(lease(2, 1), "a", true, until);
        assert_eq!(leases.busy_hosts(2), ["a"]);
        assert_eq!(leases.suspects(), 1);
        leases.remove([lease(2, 1)]);
        assert!(leases.busy_hosts(2).is_empty());
        assert_eq!(leases.suspects(), 0);
        leases.remove([lease(1, 1)]);
        assert!(leases.table().by_host.is_empty());
    }

    #[tokio::test]
    async fn an_old_fence_removes_nothing() {
        let leases = Leases::default();
        leases.add(lease(1, 2), "a", false, Instant::now());
        leases.remove([lease(1, 1)]);
        leases.lose([lease(1, 1)]);
        assert!(leases.holds(lease(1, 2)));
    }

    #[tokio::test]
    async fn losing_a_lease_stops_its_work() {
        let leases = Leases::default();
        let now = Instant::now();
        let cancel = leases.add(lease(1, 1), "a", false, now);
        assert_eq!(leases.untrusted(now), [lease(1, 1)]);
        leases.lose([lease(1, 1)]);
        assert!(cancel.is_cancelled() && !leases.holds(lease(1, 1)));
    }
}
