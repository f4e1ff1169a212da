//! How a command ends: the exit codes that scripts rely on, and the errors behind them.

use std::io;
use std::process::ExitCode;

/// The end of a command, as its exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// It could not be done.
    Failed = 1,
    /// It was asked for in a way that cannot be understood.
    Usage = 2,
    /// It was done, and there are errors to look at.
    DoneWithErrors = 3,
    /// It was stopped before its end and can be resumed.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not be carried out: one line for a person.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was typed does not make sense.
    #[error("{0}")]
    Usage(String),
    /// Something did not work.
    #[error("{0}")]
    Failed(String),
    /// The engine, the queue or the store failed.
    #[error("{0}")]
    Core(#[from] mailscan_core::Error),
    /// Writing results failed.
    #[error("cannot write the results: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Core(error) if error.kind() == mailscan_core::ErrorKind::Invalid => Exit::Usage,
            _ => Exit::Failed,
        }
    }

    /// Whether whoever read the results has seen enough, such as `head`.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<csv::Error> for Failure {
    fn from(error: csv::Error) -> Self {
        match error.into_kind() {
            csv::ErrorKind::Io(error) => Self::Output(error),
            other => Self::Failed(format!("cannot write the results: {other:?}")),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}

/// The result of a command or of a part of one.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;
