//! How a job stands, as live events tell it.

use mailscan_core::clock::Timestamp;
use mailscan_core::job::{JobState, Outline};
use mailscan_core::limits::Limits;
use mailscan_core::store::{NodeSeen, Workforce};
use mailscan_core::{eta, store, task};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Bound, Queue, names, percentage, planned};

/// How a job stands at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Progress {
    job_id: u64,
    #[schema(schema_with = names::job_status)]
    status: &'static str,
    reason: Option<String>,
    collected: u64,
    target: u64,
    percentage: f64,
    active_workers: u32,
    workers: u32,
    eta_seconds: Option<u64>,
    eta_formatted: Option<String>,
    elapsed_seconds: u64,
    elapsed_formatted: String,
    emails_per_minute: f64,
    remaining_emails: u64,
    queue: Queue,
    errors_open: u64,
    bounds: Vec<Bound>,
    at: String,
}

/// What is known of a job beside itself.
#[derive(Clone, Debug)]
pub(crate) struct Around<'a> {
    pub(crate) eta: eta::Eta,
    pub(crate) depth: &'a task::Depth,
    pub(crate) nodes: &'a [NodeSeen],
    pub(crate) bounds: &'a [store::JobBound],
    pub(crate) errors_open: u64,
}

impl Progress {
    /// The wire form of how a job stands, without the time: what tells one state from another.
    pub(crate) fn new(job: &JobState, outline: &Outline, around: Around<'_>, limits: &Limits) -> Self {
        let Around { eta, depth, nodes, bounds, errors_open } = around;
        let workers = planned(job, outline, limits);
        Self {
            job_id: job.id.0,
            status: job.status.as_str(),
            reason: job.reason.clone(),
            collected: job.collected,
            target: job.target,
            percentage: percentage(job),
            active_workers: Workforce::of_job(job, workers, nodes, limits).active,
            workers,
            eta_seconds: eta.eta_seconds,
            eta_formatted: eta.eta_formatted,
            elapsed_seconds: eta.elapsed_seconds,
            elapsed_formatted: eta.elapsed_formatted,
            emails_per_minute: eta.emails_per_minute,
            remaining_emails: eta.remaining_emails,
            queue: Queue::from(depth),
            errors_open,
            bounds: bounds.iter().map(Bound::from).collect(),
            at: String::new(),
        }
    }

    /// The same, with the moment at which it was so.
    #[must_use]
    pub(crate) fn at(self, now: Timestamp) -> Self {
        Self { at: now.rfc3339(), ..self }
    }
}
