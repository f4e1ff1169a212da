//! `worker`: the engine for every job of a shared database, until a signal.

use mailscan_core::engine::{Engine, JobFilter};
use mailscan_core::job::JobOptions;

use crate::drive::STOPPING;
use crate::exit::{Exit, Failure, Result};
use crate::signals::Signals;
use crate::{args, config, files, wire};

pub(crate) async fn run(typed: &args::Worker) -> Result<Exit> {
    let db = &typed.database.db;
    if !wire::is_shared(db) {
        let message = format!(
            "`{}` is a file, which one process works on: name a server with --db postgres://user@host/database, or use \
             `mailscan serve`",
            crate::render::escape(db)
        );
        return Err(Failure::Usage(message));
    }
    let fetching = config::fetching(&typed.politeness, &JobOptions::default());
    let fetching = config::for_others(fetching, &typed.networks);
    let options = config::engine(&fetching.pace, &typed.machine, JobFilter::All, files::room(0));
    let options = config::leased(options, typed.lease);
    // Before anything is claimed, so that a signal never finds the process without ears.
    let mut signals = Signals::listen()?;
    let pipeline = wire::pipeline(wire::create(db).await?, &fetching)?;
    let node = options.node.clone();
    let mut engine = Engine::start(pipeline, options);
    say(&format!("node {node} works on every job of {}: Ctrl-C stops", crate::render::escape(&wire::shown(db))));
    let result = tokio::select! {
        () = signals.next() => Ok(()),
        error = engine.failed() => Err(error),
    };
    say(STOPPING);
    let drained = signals.wind_down(&mut engine, say).await;
    Ok(result.and(drained).map(|()| Exit::Done)?)
}

fn say(text: &str) {
    eprintln!("{text}");
}
