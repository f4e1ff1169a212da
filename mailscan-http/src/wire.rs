//! What the answers look like as JSON. The core's types come in, and know nothing of it.

mod asked;
mod events;
mod found;
mod names;
mod progress;
mod rates;
mod system;
mod workers;

use std::collections::BTreeMap;

use mailscan_core::clock::Timestamp;
use mailscan_core::eta::{format_projection, format_seconds};
use mailscan_core::job::{JobSource, JobState, Outline};
use mailscan_core::limits::Limits;
use mailscan_core::plan::{PageRate, WorkerPlan, worker_count};
use mailscan_core::{eta, store, task};
use serde::Serialize;
use utoipa::ToSchema;

pub use asked::{NewJob, Reason, Resolve, SearchEndpoint};
pub use events::{Deleted, Gone, Snapshot};
pub use found::{Address, Addresses, AllErrors, ErrorList, ErrorRow, Resolution, Resolved};
pub(crate) use progress::Around;
pub use progress::Progress;
pub use rates::Rates;
pub use system::System;
pub use workers::{Node, NodeWorker, Nodes, Worker, WorkerStatus, Workers};

/// The server runs, or is ready.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok` where it runs (`/healthz`), `ready` where it is ready (`/readyz`).
    pub status: &'static str,
}

/// Workers and projected time for a number of e-mails.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Plan {
    emails: u64,
    workers: u32,
    emails_per_worker: u64,
    calls_per_worker: u64,
    projected_seconds: f64,
    projected_formatted: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_pages_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// What keeps the job from being done sooner: `workers_per_1000`, `max_workers`, `workers` where their number was set by hand
    /// or hosts were told, `hosts`, or `process`, as one keeps so many fetches in flight at most; several that share a database do more.
    bound_by: Option<&'static str>,
}

impl Plan {
    /// The wire form of a plan made with these limits.
    pub fn new(plan: &WorkerPlan, limits: &Limits) -> Self {
        let projection = plan.projection(limits);
        Self {
            emails: plan.emails,
            workers: plan.workers,
            emails_per_worker: plan.emails_per_worker,
            calls_per_worker: plan.calls_per_worker(limits),
            projected_seconds: projection.as_secs_f64(),
            projected_formatted: format_projection(projection),
            max_pages_per_second: None,
            bound_by: (plan.workers > 0).then(|| bound_of(plan, limits)),
        }
    }

    /// The wire form of the same plan where so many pages a second can come, which JSON cannot say where nothing bounds it.
    pub fn at_rate(plan: &WorkerPlan, limits: &Limits, rate: &PageRate) -> Self {
        let (projection, whole) = (plan.projection_at(limits, rate), Self::new(plan, limits));
        let most = Some(rate.most()).filter(|rate| rate.is_finite());
        let bound_by = most.map(|_| rate.bound().as_str());
        Self {
            projected_seconds: projection.as_secs_f64(),
            projected_formatted: format_projection(projection),
            max_pages_per_second: most,
            bound_by: bound_by.or(whole.bound_by),
            ..whole
        }
    }
}

/// What keeps a plan from more workers.
fn bound_of(plan: &WorkerPlan, limits: &Limits) -> &'static str {
    match plan.workers {
        _ if plan.is_capped(limits) => "max_workers",
        workers if workers == worker_count(plan.emails, limits) => "workers_per_1000",
        // Somebody asked for so many.
        _ => "workers",
    }
}

/// A page of jobs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Jobs {
    /// The jobs, by id.
    pub jobs: Vec<Job>,
    /// The `after` of the next page; null when this is the last.
    pub next_after: Option<u64>,
}

/// A job.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Job {
    id: u64,
    #[schema(schema_with = names::job_status)]
    status: &'static str,
    reason: Option<String>,
    collected: u64,
    target: u64,
    percentage: f64,
    workers: u32,
    elapsed_seconds: u64,
    elapsed_formatted: String,
    remaining_emails: u64,
    sources: Vec<String>,
    sources_total: usize,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<Queue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bounds: Option<Vec<Bound>>,
    /// How many of its errors nobody has resolved, where they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors_open: Option<u64>,
    /// How far its lists of URLs are read; those that are read to their end are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    lists: Option<Vec<List>>,
    /// Whether it runs by its own account while nobody works on it, where that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    unattended: Option<bool>,
}

/// How far a list of URLs is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
struct List {
    path: String,
    /// How many bytes of it.
    read_bytes: u64,
}

impl From<&task::ListPosition> for List {
    fn from(list: &task::ListPosition) -> Self {
        Self { path: list.path.clone(), read_bytes: list.offset }
    }
}

/// A job that was begun, with its plan.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CreatedJob {
    /// The job.
    #[serde(flatten)]
    pub job: Job,
    /// How it is spread over workers.
    pub plan: Plan,
}

/// What keeps a process from doing more for a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
struct Bound {
    in_flight: usize,
    bound: String,
}

impl From<&store::JobBound> for Bound {
    fn from(bound: &store::JobBound) -> Self {
        Self { in_flight: bound.in_flight, bound: bound.bound.clone() }
    }
}

impl Job {
    /// The wire form of a job, with its queue where that was asked for.
    pub fn new(job: &JobState, outline: &Outline, depth: Option<&task::Depth>, limits: &Limits) -> Self {
        Self {
            id: job.id.0,
            status: job.status.as_str(),
            reason: job.reason.clone(),
            collected: job.collected,
            target: job.target,
            percentage: percentage(job),
            workers: planned(job, outline, limits),
            elapsed_seconds: job.active.as_secs(),
            elapsed_formatted: format_seconds(job.active.as_secs()),
            remaining_emails: job.target.saturating_sub(job.collected),
            sources: outline.sources.iter().map(source).collect(),
            sources_total: outline.sources_total,
            created_at: job.created_at.rfc3339(),
            started_at: job.started_at.map(Timestamp::rfc3339),
            finished_at: job.finished_at.map(Timestamp::rfc3339),
            queue: depth.map(Queue::from),
            bounds: None,
            errors_open: None,
            lists: None,
            unattended: None,
        }
    }

    /// The same with how far its lists are read.
    #[must_use]
    pub fn with_lists(self, lists: &[task::ListPosition]) -> Self {
        Self { lists: Some(lists.iter().map(List::from).collect()), ..self }
    }

    /// The same with whether nobody works on it although it runs.
    #[must_use]
    pub fn with_unattended(self, unattended: bool) -> Self {
        Self { unattended: Some(unattended), ..self }
    }

    /// The same with how many of its errors nobody has resolved.
    #[must_use]
    pub fn with_errors_open(self, errors_open: u64) -> Self {
        Self { errors_open: Some(errors_open), ..self }
    }

    /// The same with what bounds the job in each process that works on it.
    #[must_use]
    pub fn with_bounds(self, bounds: &[store::JobBound]) -> Self {
        Self { bounds: Some(bounds.iter().map(Bound::from).collect()), ..self }
    }
}

/// Collected as a percentage of the target, from 0 to 100.
fn percentage(job: &JobState) -> f64 {
    if job.target == 0 { 0.0 } else { (job.collected as f64 * 100.0 / job.target as f64).min(100.0) }
}

/// The workers that a job is to have.
pub fn planned(job: &JobState, outline: &Outline, limits: &Limits) -> u32 {
    WorkerPlan::asked(job.target, outline.workers, limits).workers
}

/// A source as people read it.
pub fn source(source: &JobSource) -> String {
    match source {
        JobSource::Url(url) => url.clone(),
        JobSource::Sitemap(url) => format!("sitemap {url}"),
        JobSource::UrlList(path) => format!("URLs in {path}"),
        JobSource::Search(query) => format!("search \"{query}\""),
        JobSource::Path(path) => path.clone(),
        other => format!("{other:?}"),
    }
}

/// The tasks of a job by state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Queue {
    pending: u64,
    delayed: u64,
    processing: u64,
    completed: u64,
    blocked: u64,
    failed: u64,
    quarantined: u64,
    /// Mentions of addresses that were left out, by class.
    left_out: BTreeMap<&'static str, u64>,
}

impl From<&task::Depth> for Queue {
    fn from(depth: &task::Depth) -> Self {
        let task::Depth { pending, delayed, leased, done, blocked, failed, quarantined, left_out } = *depth;
        let left_out = left_out.iter().map(|(class, count)| (class.as_str(), count)).collect();
        Self { pending, delayed, processing: leased, completed: done, blocked, failed, quarantined, left_out }
    }
}

/// When a job will be done.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Eta {
    job_id: u64,
    #[schema(schema_with = names::job_status)]
    status: &'static str,
    eta_seconds: Option<u64>,
    eta_formatted: Option<String>,
    eta_low_seconds: Option<u64>,
    eta_high_seconds: Option<u64>,
    emails_per_minute: f64,
    overall_emails_per_minute: f64,
    elapsed_seconds: u64,
    elapsed_formatted: String,
    remaining_emails: u64,
}

impl Eta {
    /// The wire form of a job's estimate.
    pub fn new(job: &JobState, eta: eta::Eta) -> Self {
        Self {
            job_id: job.id.0,
            status: job.status.as_str(),
            eta_seconds: eta.eta_seconds,
            eta_formatted: eta.eta_formatted,
            eta_low_seconds: eta.low_seconds,
            eta_high_seconds: eta.high_seconds,
            emails_per_minute: eta.emails_per_minute,
            overall_emails_per_minute: eta.overall_emails_per_minute,
            elapsed_seconds: eta.elapsed_seconds,
            elapsed_formatted: eta.elapsed_formatted,
            remaining_emails: eta.remaining_emails,
        }
    }
}

/// What went wrong with a job, grouped.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Errors {
    /// The job.
    pub job_id: u64,
    /// The groups, the most frequent first.
    pub groups: Vec<ErrorGroup>,
    /// The `after` of the next page; null when this is the last.
    pub next_after: Option<String>,
}

/// Errors of one kind at one host.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorGroup {
    #[schema(schema_with = names::error_class)]
    class: &'static str,
    code: String,
    host: String,
    count: u64,
    open: u64,
    /// The newest message.
    sample: String,
    /// The three newest errors, the newest first.
    samples: Vec<ErrorSample>,
}

/// One error of a group.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorSample {
    id: u64,
    label: String,
    message: String,
}

impl From<&store::ErrorGroup> for ErrorGroup {
    fn from(group: &store::ErrorGroup) -> Self {
        let sample = group.newest().to_owned();
        let store::ErrorGroup { class, code, host, count, open, samples } = group.clone();
        let shown = |store::ErrorSample { id, label, message }| ErrorSample { id, label, message };
        let samples = samples.into_iter().map(shown).collect();
        Self { class: class.as_str(), code, host, count, open, sample, samples }
    }
}
