//! One pool for many jobs and hosts: what each gets, on a paused clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailscan_core::engine::{Engine, EngineOptions};
use mailscan_core::fetch::{BODIES_FULL, Discovered, FetchError, FetchErrorClass, Fetched, JOB_TURN};
use mailscan_core::job::{JobId, JobOptions, JobSource, JobSpec, JobStatus};
use mailscan_core::task::{Task, Work};
use tokio::time::Instant;

use super::script::{Script, create, in_memory, number, only, text};

const LATENCY: Duration = Duration::from_millis(20);

/// The URL of page `n` of the host with this number.
fn url(host: &str, n: u64) -> String {
    format!("http://{host}.org/{n}")
}

/// A job of one page that leads to all the others.
fn job_of(name: &str, workers: u32) -> JobSpec {
    let mut spec = JobSpec::new(1_000_000, vec![JobSource::Url(url(name, 0))]);
    spec.options.workers = Some(workers);
    spec.options.connections_per_worker = 1;
    spec
}

fn leads_to(pages: impl Iterator<Item = String>) -> Fetched {
    let discovered = pages.map(|url| Discovered { work: Work::Page { url }, step: 0 }).collect();
    Fetched { discovered, ..Fetched::default() }
}

/// Fetches 5,000 pages of 50 hosts, with so many of a host that stalls among them; answers how long those took.
async fn others_beside(stalled: u64) -> Duration {
    let done = Arc::new(Mutex::new((0, Instant::now())));
    let begin = Instant::now();
    let noted = done.clone();
    let is_stalled = |task: &Task| task.work.host() == "stalled.org";
    let script = Script::with_latency(
        move |task| if is_stalled(task) { Duration::from_secs(60) } else { LATENCY },
        move |task| {
            if is_stalled(task) {
                return Err(FetchError::new(FetchErrorClass::Transient, "header-timeout", "no answer came"));
            }
            if task.work.host() == "root.org" {
                let others = (0..5_000).map(|n| url(&format!("site{}", n % 50), n));
                return Ok(leads_to((0..stalled).map(|n| url("stalled", n)).chain(others)));
            }
            let mut noted = noted.lock().unwrap();
            *noted = (noted.0 + 1, Instant::now());
            Ok(Fetched::default())
        },
    );
    let pipeline = in_memory(script);
    let job = create(&*pipeline, "k", job_of("root", 50)).await;
    let engine = Engine::start(pipeline.clone(), only(job));
    while done.lock().unwrap().0 < 5_000 {
        tokio::time::sleep(LATENCY).await;
    }
    engine.abort().await.unwrap();
    let last = done.lock().unwrap().1;
    last - begin
}

#[tokio::test(start_paused = true)]
async fn a_host_that_stalls_starves_no_other() {
    let (alone, beside) = (others_beside(0).await, others_beside(10_000).await);
    println!("5,000 pages of others: {alone:?} alone, {beside:?} beside 10,000 of a host that stalls");
    assert!(beside.as_secs_f64() < alone.as_secs_f64() * 1.1, "{beside:?} instead of {alone:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_stalls_keeps_nobody_from_what_comes_behind_it() {
    let is_stalled = |task: &Task| task.work.host() == "stalled.org";
    let script = Script::with_latency(
        move |task| if is_stalled(task) { Duration::from_secs(60) } else { LATENCY },
        move |task| {
            if is_stalled(task) {
                return Err(FetchError::new(FetchErrorClass::Transient, "header-timeout", "no answer came"));
            }
            // As a list does that names the pages of one host first.
            Ok(match task.work.label().as_str() {
                "http://root.org/0" => leads_to((0..1_000).map(|n| url("stalled", n)).chain([url("root", 1)])),
                "http://root.org/1" => leads_to((0..1_000).map(|n| url(&format!("site{}", n % 50), n))),
                _ => text(task, format!("user{}@host.org", number(task))),
            })
        },
    );
    let pipeline = in_memory(script.per_host_at_first(16));
    let spec = JobSpec { target: 1_000, ..job_of("root", 50) };
    let job = create(&*pipeline, "k", spec).await;
    let begin = Instant::now();
    let engine = Engine::start(pipeline.clone(), only(job));
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.collected), (JobStatus::Completed, 1_000));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    engine.abort().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_host_has_the_places_that_nobody_else_wants() {
    let is_slow = |task: &Task| task.work.host() == "slow.org";
    let script = Script::with_latency(
        move |task| if is_slow(task) { Duration::from_secs(2) } else { LATENCY },
        move |task| {
            if task.work.host() != "root.org" {
                return Ok(Fetched::default());
            }
            let quick = (0..50).map(|n| url(&format!("site{n}"), n));
            Ok(leads_to(quick.chain((0..1_000).map(|n| url("slow", n)))))
        },
    );
    let pipeline = in_memory(script);
    let job = create(&*pipeline, "k", job_of("root", 100)).await;
    let begin = Instant::now();
    let engine = Engine::start(pipeline.clone(), EngineOptions { per_host: 1_000, ..only(job) });
    engine.finished(job).await.unwrap();
    let took = begin.elapsed();
    println!("1,000 pages of 2 s each over 100 places: {took:?}");
    // Ten rounds of a hundred take 20 s; the first rounds fill half of the places only.
    assert!(took < Duration::from_secs(24), "{took:?}");
    engine.abort().await.unwrap();
}

/// Counts the pages that were fetched for each job.
fn counting(pages: impl Fn(u64) -> u64 + Send + Sync + 'static) -> (Script, Arc<Mutex<Vec<u64>>>) {
    let counts = Arc::new(Mutex::new(vec![0; 16]));
    let counted = counts.clone();
    let script = Script::new(LATENCY, move |task| {
        let job = task.job.0;
        if task.work.label().ends_with("/0") {
            return Ok(leads_to((1..=pages(job)).map(|n| url(&format!("job{job}-{}", n % 20), n))));
        }
        counted.lock().unwrap()[job as usize] += 1;
        Ok(Fetched::default())
    });
    (script, counts)
}

fn engine_of(places: usize) -> EngineOptions {
    EngineOptions { max_in_flight: places, ..EngineOptions::default() }
}

/// Has engines with so many places each work on ten jobs, of which the last has three times the weight, until the first
/// and smallest is done; answers how many pages a second there were.
async fn share_among_ten(places: &[usize]) -> f64 {
    let (script, counts) = counting(|job| job * 400);
    let pipeline = in_memory(script);
    let mut jobs = Vec::new();
    for number in 1..=10 {
        let mut spec = job_of(&format!("start{number}"), 100);
        spec.options.weight = if number == 10 { 3 } else { 1 };
        jobs.push(create(&*pipeline, &number.to_string(), spec).await);
    }
    let begin = Instant::now();
    let engines: Vec<_> = places.iter().map(|places| Engine::start(pipeline.clone(), engine_of(*places))).collect();
    engines[0].finished(jobs[0]).await.unwrap();
    let counts = counts.lock().unwrap().clone();
    println!("pages when the first job was done: {counts:?}");
    let share = counts[1..=9].iter().sum::<u64>() as f64 / 9.0;
    for (job, count) in counts.iter().enumerate().skip(1).take(10) {
        let weight = if job == 10 { 3.0 } else { 1.0 };
        let got = *count as f64 / (share * weight);
        assert!((0.9..=1.1).contains(&got), "job {job} got {got:.2} of its share: {counts:?}");
    }
    let rate = counts.iter().sum::<u64>() as f64 / begin.elapsed().as_secs_f64();
    for engine in &engines {
        engine.abort().await.unwrap();
    }
    rate
}

#[tokio::test(start_paused = true)]
async fn ten_jobs_of_any_size_each_get_their_share() {
    share_among_ten(&[120]).await;
}

#[tokio::test(start_paused = true)]
async fn shares_hold_among_processes_of_which_each_does_what_it_can() {
    let (one, both) = (share_among_ten(&[120]).await, share_among_ten(&[120, 60]).await);
    let gained = both / one;
    assert!((1.4..1.6).contains(&gained), "half as many places again bring {gained:.2} times the pages");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_asks_for_less_of_a_host_holds_up_no_other() {
    waits_for_nothing_but_itself(JOB_TURN).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_large_pages_find_no_room_holds_up_no_other() {
    waits_for_nothing_but_itself(BODIES_FULL).await;
}

/// Holds that another job goes on at a host that a job comes back to later with this code.
async fn waits_for_nothing_but_itself(code: &'static str) {
    let later = move || FetchError::new(FetchErrorClass::Deferred, code, "later").retry_after(Duration::from_secs(60));
    let script = Script::new(LATENCY, move |task| match task.work.label().ends_with("/0") {
        true => Ok(leads_to((1..=100).map(|n| url("shared", task.job.0 * 1_000 + n)))),
        false if task.job == JobId(1) => Err(later()),
        false => Ok(Fetched::default()),
    });
    let pipeline = in_memory(script);
    let careful = create(&*pipeline, "careful", job_of("careful", 50)).await;
    assert_eq!(careful, JobId(1));
    let engine = Engine::start(pipeline.clone(), engine_of(100));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let other = create(&*pipeline, "other", job_of("other", 50)).await;
    let begin = Instant::now();
    engine.finished(other).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    engine.abort().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_search_endpoint_that_asks_for_a_pause_holds_up_no_other() {
    let later = || FetchError::new(FetchErrorClass::Deferred, "http-429", "later").retry_after(Duration::from_secs(60));
    let script = Script::new(LATENCY, move |task| match &task.work {
        Work::Search { .. } if task.job == JobId(1) => Err(later()),
        Work::Search { query, page, stride } if *page < 20 => {
            let work = Work::Search { query: query.clone(), page: page + stride, stride: *stride };
            Ok(Fetched { discovered: vec![Discovered { work, step: 0 }], ..Fetched::default() })
        }
        _ => Ok(Fetched::default()),
    });
    let search = || {
        let mut spec = JobSpec { sources: vec![JobSource::Search("x".into())], ..job_of("any", 10) };
        spec.options.search_endpoint = Some("scripted".into());
        spec.options.rate_limit = Duration::ZERO;
        spec
    };
    let pipeline = in_memory(script);
    assert_eq!(create(&*pipeline, "refused", search()).await, JobId(1));
    let engine = Engine::start(pipeline.clone(), engine_of(100));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let other = create(&*pipeline, "other", search()).await;
    let begin = Instant::now();
    engine.finished(other).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    engine.abort().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_small_job_behind_a_huge_one_takes_the_time_of_its_share() {
    let (script, counts) = counting(|job| if job == 1 { 20_000 } else { 1_000 });
    let pipeline = in_memory(script);
    let huge = create(&*pipeline, "huge", job_of("huge", 100)).await;
    assert_eq!(huge, JobId(1));
    let engine = Engine::start(pipeline.clone(), engine_of(100));
    while counts.lock().unwrap()[1] < 1_000 {
        tokio::time::sleep(LATENCY).await;
    }
    let (begin, before) = (Instant::now(), counts.lock().unwrap()[1]);
    let small = create(&*pipeline, "small", job_of("small", 100)).await;
    let last = engine.finished(small).await.unwrap();
    assert_eq!(last.status, JobStatus::Completed);
    let beside = counts.lock().unwrap()[1] - before;
    println!("1,000 pages in {:?}, {beside} of the huge job meanwhile", begin.elapsed());
    // By equal shares the huge job gets as much as the small one, and more while that one begins and ends.
    assert!((900..1_800).contains(&beside), "{beside}");
    engine.abort().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_jobs_that_wait_would_leave_empty_is_anothers() {
    const BUSY: JobId = JobId(10);
    let later =
        || FetchError::new(FetchErrorClass::Deferred, JOB_TURN, "later").retry_after(Duration::from_secs(3_600));
    let script = Script::new(LATENCY, move |task| match task.work.label().ends_with("/0") {
        true => Ok(leads_to((1..=20_000).map(|n| url(&format!("job{}-{}", task.job.0, n % 50), n)))),
        false if task.job < BUSY => Err(later()),
        false => Ok(Fetched::default()),
    });
    let pipeline = in_memory(script);
    let job = |name: &str| JobSpec {
        options: JobOptions { max_tasks: Some(500), ..job_of(name, 1_000).options },
        ..job_of(name, 1_000)
    };
    for number in 1..10 {
        let name = format!("waits{number}");
        create(&*pipeline, &name, job(&name)).await;
    }
    let engine = Engine::start(pipeline.clone(), engine_of(1_000));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(create(&*pipeline, "busy", job_of("busy", 1_000)).await, BUSY);
    let begin = Instant::now();
    engine.finished(BUSY).await.unwrap();
    let took = begin.elapsed();
    println!("20,000 pages of 20 ms over 1,000 places beside nine jobs that wait: {took:?}");
    // Twenty rounds take 0.4 s; in a tenth of the places, and as many as wait for one, it would be 1.8 s.
    assert!(took < Duration::from_secs(1), "{took:?}");
    engine.abort().await.unwrap();
}

/// How many pages each of three jobs has had after so many rounds over one place: one that waits for an hour, and two of which
/// one may have much more than the other.
async fn over_one_place(page: Duration, rounds: u32) -> [u64; 3] {
    let counts = Arc::new(Mutex::new([0_u64; 3]));
    let counted = counts.clone();
    let script = Script::new(page, move |task| {
        if task.job == JobId(1) {
            let later = FetchError::new(FetchErrorClass::Deferred, JOB_TURN, "later");
            return Err(later.retry_after(Duration::from_secs(3_600)));
        }
        counted.lock().unwrap()[task.job.0 as usize - 1] += 1;
        let pages = (1..=1_000).map(|n| url(&format!("job{}-{}", task.job.0, n % 20), n));
        Ok(if task.work.label().ends_with("/0") { leads_to(pages) } else { Fetched::default() })
    });
    let pipeline = in_memory(script);
    for (name, workers) in [("waits", 10), ("small", 10), ("large", 1_000)] {
        create(&*pipeline, name, job_of(name, workers)).await;
    }
    let engine = Engine::start(pipeline.clone(), engine_of(1));
    tokio::time::sleep(page * rounds).await;
    let counts = *counts.lock().unwrap();
    println!("pages of {page:?} after {rounds} rounds: {counts:?}");
    engine.abort().await.unwrap();
    counts
}

#[tokio::test(start_paused = true)]
async fn the_only_place_goes_round_among_the_jobs() {
    let counts = over_one_place(LATENCY, 500).await;
    assert!(counts[1].min(counts[2]) > 100, "{counts:?}");
    // Longer than a turn, so that both have claimed by the time the place is free.
    let counts = over_one_place(Duration::from_secs(3), 60).await;
    assert!(counts[1].min(counts[2]) > 20, "{counts:?}");
}
