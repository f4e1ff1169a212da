//! The server over real sockets, with a SQLite database: what it answers, what it refuses, and whom it cuts off.

mod access;
mod addresses;
mod api;
mod caching;
mod client;
mod command;
mod described;
mod errors;
mod events;
mod jobs;
mod limits;
mod metrics;
mod network;
mod outage;
mod reload;
mod stale;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions};
use mailscan_core::job::{JobId, JobSource, JobSpec, JobStatus, NewJob, Origin};
use mailscan_core::pipeline::Backends;
use mailscan_core::source::Sources;
use mailscan_core::store::Store;
use mailscan_http::ServeOptions;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything here may take; reached only by a server that hangs.
const HANGS: Duration = Duration::from_secs(60);

/// A server over a database of its own.
struct Running {
    address: SocketAddr,
    store: Sqlite,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
    folder: TempDir,
}

async fn start(options: ServeOptions) -> Running {
    start_in(TempDir::new().unwrap(), options).await
}

/// A server over the database of a folder.
async fn start_in(folder: TempDir, options: ServeOptions) -> Running {
    let store = Sqlite::open(folder.path().join("mailscan.db"), SqliteOptions::default()).unwrap();
    let pipeline = Backends { queue: store.clone(), store: store.clone(), fetcher: Sources::new() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let until = async {
        let _ = stopped.await;
    };
    let served = tokio::spawn(mailscan_http::serve(listener, Arc::new(pipeline), options, until));
    Running { address, store, stop, served, folder }
}

/// Puts a job into the store.
async fn job(store: &Sqlite, target: u64, status: JobStatus) -> JobId {
    let spec = JobSpec::new(target, vec![JobSource::Url("https://example.org/".to_owned())]);
    let key = format!("{target} {status}");
    let id = store.create_job(&NewJob { key, spec, origin: Origin::Operator }).await.unwrap().id();
    if status != JobStatus::Queued {
        store.transition(id, &[JobStatus::Queued], JobStatus::Running, None).await.unwrap();
    }
    if !matches!(status, JobStatus::Queued | JobStatus::Running) {
        store.transition(id, &[JobStatus::Running], status, None).await.unwrap();
    }
    id
}
