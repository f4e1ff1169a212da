//! From what SQLite says to what the contracts say.

use rusqlite::ErrorCode;

use crate::backend::spec::Unreadable;
use crate::error::{Error, ErrorKind};

/// Why an operation on a connection failed, before it has a name.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite could not.
    Sql(rusqlite::Error),
    /// The operation says so itself: a kind and a line for a person.
    Own(ErrorKind, String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Unreadable> for Failure {
    fn from(unreadable: Unreadable) -> Self {
        Self::corrupt(unreadable.what, &unreadable.text)
    }
}

impl Failure {
    /// Stored data that makes no sense.
    pub(super) fn corrupt(what: &str, value: &str) -> Self {
        Self::Own(ErrorKind::Corrupt, format!("the database holds an unknown {what}: `{value}`"))
    }

    /// The error of an operation.
    pub(super) fn named(&self, operation: &'static str) -> Error {
        match self {
            Self::Sql(error) => sql_error(operation, error),
            Self::Own(kind, message) => Error::new(*kind, operation, message.clone()),
        }
    }
}

/// The error of an operation that SQLite refused.
pub(super) fn sql_error(operation: &'static str, error: &rusqlite::Error) -> Error {
    let (kind, hint) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => (ErrorKind::Full, "the disk of the database is full: make room and go on"),
        // The last is a lost race for the write-ahead log among several processes.
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            (ErrorKind::Unavailable, "the database is locked by another process: try again")
        }
        Some(ErrorCode::NotADatabase) => (ErrorKind::NotADatabase, "the file is not a database"),
        Some(ErrorCode::DatabaseCorrupt) => (ErrorKind::Corrupt, "the database is damaged: restore a copy"),
        Some(ErrorCode::CannotOpen) => (
            ErrorKind::Unavailable,
            "the database cannot be opened: check path and rights, which must let files be made beside it, even to read",
        ),
        Some(ErrorCode::ReadOnly) => (
            ErrorKind::Unavailable,
            "the database cannot be written, which even reading needs: check its rights, or copy it to where you may write",
        ),
        Some(ErrorCode::OutOfMemory) => (ErrorKind::Unavailable, "there is no memory for a statement of the database"),
        Some(ErrorCode::SystemIoFailure) => (ErrorKind::Unavailable, "reading or writing the database failed"),
        _ => (ErrorKind::Internal, "the database refused a statement"),
    };
    Error::new(kind, operation, format!("{hint} ({error})")).with_source(error.to_string())
}
