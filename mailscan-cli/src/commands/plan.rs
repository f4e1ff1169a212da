//! `plan`: workers and projected time for a number of e-mails.

use std::io::Write;
use std::time::Duration;

use mailscan_core::eta::format_seconds;
use mailscan_core::plan::WorkerPlan;
use serde::Serialize;

use crate::exit::{Exit, Result};
use crate::render::grouped;
use crate::{args, config};

#[derive(Serialize)]
struct Answer {
    emails: u64,
    workers: u32,
    emails_per_worker: u64,
    calls_per_worker: u64,
    projected_seconds: f64,
    projected_formatted: String,
}

/// Short times with their tenths, which are most of them.
fn formatted(time: Duration) -> String {
    if time.subsec_nanos() > 0 && time.as_secs() < 60 {
        return format!("{:.1}s", time.as_secs_f64());
    }
    format_seconds(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}

pub(crate) fn run(typed: &args::Plan) -> Result<Exit> {
    let limits = config::limits(typed)?;
    let plan = WorkerPlan::new(typed.emails, &limits);
    let projection = plan.projection(&limits);
    let answer = Answer {
        emails: plan.emails,
        workers: plan.workers,
        emails_per_worker: plan.emails_per_worker,
        calls_per_worker: plan.calls_per_worker(&limits),
        projected_seconds: projection.as_secs_f64(),
        projected_formatted: formatted(projection),
    };
    let mut out = std::io::stdout().lock();
    if typed.json {
        serde_json::to_writer(&mut out, &answer)?;
        writeln!(out)?;
        return Ok(Exit::Done);
    }
    writeln!(out, "e-mails             {}", grouped(answer.emails))?;
    writeln!(out, "workers             {}", grouped(answer.workers.into()))?;
    writeln!(out, "e-mails per worker  {}", grouped(answer.emails_per_worker))?;
    writeln!(out, "calls per worker    {}", grouped(answer.calls_per_worker))?;
    writeln!(out, "projected time      {} ({} s)", answer.projected_formatted, answer.projected_seconds)?;
    Ok(Exit::Done)
}
