//! `serve`: the engine for every job of a database, and the server that shows them, in one process.

use std::sync::Arc;
use std::time::Duration;

use mailscan_core::engine::{Engine, EngineOptions, JobFilter};
use mailscan_core::job::JobId;
use mailscan_core::pipeline::Pipeline;
use mailscan_core::source::Pace;
use mailscan_core::source::http::ClientOptions;
use mailscan_http::ServeOptions;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::config::Fetching;
use crate::drive::signal;
use crate::exit::{Exit, Failure, Result};
use crate::{args, wire};

/// What workers do is shown to people, who want it as fresh as everything else.
const HEARTBEAT: Duration = Duration::from_secs(3);

pub(crate) async fn run(typed: &args::Serve) -> Result<Exit> {
    if !typed.listen.ip().is_loopback() {
        let message = format!(
            "--listen {} can be reached from other machines, and the server asks nobody who they are: \
             give a loopback address such as 127.0.0.1:8025",
            typed.listen
        );
        return Err(Failure::Usage(message));
    }
    let fetching = fetching(typed)?;
    let options = engine(&fetching);
    let database = wire::create(&typed.database.db).await?;
    // Whoever holds the lock is the only one that works on this database; the lock ends with this process.
    let _lock = database.try_lock_workers().await?;
    let listening = |error| Failure::Failed(format!("cannot listen on {}: {error}", typed.listen));
    let listener = TcpListener::bind(typed.listen).await.map_err(listening)?;
    let local = listener.local_addr().map_err(listening)?;
    let pipeline = wire::pipeline(database, &fetching)?;
    eprintln!("serving http://{local}/api/v1/jobs from {}: Ctrl-C stops", typed.database.db);
    work(pipeline, options, listener).await
}

fn fetching(typed: &args::Serve) -> Result<Fetching> {
    let mut client = ClientOptions::default();
    if let Some(contact) = &typed.contact {
        client.contact.clone_from(contact);
    }
    let mut pace = Pace { interval: typed.rate_limit, ..Pace::default() };
    if let Some(most) = typed.per_host {
        if most == 0 {
            return Err(Failure::Usage("--per-host is 0: give at least 1".to_owned()));
        }
        pace.concurrency = most as usize;
    }
    Ok(Fetching { client, pace })
}

fn engine(fetching: &Fetching) -> EngineOptions {
    let options = EngineOptions { jobs: JobFilter::All, heartbeat: HEARTBEAT, ..EngineOptions::default() };
    // Enough of a host's tasks at hand that its connections never wait for the queue.
    let per_host = options.per_host.max(fetching.pace.concurrency.saturating_mul(2));
    EngineOptions { per_host, ..options }
}

/// Works and serves until a signal stops both, or one of them cannot go on.
async fn work<P: Pipeline>(pipeline: Arc<P>, options: EngineOptions, listener: TcpListener) -> Result<Exit> {
    let mut engine = Engine::start(pipeline.clone(), options);
    let (stop, stopped) = oneshot::channel::<()>();
    let until = async {
        let _ = stopped.await;
    };
    let mut server = tokio::spawn(mailscan_http::serve(listener, pipeline, ServeOptions::default(), until));
    let result = tokio::select! {
        () = signal() => Ok(()),
        error = broken(&engine) => Err(error.into()),
        ended = &mut server => return Err(Failure::Failed(format!("the server ended: {ended:?}"))),
    };
    eprintln!("stopping: what is being read is finished first; once more stops at once");
    // People may watch the last pages come in, so the server is the last to go.
    let drained = tokio::select! {
        drained = engine.drain() => Some(drained),
        () = signal() => None,
    };
    let drained = match drained {
        Some(drained) => drained,
        None => engine.abort().await,
    };
    let _ = stop.send(());
    tokio::select! {
        _ = server => {}
        () = signal() => {}
    }
    result.and(drained.map_err(Failure::from)).map(|()| Exit::Done)
}

/// Waits for the error that stops the whole engine.
async fn broken<P: Pipeline>(engine: &Engine<P>) -> mailscan_core::Error {
    loop {
        // Jobs count from 1: this one never ends, so only such an error does.
        if let Err(error) = engine.finished(JobId(0)).await {
            return error;
        }
    }
}
