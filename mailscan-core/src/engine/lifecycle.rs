//! How jobs are found that an engine works on, and how they leave it.
//!
//! A job comes from the store (queued, or running when its last engine died) by way of the intake (`intake.rs`), and leaves when
//! its target is reached, its sources are exhausted, a person says so, or the engine drains.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::JobFilter;
use super::committer::reach_target;
use super::job_run::{JobRun, Stop};
use super::shared::Shared;
use crate::error::{ErrorKind, Result};
use crate::job::{JobId, JobState, JobStatus};
use crate::pipeline::Pipeline;
use crate::queue::Queue;
use crate::store::{JobQuery, Store, Transition};
use crate::task::Depth;

/// The most jobs read in one call.
const PAGE: usize = 10_000;

/// Offers the jobs that wait to the intake, and notices those that people have paused or cancelled.
pub(super) async fn refresh<P: Pipeline>(shared: &Shared<P>) {
    shared.forget_unwatched();
    if let Err(error) = try_refresh(shared).await {
        if error.is_transient() {
            tracing::warn!(%error, "the list of jobs could not be read");
        } else {
            shared.fail(error);
        }
    }
}

async fn try_refresh<P: Pipeline>(shared: &Shared<P>) -> Result<()> {
    // What was asked for is read when a job is taken up, and never here: it may be ten thousand URLs.
    let mut jobs: BTreeMap<JobId, JobState> = live_jobs(shared).await?.into_iter().map(|job| (job.id, job)).collect();
    let mut ended = Vec::new();
    for run in shared.runs() {
        if is_begun_anew(shared, &run, jobs.get(&run.id())) {
            let stop = Stop { status: JobStatus::Running, reason: None, tell_store: false };
            run.stop(stop);
            shared.remove_run(run.id());
            continue;
        }
        match jobs.remove(&run.id()) {
            Some(job) => notice(shared, &run, job).await?,
            None => ended.push(run),
        }
    }
    let ids: Vec<_> = ended.iter().map(|run| run.id()).collect();
    let states = if ids.is_empty() { Vec::new() } else { shared.ask(shared.pipeline.store().job_states(&ids)).await? };
    for (run, job) in ended.iter().zip(states) {
        match job {
            Some(job) => notice(shared, run, job).await?,
            None => forsake(shared, run),
        }
    }
    shared.intake.offer(jobs.into_keys().filter(|id| !shared.is_unreadable(*id)));
    Ok(())
}

/// Whether a job that is live in the store is to be taken up anew, while what is under way for it here ends: it was paused and
/// goes on already, or the store may have lost what is known of it here.
fn is_begun_anew<P: Pipeline>(shared: &Shared<P>, run: &JobRun, job: Option<&JobState>) -> bool {
    let is_paused = || run.stopping().is_some_and(|stop| stop.status == JobStatus::Paused && !stop.tell_store);
    job.is_some() && (run.epoch != shared.pipeline.store().epoch() || is_paused())
}

/// The jobs that are at work or wait for it, whoever works on them.
async fn live_jobs<P: Pipeline>(shared: &Shared<P>) -> Result<Vec<JobState>> {
    let statuses = vec![JobStatus::Queued, JobStatus::Running];
    match shared.options.jobs {
        JobFilter::All => {
            let query = JobQuery { limit: PAGE, statuses, ..JobQuery::default() };
            shared.ask(shared.pipeline.store().jobs(&query)).await
        }
        JobFilter::Only(id) => {
            let job = shared.ask(shared.pipeline.store().job_states(&[id])).await?;
            Ok(job.into_iter().flatten().filter(|job| statuses.contains(&job.status)).collect())
        }
    }
}

/// Lets go of a job that was paused and deleted between two looks. What is still written for it, the store drops.
fn forsake<P: Pipeline>(shared: &Shared<P>, run: &JobRun) {
    let reason = Some("it was deleted".to_owned());
    if run.stop(Stop { status: JobStatus::Cancelled, reason, tell_store: false }) {
        shared.leases.interrupt(run.id());
        shared.wake_dispatcher.notify_one();
    }
}

/// Compares a job at work with what the store says of it.
async fn notice<P: Pipeline>(shared: &Shared<P>, run: &JobRun, job: JobState) -> Result<()> {
    // Other processes may have added addresses, and so may a commit whose answer was lost.
    if run.heard(job.collected) >= job.target {
        reach_target(shared, run);
    }
    run.heard_of_resume(&job);
    let stop = |status, reason| Stop { status, reason, tell_store: false };
    match job.status {
        JobStatus::Running => {}
        // Paused and resumed between two looks.
        JobStatus::Queued => {
            let (store, from) = (shared.pipeline.store(), [JobStatus::Queued]);
            found(shared.ask(store.transition(run.id(), &from, JobStatus::Running, None)).await)?;
        }
        JobStatus::Paused => {
            if run.stop(stop(job.status, job.reason)) {
                record_active(shared, run).await;
            }
        }
        JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled => {
            if run.stop(stop(job.status, job.reason)) {
                shared.leases.interrupt(run.id());
            }
        }
    }
    if run.is_stopping() {
        shared.wake_dispatcher.notify_one();
    }
    Ok(())
}

/// Ends the jobs that have nothing left to do or have been asked to stop.
pub(super) async fn end_finished<P: Pipeline>(shared: &Shared<P>) {
    let runs = shared.runs();
    stop_exhausted(shared, &runs).await;
    for run in runs {
        if let Some(stop) = run.stopping() {
            if stop.tell_store && tell_store(shared, &run, &stop).await.is_none() {
                return;
            }
            if shared.leases.held(run.id()) == 0 {
                close(shared, &run).await;
            }
        }
    }
}

/// Stops the jobs that are finished. No open task proves it: what a task discovers is pushed before the task is settled.
///
/// One question for all of them: jobs whose hosts are slow have nothing to claim most of the time, and are asked about again
/// and again.
async fn stop_exhausted<P: Pipeline>(shared: &Shared<P>, runs: &[Arc<JobRun>]) {
    let is_dry = |run: &JobRun| run.dry.load(Ordering::Relaxed) && shared.leases.held(run.id()) == 0;
    let dry: Vec<_> = runs.iter().filter(|run| !run.is_stopping() && is_dry(run)).collect();
    if dry.is_empty() {
        return;
    }
    let ids: Vec<_> = dry.iter().map(|run| run.id()).collect();
    let Some(depths) = shared.persist(|| shared.pipeline.queue().depths(&ids)).await else { return };
    let mut ended = Vec::new();
    for (run, depth) in dry.into_iter().zip(depths) {
        run.set_depth(depth);
        if depth.open() == 0 {
            ended.push((run, depth));
        }
    }
    if ended.is_empty() {
        return;
    }
    // Asked after the depth, so that it counts what every task of it brought, whoever read it.
    let ids: Vec<_> = ended.iter().map(|(run, _)| run.id()).collect();
    let Some(states) = shared.persist(|| shared.pipeline.store().job_states(&ids)).await else { return };
    for ((run, depth), state) in ended.into_iter().zip(states) {
        if state.is_some_and(|job| run.heard(job.collected) >= job.target) {
            reach_target(shared, run);
        } else {
            run.stop(exhausted(&depth, run));
        }
    }
}

fn exhausted(depth: &Depth, run: &JobRun) -> Stop {
    let left_out = run.over_limit.load(Ordering::Relaxed);
    let lost = format!("{} blocked, {} failed, {} set aside", depth.blocked, depth.failed, depth.quarantined);
    let (status, reason) = if depth.done == 0 && run.collected() == 0 && depth.lost() > 0 {
        (JobStatus::Failed, format!("no source could be read: {lost}"))
    } else if let Some(most) = run.job.spec.options.max_tasks.filter(|most| left_out > 0 || depth.total() >= *most) {
        // What was left out elsewhere, by another process or before a restart, is not known here.
        let more = if left_out > 0 { "and more were left out" } else { "and more may have been left out" };
        (
            JobStatus::Completed,
            format!("the limit of {most} for pages, sitemaps, calls, files, folders and lists was reached {more}"),
        )
    } else if depth.lost() > 0 {
        (JobStatus::Completed, format!("the sources that could be read hold no more{}: {lost}", within_limits(run)))
    } else {
        (JobStatus::Completed, format!("the sources hold no more{}", within_limits(run)))
    };
    Stop { status, reason: Some(reason), tell_store: true }
}

/// Says that there may be more behind what was not asked for. As with the limit of tasks, what other processes did is not known
/// here.
fn within_limits(run: &JobRun) -> String {
    let depth = within_depth(run);
    match run.most_pages.load(Ordering::Relaxed) {
        0 => depth,
        most => format!("{depth} within {most} pages of a search, which is all that its endpoint is asked for"),
    }
}

/// Says that there may be more behind the links that were not followed. As with the limit of tasks, what other processes did is
/// not known here.
fn within_depth(run: &JobRun) -> String {
    let pages = run.at_depth.load(Ordering::Relaxed);
    match run.job.spec.options.crawl {
        Some(crawl) if pages > 0 => {
            let pages = if pages == 1 { "a page".to_owned() } else { format!("{pages} pages") };
            format!(" within a depth of {}, where links of {pages} were not followed", crawl.max_depth)
        }
        _ => String::new(),
    }
}

/// Tells the store how the job ends here. `None` when the engine has to stop instead.
async fn tell_store<P: Pipeline>(shared: &Shared<P>, run: &JobRun, stop: &Stop) -> Option<()> {
    // A resume looks at it, and may come as soon as the store is told.
    record_active(shared, run).await;
    let (store, from) = (shared.pipeline.store(), [JobStatus::Running]);
    let tell = || async { found(store.transition(run.id(), &from, stop.status, stop.reason.as_deref()).await) };
    shared.persist(tell).await?;
    run.store_was_told();
    Some(())
}

/// Tells the store how long the job has been at work, as far as it can be told.
pub(super) async fn record_active<P: Pipeline>(shared: &Shared<P>, run: &JobRun) {
    if let Err(error) = shared.ask(shared.pipeline.store().record_active(run.id(), run.active())).await {
        tracing::warn!(%error, job = %run.id(), "the time at work could not be recorded");
    }
}

/// The answer of the store, or none where the job was deleted meanwhile: then there is nobody to tell.
fn found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        answer => answer.map(Some),
    }
}

/// Takes a job out of this engine and tells whoever watches.
async fn close<P: Pipeline>(shared: &Shared<P>, run: &JobRun) {
    record_active(shared, run).await;
    if let Ok(depth) = shared.ask(shared.pipeline.queue().depth(run.id())).await {
        run.set_depth(depth);
        let looked = match run.stopping().map(|stop| stop.status) {
            Some(JobStatus::Completed | JobStatus::Failed) if depth.open() > 0 => go_on(shared, run.id()).await,
            Some(JobStatus::Paused) => complete(shared, run, &depth).await,
            _ => Ok(()),
        };
        if let Err(error) = looked {
            tracing::warn!(%error, job = %run.id(), "whether a job has ended or goes on could not be told");
        }
    }
    shared.remove_run(run.id());
    // Nobody is to be shown at work on it until the next report.
    shared.bounds_changed.notify_one();
    shared.progress.publish(run.progress(None, true));
}

/// Has a job with open tasks go on that is completed, or failed for want of any, unless it has its target. Either tasks that were
/// given up came back while it was being ended, and whoever retried them found it running; or its server lost addresses by which
/// it had the target, so the store is asked how many there are, whatever was counted here.
async fn go_on<P: Pipeline>(shared: &Shared<P>, id: JobId) -> Result<()> {
    let store = shared.pipeline.store();
    let states = shared.ask(store.job_states(&[id])).await?;
    if states.into_iter().flatten().all(|job| job.collected >= job.target) {
        return Ok(());
    }
    let ended = [JobStatus::Completed, JobStatus::Failed];
    found(shared.ask(store.transition(id, &ended, JobStatus::Queued, None)).await).map(drop)
}

/// Ends a paused job that lacks nothing: the pages that were under way brought the rest of its target, or were the last.
async fn complete<P: Pipeline>(shared: &Shared<P>, run: &JobRun, depth: &Depth) -> Result<()> {
    let store = shared.pipeline.store();
    let Some(Some(job)) = shared.ask(store.job_states(&[run.id()])).await?.pop() else { return Ok(()) };
    let stop = if job.collected >= job.target {
        Stop { status: JobStatus::Completed, reason: None, tell_store: false }
    } else if depth.open() == 0 && run.epoch == store.epoch() {
        Stop { tell_store: false, ..exhausted(depth, run) }
    } else {
        return Ok(());
    };
    let ended = store.transition(run.id(), &[JobStatus::Paused], stop.status, stop.reason.as_deref());
    if found(shared.ask(ended).await)? != Some(Transition::Applied) {
        return Ok(());
    }
    let paused = run.stopping();
    let ended = [stop.status];
    run.ends_as(stop);
    // Whoever retried what was given up before that found the job paused, and left it so.
    if depth.open() == 0 && shared.ask(shared.pipeline.queue().depth(run.id())).await?.open() > 0 {
        let pause = store.transition(run.id(), &ended, JobStatus::Paused, job.reason.as_deref());
        if found(shared.ask(pause).await)? == Some(Transition::Applied) {
            paused.into_iter().for_each(|stop| run.ends_as(stop));
        }
    }
    Ok(())
}

/// Lets go of every job when the engine ends: an engine for one job pauses it, one for all leaves them to others.
pub(super) async fn let_go<P: Pipeline>(shared: &Shared<P>) {
    end_finished(shared).await;
    for run in shared.runs() {
        if shared.options.jobs != JobFilter::All && !shared.fatal.is_cancelled() {
            let reason = Some("interrupted: resume it to go on".to_owned());
            run.stop(Stop { status: JobStatus::Paused, reason, tell_store: true });
            if let Some(stop) = run.stopping() {
                tell_store(shared, &run, &stop).await;
            }
        }
        close(shared, &run).await;
    }
}
