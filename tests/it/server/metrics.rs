//! What a monitoring system reads.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use mailscan_core::backend::memory::{MemoryQueue, MemoryStore};
use mailscan_core::engine::{Engine, EngineOptions};
use mailscan_core::job::JobStatus;
use mailscan_core::pipeline::Backends;
use mailscan_core::queue::{Queue, QueueLimits};
use mailscan_core::source::Sources;
use mailscan_core::store::{JobQuery, Store};
use mailscan_core::task::{NewTask, Work};
use mailscan_http::ServeOptions;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use super::client::{get, post};
use super::command::serve_in;
use super::{HANGS, job, start};
use crate::cli::run_in;

/// The series of an answer, each with its value. Every line must be one, or a comment about one.
pub(super) fn series(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let lines = text.lines().filter(|line| !line.starts_with("# HELP ") && !line.starts_with("# TYPE "));
    let parsed = lines.map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}"));
        (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line:?}")))
    });
    let (count, series) = (parsed.clone().count(), parsed.collect::<BTreeMap<_, _>>());
    assert_eq!(count, series.len(), "each series once");
    series
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_and_traffic_are_told_without_an_engine() {
    let server = start(ServeOptions::default()).await;
    job(&server.store, 10, JobStatus::Running).await;
    job(&server.store, 11, JobStatus::Paused).await;
    let answer = get(server.address, "/metrics").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    let series = series(&answer.body);
    assert_eq!((series["mailscan_jobs{status=\"running\"}"], series["mailscan_jobs{status=\"queued\"}"]), (1.0, 0.0));
    assert_eq!(
        (series["mailscan_job_target{job=\"1\"}"], series["mailscan_queue_tasks{state=\"pending\"}"]),
        (10.0, 0.0)
    );
    assert!(series["process_resident_memory_bytes"] > 0.0 && series["mailscan_http_connections"] >= 1.0);
    assert!(!series.keys().any(|name| name.starts_with("mailscan_workers")), "nobody works here");
    assert_eq!(series["mailscan_database_up"], 1.0);
    assert_eq!(get(server.address, "/readyz").await.json()["status"], "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_is_told() {
    let server = start(ServeOptions::default()).await;
    let file = rusqlite::Connection::open(server.folder.path().join("mailscan.db")).unwrap();
    for (change, status) in [("job RENAME TO away", 503), ("away RENAME TO job", 200)] {
        file.execute_batch(&format!("ALTER TABLE {change}")).unwrap();
        let ready = get(server.address, "/readyz").await;
        assert_eq!(ready.status, status, "{}", ready.body);
        if status == 503 {
            assert_eq!(
                (ready.header("retry-after"), &ready.json()["detail"]),
                (Some("1"), &"the store does not answer".into())
            );
        }
        assert_eq!(get(server.address, "/healthz").await.status, 200, "the server runs all the same");
        let metrics = get(server.address, "/metrics").await;
        assert_eq!(metrics.status, 200, "{}", metrics.body);
        let series = series(&metrics.body);
        assert_eq!(series["mailscan_database_up"] == 1.0, status == 200);
        assert_eq!(series.keys().any(|name| name.starts_with("mailscan_jobs")), status == 200);
        assert!(series["process_resident_memory_bytes"] > 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_engine_has_ended_is_not_ready_and_begins_no_job() {
    let impossible = || EngineOptions { per_host: 0, ..EngineOptions::default() };
    for (options, fails) in [(EngineOptions::default(), false), (impossible(), true)] {
        let queue = MemoryQueue::new(QueueLimits::default());
        let pipeline = Backends { queue, store: MemoryStore::new(), fetcher: Sources::new() };
        let engine = Engine::start(Arc::new(pipeline), options);
        let monitor = Some(engine.monitor());
        let server = start(ServeOptions { monitor, ..ServeOptions::default() }).await;
        if !fails {
            assert_eq!(get(server.address, "/readyz").await.status, 200);
            assert!(get(server.address, "/metrics").await.body.contains("mailscan_workers"));
            timeout(HANGS, engine.drain()).await.unwrap().unwrap();
        }
        // Also while the handle is still there.
        let ready = get(server.address, "/readyz").await;
        assert_eq!(ready.status, 503, "{}", ready.body);
        assert!(ready.json()["detail"].as_str().unwrap().contains("engine"), "{}", ready.body);
        let asked = json!({"target": 1, "urls": ["https://example.org/"]});
        assert_eq!(post(server.address, "/api/v1/jobs", &asked).await.status, 503);
        assert!(server.store.jobs(&JobQuery { limit: 1, ..JobQuery::default() }).await.unwrap().is_empty());
        assert!(!get(server.address, "/metrics").await.body.contains("mailscan_workers"));
        drop(engine);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_jobs_count_however_many_there_are_and_their_series_do_not_grow() {
    let server = start(ServeOptions::default()).await;
    let (paused, running) = (1_100, 1_020);
    // Behind old ones that nobody works on.
    for (jobs, status) in [(paused, JobStatus::Paused), (running, JobStatus::Running), (7, JobStatus::Completed)] {
        for target in 1..=jobs {
            let id = job(&server.store, target, status).await;
            let task = |n| NewTask { job: id, work: Work::Path { path: format!("{n}") }, depth: 0, limit: None };
            server.store.push(&[task(1), task(2)]).await.unwrap();
        }
    }
    let series = series(&get(server.address, "/metrics").await.body);
    let jobs = ["queued", "running", "paused", "completed"]
        .map(|status| series[&format!("mailscan_jobs{{status=\"{status}\"}}")]);
    assert_eq!(jobs, [0.0, running as f64, paused as f64, 7.0]);
    assert_eq!(series["mailscan_queue_tasks{state=\"pending\"}"], 2.0 * running as f64);
    let own: Vec<_> = series.keys().filter(|name| name.starts_with("mailscan_job_target")).collect();
    let first = format!("mailscan_job_target{{job=\"{}\"}}", paused + 1);
    assert!(own.len() == 32 && own.contains(&&first), "{own:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_tells_what_it_did() {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("in")).unwrap();
    for n in 0..30 {
        fs::write(folder.path().join(format!("in/{n}.txt")), format!("user{n}@host.org, all@host.org")).unwrap();
    }
    let served = serve_in(folder.path(), &[]);
    let detached = run_in(folder.path(), &["run", "--path", "in", "--path", "in/1.txt", "--target", "100", "--detach"]);
    assert_eq!(detached.code, 0, "{}", detached.err);
    let done = async {
        loop {
            let series = series(&get(served.address, "/metrics").await.body);
            if series["mailscan_addresses_total"] == 31.0 && series["mailscan_jobs{status=\"running\"}"] == 0.0 {
                return series;
            }
        }
    };
    let series = timeout(HANGS, done).await.unwrap();
    assert!(series["mailscan_pages_total"] >= 30.0 && series["mailscan_mentions_total"] >= 31.0, "{series:?}");
    // What every file holds is asked about or dropped; what is its own is new.
    let front = ["stored_lately", "surely_new", "doubtful"]
        .map(|answer| series[&format!("mailscan_front_mentions_total{{answer=\"{answer}\"}}")]);
    assert!(front.iter().sum::<f64>() >= 1.0 && series["mailscan_front_bytes"] >= 0.0, "{front:?}");
    assert!(series["mailscan_workers{state=\"idle\"}"] >= 1.0 && series["mailscan_fetches_limit_max"] >= 1.0);
    for what in ["claim", "commit"] {
        let count = series[&format!("mailscan_{what}_seconds_count")];
        assert!(
            count >= 1.0 && series[&format!("mailscan_{what}_seconds_bucket{{le=\"+Inf\"}}")] == count,
            "{series:?}"
        );
    }
    for series_of in ["mailscan_throttle_held{reason=\"memory\"}", "mailscan_errors_total{class=\"permanent\"}"] {
        assert!(series.contains_key(series_of), "{series_of}");
    }
}
