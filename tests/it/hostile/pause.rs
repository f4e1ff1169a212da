//! A pause while tasks wait for their host's turn: they go back untouched, and the host hears nothing more.

use std::sync::Arc;
use std::time::Duration;

use mailscan_core::backend::postgres::{Postgres, PostgresOptions};
use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_core::engine::{Engine, EngineOptions};
use mailscan_core::fetch::Budget;
use mailscan_core::job::{JobId, JobSource, JobSpec, JobStatus, NewJob, Origin};
use mailscan_core::pipeline::Backends;
use mailscan_core::queue::Queue;
use mailscan_core::source::http::HttpSource;
use mailscan_core::source::{Pace, Sources};
use mailscan_core::store::Store;
use mailscan_core::task::Depth;
use tempfile::TempDir;

use super::server::{Server, Step, page, quick, soon};
use crate::postgres;

/// How many pages the job asks for.
const PAGES: u64 = 40;

/// Longer than any test.
const AGES: Duration = Duration::from_secs(100_000);

/// One request at a time, and no task that waits for its turn goes back by itself.
fn one_at_a_time() -> Pace {
    Pace { concurrency: 1, patience: Duration::from_secs(600), ..Pace::unlimited() }
}

/// One request every ten minutes.
fn slow() -> Pace {
    Pace { interval: Duration::from_secs(600), concurrency: 8, patience: AGES, ..Pace::default() }
}

fn source(pace: Pace) -> HttpSource {
    let client = mailscan_core::source::http::ClientOptions { header_timeout: Duration::from_secs(60), ..quick() };
    HttpSource::new(&client, pace).unwrap()
}

/// A server whose pages wait for the test.
async fn gated() -> Server {
    Server::start(|_| [vec![Step::Gate], page("ann@a.org")].concat()).await
}

/// A job of many pages of one server.
async fn job(store: &impl Store, server: &Server) -> JobId {
    let urls = (0..PAGES).map(|n| JobSource::Url(server.url(&format!("/{n}")))).collect();
    let spec = JobSpec::new(1_000, urls);
    store.create_job(&NewJob { key: "pause".to_owned(), spec, origin: Origin::Operator }).await.unwrap().id()
}

/// Waits until so many tasks of the job are held, of those that were put on the queue.
async fn held(queue: &impl Queue, job: JobId, wanted: impl Fn(u64) -> bool) -> Depth {
    soon(async {
        loop {
            let depth = queue.depth(job).await.unwrap();
            if depth.total() == PAGES && wanted(depth.leased) {
                return depth;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

async fn change(store: &impl Store, job: JobId, from: JobStatus, to: JobStatus) {
    store.transition(job, &[from], to, None).await.unwrap();
}

/// Pauses a job of which one request is on the wire and the others wait, and resumes it.
async fn pause_and_resume<D: Queue + Store + Clone>(database: D, http: HttpSource) {
    let server = gated().await;
    let id = job(&database, &server).await;
    let fetcher = Sources::new().with_http(http);
    let pipeline = Backends { queue: database.clone(), store: database.clone(), fetcher };
    let engine = Engine::start(Arc::new(pipeline), EngineOptions::default());
    // robots.txt, and the first page.
    server.asked(2).await;
    held(&database, id, |leased| leased > 1).await;
    change(&database, id, JobStatus::Running, JobStatus::Paused).await;
    let depth = held(&database, id, |leased| leased == 1).await;
    assert_eq!((depth.pending, depth.delayed), (PAGES - 1, 0), "given back at once, and free for others");
    server.open_gate(1);
    let paused = soon(engine.finished(id)).await.unwrap();
    assert_eq!(
        (paused.status, paused.collected, paused.depth.done),
        (JobStatus::Paused, 1, 1),
        "what was asked counts"
    );
    assert_eq!(server.requests().len(), 2, "nothing was asked after the pause");
    change(&database, id, JobStatus::Paused, JobStatus::Queued).await;
    server.open_gate(PAGES as usize);
    let last = soon(engine.finished(id)).await.unwrap();
    assert_eq!((last.status, last.depth.done, last.errors), (JobStatus::Completed, PAGES, 0), "{:?}", last.reason);
    assert_eq!(server.requests().len() as u64, 1 + PAGES, "each page was asked for once");
    engine.drain().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_heard_by_who_waits_for_a_place() {
    let folder = TempDir::new().unwrap();
    let database = Sqlite::open(folder.path().join("mailscan.db"), SqliteOptions::default()).unwrap();
    pause_and_resume(database, source(one_at_a_time())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_heard_by_who_waits_for_what_other_nodes_agree_to() {
    if !postgres::is_there() {
        return;
    }
    let cluster = postgres::shared();
    let url = cluster.url(&cluster.fresh().await);
    let database = Postgres::open(&url, PostgresOptions::default()).await.unwrap();
    let http = source(Pace { adapts: false, ..one_at_a_time() }).shared(Arc::new(database.clone()));
    pause_and_resume(database, http).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_that_is_asked_hears_of_a_pause_at_once() {
    let folder = TempDir::new().unwrap();
    let database = Sqlite::open(folder.path().join("mailscan.db"), SqliteOptions::default()).unwrap();
    let server = gated().await;
    let id = job(&database, &server).await;
    let fetcher = Sources::new().with_http(source(one_at_a_time()));
    let pipeline = Backends { queue: database.clone(), store: database.clone(), fetcher };
    // It would look at the jobs again after all tests are over.
    let rarely = EngineOptions { poll_every: Duration::from_secs(3_600), ..EngineOptions::default() };
    let engine = Engine::start(Arc::new(pipeline), rarely);
    server.asked(2).await;
    held(&database, id, |leased| leased > 1).await;
    change(&database, id, JobStatus::Running, JobStatus::Paused).await;
    engine.monitor().look();
    held(&database, id, |leased| leased == 1).await;
    server.open_gate(1);
    soon(engine.drain()).await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_time_of_a_start_hears_the_end_of_the_process() {
    let folder = TempDir::new().unwrap();
    let database = Sqlite::open(folder.path().join("mailscan.db"), SqliteOptions::default()).unwrap();
    let server = Server::start(|_| page("ann@a.org")).await;
    let id = job(&database, &server).await;
    let fetcher = Sources::new().with_http(source(slow()));
    let pipeline = Backends { queue: database.clone(), store: database.clone(), fetcher };
    let budget = Budget { time: AGES, ..Budget::default() };
    let engine = Engine::start(Arc::new(pipeline), EngineOptions { budget, ..EngineOptions::default() });
    // robots.txt; the first page is to come ten minutes later.
    server.asked(1).await;
    held(&database, id, |leased| leased > 10).await;
    soon(engine.drain()).await.unwrap();
    let depth = database.depth(id).await.unwrap();
    assert_eq!((depth.leased, depth.delayed, server.requests().len()), (0, 0, 1), "{depth:?}");
}
