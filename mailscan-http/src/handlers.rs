//! What each route answers: one look at the store or the queue, put into its wire form. What changes something is in
//! `handlers/`.

mod changes;
mod errors;
mod export;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::ALLOW;
use hyper::http::request::Parts;
use mailscan_core::engine::Monitor;
use mailscan_core::job::{JobId, JobSource, JobState};
use mailscan_core::limits::Limits;
use mailscan_core::pipeline::Pipeline;
use mailscan_core::plan::{Hosts, PageRate, WorkerPlan};
use mailscan_core::queue::Queue;
use mailscan_core::source::Pace;
use mailscan_core::store::{JobQuery, Matches, Store};
use tokio::sync::{Notify, Semaphore};

pub(crate) use self::export::PARQUET_AT_ONCE;
use crate::bounds;
use crate::events::Events;
use crate::metrics;
use crate::past;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::routes::{AddressQuery, PlanQuery, Route};
use crate::samples::Samples;
use crate::shown::{Outlines, Shown};
use crate::traffic::Traffic;
use crate::wire;

/// How long the store may take to show that it is there.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// What the answers come from.
#[derive(Debug)]
pub(crate) struct Api<P> {
    pub(crate) pipeline: Arc<P>,
    pub(crate) samples: Arc<Samples>,
    pub(crate) outlines: Arc<Outlines>,
    pub(crate) limits: Limits,
    /// How hosts are asked when a plan does not say.
    pub(crate) pace: Pace,
    pub(crate) events: Events<P>,
    pub(crate) traffic: Arc<Traffic>,
    /// Tells of the engine of this process, if there is one.
    pub(crate) monitor: Option<Monitor>,
    /// The folders below which jobs may read files.
    pub(crate) roots: Vec<PathBuf>,
    /// The description of the API.
    pub(crate) openapi: Bytes,
    /// The places for exports that hold much at a time.
    pub(crate) exports: Arc<Semaphore>,
    /// Wakes who removes what deleted jobs have left.
    pub(crate) deleted: Arc<Notify>,
    /// How long one answer goes on trying errors again, however many there are.
    pub(crate) retry_for: Duration,
}

impl<P: Pipeline> Api<P> {
    /// The answer to a route; `body` is empty unless the route takes one.
    pub(crate) async fn handle(&self, route: Route, head: &Parts, body: &[u8]) -> Result<Reply, Problem> {
        match route {
            Route::Options(methods) => Ok(Reply::empty().with_header(ALLOW, methods)),
            Route::Ready => self.ready().await,
            Route::Metrics => self.metrics().await,
            Route::JobEvents(id) => {
                self.find(id).await?;
                self.events.job(id)
            }
            Route::Events => {
                // Whoever would be told nothing is told why.
                self.pipeline.store().jobs(&JobQuery { limit: 1, ..JobQuery::default() }).await?;
                self.events.list(&head.headers)
            }
            Route::Health => Reply::json(&wire::Health { status: "ok" }),
            Route::Asset(asset) => Ok(asset.reply()),
            Route::OpenApi => Ok(Reply::whole("application/json", self.openapi.clone())),
            Route::Plan(query) => self.plan(&query),
            Route::Jobs(query) => self.jobs(&query).await,
            Route::Create => self.create(head, body).await,
            Route::Job(id) => Reply::json(&self.shown(&self.find(id).await?).await?),
            Route::Change(id, change) => self.change(id, change, body).await,
            Route::Delete(id) => self.delete(id, body).await,
            Route::Eta(id) => Reply::json(&self.eta(&self.find(id).await?.state)),
            Route::Rates(id) => self.rates(id).await,
            Route::Workers(id) => Reply::json(&self.workers(&self.find(id).await?).await?),
            Route::Errors(id, query) => self.errors(id, &query).await,
            Route::ErrorList(id, query) => self.error_list(id, &query).await,
            Route::AllErrors(query) => self.all_errors(&query).await,
            Route::Resolve(id) => self.resolve(id, body).await,
            Route::Addresses(id, query) => self.addresses(id, &query).await,
            Route::Export(id, format) => self.export(id, format).await,
            Route::Nodes => self.nodes().await,
            Route::WorkerStatus(id) => self.worker_status(id).await,
            Route::System => Reply::json(&wire::System::new(&self.samples.resources(), &self.samples.history())),
        }
    }

    /// Whether the store answers, takes what is written, and there is an engine where there is to be one.
    async fn ready(&self) -> Result<Reply, Problem> {
        if bounds::trouble(self.monitor.as_ref()).is_some() {
            // Why is for those who may see jobs.
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the store takes nothing that is written"));
        }
        self.works()?;
        let query = JobQuery { limit: 1, ..JobQuery::default() };
        let unavailable = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer");
        match tokio::time::timeout(READY_WITHIN, self.pipeline.store().jobs(&query)).await {
            Ok(Ok(_)) => Reply::json(&wire::Health { status: "ready" }),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the store is not ready");
                Err(unavailable())
            }
            Err(_) => Err(unavailable()),
        }
    }

    /// Whether jobs that are begun here are worked on, as far as this process knows.
    ///
    /// # Errors
    /// 503 once its engine has ended.
    fn works(&self) -> Result<(), Problem> {
        if !bounds::has_ended(self.monitor.as_ref()) {
            return Ok(());
        }
        let detail = "the engine of this process has ended: ask another one, or start it again";
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
    }

    async fn metrics(&self) -> Result<Reply, Problem> {
        let Self { pipeline, samples, traffic, .. } = self;
        metrics::reply(&**pipeline, self.monitor.as_ref(), samples, traffic, self.events.listeners()).await
    }

    async fn find(&self, id: JobId) -> Result<Shown, Problem> {
        let missing = || Problem::new(StatusCode::NOT_FOUND, format!("there is no job {id}"));
        self.outlines.find(self.pipeline.store(), id).await?.ok_or_else(missing)
    }

    fn plan(&self, query: &PlanQuery) -> Result<Reply, Problem> {
        let plan = WorkerPlan::asked(query.emails, query.workers, &self.limits);
        let connections = query.connections.unwrap_or(self.limits.connections_per_worker);
        let rate = query.hosts.map(|hosts| {
            let at_a_time = u32::try_from(self.pace.concurrency).unwrap_or(u32::MAX);
            let at_a_time = query.per_host.unwrap_or(at_a_time);
            let interval = query.host_interval.unwrap_or(self.pace.interval);
            let hosts = Hosts { hosts, at_a_time, interval };
            let rate = PageRate::new(plan.workers, connections, self.limits.deep_scrape, &hosts);
            match self.monitor.as_ref().and_then(Monitor::vitals) {
                Some(vitals) => rate.in_process(vitals.most_places, self.limits.deep_scrape),
                // Others work on the jobs of this server.
                None => rate,
            }
        });
        Reply::json(&match rate {
            Some(rate) => wire::Plan::at_rate(&plan, &self.limits, &rate),
            None => wire::Plan::new(&plan, &self.limits),
        })
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Reply, Problem> {
        let jobs = self.pipeline.store().jobs(&JobQuery { limit: query.limit + 1, ..query.clone() }).await?;
        let (jobs, next_after) = page(jobs, query.limit, |job| job.id.0);
        let jobs = self.outlines.with(self.pipeline.store(), jobs).await?;
        let shown = |job: &Shown| wire::Job::new(&self.samples.by_now(&job.state), &job.outline, None, &self.limits);
        let jobs = jobs.iter().map(shown).collect();
        Reply::json(&wire::Jobs { jobs, next_after })
    }

    /// A job with all that is known of it.
    async fn shown(&self, job: &Shown) -> Result<wire::Job, Problem> {
        let Shown { state, outline } = job;
        let depth = self.pipeline.queue().depth(state.id).await?;
        let store = self.pipeline.store();
        let bounds = bounds::of(store, self.monitor.as_ref(), state).await?;
        let errors_open = store.open_errors(state.id).await?;
        let state = self.samples.by_now(state);
        let shown = wire::Job::new(&state, outline, Some(&depth), &self.limits);
        let shown = shown.with_bounds(&bounds).with_errors_open(errors_open);
        let has_lists = outline.sources.iter().any(|source| matches!(source, JobSource::UrlList(_)));
        if !has_lists {
            return Ok(shown);
        }
        Ok(shown.with_lists(&self.pipeline.queue().lists(state.id).await?))
    }

    fn eta(&self, job: &JobState) -> wire::Eta {
        wire::Eta::new(job, self.samples.eta(job))
    }

    async fn rates(&self, id: JobId) -> Result<Reply, Problem> {
        let job = self.find(id).await?;
        let history = match self.samples.unknown(&job.state) {
            None => self.samples.rates(id),
            Some((since, until)) => {
                let past = past::rates(self.pipeline.store(), id, since, until).await?;
                self.samples.with_past(id, past)
            }
        };
        Reply::json(&wire::Rates::new(id, &history))
    }

    async fn workers(&self, job: &Shown) -> Result<wire::Workers, Problem> {
        let nodes = self.pipeline.store().nodes().await?;
        Ok(wire::Workers::new(&job.state, &job.outline, &nodes, &self.limits))
    }

    async fn nodes(&self) -> Result<Reply, Problem> {
        Reply::json(&wire::Nodes::new(&self.pipeline.store().nodes().await?, &self.limits))
    }

    async fn worker_status(&self, id: JobId) -> Result<Reply, Problem> {
        let job = self.find(id).await?;
        let depth = self.pipeline.queue().depth(id).await?;
        let workers = self.workers(&job).await?;
        Reply::json(&wire::WorkerStatus::new(&job.state, self.eta(&job.state), workers, &depth))
    }

    async fn addresses(&self, id: JobId, query: &AddressQuery) -> Result<Reply, Problem> {
        self.find(id).await?;
        let AddressQuery { after, limit, search } = query;
        let store = self.pipeline.store();
        let found = match search {
            Some(text) => store.search_addresses(id, text, *after, *limit).await?,
            None => {
                let rows = store.addresses(id, *after, *limit + 1).await?;
                let (rows, next_after) = page(rows, *limit, |row| row.id);
                Matches { rows, next_after }
            }
        };
        let addresses = found.rows.iter().map(wire::Address::from).collect();
        Reply::json(&wire::Addresses { addresses, next_after: found.next_after })
    }
}

/// The rows of a page out of those that were read, which is one more than it holds where there is a next page; and after which
/// row that goes on.
fn page<T, K>(mut rows: Vec<T>, limit: usize, key: impl FnOnce(&T) -> K) -> (Vec<T>, Option<K>) {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next_after = rows.last().filter(|_| more).map(key);
    (rows, next_after)
}
