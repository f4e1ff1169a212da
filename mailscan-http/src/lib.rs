//! A small HTTP server over any mailscan [`Pipeline`]: jobs are begun and changed, and shown as the store knows them, in
//! JSON.
//!
//! [`serve`] answers on a listener until it is told to stop. A request becomes a route or a problem (RFC 9457), a
//! handler asks the store and the queue, and [`wire`] is what it says. Everything shown comes from the pipeline, so the
//! engine that works on the jobs may run in this process or in another one. On loopback the `Host` of every request is
//! checked; a server that others can reach needs [`Tokens`], or something in front of it that knows who asks.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /` | the page for people, whose files are at `/assets/` |
//! | `GET /healthz` | whether the server runs |
//! | `GET /readyz` | whether the store answers, takes what is written, and the engine of this process works |
//! | `GET /metrics` | figures for Prometheus, those of jobs while the store answers (`mailscan_database_up`) |
//! | `GET /openapi.json` | all of this for programs (OpenAPI 3.1) |
//! | `GET /api/v1/plan?emails=N&workers=N` | workers and projected time for N e-mails |
//! | `POST /api/v1/jobs` | begins a job; `Idempotency-Key` makes a repetition safe |
//! | `GET /api/v1/jobs?after=ID&limit=N&status=S,S&order=O` | jobs by id, rising or falling |
//! | `GET /api/v1/jobs/{id}` | one job with its queue |
//! | `DELETE /api/v1/jobs/{id}` | deletes a job that is settled or paused, with all it has |
//! | `POST /api/v1/jobs/{id}/pause`, `/resume`, `/cancel` | changes it |
//! | `GET /api/v1/jobs/{id}/eta` | when it will be done |
//! | `GET /api/v1/jobs/{id}/rates` | how fast it collected in the last ten minutes |
//! | `GET /api/v1/jobs/{id}/workers` | who works on it |
//! | `GET /api/v1/jobs/{id}/errors?limit=N` | what went wrong, grouped |
//! | `GET /api/v1/jobs/{id}/events` | live events of one job |
//! | `GET /api/v1/events` | live events of all jobs |
//! | `GET /api/v1/jobs/{id}/errors/list?class=C&code=C&host=H&open=true` | what went wrong, one by one |
//! | `GET /api/v1/errors?class=C&code=C&host=H&open=true` | the same of all jobs |
//! | `POST /api/v1/jobs/{id}/errors/resolve` | resolves errors, perhaps with another try |
//! | `GET /api/v1/jobs/{id}/addresses?after=ID&limit=N&search=TEXT` | what it has found |
//! | `GET /api/v1/jobs/{id}/export?format=csv` | all of that, streamed; or `jsonl`, `parquet` |
//! | `GET /api/v1/workers` | every process and its workers |
//! | `GET /api/v1/system` | memory and load of this process |
//! | `GET /?page=api&action=job-eta&job_id=ID` | the founding form of `eta` |
//! | `GET /?page=api&action=system-resources` | the founding form of `system` |
//! | `GET /?page=api&action=job-worker-status&job_id=ID` | status, workers and ETA in one answer |

mod answer;
mod assets;
mod auth;
mod body;
mod bounds;
mod connection;
mod events;
mod fields;
mod guard;
mod gzip;
mod handlers;
mod metrics;
mod new_job;
mod openapi;
mod past;
mod problem;
mod purge;
mod query;
mod reply;
mod routes;
mod samples;
mod sealed;
mod shown;
mod snapshots;
mod tls;
mod traffic;
pub mod wire;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mailscan_core::engine::Monitor;
use mailscan_core::limits::Limits;
use mailscan_core::pipeline::Pipeline;
use mailscan_core::resources::Sampler;
use mailscan_core::source::Pace;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use auth::{TokenError, TokenFileError, Tokens};
pub use tls::{Tls, TlsError};

/// How a server treats its clients. [`Default`] is right for a server on loopback.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The constants of planning.
    pub limits: Limits,
    /// How workers ask hosts, for plans that do not say.
    pub pace: Pace,
    /// Who may ask for what; anybody for everything when there are none.
    pub tokens: Option<Tokens>,
    /// Names that are answered to beside those of the loopback interface, without a port. A server elsewhere answers to any
    /// without them.
    pub allow_hosts: Vec<String>,
    /// What connections are encrypted with; with nothing when there is none. A browser that came by port 443 is told to come
    /// to this host over TLS only for a year (HSTS): that holds for all its ports.
    pub tls: Option<Tls>,
    /// What tells of the engine of this process, for the metrics, and tells it of changes. Once that engine has ended, the
    /// server is not ready, and begins no job that nobody here would work on.
    pub monitor: Option<Monitor>,
    /// How old an answer about jobs may be that is given to several who ask at about the same time; zero for a look of its
    /// own for each.
    pub fresh_for: Duration,
    /// The folders below which a job that is created here may read files; none without any. The job keeps them.
    pub roots: Vec<PathBuf>,
    /// Told of the span of each request before it is entered, with the headers: for whoever joins spans to those of the
    /// caller (`traceparent`, W3C Trace Context).
    pub join_span: Option<JoinSpan>,
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

/// Joins the span of a request to what its headers name.
pub type JoinSpan = fn(&tracing::Span, &hyper::HeaderMap);

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            pace: Pace::default(),
            tokens: None,
            allow_hosts: Vec::new(),
            tls: None,
            monitor: None,
            fresh_for: Duration::from_millis(250),
            max_connections: 10_240,
            roots: Vec::new(),
            join_span: None,
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
/// Jobs that come in here are carried out by whichever engine works on the same store. What it fetches with has to be a source that
/// reaches no more than those who may ask here are trusted with: `ClientOptions::network` of the core's own is
/// `NetworkPolicy::Any` by default.
///
/// Dropping the future stops the server at once: connections are cut, and nothing asks the pipeline any more but for what is
/// on its way to it.
///
/// # Errors
/// When the address of the listener cannot be read.
pub async fn serve<P: Pipeline>(
    listener: TcpListener,
    pipeline: Arc<P>,
    options: ServeOptions,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let hosts = guard::Hosts::of(listener.local_addr()?, &options.allow_hosts);
    let mut sampler = Sampler::new();
    let samples = Arc::new(samples::Samples::new(sampler.sample()));
    let mut beside = JoinSet::new();
    beside.spawn(samples::watch_resources(samples.clone(), sampler));
    beside.spawn(samples::watch_rates(samples.clone(), pipeline.clone()));
    if let Some(tls) = &options.tls {
        beside.spawn(tls.clone().follow());
    }
    let deleted = Arc::new(Notify::new());
    beside.spawn(purge::watch(pipeline.clone(), deleted.clone()));
    let (stop, traffic) = (CancellationToken::new(), Arc::default());
    // Whoever looks at jobs for listeners is no part of this future.
    let _stopped = stop.clone().drop_guard();
    let outlines = Arc::default();
    let (limits, monitor) = (options.limits.clone(), options.monitor.clone());
    let source = events::Source::new(pipeline.clone(), samples.clone(), Arc::clone(&outlines), limits, monitor);
    let events = events::Events::new(source, stop.clone());
    let api = handlers::Api {
        pipeline,
        samples,
        outlines,
        exports: Arc::new(Semaphore::new(handlers::PARQUET_AT_ONCE)),
        limits: options.limits.clone(),
        pace: options.pace,
        events,
        traffic: Arc::clone(&traffic),
        monitor: options.monitor.clone(),
        roots: options.roots.clone(),
        openapi: openapi::document().into(),
        deleted,
        // The last of it may take a while.
        retry_for: options.answer_timeout / 4,
    };
    let server = Arc::new(answer::Server {
        api,
        hosts,
        tokens: options.tokens.clone(),
        snapshots: snapshots::Snapshots::new(options.fresh_for),
        traffic,
        tls: options.tls.is_some(),
        join_span: options.join_span,
        bodies: body::Bodies::new(options.body_timeout),
        answer_timeout: options.answer_timeout,
    });
    let until = async {
        shutdown.await;
        // Live events would never end by themselves.
        stop.cancel();
    };
    connection::accept(listener, server, &options, until).await;
    Ok(())
}
