//! The heartbeat: keeps the leases of this process alive, and stops work that may no longer be its own.
//!
//! Once per heartbeat and process, all leases are renewed in one batch. When that fails for so long that a lease may have
//! run out elsewhere, the work on it is stopped here first. What the workers do is for people, so the store hears it far
//! more often than leases need to be renewed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::job_run::JobRun;
use super::shared::Shared;
use crate::error::Result;
use crate::lease::Lease;
use crate::pipeline::Pipeline;
use crate::queue::{Queue, Renewed};
use crate::store::{JobBound, NodeBeat, Store};

/// The most leases renewed in one call.
const RENEW_BATCH: usize = 10_000;
/// How often the trust in leases is checked.
const TRUST_CHECK: Duration = Duration::from_secs(1);
/// The wait before a failed renewal is tried again, and the part of a short lease that it is at most: a renewal may have taken a
/// quarter of the lease to fail, and the next one needs as long.
const RENEW_RETRY: Duration = Duration::from_secs(1);
const RENEW_RETRY_PART: u32 = 12;
/// How far apart reports are at least: changes come in rows.
const APART: Duration = Duration::from_secs(1);

/// Beats until everything is committed, then takes the process off the list.
pub(super) async fn run<P: Pipeline>(shared: Arc<Shared<P>>) {
    let hold_leases = async {
        tokio::select! {
            () = shared.committed.cancelled() => {}
            _ = async { tokio::join!(renew_leases(&shared), check_trust(&shared)) } => {}
        }
    };
    // Three loops, so that a backend which hangs in one call stops neither of the others.
    tokio::join!(hold_leases, report_workers(&shared));
    if let Err(error) = shared.ask(shared.pipeline.store().forget(&shared.options.node)).await {
        tracing::warn!(%error, "the process stays on the list until it is stale");
    }
}

async fn renew_leases<P: Pipeline>(shared: &Shared<P>) {
    loop {
        tokio::time::sleep(shared.options.heartbeat).await;
        for leases in shared.leases.all().chunks(RENEW_BATCH) {
            renew(shared, leases).await;
        }
    }
}

/// Renews until it is answered, or until none of these leases is worth it.
async fn renew<P: Pipeline>(shared: &Shared<P>, leases: &[Lease]) {
    let options = &shared.options;
    loop {
        let before = Instant::now();
        match shared.pipeline.queue().renew(leases, options.lease_for).await {
            Ok(answers) => {
                let of =
                    |wanted| leases.iter().zip(&answers).filter(move |(_, a)| **a == wanted).map(|(lease, _)| *lease);
                let until = before + options.lease_for.saturating_sub(options.lease_margin);
                shared.leases.trust(of(Renewed::Held), until);
                // Most were settled in the meantime; those that were not are lost.
                shared.leases.lose(of(Renewed::Lost));
                return;
            }
            Err(error) => {
                tracing::warn!(%error, leases = leases.len(), "leases could not be renewed");
                tokio::time::sleep(RENEW_RETRY.min(options.lease_for / RENEW_RETRY_PART)).await;
                if !leases.iter().any(|lease| shared.leases.holds(*lease)) {
                    return;
                }
            }
        }
    }
}

async fn check_trust<P: Pipeline>(shared: &Shared<P>) {
    let mut ticks = tokio::time::interval(TRUST_CHECK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let lost = shared.leases.untrusted(Instant::now());
        if !lost.is_empty() {
            tracing::warn!(leases = lost.len(), "leases ran out before they were renewed; their work stops");
            shared.leases.lose(lost);
            shared.wake_supervisor.notify_one();
        }
    }
}

fn bound_of(run: &JobRun) -> JobBound {
    let in_flight = run.running.load(Ordering::Relaxed);
    JobBound { job: run.id(), in_flight, bound: run.bound().to_string() }
}

/// Reports until everything is committed. Never stops within a report: one that was on its way could come after the process
/// was taken off the list.
async fn report_workers<P: Pipeline>(shared: &Shared<P>) {
    let host = crate::resources::host_name();
    let every = shared.options.report_every;
    let apart = APART.min(every);
    let mut failures = 0;
    loop {
        match shared.ask(report(shared, &host)).await {
            Err(error) => {
                tracing::warn!(%error, "what the workers do did not reach the store");
                failures += 1;
                // Once is soon mended. Only who writes can tell: a database that is read-only answers all else.
                if failures > 1 {
                    shared.set_unheard(Some(error.to_string()));
                }
            }
            Ok(()) => {
                failures = 0;
                shared.set_unheard(None);
            }
        }
        tokio::select! {
            () = shared.committed.cancelled() => return,
            () = tokio::time::sleep(apart) => {}
        }
        // What people see is to be true now, not some seconds ago.
        tokio::select! {
            () = shared.committed.cancelled() => return,
            () = tokio::time::sleep(every.saturating_sub(apart)) => {}
            () = shared.work_changed.notified() => {}
            () = shared.bounds_changed.notified() => {}
        }
    }
}

async fn report<P: Pipeline>(shared: &Shared<P>, host: &str) -> Result<()> {
    let beat = NodeBeat {
        node: shared.options.node.clone(),
        host: host.to_owned(),
        pid: std::process::id(),
        workers: shared.workers.states(),
        bounds: shared.runs().iter().map(|run| bound_of(run)).collect(),
    };
    shared.pipeline.store().beat(&beat).await
}
