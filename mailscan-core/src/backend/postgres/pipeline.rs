//! The pipeline of one PostgreSQL database: an outcome is committed in one transaction, not in four, and a sweep
//! with the errors that it makes.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::addresses::Insert;
use super::failure::Failure;
use super::fronts::Learned;
use super::push::Push;
use super::settle::Settlement;
use super::store::{record, recover};
use super::transaction::{Operation, Transaction};
use super::{Postgres, slot};
use crate::error::Result;
use crate::fetch::Fetcher;
use crate::job::JobId;
use crate::lease::NodeId;
use crate::pipeline::{Committed, Pipeline, TaskOutcome};
use crate::queue::{Pushed, Swept};

/// One PostgreSQL database as queue and store, and a fetcher. Commits outcomes whole or not at all.
#[derive(Debug)]
pub struct PostgresPipeline<F> {
    /// Where tasks wait and addresses are kept.
    pub database: Postgres,
    /// What carries tasks out.
    pub fetcher: F,
}

/// A batch of outcomes on its way into the database.
struct Commit {
    insert: Insert,
    push: Push,
    outcomes: Arc<[TaskOutcome]>,
    settlement: Settlement,
    database: Postgres,
    epoch: u64,
}

impl Operation for Commit {
    type Output = (Committed, Vec<(JobId, Learned)>);

    /// The order is that of the contract, and every process locks in it: jobs, limits, tasks, counts, counts of pushes.
    async fn run(&self, transaction: &Transaction<'_>) -> Result<Self::Output, Failure> {
        self.write(transaction).await.map_err(|failure| self.database.shared.start.heed(failure))
    }
}

impl Commit {
    async fn write(&self, transaction: &Transaction<'_>) -> Result<<Self as Operation>::Output, Failure> {
        let mut guard = vec![self.database.shared.start.guard(self.epoch)?];
        let mut first = if self.insert.is_empty() { Vec::new() } else { self.insert.statements() };
        let inserts = first.len();
        let (pushes, mut answers) = self.push.opening();
        if !self.push.is_empty() {
            first.extend(pushes);
        }
        let (mut committed, mut learned) = (Committed::default(), Vec::new());
        if !first.is_empty() {
            first.append(&mut guard);
            let mut rows = transaction.run(&first).await?;
            // That of the guard, which went with them.
            rows.pop();
            let inserted = self.insert.spread(&rows[..inserts])?;
            (committed.inserted, learned) = (inserted.inserted, inserted.learned);
            if !self.push.is_empty() {
                Push::take(&mut answers, rows.last().map_or(&[], Vec::as_slice))?;
                self.push.settle(transaction, &mut answers).await?;
                committed.pushed = self.push.spread(&answers);
            }
        }
        let mut last = guard;
        last.extend(record(self.outcomes.iter().filter_map(|outcome| outcome.error.as_ref())).into_iter().flatten());
        last.extend(recover(self.outcomes.iter().filter_map(|outcome| outcome.recovered)));
        let settles = last.len();
        if !self.settlement.is_empty() {
            last.push(self.settlement.statement());
        }
        last.extend(self.push.counts(&answers));
        let rows = transaction.finish(&last).await?;
        if !self.settlement.is_empty() {
            committed.settled = self.settlement.spread(rows.get(settles).map_or(&[], Vec::as_slice))?;
        }
        Ok((committed, learned))
    }
}

impl<F: Fetcher> Pipeline for PostgresPipeline<F> {
    type Queue = Postgres;
    type Store = Postgres;
    type Fetcher = F;

    fn queue(&self) -> &Postgres {
        &self.database
    }

    fn store(&self) -> &Postgres {
        &self.database
    }

    fn fetcher(&self) -> &F {
        &self.fetcher
    }

    async fn commit(&self, outcomes: Arc<[TaskOutcome]>) -> Result<Committed> {
        let committed = self.write(outcomes).await;
        if committed.is_err() {
            // Whether or not it can be asked: then the next commit finds out.
            let _ = self.database.mend_doubt().await;
        }
        committed
    }

    async fn sweep(&self, limit: NonZeroUsize, node: &NodeId) -> Result<Swept> {
        self.database.sweep_tasks(limit, Some(node.clone())).await
    }
}

impl<F: Fetcher> PostgresPipeline<F> {
    async fn write(&self, outcomes: Arc<[TaskOutcome]>) -> Result<Committed> {
        let slot = slot();
        let epoch = self.database.shared.start.epoch();
        let commit = Commit {
            insert: self.database.batch(outcomes.iter().flat_map(|outcome| &outcome.sightings)).await?,
            push: Push::new(outcomes.iter().flat_map(|outcome| &outcome.discovered), slot),
            settlement: Settlement::new(
                outcomes.iter().flat_map(|outcome| &outcome.settle),
                self.database.shared.limits,
                slot,
            ),
            database: self.database.clone(),
            // One of another epoch has the whole batch refused.
            epoch: outcomes.iter().map(|outcome| outcome.epoch).find(|of| *of != epoch).unwrap_or(epoch),
            outcomes,
        };
        let gives_back = commit.settlement.gives_back();
        let (committed, learned) = self.database.run("commit", commit).await?;
        self.database.learn(&learned);
        if gives_back || committed.pushed.iter().any(|pushed| matches!(pushed, Pushed::New(_))) {
            self.database.hint();
        }
        Ok(committed)
    }
}
