//! Large jobs: what waits in the queue costs a claim nothing, and what others have found costs a reader nothing. Plans are
//! asserted, not times.

use std::time::Duration;

use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_core::class::Classes;
use mailscan_core::extract::Form;
use mailscan_core::job::{JobId, JobSource, JobSpec, NewJob};
use mailscan_core::lease::{NodeId, Settle, Verdict};
use mailscan_core::queue::{ClaimRequest, Queue, Share};
use mailscan_core::simulate;
use mailscan_core::store::{Sighting, Store};
use mailscan_core::task::{NewTask, Work};
use rusqlite::{Connection, StatementStatus, params_from_iter};

const TASKS: usize = 100_000;

/// A query of the backend.
macro_rules! query {
    ($name:literal) => {
        include_str!(concat!("../../../mailscan-core/src/backend/sqlite/sql/", $name, ".sql"))
    };
}

/// How a statement is carried out.
fn steps(connection: &Connection, sql: &str) -> Vec<String> {
    let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let values = (1..=plan.parameter_count()).map(|_| 1);
    let steps = plan.query_map(params_from_iter(values), |row| row.get(3)).unwrap();
    steps.map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_large_frontier_is_claimed_piece_by_piece() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Sqlite::open(folder.path().join("db"), SqliteOptions::default()).unwrap();
    let task = |n: usize| NewTask {
        job: JobId(1),
        work: Work::Page { url: format!("https://h{}.org/{n}", n % 1_000) },
        depth: 0,
        limit: None,
    };
    for first in (0..TASKS).step_by(10_000) {
        let tasks: Vec<_> = (first..first + 10_000).map(task).collect();
        queue.push(&tasks).await.unwrap();
    }
    let request = ClaimRequest {
        node: NodeId("n".to_owned()),
        shares: vec![Share { job: JobId(1), limit: 500 }],
        per_host: 2,
        calls: 2,
        busy_hosts: Vec::new(),
        suspects: 1,
        lease_for: Duration::from_secs(90),
    };
    for _ in 0..20 {
        let claimed = queue.claim(&request).await.unwrap();
        assert_eq!(claimed.len(), 500);
        let done: Vec<_> = claimed.iter().map(|claimed| Settle::new(claimed.lease, Verdict::Done)).collect();
        queue.settle(&done).await.unwrap();
    }
    let depth = queue.depth(JobId(1)).await.unwrap();
    assert_eq!((depth.pending, depth.done), (TASKS as u64 - 10_000, 10_000));
    drop(queue);
    // Every step of a claim is a seek in an index, whatever waits: no scan, no sorting of what waits.
    let connection = Connection::open(folder.path().join("db")).unwrap();
    for (sql, index) in [
        (query!("task_next_host"), "USING PRIMARY KEY (job=? AND host>?)"),
        (query!("task_of_host"), "(job=? AND host=?)"),
        (query!("task_take"), "(job=? AND host=? AND (due,task)<(?,?))"),
        (query!("task_done"), "(rowid=?)"),
        (query!("task_state"), "due=? AND task=?)"),
        (query!("task_was_settled"), "due=? AND task=?)"),
        (query!("task_ready_purge"), "due=? AND task=?)"),
        (query!("task_suspects"), "task_suspect"),
        (query!("task_promote"), "task_delayed"),
        (query!("task_lists"), "task_list"),
        (query!("part_of"), "entry_part_first"),
        (query!("part_next"), "entry_part_first"),
        (query!("runs"), "entry_run_job"),
        (query!("error_count_open"), "worker_error_open"),
    ] {
        let steps = steps(&connection, sql);
        assert!(steps.iter().any(|step| step.contains(index)), "{sql}: {steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE") || step.contains("SCAN")), "{sql}: {steps:?}");
    }
    // Nor does it matter how many errors are open beside those that are named.
    let steps = steps(&connection, query!("error_resolve_named"));
    assert!(steps.iter().any(|step| step == "SEARCH worker_error USING INTEGER PRIMARY KEY (rowid=?)"), "{steps:?}");
}

#[tokio::test]
async fn a_job_behind_a_large_one_is_read_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("db"), SqliteOptions::default()).unwrap();
    for (job, addresses) in [(1, 10_000), (2, 10)] {
        let spec = JobSpec::new(1_000_000, vec![JobSource::Url("https://a.org/".into())]);
        assert_eq!(store.create_job(&NewJob::new(spec)).await.unwrap().id(), JobId(job));
        let sighting = |n| Sighting {
            job: JobId(job),
            address: simulate::address(1, n),
            source: "https://a.org/".into(),
            offset: 0,
            form: Form::Plain,
            classes: Classes::NONE,
        };
        store.insert(&(0..addresses).map(sighting).collect::<Vec<_>>()).await.unwrap();
    }
    drop(store);
    let connection = Connection::open(folder.path().join("db")).unwrap();
    let mut list = connection.prepare(query!("address_list")).unwrap();
    let rows = list.query_map([2, 0, 100], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(rows.map(Result::unwrap).collect::<Vec<_>>(), (10_001..=10_010).collect::<Vec<_>>());
    let steps_of_ten = list.get_status(StatementStatus::VmStep);
    assert!(steps_of_ten < 1_000, "{steps_of_ten} steps for ten addresses");
    let steps = steps(&connection, query!("error_list_open"));
    assert!(steps.iter().any(|step| step.contains("worker_error_open")), "{steps:?}");
}
