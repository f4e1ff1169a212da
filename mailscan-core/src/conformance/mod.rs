//! The contracts as a test suite: one case per line of behaviour of [`crate::queue`], [`crate::store`] and
//! [`crate::pipeline`].
//!
//! A backend says how it is opened in a [`Harness`] and calls [`conformance_tests!`](crate::conformance_tests) in its
//! tests, which makes one test of every case, and tests that run random operations against a naive model. Nothing
//! here names a backend.
//!
//! The tests need `tokio` with the features `macros`, `rt` and `test-util`; they run on a paused clock. Some call with
//! batches as large as the engine's, so a backend that takes long for one row takes long for the suite.

// A failed unwrap is a failed case.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::fmt::Debug;
use std::future::Future;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::job::JobId;
use crate::lease::{Claimed, FailureClass, Lease, NodeId, Settle, Verdict};
use crate::pipeline::{Backends, Pipeline};
use crate::queue::{ClaimRequest, Pushed, Queue, QueueLimits, Settled, Share, Swept};
use crate::store::Store;
use crate::task::{LOCAL_HOST, ListPosition, NewTask, SEARCH_HOST, TaskId, Work};

pub mod addresses;
pub mod batches;
pub mod claim;
pub mod deletion;
pub mod hint;
pub mod jobs;
mod macros;
pub mod model;
pub mod pipeline;
pub mod push;
pub mod records;
pub mod renew;
pub mod repeats;
pub mod retry;
pub mod settle;
pub mod sweep;
pub mod times;
pub mod together;
pub mod union;

pub use pipeline::NoFetcher;

/// How a backend is opened for a case.
pub trait Harness {
    /// Its queue.
    type Queue: Queue;
    /// Its store.
    type Store: Store;

    /// A queue and a store that hold nothing.
    fn open(&self, limits: QueueLimits) -> impl Future<Output = (Self::Queue, Self::Store)>;

    /// The queue and the store as a pipeline. The default is one that writes to one after the other ([`Backends`]); a
    /// backend that has a [`Pipeline`] of its own answers with that, and with [`NoFetcher`] for what fetches.
    fn pipeline(
        &self,
        queue: Self::Queue,
        store: Self::Store,
    ) -> impl Pipeline<Queue = Self::Queue, Store = Self::Store> {
        Backends { queue, store, fetcher: NoFetcher }
    }

    /// Moves the backend's clock on. The default moves tokio's, for backends that follow it.
    fn advance(&self, by: Duration) -> impl Future<Output = ()> {
        tokio::time::advance(by)
    }

    /// How far the backend's clock may go on by itself while a case makes a few calls: zero, the default, for one that
    /// [`advance`](Self::advance) alone moves, and less than half a second for any other. A case that looks at parts of a
    /// second leaves so much room, and looks again when its calls took longer.
    fn drift(&self) -> Duration {
        Duration::ZERO
    }
}

/// The job of most cases.
const JOB: JobId = JobId(1);
/// How long most leases hold.
const LEASE: Duration = Duration::from_secs(90);
/// A limit that limits nothing here.
const MANY: NonZeroUsize = NonZeroUsize::MAX;

/// An empty queue with the default limits.
async fn queue<H: Harness>(harness: &H) -> H::Queue {
    harness.open(QueueLimits::default()).await.0
}

/// The task of page `n` at a host.
fn page(host: &str, n: usize) -> NewTask {
    NewTask { job: JOB, work: Work::Page { url: format!("https://{host}/{n}") }, depth: 0, limit: None }
}

/// Pages `0..count` at a host.
fn pages(host: &str, count: usize) -> Vec<NewTask> {
    (0..count).map(|n| page(host, n)).collect()
}

/// A claim for [`JOB`] that only the number of tasks limits.
fn request(limit: usize) -> ClaimRequest {
    ClaimRequest {
        node: NodeId("node".to_owned()),
        shares: vec![Share { job: JOB, limit }],
        per_host: usize::MAX,
        calls: usize::MAX,
        busy_hosts: Vec::new(),
        suspects: usize::MAX,
        lease_for: LEASE,
    }
}

/// The other job of cases that need two.
const OTHER: JobId = JobId(2);

/// The same task in the other job.
fn of_other(task: NewTask) -> NewTask {
    NewTask { job: OTHER, ..task }
}

/// Pushes tasks; there is an answer for each.
async fn push(queue: &impl Queue, tasks: &[NewTask]) -> Vec<Pushed> {
    let pushed = queue.push(tasks).await.unwrap();
    assert_eq!(pushed.len(), tasks.len(), "each task is answered");
    pushed
}

/// Pushes tasks that must all be new, each under an id of its own.
async fn push_new(queue: &impl Queue, tasks: &[NewTask]) -> Vec<TaskId> {
    let new = |pushed| match pushed {
        Pushed::New(id) => id,
        other => panic!("a new task was answered {other:?}"),
    };
    let ids: Vec<_> = push(queue, tasks).await.into_iter().map(new).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "ids are not used twice");
    ids
}

/// Claims up to `limit` tasks of [`JOB`].
async fn take(queue: &impl Queue, limit: usize) -> Vec<Claimed> {
    queue.claim(&request(limit)).await.unwrap()
}

/// Claims exactly one task.
async fn take_one(queue: &impl Queue) -> Claimed {
    let mut claimed = take(queue, 1).await;
    assert_eq!(claimed.len(), 1, "one task was ready");
    claimed.remove(0)
}

/// Settles one lease.
async fn settle_one(queue: &impl Queue, lease: Lease, verdict: Verdict) -> Settled {
    settle_all(queue, &[(lease, verdict)]).await[0]
}

/// Settles a batch.
async fn settle_all(queue: &impl Queue, batch: &[(Lease, Verdict)]) -> Vec<Settled> {
    let batch: Vec<_> = batch.iter().map(|(lease, verdict)| Settle::new(*lease, verdict.clone())).collect();
    let settled = queue.settle(&batch).await.unwrap();
    assert_eq!(settled.len(), batch.len());
    settled
}

/// Lets every lease run out and takes them back.
async fn crash<H: Harness>(harness: &H, queue: &H::Queue) -> Swept {
    harness.advance(LEASE).await;
    queue.sweep(MANY).await.unwrap()
}

fn ids(claimed: &[Claimed]) -> Vec<TaskId> {
    claimed.iter().map(|claimed| claimed.task.id).collect()
}

fn hosts(claimed: &[Claimed]) -> Vec<String> {
    claimed.iter().map(|claimed| claimed.task.work.host()).collect()
}

fn retry(after: Duration) -> Verdict {
    Verdict::Retry { after }
}

fn release(after: Duration) -> Verdict {
    Verdict::Release { after }
}

fn failed(class: FailureClass) -> Verdict {
    Verdict::Failed { class, message: "no luck".to_owned() }
}

/// Equal as sets: no order is promised.
fn assert_same<T: Ord + Debug>(mut left: Vec<T>, mut right: Vec<T>) {
    left.sort();
    right.sort();
    assert_eq!(left, right);
}
