//! A job for people and as JSON.

use mailscan_core::eta::format_seconds;
use mailscan_core::job::{Job, JobStatus};
use mailscan_core::limits::Limits;
use mailscan_core::store::JobBound;
use mailscan_core::task::{Depth, ListPosition};
use mailscan_http::wire::{self, source};

use super::table::aligned;
use super::{escape, grouped, left_out, lists};

/// A job as `--json` writes it, which is how the API does.
pub(crate) fn json(job: &Job, depth: Option<&Depth>) -> wire::Job {
    wire::Job::new(job, depth, &Limits::default())
}

fn sources(job: &Job) -> String {
    let all = &job.spec.sources;
    let first = all.first().map(source).unwrap_or_default();
    let first =
        escape(&if first.chars().count() > 60 { first.chars().take(59).collect::<String>() + "…" } else { first });
    if all.len() > 1 { format!("{first} and {} more", all.len() - 1) } else { first }
}

/// How a job stands, which a process left behind that died if nobody works on it.
fn status(job: &Job, at_work: bool) -> String {
    match job.status {
        JobStatus::Running if !at_work => "left behind".to_owned(),
        status => status.to_string(),
    }
}

/// Jobs as rows, of a database on which somebody works or nobody does.
pub(crate) fn list(jobs: &[Job], at_work: bool) -> String {
    let row = |job: &Job| {
        [
            job.id.to_string(),
            status(job, at_work),
            format!("{} / {}", grouped(job.collected), grouped(job.spec.target)),
            format_seconds(job.active.as_secs()),
            // To the minute: a list has to fit a terminal.
            job.created_at.rfc3339().chars().take(16).collect::<String>().replace('T', " "),
            sources(job),
        ]
    };
    let rows: Vec<_> = jobs.iter().map(row).collect();
    aligned(["ID", "STATUS", "COLLECTED", "ELAPSED", "CREATED (UTC)", "SOURCES"], &rows)
}

/// One job in lines.
pub(crate) fn show(job: &Job, depth: &Depth, read: &[ListPosition], bounds: &[JobBound], abandoned: bool) -> String {
    let status = status(job, !abandoned);
    let status = match &job.reason {
        Some(reason) => format!("{status} ({})", escape(reason)),
        None => status,
    };
    let mut rows = vec![
        ("job", job.id.to_string()),
        ("status", status),
        ("collected", format!("{} / {}", grouped(job.collected), grouped(job.spec.target))),
        ("workers", grouped(wire::planned(job, &Limits::default()).into())),
        ("elapsed", format_seconds(job.active.as_secs())),
        ("sources", sources(job)),
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
