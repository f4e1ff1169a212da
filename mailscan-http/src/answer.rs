//! One request and its answer: checks first, then routing, then the handler; the headers that every answer has.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};
use mailscan_core::engine::Monitor;
use mailscan_core::export::Format;
use mailscan_core::pipeline::Pipeline;
use tracing::Instrument;

use crate::JoinSpan;
use crate::auth::Tokens;
use crate::body::{Bodies, MAX_BODY, MAX_JOB};
use crate::guard::{Hosts, check_encoding, check_media, check_origin, named};
use crate::handlers::Api;
use crate::problem::Problem;
use crate::reply::{Content, OutBody, Reply, whole};
use crate::routes::{Route, route};
use crate::sealed::Sealed;
use crate::snapshots::Snapshots;
use crate::traffic::Traffic;
use crate::{events, gzip};

/// What an answer is given beside what it is: it runs nothing, is in no frame, tells nobody where it was, is nothing but what
/// it says it is, and no other site may have it.
const GUARDS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];
/// What answers may do that bring no rules of their own: nothing.
const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// For how long a browser is to come over TLS only, once it did by the usual port: a year.
const TLS_ONLY: &str = "max-age=31536000";

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Server<P> {
    pub(crate) api: Api<P>,
    pub(crate) hosts: Hosts,
    /// Who may ask; anybody when there are none.
    pub(crate) tokens: Option<Tokens>,
    pub(crate) snapshots: Snapshots,
    pub(crate) traffic: Arc<Traffic>,
    /// Whether all connections are encrypted.
    pub(crate) tls: bool,
    pub(crate) join_span: Option<JoinSpan>,
    pub(crate) bodies: Bodies,
    pub(crate) answer_timeout: Duration,
}

impl<P: Pipeline> Server<P> {
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Response<OutBody>, Infallible> {
        let (head, mut body) = request.into_parts();
        // The query may hold what is none of the log's business.
        let span = tracing::info_span!(
            "request",
            http.request.method = %head.method,
            url.path = head.uri.path(),
            http.response.status_code = tracing::field::Empty,
            otel.kind = "server",
            otel.status_code = tracing::field::Empty,
        );
        if let Some(join) = self.join_span {
            join(&span, &head.headers);
        }
        let answer = async {
            let mut unread = !body.is_end_stream();
            let mut response = match self.respond(&head, &mut body, &mut unread).await {
                Ok(response) => response,
                Err(problem) => reply(Reply::from(problem), &head, false).await,
            };
            self.finish(&mut response, &head, unread);
            if unread {
                self.bodies.drain(body);
            }
            let span = tracing::Span::current();
            span.record("http.response.status_code", response.status().as_u16());
            if response.status().is_server_error() {
                span.record("otel.status_code", "ERROR");
            }
            tracing::debug!("answered");
            response
        };
        let response = answer.instrument(span).await;
        self.traffic.answered(response.status());
        Ok(response)
    }

    /// The answer; `unread` is cleared once there is nothing left of the body.
    async fn respond(
        &self,
        head: &Parts,
        body: &mut Incoming,
        unread: &mut bool,
    ) -> Result<Response<OutBody>, Problem> {
        self.hosts.check(head)?;
        let changes = !matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if changes {
            check_origin(head)?;
        }
        if let Some(tokens) = &self.tokens {
            tokens.check(head)?;
        }
        let route = route(&head.method, head.uri.path(), head.uri.query())?;
        if changes {
            check_media(head, *unread)?;
            check_encoding(head)?;
        }
        if !route.takes_body() && *unread {
            let detail = "nothing here takes a request body: send none";
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        let most = if route == Route::Create { MAX_JOB } else { MAX_BODY };
        let body = if *unread { self.bodies.read(body, most).await? } else { Bytes::new() };
        *unread = false;
        let answer = async {
            if !is_shared(&route) {
                let lasting = !changes && !matches!(route, Route::Health | Route::Ready);
                return Ok(reply(self.api.handle(route, head, &body).await?, head, lasting).await);
            }
            let target = head.uri.path_and_query().map_or("", |target| target.as_str());
            let read = async || {
                let reply = self.api.handle(route, head, &body).await?;
                Sealed::new(reply).map(Sealed::with_tag).map_err(|_| Problem::internal())
            };
            Ok(self.snapshots.get(target, read).await?.response(head).await)
        };
        let answer = tokio::time::timeout(self.answer_timeout, answer).await;
        if changes {
            self.snapshots.forget();
            // The engine of this process need not wait for its next look.
            self.api.monitor.iter().for_each(Monitor::look);
        }
        let late = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the answer took too long: try again later");
        answer.unwrap_or_else(|_| Err(late()))
    }

    fn finish(&self, response: &mut Response<OutBody>, head: &Parts, unread: bool) {
        let status = response.status();
        let headers = response.headers_mut();
        for (name, value) in GUARDS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NOTHING));
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        // It holds for the other ports of the host as well, which are others' where this one is not the usual.
        if self.tls && is_at_usual_port(head) {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TLS_ONLY));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if unread && head.version < Version::HTTP_2 {
            // What is left of the body would have to be read before a next request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Whether a request over TLS came to the port that is meant where none is named.
fn is_at_usual_port(head: &Parts) -> bool {
    named(head).is_some_and(|authority| authority.port_u16().is_none_or(|port| port == 443))
}

/// Whether an answer is the same for all who ask within a moment. Not the figures: they are worth waiting seconds for a store that
/// hangs, which those who wait for each other would do in a row; and few ask for them.
fn is_shared(route: &Route) -> bool {
    matches!(
        route,
        Route::Job(_)
            | Route::Jobs(_)
            | Route::Eta(_)
            | Route::Rates(_)
            | Route::Workers(_)
            | Route::WorkerStatus(_)
            | Route::Errors(..)
            | Route::System
    )
}

/// A handler's answer in the form that suits the request; one that is `lasting` may be asked for again.
async fn reply(reply: Reply, head: &Parts, lasting: bool) -> Response<OutBody> {
    match Sealed::new(reply) {
        Ok(sealed) if lasting => sealed.with_tag().response(head).await,
        Ok(sealed) => sealed.response(head).await,
        Err(reply) => stream(reply, head),
    }
}

/// An answer that comes piece by piece. Events are not compressed, as each is to be there at once, nor is what is compressed.
fn stream(reply: Reply, head: &Parts) -> Response<OutBody> {
    const AS_IT_IS: [&str; 2] = [events::MEDIA, Format::Parquet.media_type()];
    let compressible = !matches!(reply.content, Content::Stream(media, _) if AS_IT_IS.contains(&media));
    let mut response = reply.into_response();
    if compressible {
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if gzip::accepted(&head.headers) {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response = response.map(gzip::stream);
        }
    }
    if head.method == Method::HEAD {
        *response.body_mut() = whole(Bytes::new());
    }
    response
}
