//! What each route answers: one look at the store or the queue, put into its wire form.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::ALLOW;
use hyper::http::request::Parts;
use mailscan_core::engine::Monitor;
use mailscan_core::job::{Job, JobId};
use mailscan_core::limits::Limits;
use mailscan_core::pipeline::Pipeline;
use mailscan_core::plan::WorkerPlan;
use mailscan_core::queue::Queue;
use mailscan_core::store::{JobQuery, Store};

use crate::events::Events;
use crate::metrics;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::routes::Route;
use crate::samples::Samples;
use crate::traffic::Traffic;
use crate::wire;

/// How long the store may take to show that it is there.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// What the answers come from.
#[derive(Debug)]
pub(crate) struct Api<P> {
    pub(crate) pipeline: Arc<P>,
    pub(crate) samples: Arc<Samples>,
    pub(crate) limits: Limits,
    pub(crate) events: Events<P>,
    pub(crate) traffic: Arc<Traffic>,
    /// Tells of the engine of this process, if there is one.
    pub(crate) monitor: Option<Monitor>,
}

impl<P: Pipeline> Api<P> {
    /// The answer to a route; `_body` is empty unless the route takes one.
    pub(crate) async fn handle(&self, route: Route, _head: &Parts, _body: &[u8]) -> Result<Reply, Problem> {
        match route {
            Route::Options(methods) => Ok(Reply::empty().with_header(ALLOW, methods)),
            Route::Ready => self.ready().await,
            Route::Metrics => self.metrics().await,
            Route::JobEvents(id) => {
                self.find(id).await?;
                self.events.job(id)
            }
            Route::Events => self.events.list(),
            Route::Health => Reply::json(&wire::Health { status: "ok" }),
            Route::Asset(asset) => Ok(asset.reply()),
            Route::Plan(emails) => Reply::json(&wire::Plan::new(&WorkerPlan::new(emails, &self.limits), &self.limits)),
            Route::Jobs(query) => self.jobs(&query).await,
            Route::Job(id) => self.one(id).await,
            Route::Eta(id) => Reply::json(&self.eta(&self.find(id).await?)),
            Route::Workers(id) => Reply::json(&self.workers(&self.find(id).await?).await?),
            Route::Errors(id, limit) => self.errors(id, limit).await,
            Route::WorkerStatus(id) => self.worker_status(id).await,
            Route::System => Reply::json(&wire::System::new(&self.samples.resources(), &self.samples.history())),
        }
    }

    /// Whether the store answers.
    async fn ready(&self) -> Result<Reply, Problem> {
        let query = JobQuery { after: 0, limit: 1, statuses: Vec::new() };
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

    async fn metrics(&self) -> Result<Reply, Problem> {
        let Self { pipeline, samples, traffic, .. } = self;
        metrics::reply(&**pipeline, self.monitor.as_ref(), samples, traffic, self.events.listeners()).await
    }

    async fn find(&self, id: JobId) -> Result<Job, Problem> {
        let missing = || Problem::new(StatusCode::NOT_FOUND, format!("there is no job {id}"));
        self.pipeline.store().job(id).await?.ok_or_else(missing)
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Reply, Problem> {
        let jobs = self.pipeline.store().jobs(query).await?;
        let next_after = jobs.last().filter(|_| jobs.len() == query.limit).map(|job| job.id.0);
        Reply::json(&wire::Jobs {
            jobs: jobs.iter().map(|job| wire::Job::new(job, None, &self.limits)).collect(),
            next_after,
        })
    }

    async fn one(&self, id: JobId) -> Result<Reply, Problem> {
        let job = self.find(id).await?;
        let depth = self.pipeline.queue().depth(id).await?;
        let bounds = self.pipeline.store().bounds(job.id).await?;
        Reply::json(&wire::Job::new(&job, Some(&depth), &self.limits).with_bounds(&bounds))
    }

    fn eta(&self, job: &Job) -> wire::Eta {
        wire::Eta::new(job, self.samples.eta(job))
    }

    async fn workers(&self, job: &Job) -> Result<wire::Workers, Problem> {
        let nodes = self.pipeline.store().nodes().await?;
        Ok(wire::Workers::new(job, &nodes, &self.limits))
    }

    async fn errors(&self, id: JobId, limit: usize) -> Result<Reply, Problem> {
        self.find(id).await?;
        let groups = self.pipeline.store().error_groups(Some(id), limit).await?;
        Reply::json(&wire::Errors { job_id: id.0, groups: groups.iter().map(wire::ErrorGroup::from).collect() })
    }

    async fn worker_status(&self, id: JobId) -> Result<Reply, Problem> {
        let job = self.find(id).await?;
        let depth = self.pipeline.queue().depth(id).await?;
        let workers = self.workers(&job).await?;
        Reply::json(&wire::WorkerStatus::new(&job, self.eta(&job), workers, &depth))
    }
}
