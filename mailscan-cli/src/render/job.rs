//! A job for people and as JSON.

use mailscan_core::eta::format_seconds;
use mailscan_core::job::{Job, JobSource};
use mailscan_core::limits::Limits;
use mailscan_core::plan::worker_count;
use mailscan_core::task::Depth;
use serde::Serialize;

use super::table::aligned;
use super::time::rfc3339;
use super::{escape, grouped};

/// A job as `--json` writes it.
#[derive(Serialize)]
pub(crate) struct JobJson {
    id: u64,
    status: &'static str,
    reason: Option<String>,
    collected: u64,
    target: u64,
    workers: u32,
    elapsed_seconds: u64,
    elapsed_formatted: String,
    remaining_emails: u64,
    sources: Vec<String>,
    created_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<QueueJson>,
}

/// The tasks of a job by state.
#[derive(Serialize)]
pub(crate) struct QueueJson {
    pending: u64,
    delayed: u64,
    processing: u64,
    completed: u64,
    blocked: u64,
    failed: u64,
    quarantined: u64,
}

impl From<&Depth> for QueueJson {
    fn from(depth: &Depth) -> Self {
        let Depth { pending, delayed, leased, done, blocked, failed, quarantined } = *depth;
        Self { pending, delayed, processing: leased, completed: done, blocked, failed, quarantined }
    }
}

impl JobJson {
    pub(crate) fn new(job: &Job, depth: Option<&Depth>) -> Self {
        Self {
            id: job.id.0,
            status: job.status.as_str(),
            reason: job.reason.clone(),
            collected: job.collected,
            target: job.spec.target,
            workers: workers(job),
            elapsed_seconds: job.active.as_secs(),
            elapsed_formatted: format_seconds(job.active.as_secs()),
            remaining_emails: job.spec.target.saturating_sub(job.collected),
            sources: job.spec.sources.iter().map(source).collect(),
            created_at: rfc3339(job.created_at),
            started_at: job.started_at.map(rfc3339),
            finished_at: job.finished_at.map(rfc3339),
            queue: depth.map(QueueJson::from),
        }
    }
}

fn workers(job: &Job) -> u32 {
    job.spec.options.workers.unwrap_or_else(|| worker_count(job.spec.target, &Limits::default()))
}

fn source(source: &JobSource) -> String {
    match source {
        JobSource::Url(url) => url.clone(),
        JobSource::UrlList(path) => format!("URLs in {path}"),
        JobSource::Search(query) => format!("search \"{query}\""),
        JobSource::Path(path) => path.clone(),
        other => format!("{other:?}"),
    }
}

fn sources(job: &Job) -> String {
    let all = &job.spec.sources;
    let first = all.first().map(source).unwrap_or_default();
    let first =
        escape(&if first.chars().count() > 60 { first.chars().take(59).collect::<String>() + "…" } else { first });
    if all.len() > 1 { format!("{first} and {} more", all.len() - 1) } else { first }
}

/// Jobs as rows.
pub(crate) fn list(jobs: &[Job]) -> String {
    let row = |job: &Job| {
        [
            job.id.to_string(),
            job.status.to_string(),
            format!("{} / {}", grouped(job.collected), grouped(job.spec.target)),
            format_seconds(job.active.as_secs()),
            rfc3339(job.created_at),
            sources(job),
        ]
    };
    let rows: Vec<_> = jobs.iter().map(row).collect();
    aligned(["ID", "STATUS", "COLLECTED", "ELAPSED", "CREATED", "SOURCES"], &rows)
}

/// One job in lines.
pub(crate) fn show(job: &Job, depth: &Depth) -> String {
    let status = match &job.reason {
        Some(reason) => format!("{} ({})", job.status, escape(reason)),
        None => job.status.to_string(),
    };
    let mut rows = vec![
        ("job", job.id.to_string()),
        ("status", status),
        ("collected", format!("{} / {}", grouped(job.collected), grouped(job.spec.target))),
        ("workers", grouped(workers(job).into())),
        ("elapsed", format_seconds(job.active.as_secs())),
        ("sources", sources(job)),
        (
            "queue",
            format!("{} pending, {} processing, {} completed", depth.pending + depth.delayed, depth.leased, depth.done),
        ),
        ("given up", format!("{} blocked, {} failed, {} quarantined", depth.blocked, depth.failed, depth.quarantined)),
        ("created", rfc3339(job.created_at)),
    ];
    rows.extend(job.started_at.map(|time| ("started", rfc3339(time))));
    rows.extend(job.finished_at.map(|time| ("finished", rfc3339(time))));
    rows.iter().map(|(name, value)| format!("{name:<11}{value}\n")).collect()
}
