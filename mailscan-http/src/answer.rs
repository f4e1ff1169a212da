//! One request and its answer: checks first, then routing, then the handler; the headers that every answer has.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};
use mailscan_core::pipeline::Pipeline;

use crate::assets;
use crate::guard::Hosts;
use crate::handlers::Api;
use crate::problem::Problem;
use crate::routes::{ALLOW, Route, route};

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Server<P> {
    pub(crate) api: Api<P>,
    pub(crate) hosts: Hosts,
    pub(crate) answer_timeout: Duration,
}

impl<P: Pipeline> Server<P> {
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let has_body = !body.is_end_stream();
        drop(body);
        if let Some(asset) = assets::answer(&head).filter(|_| self.hosts.check(&head).is_ok()) {
            return Ok(asset);
        }
        let mut response = match self.respond(&head, has_body).await {
            Ok(None) => response(StatusCode::NO_CONTENT, None, Vec::new()),
            Ok(Some(json)) => response(StatusCode::OK, Some("application/json"), json),
            Err(problem) => response(problem.status, Some("application/problem+json"), problem.body()),
        };
        finish(&mut response, &head, has_body);
        Ok(response)
    }

    /// The JSON of an answer; `None` where there is nothing to say but the headers.
    async fn respond(&self, head: &Parts, has_body: bool) -> Result<Option<Vec<u8>>, Problem> {
        self.hosts.check(head)?;
        let route = route(&head.method, head.uri.path(), head.uri.query())?;
        if has_body {
            let detail = "nothing here takes a request body: send none";
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        if route == Route::Options {
            return Ok(None);
        }
        match tokio::time::timeout(self.answer_timeout, self.api.handle(route)).await {
            Ok(answer) => answer.map(Some),
            Err(_) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the answer took too long: try again later")),
        }
    }
}

fn response(status: StatusCode, media: Option<&'static str>, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    if let Some(media) = media {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    }
    response
}

fn finish(response: &mut Response<Full<Bytes>>, head: &Parts, has_body: bool) {
    let status = response.status();
    let length = response.body().size_hint().lower();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::METHOD_NOT_ALLOWED) {
        headers.insert(header::ALLOW, HeaderValue::from_static(ALLOW));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if has_body && head.version < Version::HTTP_2 {
        // What is left of the body would have to be read before a next request.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if head.method == Method::HEAD {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        *response.body_mut() = Full::default();
    }
}
