//! New addresses a second into one SQLite file, beside two bounds in the same run: an append-only table without an index,
//! and a table unique by text, which is what a first attempt would be.

use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mailscan_core::Address;
use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_core::class::Classes;
use mailscan_core::extract::Form;
use mailscan_core::job::{JobId, JobSource, JobSpec, NewJob};
use mailscan_core::simulate;
use mailscan_core::store::{Sighting, Store};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const ADDRESSES: u64 = 100_000;
const BATCH: usize = 10_000;

fn addresses() -> Vec<Address> {
    simulate::addresses(1, ADDRESSES).collect()
}

/// The sightings of one batch of pages, ten addresses each.
fn sightings(job: JobId, addresses: &[Address]) -> Vec<Sighting> {
    let pages = addresses.chunks(10).enumerate();
    pages
        .flat_map(|(page, addresses)| {
            let source: Arc<str> = format!("https://example.org/page/{page}").into();
            addresses.iter().map(move |address| Sighting {
                job,
                address: address.clone(),
                source: source.clone(),
                offset: 100,
                form: Form::Plain,
                classes: Classes::NONE,
            })
        })
        .collect()
}

fn insert_all(runtime: &Runtime, addresses: &[Address]) -> u64 {
    let folder = TempDir::new().expect("a folder");
    runtime.block_on(async {
        let store = Sqlite::open(folder.path().join("bench.db"), SqliteOptions::default()).expect("a database");
        let spec = JobSpec::new(u64::from(u32::MAX), vec![JobSource::Url("https://example.org/".into())]);
        let job = store.create_job(&NewJob::new(spec)).await.expect("a job").id();
        for batch in addresses.chunks(BATCH) {
            store.insert(&sightings(job, batch)).await.expect("stored");
        }
        store.job(job).await.expect("read").expect("the job").collected
    })
}

/// A bare table filled in transactions of the same size.
fn fill(folder: &Path, schema: &str, addresses: &[Address]) {
    let mut bare = Connection::open(folder.join("bare.db")).expect("a database");
    bare.execute_batch(&format!("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {schema}")).expect("a table");
    for batch in addresses.chunks(BATCH) {
        let transaction = bare.transaction().expect("a transaction");
        {
            let mut insert = transaction
                .prepare_cached("INSERT OR IGNORE INTO address (job, email, source, at) VALUES (1, ?1, 1, 1)")
                .expect("a statement");
            for address in batch {
                insert.execute([address.as_str()]).expect("a row");
            }
        }
        transaction.commit().expect("committed");
    }
}

fn store(criterion: &mut Criterion) {
    let addresses = addresses();
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10).throughput(Throughput::Elements(ADDRESSES));
    group.bench_function("sqlite_backend", |bench| {
        bench.iter(|| assert_eq!(insert_all(&runtime, &addresses), ADDRESSES));
    });
    for (name, schema) in [
        ("unique_text", "CREATE TABLE address (job INT, email TEXT, source INT, at INT, UNIQUE (job, email));"),
        ("append_only_bound", "CREATE TABLE address (job INT, email TEXT, source INT, at INT);"),
    ] {
        group.bench_function(name, |bench| {
            bench.iter_batched_ref(
                || TempDir::new().expect("a folder"),
                |folder| fill(folder.path(), schema, &addresses),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, store);
criterion_main!(benches);
