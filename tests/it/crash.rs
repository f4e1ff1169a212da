//! A job killed at random points and resumed: nothing lost, nothing twice.
//!
//! The command line runs as a process of its own against a simulated web that lives on in this one, is killed with
//! SIGKILL again and again, and is resumed from its database each time. `MAILSCAN_CRASH_KILLS` sets how often.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_core::job::{Job, JobId, JobStatus};
use mailscan_core::queue::Queue;
use mailscan_core::simulate::{SimulatedWeb, SimulationOptions};
use mailscan_core::store::Store;
use tempfile::TempDir;

use crate::cli::{json, mailscan, run_in};

/// Kills in an ordinary run of the tests.
const KILLS: u64 = 12;

fn kills() -> u64 {
    match std::env::var("MAILSCAN_CRASH_KILLS") {
        Ok(text) => text.parse().expect("MAILSCAN_CRASH_KILLS is a number"),
        Err(_) => KILLS,
    }
}

/// Puts the job into the database without running it; answers its id.
fn submit(folder: &Path, web: &SimulatedWeb) -> u64 {
    let endpoint = format!(
        r#"{{"url": "{}?q={{query}}&page={{page}}", "results": "results", "result_url": "url",
             "snippets": ["title", "content"], "lanes": 5, "max_pages": 1000000}}"#,
        web.search_url().split('?').next().unwrap()
    );
    std::fs::write(folder.join("endpoint.json"), endpoint).unwrap();
    let arguments = [
        "run",
        "--detach",
        "--json",
        "--url",
        &web.site_url(),
        "--crawl",
        "--depth",
        "50",
        "--search",
        "everything",
        "--search-endpoint",
        "endpoint.json",
        "--target",
        "10000000",
        "--workers",
        "10",
        "--connections",
        "1",
        "--rate-limit",
        "0",
        "--time-limit",
        "0",
    ];
    let ran = run_in(folder, &arguments);
    assert_eq!(ran.code, 0, "{}", ran.err);
    json(&ran.out)["id"].as_u64().unwrap()
}

fn resume(folder: &Path, id: u64) -> Child {
    let arguments = ["run", "--resume", &id.to_string(), "--rate-limit", "0", "--db", "mailscan.db"];
    mailscan(folder).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// How long after its start a process is killed at the latest, at first.
const LATEST_KILL: Duration = Duration::from_millis(200);

/// Starts the job and kills it at a point of its start or its work; answers whether it was still there.
fn kill_once(folder: &Path, id: u64, latest: Duration) -> bool {
    let mut child = resume(folder, id);
    // The one sleep that is the test: when the process dies is left to chance.
    std::thread::sleep(Duration::from_millis(rand::random_range(5..latest.as_millis() as u64)));
    let was_there = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    was_there
}

/// Kills the job until so many kills came while it worked, and not while it started; answers how many did, which are fewer
/// only where the job ended before, or hardly ever began.
async fn kill_at_work(folder: &Path, id: u64, web: &SimulatedWeb, wanted: u64) -> u64 {
    let (mut hits, mut latest) = (0, LATEST_KILL);
    for tries in 1..=wanted * 10 {
        let (path, before) = (folder.to_owned(), web.stats().requests);
        if !tokio::task::spawn_blocking(move || kill_once(&path, id, latest)).await.unwrap() {
            break;
        }
        hits += u64::from(web.stats().requests > before);
        if hits == wanted {
            break;
        }
        // A busy machine takes longer to start it, and longer still if it grows busier.
        if hits * 2 < tries {
            latest += LATEST_KILL / 4;
        }
    }
    hits
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_points_a_job_loses_nothing_and_counts_nothing_twice() {
    let kills = kills();
    let options = SimulationOptions {
        emails: kills * 800,
        page_delay: Duration::from_millis(20),
        page_bytes: 1_000,
        duplicate_share: 0.2,
        failure_share: 0.02,
        ..SimulationOptions::default()
    };
    let web = SimulatedWeb::start(options).await.unwrap();
    let folder = TempDir::new().unwrap();
    let id = submit(folder.path(), &web);
    let hits = kill_at_work(folder.path(), id, &web, kills).await;
    assert!(hits * 2 >= kills, "only {hits} of {kills} kills hit a job at work");

    finish_and_compare(&folder, id, &web).await;
}

/// Puts a job that reads a list of every page of the web into the database; answers its id and the size of the list.
fn submit_list(folder: &Path, web: &SimulatedWeb) -> (u64, u64) {
    // Many long comments, so that the list is read in far more parts than fit between two kills.
    let comments = format!("{}\n", "#".repeat(3_000)).repeat(20);
    let list: String = (0..web.pages()).map(|n| format!("{}\n{comments}", web.page_url(n))).collect();
    std::fs::write(folder.join("list.txt"), &list).unwrap();
    let job = ["run", "--detach", "--json", "--urls", "list.txt", "--target", "10000000"];
    let limits = ["--workers", "4", "--connections", "1", "--rate-limit", "0", "--time-limit", "0"];
    let ran = run_in(folder, &[&job[..], &limits].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    (json(&ran.out)["id"].as_u64().unwrap(), list.len() as u64)
}

/// How far the list of a job is read; an error when it is not being read, which tells whether that is over.
async fn list_offset(folder: &Path, id: u64) -> Result<u64, bool> {
    let database = Sqlite::open(folder.join("mailscan.db"), SqliteOptions::default()).unwrap();
    let lists = database.lists(JobId(id)).await.unwrap();
    assert!(lists.len() <= 1, "one list is read at one place: {lists:?}");
    let job = database.job(JobId(id)).await.unwrap().unwrap();
    lists.first().map(|list| list.offset).ok_or(job.seeded)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_list_a_job_loses_no_line() {
    let options = SimulationOptions {
        emails: 6_000,
        page_delay: Duration::from_millis(5),
        page_bytes: 500,
        ..SimulationOptions::default()
    };
    let web = SimulatedWeb::start(options).await.unwrap();
    let folder = TempDir::new().unwrap();
    let (id, size) = submit_list(folder.path(), &web);
    let (mut within, mut last) = (0, 0);
    let mut latest = LATEST_KILL;
    for _ in 0..kills() {
        let path = folder.path().to_owned();
        tokio::task::spawn_blocking(move || kill_once(&path, id, latest)).await.unwrap();
        let offset = match list_offset(folder.path(), id).await {
            Ok(offset) => offset,
            // It died before the list was on the queue: a busy machine takes longer to start it.
            Err(false) => 0,
            Err(true) => break,
        };
        if within == 0 && offset == 0 {
            latest += LATEST_KILL / 4;
        }
        assert!((last..size).contains(&offset), "at {offset} after {last} of {size}");
        within += usize::from(offset > 0);
        last = offset;
    }
    assert!(within > 0, "no kill hit the list in its middle");
    finish_and_compare(&folder, id, &web).await;
}

/// Resumes the job to its end, and compares what is stored with what there is.
async fn finish_and_compare(folder: &TempDir, id: u64, web: &SimulatedWeb) {
    let path = folder.path().to_owned();
    let ended = tokio::task::spawn_blocking(move || resume(&path, id).wait().unwrap()).await.unwrap();
    assert!(ended.success(), "{ended}");

    let database = Sqlite::open(folder.path().join("mailscan.db"), SqliteOptions::default()).unwrap();
    let job = database.job(JobId(id)).await.unwrap().unwrap();
    let found = stored(&database, &job).await;
    let expected: BTreeSet<String> = web.addresses().map(|address| address.identity()).collect();
    let lost: Vec<_> = expected.difference(&found).take(5).collect();
    let invented: Vec<_> = found.difference(&expected).take(5).collect();
    assert!(lost.is_empty() && invented.is_empty(), "lost {lost:?}, invented {invented:?}");
    assert_eq!(job.status, JobStatus::Completed);
    let depth = database.depth(job.id).await.unwrap();
    assert_eq!((depth.open(), depth.lost()), (0, 0), "{depth:?}");
}

/// The stored identities; each is there once, and the job's count is their number.
async fn stored(database: &Sqlite, job: &Job) -> BTreeSet<String> {
    let rows = database.addresses(job.id, 0, usize::MAX >> 1).await.unwrap();
    let identities: BTreeSet<String> = rows.iter().map(|row| row.address.identity()).collect();
    assert_eq!(identities.len(), rows.len(), "an address is stored twice");
    assert_eq!(job.collected, rows.len() as u64, "the count is not the number of rows");
    identities
}
