//! What each route answers: one look at the store or the queue, put into its wire form.

use std::sync::Arc;

use hyper::StatusCode;
use mailscan_core::job::{Job, JobId};
use mailscan_core::limits::Limits;
use mailscan_core::pipeline::Pipeline;
use mailscan_core::plan::WorkerPlan;
use mailscan_core::queue::Queue;
use mailscan_core::store::{JobQuery, Store};
use serde::Serialize;

use crate::problem::Problem;
use crate::routes::Route;
use crate::samples::Samples;
use crate::wire;

/// What the answers come from.
#[derive(Debug)]
pub(crate) struct Api<P> {
    pub(crate) pipeline: Arc<P>,
    pub(crate) samples: Arc<Samples>,
    pub(crate) limits: Limits,
}

impl<P: Pipeline> Api<P> {
    /// The answer to a route, in JSON.
    pub(crate) async fn handle(&self, route: Route) -> Result<Vec<u8>, Problem> {
        match route {
            Route::Options | Route::Health => json(&wire::Health { status: "ok" }),
            Route::Plan(emails) => json(&wire::Plan::new(&WorkerPlan::new(emails, &self.limits), &self.limits)),
            Route::Jobs(query) => self.jobs(&query).await,
            Route::Job(id) => self.one(id).await,
            Route::Eta(id) => json(&self.eta(&self.find(id).await?)),
            Route::Workers(id) => json(&self.workers(&self.find(id).await?).await?),
            Route::Errors(id, limit) => self.errors(id, limit).await,
            Route::WorkerStatus(id) => self.worker_status(id).await,
            Route::System => json(&wire::System::from(&self.samples.resources())),
        }
    }

    async fn find(&self, id: JobId) -> Result<Job, Problem> {
        let missing = || Problem::new(StatusCode::NOT_FOUND, format!("there is no job {id}"));
        self.pipeline.store().job(id).await?.ok_or_else(missing)
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<u8>, Problem> {
        let jobs = self.pipeline.store().jobs(query).await?;
        let next_after = jobs.last().filter(|_| jobs.len() == query.limit).map(|job| job.id.0);
        json(&wire::Jobs { jobs: jobs.iter().map(|job| wire::Job::new(job, None, &self.limits)).collect(), next_after })
    }

    async fn one(&self, id: JobId) -> Result<Vec<u8>, Problem> {
        let job = self.find(id).await?;
        let depth = self.pipeline.queue().depth(id).await?;
        let bounds = self.pipeline.store().bounds(job.id).await?;
        json(&wire::Job::new(&job, Some(&depth), &self.limits).with_bounds(&bounds))
    }

    fn eta(&self, job: &Job) -> wire::Eta {
        wire::Eta::new(job, self.samples.eta(job))
    }

    async fn workers(&self, job: &Job) -> Result<wire::Workers, Problem> {
        let nodes = self.pipeline.store().nodes().await?;
        Ok(wire::Workers::new(job, &nodes, &self.limits))
    }

    async fn errors(&self, id: JobId, limit: usize) -> Result<Vec<u8>, Problem> {
        self.find(id).await?;
        let groups = self.pipeline.store().error_groups(Some(id), limit).await?;
        json(&wire::Errors { job_id: id.0, groups: groups.iter().map(wire::ErrorGroup::from).collect() })
    }

    async fn worker_status(&self, id: JobId) -> Result<Vec<u8>, Problem> {
        let job = self.find(id).await?;
        let depth = self.pipeline.queue().depth(id).await?;
        let workers = self.workers(&job).await?;
        json(&wire::WorkerStatus::new(&job, self.eta(&job), workers, &depth))
    }
}

fn json(answer: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(answer).map_err(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    })
}
