//! What the engine owes a job when all goes well, and when sources do not.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join;
use mailscan_core::engine::{Engine, EngineOptions, JobFilter, Watermarks};
use mailscan_core::error::Result;
use mailscan_core::extract::Media;
use mailscan_core::fetch::{Document, Documents, FetchError, FetchErrorClass, Fetched};
use mailscan_core::forecast::Forecast;
use mailscan_core::job::{Crawl, JobId, JobSource, JobSpec, JobStatus};
use mailscan_core::pipeline::{Committed, Pipeline, TaskOutcome};
use mailscan_core::queue::Queue;
use mailscan_core::store::{ErrorClass, ErrorQuery, ErrorSelection, Store, Transition};
use mailscan_core::task::{Task, Work};
use tokio::sync::Semaphore;

use super::script::{
    InMemory, Script, addresses_of, create, expected, in_memory, leased, number, only, pages_job, stored, text,
};

const LATENCY: Duration = Duration::from_millis(20);

fn pages() -> Script {
    pages_after(LATENCY)
}

fn pages_after(latency: Duration) -> Script {
    Script::new(latency, |task| Ok(text(task, addresses_of(number(task)).join(" "))))
}

#[tokio::test(start_paused = true)]
async fn a_job_ends_with_everything_its_sources_hold() {
    let pipeline = in_memory(pages());
    let job = create(&*pipeline, "k", pages_job(40, 10_000)).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.collected), (JobStatus::Completed, 401));
    assert_eq!(last.forecast, Forecast::Exhausted);
    assert!(last.reason.unwrap().contains("hold no more"));
    assert_eq!(stored(&*pipeline, job).await, expected(40));
    assert_eq!((last.depth.done, last.depth.open()), (40, 0));
    engine.drain().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_engine_tells_what_all_of_them_have_collected() {
    for round in 0..20 {
        let pipeline = in_memory(pages_after(LATENCY * (round % 4)));
        let job = create(&*pipeline, "k", pages_job(2, 10_000)).await;
        let engines = [Engine::start(pipeline.clone(), only(job)), Engine::start(pipeline.clone(), only(job))];
        for last in engines.each_ref().map(|engine| engine.finished(job)) {
            let last = last.await.unwrap();
            assert_eq!((last.status, last.collected), (JobStatus::Completed, 21), "round {round}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crawl_says_that_its_depth_kept_it_from_going_on() {
    let linked = |task: &Task| {
        let Fetched { documents: Documents::One(document), .. } = text(task, String::new()) else { unreachable!() };
        let url = url::Url::parse(&document.source).unwrap();
        let body = format!("<a href=\"/{}\">next</a>", number(task) + 1).into();
        let document = Document { base: Some(url), media: Media::Html, body, ..document };
        Ok(Fetched { documents: Documents::One(document), ..Fetched::default() })
    };
    for (crawl, reason) in [
        (
            Some(Crawl { max_depth: 3 }),
            "the sources hold no more within a depth of 3, where links of a page were not followed",
        ),
        (None, "the sources hold no more"),
    ] {
        let pipeline = in_memory(Script::new(LATENCY, linked));
        let mut spec = JobSpec::new(9, vec![JobSource::Url("http://a.org/0".to_owned())]);
        spec.options.crawl = crawl;
        let job = create(&*pipeline, "k", spec).await;
        let engine = Engine::start(pipeline.clone(), only(job));
        assert_eq!(engine.finished(job).await.unwrap().reason.as_deref(), Some(reason));
        engine.drain().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_workers_do_is_told_at_once_and_every_few_seconds_whatever_the_lease() {
    let script = Script::new(Duration::from_secs(20), |task| Ok(text(task, String::new())));
    let pipeline = in_memory(script);
    let engine = Engine::start(pipeline.clone(), EngineOptions::default());
    let in_flight = async || {
        let nodes = pipeline.store().nodes().await.unwrap();
        let node = nodes.first().unwrap();
        (node.beat.workers.iter().map(|worker| worker.in_flight).sum::<u32>(), node.silent_for)
    };
    // Long after the report that all were idle, and long before the next.
    tokio::time::sleep(Duration::from_millis(7_100)).await;
    let job = create(&*pipeline, "k", pages_job(5, 10)).await;
    engine.watch(job).wait_for(|progress| progress.in_flight == 5).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(in_flight().await.0, 5, "the beginning");
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(1_700)).await;
        let (in_flight, silent_for) = in_flight().await;
        assert!(in_flight == 5 && silent_for <= Duration::from_secs(3), "{silent_for:?}");
    }
    assert_eq!(engine.finished(job).await.unwrap().depth.done, 5);
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(in_flight().await.0, 0, "the end");
}

#[tokio::test(start_paused = true)]
async fn the_target_is_reached_exactly_and_never_passed() {
    let pipeline = in_memory(pages());
    let job = create(&*pipeline, "k", pages_job(400, 1_234)).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.collected), (JobStatus::Completed, 1_234));
    assert_eq!(last.eta.eta_seconds, Some(0));
    engine.drain().await.unwrap();
    assert_eq!(stored(&*pipeline, job).await.len(), 1_234);
    assert_eq!(leased(&*pipeline, job).await, 0, "what was not needed went back");
}

#[tokio::test(start_paused = true)]
async fn what_tasks_discover_is_done_too() {
    // Page n leads to pages 2n + 1 and 2n + 2: a tree that only discovery reaches.
    let script = Script::new(LATENCY, |task| {
        let n = number(task);
        let mut fetched = text(task, addresses_of(n).join(" "));
        for next in [2 * n + 1, 2 * n + 2].into_iter().filter(|next| *next < 200) {
            let work = Work::Page { url: format!("http://site.org/{next}") };
            fetched.discovered.push(mailscan_core::fetch::Discovered { work, step: 1 });
        }
        Ok(fetched)
    });
    let pipeline = in_memory(script);
    let mut spec = JobSpec::new(100_000, vec![JobSource::Url("http://site.org/0".into())]);
    spec.options.crawl = Some(Crawl { max_depth: 10 });
    let job = create(&*pipeline, "k", spec).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!(last.depth.done, 200);
    assert_eq!(stored(&*pipeline, job).await, expected(200));
}

#[tokio::test(start_paused = true)]
async fn a_fetcher_that_finds_links_itself_goes_no_further_than_the_job() {
    let script = Script::new(LATENCY, |task| {
        let mut fetched = text(task, String::new());
        let work = Work::Page { url: format!("http://site.org/{}", number(task) + 1) };
        fetched.discovered.push(mailscan_core::fetch::Discovered { work, step: 1 });
        Ok(fetched)
    });
    let pipeline = in_memory(script);
    for (key, crawl, done) in [("crawls", Some(Crawl { max_depth: 3 }), 4), ("does not", None, 1)] {
        let mut spec = JobSpec::new(100, vec![JobSource::Url("http://site.org/0".into())]);
        spec.options.crawl = crawl;
        let job = create(&*pipeline, key, spec).await;
        let engine = Engine::start(pipeline.clone(), only(job));
        assert_eq!(engine.finished(job).await.unwrap().depth.done, done, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_job_after_the_drain_is_told_how_it_stands() {
    let pipeline = in_memory(pages_after(Duration::from_secs(60)));
    let job = create(&*pipeline, "k", pages_job(1_000, 10_000)).await;
    let engine = Engine::start(pipeline.clone(), EngineOptions::default());
    tokio::time::sleep(Duration::from_secs(10)).await;
    engine.drain().await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(10), engine.finished(job)).await;
    let told = told.expect("it ends").unwrap();
    assert_eq!((told.status, told.stopped), (JobStatus::Running, true), "another engine may go on with it");
}

#[tokio::test(start_paused = true)]
async fn workers_that_have_a_task_are_active_and_no_others() {
    let pipeline = in_memory(pages_after(Duration::from_secs(60)));
    let mut spec = pages_job(30, 10_000);
    spec.options.workers = Some(50);
    let job = create(&*pipeline, "k", spec).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let mut progress = engine.watch(job);
    let all =
        tokio::time::timeout(Duration::from_secs(30), progress.wait_for(|progress| progress.in_flight == 30)).await;
    let all = all.expect("all pages are under way").unwrap().clone();
    assert_eq!((all.workers_active, all.workers_idle), (30, 20), "each page has a worker of its own");
    engine.drain().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn transient_errors_are_retried_and_recorded() {
    let script = Script::new(LATENCY, |task| {
        if task.attempt < 3 {
            return Err(FetchError::new(FetchErrorClass::Transient, "reset", "the connection was reset"));
        }
        Ok(text(task, addresses_of(number(task)).join(" ")))
    });
    let pipeline = in_memory(script);
    let job = create(&*pipeline, "k", pages_job(20, 10_000)).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.collected, last.errors), (JobStatus::Completed, 201, 40));
    let query =
        ErrorQuery { limit: 100, of: ErrorSelection { job: Some(job), ..Default::default() }, ..ErrorQuery::default() };
    let errors = pipeline.store().errors(&query).await.unwrap();
    assert_eq!(errors.len(), 40);
    assert!(errors.iter().all(|error| error.error.class == ErrorClass::Retried));
}

#[tokio::test(start_paused = true)]
async fn blocked_sources_are_never_nothing_found() {
    let script = Script::new(LATENCY, |task| match number(task) % 2 {
        0 => Err(FetchError::new(FetchErrorClass::Refused, "robots", "robots.txt refuses it")),
        _ => Err(FetchError::new(FetchErrorClass::Transient, "http-429", "too many requests").status(429)),
    });
    let pipeline = in_memory(script);
    let job = create(&*pipeline, "k", pages_job(10, 100)).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!(last.status, JobStatus::Failed);
    assert_eq!((last.depth.blocked, last.depth.done), (10, 0));
    assert!(last.reason.unwrap().contains("10 blocked"));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_is_set_aside_and_the_rest_goes_on() {
    let script = Script::new(LATENCY, |task| {
        assert!(number(task) != 7, "a defect");
        Ok(text(task, addresses_of(number(task)).join(" ")))
    });
    let pipeline = in_memory(script);
    let job = create(&*pipeline, "k", pages_job(10, 100_000)).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!(last.status, JobStatus::Completed);
    assert_eq!((last.depth.quarantined, last.depth.done, last.collected), (1, 9, 91));
}

#[tokio::test(start_paused = true)]
async fn a_drained_job_is_paused_and_goes_on_in_another_engine() {
    let pipeline = in_memory(pages());
    let mut spec = pages_job(500, 100_000);
    spec.options.workers = Some(10);
    spec.options.connections_per_worker = 1;
    let job = create(&*pipeline, "k", spec).await;

    let engine = Engine::start(pipeline.clone(), only(job));
    let mut progress = engine.watch(job);
    progress.wait_for(|progress| progress.collected > 500).await.unwrap();
    engine.drain().await.unwrap();
    let paused = pipeline.store().job(job).await.unwrap().unwrap();
    assert_eq!(paused.status, JobStatus::Paused);
    assert!(paused.collected > 500 && paused.collected < 5_001);
    assert_eq!(leased(&*pipeline, job).await, 0, "a drained engine holds no lease");

    pipeline.store().transition(job, &[JobStatus::Paused], JobStatus::Queued, None).await.unwrap();
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!(last.status, JobStatus::Completed);
    assert_eq!(stored(&*pipeline, job).await, expected(500));
}

#[tokio::test(start_paused = true)]
async fn pausing_in_the_store_stops_the_engine_and_cancelling_ends_it() {
    for (status, done) in [(JobStatus::Paused, false), (JobStatus::Cancelled, true)] {
        let pipeline = in_memory(pages());
        let mut spec = pages_job(500, 100_000);
        spec.options.workers = Some(5);
        spec.options.connections_per_worker = 1;
        let job = create(&*pipeline, "k", spec).await;
        let engine = Engine::start(pipeline.clone(), only(job));
        let mut progress = engine.watch(job);
        progress.wait_for(|progress| progress.collected > 100).await.unwrap();
        pipeline.store().transition(job, &[JobStatus::Running], status, Some("by hand")).await.unwrap();
        let last = engine.finished(job).await.unwrap();
        assert_eq!((last.status, last.reason.as_deref()), (status, Some("by hand")));
        let job = pipeline.store().job(job).await.unwrap().unwrap();
        assert_eq!((job.status, job.finished_at.is_some()), (status, done));
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_runs_at_once_than_planned() {
    let (now, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    #[derive(Debug)]
    struct Counting(Arc<AtomicU64>, Arc<AtomicU64>);
    impl mailscan_core::fetch::Fetcher for Counting {
        async fn fetch(
            &self,
            task: &mailscan_core::task::Task,
            _: &mailscan_core::fetch::FetchContext<'_>,
        ) -> Result<Fetched, FetchError> {
            let now = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            self.1.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(LATENCY).await;
            self.0.fetch_sub(1, Ordering::SeqCst);
            Ok(text(task, String::new()))
        }
    }
    let memory = in_memory(pages());
    let memory = Arc::into_inner(memory).unwrap();
    let fetcher = Counting(now, most.clone());
    let pipeline = Arc::new(mailscan_core::pipeline::Backends { queue: memory.queue, store: memory.store, fetcher });
    let mut spec = pages_job(300, 100_000);
    spec.options.workers = Some(7);
    spec.options.connections_per_worker = 3;
    let job = create(&*pipeline, "k", spec).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    engine.finished(job).await.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 21);
}

/// A job of a thousand pages that take a second each, one after another, with a time limit of a minute.
async fn limited_to_a_minute() -> (Arc<InMemory>, JobId) {
    let pipeline = in_memory(Script::new(Duration::from_secs(1), |task| Ok(text(task, String::new()))));
    let mut spec = pages_job(1_000, 10);
    spec.options.workers = Some(1);
    spec.options.connections_per_worker = 1;
    spec.options.time_limit = Some(Duration::from_secs(60));
    let job = create(&*pipeline, "k", spec).await;
    (pipeline, job)
}

#[tokio::test(start_paused = true)]
async fn a_job_over_its_time_limit_is_paused_with_its_reason() {
    let (pipeline, job) = limited_to_a_minute().await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!(last.status, JobStatus::Paused);
    assert!(last.reason.unwrap().contains("time limit of 1m 0s"));
}

#[test]
fn a_restart_and_a_crash_do_not_set_the_time_limit_back() {
    let paused = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let crashes = paused();
    let (pipeline, job) = crashes.block_on(async {
        let (pipeline, job) = limited_to_a_minute().await;
        let start = || Engine::start(pipeline.clone(), EngineOptions::default());
        let stopped = start();
        tokio::time::sleep(Duration::from_secs(25)).await;
        stopped.drain().await.unwrap();
        let _killed = start();
        tokio::time::sleep(Duration::from_secs(25)).await;
        (pipeline, job)
    });
    // With all that runs in it.
    drop(crashes);
    paused().block_on(is_limited_after_a_crash(pipeline, job));
}

/// The rest of the test before, after 50 seconds at work.
async fn is_limited_after_a_crash(pipeline: Arc<InMemory>, job: JobId) {
    let active = async || pipeline.store().job(job).await.unwrap().unwrap().active.as_secs();
    let start = || Engine::start(pipeline.clone(), EngineOptions::default());
    // What was recorded last before it died, at most five seconds earlier, is all that is known.
    assert!((45..=52).contains(&active().await), "{} s", active().await);
    let last = start().finished(job).await.unwrap();
    assert!(last.status == JobStatus::Paused && last.reason.is_some_and(|why| why.contains("time limit")));
    assert!((60..=63).contains(&active().await), "{} s", active().await);

    let resume = pipeline.store().transition(job, &[JobStatus::Paused], JobStatus::Queued, None);
    assert_eq!(resume.await.unwrap(), Transition::Applied);
    let last = start().finished(job).await.unwrap();
    assert_eq!(last.status, JobStatus::Paused);
    assert!((120..=126).contains(&active().await), "a resume starts anew: {} s", active().await);
}

#[tokio::test(start_paused = true)]
async fn one_stalled_host_does_not_starve_the_others() {
    // 500 pages of a host that never answers in time stand before 100 of others.
    let finished = Arc::new(Mutex::new(0));
    let count = finished.clone();
    let memory = Arc::into_inner(in_memory(pages())).unwrap();
    #[derive(Debug)]
    struct Stalling(Arc<Mutex<u64>>);
    impl mailscan_core::fetch::Fetcher for Stalling {
        async fn fetch(
            &self,
            task: &mailscan_core::task::Task,
            _: &mailscan_core::fetch::FetchContext<'_>,
        ) -> Result<Fetched, FetchError> {
            if task.work.host() == "stalled.org" {
                tokio::time::sleep(Duration::from_secs(50)).await;
            } else {
                tokio::time::sleep(LATENCY).await;
                *self.0.lock().unwrap() += 1;
            }
            Ok(text(task, String::new()))
        }
    }
    let pipeline = Arc::new(mailscan_core::pipeline::Backends {
        queue: memory.queue,
        store: memory.store,
        fetcher: Stalling(count),
    });
    let stalled = (0..500).map(|n| JobSource::Url(format!("http://stalled.org/{n}")));
    let others = (0..100).map(|n| JobSource::Url(format!("http://site{n}.org/{n}")));
    let mut spec = mailscan_core::job::JobSpec::new(100, stalled.chain(others).collect());
    spec.options.workers = Some(40);
    spec.options.connections_per_worker = 1;
    let job = create(&*pipeline, "k", spec).await;
    let options = EngineOptions { per_host: 8, ..only(job) };
    let _engine = Engine::start(pipeline, options);
    // The first answers of the stalled host come after 50 s; by then all the others are done.
    tokio::time::sleep(Duration::from_secs(49)).await;
    assert_eq!(*finished.lock().unwrap(), 100);
}

#[tokio::test(start_paused = true)]
async fn two_jobs_share_one_pool_by_weight() {
    let pipeline = in_memory(Script::new(Duration::from_secs(1), |task| Ok(text(task, String::new()))));
    let job = |weight| {
        let mut spec = pages_job(2_000, 100_000);
        spec.options.weight = weight;
        spec
    };
    let light = create(&*pipeline, "light", job(1)).await;
    let heavy = create(&*pipeline, "heavy", job(3)).await;
    let options =
        EngineOptions { jobs: JobFilter::All, max_in_flight: 40, per_host: 1_000, ..EngineOptions::default() };
    let engine = Engine::start(pipeline.clone(), options);
    let (mut a, mut b) = (engine.watch(light), engine.watch(heavy));
    let full = |share: usize| move |progress: &mailscan_core::engine::Progress| progress.in_flight == share;
    let (a, b) = join(a.wait_for(full(10)), b.wait_for(full(30))).await;
    assert!(a.is_ok() && b.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_job_at_work_never_holds_more_than_it_can_run() {
    let pipeline = in_memory(pages());
    let mut spec = pages_job(20_000, u64::from(u32::MAX));
    spec.options.workers = Some(50);
    spec.options.connections_per_worker = 1;
    let job = create(&*pipeline, "k", spec).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let mut progress = engine.watch(job);
    let mut most = 0;
    while most == 0 || progress.borrow_and_update().depth.done < 2_000 {
        most = most.max(pipeline.queue().depth(job).await.unwrap().leased);
        progress.changed().await.unwrap();
    }
    // 50 run, half as many are prefetched, and a batch waits for the committer.
    assert!(most < 50 + 25 + 512, "{most} leases");
}

#[tokio::test(start_paused = true)]
async fn a_slow_host_has_no_more_claimed_than_its_places_and_as_many_again() {
    let script = Script::new(Duration::from_secs(3), |task| Ok(text(task, addresses_of(number(task)).join(" "))));
    let pipeline = in_memory(script);
    let mut spec = JobSpec::new(100_000, (0..300).map(|n| JobSource::Url(format!("http://site.org/{n}"))).collect());
    spec.options.workers = Some(10);
    spec.options.connections_per_worker = 1;
    let job = create(&*pipeline, "k", spec).await;
    let engine = Engine::start(pipeline.clone(), EngineOptions { per_host: 10, ..only(job) });
    let mut progress = engine.watch(job);
    let mut most = 0;
    while progress.borrow_and_update().depth.done < 290 {
        most = most.max(pipeline.queue().depth(job).await.unwrap().leased);
        progress.changed().await.unwrap();
    }
    engine.finished(job).await.unwrap();
    // Ten run, as many wait for a place, and as many for the committer.
    assert!((20..=30).contains(&most), "{most} leases");
}

/// A pipeline that counts what is handed to its store and queue.
#[derive(Debug)]
struct Counting {
    inner: Arc<InMemory>,
    sightings: AtomicU64,
    /// The most sightings and discovered tasks of one outcome.
    largest: AtomicU64,
    /// Of which it is noted whether one was free when tasks were discovered.
    places: Arc<Semaphore>,
    was_free: AtomicBool,
}

impl Counting {
    fn new(script: Script, places: Arc<Semaphore>) -> Arc<Self> {
        let (sightings, largest, was_free) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Self { inner: in_memory(script), sightings, largest, places, was_free })
    }
}

impl Pipeline for Counting {
    type Queue = <InMemory as Pipeline>::Queue;
    type Store = <InMemory as Pipeline>::Store;
    type Fetcher = Script;

    fn queue(&self) -> &Self::Queue {
        self.inner.queue()
    }

    fn store(&self) -> &Self::Store {
        self.inner.store()
    }

    fn fetcher(&self) -> &Script {
        self.inner.fetcher()
    }

    async fn commit(&self, outcomes: Arc<[TaskOutcome]>) -> Result<Committed> {
        for outcome in &*outcomes {
            let (sightings, discovered) = (outcome.sightings.len() as u64, outcome.discovered.len() as u64);
            self.sightings.fetch_add(sightings, Ordering::Relaxed);
            self.largest.fetch_max(sightings + discovered, Ordering::Relaxed);
            if discovered > 0 && outcome.settle.is_none() && self.places.available_permits() > 0 {
                self.was_free.store(true, Ordering::Relaxed);
            }
        }
        self.inner.commit(outcomes).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_task_brings_is_written_in_parts_and_its_place_is_kept_meanwhile() {
    let places = Arc::new(Semaphore::new(1));
    let script = Script::new(LATENCY, {
        let places = places.clone();
        move |task| {
            let n = number(task);
            let mut fetched = text(task, addresses_of(n).join(" "));
            if n == 0 {
                let page = |n| Work::Page { url: format!("http://site.org/{n}") };
                let pages = (1..1_000).map(|n| mailscan_core::fetch::Discovered { work: page(n), step: 0 });
                fetched.discovered.extend(pages);
                fetched.place = places.clone().try_acquire_owned().ok();
            }
            Ok(fetched)
        }
    });
    let pipeline = Counting::new(script, places.clone());
    let job = create(&*pipeline, "k", pages_job(1, 100_000)).await;
    let watermarks = Watermarks { sightings: 100, ..Watermarks::default() };
    let engine = Engine::start(pipeline.clone(), EngineOptions { watermarks, ..only(job) });
    let last = engine.finished(job).await.unwrap();
    engine.drain().await.unwrap();
    assert_eq!((last.depth.done, last.collected), (1_000, 10_001));
    assert_eq!(pipeline.largest.load(Ordering::Relaxed), 100);
    // Two parts fit into the room for what waits, so most were written while the rest was still held.
    assert!(!pipeline.was_free.load(Ordering::Relaxed), "the place was given back before all was handed on");
    assert_eq!(places.available_permits(), 1, "the place is given back in the end");
}

#[tokio::test(start_paused = true)]
async fn what_most_pages_repeat_is_asked_for_and_not_written_again() {
    // Too long to be remembered as confirmed lately, so only the filter tells what may be old.
    let host = "department-for-people-with-long-names.".repeat(2);
    let addresses = move |n: u64| {
        (0..10).map({
            let host = host.clone();
            move |i| format!("user{i}.of{n}@{host}host.org")
        })
    };
    const NEW: u64 = 400;
    let script = Script::new(LATENCY, move |task| {
        let all: Vec<_> = addresses(number(task) % NEW).collect();
        Ok(text(task, all.join(" ")))
    });
    let pipeline = Counting::new(script, Arc::new(Semaphore::new(0)));
    let job = create(&*pipeline, "k", pages_job(10 * NEW, 100_000)).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    engine.drain().await.unwrap();
    assert_eq!(last.collected, 10 * NEW);
    let handed = pipeline.sightings.load(Ordering::Relaxed);
    assert!((10 * NEW..40 * NEW).contains(&handed), "{handed} sightings of {} were handed to the store", 100 * NEW);
}

#[tokio::test(start_paused = true)]
async fn what_comes_again_once_is_not_written_again() {
    const LATER: u64 = 1_000;
    // Eight of its own, and two of a page long before it.
    let script = Script::new(LATENCY, |task| {
        let n = number(task);
        let own = (0..8).map(|i| format!("user{i}.of{n}@a.org"));
        let others = (0..2).filter_map(|i| Some(format!("user{i}.of{}@a.org", n.checked_sub(LATER)?)));
        Ok(text(task, own.chain(others).collect::<Vec<_>>().join(" ")))
    });
    let pipeline = Counting::new(script, Arc::new(Semaphore::new(0)));
    let mut spec = pages_job(4 * LATER, 1_000_000);
    spec.options.workers = Some(50);
    spec.options.connections_per_worker = 1;
    let job = create(&*pipeline, "k", spec).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    engine.drain().await.unwrap();
    assert_eq!(last.collected, 8 * 4 * LATER);
    let again = pipeline.sightings.load(Ordering::Relaxed) - last.collected;
    // Those of the first pages were not remembered, as nothing had come again yet.
    assert!(
        (2 * LATER..3 * LATER).contains(&again),
        "{again} of {} that came again were handed to the store",
        2 * 3 * LATER
    );
}
