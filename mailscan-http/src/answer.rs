//! One request and its answer: checks first, then routing, then the handler; the headers that every answer has.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};
use mailscan_core::pipeline::Pipeline;

use crate::body;
use crate::guard::Hosts;
use crate::handlers::Api;
use crate::problem::Problem;
use crate::reply::{OutBody, Reply, whole};
use crate::routes::route;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Server<P> {
    pub(crate) api: Api<P>,
    pub(crate) hosts: Hosts,
    pub(crate) body_timeout: Duration,
    pub(crate) answer_timeout: Duration,
}

impl<P: Pipeline> Server<P> {
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Response<OutBody>, Infallible> {
        let (head, body) = request.into_parts();
        let mut unread = !body.is_end_stream();
        let reply = self.respond(&head, body, &mut unread).await.unwrap_or_else(Reply::from);
        let mut response = reply.into_response();
        finish(&mut response, &head, unread);
        Ok(response)
    }

    /// The answer; `unread` is cleared once there is nothing left of the body.
    async fn respond(&self, head: &Parts, body: Incoming, unread: &mut bool) -> Result<Reply, Problem> {
        self.hosts.check(head)?;
        let route = route(&head.method, head.uri.path(), head.uri.query())?;
        if !route.takes_body() && *unread {
            let detail = "nothing here takes a request body: send none";
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        let body = if *unread { body::read(body, self.body_timeout).await? } else { Bytes::new() };
        *unread = false;
        match tokio::time::timeout(self.answer_timeout, self.api.handle(route, head, &body)).await {
            Ok(answer) => answer,
            Err(_) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the answer took too long: try again later")),
        }
    }
}

fn finish(response: &mut Response<OutBody>, head: &Parts, unread: bool) {
    let status = response.status();
    let size = response.body().size_hint().exact();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if unread && head.version < Version::HTTP_2 {
        // What is left of the body would have to be read before a next request.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if head.method == Method::HEAD {
        if let Some(size) = size.filter(|_| status != StatusCode::NO_CONTENT) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
        }
        *response.body_mut() = whole(Bytes::new());
    }
}
