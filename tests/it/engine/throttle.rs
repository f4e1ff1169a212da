//! What holds a whole process back, and what is said of it: the real system's memory and disk, a real server.

use std::sync::Arc;
use std::time::Duration;

use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions, SqlitePipeline};
use mailscan_core::engine::{Bound, Engine, EngineOptions, Progress};
use mailscan_core::job::{Crawl, JobId, JobSource, JobSpec, JobStatus};
use mailscan_core::pipeline::Pipeline;
use mailscan_core::simulate::{SimulatedWeb, SimulationOptions};
use mailscan_core::source::http::{ClientOptions, HttpSource};
use mailscan_core::source::{Pace, Sources};
use mailscan_core::store::Store;

use super::script::{create, only};

/// A crawl of a simulated site into a file.
struct Site {
    _folder: tempfile::TempDir,
    _web: SimulatedWeb,
    pipeline: Arc<SqlitePipeline<Sources>>,
    job: JobId,
}

impl Site {
    async fn new(site: SimulationOptions, pace: Pace) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let web = SimulatedWeb::start(site).await.unwrap();
        let http = HttpSource::new(&ClientOptions::default(), pace).unwrap();
        let database = Sqlite::open(folder.path().join("jobs.db"), SqliteOptions::default()).unwrap();
        let pipeline = Arc::new(SqlitePipeline { database, fetcher: Sources::new().with_http(http) });
        let mut spec = JobSpec::new(1_000_000, vec![JobSource::Url(web.site_url())]);
        spec.options.crawl = Some(Crawl { max_depth: 100 });
        let job = create(&*pipeline, "k", spec).await;
        Self { _folder: folder, _web: web, pipeline, job }
    }

    /// Works until the progress is as wanted.
    async fn until(
        &self,
        options: EngineOptions,
        wanted: impl Fn(&Progress) -> bool,
    ) -> (Engine<SqlitePipeline<Sources>>, Progress) {
        let engine = Engine::start(self.pipeline.clone(), options);
        let mut watch = engine.watch(self.job);
        let waited = tokio::time::timeout(Duration::from_secs(60), watch.wait_for(|progress| wanted(progress))).await;
        let progress = waited.expect("it comes").unwrap().clone();
        (engine, progress)
    }
}

fn small() -> SimulationOptions {
    SimulationOptions { emails: 500, page_bytes: 2_000, ..SimulationOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_and_full_memory_hold_a_job_until_there_is_room() {
    let site = Site::new(small(), Pace::unlimited()).await;
    let held = |progress: &Progress| progress.reason.is_some();
    let full = EngineOptions { min_free_disk: u64::MAX / 4, ..only(site.job) };
    let (engine, progress) = site.until(full, held).await;
    let reason = progress.reason.unwrap();
    assert!(reason.starts_with("disk: ") && reason.contains("free "), "{reason}");
    assert_eq!(progress.status, JobStatus::Running);
    engine.abort().await.unwrap();
    site.pipeline.store().transition(site.job, &[JobStatus::Paused], JobStatus::Queued, None).await.unwrap();

    let full = EngineOptions { memory_limit: Some(1), ..only(site.job) };
    let (engine, progress) = site.until(full, held).await;
    assert!(progress.reason.as_deref().unwrap().starts_with("memory: "), "{progress:?}");
    engine.abort().await.unwrap();
    site.pipeline.store().transition(site.job, &[JobStatus::Paused], JobStatus::Queued, None).await.unwrap();

    let (engine, last) = site.until(only(site.job), |progress| progress.stopped).await;
    assert_eq!((last.status, last.collected), (JobStatus::Completed, 500));
    engine.drain().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_bounds_a_job_is_named_here_and_in_the_store() {
    let slow = SimulationOptions { page_delay: Duration::from_millis(50), emails: 20_000, ..small() };
    let site = Site::new(slow, Pace { concurrency: 2, ..Pace::unlimited() }).await;
    let by_hosts = |progress: &Progress| matches!(progress.bound, Bound::Hosts { .. });
    let (engine, progress) = site.until(only(site.job), by_hosts).await;
    let line = progress.bound.to_string();
    assert!(line.contains("127.0.0.1") && line.contains("requests at a time"), "{line}");
    let mut stored = Vec::new();
    for _ in 0..600 {
        stored = site.pipeline.store().bounds(site.job).await.unwrap();
        if stored.iter().any(|bound| bound.bound.starts_with("hosts: ")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(stored.iter().any(|bound| bound.bound.contains("127.0.0.1")), "{stored:?}");
    engine.abort().await.unwrap();
    assert!(site.pipeline.store().bounds(site.job).await.unwrap().is_empty(), "a process that stopped bounds nothing");
}
