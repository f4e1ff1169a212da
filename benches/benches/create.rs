//! How long a person waits for a job to be there: planned, validated and durable, whatever its size.
//!
//! Its tasks come from the engine afterwards, so what grows with a job is its description alone. Beside it stands one row
//! committed to a bare table of the same settings: the least that anything durable takes.

use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_core::job::{JobSource, JobSpec, NewJob};
use mailscan_core::limits::Limits;
use mailscan_core::plan::WorkerPlan;
use mailscan_core::store::Store;
use rusqlite::Connection;

fn searches() -> JobSpec {
    let mut spec = JobSpec::new(10_000_000, vec![JobSource::Search("contact".into())]);
    spec.options.search_endpoint = Some("{}".into());
    spec
}

/// A job whose URLs stand in a file of a million lines.
fn list(file: &Path) -> JobSpec {
    let urls: String = (0..1_000_000).map(|n| format!("https://site{n}.example.org/contact\n")).collect();
    std::fs::write(file, urls).expect("a list");
    JobSpec::new(10_000_000, vec![JobSource::UrlList(file.to_string_lossy().into_owned())])
}

/// A job that names ten thousand pages itself.
fn pages() -> JobSpec {
    let page = |n| JobSource::Url(format!("https://site{n}.example.org/contact"));
    JobSpec::new(10_000_000, (0..10_000).map(page).collect())
}

async fn create(database: &Sqlite, spec: &JobSpec) -> u32 {
    spec.validate().expect("a valid job");
    let plan = WorkerPlan::new(spec.target, &Limits::default());
    database.create_job(&NewJob::new(spec.clone())).await.expect("a job");
    plan.workers
}

fn creation(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let database = Sqlite::open(folder.path().join("jobs.db"), SqliteOptions::default()).expect("a database");
    let mut group = criterion.benchmark_group("create");
    let jobs = [
        ("a search for ten million", searches()),
        ("a list of a million lines", list(&folder.path().join("urls"))),
        ("ten thousand pages", pages()),
    ];
    for (name, spec) in jobs {
        group.bench_function(name, |bench| bench.iter(|| runtime.block_on(create(&database, &spec))));
    }
    let bare = Connection::open(folder.path().join("bare.db")).expect("a database");
    bare.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE job (spec TEXT)")
        .expect("a table");
    group.bench_function("bound: one row", |bench| {
        bench.iter(|| bare.execute("INSERT INTO job VALUES ('x')", []).expect("a row"));
    });
    group.finish();
}

criterion_group!(benches, creation);
criterion_main!(benches);
