//! The pipeline of one SQLite file: an outcome is committed in one transaction, not in four, and a sweep
//! with the errors that it makes.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::{Sqlite, addresses, push, queue, store};
use crate::error::Result;
use crate::fetch::Fetcher;
use crate::lease::NodeId;
use crate::pipeline::{Committed, Pipeline, TaskOutcome, check_epoch};
use crate::queue::Swept;
use crate::store::Store;

/// One SQLite file as queue and store, and a fetcher. Commits outcomes whole or not at all.
#[derive(Debug)]
pub struct SqlitePipeline<F> {
    /// Where tasks wait and addresses are kept.
    pub database: Sqlite,
    /// What carries tasks out.
    pub fetcher: F,
}

impl<F: Fetcher> Pipeline for SqlitePipeline<F> {
    type Queue = Sqlite;
    type Store = Sqlite;
    type Fetcher = F;

    fn queue(&self) -> &Sqlite {
        &self.database
    }

    fn store(&self) -> &Sqlite {
        &self.database
    }

    fn fetcher(&self) -> &F {
        &self.fetcher
    }

    async fn commit(&self, outcomes: Arc<[TaskOutcome]>) -> Result<Committed> {
        check_epoch(&outcomes, self.database.epoch())?;
        let shared = &self.database.shared;
        let (mask, limits, now) = (shared.fingerprint_mask, shared.limits, shared.clock.now());
        let commit = self.database.write("commit", move |session| {
            // The order is that of the contract: the later steps rely on the earlier ones even within a transaction.
            let sightings: Vec<_> = outcomes.iter().flat_map(|outcome| &outcome.sightings).collect();
            let inserted = addresses::insert(session, &sightings, mask, now)?;
            let pushed = push::push(session, outcomes.iter().flat_map(|outcome| &outcome.discovered), mask, now)?;
            store::record_errors(session, outcomes.iter().flat_map(|outcome| &outcome.error), now)?;
            store::recover_errors(session, outcomes.iter().filter_map(|outcome| outcome.recovered), now)?;
            let settled = queue::settle(session, outcomes.iter().flat_map(|outcome| &outcome.settle), limits, now)?;
            Ok(Committed { inserted, pushed, settled })
        });
        let committed = commit.await?;
        shared.hint.give();
        Ok(committed)
    }

    async fn sweep(&self, limit: NonZeroUsize, node: &NodeId) -> Result<Swept> {
        let shared = &self.database.shared;
        let (limits, now, node) = (shared.limits, shared.clock.now(), node.clone());
        let sweep =
            self.database.write("sweep", move |session| queue::sweep(session, limit.get(), limits, now, Some(&node)));
        let swept = sweep.await?;
        if swept.returned > 0 {
            shared.hint.give();
        }
        Ok(swept)
    }
}
