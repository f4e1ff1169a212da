//! What a handler answers: a status, headers of its own, and content that is whole or comes piece by piece.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode, header};
use serde::Serialize;

use crate::problem::Problem;

/// Why a body that comes piece by piece ends early: the connection is closed, so that nobody takes it for whole.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body on its way out.
pub(crate) type OutBody = UnsyncBoxBody<Bytes, BodyError>;

/// The answer of a handler. The headers that every answer has are added by [`crate::answer`].
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) content: Content,
}

/// What an answer holds.
#[derive(Debug)]
pub(crate) enum Content {
    /// Nothing but the headers.
    Empty,
    /// All of it, of this media type.
    Whole(&'static str, Bytes),
    /// Of this media type, piece by piece, as fast as the client takes it.
    Stream(&'static str, OutBody),
}

impl Reply {
    /// Nothing to say but that it was done, or which methods there are.
    pub(crate) fn empty() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: Vec::new(), content: Content::Empty }
    }

    /// JSON.
    pub(crate) fn json(answer: &impl Serialize) -> Result<Self, Problem> {
        let json = serde_json::to_vec(answer).map_err(|error| {
            tracing::error!(%error, "an answer could not be written as JSON");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        })?;
        Ok(Self::whole("application/json", json))
    }

    /// Content of another media type.
    pub(crate) fn whole(media: &'static str, content: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), content: Content::Whole(media, content.into()) }
    }

    /// Content that comes piece by piece.
    pub(crate) fn stream<B>(media: &'static str, body: B) -> Self
    where
        B: Body<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        Self { status: StatusCode::OK, headers: Vec::new(), content: Content::Stream(media, body.boxed_unsync()) }
    }

    #[must_use]
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The answer as it is sent.
    pub(crate) fn into_response(self) -> Response<OutBody> {
        let (media, body) = match self.content {
            Content::Empty => (None, whole(Bytes::new())),
            Content::Whole(media, bytes) => (Some(media), whole(bytes)),
            Content::Stream(media, body) => (Some(media), body),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers);
        if let Some(media) = media {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        }
        response
    }
}

/// A body that is there as a whole.
pub(crate) fn whole(bytes: Bytes) -> OutBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        let body = problem.body();
        let reply = Self::whole("application/problem+json", body).with_status(problem.status);
        Self { headers: problem.headers, ..reply }
    }
}
