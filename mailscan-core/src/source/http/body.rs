//! Bodies: read, undone of their content encodings, and cut at a cap, in constant memory beside the result.
//!
//! The cap counts decoded bytes, so a bomb costs no more than an honest page. What a server sends beyond the cap is
//! dropped and noted. Large bodies are held a few at a time, so that thousands of fetches cannot each bring one.

use std::io::{self, Cursor};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use http_body_util::{BodyExt, BodyStream};
use hyper::Response;
use hyper::body::{Body as _, Incoming};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, Take};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_util::io::StreamReader;

use super::client::{explain, transient};
use super::encodings::{self, Encoding, Encodings, Reader};
use crate::fetch::FetchError;

/// How large a body may grow before it needs one of the places for large ones, in bytes.
const SMALL: usize = 256 * 1024;
/// How many larger bodies are held at a time: with the usual cap of 8 MiB, 256 MiB in all.
const LARGE_PLACES: usize = 32;

/// A decoded body.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    /// Whether there was more than the cap.
    pub(crate) truncated: bool,
    /// The place that a large body takes.
    place: Option<OwnedSemaphorePermit>,
}

impl Body {
    /// A text made of this body, which keeps the body's place for as long as the text is held.
    pub(crate) fn holding(&mut self, text: Bytes) -> Bytes {
        match self.place.take() {
            Some(place) => Bytes::from_owner(Held { text, _place: place }),
            None => text,
        }
    }
}

struct Held {
    text: Bytes,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// Reads bodies; owns the places for large ones.
#[derive(Debug)]
pub(crate) struct Bodies {
    places: Arc<Semaphore>,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(LARGE_PLACES)) }
    }
}

impl Bodies {
    /// Reads the body of an answer up to `cap` decoded bytes, no longer than until `deadline`.
    pub(crate) async fn read(
        &self,
        response: Response<Incoming>,
        cap: usize,
        deadline: Instant,
    ) -> Result<Body, FetchError> {
        let encodings = Encodings::of(response.headers())?;
        let reading = async {
            if encodings.known.is_empty() {
                read_plain(response.into_body(), cap, &self.places).await
            } else {
                Box::pin(decode(response, &encodings.known, cap, &self.places)).await
            }
        };
        let body = timeout_at(deadline, reading).await.unwrap_or_else(|_| Err(late()))?;
        match encodings.unknown {
            // Some servers name a charset there, or nothing that would be to undo.
            Some(name) if !is_text(&body.bytes) => Err(encodings::unknown(&name)),
            _ => Ok(body),
        }
    }

    /// What a body says that is a gzip file, up to `cap` bytes and no longer than until `deadline`; any other as it is.
    pub(crate) async fn unpack(&self, body: Body, cap: usize, deadline: Instant) -> Result<Body, FetchError> {
        if !body.bytes.starts_with(encodings::GZIP) {
            return Ok(body);
        }
        let reader: Reader = Box::pin(Cursor::new(body.bytes.clone()));
        let unpacking = Box::pin(read_decoded(reader, &[Encoding::Gzip], cap, body, &self.places));
        timeout_at(deadline, unpacking).await.unwrap_or_else(|_| Err(late()))
    }
}

fn late() -> FetchError {
    transient("body-timeout", "the body did not end in time".to_owned())
}

/// Whether bytes can be text in any charset: they begin without the control characters that none has.
fn is_text(bytes: &[u8]) -> bool {
    let is_of_text = |byte: &u8| *byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    bytes.iter().take(1_024).all(is_of_text)
}

/// Waits for a place for a large body.
async fn place(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    // The semaphore is never closed.
    places.clone().acquire_owned().await.ok()
}

async fn read_plain(mut body: Incoming, cap: usize, places: &Arc<Semaphore>) -> Result<Body, FetchError> {
    let mut held = None;
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    // What the server announces, as far as nobody has to have a place for it.
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(SMALL).min(cap).min(SMALL);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        let Ok(mut data) = frame.into_data() else { continue };
        let have = first.as_ref().map_or(0, Bytes::len).max(rest.len());
        if have + data.len() > cap {
            data.truncate(cap - have);
            return Ok(Body { bytes: join(first, rest, &data), truncated: true, place: held });
        }
        if have + data.len() > SMALL && held.is_none() {
            held = place(places).await;
        }
        match &first {
            None => first = Some(data),
            Some(begin) => {
                if rest.is_empty() {
                    rest.reserve(announced);
                    rest.extend_from_slice(begin);
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(Body { bytes: join(first, rest, &[]), truncated: false, place: held })
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
    transient("body-incomplete", explain(error, false).message)
}

/// What an answer brings, to be decoded.
async fn decode(
    response: Response<Incoming>,
    encodings: &[Encoding],
    cap: usize,
    places: &Arc<Semaphore>,
) -> Result<Body, FetchError> {
    let frames = BodyStream::new(response.into_body());
    let data = TryStreamExt::map_err(frames, io::Error::other).filter_map(|frame| async {
        match frame {
            Ok(frame) => frame.into_data().ok().map(Ok),
            Err(error) => Some(Err(error)),
        }
    });
    let mut reader = encodings::bounded(StreamReader::new(Box::pin(data)), cap);
    let none = Body { bytes: Bytes::new(), truncated: false, place: None };
    // Some servers name an encoding where there is nothing to encode.
    if reader.fill_buf().await.map_err(|error| undecodable(&error))?.is_empty() {
        return Ok(none);
    }
    read_decoded(reader, encodings, cap, none, places).await
}

/// Reads what encoded bytes say. `begun` is what is known of the body so far: whether those bytes are cut, and the place that
/// it holds.
async fn read_decoded(
    mut reader: Reader,
    encodings: &[Encoding],
    cap: usize,
    begun: Body,
    places: &Arc<Semaphore>,
) -> Result<Body, FetchError> {
    let Body { truncated: is_cut, place: mut held, .. } = begun;
    for encoding in encodings.iter().rev() {
        reader = encoding.undo(reader, cap).await.map_err(|error| undecodable(&error))?;
    }
    let mut decoded = Vec::new();
    let limit = cap as u64 + 1;
    let mut reader = reader.take(limit.min(SMALL as u64));
    read_on(&mut reader, &mut decoded, is_cut).await?;
    if decoded.len() == SMALL {
        if held.is_none() {
            held = place(places).await;
        }
        reader.set_limit(limit.saturating_sub(SMALL as u64));
        read_on(&mut reader, &mut decoded, is_cut).await?;
    }
    let truncated = is_cut || decoded.len() > cap;
    decoded.truncate(cap);
    Ok(Body { bytes: decoded.into(), truncated, place: held })
}

/// Reads to the end, or to where bytes that are cut say no more.
async fn read_on(reader: &mut Take<Reader>, decoded: &mut Vec<u8>, is_cut: bool) -> Result<(), FetchError> {
    match reader.read_to_end(decoded).await {
        Err(error) if is_cut && error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        read => read.map(drop).map_err(|error| undecodable(&error)),
    }
}

fn undecodable(error: &io::Error) -> FetchError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<hyper::Error>()) {
        Some(transport) => broken(transport),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            transient("body-incomplete", "the encoded body ends before its end".to_owned())
        }
        None => transient("body-encoding", format!("the body cannot be decoded: {error}")),
    }
}
