//! What was typed, made sense of: settings that are known to be valid.

use mailscan_core::limits::Limits;
use mailscan_core::simulate::SimulationOptions;

use crate::args;
use crate::exit::Result;

/// The constants of planning.
pub(crate) fn limits(plan: &args::Plan) -> Result<Limits> {
    let limits = Limits {
        max_workers: plan.max_workers,
        workers_per_1000: plan.workers_per_1000,
        rate_limit: plan.rate_limit,
        deep_scrape: plan.deep_scrape,
        emails_per_call: plan.emails_per_call,
        ..Limits::default()
    };
    limits.validate()?;
    Ok(limits)
}

/// What the simulated web is like.
pub(crate) fn simulation(typed: &args::Simulated) -> SimulationOptions {
    SimulationOptions {
        seed: typed.seed,
        emails: typed.emails,
        emails_per_call: Limits::default().emails_per_call,
        pages_per_call: typed.pages_per_call,
        call_delay: typed.call_delay,
        page_delay: typed.page_delay,
        page_bytes: typed.page_bytes,
        duplicate_share: typed.duplicates,
        failure_share: typed.failures,
        ..SimulationOptions::default()
    }
}
