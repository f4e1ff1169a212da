//! The places for large bodies: so many in all, and shared by the hosts that the bodies come from.
//!
//! A host that sends slowly holds its places for long. So none gets more than are left for all others: one alone may have a
//! little more than half, each further one half of what is left, and however many are slow, the next mostly finds some. Whoever
//! waits for the same host is served in turn, and nobody is woken in vain. All have the bound of their own fetch; nothing here knows
//! of time.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

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
}

#[derive(Debug, Default)]
struct Claimed {
    by_host: AHashMap<Arc<str>, OfHost>,
    /// The hosts that somebody waits for: those that hold least first, and of these who had a turn the longest ago.
    waiting: BTreeSet<(usize, u64, Arc<str>)>,
    sum: usize,
    turns: u64,
}

/// What one host holds, and who waits for it to have more. One that is neither held nor waited for is not remembered.
#[derive(Debug, Default)]
struct OfHost {
    held: usize,
    queue: VecDeque<Waiter>,
    /// When it had its last turn, or was waited for first.
    turn: u64,
}

#[derive(Debug)]
struct Waiter {
    count: usize,
    claim: oneshot::Sender<Claim>,
}

/// A host's right to so many places, for as long as it is waited for what it sends.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Arc<Claims>,
    host: Arc<str>,
    count: usize,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        let claims = Claims { all: count, claimed: Mutex::default() };
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
        let host = Arc::from(host);
        loop {
            let (claim, claimed) = oneshot::channel();
            this.change(|table| table.wait(&host, Waiter { count, claim }));
            // Whoever waits is never forgotten.
            if let Ok(claim) = claimed.await {
                return claim;
            }
        }
    }

    /// Changes what is claimed, and gives their claims to those who may go on by that.
    fn change(self: &Arc<Self>, change: impl FnOnce(&mut Claimed)) {
        let next = {
            let mut claimed = self.claimed();
            change(&mut claimed);
            claimed.next(self.all)
        };
        for (host, Waiter { count, claim }) in next {
            // Comes back at once from who waits no more.
            let _ = claim.send(Claim { claims: self.clone(), host, count });
        }
    }

    fn claimed(&self) -> MutexGuard<'_, Claimed> {
        // Nothing here panics halfway through a change.
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claimed {
    /// Changes what is known of a host, and its place among those that are waited for.
    fn change<T>(&mut self, host: &Arc<str>, change: impl FnOnce(&mut OfHost) -> T) -> T {
        let of_host = self.by_host.entry(host.clone()).or_default();
        self.waiting.remove(&(of_host.held, of_host.turn, host.clone()));
        let changed = change(of_host);
        if !of_host.queue.is_empty() {
            self.waiting.insert((of_host.held, of_host.turn, host.clone()));
        } else if of_host.held == 0 {
            self.by_host.remove(host);
        }
        changed
    }

    fn wait(&mut self, host: &Arc<str>, waiter: Waiter) {
        self.turns += 1;
        let turn = self.turns;
        self.change(host, |of_host| {
            if of_host.queue.is_empty() {
                of_host.turn = turn;
            }
            while of_host.queue.pop_front_if(|first| first.claim.is_closed()).is_some() {}
            of_host.queue.push_back(waiter);
        });
    }

    fn give_back(&mut self, host: &Arc<str>, count: usize) {
        self.sum -= count;
        self.change(host, |of_host| of_host.held -= count);
    }

    /// Takes out those whose hosts hold no more than is left of `all`.
    fn next(&mut self, all: usize) -> Vec<(Arc<str>, Waiter)> {
        let mut next = Vec::new();
        while let Some((held, _, host)) = self.waiting.first().cloned()
            && held <= all.saturating_sub(self.sum)
        {
            self.turns += 1;
            let turn = self.turns;
            let waiter = self.change(&host, |of_host| {
                let waiter = of_host.queue.pop_front().filter(|waiter| !waiter.claim.is_closed())?;
                of_host.held += waiter.count;
                of_host.turn = turn;
                Some(waiter)
            });
            self.sum += waiter.as_ref().map_or(0, |waiter| waiter.count);
            next.extend(waiter.map(|waiter| (host, waiter)));
        }
        next
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.change(|claimed| claimed.give_back(&self.host, self.count));
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

    #[tokio::test]
    async fn whoever_waits_for_a_host_is_served_in_turn_and_nobody_overtakes() {
        let places = Places::new(4);
        let mut of_a = taken(&places, "a", 1);
        let mut waits: Vec<_> = (0..3).map(|_| Box::pin(places.take("a".to_owned(), 1))).collect();
        assert!(waits.iter_mut().all(|waits| waits.as_mut().now_or_never().is_none()));
        // The first goes away.
        drop(waits.remove(0));
        of_a.pop();
        assert!(places.take("a".to_owned(), 1).now_or_never().is_none(), "who comes now comes behind");
        assert!(waits[1].as_mut().now_or_never().is_none());
        let served = waits.remove(0).now_or_never().flatten();
        assert!(served.is_some());
        drop((of_a, served, waits));
        assert!(places.claims.claimed().by_host.is_empty() && places.free() == 4, "nothing is kept");
    }

    #[tokio::test]
    async fn of_the_hosts_that_wait_the_one_that_holds_least_goes_on() {
        let places = Places::new(8);
        let [mut of_a, of_b, of_c] = ["a", "b", "c"].map(|host| taken(&places, host, 1));
        assert_eq!([of_a.len(), of_b.len(), of_c.len()], [5, 2, 1]);
        let mut waits = ["a", "b", "c"].map(|host| Box::pin(places.take(host.to_owned(), 1)));
        assert!(waits.iter_mut().all(|waits| waits.as_mut().now_or_never().is_none()));
        of_a.pop();
        let went = waits.each_mut().map(|waits| waits.as_mut().now_or_never().flatten().is_some());
        assert_eq!(went, [false, false, true]);
    }
}
