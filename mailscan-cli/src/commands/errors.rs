//! `errors`: what went wrong, in groups or one by one, and the note that resolves it.

use std::io::Write;

use mailscan_core::desk;
use mailscan_core::job::JobId;
use mailscan_core::queue::Queue;
use mailscan_core::store::{ErrorGroup, ErrorQuery, ErrorSelection, GroupQuery, Store, WorkerError};
use mailscan_http::wire as api;
use serde::Serialize;

use crate::args::{self, ErrorsAction};
use crate::exit::{Exit, Failure, Result};
use crate::render::table::Table;
use crate::render::{counted, escape, grouped};
use crate::wire;

/// How many groups one look at the store brings: for each, all errors are looked through.
const GROUPS: usize = 10_000;
/// How many errors one look at the store brings.
const PAGE: usize = 1_000;

#[derive(Serialize)]
struct ErrorJson<'a> {
    id: u64,
    job_id: u64,
    class: &'a str,
    code: &'a str,
    host: &'a str,
    task: &'a str,
    message: &'a str,
    at: String,
    resolved_at: Option<String>,
    note: Option<&'a str>,
}

pub(crate) async fn run(typed: &args::Errors) -> Result<Exit> {
    if let Some(ErrorsAction::Resolve { job, class, code, host, id, note, retry, json, database }) = &typed.action {
        let (job, code, host) = (job.map(JobId), code.clone(), host.clone());
        let selection = ErrorSelection { ids: id.clone(), job, class: *class, code, host };
        return resolve(&wire::open(&database.db).await?, &selection, note, (*retry, *json)).await;
    }
    let store = wire::open(&typed.database.db).await?;
    let job = typed.id.map(JobId);
    if let Some(id) = job {
        super::job::find(&store, id).await?;
    }
    if typed.list || typed.all {
        list(&store, job, !typed.all, typed.json).await
    } else {
        groups(&store, job, typed.json).await
    }
}

async fn resolve(
    database: &(impl Store + Queue),
    selection: &ErrorSelection,
    note: &str,
    (retry, json): (bool, bool),
) -> Result<Exit> {
    if *selection == ErrorSelection::default() {
        let message = "name the errors to resolve by --job, --class, --code, --host or --id";
        return Err(Failure::Usage(message.to_owned()));
    }
    if note.trim().is_empty() {
        return Err(Failure::Usage("`--note` is missing: say what was done about them".to_owned()));
    }
    if let Some(job) = selection.job {
        super::job::find(database, job).await?;
    }
    let given_up = !retry && !json && desk::any_given_up(database, database, selection).await?;
    let resolved = if retry {
        desk::retry_errors(database, database, selection, note).await?
    } else {
        let errors = database.resolve_errors(selection, note, false).await?;
        desk::Resolved { errors, ..desk::Resolved::default() }
    };
    if resolved.errors == 0 {
        return Err(Failure::Failed("no such error is open: nothing was resolved".to_owned()));
    }
    if json {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, &api::Resolved::new(resolved, None))?;
        writeln!(out)?;
    } else {
        let tasks = counted(resolved.tasks, "task", "tasks");
        let again = match (retry, given_up) {
            (true, _) => format!(", {tasks} tried again where workers run"),
            (false, true) => ": what was given up is not tried again, by no later --retry either".to_owned(),
            (false, false) => String::new(),
        };
        say!("{} resolved{again}", counted(resolved.errors, "error", "errors"));
    }
    Ok(Exit::Done)
}

/// Hands over the groups of these errors, the most frequent first, part by part.
pub(crate) async fn all_groups(
    store: &impl Store,
    of: ErrorSelection,
    mut take: impl FnMut(Vec<ErrorGroup>) -> Result<()>,
) -> Result<()> {
    let mut query = GroupQuery { of, after: None, limit: GROUPS };
    loop {
        let part = store.error_groups(&query).await?;
        let Some(last) = part.last() else { return Ok(()) };
        query.after = Some(last.key());
        let is_last = part.len() < GROUPS;
        take(part)?;
        if is_last {
            return Ok(());
        }
    }
}

async fn groups(store: &impl Store, job: Option<JobId>, json: bool) -> Result<Exit> {
    let of = ErrorSelection { job, ..ErrorSelection::default() };
    let mut out = std::io::stdout().lock();
    if json {
        let mut before = '[';
        all_groups(store, of, |part| {
            for group in &part {
                write!(out, "{}", std::mem::replace(&mut before, ','))?;
                serde_json::to_writer(&mut out, &api::ErrorGroup::from(group))?;
            }
            Ok(())
        })
        .await?;
        writeln!(out, "{}", if before == '[' { "[]" } else { "]" })?;
        return Ok(Exit::Done);
    }
    let (mut table, mut any) = (Table::new(["CLASS", "CODE", "HOST", "COUNT", "OPEN", "NEWEST"]), false);
    all_groups(store, of, |part| {
        any = true;
        let rows: Vec<_> = part.iter().map(group_row).collect();
        Ok(write!(out, "{}", table.part(&rows))?)
    })
    .await?;
    if !any {
        say!("no errors");
    }
    Ok(Exit::Done)
}

fn group_row(group: &ErrorGroup) -> [String; 6] {
    [
        group.class.as_str().to_owned(),
        escape(&group.code),
        escape(&group.host),
        grouped(group.count),
        grouped(group.open),
        escape(group.newest()),
    ]
}

async fn list(store: &impl Store, job: Option<JobId>, open_only: bool, json: bool) -> Result<Exit> {
    let of = ErrorSelection { job, ..ErrorSelection::default() };
    let mut query = ErrorQuery { after: 0, limit: PAGE, open_only, of };
    let mut out = std::io::stdout().lock();
    loop {
        let page = store.errors(&query).await?;
        let Some(last) = page.last() else { break };
        query.after = last.id;
        for error in &page {
            if json {
                serde_json::to_writer(&mut out, &error_json(error))?;
                writeln!(out)?;
            } else {
                writeln!(out, "{}", line(error))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn error_json(recorded: &WorkerError) -> ErrorJson<'_> {
    let error = &recorded.error;
    ErrorJson {
        id: recorded.id,
        job_id: error.job.0,
        class: error.class.as_str(),
        code: &error.code,
        host: &error.host,
        task: &error.label,
        message: &error.message,
        at: recorded.at.rfc3339(),
        resolved_at: recorded.resolved.as_ref().map(|resolution| resolution.at.rfc3339()),
        note: recorded.resolved.as_ref().map(|resolution| resolution.note.as_str()),
    }
}

fn line(recorded: &WorkerError) -> String {
    let error = &recorded.error;
    let note = recorded.resolved.as_ref().map(|resolution| format!(" (resolved: {})", resolution.note));
    escape(&format!(
        "{} {} job {} {} {}: {}: {}{}",
        recorded.id,
        recorded.at.rfc3339(),
        error.job,
        error.class.as_str(),
        error.code,
        error.label,
        error.message,
        note.unwrap_or_default()
    ))
}
