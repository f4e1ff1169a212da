//! One job driven to its end in the foreground: progress is shown, the first signal drains, the second aborts, the third
//! ends the process.

use std::sync::Arc;
use std::time::Duration;

use mailscan_core::engine::{Engine, EngineOptions, Progress};
use mailscan_core::job::JobId;
use mailscan_core::pipeline::Pipeline;

use crate::exit::Result;
use crate::render::progress::Live;
use crate::signals::Signals;

/// How often progress is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(200);
/// What the first signal brings.
pub(crate) const STOPPING: &str = "stopping: what is being read is finished first; once more stops at once";

/// Works on the job until it ends or a signal stops it. `observe` sees the progress about as often as it is drawn.
///
/// # Errors
/// What stopped the whole engine.
pub(crate) async fn drive<P: Pipeline>(
    pipeline: Arc<P>,
    options: EngineOptions,
    job: JobId,
    mut observe: impl FnMut(&Progress),
) -> Result<()> {
    let mut signals = Signals::of_terminal()?;
    let engine = Engine::start(pipeline, options);
    let mut live = Live::new();
    let ended = watch(&engine, job, &mut signals, |progress| {
        live.show(progress);
        observe(progress);
    })
    .await;
    if ended.is_none() {
        live.say(STOPPING);
    }
    // Also after the job's end: whoever presses Ctrl-C then does not wait for what is still in flight.
    let stopped = signals.wind_down(&engine, |text| live.say(text)).await;
    live.end();
    Ok(ended.unwrap_or(Ok(())).and(stopped)?)
}

/// Shows progress until the job ends; `None` when a signal comes first.
async fn watch<P: Pipeline>(
    engine: &Engine<P>,
    job: JobId,
    signals: &mut Signals,
    mut show: impl FnMut(&Progress),
) -> Option<mailscan_core::Result<()>> {
    let progress = engine.watch(job);
    let mut draw = tokio::time::interval(DRAW_EVERY);
    let mut finished = std::pin::pin!(engine.finished(job));
    loop {
        tokio::select! {
            last = &mut finished => return Some(last.map(|last| show(&last))),
            () = signals.next() => return None,
            _ = draw.tick() => show(&progress.borrow()),
        }
    }
}
