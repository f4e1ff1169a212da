//! The limits of a host hold for all nodes together, as the host itself sees it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mailscan_core::backend::postgres::{Postgres, PostgresOptions};
use mailscan_core::job::JobId;
use mailscan_core::store::Store;
use mailscan_core::turns::KEPT;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{STANDS_STILL, node};
use crate::cli::{binary, run_in};
use crate::postgres::{is_there, shared};

/// How many requests the nodes may have under way at the host, and the pages that it has.
const PER_HOST: usize = 3;
const PAGES: usize = 150;

/// What a host saw.
#[derive(Default)]
struct Seen {
    under_way: AtomicUsize,
    most: AtomicUsize,
    starts: Mutex<Vec<Instant>>,
}

/// Answers every request on a connection after a while, with an address of its own.
async fn answer(stream: TcpStream, seen: Arc<Seen>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let path = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
        while lines.next_line().await.ok().flatten().is_some_and(|line| !line.is_empty()) {}
        seen.starts.lock().unwrap().push(Instant::now());
        let under_way = seen.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most.fetch_max(under_way, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(80)).await;
        let (status, body) = if path == "robots.txt" {
            ("404 Not Found", String::new())
        } else {
            ("200 OK", format!("u{path}@host.org"))
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
        seen.under_way.fetch_sub(1, Ordering::SeqCst);
        if write.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn host(seen: Arc<Seen>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, seen.clone()));
        }
    });
    port
}

/// The most starts within any second.
fn busiest_second(starts: &[Instant]) -> usize {
    let second = Duration::from_secs(1);
    let within = |first: &Instant| starts.iter().filter(|at| **at >= *first && **at - *first < second).count();
    starts.iter().map(within).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn four_nodes_ask_one_host_no_more_than_one_may() {
    four_nodes("3", "8").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_nodes_ask_one_host_no_more_than_the_job_wants() {
    four_nodes("8", "3").await;
}

/// Has four nodes read a host, with a limit of the nodes and one of the job, of which one is [`PER_HOST`].
async fn four_nodes(of_nodes: &'static str, of_job: &'static str) {
    if !is_there() {
        return;
    }
    let seen = Arc::new(Seen::default());
    let port = host(seen.clone()).await;
    let name = shared().fresh().await;
    let (url, folder) = (shared().url(&name), TempDir::new().unwrap());
    let list: String = (0..PAGES).map(|n| format!("http://127.0.0.1:{port}/{n}\n")).collect();
    std::fs::write(folder.path().join("list.txt"), list).unwrap();
    let (path, at) = (folder.path().to_owned(), url.clone());
    let start = move || (0..4).map(|_| node(binary(), &path, &at, 30, ["0.05", of_nodes])).collect::<Vec<_>>();
    let _nodes = tokio::task::spawn_blocking(start).await.unwrap();
    let database = Postgres::open(&url, PostgresOptions::default()).await.unwrap();
    // All four are there before there is anything to do.
    let listed = async { while database.nodes().await.unwrap().len() < 4 {} };
    tokio::time::timeout(STANDS_STILL, listed).await.expect("all nodes are listed");
    let path = folder.path().to_owned();
    let submit = move || {
        let job = "run --detach --urls list.txt --target 1000 --workers 20 --per-host".split(' ');
        run_in(&path, &job.chain([of_job, "--db", &url]).collect::<Vec<_>>())
    };
    let ran = tokio::task::spawn_blocking(submit).await.unwrap();
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ended = async {
        loop {
            let job = database.job(JobId(1)).await.unwrap().unwrap();
            if job.status.is_settled() {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let job = tokio::time::timeout(STANDS_STILL, ended).await.expect("the job does not end");
    assert_eq!(job.collected, PAGES as u64, "{}", job.status);
    let most = seen.most.load(Ordering::SeqCst);
    assert!((1..=PER_HOST).contains(&most), "{most} requests at a time");
    // Told, not asserted: a busy machine delays what is seen here.
    let starts = seen.starts.lock().unwrap();
    println!("{} requests, {} in the busiest second of a limit of 20", starts.len(), busiest_second(&starts));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_leaves_its_hosts_to_the_next() {
    if !is_there() {
        return;
    }
    let port = host(Arc::default()).await;
    let (url, folder) = (shared().url(&shared().fresh().await), TempDir::new().unwrap());
    let page = format!("http://127.0.0.1:{port}/1");
    let runs = move || {
        let mut took = Vec::new();
        for _ in 0..2 {
            let begin = Instant::now();
            let ran = run_in(folder.path(), &["run", "--url", &page, "--per-host", "1", "--target", "1", "--db", &url]);
            assert_eq!(ran.code, 0, "{}", ran.err);
            took.push(begin.elapsed());
        }
        took
    };
    let took = tokio::task::spawn_blocking(runs).await.unwrap();
    assert!(took.iter().all(|took| *took < KEPT / 2), "{took:?}");
}
