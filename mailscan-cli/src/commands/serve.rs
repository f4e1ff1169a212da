//! `serve`: the engine for every job of a database, and the server that shows them, in one process.

mod reload;

use std::path::PathBuf;
use std::sync::Arc;

use mailscan_core::engine::{Engine, EngineOptions, JobFilter};
use mailscan_core::job::JobOptions;
use mailscan_core::pipeline::Pipeline;
use mailscan_http::ServeOptions;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::config::SuppressionList;
use crate::drive::STOPPING;
use crate::exit::{Exit, Failure, Result};
use crate::outages::Outages;
use crate::render::escape;
use crate::signals::{Reloads, Signals};
use crate::{args, config, files, telemetry, wire};
use reload::Files;

pub(crate) async fn run(typed: &args::Serve) -> Result<Exit> {
    // Before anybody can think that it serves.
    let reloads = Reloads::listen()?;
    let files = files::for_server();
    let fetching = config::fetching(&typed.politeness, &JobOptions::default());
    let fetching = config::for_others(fetching, &typed.networks);
    let limits = config::server_limits(typed)?;
    let server = config::server(typed, files.connections)?;
    let server = ServeOptions { roots: roots(&typed.root)?, pace: fetching.pace, join_span: telemetry::JOIN, ..server };
    let options = config::engine(&fetching.pace, &typed.machine.memory, &limits, JobFilter::All, files.fetches);
    let min_free_disk = config::min_free_disk(&typed.machine, &typed.database.db)?;
    let options = EngineOptions { min_free_disk, ..config::leased(options, typed.leases.lease) };
    let server = ServeOptions { limits, ..server };
    let list = SuppressionList::load(&typed.suppressed)?;
    let options = EngineOptions { suppression: list.entries.clone(), ..options };
    let database = wire::create(&typed.database.db).await?;
    // Whoever holds the lock is the only one that works on this database; the lock ends with this process.
    let _lock = database.try_lock_workers().await?;
    let listening = |error| Failure::Failed(format!("cannot listen on {}: {error}", typed.listen));
    let listener = TcpListener::bind(typed.listen).await.map_err(listening)?;
    let local = listener.local_addr().map_err(listening)?;
    let pipeline = wire::pipeline(database, &fetching)?;
    if let Some(warning) = config::warning(typed) {
        say!("{warning}");
    }
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let from = escape(&wire::shown(&typed.database.db));
    say!("serving {scheme}://{local}/ from {from}: open it in a browser; Ctrl-C stops");
    let files = Files { tls: server.tls.clone(), tokens: server.tokens.clone(), list };
    work(pipeline, options, (server, listener), (reloads, files)).await
}

/// The whole names of folders that there are.
fn roots(typed: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let whole = |root: &PathBuf| {
        let wrong = |why: String| Failure::Failed(format!("cannot use --root `{}`: {why}", root.display()));
        let whole = root.canonicalize().map_err(|error| wrong(error.to_string()))?;
        if whole.is_dir() { Ok(whole) } else { Err(wrong("it is not a folder".to_owned())) }
    };
    typed.iter().map(whole).collect()
}

/// Works and serves until a signal stops both, or one of them cannot go on.
async fn work<P: Pipeline>(
    pipeline: Arc<P>,
    options: EngineOptions,
    (server, listener): (ServeOptions, TcpListener),
    (mut reloads, files): (Reloads, Files),
) -> Result<Exit> {
    let mut signals = Signals::listen()?;
    let engine = Engine::start(pipeline.clone(), options);
    let server = ServeOptions { monitor: Some(engine.monitor()), ..server };
    let (stop, stopped) = oneshot::channel::<()>();
    let until = async {
        let _ = stopped.await;
    };
    let mut server = tokio::spawn(mailscan_http::serve(listener, pipeline, server, until));
    let mut outages = Outages::of(engine.monitor());
    let result = loop {
        tokio::select! {
            () = signals.next() => break Ok(()),
            error = engine.failed() => break Err(error.into()),
            ended = &mut server => {
                // So that tasks go back before the process ends; whatever that brings, the server is what failed.
                let _ = engine.abort().await;
                return Err(Failure::Failed(format!("the server ended: {ended:?}")));
            }
            () = reloads.next() => files.read_again().await.iter().for_each(|line| say!("{line}")),
            line = outages.next() => say!("{line}"),
        }
    };
    say!("{STOPPING}");
    // People may watch the last pages come in, so the server is the last to go.
    let drained = signals.wind_down(&engine, |line| say!("{line}")).await;
    let _ = stop.send(());
    tokio::select! {
        _ = server => {}
        () = signals.next() => {}
    }
    result.and(drained.map_err(Failure::from)).map(|()| Exit::Done)
}
