//! Who works on a job, as JSON: counted, and one by one.

use mailscan_core::job::{self, JobStatus};
use mailscan_core::limits::Limits;
use mailscan_core::store::NodeSeen;
use mailscan_core::task;
use serde::Serialize;

use super::{Eta, Queue, percentage, planned};

/// The workers of a job, as they last said.
#[derive(Clone, Debug, Serialize)]
pub struct Workers {
    job_id: u64,
    planned: u32,
    active: u32,
    idle: u32,
    stale: u32,
    workers: Vec<Worker>,
}

/// A worker whose last fetch was for the job.
#[derive(Clone, Debug, Serialize)]
pub struct Worker {
    node: String,
    host: String,
    pid: u32,
    worker: u32,
    state: &'static str,
    in_flight: u32,
    task: Option<String>,
    last_heartbeat_seconds: u64,
}

impl Workers {
    /// The workers of a job among all processes that the store knows of.
    pub fn new(job: &job::Job, nodes: &[NodeSeen], limits: &Limits) -> Self {
        let workers: Vec<_> = nodes.iter().flat_map(|node| workers_of(job, node, limits)).collect();
        let count = |state| u32::try_from(workers.iter().filter(|worker| worker.state == state).count());
        let active = count("active").unwrap_or(u32::MAX);
        let stale = count("stale").unwrap_or(u32::MAX);
        let planned = planned(job, limits);
        // Those planned for a job that nobody works on are not idle: there are none.
        let idle = if job.status == JobStatus::Running { planned.saturating_sub(active) } else { 0 };
        Self { job_id: job.id.0, planned, active, idle, stale, workers }
    }
}

fn workers_of<'a>(job: &'a job::Job, node: &'a NodeSeen, limits: &'a Limits) -> impl Iterator<Item = Worker> + 'a {
    let beat = &node.beat;
    let stale = node.silent_for >= limits.stale_after;
    beat.workers.iter().filter(|worker| worker.job == Some(job.id)).map(move |worker| Worker {
        node: beat.node.0.clone(),
        host: beat.host.clone(),
        pid: beat.pid,
        worker: worker.worker,
        state: match worker.in_flight {
            _ if stale => "stale",
            0 => "idle",
            _ => "active",
        },
        in_flight: worker.in_flight,
        task: worker.task.clone(),
        last_heartbeat_seconds: node.silent_for.as_secs(),
    })
}

/// Status, workers and ETA of a job in one answer.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerStatus {
    #[serde(flatten)]
    eta: Eta,
    reason: Option<String>,
    collected: u64,
    target: u64,
    percentage: f64,
    workers: Workers,
    queue: Queue,
}

impl WorkerStatus {
    /// The wire form of how a job stands.
    pub fn new(job: &job::Job, eta: Eta, workers: Workers, depth: &task::Depth) -> Self {
        Self {
            eta,
            reason: job.reason.clone(),
            collected: job.collected,
            target: job.spec.target,
            percentage: percentage(job),
            workers,
            queue: Queue::from(depth),
        }
    }
}
