//! The page in a real browser: headless Chromium, a real `mailscan serve` on a SQLite file, a simulated web.
//!
//! Debian's packages `chromium-headless-shell` (or `chromium`) and `chromium-driver` must be there. Without them these tests say so and pass; with
//! `MAILSCAN_REQUIRE_SERVICES` set they fail instead. `MAILSCAN_SCREENSHOTS=DIR` keeps a picture of every view.

mod access;
mod chart;
mod chrome;
mod connection;
mod errors;
mod hostile;
mod jobs;
mod keyboard;
mod lists;
mod looks;
mod network;
mod page;
mod served;
mod sources;
mod token;

use std::time::Duration;

use mailscan_core::Address;
use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_core::class::Classes;
use mailscan_core::extract::Form;
use mailscan_core::job::{JobId, JobSource, JobSpec, JobStatus, NewJob};
use mailscan_core::lease::{FailureClass, NodeId};
use mailscan_core::simulate::{SimulatedWeb, SimulationOptions};
use mailscan_core::store::{ErrorClass, NewWorkerError, Sighting, Store};
use mailscan_core::task::TaskId;
use tempfile::TempDir;

use chrome::Browser;
use page::Page;
use served::Served;

/// Longer than anything here may take; reached only by a page that hangs.
const HANGS: Duration = Duration::from_secs(90);

/// A browser before a server with a database of its own, and a web to collect from.
struct Desk {
    page: Page,
    served: Served,
    web: SimulatedWeb,
    folder: TempDir,
}

impl Desk {
    /// `None` where there is no browser.
    async fn open(web: SimulationOptions) -> Option<Self> {
        Self::open_over(web, TempDir::new().unwrap(), &[]).await
    }

    /// The same over a folder whose database may hold something already, with more arguments to `serve`.
    async fn open_over(web: SimulationOptions, folder: TempDir, arguments: &[&str]) -> Option<Self> {
        let browser = Browser::start().await?;
        let web = SimulatedWeb::start(web).await.unwrap();
        let served = Served::start(folder.path(), "127.0.0.1:0", arguments);
        let page = Page::new(browser, served.origin());
        Some(Self { page, served, web, folder })
    }

    /// Creates a job over the site in the form, as a person would.
    async fn create(&self, target: u64) {
        self.page.visit("#/new").await;
        self.page.fill("#target", &target.to_string()).await;
        self.page.fill("#urls", &self.web.site_url()).await;
        self.page.fill("#depth", "50").await;
        self.page.press("Create job").await;
        self.page.until("/^#\\/jobs\\/\\d+/.test(location.hash) && document.querySelector('h1')?.textContent.startsWith('Job ')").await;
    }
}

/// Puts a job that nobody works on into the store of a folder.
async fn put(store: &Sqlite, status: JobStatus) -> JobId {
    let spec = JobSpec::new(100, vec![JobSource::Url("https://example.org/".to_owned())]);
    put_spec(store, spec, status).await
}

/// The same with what it was asked for.
async fn put_spec(store: &Sqlite, spec: JobSpec, status: JobStatus) -> JobId {
    let id = store.create_job(&NewJob::new(spec)).await.unwrap().id();
    store.transition(id, &[JobStatus::Queued], JobStatus::Running, None).await.unwrap();
    store.transition(id, &[JobStatus::Running], status, None).await.unwrap();
    id
}

/// A folder with a store for jobs that are there before the server is.
fn prepared() -> (TempDir, Sqlite) {
    let folder = TempDir::new().unwrap();
    let store = stored(&folder);
    (folder, store)
}

/// An error of one task of a job.
fn error(job: JobId, task: u64, code: &str) -> NewWorkerError {
    NewWorkerError {
        job,
        task: TaskId(task),
        fence: 1,
        node: NodeId("node".to_owned()),
        class: ErrorClass::Failed(FailureClass::Permanent),
        code: code.to_owned(),
        host: "example.org".to_owned(),
        label: format!("https://example.org/{task}"),
        message: "not found".to_owned(),
    }
}

/// An address that a job has found.
fn sighting(job: JobId, n: u64) -> Sighting {
    Sighting {
        job,
        address: Address::parse(&format!("user{n}@host.org")).unwrap(),
        source: "https://host.org/".into(),
        offset: 0,
        form: Form::Plain,
        classes: Classes::NONE,
    }
}

/// The store of a folder.
fn stored(folder: &TempDir) -> Sqlite {
    Sqlite::open(folder.path().join("mailscan.db"), SqliteOptions::default()).unwrap()
}

/// A web that takes its time.
fn slow(emails: u64) -> SimulationOptions {
    SimulationOptions {
        emails,
        page_delay: Duration::from_millis(300),
        page_bytes: 2_000,
        ..SimulationOptions::default()
    }
}

/// A web that answers at once, or nearly so.
fn quick(emails: u64) -> SimulationOptions {
    SimulationOptions { page_delay: Duration::from_millis(20), ..slow(emails) }
}
