//! What bounds jobs: what the processes that work on one have told the store, and what the engine of this process cannot tell
//! it, since the store takes nothing or the engine is no more.

use mailscan_core::engine::Monitor;
use mailscan_core::job::JobState;
use mailscan_core::store::{JobBound, Store};

/// Whether the engine of this process has ended, if there was one.
pub(crate) fn has_ended(monitor: Option<&Monitor>) -> bool {
    monitor.is_some_and(|monitor| monitor.vitals().is_none())
}

/// What keeps the engine of this process from writing, if anything does.
pub(crate) fn trouble(monitor: Option<&Monitor>) -> Option<String> {
    let trouble = monitor?.vitals()?.trouble?;
    Some(format!("the database takes nothing: {trouble}"))
}

/// What bounds a job, in every process that works on it. One that is over is bound by nothing, whatever was said last.
pub(crate) async fn of(
    store: &impl Store,
    monitor: Option<&Monitor>,
    job: &JobState,
) -> mailscan_core::Result<Vec<JobBound>> {
    if job.status.is_settled() {
        return Ok(Vec::new());
    }
    let job = job.id;
    let mut bounds = store.bounds(job).await?;
    if let Some(bound) = trouble(monitor) {
        bounds.insert(0, JobBound { job, in_flight: 0, bound });
    }
    Ok(bounds)
}
