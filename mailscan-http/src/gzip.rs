//! Compression of answers: whether a client takes it, and how it is done, whole or piece by piece.

use std::io;

use async_compression::tokio::bufread::GzipEncoder;
use bytes::Bytes;
use futures::TryStreamExt;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{self, HeaderMap};
use tokio::io::AsyncReadExt;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::reply::{BodyError, OutBody};

/// Whether the client takes gzip (RFC 9110, section 12.5.3). One that says nothing gets none.
pub(crate) fn accepted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let (mut named, mut any) = (None, None);
    for coding in values.flat_map(|list| list.split(',')) {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let wanted = quality.is_none_or(|quality| quality.parse::<f32>().is_ok_and(|quality| quality > 0.0));
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            named = Some(wanted);
        } else if name == "*" {
            any = Some(wanted);
        }
    }
    named.or(any).unwrap_or(false)
}

/// All of it, compressed.
pub(crate) async fn whole(bytes: &[u8]) -> Option<Bytes> {
    let mut compressed = Vec::with_capacity(bytes.len() / 4);
    // Memory is read and written, which does not fail.
    GzipEncoder::new(bytes).read_to_end(&mut compressed).await.ok()?;
    Some(compressed.into())
}

/// A body that is compressed as it goes.
pub(crate) fn stream(body: OutBody) -> OutBody {
    let pieces = body.into_data_stream().map_err(io::Error::other);
    let compressed = ReaderStream::new(GzipEncoder::new(StreamReader::new(Box::pin(pieces))));
    let frames = compressed.map_ok(Frame::data).map_err(BodyError::from);
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn who_takes_gzip_says_so() {
        let takes = |value: &'static str| {
            let headers = [(header::ACCEPT_ENCODING, HeaderValue::from_static(value))];
            accepted(&HeaderMap::from_iter(headers))
        };
        for value in ["gzip", "GZIP", "br, gzip;q=0.5", "*", "deflate;q=1, *;q=0.1", "gzip, *;q=0"] {
            assert!(takes(value), "{value}");
        }
        for value in ["", "br", "gzip;q=0", "gzip; q=0.0, *", "identity", "*;q=0", "gzipx"] {
            assert!(!takes(value), "{value}");
        }
        assert!(!accepted(&HeaderMap::new()));
    }
}
