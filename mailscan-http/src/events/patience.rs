//! How long those who watch bear with a store that answers with errors, or not at all.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// How long nothing may have been read. Whoever listens is to ask then, and be told what is wrong.
pub(super) const SILENT: Duration = Duration::from_secs(10);

/// When something was read last.
#[derive(Debug)]
pub(super) struct Patience(Instant);

/// What came of a look.
#[derive(Debug)]
pub(super) enum Looked<T> {
    Seen(T),
    /// It is worth looking again.
    Failed,
    /// Nothing was read for [`SILENT`].
    Silent,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    /// Looks at `what`, for as long as there is patience left; all of it is there again once it was lost.
    pub(super) async fn look<T>(
        &mut self,
        what: impl Display,
        look: impl Future<Output = mailscan_core::Result<T>>,
    ) -> Looked<T> {
        let left = match timeout_at(self.0 + SILENT, look).await {
            Ok(Ok(seen)) => {
                self.0 = Instant::now();
                return Looked::Seen(seen);
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "{what} could not be read");
                self.0.elapsed() < SILENT
            }
            Err(_) => false,
        };
        if left {
            return Looked::Failed;
        }
        tracing::warn!("{what} could not be read for {} s: live events end", SILENT.as_secs());
        self.0 = Instant::now();
        Looked::Silent
    }
}
