//! The processes that work on jobs, as a store keeps them: what they say of themselves, and how many workers that makes.
//!
//! A process says it every few seconds ([`Store::beat`](super::Store::beat),
//! [`EngineOptions::report_every`](crate::engine::EngineOptions::report_every)); the API and the page read it
//! ([`Store::nodes`](super::Store::nodes)).

use std::time::Duration;

use crate::job::{JobId, JobState, JobStatus};
use crate::lease::NodeId;
use crate::limits::Limits;

/// A process that was not heard of for so long is no longer believed to work on anything: its leases have run out, unless
/// they were told to hold for longer than by default.
const HEARD_LATELY: Duration = Duration::from_secs(90);

/// A process that was silent for longer is forgotten: only after it may count as stale, so that people see that it was there.
pub const SILENT_FOR: Duration = Limits::MOST_STALE_AFTER;

/// What a process says of itself every few seconds, once for all its workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeBeat {
    /// The process.
    pub node: NodeId,
    /// The machine's name.
    pub host: String,
    /// The process id.
    pub pid: u32,
    /// Its workers.
    pub workers: Vec<WorkerState>,
    /// What bounds the jobs that it works on.
    pub bounds: Vec<JobBound>,
}

/// What keeps a process from doing more for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobBound {
    /// The job.
    pub job: JobId,
    /// Fetches in flight for it.
    pub in_flight: usize,
    /// What bounds that number, in a line for people.
    pub bound: String,
}

/// What one worker is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerState {
    /// The worker's number within its process, from 0.
    pub worker: u32,
    /// How many fetches it has in flight; 0 is idle.
    pub in_flight: u32,
    /// The job of the fetch it began last.
    pub job: Option<JobId>,
    /// What it began last, as people know it.
    pub task: Option<String>,
}

/// A process as the store last heard of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSeen {
    /// What it said.
    pub beat: NodeBeat,
    /// How long ago, by the store's clock.
    pub silent_for: Duration,
}

impl NodeSeen {
    /// Whether it was heard of so lately that it is believed to work.
    pub fn is_alive(&self) -> bool {
        self.silent_for < HEARD_LATELY
    }

    /// Whether it was silent for so long that its workers count as [stale](WorkerStatus::Stale). Its tasks return sooner.
    pub fn is_stale(&self, limits: &Limits) -> bool {
        self.silent_for >= limits.stale_after
    }

    /// Its workers, and how each stands.
    pub fn workers(&self, limits: &Limits) -> impl Iterator<Item = (&WorkerState, WorkerStatus)> {
        let stale = self.is_stale(limits);
        self.beat.workers.iter().map(move |worker| {
            let status = match worker.in_flight {
                _ if stale => WorkerStatus::Stale,
                0 => WorkerStatus::Idle,
                _ => WorkerStatus::Active,
            };
            (worker, status)
        })
    }
}

/// How a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkerStatus {
    /// It has fetches in flight.
    Active,
    /// It has none.
    Idle,
    /// Its process was silent for [`Limits::stale_after`] or longer.
    Stale,
}

impl WorkerStatus {
    /// A stable short name, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Stale => "stale",
        }
    }
}

/// How many workers there are, by how they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workforce {
    /// Workers with fetches in flight.
    pub active: u32,
    /// Workers without any.
    pub idle: u32,
    /// Workers of processes that fell silent.
    pub stale: u32,
}

impl Workforce {
    /// All workers of these processes.
    pub fn of_all(nodes: &[NodeSeen], limits: &Limits) -> Self {
        Self::count(nodes.iter().flat_map(|node| node.workers(limits)).map(|(_, status)| status))
    }

    /// The workers of a job that is to have so many: those whose last fetch was for it, and of those that do nothing, who belong
    /// to no job, as many as it may still have. None of a job that does not run, whatever the last heartbeats said.
    pub fn of_job(job: &JobState, planned: u32, nodes: &[NodeSeen], limits: &Limits) -> Self {
        if job.status != JobStatus::Running {
            return Self::default();
        }
        let all = nodes.iter().flat_map(|node| node.workers(limits));
        let own = all.filter(|(worker, _)| worker.job == Some(job.id)).map(|(_, status)| status);
        let Self { active, stale, .. } = Self::count(own);
        let idle = Self::of_all(nodes, limits).idle.min(planned.saturating_sub(active));
        Self { active, idle, stale }
    }

    fn count(workers: impl Iterator<Item = WorkerStatus>) -> Self {
        workers.fold(Self::default(), |mut force, status| {
            let of_them = match status {
                WorkerStatus::Active => &mut force.active,
                WorkerStatus::Idle => &mut force.idle,
                WorkerStatus::Stale => &mut force.stale,
            };
            *of_them = of_them.saturating_add(1);
            force
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const JOB: JobId = JobId(1);

    fn job(status: JobStatus) -> JobState {
        JobState {
            id: JOB,
            status,
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

    /// A process with a worker that is busy with the job, one that was last, and one that is busy with another job.
    fn silent_for(seconds: u64) -> [NodeSeen; 1] {
        let worker = |worker, in_flight, job| WorkerState { worker, in_flight, job: Some(JobId(job)), task: None };
        let workers = vec![worker(0, 2, 1), worker(1, 0, 1), worker(2, 1, 2)];
        let node = NodeId("node".to_owned());
        let beat = NodeBeat { node, host: String::new(), pid: 1, workers, bounds: Vec::new() };
        [NodeSeen { beat, silent_for: Duration::from_secs(seconds) }]
    }

    #[test]
    fn workers_are_stale_after_five_minutes_of_silence_or_as_long_as_was_said() {
        let minute = Limits { stale_after: Duration::from_secs(60), ..Limits::default() };
        let contract = Limits::default();
        for (limits, seconds, stale) in
            [(&contract, 299, false), (&contract, 300, true), (&minute, 59, false), (&minute, 60, true)]
        {
            let nodes = silent_for(seconds);
            assert_eq!(nodes[0].is_stale(limits), stale, "{seconds} s");
            let (all, own) = match stale {
                false => (Workforce { active: 2, idle: 1, stale: 0 }, Workforce { active: 1, idle: 1, stale: 0 }),
                true => (Workforce { active: 0, idle: 0, stale: 3 }, Workforce { active: 0, idle: 0, stale: 2 }),
            };
            assert_eq!(Workforce::of_all(&nodes, limits), all, "{seconds} s");
            assert_eq!(Workforce::of_job(&job(JobStatus::Running), 1_000, &nodes, limits), own, "{seconds} s");
        }
    }

    #[test]
    fn a_job_has_no_more_idle_workers_than_its_plan_lacks_and_none_when_it_does_not_run() {
        let (nodes, limits) = (silent_for(0), Limits::default());
        let of_job = |status, planned| Workforce::of_job(&job(status), planned, &nodes, &limits);
        assert_eq!(of_job(JobStatus::Running, 2), Workforce { active: 1, idle: 1, stale: 0 });
        assert_eq!(of_job(JobStatus::Running, 1), Workforce { active: 1, idle: 0, stale: 0 });
        assert_eq!(of_job(JobStatus::Paused, 1_000), Workforce::default());
    }
}
