//! Who works on a job, as JSON: counted, and one by one.

use mailscan_core::job::{JobState, JobStatus, Outline};
use mailscan_core::limits::Limits;
use mailscan_core::store::{self, NodeSeen, WorkerState, Workforce};
use mailscan_core::task;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Eta, Queue, percentage, planned};

/// The workers of a job, as they last said; none of a job that does not run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Workers {
    job_id: u64,
    planned: u32,
    active: u32,
    /// Workers that do nothing and that the plan has for the job.
    idle: u32,
    stale: u32,
    workers: Vec<Worker>,
}

/// A worker whose last fetch was for the job.
#[derive(Clone, Debug, Serialize, ToSchema)]
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
    pub fn new(job: &JobState, outline: &Outline, nodes: &[NodeSeen], limits: &Limits) -> Self {
        let planned = planned(job, outline, limits);
        let Workforce { active, idle, stale } = Workforce::of_job(job, planned, nodes, limits);
        // Nobody works on a job that does not run, whatever the last heartbeats said.
        let nodes = if job.status == JobStatus::Running { nodes } else { &[] };
        let workers = nodes.iter().flat_map(|node| workers_of(job, node, limits)).collect();
        Self { job_id: job.id.0, planned, active, idle, stale, workers }
    }
}

fn workers_of<'a>(job: &'a JobState, node: &'a NodeSeen, limits: &'a Limits) -> impl Iterator<Item = Worker> + 'a {
    let beat = &node.beat;
    let own = node.workers(limits).filter(|(worker, _)| worker.job == Some(job.id));
    own.map(move |(worker, status)| Worker {
        node: beat.node.0.clone(),
        host: beat.host.clone(),
        pid: beat.pid,
        worker: worker.worker,
        state: status.as_str(),
        in_flight: worker.in_flight,
        task: worker.task.clone(),
        last_heartbeat_seconds: node.silent_for.as_secs(),
    })
}

/// Every process and its workers, as they last said.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Nodes {
    nodes: Vec<Node>,
    active: u32,
    idle: u32,
    stale: u32,
}

/// A process.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Node {
    node: String,
    host: String,
    pid: u32,
    /// Seconds since it was last heard of.
    silent_seconds: u64,
    stale: bool,
    workers: Vec<NodeWorker>,
}

/// A worker of a process.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NodeWorker {
    worker: u32,
    /// `active`, `idle` or `stale`.
    status: &'static str,
    in_flight: u32,
    /// The job of what it began last.
    job: Option<u64>,
    /// What it began last.
    task: Option<String>,
}

impl Nodes {
    /// The wire form of all processes that the store knows of.
    pub fn new(seen: &[NodeSeen], limits: &Limits) -> Self {
        let Workforce { active, idle, stale } = Workforce::of_all(seen, limits);
        Self { nodes: seen.iter().map(|node| Node::new(node, limits)).collect(), active, idle, stale }
    }
}

impl Node {
    fn new(seen: &NodeSeen, limits: &Limits) -> Self {
        let beat = &seen.beat;
        let worker = |(worker, status): (&WorkerState, store::WorkerStatus)| NodeWorker {
            worker: worker.worker,
            status: status.as_str(),
            in_flight: worker.in_flight,
            job: worker.job.map(|job| job.0),
            task: worker.task.clone(),
        };
        Self {
            node: beat.node.0.clone(),
            host: beat.host.clone(),
            pid: beat.pid,
            silent_seconds: seen.silent_for.as_secs(),
            stale: seen.is_stale(limits),
            workers: seen.workers(limits).map(worker).collect(),
        }
    }
}

/// Status, workers and ETA of a job in one answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
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
    pub fn new(job: &JobState, eta: Eta, workers: Workers, depth: &task::Depth) -> Self {
        Self {
            eta,
            reason: job.reason.clone(),
            collected: job.collected,
            target: job.target,
            percentage: percentage(job),
            workers,
            queue: Queue::from(depth),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mailscan_core::clock::Timestamp;
    use mailscan_core::job::JobId;
    use mailscan_core::lease::NodeId;
    use mailscan_core::store::NodeBeat;
    use serde_json::{Value, json};

    use super::*;

    fn running() -> JobState {
        JobState {
            id: JobId(1),
            status: JobStatus::Running,
            reason: None,
            collected: 0,
            target: 1_000,
            active: Duration::ZERO,
            active_before: Duration::ZERO,
            created_at: Timestamp(0),
            started_at: None,
            finished_at: None,
        }
    }

    /// A process with a worker that is busy with the job and one that is not.
    fn silent_for(seconds: u64) -> NodeSeen {
        let worker = |worker, in_flight| WorkerState { worker, in_flight, job: Some(JobId(1)), task: None };
        let workers = vec![worker(0, 2), worker(1, 0)];
        let node = NodeId("node".to_owned());
        let beat = NodeBeat { node, host: String::new(), pid: 1, workers, bounds: Vec::new() };
        NodeSeen { beat, silent_for: Duration::from_secs(seconds) }
    }

    fn counts(shown: &Value) -> [&Value; 3] {
        ["active", "idle", "stale"].map(|name| &shown[name])
    }

    #[test]
    fn workers_are_stale_after_five_minutes_of_silence_or_as_long_as_was_said() {
        let minute = Limits { stale_after: Duration::from_secs(60), ..Limits::default() };
        let contract = Limits::default();
        for (limits, seconds, of_all, states) in [
            (&contract, 299, [1, 1, 0], ["active", "idle"]),
            (&contract, 300, [0, 0, 2], ["stale", "stale"]),
            (&minute, 59, [1, 1, 0], ["active", "idle"]),
            (&minute, 60, [0, 0, 2], ["stale", "stale"]),
        ] {
            let seen = [silent_for(seconds)];
            let of_all = of_all.map(|count| json!(count));
            let nodes = serde_json::to_value(Nodes::new(&seen, limits)).unwrap();
            assert_eq!(counts(&nodes), of_all.each_ref(), "{seconds} s");
            let node = &nodes["nodes"][0];
            assert_eq!((&node["stale"], &node["silent_seconds"]), (&json!(states[0] == "stale"), &json!(seconds)));
            let workers = Workers::new(&running(), &Outline::default(), &seen, limits);
            let workers = serde_json::to_value(workers).unwrap();
            assert_eq!(counts(&workers), of_all.each_ref(), "{seconds} s");
            for (n, state) in states.into_iter().enumerate() {
                assert_eq!(
                    (&node["workers"][n]["status"], &workers["workers"][n]["state"]),
                    (&json!(state), &json!(state))
                );
            }
        }
    }
}
