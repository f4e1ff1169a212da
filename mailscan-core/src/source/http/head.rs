//! What the heads of answers say: where to go instead, what the body is, and when to come back.

use std::borrow::Cow;
use std::time::Duration;

use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, LOCATION, REFRESH, RETRY_AFTER};
use percent_encoding::{AsciiSet, percent_encode};
use url::Url;

use super::client::permanent;
use crate::extract::refresh_target;
use crate::fetch::FetchError;
use crate::source::content_type::ContentType;
use crate::task::same_site;

/// Where an answer redirects to; `None` when it does not. Only to what can be fetched.
pub(super) fn redirect(from: &Url, response: &Response<Incoming>) -> Result<Option<Url>, FetchError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else {
        return Err(permanent("redirect", "it redirects to nowhere".to_owned()));
    };
    let location = text_of(location.as_bytes());
    let wrong = || {
        let shown: String = location.chars().take(100).flat_map(char::escape_debug).collect();
        permanent("redirect", format!("it redirects to `{shown}`, which cannot be fetched"))
    };
    let next = from.join(&location).map_err(|_| wrong())?;
    crate::job::parse_page_url(next.as_str()).map(Some).map_err(|_| wrong())
}

/// The error of an API that answered with a redirect, with where it leads: the host and the path alone, since what follows
/// may be a secret.
pub(super) fn moved(error: FetchError, from: &Url, response: &Response<Incoming>) -> FetchError {
    let Ok(Some(mut to)) = redirect(from, response) else { return error };
    to.set_query(None);
    let message = format!("{}: it is to be asked at {to}, so give that address as the endpoint", error.message);
    FetchError { message, ..error }
}

/// Where a page goes on by itself, as far as a header says so that browsers obey and no standard knows.
pub(super) fn refreshed(from: &Url, headers: &HeaderMap) -> Option<Url> {
    let target = refresh_target(headers.get(REFRESH)?.as_bytes())?;
    let mut next = from.join(&text_of(target)).ok()?;
    next.set_fragment(None);
    (next != *from && same_site(&next, from)).then_some(())?;
    crate::job::parse_page_url(next.as_str()).ok()
}

/// A reference to a URL as text. Bytes that are no UTF-8 are sent back as they came, which is what servers that write them mean.
fn text_of(reference: &[u8]) -> Cow<'_, str> {
    const NOT_ASCII: &AsciiSet = &AsciiSet::EMPTY;
    match std::str::from_utf8(reference) {
        Ok(text) => text.into(),
        Err(_) => percent_encode(reference, NOT_ASCII).to_string().into(),
    }
}

pub(super) fn content_type(headers: &HeaderMap) -> ContentType {
    let mut lines = headers.get_all(CONTENT_TYPE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let first = lines.next().unwrap_or_default();
    // Several lines are one with commas (RFC 9110, section 5.3).
    ContentType::parse(&lines.fold(first, |before, line| format!("{before}, {line}").into()))
}

/// `Retry-After` in either of its forms (RFC 9110, section 10.2.3). The gate caps it.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}
