//! `job`: list, show, pause, resume, cancel, delete and export the jobs of a database.

mod export;

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, IsTerminal, Write};

use mailscan_core::desk::{self, Change};
use mailscan_core::job::{Job, JobId, JobState, JobStatus, Outline};
use mailscan_core::limits::Limits;
use mailscan_core::queue::Queue;
use mailscan_core::store::{Deletion, JobQuery, Store, Transition};
use mailscan_http::wire as api;

use crate::config::{self, SuppressionList};
use crate::exit::{Exit, Failure, Result};
use crate::render::{counted, job as render, summary};
use crate::{args, wire};

/// How many jobs one look at the store brings.
const PAGE: usize = 1_000;

pub(crate) async fn run(typed: &args::Job) -> Result<Exit> {
    match typed {
        args::Job::List { database, planning, json } => {
            let limits = config::shown_limits(planning)?;
            list(&wire::open(&database.db).await?, *json, &limits).await
        }
        args::Job::Show { id, database, planning, json } => {
            let limits = config::shown_limits(planning)?;
            show(&wire::open(&database.db).await?, JobId(*id), (*json, &limits), &database.db).await
        }
        args::Job::Pause(typed) => change(typed, Change::Pause).await,
        args::Job::Resume(typed) => change(typed, Change::Resume).await,
        args::Job::Cancel(typed) => change(typed, Change::Cancel).await,
        args::Job::Delete { id, yes, database } => delete(&wire::open(&database.db).await?, JobId(*id), *yes).await,
        args::Job::Export { id, format, output, suppressed, database } => {
            let suppression = SuppressionList::load(suppressed)?.entries;
            let (id, format, output) = (JobId(*id), *format, output.as_deref());
            export::run(&wire::open(&database.db).await?, &export::Asked { id, format, output, suppression }).await
        }
    }
}

/// The job, or a line that says that there is none.
pub(crate) async fn find(store: &impl Store, id: JobId) -> Result<Job> {
    let missing = || Failure::Failed(format!("there is no job {id}: `mailscan job list` shows all"));
    store.job(id).await?.ok_or_else(missing)
}

async fn list(store: &wire::Database, json: bool, limits: &Limits) -> Result<Exit> {
    let mut jobs: Vec<(JobState, Outline)> = Vec::new();
    let mut after = 0;
    loop {
        let page = store.jobs(&JobQuery { after, limit: PAGE, ..JobQuery::default() }).await?;
        let Some(last) = page.last() else { break };
        after = last.id.0;
        let ids: Vec<_> = page.iter().map(|job| job.id).collect();
        let outlines = store.outlines(&ids).await?;
        // A job that was deleted meanwhile has none.
        jobs.extend(page.into_iter().zip(outlines).filter_map(|(job, outline)| Some((job, outline?))));
    }
    let unattended = unattended(store, &mut jobs).await?;
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, &render::json_list(&jobs, &unattended, limits))?;
        writeln!(out)?;
    } else if jobs.is_empty() {
        say!("no jobs: `mailscan run` makes one");
    } else {
        write!(out, "{}", render::list(&jobs, &unattended))?;
    }
    Ok(Exit::Done)
}

/// The jobs that run by their own account and on which nobody works. What has changed about them meanwhile is taken note of.
async fn unattended(store: &wire::Database, jobs: &mut [(JobState, Outline)]) -> Result<HashSet<JobId>> {
    let running: Vec<_> =
        jobs.iter().filter(|(job, _)| job.status == JobStatus::Running).map(|(job, _)| job.id).collect();
    let alone = store.unattended(&running).await?;
    let states = store.job_states(&alone).await?;
    let now: HashMap<_, _> = states.into_iter().flatten().map(|job| (job.id, job)).collect();
    for (job, _) in jobs {
        if let Some(state) = now.get(&job.id) {
            job.clone_from(state);
        }
    }
    Ok(now.into_values().filter(|job| job.status == JobStatus::Running).map(|job| job.id).collect())
}

async fn show(database: &wire::Database, id: JobId, (json, limits): (bool, &Limits), db: &str) -> Result<Exit> {
    let job = find(database, id).await?;
    let depth = database.depth(id).await?;
    let unattended = job.status == JobStatus::Running && !database.unattended(&[id]).await?.is_empty();
    // It may have come to its end between the two looks.
    let job = if unattended { find(database, id).await? } else { job };
    let unattended = unattended && job.status == JobStatus::Running;
    // What a process said that has gone bounds nothing, nor what was said of a job that is over.
    let bounds = if unattended || job.status.is_settled() { Vec::new() } else { database.bounds(id).await? };
    let mut out = std::io::stdout().lock();
    if json {
        let shown = render::json(&job, Some(&depth), limits);
        let shown = shown.with_bounds(&bounds).with_lists(&database.lists(id).await?).with_unattended(unattended);
        serde_json::to_writer(&mut out, &shown)?;
        writeln!(out)?;
    } else {
        let workers = api::planned(&job.state(), &job.spec.outline(), limits);
        let lists = database.lists(id).await?;
        write!(out, "{}", render::show((&job, workers), &depth, &lists, &bounds, unattended))?;
    }
    if unattended && !json {
        crate::render::tell(format_args!("{}", summary::unattended(id, db)));
    }
    Ok(Exit::Done)
}

/// Deletes a job with all that it has found, once a person says that this is meant.
async fn delete(database: &(impl Store + Queue), id: JobId, sure: bool) -> Result<Exit> {
    let mut deleted = false;
    match database.job(id).await? {
        // What an earlier deletion has left, if it was stopped, goes now.
        None => {}
        Some(job) if !sure && !confirmed(&job)? => return Err(Failure::Failed(format!("job {id} is kept"))),
        Some(_) => match database.delete_job(id).await? {
            Deletion::Applied => deleted = true,
            Deletion::Missing => {}
            Deletion::Refused(status) => {
                let mend = "pause or cancel it first";
                return Err(Failure::Failed(format!("job {id} is {status}: {mend}")));
            }
        },
    }
    let gone = desk::purge(database, database).await?;
    if !deleted && !gone.contains(&id) {
        return find(database, id).await.map(|_| Exit::Done);
    }
    say!("job {id} is deleted");
    Ok(Exit::Done)
}

/// Asks the person at the terminal.
fn confirmed(job: &Job) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        let message = format!("job {} would be deleted with its addresses: say --yes if that is meant", job.id);
        return Err(Failure::Usage(message));
    }
    let addresses = counted(job.collected, "address", "addresses");
    crate::render::tell(format_args!("delete job {} with {addresses}? [y/N] ", job.id));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn change(typed: &args::JobChange, change: Change) -> Result<Exit> {
    let to = change.to();
    let store = wire::open(&typed.database.db).await?;
    let id = JobId(typed.id);
    let job = find(&store, id).await?;
    if change == Change::Resume {
        super::run::can_go_on(&store, &job, &typed.database.db).await?;
    }
    match store.transition(id, change.from(), to, typed.reason.as_deref()).await? {
        Transition::Applied if to == JobStatus::Queued => {
            say!("{}", summary::queued(id, &typed.database.db, store.is_locked()));
        }
        Transition::Applied => say!("job {id} is {to}"),
        Transition::Already => say!("job {id} was {to} before"),
        Transition::Refused(status) => {
            return Err(Failure::Failed(format!("job {id} is {status}: it cannot become {to}")));
        }
    }
    Ok(Exit::Done)
}
