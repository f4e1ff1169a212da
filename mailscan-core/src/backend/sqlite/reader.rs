//! Reads: a few connections, each used by one blocking task at a time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::failure::Failure;
use super::{Sqlite, schema};
use crate::error::{Error, ErrorKind, Result};

/// How many reads run side by side.
const READERS: usize = 4;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, permits: Arc::new(Semaphore::new(READERS)), idle: Arc::default() }
    }
}

impl Sqlite {
    /// Runs a read on a connection of its own; it sees everything that was answered before.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        body: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let readers = &self.shared.readers;
        let stopped = || Error::new(ErrorKind::Internal, operation, "a reader of the database has stopped");
        let permit = readers.permits.clone().acquire_owned().await.map_err(|_| stopped())?;
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
