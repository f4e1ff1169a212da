//! The supervisor: watches over the jobs from the first task to the last.
//!
//! It asks the store which jobs there are, has them taken up ([`super::intake`]), ends them ([`super::lifecycle`]), samples
//! progress, and sends expired leases of dead workers back to the queue.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::bound::{Bound, HeldUp, Standing};
use super::intake;
use super::job_run::{JobRun, Stop};
use super::lifecycle;
use super::shared::Shared;
use crate::eta::format_seconds;
use crate::fetch::Fetcher;
use crate::job::JobStatus;
use crate::pipeline::Pipeline;
use crate::queue::Queue;
use crate::store::{NewWorkerError, Store};

/// The most expired leases taken back in one call.
const SWEEP_BATCH: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// Watches until everything is committed, then lets go of the jobs that are left and of what the fetcher keeps.
pub(super) async fn run<P: Pipeline>(shared: Arc<Shared<P>>) {
    // What a dead process held is taken back before jobs are, so that they begin with all of their tasks.
    sweep(&shared).await;
    tokio::join!(watch(&shared), show(&shared), intake::run(&shared));
    // Nothing is fetched any more. Side by side, so that neither has to wait for the other where one does not end.
    tokio::join!(lifecycle::let_go(&shared), shared.wait_for(shared.pipeline.fetcher().release()));
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Shows how the jobs stand until everything is committed: by itself, since it only reads, and what is written may have to wait.
async fn show<P: Pipeline>(shared: &Shared<P>) {
    let mut samples = every(shared.options.progress_every);
    loop {
        tokio::select! {
            () = shared.committed.cancelled() => break,
            _ = samples.tick() => sample(shared).await,
        }
    }
}

/// Looks after the jobs at work until everything is committed.
async fn watch<P: Pipeline>(shared: &Shared<P>) {
    let mut polls = every(shared.options.poll_every);
    let mut sweeps = every(shared.options.sweep_every);
    let mut reports = every(shared.options.report_every);
    loop {
        tokio::select! {
            () = shared.committed.cancelled() => break,
            () = shared.wake_supervisor.notified() => lifecycle::end_finished(shared).await,
            _ = polls.tick() => look(shared).await,
            () = shared.jobs_changed.notified() => look(shared).await,
            _ = sweeps.tick() => sweep(shared).await,
            _ = reports.tick() => {
                // At once, so that they share a commit.
                let runs = shared.runs();
                join_all(runs.iter().map(|run| lifecycle::record_active(shared, run))).await;
            }
        }
    }
}

/// Finds jobs to take up, and notices what people decided about them.
async fn look<P: Pipeline>(shared: &Shared<P>) {
    lifecycle::refresh(shared).await;
    lifecycle::end_finished(shared).await;
}

/// Publishes how every job stands, and stops those whose time is over.
async fn sample<P: Pipeline>(shared: &Shared<P>) {
    find_bounds(shared);
    let hold = shared.throttle.hold().filter(|_| shared.throttle.places() == 0);
    let trouble = shared.trouble().or_else(|| hold.map(|hold| hold.to_string()));
    let runs = shared.runs();
    runs.iter().for_each(|run| run.look(trouble.is_none()));
    let ids: Vec<_> = runs.iter().map(|run| run.id()).collect();
    // Depths that cannot be read now leave the last ones standing; the next sample tries again.
    let depths = shared.ask(shared.pipeline.queue().depths(&ids)).await.unwrap_or_default();
    runs.iter().zip(depths).for_each(|(run, depth)| run.set_depth(depth));
    for run in runs {
        if run.has_lists()
            && let Ok(lists) = shared.ask(shared.pipeline.queue().lists(run.id())).await
        {
            run.set_lists(lists);
        }
        // Whoever let go of it meanwhile has said how it ended.
        if shared.run(run.id()).is_none_or(|now| !Arc::ptr_eq(&now, &run)) {
            continue;
        }
        if stop_when_over_time(&run) {
            shared.wake_dispatcher.notify_one();
        }
        shared.progress.publish(run.progress(trouble.clone(), false));
    }
}

/// Finds out what bounds each job.
fn find_bounds<P: Pipeline>(shared: &Shared<P>) {
    let limits = shared.pipeline.fetcher().limits();
    let hold = shared.throttle.hold().map(|hold| hold.to_string());
    let shares = shared.shares_now();
    // Whatever waits is of the only job there is.
    let by_host = if shares.len() > 1 { Some(shared.leases.by_host()) } else { None };
    let mut changed = false;
    for (run, share) in shares {
        let held_up = match by_host.as_ref().map(|by_host| by_host.get(&run.id())) {
            None => HeldUp::of(run.id(), &limits, |_| usize::MAX),
            Some(None) => HeldUp::default(),
            Some(Some(hosts)) => HeldUp::of(run.id(), &limits, |host| hosts.get(host).copied().unwrap_or(0)),
        };
        changed |= run.set_bound(Bound::of(&Standing {
            in_flight: run.running.load(Ordering::Relaxed),
            planned: run.limit,
            share,
            dry: run.dry.load(Ordering::Relaxed),
            running: shared.running.load(Ordering::Relaxed),
            places: shared.throttle.places(),
            hold: hold.as_deref(),
            pending: run.pending(),
            held_up: &held_up,
        }));
    }
    if changed {
        shared.bounds_changed.notify_one();
    }
}

/// Answers whether the job stops now.
fn stop_when_over_time(run: &JobRun) -> bool {
    let Some(limit) = run.job.spec.options.time_limit.filter(|limit| run.active_since() >= *limit) else {
        return false;
    };
    let reason = format!("its time limit of {} is over: resume it to go on", format_seconds(limit.as_secs()));
    run.stop(Stop { status: JobStatus::Paused, reason: Some(reason), tell_store: true })
}

/// Takes back the tasks of dead workers and records those that are given up for good.
async fn sweep<P: Pipeline>(shared: &Shared<P>) {
    loop {
        let swept = match shared.ask(shared.pipeline.sweep(SWEEP_BATCH, &shared.options.node)).await {
            Ok(swept) => swept,
            Err(error) => return tracing::warn!(%error, "expired leases could not be taken back"),
        };
        let record = |ended| NewWorkerError::quarantined(&shared.options.node, ended);
        let quarantined: Vec<_> = swept.quarantined.iter().map(record).collect();
        // No later sweep tells of them. Where it was done with the sweep, this changes nothing.
        if !quarantined.is_empty()
            && shared.persist(|| shared.pipeline.store().record_errors(&quarantined)).await.is_none()
        {
            return;
        }
        if swept.returned > 0 {
            tracing::info!(tasks = swept.returned, "tasks of dead workers went back to the queue");
            shared.wake_dispatcher.notify_one();
        }
        if swept.returned + swept.quarantined.len() < SWEEP_BATCH.get() {
            return;
        }
    }
}
