//! An answer that is there as a whole, in every form in which it may be sent: plain, compressed, or as "you have it already".
//!
//! The work for a form is done once, so that an answer which is kept ([`crate::snapshots`]) costs next to nothing to repeat.

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use xxhash_rust::xxh3::xxh3_128;

use crate::reply::{Content, OutBody, Reply, whole};
use crate::{gzip, metrics};

/// What it is worth compressing, in bytes.
const WORTH_IT: usize = 1_024;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Sealed {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    media: Option<&'static str>,
    bytes: Bytes,
    /// What tells it from any other content; weak, since it is the same for the plain and the compressed form.
    tag: Option<HeaderValue>,
    /// `None` inside when it is not worth it.
    gzip: tokio::sync::OnceCell<Option<Bytes>>,
}

impl Sealed {
    /// An answer without an ETag, which is for this request alone; the reply itself when it comes piece by piece.
    pub(crate) fn new(reply: Reply) -> Result<Self, Reply> {
        let (media, bytes) = match reply.content {
            Content::Empty => (None, Bytes::new()),
            Content::Whole(media, bytes) => (Some(media), bytes),
            content @ Content::Stream(..) => return Err(Reply { content, ..reply }),
        };
        let Reply { status, headers, .. } = reply;
        Ok(Self { status, headers, media, bytes, tag: None, gzip: tokio::sync::OnceCell::new() })
    }

    /// The same with an ETag, where it is content that may be the same another time: figures for Prometheus never are.
    #[must_use]
    pub(crate) fn with_tag(mut self) -> Self {
        if self.status == StatusCode::OK && self.media.is_some_and(|media| media != metrics::MEDIA) {
            let tag = format!("W/\"{:032x}\"", xxh3_128(&self.bytes));
            // Digits and quotes are a header.
            self.tag = HeaderValue::try_from(tag).ok();
        }
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// How many bytes it holds.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The answer to a request in the form that suits it.
    pub(crate) async fn response(&self, head: &Parts) -> Response<OutBody> {
        let mut response = Response::new(whole(Bytes::new()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.extend(self.headers.iter().cloned());
        if let Some(tag) = &self.tag {
            headers.insert(header::ETAG, tag.clone());
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        }
        if self.bytes.len() > WORTH_IT {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        if self.tag.as_ref().is_some_and(|tag| knows(&head.headers, tag)) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        if let Some(media) = self.media {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        }
        let mut bytes = self.bytes.clone();
        if self.bytes.len() > WORTH_IT
            && gzip::accepted(&head.headers)
            && let Some(smaller) = self.compressed().await
        {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            bytes = smaller;
        }
        if head.method == Method::HEAD && self.status != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        } else {
            *response.body_mut() = whole(bytes);
        }
        response
    }

    async fn compressed(&self) -> Option<Bytes> {
        let smaller = async || gzip::whole(&self.bytes).await.filter(|smaller| smaller.len() < self.bytes.len());
        self.gzip.get_or_init(smaller).await.clone()
    }
}

/// Whether the client has what this tag stands for (RFC 9110, section 13.1.2).
fn knows(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let Ok(tag) = tag.to_str() else { return false };
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|list| list.split(',')).any(|known| known.trim() == "*" || strong(known) == strong(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_in_any_list_and_strength() {
        let tag = HeaderValue::from_static("W/\"ab\"");
        let known = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            knows(&headers, &tag)
        };
        for value in ["W/\"ab\"", "\"ab\"", "\"x\", W/\"ab\"", "*"] {
            assert!(known(value), "{value}");
        }
        for value in ["", "\"abc\"", "ab", "W/\"a\", \"b\""] {
            assert!(!known(value), "{value}");
        }
        assert!(!knows(&HeaderMap::new(), &tag));
    }
}
