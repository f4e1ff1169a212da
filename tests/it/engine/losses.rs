//! A backend that loses what it has confirmed, as a server does whose place another takes that was behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mailscan_core::Result;
use mailscan_core::backend::memory::{MemoryQueue, MemoryStore};
use mailscan_core::engine::Engine;
use mailscan_core::job::JobStatus;
use mailscan_core::pipeline::{Committed, Pipeline, TaskOutcome, commit_in_order};
use mailscan_core::queue::Settled;
use mailscan_core::store::Inserted;

use super::script::{
    InMemory, Script, addresses_of, create, expected, in_memory, number, only, pages_job, stored, text,
};

/// Confirms the first batch and has nothing of it.
#[derive(Debug)]
struct Losing {
    inner: Arc<InMemory>,
    has_lost: AtomicBool,
}

impl Pipeline for Losing {
    type Queue = MemoryQueue;
    type Store = MemoryStore;
    type Fetcher = Script;

    fn queue(&self) -> &MemoryQueue {
        &self.inner.queue
    }

    fn store(&self) -> &MemoryStore {
        &self.inner.store
    }

    fn fetcher(&self) -> &Script {
        &self.inner.fetcher
    }

    async fn commit(&self, outcomes: Arc<[TaskOutcome]>) -> Result<Committed> {
        if self.has_lost.swap(true, Ordering::Relaxed) {
            return commit_in_order(self.queue(), self.store(), &outcomes).await;
        }
        let sightings = outcomes.iter().map(|outcome| outcome.sightings.len()).sum();
        let settled = outcomes.iter().filter(|outcome| outcome.settle.is_some()).count();
        let (inserted, settled) = (vec![Inserted::New; sightings], vec![Settled::Applied; settled]);
        Ok(Committed { inserted, settled, ..Committed::default() })
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_was_reached_by_what_is_lost_is_reached_again() {
    let script = Script::new(Duration::from_millis(20), |task| Ok(text(task, addresses_of(number(task)).join(" "))));
    let inner = in_memory(script);
    let pipeline = Arc::new(Losing { inner, has_lost: AtomicBool::new(false) });
    let job = create(&*pipeline, "k", pages_job(1, addresses_of(0).len() as u64)).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    assert_eq!(engine.finished(job).await.unwrap().status, JobStatus::Completed);
    assert_eq!(stored(&*pipeline, job).await, expected(1));
}
