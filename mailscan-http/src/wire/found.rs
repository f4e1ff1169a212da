//! What a job has found and what went wrong with it, row by row, as JSON.

use mailscan_core::class::Class;
use mailscan_core::desk::{self, Outcome};
use mailscan_core::store::{self, Stored, WorkerError};
use serde::Serialize;
use utoipa::ToSchema;

/// A page of addresses.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Addresses {
    /// The addresses, in the order in which they were found.
    pub addresses: Vec<Address>,
    /// The `after` of the next page; null when this is the last. A page of a search may be short and not the last.
    pub next_after: Option<u64>,
}

/// An address with where it was first seen.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Address {
    id: u64,
    address: String,
    /// The URL or path.
    source: String,
    /// Where in the decoded document it began, in bytes.
    offset: u64,
    /// How it was written.
    form: &'static str,
    classes: Vec<&'static str>,
    found_at: String,
}

impl From<&Stored> for Address {
    fn from(stored: &Stored) -> Self {
        Self {
            id: stored.id,
            address: stored.address.as_str().to_owned(),
            source: stored.source.as_ref().to_owned(),
            offset: stored.offset,
            form: stored.form.as_str(),
            classes: stored.classes.iter().map(Class::as_str).collect(),
            found_at: stored.found_at.rfc3339(),
        }
    }
}

/// A page of errors.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorList {
    /// The job.
    pub job_id: u64,
    /// The errors, in the order in which they were recorded.
    pub errors: Vec<ErrorRow>,
    /// The `after` of the next page; null when this is the last.
    pub next_after: Option<u64>,
}

/// A page of the errors of all jobs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AllErrors {
    /// The errors, in the order in which they were recorded.
    pub errors: Vec<ErrorRow>,
    /// The `after` of the next page; null when this is the last.
    pub next_after: Option<u64>,
}

/// An error of a worker.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorRow {
    id: u64,
    job_id: u64,
    task: u64,
    #[schema(schema_with = super::names::error_class)]
    class: &'static str,
    code: String,
    host: String,
    /// What was fetched.
    label: String,
    message: String,
    at: String,
    /// Null while nobody has resolved it.
    resolved: Option<Resolution>,
}

/// How an error was resolved.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Resolution {
    at: String,
    note: String,
    /// Whether its task was tried again.
    retried: bool,
    /// What came of that: `pending`, `succeeded` or `failed`; null when it was not tried again.
    outcome: Option<&'static str>,
}

impl ErrorRow {
    /// The wire form of an error, with what came of trying its task again.
    pub fn new(row: &WorkerError, outcome: Option<Outcome>) -> Self {
        let resolution = |resolution: &store::Resolution| Resolution {
            at: resolution.at.rfc3339(),
            note: resolution.note.clone(),
            retried: resolution.retried,
            outcome: outcome.map(Outcome::as_str),
        };
        let error = &row.error;
        Self {
            id: row.id,
            job_id: error.job.0,
            task: error.task.0,
            class: error.class.as_str(),
            code: error.code.clone(),
            host: error.host.clone(),
            label: error.label.clone(),
            message: error.message.clone(),
            at: row.at.rfc3339(),
            resolved: row.resolved.as_ref().map(resolution),
        }
    }
}

/// What a resolution has done.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Resolved {
    /// Errors that were open and are not any more.
    resolved: u64,
    /// Tasks that had been given up and are on the queue again.
    retried: u64,
    /// Errors that the `ids` name, those included that were resolved before; left out where no ids were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<u64>,
    /// Given where the time of one answer was over before all errors were tried again: send the same with this `up_to` for the
    /// rest, until an answer has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    up_to: Option<u64>,
}

impl Resolved {
    /// The wire form of what was done, with how many errors the ids named where there were any.
    pub const fn new(resolved: desk::Resolved, found: Option<u64>) -> Self {
        Self { resolved: resolved.errors, retried: resolved.tasks, found, up_to: resolved.up_to }
    }
}
