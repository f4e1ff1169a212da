//! The SQLite file: older, newer, foreign, broken, shared.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions, SqlitePipeline};
use mailscan_core::class::Classes;
use mailscan_core::conformance::NoFetcher;
use mailscan_core::extract::Form;
use mailscan_core::job::{JobId, JobSource, JobSpec, JobStatus, NewJob, Origin};
use mailscan_core::lease::{Lease, NodeId, Settle, Verdict};
use mailscan_core::pipeline::Pipeline;
use mailscan_core::queue::{ClaimRequest, Pushed, Queue, QueueLimits, Retried, Settled, Share};
use mailscan_core::store::{ErrorQuery, Inserted, NodeBeat, Sighting, Store, Transition};
use mailscan_core::task::{ListPosition, NewTask, TaskId, TaskState, Work};
use mailscan_core::{Address, ErrorKind};
use rusqlite::Connection;

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    (folder, path)
}

fn open(path: &Path) -> Sqlite {
    Sqlite::open(path, SqliteOptions::default()).unwrap()
}

/// The kind and the line of a refusal.
fn refusal(path: &Path) -> (ErrorKind, String) {
    let error = Sqlite::open(path, SqliteOptions::default()).unwrap_err();
    let line = error.to_string();
    assert!(line.contains("jobs.db"), "names the file: {line}");
    assert!(!line.contains('\n'), "one line: {line}");
    (error.kind(), line)
}

fn job(key: &str) -> NewJob {
    let spec = JobSpec::new(5, vec![JobSource::Url("https://a.org/".to_owned())]);
    NewJob { key: key.to_owned(), ..NewJob::new(spec) }
}

fn page(n: usize) -> NewTask {
    NewTask { job: JobId(1), work: Work::Page { url: format!("https://a.org/{n}") }, depth: 0, limit: None }
}

fn claim(limit: usize) -> ClaimRequest {
    ClaimRequest {
        node: NodeId("n".to_owned()),
        shares: vec![Share { job: JobId(1), limit }],
        per_host: usize::MAX,
        calls: usize::MAX,
        busy_hosts: Vec::new(),
        suspects: usize::MAX,
        lease_for: Duration::from_secs(90),
    }
}

fn version(path: &Path) -> u32 {
    Connection::open(path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let (_folder, path) = folder();
    let database = open(&path);
    let id = database.create_job(&job("k")).await.unwrap().id();
    database.push(&[page(1), page(2)]).await.unwrap();
    assert_eq!(database.claim(&claim(1)).await.unwrap().len(), 1);
    drop(database);
    let database = open(&path);
    assert_eq!(database.job(id).await.unwrap().unwrap().key, "k");
    let depth = database.depth(JobId(1)).await.unwrap();
    assert_eq!((depth.pending, depth.leased), (1, 1));
}

/// A file as the first version wrote it, with a job that has an address and no tasks yet.
fn first_version(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    let base = include_str!("../../../mailscan-core/src/backend/sqlite/sql/migrations/0001_base.sql");
    connection.execute_batch(base).unwrap();
    connection
        .execute_batch(
            r#"PRAGMA application_id = 1836278638; PRAGMA user_version = 1;
            INSERT INTO job (key, spec, target, status, collected, first_address, last_address, created_at)
            VALUES ('old', '{"target": 5, "sources": [{"url": "https://a.org/"}]}', 5, 'running', 1, 1, 1, 0);
            INSERT INTO source (hash, name) VALUES (0, 'https://a.org/')"#,
        )
        .unwrap();
    connection
}

/// Adds a task to such a file. Two crashes are what makes one suspect.
fn add_task(connection: &Connection, work: &Work, state: i64, fence: i64) {
    let sql = "INSERT INTO task (job, fingerprint, probe, kind, locator, host, depth, state, due, fence, crashes)
        VALUES (1, ?1, 0, ?2, ?3, ?4, 0, ?5, 0, ?6, ?7)";
    let (kind, crashes) = (work.kind(), if state == 1 { 2 } else { 0 });
    let values = (work.fingerprint().cast_signed(), kind, work.locator(), work.host(), state, fence, crashes);
    connection.execute(sql, values).unwrap();
}

#[tokio::test]
async fn every_state_of_a_task_of_an_older_schema_is_as_it_was() {
    let (_folder, path) = folder();
    let connection = first_version(&path);
    // The numbers of the states, from pending to quarantined, then a list that is being read, and one that is read.
    for state in 0..8 {
        add_task(&connection, &page(usize::try_from(state).unwrap()).work, state, 1);
    }
    let list = |offset| Work::List { path: "urls.txt".to_owned(), offset };
    add_task(&connection, &list(7), 3, 1);
    add_task(&connection, &list(0), 4, 1);
    connection.execute_batch("INSERT INTO task_count VALUES (1, 1, 1, 1, 2, 2, 1, 1, 1)").unwrap();
    drop(connection);

    let (database, job) = (open(&path), JobId(1));
    let depth = database.depth(job).await.unwrap();
    assert_eq!((depth.pending, depth.delayed, depth.leased, depth.done), (2, 1, 2, 2));
    assert_eq!((depth.blocked, depth.failed, depth.quarantined), (1, 1, 1));
    let all: Vec<_> = (1..11).map(TaskId).collect();
    use TaskState::{Done, GivenUp, Open};
    let states = [Open, Open, Open, Open, Done, GivenUp, GivenUp, GivenUp, Open, Done].map(Some);
    assert_eq!(database.states(job, &all).await.unwrap(), states);
    assert_eq!(database.lists(job).await.unwrap(), [ListPosition { path: "urls.txt".to_owned(), offset: 7 }]);

    // The leases of a process that is gone come back, and so does what waited or was given up, each once.
    assert_eq!(database.sweep(NonZeroUsize::new(100).unwrap()).await.unwrap().returned, 2);
    assert_eq!(database.retry(job, &all[5..8]).await.unwrap(), [Retried::Ready; 3]);
    let mut claimed: Vec<_> = database.claim(&claim(100)).await.unwrap();
    claimed.sort_by_key(|claimed| claimed.lease.task);
    let ids: Vec<_> = claimed.iter().map(|claimed| claimed.lease.task.0).collect();
    assert_eq!(ids, [1, 2, 3, 4, 6, 7, 8, 9]);
    let crashes: Vec<_> = claimed.iter().map(|claimed| claimed.task.crashes).collect();
    assert_eq!(crashes, [0, 2, 0, 1, 0, 0, 0, 1]);
    assert!(database.claim(&claim(100)).await.unwrap().is_empty());
    let settles: Vec<_> = claimed.iter().map(|claimed| Settle::new(claimed.lease, Verdict::Done)).collect();
    assert_eq!(database.settle(&settles).await.unwrap(), [Settled::Applied; 8]);
    let depth = database.depth(job).await.unwrap();
    assert_eq!((depth.open(), depth.lost(), depth.done), (0, 0, 10));
    assert!(database.lists(job).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_older_schema_is_migrated_with_its_data() {
    let (_folder, path) = folder();
    let latest = {
        let (_folder, path) = folder();
        drop(open(&path));
        version(&path)
    };
    let connection = first_version(&path);
    let address = Address::parse("Ann@a.org").unwrap();
    let sql = "INSERT INTO address VALUES (1, 1, ?1, 0, 'Ann@a.org', 1, 7, 'plain', 0)";
    connection.execute(sql, [address.fingerprint().cast_signed()]).unwrap();
    for n in 0..1_000 {
        let (state, fence) = match n {
            0..600 => (4, 1),
            600..610 => (3, 2),
            _ => (0, 0),
        };
        add_task(&connection, &page(n).work, state, fence);
    }
    connection.execute_batch("INSERT INTO task_count VALUES (1, 390, 0, 0, 10, 600, 0, 0, 0)").unwrap();
    connection.execute_batch("UPDATE job SET active_ms = 7000").unwrap();
    drop(connection);
    let database = open(&path);
    let job = database.job(JobId(1)).await.unwrap().unwrap();
    assert_eq!((job.key.as_str(), job.origin), ("old", Origin::Operator));
    let seven = Duration::from_secs(7);
    assert_eq!((job.active, job.active_before), (seven, seven), "its time limit counts from now on");
    assert_eq!(database.addresses(JobId(1), 0, 9).await.unwrap()[0].address, address);
    let again = |text: &str| Sighting {
        job: JobId(1),
        address: Address::parse(text).unwrap(),
        source: "https://b.org/".into(),
        offset: 0,
        form: Form::Plain,
        classes: Classes::NONE,
    };
    let inserted = database.insert(&[again("bob@a.org"), again("ANN@a.org")]).await.unwrap();
    assert_eq!(inserted, [Inserted::New, Inserted::Known], "what was stored before is found again");
    let pushed = database.push(&(0..1_001).map(page).collect::<Vec<_>>()).await.unwrap();
    let known = pushed.iter().filter(|pushed| matches!(pushed, Pushed::Duplicate(_))).count();
    assert_eq!((known, matches!(pushed[1_000], Pushed::New(_))), (1_000, true), "and so is what was pushed");
    let depth = database.depth(JobId(1)).await.unwrap();
    assert_eq!((depth.pending, depth.leased), (391, 10));
    let done = |id, fence| {
        let lease = Lease { job: JobId(1), task: TaskId(id), fence };
        Settle::new(lease, Verdict::Done)
    };
    let settled = database.settle(&[done(1, 1), done(601, 2), done(602, 1), done(611, 0)]).await.unwrap();
    assert_eq!(settled, [Settled::Repeated, Settled::Applied, Settled::Lost, Settled::Lost], "leases are as they were");
    assert_eq!(database.settle(&[done(601, 2)]).await.unwrap(), [Settled::Repeated]);
    assert_eq!(database.sweep(NonZeroUsize::new(100).unwrap()).await.unwrap().returned, 9);
    let claimed = database.claim(&claim(1_000)).await.unwrap();
    assert_eq!(claimed.len(), 400);
    let swept = claimed.iter().filter(|claimed| (602..=610).contains(&claimed.lease.task.0));
    assert!(swept.clone().all(|claimed| claimed.lease.fence == 4 && claimed.task.crashes == 1));
    assert_eq!(swept.count(), 9);
    drop(database);
    assert!(latest > 1);
    assert_eq!(version(&path), latest);
    let connection = Connection::open(&path).unwrap();
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'worker_error_open'";
    assert_eq!(connection.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap(), 1);
}

#[tokio::test]
async fn a_file_that_an_older_version_works_on_is_left_alone() {
    let (_folder, path) = folder();
    let connection = Connection::open(&path).unwrap();
    let base = include_str!("../../../mailscan-core/src/backend/sqlite/sql/migrations/0001_base.sql");
    connection.execute_batch(base).unwrap();
    connection.execute_batch("PRAGMA application_id = 1836278638; PRAGMA user_version = 1").unwrap();
    let at_work = std::fs::File::create(path.with_file_name("jobs.db-lock")).unwrap();
    at_work.lock().unwrap();
    let (kind, line) = refusal(&path);
    assert!(kind == ErrorKind::Conflict && line.contains("stop that one"), "{line}");
    assert_eq!(version(&path), 1);
    drop(at_work);
    drop(open(&path));
    assert!(version(&path) > 1);
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    drop(open(&path));
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    let (kind, line) = refusal(&path);
    assert_eq!(kind, ErrorKind::SchemaTooNew);
    assert!(line.contains("999") && line.contains("newer"), "{line}");
    assert_eq!(version(&path), 999);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    for text in ["hello".to_owned(), "<html>".repeat(5_000)] {
        std::fs::write(&path, &text).unwrap();
        assert_eq!(refusal(&path).0, ErrorKind::NotADatabase);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn the_sqlite_file_of_another_program_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE bookmark (url TEXT)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let (kind, line) = refusal(&path);
    assert_eq!(kind, ErrorKind::NotADatabase);
    assert!(line.contains("another program"), "{line}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn an_empty_file_becomes_a_database() {
    let (_folder, path) = folder();
    std::fs::write(&path, "").unwrap();
    drop(open(&path));
    assert!(version(&path) > 0);
}

#[test]
fn a_missing_folder_is_named() {
    let (folder, _) = folder();
    let (kind, line) = refusal(&folder.path().join("nowhere/jobs.db"));
    assert_eq!(kind, ErrorKind::Unavailable);
    assert!(line.contains("nowhere"), "{line}");
}

#[tokio::test]
async fn two_handles_see_each_others_work() {
    let (_folder, path) = folder();
    let (one, two) = (open(&path), open(&path));
    let id = one.create_job(&job("k")).await.unwrap().id();
    one.transition(id, &[JobStatus::Queued], JobStatus::Running, None).await.unwrap();
    let paused = two.transition(id, &[JobStatus::Running], JobStatus::Paused, Some("lunch")).await.unwrap();
    assert_eq!(paused, Transition::Applied);
    assert_eq!(one.job(id).await.unwrap().unwrap().reason.as_deref(), Some("lunch"));
    let pushes = (0..200).map(|n| {
        let handle = if n % 2 == 0 { &one } else { &two };
        async move { handle.push(&[page(n / 2)]).await.unwrap() }
    });
    futures::future::join_all(pushes).await;
    assert_eq!(two.depth(JobId(1)).await.unwrap().pending, 100);
    let request = claim(60);
    let (some, others) = futures::join!(one.claim(&request), two.claim(&request));
    assert_eq!(some.unwrap().len() + others.unwrap().len(), 100);
}

#[tokio::test]
async fn a_write_goes_on_when_its_caller_is_gone() {
    let (_folder, path) = folder();
    let database = open(&path);
    let pushed = [page(1)];
    {
        let mut push = std::pin::pin!(database.push(&pushed));
        // One poll hands the tasks to the writer.
        let _ = futures::poll!(push.as_mut());
    }
    // The writer keeps the order in which it was called, so the answer to this one comes after the other's commit.
    database.push(&[page(2)]).await.unwrap();
    assert_eq!(database.depth(JobId(1)).await.unwrap().pending, 2);
}

#[tokio::test]
async fn one_process_at_a_time_runs_workers() {
    let (_folder, path) = folder();
    let (one, two) = (open(&path), open(&path));
    let lock = one.try_lock_workers().await.unwrap();
    let error = two.try_lock_workers().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().ends_with(": wait for it to end"), "what else there is, its caller says: {error}");
    drop(lock);
    let _lock = two.try_lock_workers().await.unwrap();
}

#[tokio::test]
async fn the_lock_ends_what_dead_processes_left() {
    let (_folder, path) = folder();
    let database = open(&path);
    let lock = database.try_lock_workers().await.unwrap();
    let node = NodeBeat {
        node: NodeId("n".to_owned()),
        host: "h".to_owned(),
        pid: 1,
        workers: Vec::new(),
        bounds: Vec::new(),
    };
    database.beat(&node).await.unwrap();
    database.push(&[page(1), page(2)]).await.unwrap();
    database.claim(&claim(2)).await.unwrap();
    let everything = NonZeroUsize::MAX;
    assert_eq!(database.sweep(everything).await.unwrap().returned, 0);
    drop(lock);
    let _lock = database.try_lock_workers().await.unwrap();
    assert!(database.nodes().await.unwrap().is_empty());
    assert_eq!(database.sweep(everything).await.unwrap().returned, 2);
    assert_eq!(database.claim(&claim(2)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn work_that_cannot_be_read_is_set_aside_and_holds_up_no_other() {
    let (_folder, path) = folder();
    let queue_limits = QueueLimits { suspect_after: 1, quarantine_after: 2 };
    let database = Sqlite::open(&path, SqliteOptions { queue_limits }).unwrap();
    let pipeline = SqlitePipeline { database, fetcher: NoFetcher };
    let queue = &pipeline.database;
    let job = queue.create_job(&job("k")).await.unwrap().id();
    queue.push(&[page(1), page(2)]).await.unwrap();
    let newer = "UPDATE task SET kind = 'hologram' WHERE locator LIKE '%/1'";
    assert_eq!(Connection::open(&path).unwrap().execute(newer, []).unwrap(), 1);
    // Twice: at first it is ready, then a suspect.
    let claimed = queue.claim(&claim(9)).await.unwrap();
    let works: Vec<_> = claimed.iter().map(|claimed| &claimed.task.work).collect();
    assert_eq!(works, [&page(2).work]);
    assert_eq!(pipeline.sweep(NonZeroUsize::MAX, &NodeId("n".to_owned())).await.unwrap().returned, 1);
    assert!(queue.claim(&claim(9)).await.unwrap().is_empty());
    let swept = pipeline.sweep(NonZeroUsize::MAX, &NodeId("n".to_owned())).await.unwrap();
    assert_eq!((swept.returned, swept.quarantined.len()), (0, 0));
    let depth = queue.depth(job).await.unwrap();
    assert_eq!((depth.pending, depth.leased, depth.quarantined), (0, 1, 1));
    let errors = queue.errors(&ErrorQuery { limit: 9, ..ErrorQuery::default() }).await.unwrap();
    let recorded: Vec<_> =
        errors.iter().map(|row| (row.error.job, row.error.host.as_str(), row.error.label.as_str())).collect();
    assert_eq!(recorded, [(job, "a.org", "https://a.org/1")]);
    assert_eq!(errors[0].error.code, "unreadable", "no process has crashed of it");
}
