//! A page that ends the process whenever it is read: it is found and set aside, and no other is given up with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mailscan_core::backend::memory::{MemoryQueue, MemoryStore};
use mailscan_core::engine::Engine;
use mailscan_core::fetch::{FetchContext, FetchError, Fetched, Fetcher};
use mailscan_core::job::JobStatus;
use mailscan_core::pipeline::{Backends, Pipeline};
use mailscan_core::queue::QueueLimits;
use mailscan_core::store::{ErrorQuery, Store};
use mailscan_core::task::Task;
use tokio::sync::Notify;

use super::script::{addresses_of, create, number, only, pages_job, stored, text};

const PAGES: u64 = 20;
/// The page that ends the process.
const DEADLY: u64 = 7;

/// Says when the deadly page is begun, and counts the suspects that are read at the same time.
#[derive(Debug, Default)]
struct Deadly {
    dies: Notify,
    suspects: AtomicUsize,
    most_suspects: AtomicUsize,
}

/// A suspect that is read, until its fetch ends or is dropped.
struct Suspect<'a>(&'a Deadly);

impl Deadly {
    fn suspect(&self) -> Suspect<'_> {
        let now = self.suspects.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_suspects.fetch_max(now, Ordering::SeqCst);
        Suspect(self)
    }
}

impl Drop for Suspect<'_> {
    fn drop(&mut self) {
        self.0.suspects.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Fetcher for Deadly {
    async fn fetch(&self, task: &Task, _: &FetchContext<'_>) -> Result<Fetched, FetchError> {
        let _suspect = (task.crashes >= QueueLimits::default().suspect_after).then(|| self.suspect());
        if number(task) == DEADLY {
            self.dies.notify_one();
            return std::future::pending().await;
        }
        // So long that all others are in flight when the process dies.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(text(task, addresses_of(number(task)).join(" ")))
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_the_process_is_set_aside_and_no_other_with_it() {
    let limits = QueueLimits::default();
    let fetcher = Deadly::default();
    let pipeline = Arc::new(Backends { queue: MemoryQueue::new(limits), store: MemoryStore::new(), fetcher });
    let job = create(&*pipeline, "k", pages_job(PAGES, 10_000)).await;
    let mut deaths = 0;
    let last = loop {
        let options = only(job);
        let lease = options.lease_for;
        let engine = Engine::start(pipeline.clone(), options);
        tokio::select! {
            last = engine.finished(job) => break last.unwrap(),
            () = pipeline.fetcher.dies.notified() => deaths += 1,
        }
        assert!(deaths <= limits.quarantine_after, "it is delivered for ever");
        // A process that dies gives nothing back.
        drop(engine);
        tokio::time::sleep(lease + Duration::from_secs(1)).await;
    };
    assert_eq!((last.status, deaths), (JobStatus::Completed, limits.quarantine_after));
    assert_eq!((last.depth.quarantined, last.depth.done, last.depth.open()), (1, PAGES - 1, 0));
    assert_eq!(pipeline.fetcher.most_suspects.load(Ordering::SeqCst), 1, "suspects are delivered one at a time");
    let mut others: Vec<_> = (0..PAGES).filter(|page| *page != DEADLY).flat_map(addresses_of).collect();
    others.sort();
    others.dedup();
    assert_eq!(stored(&*pipeline, job).await, others);
    let errors = pipeline.store().errors(&ErrorQuery { limit: 9, ..ErrorQuery::default() }).await.unwrap();
    let codes: Vec<_> = errors.iter().map(|error| (&*error.error.code, &*error.error.label)).collect();
    assert_eq!(codes, [("crashes", "http://site2.org/7")]);
}
