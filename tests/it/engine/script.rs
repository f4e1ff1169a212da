//! A fetcher that answers from a closure, and the pipelines that the engine's tests run it in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mailscan_core::backend::memory::{MemoryQueue, MemoryStore};
use mailscan_core::engine::{EngineOptions, JobFilter};
use mailscan_core::extract::Media;
use mailscan_core::fetch::{Document, Documents, FetchContext, FetchError, Fetched, Fetcher};
use mailscan_core::job::{JobId, JobOptions, JobSource, JobSpec, NewJob, Origin};
use mailscan_core::pipeline::{Backends, Pipeline};
use mailscan_core::queue::{Queue, QueueLimits};
use mailscan_core::store::Store;
use mailscan_core::task::{Task, Work};

type Answer = dyn Fn(&Task) -> Result<Fetched, FetchError> + Send + Sync;

/// Answers every task from a closure, after a latency.
pub(super) struct Script {
    answer: Box<Answer>,
    latency: Box<dyn Fn(&Task) -> Duration + Send + Sync>,
    per_host_at_first: usize,
    per_host_for: fn(&JobOptions) -> usize,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").finish_non_exhaustive()
    }
}

impl Script {
    pub(super) fn new(
        latency: Duration,
        answer: impl Fn(&Task) -> Result<Fetched, FetchError> + Send + Sync + 'static,
    ) -> Self {
        Self::with_latency(move |_| latency, answer)
    }

    pub(super) fn with_latency(
        latency: impl Fn(&Task) -> Duration + Send + Sync + 'static,
        answer: impl Fn(&Task) -> Result<Fetched, FetchError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            answer: Box::new(answer),
            latency: Box::new(latency),
            per_host_at_first: usize::MAX,
            per_host_for: |_| usize::MAX,
        }
    }

    /// The same for hosts of which so many tasks are worth holding before any has ended.
    pub(super) fn per_host_at_first(self, most: usize) -> Self {
        Self { per_host_at_first: most, ..self }
    }

    /// The same where so many are worth holding for a job with these options.
    pub(super) fn per_host_for(self, most: fn(&JobOptions) -> usize) -> Self {
        Self { per_host_for: most, ..self }
    }
}

impl Fetcher for Script {
    async fn fetch(&self, task: &Task, _context: &FetchContext<'_>) -> Result<Fetched, FetchError> {
        tokio::time::sleep((self.latency)(task)).await;
        (self.answer)(task)
    }

    fn per_host_at_first(&self) -> usize {
        self.per_host_at_first
    }

    fn per_host_for(&self, options: &JobOptions) -> usize {
        (self.per_host_for)(options)
    }
}

pub(super) type InMemory = Backends<MemoryQueue, MemoryStore, Script>;

pub(super) fn in_memory(script: Script) -> Arc<InMemory> {
    let (queue, store) = (MemoryQueue::new(QueueLimits::default()), MemoryStore::new());
    Arc::new(Backends { queue, store, fetcher: script })
}

/// A document with this text.
pub(super) fn text(task: &Task, text: String) -> Fetched {
    let document = Document {
        source: task.work.label().into(),
        base: None,
        media: Media::Text,
        charset: None,
        body: text.into(),
        offset: 0,
        truncated: false,
    };
    Fetched { documents: Documents::One(document), ..Fetched::default() }
}

/// The number at the end of a page's URL.
pub(super) fn number(task: &Task) -> u64 {
    match &task.work {
        Work::Page { url } => url.rsplit('/').next().unwrap().parse().unwrap(),
        other => panic!("not a page: {other:?}"),
    }
}

/// The addresses of page `number`: ten of its own, and one that stands on every page.
pub(super) fn addresses_of(number: u64) -> Vec<String> {
    let own = (0..10).map(|i| format!("user{i}.of{number}@host{}.org", number % 7));
    own.chain(["everywhere@host.org".to_owned()]).collect()
}

/// A job for pages 0 to `pages` of one host each.
pub(super) fn pages_job(pages: u64, target: u64) -> JobSpec {
    let url = |n| JobSource::Url(format!("http://site{}.org/{n}", n % 5));
    JobSpec::new(target, (0..pages).map(url).collect())
}

pub(super) async fn create<P: Pipeline>(pipeline: &P, key: &str, spec: JobSpec) -> JobId {
    pipeline.store().create_job(&NewJob { key: key.to_owned(), spec, origin: Origin::Operator }).await.unwrap().id()
}

pub(super) fn only(job: JobId) -> EngineOptions {
    EngineOptions { jobs: JobFilter::Only(job), ..EngineOptions::default() }
}

/// The stored addresses of a job, sorted; checks that the job's count is their number.
pub(super) async fn stored<P: Pipeline>(pipeline: &P, job: JobId) -> Vec<String> {
    let rows = pipeline.store().addresses(job, 0, usize::MAX >> 1).await.unwrap();
    let collected = pipeline.store().job(job).await.unwrap().unwrap().collected;
    assert_eq!(collected, rows.len() as u64, "the count is not the number of rows");
    let mut addresses: Vec<_> = rows.into_iter().map(|row| row.address.as_str().to_owned()).collect();
    addresses.sort();
    addresses
}

/// Everything that pages 0 to `pages` hold, sorted.
pub(super) fn expected(pages: u64) -> Vec<String> {
    let mut all: Vec<_> = (0..pages).flat_map(addresses_of).collect();
    all.sort();
    all.dedup();
    all
}

/// The tasks of a job that are neither settled nor ready.
pub(super) async fn leased<P: Pipeline>(pipeline: &P, job: JobId) -> u64 {
    pipeline.queue().depth(job).await.unwrap().leased
}
