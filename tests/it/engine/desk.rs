//! What people decide while an engine works: another try for what was given up, and the end of a job with all it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mailscan_core::desk;
use mailscan_core::engine::{Engine, EngineOptions};
use mailscan_core::fetch::{FetchError, FetchErrorClass};
use mailscan_core::job::JobStatus;
use mailscan_core::pipeline::Pipeline;
use mailscan_core::queue::{Queue, Retried};
use mailscan_core::store::{Deletion, ErrorQuery, ErrorSelection, RECOVERED, Store};
use mailscan_core::task::Task;
use tokio::time::timeout;

use super::script::{Script, addresses_of, create, expected, in_memory, number, pages_job, stored, text};
use super::silence::quiet_with;

const LATENCY: Duration = Duration::from_millis(20);

#[tokio::test(start_paused = true)]
async fn a_completed_job_goes_on_when_what_it_gave_up_is_tried_again() {
    let back = Arc::new(AtomicBool::new(false));
    let there = back.clone();
    let pipeline = in_memory(Script::new(LATENCY, move |task| {
        if number(task).is_multiple_of(2) || there.load(Ordering::Relaxed) {
            return Ok(text(task, addresses_of(number(task)).join(" ")));
        }
        Err(FetchError::new(FetchErrorClass::Permanent, "http-404", "not there"))
    }));
    let job = create(&*pipeline, "k", pages_job(20, 10_000)).await;
    let engine = Engine::start(pipeline.clone(), EngineOptions::default());
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.depth.failed, last.depth.done), (JobStatus::Completed, 10, 10));

    back.store(true, Ordering::Relaxed);
    let of = ErrorSelection { job: Some(job), ..ErrorSelection::default() };
    let resolved = desk::retry_errors(pipeline.queue(), pipeline.store(), &of, "it is back").await.unwrap();
    assert_eq!((resolved.errors, resolved.tasks), (10, 10));
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.depth.failed, last.depth.done), (JobStatus::Completed, 0, 20));
    assert_eq!(stored(&*pipeline, job).await, expected(20));

    let errors = pipeline.store().errors(&ErrorQuery { limit: 99, of, ..ErrorQuery::default() }).await.unwrap();
    let outcomes = desk::outcomes(pipeline.queue(), job, &errors).await.unwrap();
    assert_eq!(outcomes, [Some(desk::Outcome::Succeeded); 10]);
    engine.drain().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_error_is_resolved_when_a_later_try_succeeds() {
    let pipeline = in_memory(Script::new(LATENCY, |task| {
        if number(task).is_multiple_of(2) && task.attempt < 3 {
            return Err(FetchError::new(FetchErrorClass::Transient, "reset", "the connection broke"));
        }
        Ok(text(task, addresses_of(number(task)).join(" ")))
    }));
    let job = create(&*pipeline, "k", pages_job(10, 10_000)).await;
    let engine = Engine::start(pipeline.clone(), EngineOptions::default());
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.depth.done, last.errors), (JobStatus::Completed, 10, 10));
    engine.drain().await.unwrap();
    let of = ErrorSelection { job: Some(job), ..ErrorSelection::default() };
    let errors = pipeline.store().errors(&ErrorQuery { limit: 99, of, ..ErrorQuery::default() }).await.unwrap();
    let notes: Vec<_> = errors.iter().map(|row| row.resolved.as_ref().unwrap().note.as_str()).collect();
    assert_eq!(notes, [RECOVERED; 10]);
    let outcomes = desk::outcomes(pipeline.queue(), job, &errors).await.unwrap();
    assert_eq!(outcomes, [Some(desk::Outcome::Succeeded); 10]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_paused_and_deleted_at_once_harms_no_other() {
    let pipeline = in_memory(Script::new(LATENCY, |task| Ok(text(task, addresses_of(number(task)).join(" ")))));
    let mut spec = pages_job(2_000, 100_000);
    spec.options.workers = Some(2);
    spec.options.connections_per_worker = 2;
    let gone = create(&*pipeline, "gone", spec.clone()).await;
    let kept = create(&*pipeline, "kept", spec).await;
    let engine = Engine::start(pipeline.clone(), EngineOptions::default());
    let mut progress = engine.watch(gone);
    progress.wait_for(|progress| progress.collected > 100).await.unwrap();
    let (queue, store) = (pipeline.queue(), pipeline.store());
    store.transition(gone, &[JobStatus::Running], JobStatus::Paused, None).await.unwrap();
    assert_eq!(store.delete_job(gone).await.unwrap(), Deletion::Applied);
    assert_eq!(desk::purge(queue, store).await.unwrap(), [gone]);
    let last = engine.finished(kept).await.unwrap();
    assert_eq!((last.status, last.depth.done), (JobStatus::Completed, 2_000));
    assert_eq!(stored(&*pipeline, kept).await, expected(2_000));
    engine.drain().await.unwrap();
    assert_eq!(queue.depth(gone).await.unwrap().total(), 0);
    assert!(store.addresses(gone, 0, 9).await.unwrap().is_empty());
    assert_eq!(desk::purge(queue, store).await.unwrap(), [], "nothing has come after it");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_lacks_nothing_when_its_last_page_ends_is_not_paused() {
    // The first page has all that the job wants, the second job has no other page, and the third has one more.
    for (target, pages, status) in
        [(2, 9, JobStatus::Completed), (1_000, 1, JobStatus::Completed), (1_000, 9, JobStatus::Paused)]
    {
        let script = Script::new(Duration::from_secs(8), |task| Ok(text(task, addresses_of(number(task)).join(" "))));
        let pipeline = in_memory(script);
        let mut spec = pages_job(pages, target);
        (spec.options.workers, spec.options.connections_per_worker) = (Some(1), 1);
        spec.options.time_limit = Some(Duration::from_secs(2));
        let job = create(&*pipeline, "job", spec).await;
        let engine = Engine::start(pipeline.clone(), EngineOptions::default());
        let last = engine.finished(job).await.unwrap();
        let kept = pipeline.store().job(job).await.unwrap().unwrap();
        assert_eq!((last.status, kept.status), (status, status), "{target} of {pages}: {last:?}");
        assert_eq!((kept.finished_at.is_some(), &last.reason), (status.is_settled(), &kept.reason));
        engine.drain().await.unwrap();
    }
}

/// Two pages, of which the first is not there until that is set, and the second takes eight seconds.
fn one_away_and_one_slow() -> (Arc<AtomicBool>, Script) {
    let is_back = Arc::new(AtomicBool::new(false));
    let there = is_back.clone();
    let slow = |task: &Task| if number(task) == 1 { Duration::from_secs(8) } else { LATENCY };
    let script = Script::with_latency(slow, move |task| {
        if number(task) == 0 && !there.load(Ordering::Relaxed) {
            return Err(FetchError::new(FetchErrorClass::Permanent, "http-404", "not there"));
        }
        Ok(text(task, addresses_of(number(task)).join(" ")))
    });
    (is_back, script)
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_again_while_a_paused_job_is_completed_is_not_left() {
    let (is_back, script) = one_away_and_one_slow();
    let (pipeline, silence) = quiet_with(script);
    let job = create(&*pipeline, "job", pages_job(2, 1_000)).await;
    let engine = Engine::start(pipeline.clone(), EngineOptions::default());
    let (queue, store) = (pipeline.queue(), pipeline.store());
    tokio::time::sleep(Duration::from_secs(3)).await;
    store.transition(job, &[JobStatus::Running], JobStatus::Paused, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    // The last page ends after eight seconds, and the store hears ten later that nothing is left.
    silence.delay("transition", Duration::from_secs(10));
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(store.job(job).await.unwrap().unwrap().status, JobStatus::Paused);
    is_back.store(true, Ordering::Relaxed);
    let failed = store.errors(&ErrorQuery { limit: 9, ..ErrorQuery::default() }).await.unwrap();
    let tasks: Vec<_> = failed.iter().map(|row| row.error.task).collect();
    assert_eq!(queue.retry(job, &tasks).await.unwrap(), [Retried::Ready]);
    tokio::time::sleep(Duration::from_secs(120)).await;
    let depth = queue.depth(job).await.unwrap();
    assert_eq!((depth.open(), depth.done), (1, 1));
    assert_eq!(store.job(job).await.unwrap().unwrap().status, JobStatus::Paused, "nobody resumed it");
    silence.delay("transition", Duration::ZERO);
    store.transition(job, &[JobStatus::Paused], JobStatus::Queued, None).await.unwrap();
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.depth.open(), last.depth.done), (JobStatus::Completed, 0, 2));
    engine.drain().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_paused_job_goes_on_whose_errors_are_retried_once_it_is_completed() {
    let (is_back, script) = one_away_and_one_slow();
    let (pipeline, silence) = quiet_with(script);
    let job = create(&*pipeline, "job", pages_job(2, 1_000)).await;
    let engine = Engine::start(pipeline.clone(), EngineOptions::default());
    let store = pipeline.store();
    tokio::time::sleep(Duration::from_secs(3)).await;
    store.transition(job, &[JobStatus::Running], JobStatus::Paused, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Whether anything came back is told long after the job is completed.
    silence.delay("depths", Duration::from_secs(5));
    let completed = async {
        while store.job(job).await.unwrap().unwrap().status != JobStatus::Completed {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(60), completed).await.expect("it is completed");
    is_back.store(true, Ordering::Relaxed);
    let of = ErrorSelection { job: Some(job), ..ErrorSelection::default() };
    assert_eq!(desk::retry_errors(pipeline.queue(), store, &of, "it is back").await.unwrap().tasks, 1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    silence.delay("depths", Duration::ZERO);
    let done = async {
        while pipeline.queue().depth(job).await.unwrap().done < 2 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    timeout(Duration::from_secs(120), done).await.expect("it goes on");
    engine.drain().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_job_goes_on_as_soon_as_it_is_resumed() {
    let slow = |task: &Task| if number(task) == 0 { Duration::from_secs(50) } else { LATENCY };
    let answer = |task: &Task| Ok(text(task, addresses_of(number(task)).join(" ")));
    let pipeline = in_memory(Script::with_latency(slow, answer));
    let mut spec = pages_job(2_000, 100_000);
    spec.options.workers = Some(2);
    spec.options.connections_per_worker = 2;
    let job = create(&*pipeline, "job", spec).await;
    let engine = Engine::start(pipeline.clone(), EngineOptions::default());
    let mut progress = engine.watch(job);
    progress.wait_for(|progress| progress.collected > 100).await.unwrap();
    let store = pipeline.store();
    store.transition(job, &[JobStatus::Running], JobStatus::Paused, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let paused_at = store.job(job).await.unwrap().unwrap().collected;
    store.transition(job, &[JobStatus::Paused], JobStatus::Queued, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let collected = store.job(job).await.unwrap().unwrap().collected;
    assert!(collected > paused_at, "{collected} while a page of before is under way");
    let last = engine.finished(job).await.unwrap();
    assert_eq!((last.status, last.depth.done), (JobStatus::Completed, 2_000));
    assert_eq!(stored(&*pipeline, job).await, expected(2_000));
    engine.drain().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_retry_of_errors_leaves_alone_what_fails_meanwhile() {
    const PAGES: u64 = 2_500;
    let gone = |_: &Task| Err(FetchError::new(FetchErrorClass::Permanent, "http-404", "not there"));
    let (pipeline, silence) = quiet_with(Script::new(Duration::ZERO, gone));
    let job = create(&*pipeline, "k", pages_job(PAGES, 10_000)).await;
    let engine = Engine::start(pipeline.clone(), EngineOptions::default());
    engine.finished(job).await.unwrap();
    // While the next errors are read, what was put back fails once more.
    silence.delay("errors", Duration::from_secs(1));
    let of = ErrorSelection { job: Some(job), ..ErrorSelection::default() };
    let retried =
        timeout(Duration::from_secs(600), desk::retry_errors(pipeline.queue(), pipeline.store(), &of, "again")).await;
    let resolved = retried.expect("the retry has an end").unwrap();
    assert_eq!((resolved.errors, resolved.tasks), (PAGES, PAGES));
    engine.finished(job).await.unwrap();
    assert_eq!(pipeline.store().open_errors(job).await.unwrap(), PAGES, "each has failed once more");
    engine.drain().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_retry_of_errors_that_has_no_time_goes_on_where_it_stopped() {
    const PAGES: u64 = 2_500;
    let pipeline = in_memory(Script::new(Duration::ZERO, |_| {
        Err(FetchError::new(FetchErrorClass::Permanent, "http-404", "not there"))
    }));
    let job = create(&*pipeline, "k", pages_job(PAGES, 10_000)).await;
    let engine = Engine::start(pipeline.clone(), EngineOptions::default());
    engine.finished(job).await.unwrap();
    let of = ErrorSelection { job: Some(job), ..ErrorSelection::default() };
    let (mut up_to, mut parts) = (None, Vec::new());
    for _ in 0..9 {
        let (queue, store) = (pipeline.queue(), pipeline.store());
        let part = desk::retry_errors_within(queue, store, &of, "again", up_to, Duration::ZERO).await.unwrap();
        parts.push((part.errors, part.tasks));
        // What was put back fails once more before the rest is asked for.
        engine.finished(job).await.unwrap();
        up_to = part.up_to;
        if up_to.is_none() {
            break;
        }
    }
    assert_eq!(parts, [(1_000, 1_000), (1_000, 1_000), (500, 500)]);
    assert_eq!(pipeline.store().open_errors(job).await.unwrap(), PAGES, "each has failed once more");
    engine.drain().await.unwrap();
}
