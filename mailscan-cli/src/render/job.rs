//! A job for people and as JSON.

use std::collections::HashSet;

use mailscan_core::eta::format_seconds;
use mailscan_core::job::{Job, JobId, JobState, JobStatus, Outline};
use mailscan_core::limits::Limits;
use mailscan_core::store::JobBound;
use mailscan_core::task::{Depth, ListPosition};
use mailscan_http::wire::{self, source};

use super::table::aligned;
use super::{escape, grouped, left_out, lists};

/// A job as `--json` writes it, which is how the API does.
pub(crate) fn json(job: &Job, depth: Option<&Depth>, limits: &Limits) -> wire::Job {
    wire::Job::new(&job.state(), &job.spec.outline(), depth, limits)
}

/// Jobs as `--json` lists them, with those that nobody works on.
pub(crate) fn json_list(jobs: &[(JobState, Outline)], unattended: &HashSet<JobId>, limits: &Limits) -> Vec<wire::Job> {
    let shown = |(job, outline): &(JobState, Outline)| {
        wire::Job::new(job, outline, None, limits).with_unattended(unattended.contains(&job.id))
    };
    jobs.iter().map(shown).collect()
}

fn sources(outline: &Outline) -> String {
    let first = outline.sources.first().map(source).unwrap_or_default();
    let first =
        escape(&if first.chars().count() > 60 { first.chars().take(59).collect::<String>() + "…" } else { first });
    if outline.sources_total > 1 { format!("{first} and {} more", outline.sources_total - 1) } else { first }
}

/// How a job stands. One that runs by its own account goes on only where a process works on it.
fn status(status: JobStatus, unattended: bool) -> String {
    match status {
        JobStatus::Running if unattended => "unattended".to_owned(),
        status => status.to_string(),
    }
}

/// Jobs as rows, with those that nobody works on.
pub(crate) fn list(jobs: &[(JobState, Outline)], unattended: &HashSet<JobId>) -> String {
    let row = |(job, outline): &(JobState, Outline)| {
        [
            job.id.to_string(),
            status(job.status, unattended.contains(&job.id)),
            format!("{} / {}", grouped(job.collected), grouped(job.target)),
            format_seconds(job.active.as_secs()),
            // To the minute: a list has to fit a terminal.
            job.created_at.rfc3339().chars().take(16).collect::<String>().replace('T', " "),
            sources(outline),
        ]
    };
    let rows: Vec<_> = jobs.iter().map(row).collect();
    aligned(["ID", "STATUS", "COLLECTED", "ELAPSED", "CREATED (UTC)", "SOURCES"], &rows)
}

/// One job, with the workers that are planned for it, in lines.
pub(crate) fn show(
    (job, workers): (&Job, u32),
    depth: &Depth,
    read: &[ListPosition],
    bounds: &[JobBound],
    unattended: bool,
) -> String {
    let status = status(job.status, unattended);
    let status = match &job.reason {
        Some(reason) => format!("{status} ({})", escape(reason)),
        None => status,
    };
    let outline = job.spec.outline();
    let mut rows = vec![
        ("job", job.id.to_string()),
        ("status", status),
        ("collected", format!("{} / {}", grouped(job.collected), grouped(job.spec.target))),
        ("workers", grouped(workers.into())),
        ("elapsed", format_seconds(job.active.as_secs())),
        ("sources", sources(&outline)),
        (
            "queue",
            format!("{} pending, {} processing, {} completed", depth.pending + depth.delayed, depth.leased, depth.done),
        ),
        ("given up", format!("{} blocked, {} failed, {} quarantined", depth.blocked, depth.failed, depth.quarantined)),
    ];
    for JobBound { in_flight, bound, .. } in bounds {
        rows.push(("bound by", format!("{}, {} in flight", escape(bound), grouped(*in_flight as u64))));
    }
    rows.extend(lists::read(read).map(|text| ("lists", text)));
    rows.extend(left_out(&depth.left_out).map(|text| ("mentions", text)));
    rows.push(("created", job.created_at.rfc3339()));
    rows.extend(job.started_at.map(|time| ("started", time.rfc3339())));
    rows.extend(job.finished_at.map(|time| ("finished", time.rfc3339())));
    rows.iter().map(|(name, value)| format!("{name:<11}{value}\n")).collect()
}
