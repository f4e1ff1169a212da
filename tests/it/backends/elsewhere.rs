//! The PostgreSQL database and what others do in it meanwhile: who claims what is counted, and who knows more work.

use std::num::NonZeroUsize;
use std::time::Duration;

use mailscan_core::backend::postgres::{Postgres, PostgresOptions, PostgresPipeline};
use mailscan_core::conformance::NoFetcher;
use mailscan_core::job::{JobId, JobSource, JobSpec, NewJob};
use mailscan_core::lease::{Claimed, NodeId, Settle, Verdict};
use mailscan_core::pipeline::{Pipeline, TaskOutcome};
use mailscan_core::queue::{ClaimRequest, Queue, QueueLimits, Settled, Share};
use mailscan_core::store::{ErrorQuery, Store};
use mailscan_core::task::{NewTask, Work};

use crate::postgres::{is_there, shared};

async fn open(database: &str, queue_limits: QueueLimits) -> PostgresPipeline<NoFetcher> {
    let options = PostgresOptions { queue_limits, ..PostgresOptions::default() };
    let database = Postgres::open(&shared().url(database), options).await.unwrap();
    PostgresPipeline { database, fetcher: NoFetcher }
}

fn page(job: u64, n: u64) -> NewTask {
    NewTask { job: JobId(job), work: Work::Page { url: format!("https://a.org/{n}") }, depth: 0, limit: None }
}

fn node() -> NodeId {
    NodeId("n".to_owned())
}

async fn claim(queue: &impl Queue, job: u64) -> Vec<Claimed> {
    let (shares, lease_for) = (vec![Share { job: JobId(job), limit: 9 }], Duration::from_secs(60));
    let request =
        ClaimRequest { node: node(), shares, per_host: 9, calls: 9, busy_hosts: vec![], suspects: 1, lease_for };
    queue.claim(&request).await.unwrap()
}

#[tokio::test]
async fn a_commit_for_several_jobs_waits_for_no_claim_that_waits_for_it() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    let pipeline = open(&name, QueueLimits::default()).await;
    pipeline.database.push(&[page(1, 1), page(2, 1)]).await.unwrap();
    let lease = claim(&pipeline.database, 2).await[0].lease;
    let slots = "CREATE TABLE public.done (now bool);
        INSERT INTO mailscan.task_count (job, slot) SELECT job, slot FROM generate_series(1, 2) job, generate_series(0, 15) slot
            ON CONFLICT DO NOTHING";
    shared().execute(&name, slots).await;
    // Somebody takes the rows in which claims count those of the first job, and those of the second once the commit waits for him
    // or is done.
    let another = "BEGIN; SELECT FROM mailscan.task_count WHERE job = 1 AND slot < 16 FOR UPDATE; SELECT pg_advisory_xact_lock(1);
        DO $$ BEGIN
            WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')
                AND NOT EXISTS (SELECT FROM public.done)
            LOOP
                PERFORM pg_sleep_for('10 ms'), pg_stat_clear_snapshot();
            END LOOP;
        END $$;
        SET LOCAL lock_timeout = '500ms'; SELECT FROM mailscan.task_count WHERE job = 2 AND slot < 16 FOR UPDATE; COMMIT";
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let commit = async {
        while shared().number(&name, held).await == 0 {}
        let settle = Some(Settle::new(lease, Verdict::Done));
        let outcome = TaskOutcome { discovered: vec![page(1, 2)], settle, ..TaskOutcome::default() };
        let committed = pipeline.commit([outcome].into()).await.unwrap();
        shared().execute(&name, "INSERT INTO public.done VALUES (true)").await;
        committed.settled
    };
    let ((), settled) = tokio::join!(shared().execute(&name, another), commit);
    assert_eq!(settled, [Settled::Applied]);
    let depths = pipeline.database.depths(&[JobId(1), JobId(2)]).await.unwrap();
    assert_eq!((depths[0].pending, depths[1].done), (2, 1));
}

#[tokio::test]
async fn work_that_only_a_newer_version_knows_holds_up_no_sweep() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    let pipeline = open(&name, QueueLimits { suspect_after: 1, quarantine_after: 1 }).await;
    let spec = JobSpec::new(5, vec![JobSource::Url("https://a.org/".to_owned())]);
    let job = pipeline.database.create_job(&NewJob::new(spec)).await.unwrap().id();
    pipeline.database.push(&[page(job.0, 1), page(job.0, 2)]).await.unwrap();
    let claimed = claim(&pipeline.database, job.0).await;
    let newer = format!("UPDATE mailscan.task SET kind = 'hologram' WHERE id = {}", claimed[0].task.id.0);
    shared().execute(&name, &format!("{newer}; UPDATE mailscan.task SET due = now()")).await;
    let swept = pipeline.sweep(NonZeroUsize::MAX, &node()).await.unwrap();
    let quarantined: Vec<_> = swept.quarantined.iter().map(|ended| ended.task.id).collect();
    assert_eq!(quarantined, [claimed[1].task.id]);
    let depth = pipeline.database.depth(job).await.unwrap();
    assert_eq!((depth.leased, depth.quarantined), (0, 2));
    // Each can be found, and tried again.
    let errors = pipeline.database.errors(&ErrorQuery { limit: 9, ..ErrorQuery::default() }).await.unwrap();
    let mut recorded: Vec<_> =
        errors.iter().map(|row| (row.error.task, row.error.host.as_str(), row.error.code.as_str())).collect();
    recorded.sort_unstable();
    let codes = claimed.iter().zip(["unreadable", "crashes"]);
    let expected: Vec<_> = codes.map(|(claimed, code)| (claimed.task.id, "a.org", code)).collect();
    assert_eq!(recorded, expected);
}

#[tokio::test]
async fn work_that_cannot_be_read_holds_up_no_claim() {
    if !is_there() {
        return;
    }
    let name = shared().fresh().await;
    let pipeline = open(&name, QueueLimits { suspect_after: 1, quarantine_after: 1 }).await;
    let queue = &pipeline.database;
    queue.push(&[1, 2, 3, 4, 5].map(|n| page(1, n))).await.unwrap();
    // Of 1 and 2 only a newer version knows what they are, and 3 is damaged; 2 and 4 are suspects.
    let other = "UPDATE mailscan.task SET kind = 'hologram' WHERE locator ~ '/[12]$';
        UPDATE mailscan.task SET kind = 'list' WHERE locator ~ '/3$';
        UPDATE mailscan.task SET state = 1 WHERE locator ~ '/[24]$';
        UPDATE mailscan.task_count SET pending = 3, suspect = 2 WHERE pending = 5";
    shared().execute(&name, other).await;
    let next = async || {
        let claimed = claim(queue, 1).await;
        claimed.iter().map(|claimed| claimed.task.work.locator().into_owned()).collect::<Vec<_>>()
    };
    // Who gave a suspect gives nothing else in the same claim.
    assert_eq!((next().await, next().await), (vec!["https://a.org/4".to_owned()], vec!["https://a.org/5".to_owned()]));
    assert!(next().await.is_empty());
    let depth = queue.depth(JobId(1)).await.unwrap();
    assert_eq!((depth.pending, depth.leased), (2, 3), "what is newer waits, what is damaged does not");
    shared().execute(&name, "UPDATE mailscan.task SET due = now() WHERE state = 3").await;
    let swept = pipeline.sweep(NonZeroUsize::MAX, &node()).await.unwrap();
    assert_eq!(swept.quarantined.len(), 2);
    let depth = queue.depth(JobId(1)).await.unwrap();
    assert_eq!((depth.pending, depth.leased, depth.quarantined), (2, 0, 3));
    // A node of the newer version comes.
    shared().execute(&name, "UPDATE mailscan.task SET kind = 'page' WHERE kind = 'hologram'").await;
    assert_eq!((next().await, next().await), (vec!["https://a.org/2".to_owned()], vec!["https://a.org/1".to_owned()]));
}
