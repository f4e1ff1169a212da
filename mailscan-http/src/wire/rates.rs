//! How fast a job collected lately, as JSON.

use mailscan_core::job::JobId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::samples;

/// The rates of a job while it ran.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Rates {
    /// The job.
    job_id: u64,
    /// The last ten minutes at most, as this server saw them, the oldest first.
    history: Vec<Rate>,
}

/// The rate at one moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Rate {
    at: String,
    emails_per_minute: f64,
}

impl Rates {
    /// The wire form of what was seen of a job.
    pub(crate) fn new(job: JobId, history: &[samples::Rate]) -> Self {
        let rate = |rate: &samples::Rate| Rate { at: rate.at.rfc3339(), emails_per_minute: rate.emails_per_minute };
        Self { job_id: job.0, history: history.iter().map(rate).collect() }
    }
}
