//! Bodies: read, undone of their content encodings, and cut at a cap, in constant memory beside the result.
//!
//! The cap counts decoded bytes, so a bomb costs no more than an honest page. What a server sends beyond the cap is
//! dropped and noted.

use std::io;
use std::pin::Pin;

use async_compression::tokio::bufread::{BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use http_body_util::{BodyExt, BodyStream};
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::CONTENT_ENCODING;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::time::{Instant, timeout_at};
use tokio_util::io::StreamReader;

use super::client::{explain, permanent, transient};
use crate::fetch::FetchError;

/// The most content encodings laid over each other that are undone.
const MAX_ENCODINGS: usize = 2;

/// A decoded body.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    /// Whether there was more than the cap.
    pub(crate) truncated: bool,
}

/// Reads the body of an answer up to `cap` decoded bytes, no longer than until `deadline`.
pub(crate) async fn read(response: Response<Incoming>, cap: usize, deadline: Instant) -> Result<Body, FetchError> {
    let encodings = encodings(&response)?;
    let reading = async {
        if encodings.is_empty() {
            read_plain(response.into_body(), cap).await
        } else {
            decode(response, &encodings, cap).await
        }
    };
    timeout_at(deadline, reading)
        .await
        .unwrap_or_else(|_| Err(transient("body-timeout", "the body did not end in time".to_owned())))
}

#[derive(Clone, Copy, Debug)]
enum Encoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The encodings to undo, in the order in which they were applied.
fn encodings(response: &Response<Incoming>) -> Result<Vec<Encoding>, FetchError> {
    let mut found = Vec::new();
    for value in response.headers().get_all(CONTENT_ENCODING) {
        for name in String::from_utf8_lossy(value.as_bytes()).split(',') {
            match name.trim().to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" => found.push(Encoding::Gzip),
                "deflate" => found.push(Encoding::Deflate),
                "br" => found.push(Encoding::Brotli),
                "zstd" => found.push(Encoding::Zstd),
                other => {
                    let name = other.escape_debug();
                    return Err(permanent("content-encoding", format!("the content encoding `{name}` is not known")));
                }
            }
        }
    }
    if found.len() > MAX_ENCODINGS {
        return Err(permanent("content-encoding", format!("{} content encodings lie over each other", found.len())));
    }
    Ok(found)
}

async fn read_plain(mut body: Incoming, cap: usize) -> Result<Body, FetchError> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        let Ok(mut data) = frame.into_data() else { continue };
        let have = first.as_ref().map_or(0, Bytes::len).max(rest.len());
        if have + data.len() > cap {
            data.truncate(cap - have);
            return Ok(Body { bytes: join(first, rest, &data), truncated: true });
        }
        match &first {
            None => first = Some(data),
            Some(begin) => {
                if rest.is_empty() {
                    rest.extend_from_slice(begin);
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(Body { bytes: join(first, rest, &[]), truncated: false })
}

/// One frame stays as it is; several are one buffer that begins with the first.
fn join(first: Option<Bytes>, mut rest: BytesMut, last: &[u8]) -> Bytes {
    match first {
        Some(first) if rest.is_empty() && last.is_empty() => first,
        first => {
            if rest.is_empty() {
                rest.extend_from_slice(&first.unwrap_or_default());
            }
            rest.extend_from_slice(last);
            rest.freeze()
        }
    }
}

/// A body that broke off is an error: what is missing may hold addresses.
fn broken(error: &hyper::Error) -> FetchError {
    let mut explained = explain(error, false);
    "body-incomplete".clone_into(explained.code.to_mut());
    explained
}

async fn decode(response: Response<Incoming>, encodings: &[Encoding], cap: usize) -> Result<Body, FetchError> {
    let frames = BodyStream::new(response.into_body());
    let data = TryStreamExt::map_err(frames, io::Error::other).filter_map(|frame| async {
        match frame {
            Ok(frame) => frame.into_data().ok().map(Ok),
            Err(error) => Some(Err(error)),
        }
    });
    // No format makes honest text larger than a few bytes more than it is, so this bounds what is read as well.
    let compressed = StreamReader::new(Box::pin(data)).take(cap as u64 + 64 * 1024);
    let mut reader: Pin<Box<dyn AsyncBufRead + Send>> = Box::pin(BufReader::new(compressed));
    // An empty answer often keeps the encoding of the full one; no format calls nothing at all valid.
    if reader.fill_buf().await.map_err(|error| undecodable(&error))?.is_empty() {
        return Ok(Body { bytes: Bytes::new(), truncated: false });
    }
    for encoding in encodings.iter().rev() {
        reader = undo(*encoding, reader).await.map_err(|error| undecodable(&error))?;
    }
    let mut decoded = Vec::new();
    let limit = cap as u64 + 1;
    reader.take(limit).read_to_end(&mut decoded).await.map_err(|error| undecodable(&error))?;
    let truncated = decoded.len() > cap;
    decoded.truncate(cap);
    Ok(Body { bytes: decoded.into(), truncated })
}

async fn undo(
    encoding: Encoding,
    mut reader: Pin<Box<dyn AsyncBufRead + Send>>,
) -> io::Result<Pin<Box<dyn AsyncBufRead + Send>>> {
    Ok(match encoding {
        Encoding::Gzip => {
            let mut decoder = GzipDecoder::new(reader);
            decoder.multiple_members(true);
            Box::pin(BufReader::new(decoder))
        }
        Encoding::Brotli => Box::pin(BufReader::new(BrotliDecoder::new(reader))),
        Encoding::Zstd => Box::pin(BufReader::new(ZstdDecoder::new(reader))),
        Encoding::Deflate => {
            // RFC 9110 means zlib by "deflate"; some servers send the bare stream. A zlib head has method 8 and a check.
            let head = reader.fill_buf().await?;
            let is_zlib = matches!(head, [a, b, ..] if a & 15 == 8 && u16::from_be_bytes([*a, *b]) % 31 == 0);
            if is_zlib {
                Box::pin(BufReader::new(ZlibDecoder::new(reader)))
            } else {
                Box::pin(BufReader::new(DeflateDecoder::new(reader)))
            }
        }
    })
}

fn undecodable(error: &io::Error) -> FetchError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<hyper::Error>()) {
        Some(transport) => broken(transport),
        None => transient("body-encoding", format!("the body cannot be decoded: {error}")),
    }
}
