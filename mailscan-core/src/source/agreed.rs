//! What is agreed with other processes about one host: starts and places, asked for in batches.
//!
//! Requests that wait for the host come here after the process's own limits; the first that finds nothing left asks the
//! cluster for all of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::turns::{KEPT, SharedTurns, TurnRequest};

/// How far ahead starts are asked for.
pub(super) const AHEAD: Duration = Duration::from_secs(1);
/// The most starts of one batch.
const MOST: u32 = 256;
/// A start is used when its time comes or not at all: late ones would come on top of those of others.
const LATE: Duration = Duration::from_millis(15);
/// How much longer than the interval the time between two starts is: one part in so many. Requests reach a host a little
/// late, each by another time, and where starts are exactly the interval apart one too many may fall into a second. This
/// makes up for 31 ms between the latest and the most punctual.
const SLACK: u32 = 32;
/// How often a process without a place asks for one.
pub(super) const AGAIN: Duration = Duration::from_millis(500);

/// Starts and places of this process at a host.
#[derive(Debug, Default)]
pub(super) struct Agreed {
    state: Mutex<State>,
    /// One asks for all.
    asking: tokio::sync::Mutex<()>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The next start, when one is left.
    next: Option<Instant>,
    left: u32,
    /// How far apart the starts that are left are.
    apart: Duration,
    /// Until when starts that are bound to no time are good.
    lapse: Option<Instant>,
    places: usize,
    under_way: usize,
    waiting: u32,
    /// Until when there is no place, unless one of those here is given back.
    full: Option<Instant>,
    /// No start that is not given yet comes before this: as far as it is known, the host is not asked earlier by anybody else.
    turn: Option<Instant>,
    /// Until when the places are this process's although it uses none.
    kept: Option<Instant>,
    /// When places were asked for or used last, unless they were given back.
    used: Option<Instant>,
}

/// A place among those of this process; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Held(Arc<Agreed>);

impl Drop for Held {
    fn drop(&mut self) {
        {
            let mut state = self.0.state();
            state.under_way -= 1;
            state.full = None;
            state.used = Some(Instant::now());
        }
        self.0.freed.notify_one();
    }
}

/// Counts who waits, for as long as it does.
struct Waiting<'a>(&'a Agreed);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

/// Limits of a host for all processes together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    pub(super) host: &'a str,
    pub(super) interval: Duration,
    pub(super) concurrency: usize,
}

/// The time between two starts that keeps to an interval in spite of what delays requests on their way.
pub(super) fn with_slack(interval: Duration) -> Duration {
    interval + interval / SLACK
}

/// Whether the time of a start has passed.
pub(super) fn is_late(start: Instant) -> bool {
    start + LATE < Instant::now()
}

impl State {
    fn is_idle(&self, long: Duration) -> bool {
        self.under_way == 0 && self.waiting == 0 && self.used.is_some_and(|used| used.elapsed() >= long)
    }
}

impl Agreed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place, and answers it with the start that goes with it.
    ///
    /// Cancel-safe: a dropped wait loses at most one start.
    ///
    /// # Errors
    /// How far away the next try should be, when there is neither before `latest`.
    pub(super) async fn start(
        self: &Arc<Self>,
        turns: &dyn SharedTurns,
        terms: Terms<'_>,
        latest: Instant,
    ) -> Result<(Held, Instant), Duration> {
        self.state().waiting += 1;
        let _waiting = Waiting(self);
        loop {
            if let Some(start) = self.take(terms.interval) {
                return Ok((Held(self.clone()), start));
            }
            if let Some(full) = self.full() {
                let until = full.min(latest);
                // Until one of this process's own requests ends, or it is time to ask again.
                if tokio::time::timeout_at(until, self.freed.notified()).await.is_err() && until == latest {
                    return Err(self.away());
                }
                continue;
            }
            let Ok(_asking) = tokio::time::timeout_at(latest, self.asking.lock()).await else {
                return Err(self.away());
            };
            // Whoever asked meanwhile asked for this one as well.
            match self.take(terms.interval) {
                Some(start) => return Ok((Held(self.clone()), start)),
                None if self.full().is_none() => self.ask(turns, terms, latest).await?,
                None => {}
            }
        }
    }

    /// Until when it is known that there is no place.
    fn full(&self) -> Option<Instant> {
        self.state().full.filter(|full| *full > Instant::now())
    }

    /// How far away the next try should be of whoever waited in vain: there is nothing to be had before the turn. Those who
    /// come back are spread over half as long again, which is to end when the turn comes: the host is not to wait for them.
    fn away(&self) -> Duration {
        let turn = self.state().turn.map(|turn| turn.saturating_duration_since(Instant::now()));
        (turn.unwrap_or_default() * 2 / 3).max(AGAIN)
    }

    /// Whether requests of this process are under way.
    pub(super) fn is_used(&self) -> bool {
        self.state().under_way > 0
    }

    /// Whether there may be places to give back: nobody has used them for so long, or waits for one.
    pub(super) fn is_idle(&self, long: Duration) -> bool {
        self.state().is_idle(long)
    }

    /// Takes the places away from this process, if it has not used them for so long. Nobody asks for others until the
    /// answer is dropped, which is to be when they were given back.
    pub(super) fn give_back(&self, long: Duration) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let asking = self.asking.try_lock().ok()?;
        let mut state = self.state();
        if !state.is_idle(long) {
            return None;
        }
        (state.places, state.left, state.full, state.used) = (0, 0, None, None);
        Some(asking)
    }

    /// A start whose time has not passed, with a place.
    fn take(&self, interval: Duration) -> Option<Instant> {
        let (mut state, now) = (self.state(), Instant::now());
        if state.under_way == 0 && state.kept.is_none_or(|kept| kept < now) {
            state.left = 0;
        }
        // So that what other processes want is heard again and again.
        if state.lapse.is_some_and(|lapse| lapse < now) {
            state.left = 0;
        }
        // Promised before the host showed that it is asked too often.
        if state.apart < interval {
            state.left = 0;
        }
        // Also where a shorter interval would do by now: others have the starts in between.
        let apart = state.apart;
        while state.left > 0 && !apart.is_zero() && state.next.is_some_and(is_late) {
            state.left -= 1;
            state.next = state.next.map(|next| next + apart);
        }
        if state.left == 0 || state.under_way >= state.places {
            return None;
        }
        let start = state.next?;
        state.left -= 1;
        state.next = Some(start + apart);
        state.under_way += 1;
        Some(start)
    }

    /// Asks for those who wait.
    async fn ask(&self, turns: &dyn SharedTurns, terms: Terms<'_>, latest: Instant) -> Result<(), Duration> {
        let Terms { host, interval, concurrency } = terms;
        let (under_way, waiting) = {
            let mut state = self.state();
            // Whatever the answer, and whether or not it is heard.
            state.used = Some(Instant::now());
            (state.under_way, state.waiting)
        };
        let ahead =
            AHEAD.as_nanos().checked_div(interval.as_nanos()).map_or(MOST, |n| u32::try_from(n).unwrap_or(MOST));
        // Starts that are bound to no time are for everybody who comes until they lapse.
        let starts = if interval.is_zero() { MOST } else { waiting.min(ahead).clamp(1, MOST) };
        let patience = latest.saturating_duration_since(Instant::now());
        let request = TurnRequest { host: host.to_owned(), interval, starts, concurrency, under_way, patience };
        let kept = Instant::now() + KEPT / 3 * 2;
        let grant = match tokio::time::timeout_at(latest, turns.turns(request)).await {
            Ok(Ok(grant)) => grant,
            Ok(Err(error)) => {
                tracing::warn!(%error, host, "nothing is asked before other processes agree");
                return Err(AGAIN);
            }
            Err(_) => return Err(self.away()),
        };
        let mut state = self.state();
        state.turn = Some(Instant::now() + grant.first + interval.saturating_mul(grant.starts));
        state.places = grant.places;
        state.kept = Some(kept);
        state.lapse = interval.is_zero().then(|| Instant::now() + AHEAD);
        if grant.starts > 0 {
            // The answer took its time, so these are never too early.
            state.next = Some(Instant::now() + grant.first);
            state.left = grant.starts;
            state.apart = interval;
            self.freed.notify_waiters();
        } else if grant.places > under_way {
            return Err(grant.first);
        } else if state.under_way >= state.places {
            state.full = Some(Instant::now() + AGAIN);
        }
        Ok(())
    }
}
