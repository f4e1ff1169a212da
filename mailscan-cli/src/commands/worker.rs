//! `worker`: the engine for every job of a shared database, until a signal.

use mailscan_core::engine::{Engine, EngineOptions, JobFilter};
use mailscan_core::job::JobOptions;

use crate::config::SuppressionList;
use crate::drive::STOPPING;
use crate::exit::{Exit, Failure, Result};
use crate::outages::Outages;
use crate::signals::{Reloads, Signals};
use crate::{args, config, files, wire};

pub(crate) async fn run(typed: &args::Worker) -> Result<Exit> {
    let db = &typed.db;
    wire::refuse_keywords(db)?;
    // What is of another kind altogether is refused where it would be opened.
    if !wire::is_shared(db) && !db.contains("://") {
        let message = format!(
            "`{}` is a file, which one process works on: name a server with --db postgres://user@host/database, or use \
             `mailscan serve`",
            crate::render::escape(db)
        );
        return Err(Failure::Usage(message));
    }
    let fetching = config::fetching(&typed.politeness, &JobOptions::default());
    let fetching = config::for_others(fetching, &typed.networks);
    let limits = config::limits(&typed.constants)?;
    let options = config::engine(&fetching.pace, &typed.memory, &limits, JobFilter::All, files::room(0));
    let list = SuppressionList::load(&typed.suppressed)?;
    let options = EngineOptions { suppression: list.entries.clone(), ..config::leased(options, typed.leases.lease) };
    // Before anything is claimed, so that a signal never finds the process without ears.
    let mut signals = Signals::listen()?;
    let mut reloads = Reloads::listen()?;
    let database = tokio::select! {
        database = wire::create(db) => database?,
        // Nothing was begun. The server may not answer for long, or another process change the schema.
        () = signals.next() => return Ok(Exit::Done),
    };
    let pipeline = wire::pipeline(database, &fetching)?;
    let node = options.node.clone();
    let engine = Engine::start(pipeline, options);
    say!("node {node} works on every job of {}: Ctrl-C stops", crate::render::escape(&wire::shown(db)));
    let mut outages = Outages::of(engine.monitor());
    let result = loop {
        tokio::select! {
            () = signals.next() => break Ok(()),
            error = engine.failed() => break Err(error),
            () = reloads.next() => reload(&list),
            line = outages.next() => say!("{line}"),
        }
    };
    say!("{STOPPING}");
    let drained = signals.wind_down(&engine, |line| say!("{line}")).await;
    Ok(result.and(drained).map(|()| Exit::Done)?)
}

fn reload(list: &SuppressionList) {
    match list.reload() {
        None => say!("there is no suppression list to read again"),
        Some(Ok(())) => say!("read again: the suppression list"),
        Some(Err(reason)) => say!("the old suppression list is kept: {}", crate::render::escape(&reason)),
    }
}
