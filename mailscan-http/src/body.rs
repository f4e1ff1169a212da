//! The body of a request: read whole, up to a bound and within a time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body, Incoming};

use crate::problem::Problem;

/// The most bytes of a body. A list of URLs that is longer has a place of its own.
pub(crate) const MAX_BODY: usize = 1 << 20;

/// Reads a body.
///
/// # Errors
/// 413 when it is larger than [`MAX_BODY`], 408 when it is not there in time, 400 when it breaks off.
pub(crate) async fn read(body: Incoming, patience: Duration) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("the body is larger than {} MiB: send less", MAX_BODY >> 20);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    // What is announced need not be waited for.
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(patience, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(read)) => Ok(read.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "the body breaks off: send all of it")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long: send it at once")),
    }
}
