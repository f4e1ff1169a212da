//! The browser: chromedriver and the Chromium that it starts, with a profile of their own, gone at the end.
//!
//! Where it is there, the Chromium without windows: the pages are the same, and the surface around them, which is pages as well,
//! takes as much of a processor as they do.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fantoccini::wd::{TimeoutConfiguration, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::HANGS;
use crate::services::skip;

/// Each is several processes: a few at a time are all that a small machine bears.
static PLACES: Semaphore = Semaphore::const_new(2);

/// A browser of one test.
#[derive(Debug)]
pub(super) struct Browser {
    pub(super) client: Client,
    driver: Driver,
    _place: SemaphorePermit<'static>,
}

/// The processes, killed when it is dropped, and their files.
#[derive(Debug)]
struct Driver {
    child: Child,
    profile: TempDir,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The browser is in the driver's group, and would live on without it.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

impl Browser {
    /// A new browser, or `None` where none is installed and none is required.
    pub(super) async fn start() -> Option<Self> {
        let program = match program() {
            Ok(program) => program,
            Err(missing) => {
                skip(&format!(
                    "{missing} is missing, so the page was not tried in a browser: \
                     apt-get install chromium-headless-shell chromium-driver"
                ));
                return None;
            }
        };
        let place = PLACES.acquire().await.unwrap();
        let profile = TempDir::new().unwrap();
        let (child, port) = start_driver(profile.path());
        let driver = Driver { child, profile };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(&program))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        let limits = TimeoutConfiguration::new(Some(HANGS), Some(HANGS), Some(std::time::Duration::ZERO));
        client.update_timeouts(limits).await.unwrap();
        let browser = Self { client, driver, _place: place };
        // The browser's own first page asks for much; it is not what is tested.
        browser.client.goto("about:blank").await.unwrap();
        browser.log("performance").await;
        Some(browser)
    }

    /// A folder that goes with the browser.
    pub(super) fn folder(&self) -> &std::path::Path {
        self.driver.profile.path()
    }

    /// A command of the DevTools protocol.
    pub(super) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.client.issue_cmd(Post("goog/cdp/execute", body)).await.unwrap()
    }

    /// What was logged since the last look: `browser` is the console, `performance` has every request.
    pub(super) async fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.client.issue_cmd(Post("se/log", json!({"type": kind}))).await.unwrap();
        entries.as_array().unwrap().clone()
    }

    pub(super) async fn close(self) {
        self.client.close().await.unwrap();
    }
}

/// The browser that there is, or what is not there.
fn program() -> Result<PathBuf, &'static str> {
    find("chromedriver").ok_or("chromedriver")?;
    ["chromium-headless-shell", "chromium"].into_iter().find_map(find).ok_or("chromium-headless-shell")
}

/// Where a program is installed.
fn find(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Starts the driver; answers where it listens. It takes any port of the first kind of addresses and ends when another
/// program has the same one of the second kind, as happens beside tests that hold thousands of connections.
fn start_driver(files: &Path) -> (Child, u16) {
    (0..5).find_map(|_| try_driver(files)).expect("chromedriver says where it listens")
}

/// Starts the driver in a process group of its own; `None` when it ends before it listens.
fn try_driver(files: &Path) -> Option<(Child, u16)> {
    let mut child = Command::new("chromedriver")
        .arg("--port=0")
        // The browser's profile goes there.
        .env("TMPDIR", files)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    let Some(port) = port else {
        // Its output has ended, so it has as well.
        child.wait().unwrap();
        return None;
    };
    // Nobody reads on, and a full pipe would stop it.
    std::thread::spawn(move || lines.for_each(drop));
    Some((child, port))
}

fn capabilities(program: &Path) -> serde_json::Map<String, Value> {
    let arguments = [
        "--headless",
        // Chromium's own sandbox does not start for root; what it is shown here is ours.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        // No process for a page that nobody opens.
        "--disable-features=SpareRendererForSitePerProcess",
        "--no-first-run",
        "--window-size=1280,900",
    ];
    let all = json!({
        // Certificates of tests are their own authorities.
        "acceptInsecureCerts": true,
        "goog:chromeOptions": {"args": arguments, "binary": program},
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
    });
    all.as_object().unwrap().clone()
}

/// A command that chromedriver has beside the standard's.
#[derive(Debug)]
struct Post(&'static str, Value);

impl WebDriverCompatibleCommand for Post {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &url::Url) -> (hyper::Method, Option<String>) {
        (hyper::Method::POST, Some(self.1.to_string()))
    }
}
