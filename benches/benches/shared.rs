//! New addresses and claims a second in PostgreSQL, through the client, beside the server's own SQL in the same run.
//!
//! `MAILSCAN_BENCH_POSTGRES` is the URL of a database that may be filled; without it nothing is measured.
//! `MAILSCAN_BENCH_EMAILS` is how many addresses, 1,000,000 unless it is set; 5,000,000 show whether the rate stays. The
//! server's own figure is an insert of the same addresses into a table with a unique text, from a query inside it.

use std::sync::Arc;
use std::time::Instant;

use mailscan_core::backend::postgres::{Postgres, PostgresOptions};
use mailscan_core::class::Classes;
use mailscan_core::extract::Form;
use mailscan_core::job::{JobId, JobSource, JobSpec, NewJob};
use mailscan_core::lease::{NodeId, Settle, Verdict};
use mailscan_core::queue::{ClaimRequest, Queue, Share};
use mailscan_core::simulate;
use mailscan_core::store::{Sighting, Store};
use mailscan_core::task::{NewTask, Work};
use tokio_postgres::NoTls;

/// As in the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: u64 = 10_000;
const TASKS: usize = 200_000;
const CLAIM: usize = 100;

fn sightings(job: JobId, first: u64, count: u64) -> Vec<Sighting> {
    let one = |n: u64| Sighting {
        job,
        address: simulate::address(1, n),
        source: Arc::from(format!("https://site.org/page/{}", n / 10)),
        offset: n % 10 * 40,
        form: Form::Plain,
        classes: Classes::NONE,
    };
    (first..first + count).map(one).collect()
}

async fn job(database: &Postgres, target: u64) -> JobId {
    let spec = JobSpec::new(target, vec![JobSource::Url("https://site.org/".into())]);
    database.create_job(&NewJob::new(spec)).await.expect("a job").id()
}

/// Inserts all, and tells the rate of the last hundred thousand at every mark.
async fn insert(database: &Postgres, emails: u64, batch: u64) -> f64 {
    const LAST: u64 = 100_000;
    let job = job(database, u64::MAX >> 1).await;
    let (mut seconds, mut last) = (0.0, 0.0);
    for first in (0..emails).step_by(batch as usize) {
        // Made before the clock runs: this is not the backend's work.
        let rows = sightings(job, first, batch);
        let begin = Instant::now();
        database.insert(&rows).await.expect("inserted");
        let took = begin.elapsed().as_secs_f64();
        seconds += took;
        last += took;
        let stored = first + batch;
        if stored.is_multiple_of(LAST) {
            if [1, 2, 5].iter().any(|n| (0..4).any(|zeros| stored == n * LAST * 10_u64.pow(zeros))) {
                println!("  {stored:>9} stored: {:>7.0}/s", LAST as f64 / last);
            }
            last = 0.0;
        }
    }
    println!("batches of {batch}: {:.0} new addresses/s", emails as f64 / seconds);
    emails as f64 / seconds
}

/// The server's own cost of the same rows.
async fn bare(url: &str, emails: u64) -> f64 {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
        .batch_execute(
            "DROP TABLE IF EXISTS bare; CREATE TABLE bare (job bigint, address text COLLATE \"C\", source text,
             at timestamptz, UNIQUE (job, address))",
        )
        .await
        .expect("a table");
    let begin = Instant::now();
    for first in (0..emails).step_by(BATCH as usize) {
        let sql = format!(
            "INSERT INTO bare SELECT 1, md5(n::text) || '@example.org', 'https://site.org/page/' || n / 10, now()
             FROM generate_series({first}, {}) n ON CONFLICT DO NOTHING",
            first + BATCH - 1
        );
        client.batch_execute(&sql).await.expect("inserted");
    }
    let rate = emails as f64 / begin.elapsed().as_secs_f64();
    println!("the server alone: {rate:.0} rows/s");
    rate
}

async fn claims(database: &Postgres) {
    let job = job(database, 1).await;
    let task = |n: usize| NewTask {
        job,
        work: Work::Page { url: format!("https://h{}.org/{n}", n % 1_000) },
        depth: 0,
        limit: None,
    };
    let begin = Instant::now();
    for first in (0..TASKS).step_by(10_000) {
        let tasks: Vec<_> = (first..first + 10_000).map(task).collect();
        database.push(&tasks).await.expect("pushed");
    }
    println!("pushes of 10000: {:.0} tasks/s", TASKS as f64 / begin.elapsed().as_secs_f64());
    let request = ClaimRequest {
        node: NodeId("n".into()),
        shares: vec![Share { job, limit: CLAIM }],
        per_host: 2,
        calls: 2,
        busy_hosts: Vec::new(),
        suspects: 1,
        lease_for: std::time::Duration::from_secs(90),
    };
    let (mut claiming, mut settling, mut taken) = (0.0, 0.0, 0);
    loop {
        let begin = Instant::now();
        let claimed = database.claim(&request).await.expect("claimed");
        claiming += begin.elapsed().as_secs_f64();
        if claimed.is_empty() {
            break;
        }
        taken += claimed.len();
        let done: Vec<_> = claimed.iter().map(|claimed| Settle::new(claimed.lease, Verdict::Done)).collect();
        let begin = Instant::now();
        database.settle(&done).await.expect("settled");
        settling += begin.elapsed().as_secs_f64();
    }
    println!(
        "claims of {CLAIM}: {:.0} tasks/s; settlements: {:.0}/s",
        taken as f64 / claiming,
        taken as f64 / settling
    );
}

#[tokio::main]
async fn main() {
    let Ok(url) = std::env::var("MAILSCAN_BENCH_POSTGRES") else {
        println!("nothing measured: set MAILSCAN_BENCH_POSTGRES to the URL of a database that may be filled");
        return;
    };
    let emails = std::env::var("MAILSCAN_BENCH_EMAILS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let database = Postgres::open(&url, PostgresOptions::default()).await.expect("a database");
    let ours = insert(&database, emails, BATCH).await;
    insert(&database, emails / 5, BATCH / 10).await;
    println!("of the server alone: {:.0} %", ours / bare(&url, emails).await * 100.0);
    claims(&database).await;
}
