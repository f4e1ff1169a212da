//! How an engine ends: also where its backend answers no more, and where nobody holds it any more.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailscan_core::backend::memory::{MemoryQueue, MemoryStore};
use mailscan_core::clock::Timestamp;
use mailscan_core::engine::{Engine, EngineOptions};
use mailscan_core::fetch::{FetchContext, FetchError, Fetched, Fetcher};
use mailscan_core::job::{Job, JobCounts, JobId, JobState, JobStatus, NewJob, Outline};
use mailscan_core::lease::{Claimed, Lease, NodeId, Settle};
use mailscan_core::pipeline::Backends;
use mailscan_core::queue::{ClaimRequest, Pushed, Queue, QueueLimits, Renewed, Retried, Settled, Swept, TaskState};
use mailscan_core::store::{
    Created, Deletion, ErrorGroup, ErrorQuery, ErrorSelection, GroupQuery, Inserted, JobQuery, NewWorkerError,
    NodeBeat, NodeSeen, Sighting, Store, Stored, Transition, WorkerError,
};
use mailscan_core::task::{Depth, ListPosition, NewTask, Task, TaskId};
use mailscan_core::{Address, Result};
use tokio::time::timeout;

use super::script::{Script, addresses_of, create, expected, number, only, pages_job, stored, text};

/// Longer than any engine takes to end.
const ENDS: Duration = Duration::from_secs(60);

/// Which call is never answered, or late.
#[derive(Debug, Default)]
pub(super) struct Silence {
    of: Mutex<Option<&'static str>>,
    late: Mutex<Option<Duration>>,
    met: AtomicBool,
}

impl Silence {
    fn set(&self, of: Option<&'static str>) {
        *self.of.lock().unwrap() = of;
    }

    /// From now on this call is answered, but late.
    pub(super) fn delay(&self, call: &'static str, by: Duration) {
        *self.late.lock().unwrap() = Some(by);
        self.set(Some(call));
    }

    async fn of(&self, call: &str) {
        if self.of.lock().unwrap().is_some_and(|of| of == call) {
            self.met.store(true, Ordering::Relaxed);
            let late = *self.late.lock().unwrap();
            match late {
                Some(late) => tokio::time::sleep(late).await,
                None => std::future::pending().await,
            }
        }
    }
}

/// A queue or a store that answers all calls but one.
#[derive(Debug)]
pub(super) struct Silent<T> {
    inner: T,
    silence: Arc<Silence>,
}

/// Calls that are handed on, unless they are not answered.
macro_rules! answered {
    ($($call:ident($($name:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(async fn $call(&self, $($name: $kind),*) -> $answer {
            self.silence.of(stringify!($call)).await;
            self.inner.$call($($name),*).await
        })*
    };
}

impl Queue for Silent<MemoryQueue> {
    answered! {
        push(tasks: &[NewTask]) -> Result<Vec<Pushed>>;
        claim(request: &ClaimRequest) -> Result<Vec<Claimed>>;
        renew(leases: &[Lease], lease_for: Duration) -> Result<Vec<Renewed>>;
        settle(batch: &[Settle]) -> Result<Vec<Settled>>;
        sweep(limit: NonZeroUsize) -> Result<Swept>;
        depths(jobs: &[JobId]) -> Result<Vec<Depth>>;
        retry(job: JobId, tasks: &[TaskId]) -> Result<Vec<Retried>>;
        states(job: JobId, tasks: &[TaskId]) -> Result<Vec<Option<TaskState>>>;
        purge_tasks(job: JobId, limit: NonZeroUsize) -> Result<bool>;
        lists(job: JobId) -> Result<Vec<ListPosition>>;
    }

    async fn ready(&self) {
        self.inner.ready().await;
    }
}

impl Store for Silent<MemoryStore> {
    fn epoch(&self) -> u64 {
        self.inner.epoch()
    }

    async fn fingerprints<T: Send + 'static>(&self, job: JobId, sum: T, add: fn(&mut T, u64)) -> Result<T> {
        self.silence.of("fingerprints").await;
        self.inner.fingerprints(job, sum, add).await
    }

    answered! {
        last_before(job: JobId, moment: Timestamp) -> Result<u64>;
        create_job(job: &NewJob) -> Result<Created>;
        job(id: JobId) -> Result<Option<Job>>;
        jobs(query: &JobQuery) -> Result<Vec<JobState>>;
        job_counts() -> Result<JobCounts>;
        job_states(ids: &[JobId]) -> Result<Vec<Option<JobState>>>;
        outlines(ids: &[JobId]) -> Result<Vec<Option<Outline>>>;
        transition(id: JobId, from: &[JobStatus], to: JobStatus, reason: Option<&str>) -> Result<Transition>;
        delete_job(id: JobId) -> Result<Deletion>;
        deleted_jobs(limit: usize) -> Result<Vec<JobId>>;
        purge_job(id: JobId, limit: NonZeroUsize) -> Result<bool>;
        mark_seeded(id: JobId) -> Result<()>;
        record_active(id: JobId, active: Duration) -> Result<()>;
        insert(sightings: &[Sighting]) -> Result<Vec<Inserted>>;
        known(job: JobId, addresses: &[Address]) -> Result<Vec<bool>>;
        addresses(job: JobId, after: u64, limit: usize) -> Result<Vec<Stored>>;
        beat(beat: &NodeBeat) -> Result<()>;
        forget(node: &NodeId) -> Result<()>;
        nodes() -> Result<Vec<NodeSeen>>;
        free_space() -> Option<u64>;
        record_errors(errors: &[NewWorkerError]) -> Result<()>;
        errors(query: &ErrorQuery) -> Result<Vec<WorkerError>>;
        error_groups(query: &GroupQuery) -> Result<Vec<ErrorGroup>>;
        recover_errors(done: &[Lease]) -> Result<()>;
        resolve_errors(selection: &ErrorSelection, note: &str, retried: bool) -> Result<u64>;
    }
}

pub(super) type Quiet = Backends<Silent<MemoryQueue>, Silent<MemoryStore>, Script>;

/// A pipeline of 300 pages that take a second each, and what makes its backend silent.
fn quiet() -> (Arc<Quiet>, Arc<Silence>) {
    quiet_with(Script::new(Duration::from_secs(1), |task| Ok(text(task, addresses_of(number(task)).join(" ")))))
}

pub(super) fn quiet_with(fetcher: Script) -> (Arc<Quiet>, Arc<Silence>) {
    let silence = Arc::<Silence>::default();
    let queue = Silent { inner: MemoryQueue::new(QueueLimits::default()), silence: silence.clone() };
    let store = Silent { inner: MemoryStore::new(), silence: silence.clone() };
    (Arc::new(Backends { queue, store, fetcher }), silence)
}

/// Calls by when they are answered no more: from the start, while the job is at work, or at the end.
const CALLS: [(&str, &[&str]); 3] = [
    ("the start", &["job", "push", "mark_seeded", "fingerprints"]),
    ("work", &["claim", "sweep", "depths", "insert", "settle", "job_states", "record_active", "beat", "free_space"]),
    ("the end", &["transition", "forget"]),
];

/// Has an engine work on a job while a call is not answered, then ends it; answers whether it was asked for.
async fn ends_in_silence(from: &str, call: &'static str, drains: bool) -> bool {
    let (pipeline, silence) = quiet();
    let mut spec = pages_job(300, 1_000_000);
    (spec.options.workers, spec.options.connections_per_worker) = (Some(5), 10);
    let job = create(&*pipeline, "k", spec).await;
    if from == "the start" {
        silence.set(Some(call));
    }
    let engine = Engine::start(pipeline.clone(), only(job));
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    silence.set(Some(call));
    if from == "work" {
        tokio::time::sleep(Duration::from_secs(6)).await;
    }
    let monitor = engine.monitor();
    assert!(monitor.vitals().is_some());
    let ended = async { if drains { engine.drain().await } else { engine.abort().await } };
    timeout(ENDS, ended).await.unwrap_or_else(|_| panic!("it ends without {call}, from {from} on")).unwrap();
    assert!(monitor.vitals().is_none(), "{call}");

    // What was not written is read again.
    silence.set(None);
    tokio::time::sleep(only(job).lease_for).await;
    pipeline.store.transition(job, &[JobStatus::Paused, JobStatus::Running], JobStatus::Queued, None).await.unwrap();
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.depth.done), (JobStatus::Completed, 300), "{call}");
    assert_eq!(stored(&*pipeline, job).await, expected(300), "{call}");
    silence.met.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn whatever_is_not_answered_holds_up_no_end() {
    for (from, calls) in CALLS {
        for call in calls {
            for drains in [true, false] {
                assert!(ends_in_silence(from, call, drains).await, "{call} is asked for");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_slow_takes_all_there_is() {
    for (seconds, drains) in [(6, true), (9, true), (6, false)] {
        let (pipeline, silence) = quiet();
        *silence.late.lock().unwrap() = Some(Duration::from_secs(seconds));
        let mut spec = pages_job(300, 1_000_000);
        (spec.options.workers, spec.options.connections_per_worker) = (Some(5), 10);
        let job = create(&*pipeline, "k", spec).await;
        let engine = Engine::start(pipeline.clone(), only(job));
        tokio::time::sleep(Duration::from_millis(3_100)).await;
        silence.set(Some("insert"));
        tokio::time::sleep(Duration::from_secs(1)).await;
        timeout(ENDS, async { if drains { engine.drain().await } else { engine.abort().await } })
            .await
            .unwrap()
            .unwrap();
        let depth = pipeline.queue.depth(job).await.unwrap();
        assert_eq!(depth.leased, 0, "{seconds} s, {drains}: {depth:?}");
    }
}

/// A fetcher that holds the thread that asks it.
#[derive(Debug)]
struct Holding(Mutex<std::sync::mpsc::Receiver<()>>);

impl Fetcher for Holding {
    async fn fetch(&self, _: &Task, _: &FetchContext<'_>) -> Result<Fetched, FetchError> {
        let _ = self.0.lock().unwrap().recv();
        Ok(Fetched::default())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_a_thread_holds_up_no_abort() {
    let (release, held) = std::sync::mpsc::channel();
    let queue = MemoryQueue::new(QueueLimits::default());
    let pipeline = Arc::new(Backends { queue, store: MemoryStore::new(), fetcher: Holding(Mutex::new(held)) });
    let job = create(&*pipeline, "k", pages_job(1, 10)).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    engine.watch(job).wait_for(|progress| progress.in_flight == 1).await.unwrap();
    let ended = timeout(Duration::from_secs(60), engine.abort()).await;
    drop(release);
    ended.expect("it ends").unwrap();
    assert!(timeout(ENDS, engine.finished(job)).await.expect("it says so").unwrap().stopped);
}

/// Fetches without an end, and notes when it gives back what it keeps.
#[derive(Debug, Default)]
struct Endless(AtomicBool);

impl Fetcher for Endless {
    async fn fetch(&self, _: &Task, _: &FetchContext<'_>) -> Result<Fetched, FetchError> {
        std::future::pending().await
    }

    async fn release(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn endless() -> (Arc<Backends<MemoryQueue, MemoryStore, Endless>>, JobId) {
    let queue = MemoryQueue::new(QueueLimits::default());
    let pipeline = Arc::new(Backends { queue, store: MemoryStore::new(), fetcher: Endless::default() });
    let job = create(&*pipeline, "k", pages_job(20, 10)).await;
    (pipeline, job)
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_dropped_gives_back_all_it_has() {
    let (pipeline, job) = endless().await;
    let engine = Engine::start(pipeline.clone(), only(job));
    engine.watch(job).wait_for(|progress| progress.in_flight == 20).await.unwrap();
    let monitor = engine.monitor();
    drop(engine);
    let ended = async {
        while monitor.vitals().is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(ENDS, ended).await.expect("it ends by itself");
    let depth = pipeline.queue.depth(job).await.unwrap();
    assert_eq!((depth.pending, depth.leased), (20, 0), "nobody counts a crash");
    assert_eq!(pipeline.store.job(job).await.unwrap().unwrap().status, JobStatus::Paused);
    assert!(pipeline.store.nodes().await.unwrap().is_empty(), "it is off the list");
    assert!(pipeline.fetcher.0.load(Ordering::Relaxed), "what the fetcher keeps is given back");
}

#[tokio::test(start_paused = true)]
async fn one_waits_for_a_job_and_another_stops_the_engine() {
    let (pipeline, job) = endless().await;
    let engine = Arc::new(Engine::start(pipeline, EngineOptions::default()));
    let waiting = tokio::spawn({
        let engine = engine.clone();
        async move { engine.finished(job).await }
    });
    engine.watch(job).wait_for(|progress| progress.in_flight == 20).await.unwrap();
    let (one, other) = tokio::join!(engine.drain(), engine.abort());
    assert!(one.is_ok() && other.is_ok());
    assert!(timeout(ENDS, waiting).await.expect("it ends").unwrap().unwrap().stopped);
}
