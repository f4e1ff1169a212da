//! Reads: a few connections, each used by one blocking task at a time.
//!
//! What people look through, which may take long, has connections of its own: the engine and whoever asks how a job stands do not
//! wait for it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::failure::Failure;
use super::{Sqlite, schema};
use crate::error::{Error, ErrorKind, Result};

/// How many reads of each sort run side by side.
const READERS: usize = 4;

/// What a read may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// A few rows by an index, or what the engine needs.
    Quick,
    /// As much as there is to look through.
    Long,
}

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    quick: Arc<Semaphore>,
    long: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        let permits = || Arc::new(Semaphore::new(READERS));
        Self { path, quick: permits(), long: permits(), idle: Arc::default() }
    }
}

impl Sqlite {
    /// Runs a read on a connection of its own; it sees everything that was answered before.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        body: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        self.read_as(Sort::Quick, operation, body).await
    }

    /// The same for what may take long.
    pub(super) async fn read_long<T: Send + 'static>(
        &self,
        operation: &'static str,
        body: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        self.read_as(Sort::Long, operation, body).await
    }

    async fn read_as<T: Send + 'static>(
        &self,
        sort: Sort,
        operation: &'static str,
        body: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let readers = &self.shared.readers;
        let stopped = || Error::new(ErrorKind::Internal, operation, "a reader of the database has stopped");
        let permits = if sort == Sort::Quick { &readers.quick } else { &readers.long };
        let permit = permits.clone().acquire_owned().await.map_err(|_| stopped())?;
        let (path, idle) = (readers.path.clone(), readers.idle.clone());
        let read = move || {
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match taken {
                Some(connection) => connection,
                None => connect(&path)?,
            };
            let result = body(&connection).map_err(|failure| failure.named(operation));
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(permit);
            result
        };
        tokio::task::spawn_blocking(read).await.map_err(|error| stopped().with_source(error))?
    }
}

fn connect(path: &std::path::Path) -> Result<Connection> {
    let connection = schema::connect(path)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(|error| super::failure::sql_error("open database", &error))?;
    Ok(connection)
}
