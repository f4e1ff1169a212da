//! `plan`: workers and projected time for a number of e-mails.

use std::io::Write;

use mailscan_core::eta::format_projection;
use mailscan_core::limits::Limits;
use mailscan_core::plan::{Hosts, PageBound, PageRate, WorkerPlan};
use mailscan_http::wire;

use crate::exit::{Exit, Result};
use crate::render::grouped;
use crate::{args, config, files};

pub(crate) fn run(typed: &args::Plan) -> Result<Exit> {
    let limits = config::plan_limits(typed)?;
    let plan = WorkerPlan::new(typed.emails, &limits);
    let rate = rate(typed, &plan);
    let mut out = std::io::stdout().lock();
    if typed.json {
        let answer = match &rate {
            Some(rate) => wire::Plan::at_rate(&plan, &limits, rate),
            None => wire::Plan::new(&plan, &limits),
        };
        serde_json::to_writer(&mut out, &answer)?;
        writeln!(out)?;
        return Ok(Exit::Done);
    }
    let projection = rate.as_ref().map_or_else(|| plan.projection(&limits), |rate| plan.projection_at(&limits, rate));
    writeln!(out, "e-mails             {}", grouped(plan.emails))?;
    writeln!(out, "workers             {}", workers(&plan, &limits))?;
    writeln!(out, "e-mails per worker  {}", grouped(plan.emails_per_worker))?;
    writeln!(out, "calls per worker    {}", grouped(plan.calls_per_worker(&limits)))?;
    writeln!(out, "projected time      {}", format_projection(projection))?;
    if let Some(rate) = rate {
        let (most, bound) = (per_second(rate.most()), rate.bound());
        let all =
            [(PageBound::Workers, rate.workers), (PageBound::Hosts, rate.hosts), (PageBound::Process, rate.process)];
        let others = all.into_iter().filter(|(limit, _)| *limit != bound);
        let others: Vec<_> =
            others.map(|(limit, rate)| format!("{} by the {}", per_second(rate), limit.as_str())).collect();
        writeln!(out, "pages a second      at most {most}, bound by the {} ({})", bound.as_str(), others.join(", "))?;
    }
    Ok(Exit::Done)
}

/// How many workers there are, and what keeps them from being more.
fn workers(plan: &WorkerPlan, limits: &Limits) -> String {
    let workers = grouped(plan.workers.into());
    match plan.workers {
        0 => workers,
        _ if plan.is_capped(limits) => format!("{workers}, the most there may be"),
        _ => format!("{workers}, {} for 1,000 e-mails", grouped(limits.workers_per_1000.into())),
    }
}

/// How many pages a second can come, where the hosts are told.
fn rate(typed: &args::Plan, plan: &WorkerPlan) -> Option<PageRate> {
    let hosts = Hosts { hosts: typed.hosts?, at_a_time: typed.per_host, interval: typed.host_interval };
    let rate = PageRate::new(plan.workers, typed.connections, typed.deep_scrape, &hosts);
    Some(rate.in_process(files::room(0), typed.deep_scrape))
}

fn per_second(rate: f64) -> String {
    match rate {
        rate if !rate.is_finite() => "any number".to_owned(),
        rate if rate < 10.0 => format!("{rate:.1}"),
        rate => grouped(rate as u64),
    }
}
