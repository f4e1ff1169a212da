//! `run`: a durable job in the foreground, new or resumed.

use std::io::Write;
use std::sync::Arc;

use mailscan_core::engine::{EngineOptions, JobFilter};
use mailscan_core::job::{Job, JobId, JobSpec, JobStatus, NewJob};
use mailscan_core::pipeline::Pipeline;
use mailscan_core::queue::Queue;
use mailscan_core::store::{JobQuery, Store, Transition};
use mailscan_core::task::Depth;

use super::job::find;
use crate::config::{self, RunConfig, Start};
use crate::drive::drive;
use crate::exit::{Exit, Failure, Result};
use crate::render::job::JobJson;
use crate::render::summary;
use crate::{args, wire};

/// How many jobs one look at the store brings.
const PAGE: usize = 1_000;
/// How many groups of errors the summary looks at.
const GROUPS: usize = 1_000;

pub(crate) async fn run(typed: &args::Run) -> Result<Exit> {
    let config = config::run(typed)?;
    let database = match &config.start {
        Start::New(_) => wire::create(&config.db).await?,
        Start::Resume(_) => wire::open(&config.db).await?,
    };
    if config.detach {
        return detach(&database, &config).await;
    }
    // Whoever holds the lock is the only one that works on this database; the lock ends with this process.
    let _lock = database.try_lock_workers().await?;
    let id = match &config.start {
        Start::New(spec) => create(&database, spec).await?,
        Start::Resume(id) => resume(&database, *id).await?,
    };
    let pipeline = wire::pipeline(database, &config.fetching)?;
    let options = EngineOptions { jobs: JobFilter::Only(id), ..config.engine.clone() };
    drive(Arc::clone(&pipeline), options, id).await?;
    report(&*pipeline, id, &config).await
}

/// Puts a new job into the store. Its first tasks are the engine's business.
pub(crate) async fn create(store: &impl Store, spec: &JobSpec) -> Result<JobId> {
    let key = format!("{:032x}", rand::random::<u128>());
    Ok(store.create_job(&NewJob { key, spec: spec.clone() }).await?.id())
}

async fn detach(store: &impl Store, config: &RunConfig) -> Result<Exit> {
    let Start::New(spec) = &config.start else {
        return Err(Failure::Usage("--detach is for a new job: give its sources".to_owned()));
    };
    let id = create(store, spec).await?;
    eprintln!("job {id} is queued: `mailscan run --resume {id}{}` works on it", summary::at(&config.db));
    if config.json {
        print_json(&find(store, id).await?, None)?;
    }
    Ok(Exit::Done)
}

/// Makes an unfinished job ready to go on: this one, or the newest.
async fn resume(store: &impl Store, id: Option<u64>) -> Result<JobId> {
    let id = match id {
        Some(id) => find(store, JobId(id)).await?.id,
        None => newest_unfinished(store).await?,
    };
    match store.transition(id, &[JobStatus::Paused, JobStatus::Failed], JobStatus::Queued, None).await? {
        Transition::Refused(status @ (JobStatus::Completed | JobStatus::Cancelled)) => {
            Err(Failure::Failed(format!("job {id} is {status}: start a new one")))
        }
        // A job that still runs in the store was left behind by a process that died.
        Transition::Applied | Transition::Already | Transition::Refused(_) => Ok(id),
    }
}

async fn newest_unfinished(store: &impl Store) -> Result<JobId> {
    use JobStatus::{Failed, Paused, Queued, Running};
    let mut query = JobQuery { after: 0, limit: PAGE, statuses: vec![Queued, Running, Paused, Failed] };
    let mut newest = None;
    while let Some(last) = store.jobs(&query).await?.last() {
        query.after = last.id.0;
        newest = Some(last.id);
    }
    newest.ok_or_else(|| Failure::Failed("there is no unfinished job: `mailscan job list` shows all".to_owned()))
}

/// Says how the job ended.
async fn report<P: Pipeline>(pipeline: &P, id: JobId, config: &RunConfig) -> Result<Exit> {
    let job = find(pipeline.store(), id).await?;
    let depth = pipeline.queue().depth(id).await?;
    let groups = pipeline.store().error_groups(Some(id), GROUPS).await?;
    eprint!("{}", summary::lines(&job, &depth, &groups, &config.db));
    if config.json {
        print_json(&job, Some(&depth))?;
    }
    Ok(exit(&job, &depth))
}

fn print_json(job: &Job, depth: Option<&Depth>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &JobJson::new(job, depth))?;
    Ok(writeln!(out)?)
}

/// The exit code that a job's end deserves.
pub(crate) fn exit(job: &Job, depth: &Depth) -> Exit {
    match job.status {
        JobStatus::Completed if depth.lost() == 0 => Exit::Done,
        JobStatus::Completed => Exit::DoneWithErrors,
        JobStatus::Failed | JobStatus::Cancelled => Exit::Failed,
        JobStatus::Queued | JobStatus::Running | JobStatus::Paused => Exit::Interrupted,
    }
}
