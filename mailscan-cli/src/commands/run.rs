//! `run`: a durable job in the foreground, new or resumed.

use std::io::Write;
use std::sync::Arc;

use mailscan_core::ErrorKind;
use mailscan_core::desk;
use mailscan_core::engine::{EngineOptions, JobFilter};
use mailscan_core::job::{Job, JobId, JobSpec, JobState, JobStatus, NewJob, Origin};
use mailscan_core::lease::FailureClass;
use mailscan_core::limits::Limits;
use mailscan_core::pipeline::Pipeline;
use mailscan_core::queue::Queue;
use mailscan_core::source::Pace;
use mailscan_core::store::{ErrorClass, ErrorSelection, JobQuery, Store, Transition};
use mailscan_core::task::Depth;

use super::errors::all_groups;
use super::job::find;
use crate::config::{self, RunConfig, Start};
use crate::drive::drive;
use crate::exit::{Exit, Failure, Result};
use crate::render::job::json;
use crate::render::summary::{self, Blocked, Onward};
use crate::wire::Wired;
use crate::{args, files, wire};

/// How many jobs one look at the store brings.
const PAGE: usize = 100;

pub(crate) async fn run(typed: &args::Run) -> Result<Exit> {
    let config = config::run(typed)?;
    match &config.start {
        Start::New(spec) => new(typed, &config, spec).await,
        Start::Resume(id) => resume(typed, &config, *id).await,
    }
}

async fn new(typed: &args::Run, config: &RunConfig, spec: &JobSpec) -> Result<Exit> {
    let database = wire::create(&config.db).await?;
    let fetching = config::fetching(&typed.politeness, &spec.options);
    let fetching = config::for_few(fetching, config::planned(spec, &config.limits));
    // Before there is a job: fetchers refuse what a later run could not use either.
    let pipeline = wire::pipeline(database, &fetching)?;
    if config.detach {
        return detach(pipeline.store(), config, spec).await;
    }
    // Whoever holds the lock is the only one that works on this database; the lock ends with this process.
    let locked = pipeline.store().try_lock_workers().await;
    let _lock = locked.map_err(|error| or(error, "add --detach where that is `mailscan serve`"))?;
    let id = create(pipeline.store(), spec).await?;
    work(&pipeline, (typed, config), (id, spec), &fetching.pace).await
}

async fn resume(typed: &args::Run, config: &RunConfig, id: Option<u64>) -> Result<Exit> {
    let database = wire::open(&config.db).await?;
    let locked = database.try_lock_workers().await;
    let job = match id {
        Some(id) => find(&database, JobId(id)).await?,
        None => newest_unfinished(&database).await?,
    };
    if matches!(job.status, JobStatus::Completed | JobStatus::Cancelled) {
        return Err(over(job.id, job.status));
    }
    let _lock = locked.map_err(|error| or(error, &summary::handed_on(job.id, job.status, &config.db)))?;
    match job.origin {
        Origin::Api { .. } => say!("{}", summary::from_api(job.id)),
        Origin::Operator if !typed.allow_network.is_empty() => {
            let message = "--allow-network is for jobs of the API: one of your own reaches every network here";
            return Err(Failure::Usage(message.to_owned()));
        }
        Origin::Operator => {}
    }
    can_go_on(&database, &job, &config.db).await?;
    let fetching = config::for_few(
        config::resumed(typed, &job.origin, &job.spec.options),
        config::planned(&job.spec, &config.limits),
    );
    let pipeline = wire::pipeline(database, &fetching)?;
    requeue(pipeline.store(), job.id).await?;
    work(&pipeline, (typed, config), (job.id, &job.spec), &fetching.pace).await
}

/// Adds to why another process keeps this one from its work what else can be done.
fn or(error: mailscan_core::Error, mend: &str) -> Failure {
    match error.kind() {
        ErrorKind::Conflict => Failure::Failed(format!("{error}, or {mend}")),
        _ => error.into(),
    }
}

/// Works on a job until it ends, and says how.
async fn work(
    pipeline: &Arc<Wired>,
    (typed, config): (&args::Run, &RunConfig),
    (id, spec): (JobId, &JobSpec),
    pace: &Pace,
) -> Result<Exit> {
    let room = files::room(config::planned(spec, &config.limits));
    drive(Arc::clone(pipeline), options((typed, config), id, pace, room), id, |_| {}).await?;
    report(&**pipeline, id, config).await
}

/// An engine for this job alone, with so many fetches in flight at most.
fn options((typed, config): (&args::Run, &RunConfig), id: JobId, pace: &Pace, room: usize) -> EngineOptions {
    let options = config::engine(pace, &typed.machine.memory, &config.limits, JobFilter::Only(id), room);
    let options = config::leased(options, typed.leases.lease);
    EngineOptions { suppression: config.suppression.clone(), min_free_disk: config.min_free_disk, ..options }
}

/// Puts a new job into the store. Its first tasks are the engine's business.
pub(crate) async fn create(store: &impl Store, spec: &JobSpec) -> Result<JobId> {
    Ok(store.create_job(&NewJob::new(spec.clone())).await?.id())
}

async fn detach(store: &wire::Database, config: &RunConfig, spec: &JobSpec) -> Result<Exit> {
    let id = create(store, spec).await?;
    say!("{}", summary::queued(id, &config.db, store.is_locked()));
    if config.json {
        print_json(&find(store, id).await?, None, &config.limits)?;
    }
    Ok(Exit::Done)
}

/// How a job goes on: one that would only fail again takes another try for what it has given up.
async fn onward(queue: &impl Queue, store: &impl Store, job: &JobState) -> Result<Onward> {
    if !desk::would_fail_again(queue, job).await? {
        return Ok(Onward::Resumed);
    }
    let of = ErrorSelection { job: Some(job.id), ..ErrorSelection::default() };
    let any_given_up = desk::any_given_up(queue, store, &of).await?;
    Ok(if any_given_up { Onward::Retried } else { Onward::Never })
}

/// Refuses a failed job that would only fail again: all that is left of it was given up.
pub(crate) async fn can_go_on(database: &(impl Queue + Store), job: &Job, db: &str) -> Result<()> {
    let mend = match onward(database, database, &job.state()).await? {
        Onward::Resumed => return Ok(()),
        Onward::Retried => format!("try them again with `{}`", summary::again(job.id, db)),
        Onward::Never => "their errors were resolved without a retry, so start a new one".to_owned(),
    };
    Err(Failure::Failed(format!("job {} has given up all its tasks: {mend}", job.id)))
}

/// Says that a job cannot go on.
fn over(id: JobId, status: JobStatus) -> Failure {
    Failure::Failed(format!("job {id} is {status}: start a new one"))
}

/// Makes an unfinished job ready to go on.
async fn requeue(store: &impl Store, id: JobId) -> Result<()> {
    match store.transition(id, &[JobStatus::Paused, JobStatus::Failed], JobStatus::Queued, None).await? {
        Transition::Refused(status @ (JobStatus::Completed | JobStatus::Cancelled)) => Err(over(id, status)),
        // A job that still runs in the store was left behind by a process that died.
        Transition::Applied | Transition::Already | Transition::Refused(_) => Ok(()),
    }
}

/// The newest unfinished job that can go on, or the newest of all where none can.
async fn newest_unfinished(database: &(impl Queue + Store)) -> Result<Job> {
    use JobStatus::{Failed, Paused, Queued, Running};
    let statuses = vec![Queued, Running, Paused, Failed];
    let mut query = JobQuery { descending: true, limit: PAGE, statuses, after: 0 };
    let mut dead = None;
    loop {
        let page = database.jobs(&query).await?;
        for job in &page {
            if !desk::would_fail_again(database, job).await? {
                return find(database, job.id).await;
            }
            dead = dead.or(Some(job.id));
        }
        let Some(last) = page.last() else { break };
        query.after = last.id.0;
    }
    let none = || Failure::Failed("there is no unfinished job: `mailscan job list` shows all".to_owned());
    find(database, dead.ok_or_else(none)?).await
}

/// Says how the job ended.
async fn report<P: Pipeline>(pipeline: &P, id: JobId, config: &RunConfig) -> Result<Exit> {
    let job = find(pipeline.store(), id).await?;
    let depth = pipeline.queue().depth(id).await?;
    let blocked = blocked(pipeline.store(), id).await?;
    let partial = read_in_part(pipeline.store(), id).await?;
    let onward = onward(pipeline.queue(), pipeline.store(), &job.state()).await?;
    crate::render::tell(format_args!("{}", summary::lines((&job, onward), &depth, partial, &blocked, &config.db)));
    let exit = exit(&job, &depth, partial);
    if config.json {
        match print_json(&job, Some(&depth), &config.limits) {
            // Whoever has seen enough of the answer still wants to know how the job ended.
            Err(error) if error.is_closed_pipe() => {}
            printed => printed?,
        }
    }
    Ok(exit)
}

/// How many sources were read only in part, which nobody has looked at.
pub(crate) async fn read_in_part(store: &impl Store, id: JobId) -> Result<u64> {
    let mut count = 0;
    all_groups(store, of_class(id, ErrorClass::Partial), |part| {
        count += part.iter().map(|group| group.open).sum::<u64>();
        Ok(())
    })
    .await?;
    Ok(count)
}

/// Who refused, as far as nobody has looked at it.
async fn blocked(store: &impl Store, id: JobId) -> Result<Blocked> {
    let mut blocked = Blocked::default();
    all_groups(store, of_class(id, ErrorClass::Failed(FailureClass::Blocked)), |part| {
        part.into_iter().for_each(|group| blocked.note(group));
        Ok(())
    })
    .await?;
    Ok(blocked)
}

fn of_class(job: JobId, class: ErrorClass) -> ErrorSelection {
    ErrorSelection { job: Some(job), class: Some(class), ..ErrorSelection::default() }
}

fn print_json(job: &Job, depth: Option<&Depth>, limits: &Limits) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &json(job, depth, limits))?;
    Ok(writeln!(out)?)
}

/// The exit code that a job's end deserves, where so many sources were read only in part.
pub(crate) fn exit(job: &Job, depth: &Depth, partial: u64) -> Exit {
    match job.status {
        JobStatus::Completed if depth.lost() == 0 && partial == 0 => Exit::Done,
        JobStatus::Completed => Exit::DoneWithErrors,
        JobStatus::Failed | JobStatus::Cancelled => Exit::Failed,
        JobStatus::Queued | JobStatus::Running | JobStatus::Paused => Exit::Interrupted,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    #[test]
    fn a_run_works_by_what_is_typed() {
        let words = "mailscan run --resume --lease 30 --max-workers 7 --min-free-disk 9 --per-host 50".split(' ');
        let args::Command::Run(run) = args::Args::try_parse_from(words).unwrap().command else { unreachable!() };
        let config = config::run(&run).unwrap();
        let pace = Pace { concurrency: 50, ..Pace::default() };
        let options = options((&run, &config), JobId(5), &pace, 9);
        assert_eq!(options.jobs, JobFilter::Only(JobId(5)));
        assert_eq!((options.lease_for, options.heartbeat), (Duration::from_secs(30), Duration::from_secs(10)));
        assert_eq!((options.limits.max_workers, options.min_free_disk), (7, 9));
        assert_eq!((options.max_in_flight, options.per_host), (9, 100));
    }
}
