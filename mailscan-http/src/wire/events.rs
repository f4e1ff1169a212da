//! What live events say beside rows and progress.

use mailscan_core::job::JobId;
use serde::Serialize;
use utoipa::ToSchema;

use super::Job;

/// All jobs that may still change by themselves. Whoever had others has to look at those anew.
#[derive(Debug, ToSchema)]
pub struct Snapshot {
    /// By id; of more than 1,024 those that run, and the newest of the others.
    pub jobs: Vec<Job>,
}

/// A job that is gone.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Deleted {
    id: u64,
}

/// A job that was deleted while somebody listened to it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Gone {
    id: u64,
    /// Always `deleted`.
    status: &'static str,
}

impl Deleted {
    /// The wire form.
    pub(crate) fn new(id: JobId) -> Self {
        Self { id: id.0 }
    }
}

impl Gone {
    /// The wire form.
    pub(crate) fn new(id: JobId) -> Self {
        Self { id: id.0, status: "deleted" }
    }
}
