//! Answers that are kept for a moment, so that any number of clients who look at the same thing cost the store one look.
//!
//! An answer is at most as old as [`ServeOptions::fresh_for`](crate::ServeOptions) when it is given. From half of that age on
//! the next request reads anew while all others are still given the old one, so that nobody waits in a row. Whatever is
//! changed through this server forgets them all, so who changes something sees it changed.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use tokio::time::Instant;

use crate::problem::Problem;
use crate::sealed::Sealed;

/// The most answers that are kept.
const MAX_ENTRIES: usize = 512;
/// The largest answer that is kept, in bytes.
const MAX_SIZE: usize = 64 << 10;

/// The answers kept, by the path and query that were asked for.
#[derive(Debug)]
pub(crate) struct Snapshots {
    fresh_for: Duration,
    /// Rises with every change.
    changes: AtomicU64,
    entries: Mutex<HashMap<Box<str>, Arc<Entry>>>,
}

#[derive(Debug, Default)]
struct Entry {
    newest: Mutex<Option<(Instant, Arc<Sealed>)>>,
    /// Held by the one who reads anew.
    reading: tokio::sync::Mutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Entry {
    /// The answer, if it is younger than `age`.
    fn within(&self, age: Duration) -> Option<Arc<Sealed>> {
        lock(&self.newest).as_ref().filter(|(began, _)| began.elapsed() < age).map(|(_, sealed)| sealed.clone())
    }
}

impl Snapshots {
    /// Keeps nothing when `fresh_for` is zero.
    pub(crate) fn new(fresh_for: Duration) -> Self {
        Self { fresh_for, changes: AtomicU64::new(0), entries: Mutex::default() }
    }

    /// The kept answer for `target`, or the one that `read` gives, which is then kept.
    ///
    /// # Errors
    /// Those of `read`, which are never kept.
    pub(crate) async fn get<F>(&self, target: &str, read: impl FnOnce() -> F) -> Result<Arc<Sealed>, Problem>
    where
        F: Future<Output = Result<Sealed, Problem>>,
    {
        if self.fresh_for.is_zero() {
            return read().await.map(Arc::new);
        }
        let entry = self.entry(target);
        if let Some(sealed) = entry.within(self.fresh_for / 2) {
            return Ok(sealed);
        }
        let _reading = match entry.reading.try_lock() {
            Ok(reading) => reading,
            Err(_) => {
                if let Some(sealed) = entry.within(self.fresh_for) {
                    return Ok(sealed);
                }
                let reading = entry.reading.lock().await;
                if let Some(sealed) = entry.within(self.fresh_for) {
                    return Ok(sealed);
                }
                reading
            }
        };
        // What was read is as old as the question, and may be from before a change that was made meanwhile.
        let (began, changes) = (Instant::now(), self.changes.load(Ordering::Acquire));
        let sealed = Arc::new(read().await?);
        if sealed.status() == StatusCode::OK && sealed.size() <= MAX_SIZE {
            let mut newest = lock(&entry.newest);
            if self.changes.load(Ordering::Acquire) == changes {
                *newest = Some((began, sealed.clone()));
            }
        }
        Ok(sealed)
    }

    /// Forgets everything, since something was changed.
    pub(crate) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        for (_, entry) in lock(&self.entries).drain() {
            *lock(&entry.newest) = None;
        }
    }

    fn entry(&self, target: &str) -> Arc<Entry> {
        let mut entries = lock(&self.entries);
        if let Some(entry) = entries.get(target) {
            return entry.clone();
        }
        if entries.len() >= MAX_ENTRIES {
            entries.retain(|_, entry| entry.within(self.fresh_for).is_some());
        }
        let entry = Arc::new(Entry::default());
        // Beyond that, an answer is not kept.
        if entries.len() < MAX_ENTRIES {
            entries.insert(target.into(), entry.clone());
        }
        entry
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::reply::Reply;

    const FRESH: Duration = Duration::from_millis(200);

    /// Asks; answers how often it was read until then.
    async fn ask(snapshots: &Snapshots, target: &str, reads: &AtomicUsize) -> usize {
        let read = async || {
            let n = reads.fetch_add(1, Ordering::Relaxed) + 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(Sealed::new(Reply::whole("text/plain", vec![b'x'; n])).unwrap())
        };
        snapshots.get(target, read).await.unwrap().size()
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_at_once_cost_one_look() {
        let (snapshots, reads) = (Snapshots::new(FRESH), AtomicUsize::new(0));
        let asked = futures::future::join_all((0..1_000).map(|_| ask(&snapshots, "/a", &reads))).await;
        assert!(asked.iter().all(|seen| *seen == 1));
        assert_eq!(ask(&snapshots, "/b", &reads).await, 2, "something else");
        assert_eq!(ask(&snapshots, "/a", &reads).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_reads_anew_while_the_others_need_not_wait() {
        let (snapshots, reads) = (Snapshots::new(FRESH), AtomicUsize::new(0));
        ask(&snapshots, "/a", &reads).await;
        tokio::time::advance(FRESH / 2).await;
        let asked = futures::future::join_all((0..3).map(|_| ask(&snapshots, "/a", &reads))).await;
        assert_eq!(asked, [2, 1, 1]);
        tokio::time::advance(FRESH * 2).await;
        let asked = futures::future::join_all((0..3).map(|_| ask(&snapshots, "/a", &reads))).await;
        assert_eq!(asked, [3, 3, 3], "what is too old is given to nobody");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_seen_at_once_also_by_who_was_asking_then() {
        let (snapshots, reads) = (Snapshots::new(FRESH), AtomicUsize::new(0));
        let (before, ()) = tokio::join!(ask(&snapshots, "/a", &reads), async { snapshots.forget() });
        assert_eq!((before, ask(&snapshots, "/a", &reads).await), (1, 2));
        snapshots.forget();
        assert_eq!(ask(&snapshots, "/a", &reads).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_kept_than_there_is_room_for() {
        let (snapshots, reads) = (Snapshots::new(FRESH), AtomicUsize::new(0));
        for n in 0..MAX_ENTRIES + 10 {
            let entry = snapshots.entry(&n.to_string());
            *lock(&entry.newest) = Some((Instant::now(), Arc::new(Sealed::new(Reply::empty()).unwrap())));
        }
        assert_eq!(lock(&snapshots.entries).len(), MAX_ENTRIES);
        tokio::time::advance(FRESH).await;
        ask(&snapshots, "/a", &reads).await;
        assert_eq!(lock(&snapshots.entries).len(), 1);
    }
}
