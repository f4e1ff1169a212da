//! Jobs that ask a host less often than the process does, among the places of one that works on many: on a paused clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailscan_core::engine::{Engine, EngineOptions};
use mailscan_core::fetch::{Discovered, FetchError, FetchErrorClass, Fetched, JOB_TURN};
use mailscan_core::job::{JobId, JobOptions, JobSource, JobSpec};
use mailscan_core::task::{Task, TaskId, Work};
use tokio::time::Instant;

use super::script::{Script, create, in_memory};

const LATENCY: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(20);

/// A gate that keeps the rate limits of jobs: a page that comes too early waits for all of its patience, and in vain.
#[derive(Debug, Default)]
struct Gate {
    /// How long a page takes.
    latency: Duration,
    next: HashMap<(JobId, String), Instant>,
    in_vain: HashMap<TaskId, Instant>,
    /// How many pages of each job were asked for.
    begun: HashMap<JobId, usize>,
    /// How many waited in vain.
    vain: HashMap<JobId, usize>,
}

impl Gate {
    /// How long a page is under way, of a job with this interval.
    fn enter(&mut self, task: &Task, interval: Duration) -> Duration {
        let now = Instant::now();
        let next = self.next.entry((task.job, task.work.host())).or_insert(now);
        let waits = next.saturating_duration_since(now);
        if waits > PATIENCE {
            self.in_vain.insert(task.id, *next);
            *self.vain.entry(task.job).or_default() += 1;
            return PATIENCE;
        }
        *next = now + waits + interval;
        *self.begun.entry(task.job).or_default() += 1;
        waits + self.latency
    }
}

/// Serves `pages(job)` to the first page of each job, of which `interval(job)` is kept.
fn gated(
    interval: fn(JobId) -> Duration,
    pages: impl Fn(JobId) -> Vec<String> + Send + Sync + 'static,
) -> (Script, Arc<Mutex<Gate>>) {
    gated_at(LATENCY, interval, pages)
}

/// The same by hosts that take so long for a page.
fn gated_at(
    latency: Duration,
    interval: fn(JobId) -> Duration,
    pages: impl Fn(JobId) -> Vec<String> + Send + Sync + 'static,
) -> (Script, Arc<Mutex<Gate>>) {
    let gate = Arc::new(Mutex::new(Gate { latency, ..Gate::default() }));
    let (enters, answers) = (gate.clone(), gate.clone());
    let script = Script::with_latency(
        move |task| enters.lock().unwrap().enter(task, interval(task.job)),
        move |task| {
            if let Some(next) = answers.lock().unwrap().in_vain.remove(&task.id) {
                let later = FetchError::new(FetchErrorClass::Deferred, JOB_TURN, "later");
                return Err(later.retry_after(next.saturating_duration_since(Instant::now())));
            }
            let pages = if task.work.host() == "start.org" { pages(task.job) } else { Vec::new() };
            let discovered = pages.into_iter().map(|url| Discovered { work: Work::Page { url }, step: 0 }).collect();
            Ok(Fetched { discovered, ..Fetched::default() })
        },
    );
    let most = |options: &JobOptions| match options.rate_limit {
        Duration::ZERO => usize::MAX,
        interval => (PATIENCE.as_nanos() / interval.as_nanos()).max(1) as usize,
    };
    (script.per_host_at_first(16).per_host_for(most), gate)
}

fn job_at(rate_limit: Duration) -> JobSpec {
    let mut spec = JobSpec::new(1_000_000, vec![JobSource::Url("http://start.org/0".into())]);
    spec.options = JobOptions { workers: Some(100), connections_per_worker: 1, rate_limit, ..spec.options };
    spec
}

fn places(count: usize) -> EngineOptions {
    EngineOptions { max_in_flight: count, ..EngineOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_asks_seldom_has_as_many_hosts_under_way_as_places() {
    const MINUTE: Duration = Duration::from_secs(60);
    let (script, gate) = gated(
        |_| MINUTE,
        |_| (0..100).flat_map(|site| (0..20).map(move |n| format!("http://site{site}.org/{n}"))).collect(),
    );
    let pipeline = in_memory(script);
    let job = create(&*pipeline, "k", job_at(MINUTE)).await;
    let engine = Engine::start(pipeline.clone(), places(100));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let begun = gate.lock().unwrap().begun[&job];
    println!("{begun} pages of 100 hosts were asked for over 100 places");
    assert!(begun > 90, "{begun}");
    engine.abort().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_another_keeps_busy_is_asked_for_slow_jobs_in_turn() {
    const QUICK: JobId = JobId(1);
    const PAGES: usize = 20_000;
    let interval = |job| if job == QUICK { Duration::ZERO } else { Duration::from_secs(10) };
    let (script, gate) = gated(interval, |job| {
        let pages = if job == QUICK { PAGES } else { 5 };
        (0..pages).map(|n| format!("http://shared.org/{}-{n}", job.0)).collect()
    });
    let pipeline = in_memory(script);
    let mut jobs = Vec::new();
    for number in 1..=4 {
        jobs.push(create(&*pipeline, &number.to_string(), job_at(interval(JobId(number)))).await);
    }
    assert_eq!(jobs[0], QUICK);
    let engine = Engine::start(pipeline.clone(), places(100));
    for job in &jobs[1..] {
        engine.finished(*job).await.unwrap();
    }
    let begun = gate.lock().unwrap().begun.clone();
    println!("pages asked for when the slow jobs were done: {begun:?}");
    assert!(begun[&QUICK] < PAGES, "it keeps the host busy all the time");
    assert!(jobs[1..].iter().all(|job| begun[job] == 6), "{begun:?}");
    engine.abort().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_what_slow_jobs_hold_of_a_host_nothing_waits_in_vain() {
    const SECONDS: Duration = Duration::from_secs(2);
    let (script, gate) =
        gated(|_| SECONDS, |job| (0..2_000).map(|n| format!("http://shared.org/{}-{n}", job.0)).collect());
    let pipeline = in_memory(script);
    let engine = Engine::start(pipeline.clone(), places(100));
    for number in 1..=2 {
        create(&*pipeline, &number.to_string(), job_at(SECONDS)).await;
    }
    tokio::time::sleep(Duration::from_secs(100)).await;
    engine.abort().await.unwrap();
    let gate = gate.lock().unwrap();
    println!("pages asked for in 100 s: {:?}", gate.begun);
    assert!(gate.begun.values().all(|begun| *begun >= 49), "a turn comes every two seconds");
    assert_eq!(gate.vain, HashMap::new());
}

#[tokio::test(start_paused = true)]
async fn a_slow_job_asks_as_often_as_it_may_where_each_page_takes_long() {
    const SECONDS: Duration = Duration::from_secs(5);
    // Four are under way at a time, which is all that is worth holding.
    let (script, gate) =
        gated_at(PATIENCE, |_| SECONDS, |job| (0..2_000).map(|n| format!("http://shared.org/{}-{n}", job.0)).collect());
    let pipeline = in_memory(script);
    let engine = Engine::start(pipeline.clone(), places(100));
    let job = create(&*pipeline, "k", job_at(SECONDS)).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    engine.abort().await.unwrap();
    let gate = gate.lock().unwrap();
    assert!(gate.begun[&job] >= 50, "a turn comes every five seconds: {}", gate.begun[&job]);
    assert_eq!(gate.vain, HashMap::new());
}

#[tokio::test(start_paused = true)]
async fn a_host_where_slow_jobs_wait_is_asked_for_others() {
    const SECONDS: Duration = Duration::from_secs(20);
    const SLOW: u64 = 20;
    const USUAL: JobId = JobId(SLOW + 1);
    let interval = |job| if job == USUAL { Duration::ZERO } else { SECONDS };
    let (script, gate) = gated(interval, |job| (0..500).map(|n| format!("http://shared.org/{}-{n}", job.0)).collect());
    let pipeline = in_memory(script);
    let engine = Engine::start(pipeline.clone(), places(100));
    // Each has one page waiting, and a turn at a time of its own: together more than is worth holding for others.
    for number in 1..=SLOW {
        create(&*pipeline, &number.to_string(), job_at(SECONDS)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let usual = create(&*pipeline, "usual", job_at(Duration::ZERO)).await;
    assert_eq!(usual, USUAL);
    engine.finished(usual).await.unwrap();
    let begun = gate.lock().unwrap().begun.clone();
    println!("pages asked for when the other was done: {begun:?}");
    assert!((1..=SLOW).all(|job| (2..12).contains(&begun[&JobId(job)])), "{begun:?}");
    engine.abort().await.unwrap();
}
