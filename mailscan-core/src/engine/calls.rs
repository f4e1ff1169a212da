//! Calls to the backend: which of them wait for an answer, and until when they are waited for.
//!
//! Every call that a part of the engine waits for goes through here, so that a backend which hangs holds up no end of the
//! engine (`ending.rs`). Left out are calls that are dropped by themselves when all is committed.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::shared::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::Pipeline;
use crate::retry::Backoff;

/// The wait between repeats of a call that a backend could not answer.
const OUTAGE_BACKOFF: Backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(5) };

/// The calls that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// Numbers rise with time.
    next: u64,
    since: BTreeMap<u64, Instant>,
    /// When one was answered last.
    answered: Option<Instant>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
struct Call<'a> {
    calls: &'a Calls,
    number: u64,
}

impl Calls {
    fn begin(&self) -> Call<'_> {
        let mut waiting = self.waiting();
        let number = waiting.next;
        waiting.next += 1;
        waiting.since.insert(number, Instant::now());
        Call { calls: self, number }
    }

    /// How long the one has waited that has waited longest; zero where none waits.
    pub(super) fn longest(&self) -> Duration {
        self.waiting().since.values().next().map_or(Duration::ZERO, Instant::elapsed)
    }

    /// For how long calls have waited and none was answered; zero where none waits.
    pub(super) fn silence(&self) -> Duration {
        let answered = self.waiting().answered.map_or(Duration::MAX, |at| at.elapsed());
        self.longest().min(answered)
    }

    /// Notes that one was answered.
    fn hear(&self) {
        self.waiting().answered = Some(Instant::now());
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.calls.waiting().since.remove(&self.number);
    }
}

impl<P: Pipeline> Shared<P> {
    /// Waits for somebody else's work, until the engine waits for nobody any more.
    pub(super) async fn wait_for<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let _call = self.calls.begin();
        tokio::select! {
            biased;
            done = work => {
                self.calls.hear();
                Some(done)
            }
            () = self.over.cancelled() => None,
        }
    }

    /// The answer to one call, or an error that is transient where it is not waited for any more.
    pub(super) async fn ask<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let ended = || Error::new(ErrorKind::Unavailable, "engine", "it ends, and waits for no answer any more");
        self.wait_for(call).await.unwrap_or_else(|| Err(ended()))
    }

    /// Repeats a backend call until it is answered: with back-off while the error is transient, not at all when it is
    /// not. `None` when the engine has to stop instead.
    ///
    /// The call must be safe to repeat, as every call of the contracts is.
    pub(super) async fn persist<T, F, R>(&self, mut call: F) -> Option<T>
    where
        F: FnMut() -> R,
        R: Future<Output = Result<T>>,
    {
        for attempt in 1.. {
            // A dropped call means "outcome unknown", which is what giving up leaves behind in any case.
            let answer = {
                let _call = self.calls.begin();
                tokio::select! {
                    biased;
                    answer = call() => answer,
                    () = self.give_up.cancelled() => return None,
                }
            };
            self.calls.hear();
            match answer {
                Ok(value) => {
                    if attempt > 1 {
                        self.set_trouble(None);
                    }
                    return Some(value);
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, attempt, "a backend call failed and is repeated");
                    // Once is soon mended: a server that changes over, a file that another process has locked.
                    if attempt > 1 {
                        self.set_trouble(Some(error.to_string()));
                    }
                    let wait = OUTAGE_BACKOFF.delay(attempt, rand::random(), None);
                    tokio::select! {
                        () = self.give_up.cancelled() => return None,
                        () = tokio::time::sleep(wait) => {}
                    }
                }
                Err(error) => {
                    self.fail(error);
                    return None;
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_call_that_has_waited_longest_counts() {
        let calls = Calls::default();
        assert_eq!(calls.longest(), Duration::ZERO);
        let first = calls.begin();
        tokio::time::advance(Duration::from_secs(2)).await;
        let second = calls.begin();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(calls.longest(), Duration::from_secs(3));
        drop(first);
        assert_eq!(calls.longest(), Duration::from_secs(1));
        calls.hear();
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!((calls.longest(), calls.silence()), (Duration::from_secs(4), Duration::from_secs(3)));
        drop(second);
        assert_eq!((calls.longest(), calls.silence()), (Duration::ZERO, Duration::ZERO));
    }
}
