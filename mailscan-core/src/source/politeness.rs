//! The gate in front of every request: how often and how many at a time a host is asked, and when it is left alone.
//!
//! The page and robots fetchers ask for a turn before each request and report how the host answered. Time is tokio's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::fetch::{FetchError, FetchErrorClass};

/// The most hosts remembered; hosts that are idle and owe nothing are forgotten first.
const MAX_HOSTS: usize = 10_000;
/// The first and the longest time that a host is left alone when it does not say for how long.
const FIRST_BLOCK: Duration = Duration::from_secs(1);
const LONGEST_BLOCK: Duration = Duration::from_secs(300);
/// The longest that a host may ask to be left alone.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

/// How a host is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The least time between the starts of two requests; a longer crawl-delay of the host counts instead.
    pub interval: Duration,
    /// The most requests at a time. From 1.
    pub concurrency: usize,
    /// The longest that a task waits here for its turn; beyond that it goes back to the queue.
    pub patience: Duration,
}

impl Default for Pace {
    /// 100 ms, 8 at a time, 20 s.
    fn default() -> Self {
        Self { interval: Duration::from_millis(100), concurrency: 8, patience: Duration::from_secs(20) }
    }
}

impl Pace {
    /// No limits: for servers that are one's own, such as the simulation.
    pub const fn unlimited() -> Self {
        Self { interval: Duration::ZERO, concurrency: Semaphore::MAX_PERMITS, patience: Duration::from_secs(20) }
    }
}

/// The gate for all hosts.
#[derive(Debug)]
pub(crate) struct Politeness {
    pace: Pace,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

#[derive(Debug)]
struct Host {
    places: Arc<Semaphore>,
    schedule: Mutex<Schedule>,
}

#[derive(Debug)]
struct Schedule {
    /// When the next request may start.
    next: Instant,
    /// Until when the host is left alone: it counts for starts that were promised before, too.
    blocked: Instant,
    /// Refusals in a row.
    refusals: u32,
}

/// A turn at a host; the host's place is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    host: Arc<Host>,
    _place: OwnedSemaphorePermit,
}

impl Politeness {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, hosts: Mutex::default() }
    }

    /// Waits for a turn at `host`, first come first served. `delay` is what its robots.txt asks for.
    ///
    /// Cancel-safe: a dropped wait gives up its place, though not the time that it had been promised.
    ///
    /// # Errors
    /// [`FetchErrorClass::Deferred`] when the turn is further away than patience or `deadline`.
    pub(crate) async fn turn(
        &self,
        host: &str,
        delay: Option<Duration>,
        deadline: Instant,
    ) -> Result<Turn, FetchError> {
        let state = self.host(host);
        let latest = deadline.min(Instant::now() + self.pace.patience);
        let place = tokio::time::timeout_at(latest, state.places.clone().acquire_owned()).await;
        // The semaphore is never closed.
        let Ok(Ok(place)) = place else { return Err(defer(host, self.pace.patience)) };
        let interval = self.pace.interval.max(delay.unwrap_or_default());
        loop {
            let start = state.schedule().promise(interval, latest).map_err(|away| defer(host, away))?;
            tokio::time::sleep_until(start).await;
            // The host may have asked to be left alone in the meantime.
            if state.schedule().blocked <= start {
                return Ok(Turn { host: state, _place: place });
            }
        }
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(name) {
            return host.clone();
        }
        if hosts.len() >= MAX_HOSTS {
            let now = Instant::now();
            hosts.retain(|_, host| Arc::strong_count(host) > 1 || host.schedule().next > now);
        }
        let places = Arc::new(Semaphore::new(self.pace.concurrency.clamp(1, Semaphore::MAX_PERMITS)));
        let now = Instant::now();
        let schedule = Mutex::new(Schedule { next: now, blocked: now, refusals: 0 });
        let host = Arc::new(Host { places, schedule });
        hosts.insert(name.to_owned(), host.clone());
        host
    }
}

fn defer(host: &str, after: Duration) -> FetchError {
    // Spread over half as long again, so that those who wait do not all come back at once.
    let after = after.max(Duration::from_millis(100)).mul_f64(1.0 + 0.5 * rand::random::<f64>());
    FetchError::new(FetchErrorClass::Deferred, "turn", format!("{host} is asked no faster than it allows"))
        .retry_after(after)
}

impl Host {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Schedule {
    /// The next start, when it is no later than `latest`; else how far away it is.
    fn promise(&mut self, interval: Duration, latest: Instant) -> Result<Instant, Duration> {
        let now = Instant::now();
        let start = self.next.max(now);
        if start > latest {
            return Err(start - now);
        }
        self.next = start + interval;
        Ok(start)
    }
}

impl Turn {
    /// The host answered as it should.
    pub(crate) fn welcome(&self) {
        self.host.schedule().refusals = 0;
    }

    /// The host asked to be left alone (429 or 503), for a time or without saying how long. Answers for how long it is.
    pub(crate) fn refused(&self, asked: Option<Duration>) -> Duration {
        let mut schedule = self.host.schedule();
        let doubled = FIRST_BLOCK.saturating_mul(1 << schedule.refusals.min(20)).min(LONGEST_BLOCK);
        schedule.refusals = schedule.refusals.saturating_add(1);
        let wait = asked.map_or(doubled, |asked| asked.min(LONGEST_ASKED));
        schedule.blocked = schedule.blocked.max(Instant::now() + wait);
        schedule.next = schedule.next.max(schedule.blocked);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test(start_paused = true)]
    async fn starts_are_an_interval_apart_and_a_crawl_delay_counts_more() {
        let gate = Politeness::new(Pace { interval: Duration::from_millis(100), ..Pace::default() });
        let begin = Instant::now();
        for _ in 0..4 {
            gate.turn("a", None, far()).await.unwrap();
        }
        assert_eq!(begin.elapsed(), Duration::from_millis(300));
        let begin = Instant::now();
        for _ in 0..3 {
            gate.turn("b", Some(Duration::from_secs(2)), far()).await.unwrap();
        }
        assert_eq!(begin.elapsed(), Duration::from_secs(4));
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_do_not_wait_for_each_other() {
        let gate = Politeness::new(Pace { interval: Duration::from_secs(5), ..Pace::default() });
        let begin = Instant::now();
        for host in ["a", "b", "c"] {
            gate.turn(host, None, far()).await.unwrap();
        }
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_at_a_time_than_allowed() {
        let gate = Politeness::new(Pace { interval: Duration::ZERO, concurrency: 2, patience: Duration::from_secs(1) });
        let first = gate.turn("a", None, far()).await.unwrap();
        let _second = gate.turn("a", None, far()).await.unwrap();
        let third = gate.turn("a", None, far()).await.unwrap_err();
        assert_eq!(third.class, FetchErrorClass::Deferred);
        drop(first);
        gate.turn("a", None, far()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_holds_the_host_and_doubles_until_it_answers() {
        let gate = Politeness::new(Pace { interval: Duration::ZERO, ..Pace::default() });
        for seconds in [1, 2, 4] {
            let turn = gate.turn("a", None, far()).await.unwrap();
            assert_eq!(turn.refused(None), Duration::from_secs(seconds));
        }
        let begin = Instant::now();
        let turn = gate.turn("a", None, far()).await.unwrap();
        assert_eq!(begin.elapsed(), Duration::from_secs(4));
        turn.welcome();
        assert_eq!(turn.refused(None), Duration::from_secs(1));
        assert_eq!(turn.refused(Some(Duration::from_secs(90))), Duration::from_secs(90));
        let deferred = gate.turn("a", None, far()).await.unwrap_err();
        assert!(deferred.retry_after.unwrap() >= Duration::from_secs(90));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_holds_back_those_who_already_wait() {
        let gate = Politeness::new(Pace { interval: Duration::from_secs(5), ..Pace::default() });
        let first = gate.turn("a", None, far()).await.unwrap();
        let begin = Instant::now();
        let refuse = async {
            tokio::time::sleep_until(begin + Duration::from_secs(1)).await;
            first.refused(Some(Duration::from_secs(10)));
        };
        let (second, ()) = futures::future::join(gate.turn("a", None, far()), refuse).await;
        second.unwrap();
        assert_eq!(begin.elapsed(), Duration::from_secs(11));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_hosts_are_forgotten() {
        let gate = Politeness::new(Pace { interval: Duration::ZERO, ..Pace::default() });
        for n in 0..MAX_HOSTS + 10 {
            gate.turn(&n.to_string(), None, far()).await.unwrap();
        }
        assert!(gate.hosts.lock().unwrap().len() <= MAX_HOSTS);
    }
}
