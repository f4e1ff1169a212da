//! A large frontier: what waits in the queue costs a claim nothing. Plans are asserted, not times.

use std::time::Duration;

use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_core::job::JobId;
use mailscan_core::lease::{NodeId, Settle, Verdict};
use mailscan_core::queue::{ClaimRequest, Queue, Share};
use mailscan_core::task::{NewTask, Work};

const TASKS: usize = 100_000;

/// A query of the backend.
macro_rules! query {
    ($name:literal) => {
        include_str!(concat!("../../../mailscan-core/src/backend/sqlite/sql/", $name, ".sql"))
    };
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
    let connection = rusqlite::Connection::open(folder.path().join("db")).unwrap();
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
    ] {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = (1..=plan.parameter_count()).map(|_| 1);
        let steps = plan.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<_> = steps.map(Result::unwrap).collect();
        assert!(steps.iter().any(|step| step.contains(index)), "{sql}: {steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE") || step.contains("SCAN")), "{sql}: {steps:?}");
    }
}
