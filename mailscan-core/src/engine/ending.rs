//! How an engine ends: well (a drain), at once (an abort), and by force where its backend hangs.
//!
//! One task attends to the parts of an engine until they have ended, whoever else still cares. So an engine that is dropped
//! ends as one that is aborted.
//!
//! ```text
//! drain  -- nothing could be written, or no call was answered, for DRAIN_PATIENCE; or one for LONGEST_CALL --> abort
//! abort  -- the same for ABORT_PATIENCE, or LONGEST_ABORT in all --> give up: what is not written is dropped
//! give up -- LAST_MOMENT --> over: no call is waited for -- LAST_MOMENT / 2 --> the parts are dropped
//! ```

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::shared::Shared;
use crate::error::Result;
use crate::pipeline::Pipeline;

/// How long a drain waits for a backend that cannot be written to, or does not answer. With all that comes after, one that is away
/// when the drain begins takes less than the ten seconds that containers are given to stop.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);
/// How long a drain waits for one call while others are answered: longer than the backends here wait for their databases, since
/// what is given up counts as a crash of all that is held.
const LONGEST_CALL: Duration = Duration::from_secs(25);
/// How long an abort waits for such a backend, and how long for one that answers.
const ABORT_PATIENCE: Duration = Duration::from_secs(3);
const LONGEST_ABORT: Duration = Duration::from_secs(8);
/// How long what is left to tell may take once the backend is not waited for any more.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Says that the engine has ended, whatever becomes of the task that attends to it. There until it is dropped.
struct End<P: Pipeline>(Option<Arc<Shared<P>>>);

impl<P: Pipeline> Drop for End<P> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.end();
            let ended = shared.ended.clone();
            // Before it is said: whoever waits for it may count on the pipeline's being let go of.
            drop(shared);
            ended.cancel();
        }
    }
}

/// Sees the parts of an engine to their end. Without a runtime that goes on, they end as in a crash.
pub(super) fn attend<P: Pipeline>(shared: Arc<Shared<P>>, mut parts: JoinSet<()>) {
    let end = End(Some(shared));
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = async { while parts.join_next().await.is_some() {} } => {}
            () = until_it_is_enough(&end) => {
                tracing::warn!("the backend does not answer: what waits for it is dropped");
                // One that holds its thread does not let itself be dropped.
                let _ = timeout(LAST_MOMENT / 2, parts.shutdown()).await;
            }
        }
    });
}

async fn until_it_is_enough<P: Pipeline>(end: &End<P>) {
    if let Some(shared) = &end.0 {
        patience(shared).await;
    }
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
    // Either way there is no more to wait for.
    let _ = timeout(LONGEST_ABORT, in_vain(shared, ABORT_PATIENCE)).await;
}

/// Waits until the engine drains and nothing could be written for a while; answers why.
async fn drained_in_vain<P: Pipeline>(shared: &Shared<P>) -> String {
    shared.drain.cancelled().await;
    in_vain(shared, DRAIN_PATIENCE).await
}

/// Waits until the backend was away for so long, from now on; answers why it seems to be.
async fn in_vain<P: Pipeline>(shared: &Shared<P>, patience: Duration) -> String {
    let begun = Instant::now();
    let mut since = begun;
    loop {
        sleep(patience / 20).await;
        match shared.held_up() {
            None => since = Instant::now(),
            Some(trouble) if since.elapsed() >= patience => return trouble,
            Some(_) => {}
        }
        let lasts = |waited: Duration, most| waited.min(begun.elapsed()) >= most;
        if lasts(shared.calls.silence(), patience) || lasts(shared.calls.longest(), LONGEST_CALL) {
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

    /// Lets go of what was not let go of in order. That nobody works any more is said afterwards (`ended`).
    fn end(&self) {
        self.drain.cancel();
        for run in self.runs() {
            self.remove_run(run.id());
            self.progress.publish(run.progress(None, true));
        }
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
