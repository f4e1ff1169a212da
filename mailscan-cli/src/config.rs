//! What was typed, made sense of: settings that are known to be valid.

use mailscan_core::limits::Limits;

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
