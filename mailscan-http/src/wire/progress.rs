//! How a job stands, as live events tell it.

use mailscan_core::clock::Timestamp;
use mailscan_core::job::{JobId, JobState, JobStatus, Outline};
use mailscan_core::limits::Limits;
use mailscan_core::store::NodeSeen;
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
        Self {
            job_id: job.id.0,
            status: job.status.as_str(),
            reason: job.reason.clone(),
            collected: job.collected,
            target: job.target,
            percentage: percentage(job),
            active_workers: if job.status == JobStatus::Running { active(job.id, nodes, limits) } else { 0 },
            workers: planned(job, outline, limits),
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

/// Workers that have fetches of the job in flight, among processes that are alive.
fn active(job: JobId, nodes: &[NodeSeen], limits: &Limits) -> u32 {
    let alive = nodes.iter().filter(|node| node.silent_for < limits.stale_after);
    let busy = alive.flat_map(|node| &node.beat.workers).filter(|worker| worker.job == Some(job));
    u32::try_from(busy.filter(|worker| worker.in_flight > 0).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mailscan_core::lease::NodeId;
    use mailscan_core::store::{NodeBeat, WorkerState};

    use super::*;

    #[test]
    fn who_says_nothing_any_more_is_not_active() {
        let worker = |worker, in_flight, job| WorkerState { worker, in_flight, job: Some(JobId(job)), task: None };
        let workers = vec![worker(0, 2, 1), worker(1, 0, 1), worker(2, 1, 2)];
        let node = NodeId("node".to_owned());
        let beat = NodeBeat { node, host: String::new(), pid: 1, workers, bounds: Vec::new() };
        let active_after = |seconds, limits: &Limits| {
            active(JobId(1), &[NodeSeen { beat: beat.clone(), silent_for: Duration::from_secs(seconds) }], limits)
        };
        let minute = Limits { stale_after: Duration::from_secs(60), ..Limits::default() };
        assert_eq!([299, 300].map(|seconds| active_after(seconds, &Limits::default())), [1, 0]);
        assert_eq!([59, 60].map(|seconds| active_after(seconds, &minute)), [1, 0]);
    }
}
