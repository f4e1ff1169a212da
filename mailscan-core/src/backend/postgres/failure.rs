//! From what PostgreSQL says to what the contracts say.

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use crate::backend::spec::Unreadable;
use crate::error::{Error, ErrorKind};

/// Why an operation failed, before it has a name.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server or the way to it could not.
    Sql(tokio_postgres::Error),
    /// The operation says so itself: a kind and a line for a person.
    Own(ErrorKind, String),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Unreadable> for Failure {
    fn from(unreadable: Unreadable) -> Self {
        Self::corrupt(unreadable.what, &unreadable.text)
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Sql(error),
            PoolError::Timeout(_) => {
                Self::Own(ErrorKind::Unavailable, "all connections to the database are busy: try again".to_owned())
            }
            other => Self::Own(ErrorKind::Internal, format!("no connection to the database ({other})")),
        }
    }
}

impl Failure {
    /// Stored data that makes no sense.
    pub(super) fn corrupt(what: &str, value: &str) -> Self {
        Self::Own(ErrorKind::Corrupt, format!("the database holds an unknown {what}: `{value}`"))
    }

    /// The server gave up one of several transactions that stood in each other's way: the same again works.
    pub(super) fn is_conflict(&self) -> bool {
        let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        matches!(self, Self::Sql(error) if error.code().is_some_and(|code| conflicts.contains(code)))
    }

    /// A lock was waited for as long as may be.
    pub(super) fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Sql(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
    }

    /// The same of a right that is missing, where it is known how people give that one.
    pub(super) fn with_mend(self, place: &str, mend: &str) -> Self {
        match &self {
            Self::Sql(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                let reason = error.as_db_error().map_or("", |refusal| refusal.message());
                let message = format!("{place}: {mend} ({reason}, {})", SqlState::INSUFFICIENT_PRIVILEGE.code());
                Self::Own(ErrorKind::Invalid, message)
            }
            _ => self,
        }
    }

    /// The error of an operation on the database at `place`.
    pub(super) fn named(&self, operation: &'static str, place: &str) -> Error {
        match self {
            Self::Sql(error) => sql_error(operation, place, error),
            Self::Own(kind, message) => Error::new(*kind, operation, message.clone()),
        }
    }

    /// The same of a database that is open already. Whoever was let in before is let in again when a password is changed
    /// everywhere, or those who change over to another server have come to their end: that is waited for. A right that is
    /// missing is no such thing.
    pub(super) fn named_at_work(&self, operation: &'static str, place: &str) -> Error {
        let error = self.named(operation, place);
        match self {
            Self::Sql(refusal)
                if error.kind() == ErrorKind::Invalid && refusal.code() != Some(&SqlState::INSUFFICIENT_PRIVILEGE) =>
            {
                Error::new(ErrorKind::Unavailable, operation, error.message().to_owned()).with_source(error)
            }
            _ => error,
        }
    }
}

/// What the server says when it cannot serve anybody, or ended what it was doing for us.
fn passes(code: &SqlState) -> bool {
    // Classes of codes: connections, resources, operators, the system, rolled back transactions.
    ["08", "53", "57", "58", "40", "25"].iter().any(|class| code.code().starts_with(class))
        // The rest of its class says that the server, or a pooler before it, came into a state that it did not expect.
        || [SqlState::LOCK_NOT_AVAILABLE, SqlState::INTERNAL_ERROR].contains(code)
}

fn sql_error(operation: &'static str, place: &str, error: &tokio_postgres::Error) -> Error {
    let Some(refusal) = error.as_db_error() else {
        let cause = std::error::Error::source(error).map(|cause| format!("{error}: {cause}"));
        let cause = cause.unwrap_or_else(|| error.to_string());
        if is_defect(error) {
            return Error::new(
                ErrorKind::Internal,
                operation,
                format!("the database at {place} answered oddly ({cause})"),
            );
        }
        let message = format!("the database at {place} cannot be reached ({cause}): check address, rights and server");
        return Error::new(ErrorKind::Unavailable, operation, message).with_source(cause);
    };
    let code = refusal.code();
    let (kind, hint) = match code {
        code if *code == SqlState::DISK_FULL => {
            (ErrorKind::Full, "the disk of the database is full: make room and go on")
        }
        code if code.code().starts_with("28") || *code == SqlState::INVALID_CATALOG_NAME => {
            (ErrorKind::Invalid, "the server lets nobody in under this URL: check user, password and database")
        }
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => (
            ErrorKind::Invalid,
            "the user may not do this: let the owner of the schema `mailscan` grant USAGE on it, and all rights on its \
             tables and sequences",
        ),
        code if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
            (ErrorKind::Unavailable, "the database is read-only: name the primary server")
        }
        code if *code == SqlState::TOO_MANY_CONNECTIONS => (
            ErrorKind::Unavailable,
            "the server has no connection left: a node takes up to nine, so raise max_connections, or the CONNECTION LIMIT \
             of the user or the database, or put a pooler in between",
        ),
        code if passes(code) => (ErrorKind::Unavailable, "the database is busy or restarting: try again"),
        code if [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED].contains(code) => {
            (ErrorKind::Corrupt, "the database is damaged: restore a copy")
        }
        _ => (ErrorKind::Internal, "the database refused a statement"),
    };
    let message = format!("{place}: {hint} ({}, {})", refusal.message(), code.code());
    Error::new(kind, operation, message).with_source(error.to_string())
}

/// Whether the client, not the way to the server, is at fault.
fn is_defect(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    ["serializing", "deserializing", "unexpected message", "unexpected number", "invalid column"]
        .iter()
        .any(|sign| text.contains(sign))
}
