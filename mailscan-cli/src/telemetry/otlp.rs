//! Spans to an OpenTelemetry collector, by OTLP over HTTP.
//!
//! The standard variables say where to, as whom and how many (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`,
//! `OTEL_TRACES_SAMPLER`); nothing is sent without an endpoint. Spans wait in a bounded queue and leave from threads of
//! their own: one that finds the queue full is dropped, so that a collector that is slow or away holds nothing up.

use std::collections::BTreeMap;
use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};
use tokio::runtime::{Handle, Runtime};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::render::escape;
use crate::wire::shown;

/// Where to send to: for spans alone as it is, for everything with a path that tells the kinds apart.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// How to send. One way is spoken here.
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
/// How long the collector may take to answer, in milliseconds.
const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
/// The same where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(10);
/// For how long the end of the process waits for the collector to take what is left.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Whose spans are sent.
const SOURCES: [&str; 2] = ["mailscan_core", "mailscan_http"];

/// The way of spans to the collector.
#[derive(Debug)]
pub(super) struct Spans {
    provider: SdkTracerProvider,
    /// Connections live here, beside the work and beyond its end.
    runtime: Runtime,
}

impl Spans {
    /// `None` when nobody asks for spans; an error when they cannot be sent as they are asked for.
    pub(super) fn from_environment() -> Option<Result<Self, String>> {
        let off = first(&["OTEL_SDK_DISABLED"]).is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || first(&["OTEL_TRACES_EXPORTER"]).is_some_and(|value| value == "none");
        let endpoint = first(&ENDPOINTS).filter(|_| !off)?;
        Some(Self::to(endpoint))
    }

    fn to(endpoint: String) -> Result<Self, String> {
        if let Some(other) = first(&PROTOCOLS).filter(|protocol| protocol != "http/protobuf") {
            return Err(format!("the protocol `{}` is not spoken here: use http/protobuf", other.escape_debug()));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let timeout = first(&TIMEOUTS).and_then(|millis| millis.parse().ok()).map_or(TIMEOUT, Duration::from_millis);
        let client = HyperClient::new(connector()?, timeout, None);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(Client { client, runtime: runtime.handle().clone() })
            .build()
            .map_err(|error| error.to_string())?;
        let exporter = Exporter { exporter, endpoint, away: AtomicBool::new(false) };
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build();
        Ok(Self { provider, runtime })
    }

    /// Makes this process log by `filter` and send its spans.
    pub(super) fn install(&self, filter: EnvFilter) {
        let sent = Targets::new().with_targets(SOURCES.map(|source| (source, LevelFilter::INFO)));
        let spans = tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("mailscan"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
        tracing_subscriber::registry().with(log.with_filter(filter)).with(spans.with_filter(sent)).init();
    }

    /// Sends what is left.
    pub(super) fn end(self) {
        if self.provider.shutdown_with_timeout(LAST_WORDS).is_err() {
            say!("warning: the last spans were not sent: the collector takes too long to answer");
        }
        self.runtime.shutdown_background();
    }
}

/// Makes a span part of the trace that the headers of a request name (`traceparent`, W3C Trace Context), if they do.
pub(super) fn join(span: &tracing::Span, headers: &hyper::HeaderMap) {
    let caller = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
    if caller.span().span_context().is_valid() {
        // It fails for a span that nobody collects, which needs no parent.
        let _ = span.set_parent(caller);
    }
}

/// The first of these variables that says something.
fn first(names: &[&str]) -> Option<String> {
    names.iter().filter_map(|name| env::var(name).ok()).find(|value| !value.is_empty())
}

/// Who sends: the name of the program, unless the environment has another.
fn resource() -> Resource {
    let named = first(&["OTEL_SERVICE_NAME"]).is_some()
        || first(&["OTEL_RESOURCE_ATTRIBUTES"]).is_some_and(|all| all.contains("service.name="));
    let own =
        BTreeMap::from([("service.name", env!("CARGO_BIN_NAME")), ("service.version", env!("CARGO_PKG_VERSION"))]);
    let own = own.into_iter().filter(|(key, _)| !named || *key != "service.name");
    Resource::builder().with_attributes(own.map(|(key, value)| KeyValue::new(key, value))).build()
}

/// Connects in plain text or over TLS, as the endpoint says, with the system's authorities or, where there are none, with
/// those that are bundled.
fn connector() -> Result<HttpsConnector<HttpConnector>, String> {
    let provider = rustls::crypto::ring::default_provider();
    let builder = match HttpsConnectorBuilder::new().with_provider_and_native_roots(provider.clone()) {
        Ok(builder) => builder,
        Err(_) => HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .map_err(|error| format!("TLS is not available: {error}"))?,
    };
    Ok(builder.https_or_http().enable_http1().build())
}

/// Sends on a runtime of its own, because who asks is a thread that has none.
#[derive(Debug)]
struct Client {
    client: HyperClient<HttpsConnector<HttpConnector>>,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}

/// Sends batches, and says once when the collector begins to take none.
#[derive(Debug)]
struct Exporter {
    exporter: SpanExporter,
    endpoint: String,
    away: AtomicBool,
}

impl opentelemetry_sdk::trace::SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        if let Err(error) = &sent
            && !self.away.load(Ordering::Relaxed)
        {
            let to = escape(&shown(&self.endpoint));
            say!("warning: spans are lost, since the collector at {to} does not take them: {error}");
        }
        self.away.store(sent.is_err(), Ordering::Relaxed);
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
