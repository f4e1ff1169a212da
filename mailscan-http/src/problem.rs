//! What a client did wrong, or what went wrong here, as problem details (RFC 9457).

use std::borrow::Cow;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use mailscan_core::ErrorKind;
use serde::Serialize;
use utoipa::ToSchema;

/// A request that gets no answer but a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// Headers that belong to it, such as which methods there are.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    detail: Cow<'static, str>,
    /// The parameter or the field of the body at fault.
    field: Option<Cow<'static, str>>,
    /// Each of several faults.
    errors: Vec<Fault>,
}

/// One of several things that are wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Fault {
    #[schema(value_type = String)]
    pub(crate) field: Cow<'static, str>,
    pub(crate) detail: String,
}

/// A request that gets no answer but a reason (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    /// The parameter or the field of the body at fault; the first of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<Fault>)]
    errors: &'a [Fault],
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, headers: Vec::new(), detail: detail.into(), field: None, errors: Vec::new() }
    }

    /// Something that should not be, which is our fault.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    }

    /// A parameter or a field of the body that cannot be used, and what it may be.
    pub(crate) fn field(name: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(name.into()), ..Self::new(StatusCode::BAD_REQUEST, detail) }
    }

    /// The same for another kind of problem than a bad request.
    pub(crate) fn with_status(
        status: StatusCode,
        field: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, ..Self::field(field, detail) }
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let body = Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: &self.detail,
            field: self.field.as_deref(),
            errors: &self.errors,
        };
        // Strings and numbers always serialize.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl From<Vec<Fault>> for Problem {
    /// All that is wrong with a request, the first fault in full. At least one.
    fn from(faults: Vec<Fault>) -> Self {
        let Some(first) = faults.first().cloned() else {
            return Self::new(StatusCode::BAD_REQUEST, "the request cannot be understood");
        };
        let detail = match faults.len() - 1 {
            0 => first.detail,
            1 => format!("{} (and 1 more fault)", first.detail),
            more => format!("{} (and {more} more faults)", first.detail),
        };
        Self { errors: faults, ..Self::field(first.field, detail) }
    }
}

impl From<mailscan_core::Error> for Problem {
    fn from(error: mailscan_core::Error) -> Self {
        let status = match error.kind() {
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Unavailable | ErrorKind::Full => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            // The text may name files of this machine: that is for the log alone.
            log(&error, "a request could not be answered");
            return Self::new(status, error.kind().as_str());
        }
        Self::new(status, error.message().to_owned())
    }
}

/// Logs an error of the store or the queue. A database that is away or full meets every request, and who runs the server is told
/// of it once: so that is a warning.
pub(crate) fn log(error: &mailscan_core::Error, what: &str) {
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Full => tracing::warn!(%error, "{what}"),
        _ => tracing::error!(%error, "{what}"),
    }
}
