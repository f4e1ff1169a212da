//! `plan`: workers and projected time for a number of e-mails.

use std::io::Write;

use mailscan_core::eta::format_projection;
use mailscan_core::plan::WorkerPlan;
use mailscan_http::wire;

use crate::exit::{Exit, Result};
use crate::render::grouped;
use crate::{args, config};

pub(crate) fn run(typed: &args::Plan) -> Result<Exit> {
    let limits = config::limits(typed)?;
    let plan = WorkerPlan::new(typed.emails, &limits);
    let mut out = std::io::stdout().lock();
    if typed.json {
        serde_json::to_writer(&mut out, &wire::Plan::new(&plan, &limits))?;
        writeln!(out)?;
        return Ok(Exit::Done);
    }
    let projection = plan.projection(&limits);
    writeln!(out, "e-mails             {}", grouped(plan.emails))?;
    writeln!(out, "workers             {}", grouped(plan.workers.into()))?;
    writeln!(out, "e-mails per worker  {}", grouped(plan.emails_per_worker))?;
    writeln!(out, "calls per worker    {}", grouped(plan.calls_per_worker(&limits)))?;
    writeln!(out, "projected time      {}", format_projection(projection))?;
    Ok(Exit::Done)
}
