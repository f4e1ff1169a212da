//! How an engine ends: well (a drain), at once (an abort), and by force where its backend hangs.
//!
//! One task attends to the parts of an engine until they have ended, whoever else still cares. So an engine that is dropped
//! ends as one that is aborted.
//!
//! ```text
//! drain  -- nothing could be written, or no call was answered, for DRAIN_PATIENCE --> abort
//! abort  -- ABORT_PATIENCE --> give up: what is not written is dropped
//! give up -- LAST_MOMENT --> over: no call is waited for -- LAST_MOMENT / 2 --> the parts are dropped
//! ```

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::shared::Shared;
use crate::error::Result;
use crate::pipeline::Pipeline;

/// How long a drain waits for a backend that cannot be written to, or does not answer. With all that comes after it is less
/// than the ten seconds that containers are given to stop.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);
/// How long an abort waits for the backend.
const ABORT_PATIENCE: Duration = Duration::from_secs(3);
/// How long what is left to tell may take once the backend is not waited for any more.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Says that the engine has ended, whatever becomes of the task that attends to it.
struct End<P: Pipeline>(Arc<Shared<P>>);

impl<P: Pipeline> Drop for End<P> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Sees the parts of an engine to their end. Without a runtime that goes on, they end as in a crash.
pub(super) fn attend<P: Pipeline>(shared: Arc<Shared<P>>, mut parts: JoinSet<()>) {
    let end = End(shared);
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = async { while parts.join_next().await.is_some() {} } => {}
            () = patience(&end.0) => {
                tracing::warn!("the backend does not answer: what waits for it is dropped");
                // One that holds its thread does not let itself be dropped.
                let _ = timeout(LAST_MOMENT / 2, parts.shutdown()).await;
            }
        }
    });
}

/// Lasts as long as the parts of the engine are waited for.
async fn patience<P: Pipeline>(shared: &Shared<P>) {
    tokio::select! {
        () = shared.give_up.cancelled() => {}
        () = until_given_up(shared) => shared.give_up.cancel(),
    }
    sleep(LAST_MOMENT).await;
    shared.over.cancel();
    sleep(LAST_MOMENT / 2).await;
}

async fn until_given_up<P: Pipeline>(shared: &Shared<P>) {
    tokio::select! {
        () = shared.abort.cancelled() => {}
        trouble = drained_in_vain(shared) => {
            tracing::warn!("not all is written: {trouble}; what is not is read again later");
            shared.abort();
        }
    }
    sleep(ABORT_PATIENCE).await;
}

/// Waits until the engine drains and nothing could be written for a while; answers why.
async fn drained_in_vain<P: Pipeline>(shared: &Shared<P>) -> String {
    shared.drain.cancelled().await;
    let begun = Instant::now();
    let mut since = begun;
    loop {
        sleep(DRAIN_PATIENCE / 20).await;
        match shared.held_up() {
            None => since = Instant::now(),
            Some(trouble) if since.elapsed() >= DRAIN_PATIENCE => return trouble,
            Some(_) => {}
        }
        if shared.calls.longest().min(begun.elapsed()) >= DRAIN_PATIENCE {
            return "the backend does not answer".to_owned();
        }
    }
}

impl<P: Pipeline> Shared<P> {
    /// Begins nothing more, and drops what is fetched now.
    pub(super) fn abort(&self) {
        self.drain.cancel();
        self.leases.interrupt_all();
        self.abort.cancel();
    }

    /// Lets go of what was not let go of in order, and says that nobody works any more.
    fn end(&self) {
        self.drain.cancel();
        for run in self.runs() {
            self.remove_run(run.id());
            self.progress.publish(run.progress(None, true));
        }
        self.ended.cancel();
    }

    /// Whether there is work done, or to be done: not after the end, nor after an error that stops the engine.
    pub(super) fn is_alive(&self) -> bool {
        !self.ended.is_cancelled() && !self.fatal.is_cancelled()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// The error that stopped the engine earlier.
    pub(super) async fn until_ended(&self) -> Result<()> {
        self.ended.cancelled().await;
        if self.fatal.is_cancelled() { Err(self.fatal_error()) } else { Ok(()) }
    }
}
