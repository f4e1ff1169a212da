//! The calls of searches: spread over the workers, and kept apart for each of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailscan_core::backend::memory::{MemoryQueue, MemoryStore};
use mailscan_core::engine::{Engine, EngineOptions};
use mailscan_core::fetch::{Discovered, FetchContext, FetchError, Fetched, Fetcher};
use mailscan_core::job::{JobOptions, JobSource, JobSpec, JobStatus};
use mailscan_core::pipeline::{Backends, Pipeline};
use mailscan_core::queue::{Queue, QueueLimits};
use mailscan_core::store::Store;
use mailscan_core::task::{Task, Work};
use tokio::time::Instant;

use super::script::{Script, create, in_memory, only, text};

/// How many calls a search takes that is watched.
const CALLS: u32 = 5;

/// A search of [`CALLS`] calls that take no time; notes when each begins. May have an interval of its own.
#[derive(Debug, Default)]
struct Watched(Mutex<Vec<Instant>>, Option<Duration>);

impl Fetcher for Watched {
    async fn fetch(&self, task: &Task, _: &FetchContext<'_>) -> Result<Fetched, FetchError> {
        self.0.lock().unwrap().push(Instant::now());
        let mut fetched = text(task, String::new());
        fetched.discovered.extend(Some(next_call(&task.work)).filter(|next| page_of(next) <= CALLS));
        Ok(fetched)
    }

    fn call_interval(&self, options: &JobOptions) -> Duration {
        self.1.unwrap_or(options.rate_limit)
    }
}

/// The next call of a lane.
fn next_call(call: &Work) -> Discovered {
    let Work::Search { query, page, stride } = call else { panic!("not a call: {call:?}") };
    let work = Work::Search { query: query.clone(), page: page + stride, stride: *stride };
    Discovered { work, step: 0 }
}

fn page_of(call: &Discovered) -> u32 {
    let Work::Search { page, .. } = call.work else { panic!("not a call: {call:?}") };
    page
}

fn search(target: u64, lanes: u32) -> JobSpec {
    let mut spec = JobSpec::new(target, vec![JobSource::Search("everything".into())]);
    spec.options.search_lanes = lanes;
    spec.options.search_endpoint = Some("scripted".into());
    spec
}

/// The times between the starts of the calls of one worker.
async fn gaps(lanes: u32, rate_limit: Duration, of_fetcher: Option<Duration>) -> Vec<Duration> {
    let (queue, store) = (MemoryQueue::new(QueueLimits::default()), MemoryStore::new());
    let pipeline = Arc::new(Backends { queue, store, fetcher: Watched(Mutex::default(), of_fetcher) });
    let mut spec = search(1_000, lanes);
    spec.options.workers = Some(1);
    spec.options.rate_limit = rate_limit;
    let job = create(&*pipeline, "k", spec).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    assert_eq!(engine.finished(job).await.unwrap().status, JobStatus::Completed);
    engine.drain().await.unwrap();
    let mut starts = pipeline.fetcher.0.lock().unwrap().clone();
    assert_eq!(starts.len(), CALLS as usize);
    starts.sort();
    starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn the_calls_of_one_worker_begin_no_closer_than_the_rate_limit() {
    // One after the other, and all of them ready at once.
    for lanes in [1, CALLS] {
        for rate_limit in [Duration::from_millis(100), Duration::from_secs(1)] {
            let gaps = gaps(lanes, rate_limit, None).await;
            assert!(gaps.iter().all(|gap| *gap >= rate_limit), "{lanes} lanes, {rate_limit:?}: {gaps:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetcher_may_have_a_rate_limit_of_its_own_for_calls() {
    for (of_job, of_fetcher) in [(0, 2), (5, 2)].map(|(a, b)| (Duration::from_secs(a), Duration::from_secs(b))) {
        let gaps = gaps(1, of_job, Some(of_fetcher)).await;
        assert!(gaps.iter().all(|gap| *gap >= of_fetcher && *gap < of_fetcher * 2), "{of_job:?}: {gaps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_calls_of_a_search_are_spread_over_the_workers_of_the_plan() {
    // Fifty lanes of two calls each, ten addresses a call, and nothing to wait for but the rate limit of a worker.
    let script = Script::new(Duration::ZERO, |task| {
        let Work::Search { page, .. } = &task.work else { panic!("not a call: {:?}", task.work) };
        let addresses: Vec<_> = (0..10).map(|i| format!("user{i}.of{page}@host.org")).collect();
        let mut fetched = text(task, addresses.join(" "));
        fetched.discovered.push(next_call(&task.work));
        Ok(fetched)
    });
    let pipeline = in_memory(script);
    let spec = search(1_000, 50);
    assert_eq!(spec.options.rate_limit, Duration::from_millis(100));
    let job = create(&*pipeline, "k", spec).await;
    let began = Instant::now();
    let engine = Engine::start(pipeline.clone(), EngineOptions { per_host: 10_000, ..only(job) });
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.collected, last.workers), (1_000, 50));
    assert!(began.elapsed() < Duration::from_millis(300), "two calls of each worker took {:?}", began.elapsed());
    engine.drain().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_its_place_waits_for_is_not_held_up_by_a_large_batch() {
    // More lanes than a batch has outcomes, and each lane's next call comes with the commit of the one before.
    const LANES: u32 = 600;
    const ROUNDS: u32 = 20;
    let script = Script::new(Duration::from_secs(2), |task| {
        let Work::Search { page, .. } = &task.work else { panic!("not a call: {:?}", task.work) };
        let mut fetched = text(task, format!("user{page}@host.org"));
        fetched.discovered.push(next_call(&task.work));
        Ok(fetched)
    });
    let pipeline = in_memory(script);
    let mut spec = search((LANES * ROUNDS).into(), LANES);
    spec.options.workers = Some(LANES);
    spec.options.connections_per_worker = 1;
    spec.options.rate_limit = Duration::ZERO;
    let job = create(&*pipeline, "k", spec).await;
    let began = Instant::now();
    let engine = Engine::start(pipeline.clone(), EngineOptions { per_host: 10_000, ..only(job) });
    let last = engine.finished(job).await.unwrap();
    assert_eq!(last.collected, u64::from(LANES * ROUNDS));
    let over = began.elapsed() - Duration::from_secs(2) * ROUNDS;
    println!("{ROUNDS} rounds of 2 s took {over:?} longer than their calls");
    assert!(over < Duration::from_millis(15) * ROUNDS, "{over:?}");
    engine.drain().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_search_for_nothing_is_refused_before_its_job_begins_and_no_matter_after_that() {
    let pipeline = in_memory(Script::new(Duration::ZERO, |task| Ok(text(task, String::new()))));
    let engine = Engine::start(pipeline.clone(), EngineOptions::default());
    let mut spec = search(10, 1);
    spec.sources.push(JobSource::Search(" ".into()));
    let id = create(&*pipeline, "new", spec.clone()).await;
    assert_eq!(engine.finished(id).await.unwrap().status, JobStatus::Failed);
    let reason = pipeline.store().job(id).await.unwrap().unwrap().reason;
    assert_eq!(reason.as_deref(), Some("a search is empty: say what to search for"));
    engine.drain().await.unwrap();

    let id = create(&*pipeline, "begun", spec.clone()).await;
    pipeline.queue().push(&spec.first_tasks(id).unwrap()).await.unwrap();
    pipeline.store().mark_seeded(id).await.unwrap();
    let engine = Engine::start(pipeline.clone(), EngineOptions::default());
    assert_eq!(engine.finished(id).await.unwrap().status, JobStatus::Completed);
    engine.drain().await.unwrap();
}
