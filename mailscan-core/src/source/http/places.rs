//! The places for large bodies: so many in all, and shared by the hosts that the bodies come from.
//!
//! A host that sends slowly holds its places for long. So none gets more than are left for all others: one alone may have a
//! little more than half, each further one half of what is left, and however many are slow, the next mostly finds some. Whoever
//! waits has the bound of its own fetch; nothing here knows of time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The places for one kind of bodies.
#[derive(Debug)]
pub(super) struct Places {
    permits: Arc<Semaphore>,
    claims: Arc<Claims>,
}

/// What hosts hold or are next to get.
#[derive(Debug)]
struct Claims {
    all: usize,
    claimed: Mutex<Claimed>,
    given_back: Notify,
}

#[derive(Debug, Default)]
struct Claimed {
    by_host: AHashMap<String, usize>,
    sum: usize,
}

/// A host's right to so many places, for as long as it is waited for what it sends.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Arc<Claims>,
    host: String,
    count: usize,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        let claims = Claims { all: count, claimed: Mutex::default(), given_back: Notify::new() };
        Self { permits: Arc::new(Semaphore::new(count)), claims: Arc::new(claims) }
    }

    /// Waits until a host may have `count` more places for what it sends; the right to them is held while it has something to send.
    pub(super) async fn claim(&self, host: String, count: usize) -> Claim {
        Claims::claim(&self.claims, host, count).await
    }

    /// Waits for `count` places, of which there must be as many. They may be kept for longer than the claim.
    pub(super) async fn place(&self, count: usize) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(count).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        self.permits.clone().acquire_many_owned(permits).await.ok()
    }

    /// How many are free.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.permits.available_permits()
    }
}

impl Claims {
    async fn claim(this: &Arc<Self>, host: String, count: usize) -> Claim {
        loop {
            let given_back = this.given_back.notified();
            if this.claimed().add(&host, count, this.all) {
                return Claim { claims: this.clone(), host, count };
            }
            given_back.await;
        }
    }

    fn claimed(&self) -> MutexGuard<'_, Claimed> {
        // Nothing here panics halfway through a change.
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claimed {
    /// Adds to what a host holds, unless it has more than is left of `all`.
    fn add(&mut self, host: &str, count: usize, all: usize) -> bool {
        let held = self.by_host.get(host).copied().unwrap_or_default();
        if held > all.saturating_sub(self.sum) {
            return false;
        }
        self.by_host.insert(host.to_owned(), held + count);
        self.sum += count;
        true
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = self.claims.claimed();
        claimed.sum -= self.count;
        if let Some(held) = claimed.by_host.get_mut(&self.host) {
            *held -= self.count;
            if *held == 0 {
                claimed.by_host.remove(&self.host);
            }
        }
        drop(claimed);
        self.claims.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    impl Places {
        /// Waits for both.
        pub(in super::super) async fn take(&self, host: String, count: usize) -> Option<(Claim, OwnedSemaphorePermit)> {
            let claim = self.claim(host, count).await;
            Some((claim, self.place(count).await?))
        }
    }

    /// What a host gets at once of what it asks for, one after the other.
    fn taken(places: &Places, host: &str, count: usize) -> Vec<(Claim, OwnedSemaphorePermit)> {
        let take = || places.take(host.to_owned(), count).now_or_never().flatten();
        std::iter::from_fn(take).collect()
    }

    #[test]
    fn a_host_gets_no_more_than_are_left_for_others() {
        let places = Places::new(24);
        let held: Vec<_> = ["a", "b", "c", "d"].iter().map(|host| taken(&places, host, 1)).collect();
        assert_eq!(held.iter().map(Vec::len).collect::<Vec<_>>(), [13, 6, 3, 2]);
        drop(held);
        assert!(places.claims.claimed().by_host.is_empty() && places.free() == 24, "nothing is kept");
        let places = Places::new(16);
        assert_eq!(taken(&places, "a", 8).len(), 2, "one alone may have all, where that is two");
        assert_eq!(taken(&places, "a", 16).len(), 1);
    }

    #[tokio::test]
    async fn whoever_waits_gets_what_is_given_back() {
        let places = Places::new(4);
        let mut of_a = taken(&places, "a", 1);
        assert_eq!(of_a.len(), 3);
        let mut waits = Box::pin(places.take("a".to_owned(), 1));
        assert!(waits.as_mut().now_or_never().is_none());
        let of_b = taken(&places, "b", 1);
        assert_eq!(of_b.len(), 1);
        // What is read already is no longer the host's matter, but takes its place for as long as it is held.
        let (claim, place) = of_a.pop().unwrap();
        drop(claim);
        of_a.pop();
        assert!(waits.await.is_some());
        drop((place, of_b));
        assert_eq!(places.free(), 3);
    }
}
