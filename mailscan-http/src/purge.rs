//! Removes what deleted jobs have left, in the background: a deletion is answered at once, however large the job.

use std::sync::Arc;
use std::time::Duration;

use mailscan_core::desk;
use mailscan_core::pipeline::Pipeline;
use tokio::sync::Notify;

/// The wait before a purge that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Purges at the start, since the process before may have been stopped, and whenever a job was deleted.
pub(crate) async fn watch<P: Pipeline>(pipeline: Arc<P>, deleted: Arc<Notify>) {
    loop {
        match desk::purge(pipeline.queue(), pipeline.store()).await {
            Ok(gone) if gone.is_empty() => deleted.notified().await,
            Ok(gone) => tracing::info!(jobs = gone.len(), "deleted jobs are wholly removed"),
            Err(error) => {
                tracing::warn!(%error, "what deleted jobs have left could not be removed");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
