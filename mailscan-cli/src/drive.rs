//! One job driven to its end in the foreground: progress is shown, the first signal drains, the second aborts.

use std::sync::Arc;
use std::time::Duration;

use mailscan_core::engine::{Engine, EngineOptions};
use mailscan_core::job::JobId;
use mailscan_core::pipeline::Pipeline;

use crate::exit::Result;
use crate::render::progress::Live;

/// How often progress is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// Works on the job until it ends or a signal stops it.
///
/// # Errors
/// What stopped the whole engine.
pub(crate) async fn drive<P: Pipeline>(pipeline: Arc<P>, options: EngineOptions, job: JobId) -> Result<()> {
    let mut engine = Engine::start(pipeline, options);
    let mut live = Live::new();
    let ended = watch(&engine, job, &mut live).await;
    let result = match ended {
        Some(result) => result.and(engine.drain().await),
        None => stop(&mut engine, &live).await,
    };
    live.end();
    Ok(result?)
}

/// Shows progress until the job ends; `None` when a signal comes first.
async fn watch<P: Pipeline>(engine: &Engine<P>, job: JobId, live: &mut Live) -> Option<mailscan_core::Result<()>> {
    let progress = engine.watch(job);
    let mut draw = tokio::time::interval(DRAW_EVERY);
    let mut finished = std::pin::pin!(engine.finished(job));
    let mut signal = std::pin::pin!(signal());
    loop {
        tokio::select! {
            last = &mut finished => return Some(last.map(|last| live.show(&last))),
            () = &mut signal => return None,
            _ = draw.tick() => live.show(&progress.borrow()),
        }
    }
}

async fn stop<P: Pipeline>(engine: &mut Engine<P>, live: &Live) -> mailscan_core::Result<()> {
    live.say("stopping: what is being read is finished first; once more stops at once");
    let drained = tokio::select! {
        result = engine.drain() => Some(result),
        () = signal() => None,
    };
    match drained {
        Some(result) => result,
        None => engine.abort().await,
    }
}

/// Waits for Ctrl-C or a request to terminate.
pub(crate) async fn signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler the system's own way to stop still works.
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = interrupt => {}
        () = terminate() => {}
    }
}

#[cfg(unix)]
async fn terminate() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminate() {
    std::future::pending().await
}
