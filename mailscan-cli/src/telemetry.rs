//! What the process tells of itself while it works: a log on standard error, and, with the feature `otel`, spans for a
//! collector.

#[cfg(feature = "otel")]
mod otlp;

use tracing_subscriber::EnvFilter;

/// The end of the process is to wait for what is still to be told.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    #[cfg(feature = "otel")]
    spans: Option<otlp::Spans>,
}

impl Telemetry {
    /// Sends what is left, for a moment.
    pub(crate) fn end(self) {
        #[cfg(feature = "otel")]
        if let Some(spans) = self.spans {
            spans.end();
        }
    }
}

/// What joins the spans of requests to those of their callers, where spans are sent at all.
#[cfg(feature = "otel")]
pub(crate) const JOIN: Option<mailscan_http::JoinSpan> = Some(otlp::join);
/// Without spans there is nothing to join.
#[cfg(not(feature = "otel"))]
pub(crate) const JOIN: Option<mailscan_http::JoinSpan> = None;

/// Begins to log, and to send spans if the environment names a collector.
pub(crate) fn start() -> Telemetry {
    // Errors of jobs are recorded in the database; the log is for whoever asks for it.
    let filter = EnvFilter::try_from_env("MAILSCAN_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    #[cfg(feature = "otel")]
    match otlp::Spans::from_environment() {
        None => {}
        Some(Err(reason)) => say!("warning: no spans are sent: {reason}"),
        Some(Ok(spans)) => {
            spans.install(filter);
            return Telemetry { spans: Some(spans) };
        }
    }
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A log that cannot be written is to end nothing.
    log.log_internal_errors(false).init();
    Telemetry::default()
}
