//! `mailscan serve` as a user meets it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, ChildStderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mailscan_http::ServeOptions;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::block_in_place;
use tokio::time::timeout;

use super::client::{delete, get, post};
use super::{HANGS, start_in};
use crate::cli::{interrupt, json as parsed, run, run_in, start_logging_in};

/// A server in a folder, killed if a test fails before it has stopped.
pub(super) struct Served {
    pub(super) child: Child,
    err: Option<BufReader<ChildStderr>>,
    pub(super) address: SocketAddr,
}

impl Served {
    /// What the server says from now on.
    pub(super) fn reader(&mut self) -> BufReader<ChildStderr> {
        self.err.take().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_plans_and_shows_goes_by_its_constants() {
    let folder = TempDir::new().unwrap();
    let constants = ["--max-workers", "10", "--workers-per-1000", "100", "--lease", "30", "--stale-after", "60"];
    let served = serve_in(folder.path(), &[&constants[..], &["--min-free-disk", "4096T"]].concat());
    let plan = async |query: &str| {
        let plan = get(served.address, &format!("/api/v1/plan?{query}")).await.json();
        (plan["workers"].as_u64().unwrap(), plan["emails_per_worker"].as_u64().unwrap())
    };
    // What the page asks as one types.
    assert_eq!((plan("emails=50").await, plan("emails=1000").await), ((5, 10), (10, 100)));
    assert_eq!(plan("emails=1000&workers=500").await, (10, 100));
    let begun = post(served.address, "/api/v1/jobs", &json!({"target": 1000, "urls": ["https://example.org/"]})).await;
    assert_eq!((&begun.json()["workers"], &begun.json()["plan"]["workers"]), (&json!(10), &json!(10)));
    assert_eq!(get(served.address, "/api/v1/jobs/1").await.json()["workers"], 10);
    assert_eq!(get(served.address, "/api/v1/jobs/1/workers").await.json()["planned"], 10);
}

pub(super) fn serve_in(folder: &Path, more: &[&str]) -> Served {
    serve_logging_in(folder, more, "error")
}

/// The same with a log of this level. Somebody has to read it.
pub(super) fn serve_logging_in(folder: &Path, more: &[&str], level: &str) -> Served {
    let here: &[_] = if more.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
    let arguments = [&["serve"], here, more].concat();
    let (child, mut err) = start_logging_in(folder, &arguments, level);
    loop {
        // What comes first may be a warning or the log's.
        let mut line = String::new();
        assert!(err.read_line(&mut line).unwrap() > 0, "the server ended before it served");
        if let Some((_, rest)) = line.split_once("://").filter(|_| line.starts_with("serving")) {
            let address = rest.split('/').next().and_then(|address| address.parse().ok());
            return Served { child, err: Some(err), address: address.unwrap_or_else(|| panic!("{line}")) };
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_job_is_picked_up_and_the_founding_api_shows_its_end() {
    let folder = TempDir::new().unwrap();
    for n in 0..30 {
        fs::create_dir_all(folder.path().join("in")).unwrap();
        fs::write(folder.path().join(format!("in/{n}.txt")), format!("user{n}@host.org, all@host.org")).unwrap();
    }
    let mut served = serve_in(folder.path(), &[]);
    let detached = run_in(folder.path(), &["run", "--path", "in", "--target", "20", "--detach"]);
    assert_eq!(detached.code, 0, "{}", detached.err);

    let completed = async {
        loop {
            let status = get(served.address, "/?page=api&action=job-worker-status&job_id=1").await.json();
            if status["status"] == "completed" {
                return status;
            }
        }
    };
    let status = timeout(HANGS, completed).await.unwrap();
    assert_eq!((&status["collected"], &status["remaining_emails"]), (&20.into(), &0.into()), "{status}");
    assert_eq!((&status["eta_seconds"], &status["eta_formatted"]), (&0.into(), &"0s".into()), "{status}");
    assert_eq!(get(served.address, "/?page=api&action=job-eta&job_id=1").await.json()["eta_seconds"], 0);

    let second = run_in(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, 1, "only one process works on a database: {}", second.err);

    interrupt(&served.child);
    let mut rest = String::new();
    served.reader().read_to_string(&mut rest).unwrap();
    assert_eq!(served.child.wait().unwrap().code(), Some(0), "{rest}");
    assert!(rest.contains("stopping"), "{rest}");
}

/// A site whose one page is missing until it is told to be there.
async fn site(there: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            let length = stream.read(&mut request).await.unwrap_or(0);
            let page = request[..length].starts_with(b"GET /page ") && there.load(Ordering::Relaxed);
            let (status, body) = if page { ("200 OK", "ann@host.org") } else { ("404 Not Found", "") };
            let head = "Content-Type: text/plain\r\nConnection: close";
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_begun_tried_again_exported_and_deleted_over_http() {
    let there = Arc::new(AtomicBool::new(false));
    let site = site(there.clone()).await;
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    fs::write(folder.path().join("in/1.txt"), "bob@host.org").unwrap();
    let mut served = serve_in(folder.path(), &["--root", "in", "--allow-network", "127.0.0.1"]);
    let address = served.address;
    let body = json!({"target": 10, "urls": [format!("http://{site}/page")], "paths": ["1.txt"]});
    assert_eq!(post(address, "/api/v1/jobs", &body).await.status, 202);
    let completed = async |collected: u64| {
        loop {
            let job = get(address, "/api/v1/jobs/1").await.json();
            if job["status"] == "completed" && job["collected"] == collected {
                return job;
            }
        }
    };
    let job = timeout(HANGS, completed(1)).await.unwrap();
    assert_eq!(job["queue"]["failed"], 1, "{job}");

    there.store(true, Ordering::Relaxed);
    let again = json!({"code": "http-404", "note": "it is back", "retry": true});
    let resolved = post(address, "/api/v1/jobs/1/errors/resolve", &again).await;
    assert_eq!(resolved.json(), json!({"resolved": 1, "retried": 1}));
    timeout(HANGS, completed(2)).await.unwrap();
    let errors = get(address, "/api/v1/jobs/1/errors/list").await.json();
    assert_eq!(errors["errors"][0]["resolved"]["outcome"], "succeeded", "{errors}");

    let exported = get(address, "/api/v1/jobs/1/export").await.body;
    let written = run_in(folder.path(), &["job", "export", "1"]);
    assert_eq!((exported.lines().count(), exported), (3, written.out));
    assert_eq!(delete(address, "/api/v1/jobs/1").await.status, 204);
    assert_eq!(get(address, "/api/v1/jobs").await.json()["jobs"], json!([]));

    interrupt(&served.child);
    let mut rest = String::new();
    served.reader().read_to_string(&mut rest).unwrap();
    assert_eq!(served.child.wait().unwrap().code(), Some(0), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_no_job_of_the_api_out_of_the_root() {
    let folder = TempDir::new().unwrap();
    for name in ["in/sub", "outside"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    for (name, text) in
        [("in/1.txt", "ann@host.org"), ("in/sub/2.txt", "bob@host.org"), ("outside/s.txt", "eve@host.org")]
    {
        fs::write(folder.path().join(name), text).unwrap();
    }
    symlink("../outside/s.txt", folder.path().join("in/link.txt")).unwrap();
    symlink("../../outside/s.txt", folder.path().join("in/sub/link.txt")).unwrap();
    symlink("sub/2.txt", folder.path().join("in/inside.txt")).unwrap();
    symlink("../outside", folder.path().join("in/folder")).unwrap();
    let served = serve_in(folder.path(), &["--root", "in"]);
    let completed = async |id: u64| {
        loop {
            let job = get(served.address, &format!("/api/v1/jobs/{id}")).await.json();
            if job["status"] == "completed" {
                return job;
            }
        }
    };
    let begun = post(served.address, "/api/v1/jobs", &json!({"target": 10, "paths": ["."]})).await;
    assert_eq!(begun.status, 202, "{}", begun.body);
    let job = timeout(HANGS, completed(1)).await.unwrap();
    assert_eq!((&job["collected"], &job["queue"]["blocked"]), (&json!(2), &json!(2)), "{job}");
    let errors = get(served.address, "/api/v1/jobs/1/errors/list").await.json();
    let errors = errors["errors"].as_array().unwrap();
    assert!(errors.len() == 2 && errors.iter().all(|error| error["code"] == "file-outside"), "{errors:?}");
    assert!(errors[0]["message"].as_str().unwrap().contains("link.txt` leads out of the folders"), "{errors:?}");

    let own = run_in(folder.path(), &["run", "--path", "in", "--target", "10", "--detach"]);
    assert_eq!(own.code, 0, "{}", own.err);
    let job = timeout(HANGS, completed(2)).await.unwrap();
    assert_eq!(job["collected"], 3, "the operator's own job reads what it names: {job}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_the_api_reaches_no_more_when_it_is_resumed_by_hand() {
    let site = site(Arc::new(AtomicBool::new(true))).await;
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    fs::write(folder.path().join("in/1.txt"), "bob@host.org").unwrap();
    fs::write(folder.path().join("outside.txt"), "eve@host.org").unwrap();
    symlink("../outside.txt", folder.path().join("in/link.txt")).unwrap();
    // A server without workers, so that the jobs wait.
    let options = ServeOptions { roots: vec![folder.path().join("in")], ..ServeOptions::default() };
    let server = start_in(folder, options).await;
    let body = json!({"target": 10, "urls": [format!("http://{site}/page")], "paths": ["."]});
    for _ in 0..2 {
        assert_eq!(post(server.address, "/api/v1/jobs", &body).await.status, 202);
    }
    let folder = server.folder.path();
    let run = |arguments: &[&str]| block_in_place(|| run_in(folder, arguments));
    let own = run(&["run", "--url", &format!("http://{site}/page"), "--target", "10", "--detach"]);
    assert_eq!(own.code, 0, "{}", own.err);

    let resumed = run(&["run", "--resume", "1", "--json"]);
    assert_eq!((resumed.code, &parsed(&resumed.out)["collected"]), (3, &json!(1)), "{}", resumed.err);
    assert!(resumed.err.contains("job 1 came through the API"), "{}", resumed.err);
    let errors = run(&["errors", "1", "--list", "--json"]).out;
    assert!(errors.contains("private-address") && errors.contains("file-outside"), "{errors}");

    let allowed = run(&["run", "--resume", "2", "--allow-network", "127.0.0.0/8", "--json"]);
    assert_eq!(
        parsed(&allowed.out)["collected"],
        2,
        "the network is allowed, files elsewhere are not: {}",
        allowed.err
    );
    let own = run(&["run", "--resume", "3", "--json"]);
    assert_eq!((own.code, &parsed(&own.out)["collected"]), (0, &json!(1)), "{}", own.err);
    assert!(!own.err.contains("API"), "{}", own.err);
    let new = run(&["run", "--path", "in", "--target", "1", "--allow-network", "127.0.0.0/8"]);
    assert_eq!(new.code, 2, "a job of one's own reaches every network: {}", new.err);
}

#[test]
fn an_address_for_everybody_is_refused() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let ran = run(&["serve", "--listen", address]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
        assert!(ran.err.contains("127.0.0.1:8025") && ran.err.contains(address), "{}", ran.err);
    }
    let help = run(&["serve", "--help"]);
    assert!(help.out.contains("Example:\n  mailscan serve"), "{}", help.out);
}
