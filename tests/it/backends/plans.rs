//! What PostgreSQL reads depends on what a statement takes and not on what a job has, however wrong the server's
//! statistics are: the plans are those that it carried out, with the rows that they read.

use std::num::NonZeroUsize;
use std::time::Duration;

use mailscan_core::backend::postgres::{Postgres, PostgresOptions};
use mailscan_core::class::Classes;
use mailscan_core::extract::Form;
use mailscan_core::job::{JobId, JobSource, JobSpec, JobStatus, NewJob};
use mailscan_core::lease::{Claimed, FailureClass, NodeId, Settle, Verdict};
use mailscan_core::queue::{ClaimRequest, Queue, Share};
use mailscan_core::simulate;
use mailscan_core::store::{
    ErrorClass, ErrorQuery, ErrorSelection, JobQuery, NewWorkerError, NodeBeat, Sighting, Store, Transition,
};
use mailscan_core::task::{NewTask, TaskId, Work};
use serde_json::Value;

use crate::postgres::{Cluster, is_there};

/// How many rows of each kind a job gets, and how many a call takes at most.
const ROWS: usize = 6_000;
const BATCH: usize = 500;
/// The most rows that one step of a plan may read: those of a batch, and as many again that others are about to take.
const MOST: f64 = 2.0 * BATCH as f64;
/// How many tasks become ready in one claim.
const PROMOTED: usize = 4_096;

/// What makes the server log every plan with what it read.
const LOGGED: [&str; 5] = [
    "session_preload_libraries = 'auto_explain'",
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_analyze = on",
    "auto_explain.log_timing = off",
    "auto_explain.log_format = json",
];

/// The steps in a log that read more of one of our tables than they may, each with its query.
fn greedy_steps(log: &str) -> Vec<String> {
    let mut greedy = Vec::new();
    for entry in log.split("  plan:\n").skip(1) {
        // The server indents what belongs to one entry.
        let text: String = entry.lines().take_while(|line| line.starts_with('\t')).collect();
        let plan: Value = serde_json::from_str(&text.replace('\t', " ")).unwrap();
        let query = plan["Query Text"].as_str().unwrap();
        if query.contains("mailscan.") {
            let most = if query.starts_with("-- Makes delayed tasks") { PROMOTED as f64 } else { MOST };
            read_too_much(&plan["Plan"], query, most, &mut greedy);
        }
    }
    greedy
}

fn read_too_much(step: &Value, query: &str, most: f64, greedy: &mut Vec<String>) {
    let number = |name: &str| step[name].as_f64().unwrap_or(0.0);
    let dropped = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
    let read = (number("Actual Rows") + dropped) * number("Actual Loops");
    let compared = number("Rows Removed by Join Filter") * number("Actual Loops");
    let first_line = query.lines().next().unwrap();
    if step["Relation Name"].is_string() && step["Schema"] != "pg_catalog" && read > most {
        greedy.push(format!("{read} rows of {}: {first_line}", step["Relation Name"]));
    }
    if compared > most {
        greedy.push(format!("{compared} rows compared in vain: {first_line}"));
    }
    for inner in step["Plans"].as_array().into_iter().flatten() {
        read_too_much(inner, query, most, greedy);
    }
}

async fn job(database: &Postgres) -> JobId {
    let spec = JobSpec::new(1_000_000, vec![JobSource::Url("https://site.org/".into())]);
    database.create_job(&NewJob::new(spec)).await.unwrap().id()
}

/// Gives a job its rows, batch by batch.
async fn fill(database: &Postgres, job: JobId) {
    for first in (0..ROWS).step_by(BATCH) {
        let sighting = |n: usize| Sighting {
            job,
            address: simulate::address(1, n as u64),
            source: format!("https://site.org/{}", n / 2).into(),
            offset: 0,
            form: Form::Plain,
            classes: Classes::NONE,
        };
        // Half of each batch is known.
        let rows: Vec<_> = (first.saturating_sub(BATCH / 2)..first + BATCH / 2).map(sighting).collect();
        database.insert(&rows).await.unwrap();
        let task = |n: usize| NewTask {
            job,
            work: Work::Page { url: format!("https://h{}.org/{n}", n % 100) },
            depth: 0,
            limit: Some(1_000_000),
        };
        database.push(&(first..first + BATCH).map(task).collect::<Vec<_>>()).await.unwrap();
        let error = |n: usize| NewWorkerError {
            job,
            task: TaskId(n as u64 + 1),
            fence: 1,
            node: NodeId("n".into()),
            class: ErrorClass::ALL[0],
            code: "c".into(),
            host: "h".into(),
            label: "l".into(),
            message: "m".into(),
        };
        database.record_errors(&(first..first + BATCH).map(error).collect::<Vec<_>>()).await.unwrap();
    }
}

fn request(job: JobId, lease_for: Duration) -> ClaimRequest {
    let shares = vec![Share { job, limit: BATCH / 2 }];
    let node = NodeId("n".into());
    ClaimRequest { node, shares, per_host: 3, calls: 3, busy_hosts: Vec::new(), suspects: 1, lease_for }
}

async fn claim(database: &Postgres, job: JobId, lease_for: Duration) -> Vec<Claimed> {
    database.claim(&request(job, lease_for)).await.unwrap()
}

/// Works on the tasks of a job in every way that there is.
async fn work(database: &Postgres, job: JobId) {
    let verdicts = [
        Verdict::Done,
        Verdict::Retry { after: Duration::ZERO },
        Verdict::Release { after: Duration::from_millis(1) },
        Verdict::Failed { class: FailureClass::Permanent, message: "no".into() },
    ];
    for verdict in verdicts {
        let claimed = claim(database, job, Duration::from_secs(60)).await;
        assert_eq!(claimed.len(), BATCH / 2);
        let leases: Vec<_> = claimed.iter().map(|claimed| claimed.lease).collect();
        database.renew(&leases, Duration::from_secs(60)).await.unwrap();
        let ids: Vec<_> = leases.iter().map(|lease| lease.task).collect();
        database.states(job, &ids).await.unwrap();
        let settles: Vec<_> = leases.into_iter().map(|lease| Settle::new(lease, verdict.clone())).collect();
        database.settle(&settles).await.unwrap();
        database.retry(job, &ids).await.unwrap();
    }
    claim(database, job, Duration::ZERO).await;
    database.sweep(NonZeroUsize::new(BATCH).unwrap()).await.unwrap();
    database.depth(job).await.unwrap();
    database.lists(job).await.unwrap();
}

/// Claims from a job of two large hosts, of which the first was served last.
async fn go_around(database: &Postgres) {
    let job = job(database).await;
    for first in (0..ROWS).step_by(BATCH) {
        let task = |n: usize| NewTask {
            job,
            work: Work::Page { url: format!("https://h{}.org/{n}", n % 2) },
            depth: 0,
            limit: None,
        };
        database.push(&(first..first + BATCH).map(task).collect::<Vec<_>>()).await.unwrap();
    }
    for (most, claimed) in [(1, 1), (BATCH / 2, 6)] {
        let shares = vec![Share { job, limit: most }];
        let request = ClaimRequest { shares, ..request(job, Duration::from_secs(60)) };
        assert_eq!(database.claim(&request).await.unwrap().len(), claimed);
    }
}

/// Claims from a job whose tasks were delayed and are all due.
async fn wake(cluster: &Cluster, name: &str, database: &Postgres) {
    let job = job(database).await;
    let task =
        |n: usize| NewTask { job, work: Work::Page { url: format!("https://h.org/{n}") }, depth: 0, limit: None };
    for first in (0..ROWS).step_by(BATCH) {
        database.push(&(first..first + BATCH).map(task).collect::<Vec<_>>()).await.unwrap();
    }
    let delay = format!(
        "SET auto_explain.log_min_duration = -1;
        UPDATE mailscan.task SET state = 2 WHERE job = {job};
        UPDATE mailscan.task_count SET delayed = pending, pending = 0 WHERE job = {job}"
    );
    cluster.execute(name, &delay).await;
    assert_eq!(claim(database, job, Duration::from_secs(60)).await.len(), 3);
    assert_eq!(database.depth(job).await.unwrap().delayed, (ROWS - PROMOTED) as u64);
}

/// Looks for the jobs at work among many that are over.
async fn look(cluster: &Cluster, name: &str, database: &Postgres) {
    let over = format!(
        "INSERT INTO mailscan.job (key, spec, target, status)
            SELECT gen_random_uuid(), '{{}}', 1, 'completed' FROM generate_series(1, {ROWS})"
    );
    cluster.execute(name, &over).await;
    let last = job(database).await;
    let statuses = vec![JobStatus::Queued, JobStatus::Running];
    let live = database.jobs(&JobQuery { limit: BATCH, statuses, ..JobQuery::default() }).await.unwrap();
    assert_eq!(live.last().map(|job| job.id), Some(last));
}

/// Reads what a job has, page by page.
async fn read(database: &Postgres, job: JobId) {
    let addresses: Vec<_> = (0..BATCH as u64).map(|n| simulate::address(1, n * 2)).collect();
    assert_eq!(database.known(job, &addresses).await.unwrap().len(), BATCH);
    for after in [0, ROWS as u64 / 2] {
        assert_eq!(database.addresses(job, after, BATCH).await.unwrap().len(), BATCH);
    }
    let of = ErrorSelection { job: Some(job), ..ErrorSelection::default() };
    let errors = database.errors(&ErrorQuery { limit: BATCH, of, ..ErrorQuery::default() }).await.unwrap();
    assert_eq!(errors.len(), BATCH);
    let ids: Vec<_> = errors.iter().map(|error| error.id).collect();
    let of = ErrorSelection { ids, job: Some(job), ..ErrorSelection::default() };
    assert_eq!(database.resolve_errors(&of, "seen", false).await.unwrap(), BATCH as u64);
}

/// Removes a job and all of its rows.
async fn remove(database: &Postgres, job: JobId) {
    let cancelled = database.transition(job, &[JobStatus::Queued], JobStatus::Cancelled, None).await.unwrap();
    assert_eq!(cancelled, Transition::Applied);
    database.delete_job(job).await.unwrap();
    let most = NonZeroUsize::new(BATCH).unwrap();
    while database.purge_tasks(job, most).await.unwrap() {}
    while database.purge_job(job, most).await.unwrap() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_reads_more_than_it_takes_whatever_the_statistics_say() {
    if !is_there() {
        return;
    }
    let cluster = Cluster::start();
    let name = cluster.fresh().await;
    for setting in LOGGED {
        cluster.execute("postgres", &format!("ALTER DATABASE {name} SET {setting}")).await;
    }
    // The statistics are to stay as wrong as they are.
    cluster.execute("postgres", "ALTER SYSTEM SET autovacuum = off").await;
    cluster.execute("postgres", "SELECT pg_reload_conf()").await;
    let database = Postgres::open(&cluster.url(&name), PostgresOptions::default()).await.unwrap();
    // The tables were empty when the server last looked.
    cluster.execute(&name, "ANALYZE").await;
    let first = job(&database).await;
    fill(&database, first).await;
    work(&database, first).await;
    read(&database, first).await;
    go_around(&database).await;
    wake(&cluster, &name, &database).await;
    look(&cluster, &name, &database).await;
    // Now it has seen them, with one job that has everything, and knows nothing of the next.
    cluster.execute(&name, "ANALYZE").await;
    let second = job(&database).await;
    fill(&database, second).await;
    work(&database, second).await;
    read(&database, second).await;
    go_around(&database).await;
    wake(&cluster, &name, &database).await;
    look(&cluster, &name, &database).await;
    let beat = NodeBeat { node: NodeId("n".into()), host: "h".into(), pid: 1, workers: vec![], bounds: vec![] };
    database.beat(&beat).await.unwrap();
    remove(&database, second).await;
    for table in ["address", "source", "task", "worker_error"] {
        let left = format!("SELECT count(*) FROM mailscan.{table} WHERE job = {second}");
        assert_eq!(cluster.number(&name, &left).await, 0, "{table}");
    }
    remove(&database, first).await;
    let log = cluster.log();
    assert!(log.contains("Plan"), "the server logs its plans");
    // The test's own questions name whole tables.
    let greedy: Vec<_> = greedy_steps(&log).into_iter().filter(|step| !step.contains("SELECT count(*)")).collect();
    assert!(greedy.is_empty(), "{greedy:#?}");
}
