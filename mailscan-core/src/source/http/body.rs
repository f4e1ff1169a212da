//! Bodies: read, undone of their content encodings, and cut at a cap, in constant memory beside the result.
//!
//! The cap counts decoded bytes, so a bomb costs no more than an honest page. What a server sends beyond the cap is
//! dropped and noted. Large bodies are held a few at a time, so that thousands of fetches cannot each bring one.

use std::io::{self, Cursor};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use http_body_util::{BodyExt, BodyStream};
use hyper::Response;
use hyper::body::{Body as _, Incoming};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, Take};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tokio_util::io::StreamReader;
use url::Url;

use super::client::{explain, transient};
use super::encodings::{self, Encoding, Encodings, Reader};
use super::places::{Claim, Places};
use crate::fetch::{BODIES_FULL, FetchError, FetchErrorClass};
use crate::task::host_of;

/// How large a body may grow before it needs one of the places for large ones, in bytes.
const SMALL: usize = 256 * 1024;
/// How many places there are for larger bodies, and how large one in a place may be: 192 MiB in all.
const LARGE_PLACES: usize = 24;
const PLACE: usize = 8 << 20;
/// How many there are for those that take several, 128 MiB in all. One takes them at once, so that nobody who holds some waits for
/// more.
const FILE_PLACES: usize = 16;
/// When a page that found no place comes back: its beginning is read again each time.
const COMES_BACK: Duration = Duration::from_secs(30);
/// The same where it is its own host that leaves it none. That is asked for nothing meanwhile, small pages either.
const HOST_COMES_BACK: Duration = Duration::from_secs(10);

/// A decoded body.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    /// Whether there was more than the cap.
    pub(crate) truncated: bool,
    /// Why it did not end as it should, where what had come until then was wanted all the same. It is truncated as well.
    pub(crate) broken: Option<Box<FetchError>>,
    /// The place that a large body takes.
    place: Option<OwnedSemaphorePermit>,
}

/// What is to become of a body that does not end as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It is an error: what is missing may hold addresses, and another try may bring it.
    Whole,
    /// What came is read, unless that is nothing: nobody tries again.
    WhatComes,
}

impl Body {
    /// The place that it takes, for whoever keeps that longer than the body.
    pub(crate) fn take_place(&mut self) -> Option<OwnedSemaphorePermit> {
        self.place.take()
    }

    /// The same before it was unpacked: the bytes that had come, and whether there was more of them.
    #[cfg(feature = "files")]
    pub(crate) fn before_unpacking(self, (bytes, truncated): (Bytes, bool)) -> Self {
        Self { bytes, truncated, ..self }
    }

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
    places: Places,
    /// Those for bodies that take several, so that a few files that come slowly keep no page waiting.
    places_of_files: Places,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { places: Places::new(LARGE_PLACES), places_of_files: Places::new(FILE_PLACES) }
    }
}

impl Bodies {
    /// The places for bodies of at most `cap` bytes.
    pub(super) fn places(&self, cap: usize) -> &Places {
        if cap > PLACE { &self.places_of_files } else { &self.places }
    }

    fn room<'a>(&'a self, url: &'a Url, cap: usize, deadline: Instant) -> Room<'a> {
        Room { places: self.places(cap), url, cap, deadline }
    }

    /// Reads the body of an answer of `url` up to `cap` decoded bytes, no longer than until `deadline`.
    ///
    /// # Errors
    /// [`BODIES_FULL`] when there was no place for it in half of the time that it had left, which is nobody's fault.
    pub(crate) async fn read(
        &self,
        response: Response<Incoming>,
        url: &Url,
        cap: usize,
        wanted: Wanted,
        deadline: Instant,
    ) -> Result<Body, FetchError> {
        let encodings = Encodings::of(response.headers())?;
        let (mut came, room) = (Came::default(), self.room(url, cap, deadline));
        let reading = async {
            if encodings.known.is_empty() {
                read_plain(response.into_body(), room, &mut came).await
            } else {
                Box::pin(decode(response, &encodings.known, room, &mut came)).await
            }
        };
        let read = timeout_at(deadline, reading).await.unwrap_or_else(|_| Err(late()));
        let body = came.body(read, wanted)?;
        match encodings.unknown {
            // Some servers name a charset there, or nothing that would be to undo.
            Some(name) if !is_text(&body.bytes) => Err(encodings::unknown(&name)),
            _ => Ok(body),
        }
    }

    /// What a body of `url` says that is a gzip file, up to `cap` bytes and no longer than until `deadline`; any other as it is.
    ///
    /// # Errors
    /// As those of [`read`](Self::read).
    pub(crate) async fn unpack(
        &self,
        body: Body,
        url: &Url,
        cap: usize,
        wanted: Wanted,
        deadline: Instant,
    ) -> Result<Body, FetchError> {
        if !body.bytes.starts_with(encodings::GZIP) {
            return Ok(body);
        }
        let Body { bytes, truncated: is_cut, broken, place } = body;
        let reader: Reader = Box::pin(Cursor::new(bytes));
        let mut came = Came { place, ..Came::default() };
        let room = self.room(url, cap, deadline);
        let unpacking = Box::pin(read_decoded(reader, &[Encoding::Gzip], is_cut, room, &mut came));
        let read = timeout_at(deadline, unpacking).await.unwrap_or_else(|_| Err(late()));
        let unpacked = came.body(read, wanted)?;
        Ok(Body { broken: broken.or(unpacked.broken), ..unpacked })
    }
}

/// Whether bytes can be text in any charset: they begin without the control characters that none has.
fn is_text(bytes: &[u8]) -> bool {
    let is_of_text = |byte: &u8| *byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    bytes.iter().take(1_024).all(is_of_text)
}

/// Why a body is no more waited for, which had time enough.
fn late() -> FetchError {
    transient("body-timeout", "the body did not end in time".to_owned())
}

/// Where a body comes from, how large it may grow, and how long it may take.
#[derive(Clone, Copy)]
struct Room<'a> {
    places: &'a Places,
    url: &'a Url,
    /// In bytes, decoded.
    cap: usize,
    deadline: Instant,
}

impl Room<'_> {
    /// Waits for the place of a large body, unless it has one.
    ///
    /// # Errors
    /// [`FetchErrorClass::Deferred`] when there is none in half of the time that is left. So whoever gets one has time to use it:
    /// otherwise the place would go from one that has next to none left to the next, and nobody would ever come to an end.
    async fn take(self, came: &mut Came) -> Result<(), FetchError> {
        if came.place.is_some() {
            return Ok(());
        }
        let now = Instant::now();
        let until = now + self.deadline.saturating_duration_since(now) / 2;
        let later = |after, code, message| FetchError::new(FetchErrorClass::Deferred, code, message).retry_after(after);
        let count = self.cap.div_ceil(PLACE).clamp(1, FILE_PLACES);
        // Where bodies of its own host have all that this may have, it is asked for no more until some of them have come.
        let claim = timeout_at(until, self.places.claim(host_of(self.url), count)).await.map_err(|_| {
            let message = "the host was sending as many large pages as one may, for too long";
            later(HOST_COMES_BACK, "host-bodies", message)
        })?;
        came.place = timeout_at(until, self.places.place(count)).await.map_err(|_| {
            let message = "large pages of others were being read for so long that there was no room for it";
            later(COMES_BACK, BODIES_FULL, message)
        })?;
        came.claim = Some(claim);
        Ok(())
    }
}

/// What has come of a body; it stays when the reading ends early.
#[derive(Debug, Default)]
struct Came {
    /// The first frame, and from the second on all of them.
    first: Option<Bytes>,
    rest: BytesMut,
    /// What was decoded, where there was something to decode.
    decoded: Vec<u8>,
    place: Option<OwnedSemaphorePermit>,
    /// The host's right to the place, for as long as it sends.
    claim: Option<Claim>,
}

impl Came {
    fn len(&self) -> usize {
        self.first.as_ref().map_or(0, Bytes::len).max(self.rest.len())
    }

    /// Adds a frame: one stays as it is, several are one buffer that begins with the first. `announced` is how large it may
    /// become at once.
    fn push(&mut self, data: Bytes, announced: usize) {
        let Some(begin) = &self.first else {
            self.first = Some(data);
            return;
        };
        if self.rest.is_empty() {
            self.rest.reserve(announced);
            self.rest.extend_from_slice(begin);
        }
        self.rest.extend_from_slice(&data);
    }

    /// The body, after a reading that says whether there was more than the cap, or failed.
    fn body(self, read: Result<bool, FetchError>, wanted: Wanted) -> Result<Body, FetchError> {
        let bytes: Bytes = if !self.decoded.is_empty() {
            self.decoded.into()
        } else if self.rest.is_empty() {
            self.first.unwrap_or_default()
        } else {
            self.rest.freeze()
        };
        let (truncated, broken) = match read {
            Ok(truncated) => (truncated, None),
            // What comes back untouched is not the last try.
            Err(error) if wanted == Wanted::Whole || bytes.is_empty() || error.class == FetchErrorClass::Deferred => {
                return Err(error);
            }
            Err(error) => (true, Some(Box::new(error))),
        };
        Ok(Body { bytes, truncated, broken, place: self.place })
    }
}

/// Reads frames; answers whether there was more than the cap.
async fn read_plain(mut body: Incoming, room: Room<'_>, came: &mut Came) -> Result<bool, FetchError> {
    let cap = room.cap;
    // What the server announces, as far as nobody has to have a place for it.
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(SMALL).min(cap).min(SMALL);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        let Ok(mut data) = frame.into_data() else { continue };
        let have = came.len();
        if have + data.len() > cap {
            data.truncate(cap - have);
            came.push(data, announced);
            return Ok(true);
        }
        if have + data.len() > SMALL {
            room.take(came).await?;
        }
        came.push(data, announced);
    }
    Ok(false)
}

/// A body that broke off is an error, as long as another try may bring what is missing.
fn broken(error: &hyper::Error) -> FetchError {
    transient("body-incomplete", explain(error, false).message)
}

/// Decodes what an answer brings; answers whether there was more than the cap.
async fn decode(
    response: Response<Incoming>,
    encodings: &[Encoding],
    room: Room<'_>,
    came: &mut Came,
) -> Result<bool, FetchError> {
    let frames = BodyStream::new(response.into_body());
    let data = TryStreamExt::map_err(frames, io::Error::other).filter_map(|frame| async {
        match frame {
            Ok(frame) => frame.into_data().ok().map(Ok),
            Err(error) => Some(Err(error)),
        }
    });
    let mut reader = encodings::bounded(StreamReader::new(Box::pin(data)), room.cap);
    // Some servers name an encoding where there is nothing to encode.
    if reader.fill_buf().await.map_err(|error| undecodable(&error))?.is_empty() {
        return Ok(false);
    }
    read_decoded(reader, encodings, false, room, came).await
}

/// Reads what encoded bytes say, which may themselves be cut; answers whether they are, or there was more than the cap.
async fn read_decoded(
    mut reader: Reader,
    encodings: &[Encoding],
    is_cut: bool,
    room: Room<'_>,
    came: &mut Came,
) -> Result<bool, FetchError> {
    let cap = room.cap;
    for encoding in encodings.iter().rev() {
        reader = encoding.undo(reader, cap).await.map_err(|error| undecodable(&error))?;
    }
    let limit = (cap as u64).saturating_add(1);
    let mut reader = reader.take(limit.min(SMALL as u64));
    read_on(&mut reader, &mut came.decoded, is_cut).await?;
    if came.decoded.len() == SMALL {
        room.take(came).await?;
        reader.set_limit(limit.saturating_sub(SMALL as u64));
        read_on(&mut reader, &mut came.decoded, is_cut).await?;
    }
    let truncated = is_cut || came.decoded.len() > cap;
    came.decoded.truncate(cap);
    Ok(truncated)
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

#[cfg(test)]
mod tests;
