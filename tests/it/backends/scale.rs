//! A large frontier: what waits in the queue costs a claim nothing. Plans are asserted, not times.

use std::time::Duration;

use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_core::job::JobId;
use mailscan_core::lease::{NodeId, Settle, Verdict};
use mailscan_core::queue::{ClaimRequest, Queue, Share};
use mailscan_core::task::{NewTask, Work};

const TASKS: usize = 100_000;

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
        (include_str!("../../../mailscan-core/src/backend/sqlite/sql/task_next_host.sql"), "task_pending"),
        (include_str!("../../../mailscan-core/src/backend/sqlite/sql/task_of_host.sql"), "task_pending"),
        (include_str!("../../../mailscan-core/src/backend/sqlite/sql/task_suspects.sql"), "task_suspect"),
        (include_str!("../../../mailscan-core/src/backend/sqlite/sql/task_promote.sql"), "task_delayed"),
        (include_str!("../../../mailscan-core/src/backend/sqlite/sql/task_expired.sql"), "task_leased"),
        (include_str!("../../../mailscan-core/src/backend/sqlite/sql/task_lists.sql"), "task_list"),
        (include_str!("../../../mailscan-core/src/backend/sqlite/sql/part_of.sql"), "entry_part_first"),
        (include_str!("../../../mailscan-core/src/backend/sqlite/sql/part_next.sql"), "entry_part_first"),
        (include_str!("../../../mailscan-core/src/backend/sqlite/sql/runs.sql"), "entry_run_job"),
    ] {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = (1..=plan.parameter_count()).map(|_| 1);
        let steps = plan.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<_> = steps.map(Result::unwrap).collect();
        assert!(steps.iter().any(|step| step.contains(index)), "{sql}: {steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE") || step.contains("SCAN")), "{sql}: {steps:?}");
    }
}
