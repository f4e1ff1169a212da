//! A page that ends the process whenever it is read: it is found and set aside, and no other is given up with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use mailscan_core::backend::memory::{MemoryQueue, MemoryStore};
use mailscan_core::engine::{Engine, EngineOptions, Progress};
use mailscan_core::fetch::{FetchContext, FetchError, Fetched, Fetcher};
use mailscan_core::job::{JobId, JobStatus};
use mailscan_core::pipeline::{Backends, Pipeline};
use mailscan_core::queue::QueueLimits;
use mailscan_core::store::{ErrorQuery, Store};
use mailscan_core::task::Task;
use tokio::runtime::Runtime;
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
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok(text(task, addresses_of(number(task)).join(" ")))
    }
}

/// A process of its own, as far as the engine can tell.
fn process() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn options(job: JobId) -> EngineOptions {
    let milliseconds = Duration::from_millis;
    EngineOptions {
        lease_for: milliseconds(2_000),
        heartbeat: milliseconds(300),
        lease_margin: milliseconds(300),
        sweep_every: milliseconds(50),
        ..only(job)
    }
}

/// Works on a job until it ends, or the process does; answers how the job ended.
fn live(pipeline: &Arc<Backends<MemoryQueue, MemoryStore, Deadly>>, job: JobId) -> Option<Progress> {
    // What an earlier process was told.
    let _ = pipeline.fetcher.dies.notified().now_or_never();
    let process = process();
    let engine = process.block_on(async { Engine::start(pipeline.clone(), options(job)) });
    let last = process.block_on(async {
        tokio::select! {
            last = engine.finished(job) => Some(last.unwrap()),
            () = pipeline.fetcher.dies.notified() => None,
        }
    });
    // A process that dies gives nothing back, which the engine would if it were dropped while anything runs.
    process.shutdown_timeout(Duration::from_secs(60));
    last
}

#[test]
fn a_task_that_ends_the_process_is_set_aside_and_no_other_with_it() {
    let limits = QueueLimits::default();
    let fetcher = Deadly::default();
    let pipeline = Arc::new(Backends { queue: MemoryQueue::new(limits), store: MemoryStore::new(), fetcher });
    let job = process().block_on(create(&*pipeline, "k", pages_job(PAGES, 10_000)));
    let mut deaths = 0;
    let last = loop {
        if let Some(last) = live(&pipeline, job) {
            break last;
        }
        deaths += 1;
        assert!(deaths <= limits.quarantine_after, "it is delivered for ever");
        std::thread::sleep(options(job).lease_for);
    };
    assert_eq!((last.status, deaths), (JobStatus::Completed, limits.quarantine_after));
    assert_eq!((last.depth.quarantined, last.depth.done, last.depth.open()), (1, PAGES - 1, 0));
    assert_eq!(pipeline.fetcher.most_suspects.load(Ordering::SeqCst), 1, "suspects are delivered one at a time");
    let mut others: Vec<_> = (0..PAGES).filter(|page| *page != DEADLY).flat_map(addresses_of).collect();
    others.sort();
    others.dedup();
    assert_eq!(process().block_on(stored(&*pipeline, job)), others);
    let query = ErrorQuery { limit: 9, ..ErrorQuery::default() };
    let errors = process().block_on(pipeline.store().errors(&query)).unwrap();
    let codes: Vec<_> = errors.iter().map(|error| (&*error.error.code, &*error.error.label)).collect();
    assert_eq!(codes, [("crashes", "http://site2.org/7")]);
}
