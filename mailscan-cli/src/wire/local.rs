//! Local files as a fetcher of their own.

use mailscan_core::fetch::{FetchContext, FetchError, Fetched, Fetcher};
use mailscan_core::source::file::FileSource;
use mailscan_core::task::Task;

/// Reads files, folders and lists; anything else is refused as no local work.
#[derive(Debug, Default)]
pub(crate) struct Local(FileSource);

impl Fetcher for Local {
    async fn fetch(&self, task: &Task, context: &FetchContext<'_>) -> Result<Fetched, FetchError> {
        self.0.fetch(task, context).await
    }
}
