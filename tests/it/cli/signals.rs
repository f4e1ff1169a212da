//! Ctrl-C during a run, and the end of its terminal: the first drains, the second aborts, and either way the job goes on
//! afterwards.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};

use mailscan_core::simulate::{SimulatedWeb, SimulationOptions};
use mailscan_tests::at_home;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{Ran, binary, hang_up, interrupt, json, run_in, start_in};

/// Longer than anything here takes, and shorter than a slow page.
const HANGS: Duration = Duration::from_secs(60);
/// How long a page takes that nobody wants to wait for: as long as a fetch may take at most, and then some.
const SLOW: Duration = Duration::from_secs(90);

/// A run in a folder, killed if a test fails before it has ended.
struct Running {
    child: Child,
    err: BufReader<ChildStderr>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let (child, err) = start_in(folder, arguments);
        Self { child, err }
    }

    /// Starts a run by another program, such as one that sees to it that the run outlives its terminal, or does not.
    fn start_by(by: &[&str], folder: &Path, arguments: &[&str]) -> Self {
        let mut command = at_home(by[0], folder);
        command.args(&by[1..]).arg(binary()).args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let err = BufReader::new(child.stderr.take().unwrap());
        Self { child, err }
    }

    fn interrupt(&self) {
        interrupt(&self.child);
    }

    /// Reads on until a line says this.
    fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(self.err.read_line(&mut line).unwrap() > 0, "it ended without saying `{text}`");
        }
    }

    fn end(mut self) -> Ran {
        let mut err = String::new();
        self.err.read_to_string(&mut err).unwrap();
        Ran { code: self.child.wait().unwrap().code().unwrap(), out: String::new(), err }
    }
}

/// The first job of a database, as soon as it is as wanted.
fn until(folder: &Path, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < HANGS, "the job never is as wanted");
        let shown = run_in(folder, &["job", "show", "1", "--json"]);
        if shown.code == 0 && wanted(&json(&shown.out)) {
            return json(&shown.out);
        }
    }
}

async fn web(page_delay: Duration) -> SimulatedWeb {
    let options = SimulationOptions { emails: 300, page_bytes: 2_000, page_delay, ..SimulationOptions::default() };
    SimulatedWeb::start(options).await.unwrap()
}

/// The web of this address without delays, as soon as the slow one has let go of it.
async fn again(address: SocketAddr) -> SimulatedWeb {
    let options = SimulationOptions { emails: 300, page_bytes: 2_000, ..SimulationOptions::default() };
    loop {
        match SimulatedWeb::start_on(address, options.clone()).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => tokio::task::yield_now().await,
            started => return started.unwrap(),
        }
    }
}

fn queue(job: &Value, state: &str) -> u64 {
    job["queue"][state].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_is_paused_and_completed_by_resume() {
    // One page at a time, so that the run lasts far longer than it takes to interrupt it.
    let web = web(Duration::from_millis(300)).await;
    let folder = TempDir::new().unwrap();
    let (path, url) = (folder.path().to_owned(), web.site_url());
    let test = spawn_blocking(move || {
        let run = ["run", "--url", &url, "--crawl", "--target", "1000", "--rate-limit", "0", "--per-host", "1"];
        let mut running = Running::start(&path, &run);
        until(&path, |job| job["collected"].as_u64() > Some(0));
        running.interrupt();
        running.wait_for("stopping: ");
        let ran = running.end();
        assert_eq!(ran.code, 130, "{}", ran.err);
        assert!(ran.err.contains("go on: mailscan run --resume 1\n"), "{}", ran.err);
        let paused = until(&path, |_| true);
        assert_eq!((&paused["status"], queue(&paused, "processing")), (&"paused".into(), 0), "{paused}");
        let resumed = run_in(&path, &["run", "--resume", "--per-host", "64"]);
        assert_eq!(resumed.code, 0, "{}", resumed.err);
        let completed = until(&path, |_| true);
        assert_eq!((&completed["status"], &completed["collected"]), (&"completed".into(), &300.into()), "{completed}");
    });
    timeout(HANGS, test).await.expect("the run does not end").unwrap();
}

#[test]
fn an_interrupted_export_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    // Far more than is written in the time that it takes to interrupt it.
    let many: String = (0..100_000).map(|n| format!("user{n}@host.org\n")).collect();
    std::fs::write(folder.path().join("many.txt"), many).unwrap();
    assert_eq!(run_in(folder.path(), &["run", "--path", "many.txt", "--target", "1000000"]).code, 0);
    std::fs::write(folder.path().join("out.csv"), "before").unwrap();
    let names =
        || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_begun = || names().any(|name| name.ends_with(".part"));

    let mut running = Running::start(folder.path(), &["job", "export", "1", "--output", "out.csv"]);
    while !is_begun() {
        assert!(running.child.try_wait().unwrap().is_none(), "it ended before it was interrupted");
    }
    running.interrupt();
    let ran = running.end();
    assert_eq!((ran.code, ran.err.as_str()), (130, "stopped: out.csv is as it was\n"));
    assert!(!is_begun());
    assert_eq!(std::fs::read_to_string(folder.path().join("out.csv")).unwrap(), "before");

    // What a link leads to is written in place.
    let out = folder.path().join("out.csv");
    std::os::unix::fs::symlink("out.csv", folder.path().join("link.csv")).unwrap();
    let mut running = Running::start(folder.path(), &["job", "export", "1", "--output", "link.csv"]);
    while std::fs::metadata(&out).unwrap().len() <= "before".len() as u64 {
        assert!(running.child.try_wait().unwrap().is_none(), "it ended before it was interrupted");
    }
    running.interrupt();
    let ran = running.end();
    assert_eq!((ran.code, ran.err.as_str()), (130, "stopped: link.csv has a part of them\n"));
}

#[test]
fn memory_that_is_used_up_is_told_once() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("a.txt"), "ann@host.org").unwrap();
    let mut running =
        Running::start(folder.path(), &["run", "--path", "a.txt", "--target", "9", "--memory-limit", "1"]);
    running.wait_for(", memory: far more than all of it is in use (0 places)\n");
}

#[test]
fn what_binds_a_job_is_told_whole_on_a_terminal_of_80_columns() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("a.txt"), "ann@host.org").unwrap();
    // `script` gives it a terminal, and keeps at once what is written there.
    let run = format!("stty cols 80; exec {} run --path a.txt --target 9 --memory-limit 1", binary().display());
    let script = format!("TERM=xterm exec script -qefc '{run}' /dev/stderr");
    let mut command = at_home("sh", folder.path());
    command.args(["-c", &script]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let err = BufReader::new(child.stderr.take().unwrap());
    let mut running = Running { child, err };
    let mut drawn = String::new();
    while !drawn.contains("memory: far more than all of it is in use (0 places)") {
        assert!(drawn.len() < 10_000, "it is drawn again and again without: {drawn}");
        let part = running.err.fill_buf().unwrap();
        drawn.push_str(&String::from_utf8_lossy(part));
        let count = part.len();
        running.err.consume(count);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_paused_when_its_terminal_is_closed_unless_it_was_started_to_outlive_it() {
    let web = web(Duration::from_millis(100)).await;
    let (folder, outliving) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (path, outliving_path, url) = (folder.path().to_owned(), outliving.path().to_owned(), web.site_url());
    let test = spawn_blocking(move || {
        let run = ["run", "--url", &url, "--crawl", "--target", "1000", "--rate-limit", "0", "--per-host", "1"];
        let mut running = Running::start_by(&["env", "--default-signal=HUP"], &path, &run);
        let outliving = Running::start_by(&["nohup"], &outliving_path, &run);
        for (path, child) in [(&path, &running.child), (&outliving_path, &outliving.child)] {
            until(path, |job| job["collected"].as_u64() > Some(0));
            hang_up(child);
        }
        running.wait_for("stopping: ");
        let ran = running.end();
        assert_eq!(ran.code, 130, "{}", ran.err);
        assert!(ran.err.contains("go on: mailscan run --resume 1\n"), "{}", ran.err);
        assert_eq!(until(&path, |_| true)["status"], "paused");
        let ran = outliving.end();
        assert_eq!(ran.code, 0, "{}", ran.err);
        let completed = until(&outliving_path, |_| true);
        assert_eq!((&completed["status"], &completed["collected"]), (&"completed".into(), &300.into()), "{completed}");
    });
    timeout(HANGS, test).await.expect("the runs do not end").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_process_was_killed_is_shown_as_unattended() {
    let slow = web(SLOW).await;
    let folder = TempDir::new().unwrap();
    let (path, url) = (folder.path().to_owned(), slow.site_url());
    let test = spawn_blocking(move || {
        let mut running = Running::start(&path, &["run", "--url", &url, "--target", "1000", "--rate-limit", "0"]);
        until(&path, |job| queue(job, "processing") > 0);
        assert!(run_in(&path, &["job", "list"]).out.contains(" running "));
        let shown = run_in(&path, &["job", "show", "1"]);
        assert!(shown.out.contains("status     running\n") && shown.err.is_empty(), "{}{}", shown.out, shown.err);
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        assert!(run_in(&path, &["job", "list"]).out.contains(" unattended "));
        assert_eq!(json(&run_in(&path, &["job", "list", "--json"]).out)[0]["unattended"], true);
        assert_eq!(json(&run_in(&path, &["job", "show", "1", "--json"]).out)["unattended"], true);
        let shown = run_in(&path, &["job", "show", "1"]);
        assert!(shown.out.contains("status     unattended\n") && !shown.out.contains("bound by"), "{}", shown.out);
        assert!(shown.err.contains("`mailscan run --resume 1` or `mailscan serve` goes on"), "{}", shown.err);
    });
    timeout(HANGS, test).await.expect("the run does not end").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_interrupt_drops_slow_pages_and_loses_none() {
    let slow = web(SLOW).await;
    let (address, pages) = (slow.local_addr(), slow.pages());
    let folder = TempDir::new().unwrap();
    let endpoint = format!("http://{address}/");
    let path = folder.path().to_owned();
    let test = spawn_blocking(move || {
        let run = ["run", "--search", "contact", "--search-endpoint", &endpoint, "--search-lanes", "30"];
        let politeness = ["--target", "1000", "--rate-limit", "0", "--per-host", "64"];
        let mut running = Running::start(&path, &[&run[..], &politeness].concat());
        until(&path, |job| queue(job, "processing") == pages && queue(job, "completed") > 0);
        running.interrupt();
        running.wait_for("stopping: ");
        running.interrupt();
        running.wait_for("stopping at once");
        let ran = running.end();
        assert_eq!(ran.code, 130, "{}", ran.err);
        let paused = until(&path, |_| true);
        assert_eq!((&paused["status"], queue(&paused, "processing")), (&"paused".into(), 0), "{paused}");
        assert_eq!(queue(&paused, "pending") + queue(&paused, "delayed"), pages, "{paused}");
    });
    timeout(HANGS, test).await.expect("the abort waits for slow pages").unwrap();
    drop(slow);

    // The same web, no longer slow.
    let quick = timeout(HANGS, again(address)).await.expect("the slow web does not go");
    let path = folder.path().to_owned();
    let resumed = spawn_blocking(move || run_in(&path, &["run", "--resume"]));
    let resumed = timeout(HANGS, resumed).await.expect("the resumed run does not end").unwrap();
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert!(resumed.err.contains("300 addresses of 1,000"), "{}", resumed.err);
    drop(quick);
}
