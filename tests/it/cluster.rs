//! Nodes of a cluster as processes: jobs shared by many, nodes that die, stand still or are renewed, a server that
//! restarts. After each the set of addresses is exact.

mod chaos;
mod connection;
mod disk;
mod guide;
mod nodes;
mod politeness;
mod proxy;
mod recovery;
mod renewal;
mod scaling;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use mailscan_core::backend::postgres::{Postgres, PostgresOptions};
use mailscan_core::job::{JobId, JobStatus};
use mailscan_core::queue::Queue;
use mailscan_core::simulate::{SimulatedWeb, SimulationOptions};
use mailscan_core::store::Store;
use mailscan_tests::at_home;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::cli::{binary, json, run_in};
use crate::postgres::Cluster;

/// Longer than any fault and any lease here lasts: without a new address for so long, none comes.
const STANDS_STILL: Duration = Duration::from_secs(180);

/// A database at a server, a job in it, and the web that the job reads.
struct Stage<'c> {
    cluster: &'c Cluster,
    name: String,
    database: Postgres,
    web: SimulatedWeb,
    folder: TempDir,
    job: JobId,
}

/// A node: a process of `mailscan worker`, killed when dropped.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Node {
    /// Sends a signal by name.
    fn signal(&self, name: &str) {
        let signal = format!("-{name}");
        assert!(Command::new("kill").args([&signal, &self.0.id().to_string()]).status().unwrap().success());
    }
}

fn web_of(emails: u64) -> SimulationOptions {
    SimulationOptions {
        emails,
        page_delay: Duration::from_millis(20),
        page_bytes: 1_000,
        duplicate_share: 0.2,
        failure_share: 0.02,
        ..SimulationOptions::default()
    }
}

impl<'c> Stage<'c> {
    /// Puts a job that reads a whole web into a new database.
    async fn set(cluster: &'c Cluster, emails: u64, workers: u32) -> Self {
        Self::of(cluster, cluster.fresh().await, web_of(emails), workers).await
    }

    /// Puts a job that reads this web into this database.
    async fn of(cluster: &'c Cluster, name: String, web: SimulationOptions, workers: u32) -> Self {
        let web = SimulatedWeb::start(web).await.unwrap();
        let folder = TempDir::new().unwrap();
        let (url, path) = (cluster.url(&name), folder.path().to_owned());
        let arguments = submission(&web, folder.path(), &url, workers);
        let submitted = tokio::task::spawn_blocking(move || {
            run_in(&path, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
        });
        let ran = submitted.await.unwrap();
        assert_eq!(ran.code, 0, "{}", ran.err);
        let job = JobId(json(&ran.out)["id"].as_u64().unwrap());
        let database = Postgres::open(&url, PostgresOptions::default()).await.unwrap();
        Self { cluster, name, database, web, folder, job }
    }

    fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// Starts a node and waits until it works.
    async fn node(&self, lease: u32) -> Node {
        self.node_at(&self.url(), lease).await
    }

    /// Likewise, by another way to the database.
    async fn node_at(&self, url: &str, lease: u32) -> Node {
        let (url, folder) = (url.to_owned(), self.folder.path().to_owned());
        tokio::task::spawn_blocking(move || node(binary(), &folder, &url, lease, ["0", "64"])).await.unwrap()
    }

    /// Starts a node that asks the one host of the web for as much at a time as it can, and waits until it works.
    async fn node_without_limits(&self, lease: u32) -> Node {
        let (url, folder) = (self.url(), self.folder.path().to_owned());
        tokio::task::spawn_blocking(move || node(binary(), &folder, &url, lease, ["0", "100000"])).await.unwrap()
    }

    /// Waits until so many addresses are stored, or the job has ended; not for a job that stands still.
    async fn collected(&self, addresses: u64) {
        let (mut most, mut since) = (0, Instant::now());
        loop {
            // The server may be away for now.
            if let Ok(Some(job)) = self.database.job(self.job).await {
                if job.collected >= addresses || job.status.is_settled() {
                    return;
                }
                if job.collected > most {
                    (most, since) = (job.collected, Instant::now());
                }
            }
            assert!(since.elapsed() < STANDS_STILL, "the job stands still at {most} addresses");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for the end of the job, and compares what is stored with what there is.
    async fn finish_and_compare(&self) {
        assert_eq!(self.finish().await, (0, 0), "addresses lost, and stored twice");
    }

    /// Waits for the end of the job; answers how many addresses are missing, and how many are stored twice.
    async fn finish(&self) -> (usize, usize) {
        self.collected(u64::MAX).await;
        let job = self.database.job(self.job).await.unwrap().unwrap();
        assert_eq!(job.status, JobStatus::Completed, "{:?}", job.reason);
        let rows = self.database.addresses(self.job, 0, usize::MAX).await.unwrap();
        let found: BTreeSet<String> = rows.iter().map(|row| row.address.identity()).collect();
        assert_eq!(job.collected, rows.len() as u64, "the count is not the number of rows");
        let expected: BTreeSet<String> = self.web.addresses().map(|address| address.identity()).collect();
        let invented: Vec<_> = found.difference(&expected).take(5).collect();
        assert!(invented.is_empty(), "invented {invented:?}");
        let depth = self.database.depth(self.job).await.unwrap();
        assert_eq!((depth.open(), depth.lost()), (0, 0), "{depth:?}");
        let ended = format!("SELECT count(*) FROM mailscan.task WHERE job = {} AND state = 4", self.job);
        assert_eq!(
            self.cluster.number(&self.name, &ended).await,
            depth.done as i64,
            "the counts are those of the rows"
        );
        (expected.difference(&found).count(), rows.len() - found.len())
    }
}

/// What submits the job of a web.
fn submission(web: &SimulatedWeb, folder: &Path, url: &str, workers: u32) -> Vec<String> {
    let endpoint = format!(
        r#"{{"url": "{}?q={{query}}&page={{page}}", "results": "results", "result_url": "url",
             "snippets": ["title", "content"], "lanes": 40, "max_pages": 1000000}}"#,
        web.search_url().split('?').next().unwrap()
    );
    let description = folder.join("endpoint.json");
    std::fs::write(&description, endpoint).unwrap();
    let description = description.display();
    let text = format!(
        "run --detach --json --db {url} --url {} --crawl --depth 50 --search everything --search-endpoint {description} \
         --target 10000000 --workers {workers} --connections 1 --rate-limit 0 --time-limit 0",
        web.site_url()
    );
    text.split(' ').map(str::to_owned).collect()
}

/// What starts a node of a program.
fn worker(program: &Path, folder: &Path, url: &str, lease: u32, pace: [&str; 2]) -> Command {
    let mut command = at_home(program, folder);
    command.args(["worker", "--db", url, "--lease", &lease.to_string()]);
    command.args(["--rate-limit", pace[0], "--per-host", pace[1], "--allow-network", "127.0.0.0/8"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Starts a node of a program, and waits until it says that it works.
fn node(program: &Path, folder: &Path, url: &str, lease: u32, pace: [&str; 2]) -> Node {
    let (node, mut err) = node_and_words(worker(program, folder, url, lease, pace));
    // What it says later must not make it wait.
    std::thread::spawn(move || std::io::copy(&mut err, &mut std::io::sink()));
    node
}

/// Likewise, and answers what it says later.
fn node_and_words(mut command: Command) -> (Node, BufReader<ChildStderr>) {
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    err.read_line(&mut said).unwrap();
    assert!(said.contains("works on every job of"), "{said}");
    (Node(child), err)
}
