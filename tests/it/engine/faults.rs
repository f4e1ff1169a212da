//! A backend that fails before or after it has done what it was asked, and a queue whose heartbeat dies.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailscan_core::backend::memory::{MemoryQueue, MemoryStore};
use mailscan_core::backend::postgres::{Postgres, PostgresOptions, PostgresPipeline};
use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions, SqlitePipeline};
use mailscan_core::class::Classes;
use mailscan_core::engine::{Engine, EngineOptions, Watermarks};
use mailscan_core::extract::Form;
use mailscan_core::fetch::{FetchContext, FetchError, FetchErrorClass, Fetched, Fetcher};
use mailscan_core::job::{JobId, JobSource, JobSpec, JobStatus};
use mailscan_core::lease::{Claimed, FailureClass, Lease, NodeId, Settle};
use mailscan_core::pipeline::{Backends, Pipeline};
use mailscan_core::queue::{
    ClaimRequest, Pushed, Queue, QueueLimits, Renewed, Retried, Settled, Share, Swept, TaskState,
};
use mailscan_core::source::Sources;
use mailscan_core::source::file::FileSource;
use mailscan_core::store::{ErrorClass, ErrorQuery, ErrorSelection, Sighting, Store, WorkerError};
use mailscan_core::task::{Depth, ListPosition, NewTask, Task, TaskId, Work};
use mailscan_core::{Address, Error, ErrorKind, Result};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::postgres::{is_there, shared};

use super::script::{Script, addresses_of, create, expected, in_memory, number, only, pages_job, stored, text};

/// A queue that answers every third call with an outage: by turns before it has done the work, and after.
#[derive(Debug)]
struct Flaky {
    inner: MemoryQueue,
    calls: AtomicU64,
    outages: bool,
    renews_fail: AtomicBool,
    /// How many renewals fall silent, and are given up after a quarter of the lease.
    silent_renewals: AtomicU64,
    settles_fail: AtomicBool,
    /// How long a settlement takes: the time in which a batch is stored and not accounted for.
    settles_in: Duration,
    /// How many settlements take so long; the others take no time.
    slow_settles: AtomicU64,
    /// How long a claim takes.
    claims_in: Duration,
    /// How long the first tasks of a job take, but for the first job.
    first_tasks_in: Duration,
    /// When each claim began and ended.
    claims: Mutex<Vec<Range<Instant>>>,
    /// How often depths were asked for.
    depths: AtomicU64,
}

impl Flaky {
    fn new(outages: bool) -> Self {
        Self {
            inner: MemoryQueue::new(QueueLimits::default()),
            calls: AtomicU64::new(0),
            outages,
            renews_fail: AtomicBool::new(false),
            silent_renewals: AtomicU64::new(0),
            settles_fail: AtomicBool::new(false),
            settles_in: Duration::ZERO,
            slow_settles: AtomicU64::new(u64::MAX),
            claims_in: Duration::ZERO,
            first_tasks_in: Duration::ZERO,
            claims: Mutex::default(),
            depths: AtomicU64::new(0),
        }
    }

    async fn call<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let outage = || Err(Error::new(ErrorKind::Unavailable, "test", "an outage"));
        match self.calls.fetch_add(1, Ordering::Relaxed) % 6 {
            1 if self.outages => outage(),
            4 if self.outages => {
                work.await?;
                outage()
            }
            _ => work.await,
        }
    }
}

impl Queue for Flaky {
    async fn push(&self, tasks: &[NewTask]) -> Result<Vec<Pushed>> {
        if tasks.iter().any(|task| task.depth == 0 && task.job > JobId(1)) {
            tokio::time::sleep(self.first_tasks_in).await;
        }
        self.call(self.inner.push(tasks)).await
    }

    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>> {
        let began = Instant::now();
        tokio::time::sleep(self.claims_in).await;
        let claimed = self.call(self.inner.claim(request)).await;
        self.claims.lock().unwrap().push(began..Instant::now());
        claimed
    }

    async fn renew(&self, leases: &[Lease], lease_for: Duration) -> Result<Vec<Renewed>> {
        let left = |left: u64| left.checked_sub(1);
        let silent = self.silent_renewals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok();
        if silent {
            tokio::time::sleep(lease_for / 4).await;
        }
        if silent || self.renews_fail.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, "test", "the heartbeat is lost"));
        }
        self.inner.renew(leases, lease_for).await
    }

    async fn settle(&self, batch: &[Settle]) -> Result<Vec<Settled>> {
        let left = |left: u64| left.checked_sub(1);
        if self.slow_settles.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok() {
            tokio::time::sleep(self.settles_in).await;
        }
        if self.settles_fail.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, "test", "the disk is full"));
        }
        self.call(self.inner.settle(batch)).await
    }

    async fn sweep(&self, limit: std::num::NonZeroUsize) -> Result<Swept> {
        self.call(self.inner.sweep(limit)).await
    }

    async fn depths(&self, jobs: &[JobId]) -> Result<Vec<Depth>> {
        self.depths.fetch_add(1, Ordering::Relaxed);
        self.inner.depths(jobs).await
    }

    async fn retry(&self, job: JobId, tasks: &[TaskId]) -> Result<Vec<Retried>> {
        self.call(self.inner.retry(job, tasks)).await
    }

    async fn states(&self, job: JobId, tasks: &[TaskId]) -> Result<Vec<Option<TaskState>>> {
        self.inner.states(job, tasks).await
    }

    async fn purge_tasks(&self, job: JobId, limit: std::num::NonZeroUsize) -> Result<bool> {
        self.call(self.inner.purge_tasks(job, limit)).await
    }

    async fn lists(&self, job: JobId) -> Result<Vec<ListPosition>> {
        self.inner.lists(job).await
    }

    async fn ready(&self) {
        self.inner.ready().await;
    }
}

#[tokio::test(start_paused = true)]
async fn outages_before_and_after_the_fact_lose_nothing_and_double_nothing() {
    let fetcher = Script::new(Duration::from_millis(5), |task| Ok(text(task, addresses_of(number(task)).join(" "))));
    let pipeline = Arc::new(Backends { queue: Flaky::new(true), store: MemoryStore::new(), fetcher });
    let job = create(&*pipeline, "k", pages_job(300, 1_000_000)).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!(last.status, JobStatus::Completed, "{last:?}");
    assert_eq!(stored(&*pipeline, job).await, expected(300));
    assert_eq!(last.depth.done, 300);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_takes_nothing_is_told_of_and_holds_up_no_drain() {
    let fetcher = Script::new(Duration::from_millis(5), |task| Ok(text(task, addresses_of(number(task)).join(" "))));
    let pipeline = Arc::new(Backends { queue: Flaky::new(false), store: MemoryStore::new(), fetcher });
    pipeline.queue.settles_fail.store(true, Ordering::Relaxed);
    let job = create(&*pipeline, "k", pages_job(300, 1_000_000)).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let monitor = engine.monitor();
    let troubled = async {
        while monitor.vitals().and_then(|vitals| vitals.trouble).is_none() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), troubled).await.expect("it says so");
    tokio::time::timeout(Duration::from_secs(10), engine.drain()).await.expect("it ends").unwrap();

    pipeline.queue.settles_fail.store(false, Ordering::Relaxed);
    tokio::time::sleep(only(job).lease_for).await;
    pipeline.store.transition(job, &[JobStatus::Paused, JobStatus::Running], JobStatus::Queued, None).await.unwrap();
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.depth.done), (JobStatus::Completed, 300));
    assert_eq!(stored(&*pipeline, job).await, expected(300), "nothing is lost, nothing counted twice");
}

#[tokio::test(start_paused = true)]
async fn time_in_which_nothing_can_be_stored_is_none_at_work() {
    let fetcher = Script::new(Duration::from_millis(5), |task| Ok(text(task, addresses_of(number(task)).join(" "))));
    let pipeline = Arc::new(Backends { queue: Flaky::new(false), store: MemoryStore::new(), fetcher });
    pipeline.queue.settles_fail.store(true, Ordering::Relaxed);
    let mut spec = pages_job(300, 1_000_000);
    spec.options.time_limit = Some(Duration::from_secs(60));
    let job = create(&*pipeline, "k", spec).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let now = engine.watch(job).borrow().clone();
    assert_eq!(now.status, JobStatus::Running, "{now:?}");
    assert!(now.eta.elapsed_seconds < 20 && now.reason.is_some_and(|why| why.contains("disk")), "{:?}", now.eta);
    pipeline.queue.settles_fail.store(false, Ordering::Relaxed);
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.depth.done), (JobStatus::Completed, 300));
    engine.drain().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_look_at_the_store_between_store_and_settle_counts_nothing_twice() {
    let fetcher = Script::new(Duration::from_millis(5), |task| Ok(text(task, addresses_of(number(task)).join(" "))));
    let queue = Flaky { settles_in: Duration::from_secs(1), ..Flaky::new(false) };
    let pipeline = Arc::new(Backends { queue, store: MemoryStore::new(), fetcher });
    // Every look at the store in between sees rows that the engine has not accounted for.
    let mut spec = pages_job(200, 2_001);
    spec.options.workers = Some(10);
    spec.options.connections_per_worker = 1;
    let job = create(&*pipeline, "k", spec).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.collected), (JobStatus::Completed, 2_001));
    assert_eq!(stored(&*pipeline, job).await, expected(200));
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_again_counts_once() {
    let fetcher = Script::new(Duration::from_millis(5), |task| match number(task) {
        0 => Err(FetchError::new(FetchErrorClass::Permanent, "http-404", "not there")),
        _ => Ok(text(task, addresses_of(number(task)).join(" "))),
    });
    // The first batch is stored, and before it is settled all its leases have run out and its tasks are taken back.
    let slow = Duration::from_secs(100);
    let queue = Flaky { settles_in: slow, slow_settles: AtomicU64::new(1), ..Flaky::new(false) };
    queue.renews_fail.store(true, Ordering::Relaxed);
    let pipeline = Arc::new(Backends { queue, store: MemoryStore::new(), fetcher });
    let job = create(&*pipeline, "k", pages_job(21, 10_000)).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.depth.done, last.depth.failed), (JobStatus::Completed, 20, 1));
    let of = ErrorSelection { job: Some(job), ..ErrorSelection::default() };
    let recorded = pipeline.store.errors(&ErrorQuery { limit: 99, of, ..ErrorQuery::default() }).await.unwrap().len();
    assert_eq!(recorded, 2, "every task was delivered twice");
    let vitals = engine.monitor().vitals().unwrap();
    assert_eq!((vitals.tasks.done, vitals.tasks.failed, vitals.mentions), (20, 1, 20 * 11));
    assert_eq!((last.mentions, last.errors), (20 * 11, 2));
    assert_eq!(vitals.errors.iter().map(|(_, count)| count).sum::<u64>(), 2, "as many as are recorded");
}

#[tokio::test(start_paused = true)]
async fn what_is_claimed_already_begins_while_a_claim_takes_its_time() {
    let begun = Arc::new(Mutex::new(Vec::new()));
    let noted = begun.clone();
    // Places become free one after the other, not all at once.
    let latency = move |task: &Task| {
        noted.lock().unwrap().push(Instant::now());
        Duration::from_millis(1_000 + 10 * (number(task) % 40))
    };
    let fetcher = Script::with_latency(latency, |task| Ok(text(task, String::new())));
    let queue = Flaky { claims_in: Duration::from_millis(400), ..Flaky::new(false) };
    let pipeline = Arc::new(Backends { queue, store: MemoryStore::new(), fetcher });
    let mut spec = pages_job(400, 1_000_000);
    (spec.options.workers, spec.options.connections_per_worker) = (Some(40), 1);
    let job = create(&*pipeline, "k", spec).await;
    let last = Engine::start(pipeline.clone(), only(job)).finished(job).await.unwrap();
    assert_eq!((last.status, last.depth.done), (JobStatus::Completed, 400));
    let claims = pipeline.queue.claims.lock().unwrap();
    let inside = |moment: &Instant| claims.iter().any(|claim| claim.contains(moment) && claim.start != *moment);
    let during = begun.lock().unwrap().iter().filter(|moment| inside(moment)).count();
    assert!(during > 0, "{claims:?}");
    println!("{during} of 400 tasks began while one of {} claims was under way", claims.len());
}

#[tokio::test(start_paused = true)]
async fn jobs_that_wait_to_be_taken_up_hold_up_no_other() {
    let fetcher = Script::new(Duration::from_millis(100), |task| Ok(text(task, addresses_of(number(task)).join(" "))));
    let queue = Flaky { first_tasks_in: Duration::from_hours(1), ..Flaky::new(false) };
    let pipeline = Arc::new(Backends { queue, store: MemoryStore::new(), fetcher });
    let job = create(&*pipeline, "first", pages_job(1_000_000, 100_000_000)).await;
    let engine = Engine::start(pipeline.clone(), EngineOptions::default());
    let mut progress = engine.watch(job);
    while progress.borrow_and_update().collected == 0 {
        progress.changed().await.unwrap();
    }
    let begun = Instant::now();
    for n in 0..40 {
        create(&*pipeline, &format!("job {n}"), pages_job(1, 100)).await;
    }
    engine.monitor().look();
    tokio::time::sleep(Duration::from_secs(10)).await;
    pipeline.store.transition(job, &[JobStatus::Running], JobStatus::Paused, None).await.unwrap();
    assert_eq!(engine.finished(job).await.unwrap().status, JobStatus::Paused);
    assert!(begun.elapsed() < pipeline.queue.first_tasks_in, "no job was taken up before");
    for n in 2..=41 {
        assert_eq!(engine.finished(JobId(n)).await.unwrap().status, JobStatus::Completed);
    }
    engine.drain().await.unwrap();
}

/// How often a queue is asked how much is left of so many jobs of which every task waits for its host.
async fn asked_about_jobs_that_wait(jobs: u64) -> u64 {
    let fetcher = Script::new(Duration::ZERO, |_| {
        let later = FetchError::new(FetchErrorClass::Deferred, "turn", "its host has no turn for long");
        Err(later.retry_after(Duration::from_hours(1)))
    });
    let pipeline = Arc::new(Backends { queue: Flaky::new(false), store: MemoryStore::new(), fetcher });
    for n in 0..jobs {
        create(&*pipeline, &format!("job {n}"), pages_job(3, 100)).await;
    }
    let engine = Engine::start(pipeline.clone(), EngineOptions::default());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let before = pipeline.queue.depths.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let asked = pipeline.queue.depths.load(Ordering::Relaxed) - before;
    engine.abort().await.unwrap();
    asked
}

#[tokio::test(start_paused = true)]
async fn many_jobs_that_wait_are_asked_about_as_often_as_one() {
    let (one, many) = (asked_about_jobs_that_wait(1).await, asked_about_jobs_that_wait(20).await);
    assert!(one > 0 && many < one * 2, "{one} times for one job, {many} times for twenty");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_died_at_its_target_is_completed_when_it_is_taken_up() {
    let pipeline = in_memory(Script::new(Duration::from_secs(9), |task| Ok(text(task, String::new()))));
    let job = create(&*pipeline, "k", pages_job(1_000, 2)).await;
    let sighting = |text: &str| Sighting {
        job,
        address: Address::parse(text).unwrap(),
        source: "before the crash".into(),
        offset: 0,
        form: Form::Plain,
        classes: Classes::NONE,
    };
    pipeline.store.insert(&[sighting("a@a.org"), sighting("b@a.org")]).await.unwrap();
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.collected, last.depth.done), (JobStatus::Completed, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_job_that_ended_elsewhere_ends_too() {
    let pipeline = in_memory(Script::new(Duration::from_secs(9), |task| Ok(text(task, String::new()))));
    let job = create(&*pipeline, "k", pages_job(10, 100)).await;
    pipeline.store.transition(job, &[JobStatus::Queued], JobStatus::Cancelled, Some("by hand")).await.unwrap();
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.reason.as_deref()), (JobStatus::Cancelled, Some("by hand")));
    let unknown = engine.finished(JobId(99)).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_job_that_cannot_be_read_stops_no_other() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("jobs.db");
    let database = Sqlite::open(&path, SqliteOptions::default()).unwrap();
    let fetcher = Script::new(Duration::ZERO, |task| Ok(text(task, addresses_of(number(task)).join(" "))));
    let pipeline = Arc::new(Backends { queue: database.clone(), store: database, fetcher });
    let unreadable = create(&*pipeline, "newer", pages_job(3, 100)).await;
    let job = create(&*pipeline, "k", pages_job(3, 100)).await;
    let spec = r#"UPDATE job_spec SET spec = '{"target": 100, "sources": [{"of_a_newer_kind": 1}]}' WHERE job = (SELECT id FROM job WHERE key = 'newer')"#;
    assert_eq!(rusqlite::Connection::open(&path).unwrap().execute(spec, []).unwrap(), 1);
    let engine = Engine::start(pipeline.clone(), EngineOptions::default());
    assert_eq!(engine.finished(job).await.unwrap().status, JobStatus::Completed);
    engine.drain().await.unwrap();
    let [Some(left), Some(done)] = &pipeline.store.job_states(&[unreadable, job]).await.unwrap()[..] else {
        panic!("both are there")
    };
    assert_eq!((left.status, done.status), (JobStatus::Queued, JobStatus::Completed));
    let outlines = pipeline.store.outlines(&[unreadable, job]).await.unwrap();
    assert_eq!(outlines.iter().flatten().map(|outline| outline.sources_total).collect::<Vec<_>>(), [0, 3]);
}

const QUARANTINE_AT_ONCE: QueueLimits = QueueLimits { suspect_after: 1, quarantine_after: 1 };

/// Has a delivery of a task end in a crash; the process that sweeps dies right after that.
async fn sweep_and_die(pipeline: impl Pipeline) {
    let job = create(&pipeline, "k", pages_job(1, 100)).await;
    let work = Work::Page { url: "https://a.org/".into() };
    pipeline.queue().push(&[NewTask { job, work, depth: 0, limit: None }]).await.unwrap();
    let (node, shares) = (NodeId("n".into()), vec![Share { job, limit: 1 }]);
    let (per_host, calls, busy_hosts, lease_for) = (1, 1, Vec::new(), Duration::ZERO);
    let request = ClaimRequest { node: node.clone(), shares, per_host, calls, busy_hosts, suspects: 1, lease_for };
    assert_eq!(pipeline.queue().claim(&request).await.unwrap().len(), 1);
    let swept = pipeline.sweep(NonZeroUsize::MIN, &node).await.unwrap();
    assert_eq!(swept.quarantined.len(), 1);
    let query = ErrorQuery { limit: 9, ..ErrorQuery::default() };
    let errors = pipeline.store().errors(&query).await.unwrap();
    let [WorkerError { error, .. }] = &errors[..] else { panic!("{errors:?}") };
    assert_eq!((error.job, error.fence, &*error.code), (job, swept.quarantined[0].lease.fence, "crashes"));
    assert_eq!(error.class, ErrorClass::Failed(FailureClass::Quarantined));
}

#[tokio::test]
async fn what_a_sweep_sets_aside_has_its_error_in_sqlite() {
    let folder = TempDir::new().unwrap();
    let options = SqliteOptions { queue_limits: QUARANTINE_AT_ONCE };
    let database = Sqlite::open(folder.path().join("jobs.db"), options).unwrap();
    sweep_and_die(SqlitePipeline { database, fetcher: Stuck::default() }).await;
}

#[tokio::test]
async fn what_a_sweep_sets_aside_has_its_error_in_postgres() {
    if !is_there() {
        return;
    }
    let options = PostgresOptions { queue_limits: QUARANTINE_AT_ONCE, ..PostgresOptions::default() };
    let database = Postgres::open(&shared().url(&shared().fresh().await), options).await.unwrap();
    sweep_and_die(PostgresPipeline { database, fetcher: Stuck::default() }).await;
}

/// Counts fetches that were dropped before their end.
#[derive(Debug, Default)]
struct Stuck {
    begun: AtomicU64,
    dropped: Arc<AtomicU64>,
}

impl Fetcher for Stuck {
    async fn fetch(&self, _: &Task, _: &FetchContext<'_>) -> Result<Fetched, FetchError> {
        struct OnDrop(Arc<AtomicU64>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.begun.fetch_add(1, Ordering::Relaxed);
        let _guard = OnDrop(self.dropped.clone());
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn work_stops_before_a_lease_that_cannot_be_renewed_runs_out() {
    let queue = Flaky::new(false);
    queue.renews_fail.store(true, Ordering::Relaxed);
    let pipeline = Arc::new(Backends { queue, store: MemoryStore::new(), fetcher: Stuck::default() });
    let mut spec = pages_job(3, 10);
    spec.options.workers = Some(3);
    let job = create(&*pipeline, "k", spec).await;
    let mut options = EngineOptions { lease_for: Duration::from_secs(90), ..only(job) };
    options.budget.time = Duration::from_secs(3_600);
    let _engine = Engine::start(pipeline.clone(), options);
    let fetcher = pipeline.fetcher();
    tokio::time::sleep(Duration::from_secs(75)).await;
    assert_eq!((fetcher.begun.load(Ordering::Relaxed), fetcher.dropped.load(Ordering::Relaxed)), (3, 0));
    // Trust ends 10 s before the lease does; the lease itself ends after 90 s.
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert_eq!(fetcher.dropped.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn a_long_task_keeps_its_lease_by_heartbeats() {
    let fetcher = Script::new(Duration::from_secs(600), |task| Ok(text(task, addresses_of(number(task)).join(" "))));
    let pipeline = in_memory(fetcher);
    let mut spec = pages_job(3, 10_000);
    spec.options.time_limit = None;
    let job = create(&*pipeline, "k", spec).await;
    let mut options = only(job);
    options.budget.time = Duration::from_secs(3_600);
    let engine = Engine::start(pipeline.clone(), options);
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.collected, last.errors), (JobStatus::Completed, 31, 0));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_falls_silent_costs_no_short_lease() {
    let begun = Arc::new(AtomicU64::new(0));
    let noted = begun.clone();
    let latency = move |_: &Task| {
        noted.fetch_add(1, Ordering::Relaxed);
        Duration::from_secs(10)
    };
    let fetcher = Script::with_latency(latency, |task| Ok(text(task, String::new())));
    let queue = Flaky { silent_renewals: AtomicU64::new(1), ..Flaky::new(false) };
    let pipeline = Arc::new(Backends { queue, store: MemoryStore::new(), fetcher });
    let job = create(&*pipeline, "k", pages_job(3, 10_000)).await;
    let lease_for = Duration::from_secs(2);
    let options = EngineOptions { lease_for, heartbeat: lease_for / 3, lease_margin: lease_for / 9, ..only(job) };
    let engine = Engine::start(pipeline.clone(), options);
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.depth.done, begun.load(Ordering::Relaxed)), (3, 3), "each is fetched once");
}

#[tokio::test(start_paused = true)]
async fn an_aborted_engine_gives_its_tasks_back() {
    let memory = Arc::into_inner(in_memory(Script::new(Duration::ZERO, |task| Ok(text(task, String::new()))))).unwrap();
    let pipeline = Arc::new(Backends { queue: memory.queue, store: memory.store, fetcher: Stuck::default() });
    let job = create(&*pipeline, "k", pages_job(20, 10)).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let mut progress = engine.watch(job);
    progress.wait_for(|progress| progress.in_flight == 20).await.unwrap();
    engine.abort().await.unwrap();
    let depth = pipeline.queue().depth(job).await.unwrap();
    assert_eq!((depth.pending, depth.leased), (20, 0));
}

#[test]
fn files_that_wait_for_the_store_leave_it_a_thread() {
    const ADDRESSES: u64 = 60_000;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).max_blocking_threads(2).build();
    let runtime = runtime.unwrap();
    let last = runtime.block_on(async {
        let folder = TempDir::new().unwrap();
        let files = folder.path().join("files");
        std::fs::create_dir(&files).unwrap();
        // More than is read as one document, and the store is asked whether it knows what comes again.
        let text: String = (0..ADDRESSES).map(|n| format!("user{n}@host.org, or ask at the desk\n")).collect();
        (0..4).for_each(|n| std::fs::write(files.join(format!("{n}.txt")), &text).unwrap());
        let database = Sqlite::open(folder.path().join("jobs.db"), SqliteOptions::default()).unwrap();
        let pipeline = Arc::new(SqlitePipeline { database, fetcher: Sources::new().with_files(FileSource::new()) });
        let spec = JobSpec::new(1_000_000, vec![JobSource::Path(files.display().to_string())]);
        let job = create(&*pipeline, "k", spec).await;
        let watermarks = Watermarks { sightings: 500, ..Watermarks::default() };
        let engine = Engine::start(pipeline.clone(), EngineOptions { watermarks, ..only(job) });
        let last = tokio::time::timeout(Duration::from_secs(120), engine.finished(job)).await.ok()?.ok()?;
        engine.drain().await.ok()?;
        Some(last)
    });
    // A thread that is held is not waited for.
    runtime.shutdown_background();
    let last = last.expect("nobody waits for a thread for ever");
    assert_eq!((last.status, last.collected, last.depth.done), (JobStatus::Completed, ADDRESSES, 5));
}
