//! The error of queues, stores and pipelines: what kind of failure, during which operation, and its cause.
//!
//! A fetch has an error type of its own, [`crate::fetch::FetchError`], because a page that cannot be had is part of
//! the work; an [`Error`] means that the machinery itself could not do what it was asked.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::sync::Arc;

/// The result of an operation on a queue, a store or a pipeline.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, for a program to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's input cannot be used; repeating the call will not help.
    Invalid,
    /// The job, task or address named does not exist.
    NotFound,
    /// The state of the job does not allow the operation.
    Conflict,
    /// The backend cannot be reached or is busy; the same call may succeed later.
    Unavailable,
    /// There is no room left where the backend keeps its data; the same call may succeed once there is.
    Full,
    /// The file or server does not hold a mailscan database.
    NotADatabase,
    /// The database was written by a newer version of mailscan.
    SchemaTooNew,
    /// Stored data cannot be understood.
    Corrupt,
    /// A defect in mailscan or its backend.
    Internal,
}

impl ErrorKind {
    /// The kind as a short lower-case phrase.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid input",
            Self::NotFound => "not found",
            Self::Conflict => "not possible now",
            Self::Unavailable => "unavailable",
            Self::Full => "no space left",
            Self::NotADatabase => "not a mailscan database",
            Self::SchemaTooNew => "made by a newer mailscan",
            Self::Corrupt => "stored data is damaged",
            Self::Internal => "internal error",
        }
    }
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failed operation: its kind, its name, a line for a person, and the cause where there is one.
///
/// The text is one line, lower case, and names the thing and how to mend it.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct Error {
    kind: ErrorKind,
    operation: &'static str,
    message: Cow<'static, str>,
    #[source]
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind` during `operation`, with a message for a person.
    pub fn new(kind: ErrorKind, operation: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, operation, message: message.into(), source: None }
    }

    /// The same error with its cause attached.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// What went wrong, for a program to act on.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The operation that failed, such as `claim` or `open database`.
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// The line for a person, without the operation's name.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same error for one more of those who wait for it.
    pub(crate) fn again(&self) -> Self {
        let (operation, source) = (self.operation, self.source.clone());
        Self { kind: self.kind, operation, message: self.message.clone(), source }
    }

    /// Whether the same call may succeed later without any change by the caller.
    ///
    /// Every contract call is safe to repeat, so a transient error is answered with back-off and a repeat.
    pub const fn is_transient(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_line_with_the_operation() {
        let error = Error::new(ErrorKind::Unavailable, "claim", "the database is locked").with_source("busy");
        assert_eq!(error.to_string(), "claim: the database is locked");
        assert_eq!(std::error::Error::source(&error).map(ToString::to_string), Some("busy".to_owned()));
        assert!(error.is_transient());
    }

    #[test]
    fn only_outages_are_transient() {
        for kind in [ErrorKind::Invalid, ErrorKind::NotFound, ErrorKind::Conflict, ErrorKind::Corrupt] {
            assert!(!Error::new(kind, "x", "y").is_transient(), "{kind}");
        }
    }
}
