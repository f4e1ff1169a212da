//! The engine's own limit: new addresses a second through the whole of it into a durable SQLite file.
//!
//! Everything is real but the sources, which answer at once from memory: a search whose every call lists one page, and
//! pages of ten addresses each. So an address costs a tenth of two tasks (pushed, claimed, settled), its extraction, the
//! Bloom front and its row. Beside each size stands an append to a bare table without an index in transactions of the
//! same size, in the same run: the least that durable rows cost.
//!
//! `MAILSCAN_BENCH_EMAILS` is the largest job, 1,000,000 unless it is set; the curve begins at 10,000.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions, SqlitePipeline};
use mailscan_core::engine::{Engine, EngineOptions, JobFilter};
use mailscan_core::extract::Media;
use mailscan_core::fetch::{Discovered, Document, Documents, FetchContext, FetchError, Fetched, Fetcher};
use mailscan_core::job::{JobSource, JobSpec, NewJob};
use mailscan_core::resources::Sampler;
use mailscan_core::simulate;
use mailscan_core::store::Store;
use mailscan_core::task::{Task, Work};
use rusqlite::Connection;

/// As in the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PER_PAGE: u64 = 10;
const BATCH: u64 = 10_000;

/// A search and its pages, in memory.
#[derive(Debug)]
struct Scripted {
    emails: u64,
}

impl Fetcher for Scripted {
    async fn fetch(&self, task: &Task, _context: &FetchContext<'_>) -> Result<Fetched, FetchError> {
        match &task.work {
            Work::Search { query, page, stride } => {
                let first = (u64::from(*page) - 1) * PER_PAGE;
                if first >= self.emails {
                    return Ok(Fetched::default());
                }
                let url = format!("http://site{}.org/{first}", page % 97);
                let mut works = vec![Work::Page { url }];
                // The last call of a lane lists no further one, so that there are as many calls as pages.
                if first + u64::from(*stride) * PER_PAGE < self.emails {
                    works.push(Work::Search { query: query.clone(), page: page + stride, stride: *stride });
                }
                let discovered = works.into_iter().map(|work| Discovered { work, step: 0 }).collect();
                Ok(Fetched { discovered, ..Fetched::default() })
            }
            work => {
                let label = work.label();
                let first: u64 = label.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or_default();
                let addresses = (first..self.emails.min(first + PER_PAGE)).map(|i| simulate::address(1, i));
                let text: String = addresses.map(|address| format!("{address}\n")).collect();
                let document = Document {
                    source: label.as_str().into(),
                    base: None,
                    media: Media::Text,
                    charset: None,
                    body: text.into(),
                    offset: 0,
                    truncated: false,
                };
                Ok(Fetched { documents: Documents::One(document), ..Fetched::default() })
            }
        }
    }
}

/// Runs a whole job into a file in `folder`; answers how long it took.
async fn job(folder: &Path, emails: u64) -> Duration {
    let database = Sqlite::open(folder.join("jobs.db"), SqliteOptions::default()).expect("a database");
    let mut spec = JobSpec::new(emails, vec![JobSource::Search("everything".into())]);
    spec.options.connections_per_worker = 1;
    spec.options.search_lanes = 1_000;
    spec.options.rate_limit = Duration::ZERO;
    spec.options.search_endpoint = Some("scripted".into());
    let pipeline = Arc::new(SqlitePipeline { database, fetcher: Scripted { emails } });
    let job = pipeline.database.create_job(&NewJob::new(spec)).await.expect("a job").id();
    let options = EngineOptions { jobs: JobFilter::Only(job), per_host: 10_000, ..EngineOptions::default() };
    let begin = Instant::now();
    let engine = Engine::start(pipeline, options);
    let last = engine.finished(job).await.expect("the job ends");
    let took = begin.elapsed();
    engine.drain().await.expect("the engine ends");
    assert_eq!(last.collected, emails, "{last:?}");
    took
}

/// Appends rows of the same size to a bare table; answers how long it took.
fn append(folder: &Path, emails: u64) -> Duration {
    let mut bare = Connection::open(folder.join("bare.db")).expect("a database");
    let schema = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 20000;
        CREATE TABLE address (id INTEGER PRIMARY KEY, job INT, email TEXT, source INT, offset INT, form TEXT, at INT)";
    bare.execute_batch(schema).expect("a table");
    let mut took = Duration::ZERO;
    for first in (0..emails).step_by(BATCH as usize) {
        let addresses: Vec<_> = (first..emails.min(first + BATCH)).map(|i| simulate::address(1, i)).collect();
        let begin = Instant::now();
        let transaction = bare.transaction().expect("a transaction");
        {
            let sql = "INSERT INTO address VALUES (NULL, 1, ?1, ?2, 100, 'plain', 1700000000000)";
            let mut insert = transaction.prepare_cached(sql).expect("a statement");
            for (number, address) in (first..).zip(&addresses) {
                let source = (number / PER_PAGE).cast_signed();
                insert.execute((address.as_str(), source)).expect("a row");
            }
        }
        transaction.commit().expect("committed");
        took += begin.elapsed();
    }
    took
}

fn main() {
    let most = match std::env::var("MAILSCAN_BENCH_EMAILS") {
        Ok(text) => text.parse().expect("MAILSCAN_BENCH_EMAILS is a number"),
        Err(_) => 1_000_000,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    println!(
        "{:>10}  {:>11}  {:>8}  {:>11}  {:>8}  {:>10}",
        "addresses", "a second", "us each", "append only", "of bound", "peak MB"
    );
    for emails in std::iter::successors(Some(10_000u64), |n| Some(n * 10)).take_while(|n| *n <= most) {
        let folder = tempfile::tempdir().expect("a folder");
        let took = runtime.block_on(job(folder.path(), emails)).as_secs_f64();
        let bound = append(folder.path(), emails).as_secs_f64();
        let peak = Sampler::new().sample().memory_peak as f64 / 1e6;
        let rate = |seconds: f64| emails as f64 / seconds;
        println!(
            "{emails:>10}  {:>11.0}  {:>8.2}  {:>11.0}  {:>8.2}  {peak:>10.1}",
            rate(took),
            took * 1e6 / emails as f64,
            rate(bound),
            bound / took,
        );
    }
}
