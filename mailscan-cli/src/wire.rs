//! The one place that names a backend: a database as typed becomes a queue and a store.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use mailscan_core::backend::sqlite::{Sqlite, SqliteOptions, SqlitePipeline};
use mailscan_core::source::Sources;
use mailscan_core::source::file::FileSource;
use mailscan_core::source::http::HttpSource;

use crate::config::Fetching;
use crate::exit::{Failure, Result};

/// Queue and store in one; cheap to clone.
pub(crate) type Database = Sqlite;

/// Opens a database, and creates it when there is none.
pub(crate) async fn create(db: &str) -> Result<Database> {
    if db.contains("://") {
        let message = format!("`{db}` is not in this build: give the name of a database file, such as mailscan.db");
        return Err(Failure::Usage(message));
    }
    let path = Path::new(db).to_owned();
    let opened = tokio::task::spawn_blocking(move || Sqlite::open(path, SqliteOptions::default())).await;
    Ok(opened.map_err(|error| Failure::Failed(format!("cannot open `{db}`: {error}")))??)
}

/// Opens a database that is there.
pub(crate) async fn open(db: &str) -> Result<Database> {
    if !db.contains("://") && !Path::new(db).exists() {
        let message = format!("there is no database `{db}`: name it with --db, or make one with `mailscan run`");
        return Err(Failure::Failed(message));
    }
    create(db).await
}

/// A queue, a store and the fetchers that come with mailscan.
pub(crate) type Wired = SqlitePipeline<Sources>;

/// Puts a database and fetchers together.
pub(crate) fn pipeline(database: Database, fetching: &Fetching) -> Result<Arc<Wired>> {
    let http = HttpSource::new(&fetching.client, fetching.pace)?;
    let fetcher = Sources::new().with_http(http).with_files(FileSource::new());
    Ok(Arc::new(SqlitePipeline { database, fetcher }))
}

/// Waits for something asynchronous on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    let result = runtime.block_on(future);
    // What still runs was asked to stop; nobody waits for a read of standard input or a slow disk.
    runtime.shutdown_background();
    result
}
