//! A small HTTP server over any mailscan [`Pipeline`]: jobs are begun and changed, and shown as the store knows them, in
//! JSON.
//!
//! [`serve`] answers on a listener until it is told to stop. A request becomes a route or a problem (RFC 9457), a
//! handler asks the store and the queue, and [`wire`] is what it says. Everything shown comes from the pipeline, so the
//! engine that works on the jobs may run in this process or in another one. There is no authentication: serve on
//! loopback, where the `Host` of every request is checked, or behind something that has it.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /healthz` | whether the server runs |
//! | `GET /openapi.json` | all of this for programs (OpenAPI 3.1) |
//! | `GET /api/v1/plan?emails=N` | workers and projected time for N e-mails |
//! | `POST /api/v1/jobs` | begins a job; `Idempotency-Key` makes a repetition safe |
//! | `GET /api/v1/jobs?after=ID&limit=N&status=S,S&order=O` | jobs by id, rising or falling |
//! | `GET /api/v1/jobs/{id}` | one job with its queue |
//! | `DELETE /api/v1/jobs/{id}` | deletes a job that is settled or paused, with all it has |
//! | `POST /api/v1/jobs/{id}/pause`, `/resume`, `/cancel` | changes it |
//! | `GET /api/v1/jobs/{id}/eta` | when it will be done |
//! | `GET /api/v1/jobs/{id}/workers` | who works on it |
//! | `GET /api/v1/jobs/{id}/errors?limit=N` | what went wrong, grouped |
//! | `GET /api/v1/jobs/{id}/errors/list?class=C&code=C&host=H&open=true` | what went wrong, one by one |
//! | `POST /api/v1/jobs/{id}/errors/resolve` | resolves errors, perhaps with another try |
//! | `GET /api/v1/jobs/{id}/addresses?after=ID&limit=N&search=TEXT` | what it has found |
//! | `GET /api/v1/jobs/{id}/export?format=csv` | all of that, streamed; or `jsonl` |
//! | `GET /api/v1/workers` | every process and its workers |
//! | `GET /api/v1/system` | memory and load of this process |
//! | `GET /?page=api&action=job-eta&job_id=ID` | the founding form of `eta` |
//! | `GET /?page=api&action=system-resources` | the founding form of `system` |
//! | `GET /?page=api&action=job-worker-status&job_id=ID` | status, workers and ETA in one answer |

mod answer;
mod body;
mod connection;
pub mod export;
mod fields;
mod guard;
mod handlers;
mod new_job;
mod openapi;
mod problem;
mod purge;
mod query;
mod reply;
mod routes;
mod samples;
pub mod wire;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mailscan_core::limits::Limits;
use mailscan_core::pipeline::Pipeline;
use mailscan_core::resources::Sampler;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// How a server treats its clients. [`Default`] is right for a server on loopback.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The constants of planning.
    pub limits: Limits,
    /// The folders below which a job that is created here may read files; none without any.
    pub roots: Vec<PathBuf>,
    /// The most connections at a time; more wait to be accepted. From 1.
    pub max_connections: usize,
    /// How long a client may take to send the head of a request, and to send a next one.
    pub head_timeout: Duration,
    /// How long a client may take to send the body of a request.
    pub body_timeout: Duration,
    /// How long the answer to a request may take.
    pub answer_timeout: Duration,
    /// How long requests in flight have to end when the server stops.
    pub drain_timeout: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            roots: Vec::new(),
            max_connections: 1_024,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(5),
        }
    }
}

/// Answers HTTP/1.1 and HTTP/2 (with prior knowledge) on `listener` until `shutdown` is ready, then lets requests in
/// flight end.
///
/// Dropping the future stops the server at once.
///
/// # Errors
/// When the address of the listener cannot be read.
pub async fn serve<P: Pipeline>(
    listener: TcpListener,
    pipeline: Arc<P>,
    options: ServeOptions,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let hosts = guard::Hosts::of(listener.local_addr()?);
    let mut sampler = Sampler::new();
    let samples = Arc::new(samples::Samples::new(sampler.sample()));
    let mut sampling = JoinSet::new();
    sampling.spawn(samples::watch_resources(samples.clone(), sampler));
    sampling.spawn(samples::watch_rates(samples.clone(), pipeline.clone()));
    let deleted = Arc::new(Notify::new());
    sampling.spawn(purge::watch(pipeline.clone(), deleted.clone()));
    let (limits, roots) = (options.limits.clone(), options.roots.clone());
    let api = handlers::Api { pipeline, samples, limits, roots, openapi: openapi::document().into(), deleted };
    let (body_timeout, answer_timeout) = (options.body_timeout, options.answer_timeout);
    let server = Arc::new(answer::Server { api, hosts, body_timeout, answer_timeout });
    connection::accept(listener, server, &options, shutdown).await;
    Ok(())
}
