//! A pipeline: a queue, a store and a fetcher put together, and the order in which they are written.
//!
//! The engine drives any [`Pipeline`]; [`Backends`] makes one of any three parts. Who keeps queue and store in one
//! database may implement the trait to commit in one transaction, as the SQLite backend does. The behaviour that every
//! pipeline owes is held by `mailscan_core::conformance` (feature `conformance`).

use std::fmt::Debug;
use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::fetch::Fetcher;
use crate::lease::{Lease, NodeId, Settle};
use crate::queue::{Pushed, Queue, Settled, Swept};
use crate::store::{Inserted, NewWorkerError, Sighting, Store};
use crate::task::NewTask;

/// What a worker made of a task, or of a part of one.
#[derive(Clone, Debug, Default)]
pub struct TaskOutcome {
    /// The addresses it saw.
    pub sightings: Vec<Sighting>,
    /// The tasks it discovered.
    pub discovered: Vec<NewTask>,
    /// The error to record, if it failed.
    pub error: Option<NewWorkerError>,
    /// The lease with which it is done, if earlier tries of it failed: their errors are resolved.
    pub recovered: Option<Lease>,
    /// How it gives the task back; `None` while a large task goes on.
    pub settle: Option<Settle>,
    /// The [`Store::epoch`] of what was left out of it since the store had it.
    pub epoch: u64,
}

impl TaskOutcome {
    /// How much it is to write: its sightings and discovered tasks.
    pub(crate) fn weight(&self) -> usize {
        self.sightings.len() + self.discovered.len()
    }
}

/// What became of a batch of outcomes: one entry for each of its sightings, tasks and settlements, in their order.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// What became of the sightings.
    pub inserted: Vec<Inserted>,
    /// What became of the discovered tasks.
    pub pushed: Vec<Pushed>,
    /// What became of the settlements.
    pub settled: Vec<Settled>,
}

/// A queue, a store and a fetcher that belong together.
pub trait Pipeline: Debug + Send + Sync + 'static {
    /// Where tasks wait.
    type Queue: Queue;
    /// Where addresses are kept.
    type Store: Store;
    /// What carries tasks out.
    type Fetcher: Fetcher;

    /// The queue.
    fn queue(&self) -> &Self::Queue;
    /// The store.
    fn store(&self) -> &Self::Store;
    /// The fetcher.
    fn fetcher(&self) -> &Self::Fetcher;

    /// Writes outcomes: sightings, then discovered tasks, then errors, then settlements.
    ///
    /// A crash between two steps leaves the tasks unsettled, so they are delivered again and the work before is
    /// repeated; every step is idempotent, so repeating it changes nothing. In any other order a crash could lose an
    /// address or a task. `Err` means "outcome unknown": the whole batch may be committed again.
    ///
    /// - A batch that holds an outcome of another [epoch](Store::epoch) than the store's is refused whole, with an error that
    ///   is transient ([`check_epoch`]), and nothing of it is written.
    /// - A step that fails ends the commit: no later one is taken, so a batch with a sighting for a job that does not exist
    ///   settles nothing.
    /// - A batch that was committed before changes nothing, and is answered as each call answers what it has met before.
    fn commit(&self, outcomes: Arc<[TaskOutcome]>) -> impl Future<Output = Result<Committed>> + Send {
        async move { commit_in_order(self.queue(), self.store(), &outcomes).await }
    }

    /// Takes expired leases back, as [`Queue::sweep`] does, for this process. Who keeps queue and store in one database also
    /// records what is quarantined, in the same transaction: nobody is told of it again. The engine records it as well.
    fn sweep(&self, limit: NonZeroUsize, _node: &NodeId) -> impl Future<Output = Result<Swept>> + Send {
        self.queue().sweep(limit)
    }
}

/// Refuses outcomes of another [epoch](Store::epoch) than this one: what was left out of them as stored may be stored no more.
///
/// # Errors
/// [`ErrorKind::Unavailable`], which is transient: made of this epoch, the outcomes can be committed.
pub fn check_epoch(outcomes: &[TaskOutcome], epoch: u64) -> Result<()> {
    if outcomes.iter().all(|outcome| outcome.epoch == epoch) {
        return Ok(());
    }
    let message = "the store may have lost what these outcomes take for stored: make them for its epoch";
    Err(Error::new(ErrorKind::Unavailable, "commit", message))
}

/// The order of [`Pipeline::commit`], one call after the other; empty steps are left out.
///
/// # Errors
/// That of [`check_epoch`], and those of the store and the queue.
pub async fn commit_in_order<Q: Queue, S: Store>(queue: &Q, store: &S, outcomes: &[TaskOutcome]) -> Result<Committed> {
    check_epoch(outcomes, store.epoch())?;
    let mut committed = Committed::default();
    let sightings = concat(outcomes, |outcome| outcome.sightings.iter());
    if !sightings.is_empty() {
        committed.inserted = store.insert(&sightings).await?;
    }
    let discovered = concat(outcomes, |outcome| outcome.discovered.iter());
    if !discovered.is_empty() {
        committed.pushed = queue.push(&discovered).await?;
    }
    let errors = concat(outcomes, |outcome| outcome.error.iter());
    if !errors.is_empty() {
        store.record_errors(&errors).await?;
    }
    let recovered = concat(outcomes, |outcome| outcome.recovered.iter());
    if !recovered.is_empty() {
        store.recover_errors(&recovered).await?;
    }
    let settles = concat(outcomes, |outcome| outcome.settle.iter());
    if !settles.is_empty() {
        committed.settled = queue.settle(&settles).await?;
    }
    Ok(committed)
}

fn concat<'a, T: Clone + 'a, I: Iterator<Item = &'a T>>(
    outcomes: &'a [TaskOutcome],
    part: impl Fn(&'a TaskOutcome) -> I,
) -> Vec<T> {
    outcomes.iter().flat_map(part).cloned().collect()
}

/// A pipeline of three parts, committing in order.
#[derive(Debug)]
pub struct Backends<Q, S, F> {
    /// Where tasks wait.
    pub queue: Q,
    /// Where addresses are kept.
    pub store: S,
    /// What carries tasks out.
    pub fetcher: F,
}

impl<Q: Queue, S: Store, F: Fetcher> Pipeline for Backends<Q, S, F> {
    type Queue = Q;
    type Store = S;
    type Fetcher = F;

    fn queue(&self) -> &Q {
        &self.queue
    }

    fn store(&self) -> &S {
        &self.store
    }

    fn fetcher(&self) -> &F {
        &self.fetcher
    }
}
