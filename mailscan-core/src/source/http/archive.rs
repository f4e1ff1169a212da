//! Files over HTTP that hold others, or are compressed: a body becomes the files in it, each a document of its own.
//!
//! Takes a body that was read within the cap: a zip file, as documents of offices are, a tar file, a web archive, mail to
//! which files are attached, or any text in a compression that is no content encoding. It is read as such files on the disk
//! are (`source/file/pieces.rs`), on one of tokio's blocking threads, a few at a time in the whole process, and piece by
//! piece as the pieces are searched. What cannot be read costs nothing else, and is noted.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::body::Body;
use super::client::transient;
use crate::extract::Media;
use crate::fetch::{Document, Documents, FetchError, FetchErrorClass, Fetched, IN_PART, NOT_READ};
use crate::source::content_type::ContentType;
use crate::source::file::{Piece, Pieces};
use crate::source::open_files::{is_out_of_files, out_of_files};
use crate::source::{kind, media, stream};

/// How many are read at a time: undoing xz takes up to 160 MiB.
pub(super) const AT_ONCE: usize = 2;
/// The most text that is read of one, in bytes: more is a bomb.
const MOST_TEXT: u64 = 1 << 30;

/// Whether a body of this type is one.
pub(super) fn is_one(declared: &ContentType, body: &[u8]) -> bool {
    ((declared.may_be_packed() || declared.is_unknown()) && Pieces::are_packed(body))
        || (declared.media(body) == Some(Media::Mail) && is_mail(body) && Pieces::are_attached(body))
}

/// Whether a body is mail, whatever its address ends in.
fn is_mail(body: &[u8]) -> bool {
    media::of_content(body) == Media::Mail
}

/// The files in a body.
///
/// # Errors
/// [`FetchErrorClass::Transient`] when no other was read to its end in time.
pub(super) async fn files(
    url: &Url,
    mut body: Body,
    readers: &Arc<Semaphore>,
    deadline: Instant,
) -> Result<Fetched, FetchError> {
    let late = || transient("archive-timeout", "there was no time to read it, with other archives".to_owned());
    let reader = timeout_at(deadline, Arc::clone(readers).acquire_owned()).await.ok().and_then(Result::ok);
    let reader = reader.ok_or_else(late)?;
    let place = body.take_place();
    let in_part = InPart { is_cut: body.truncated };
    let name = if is_mail(&body.bytes) { "" } else { url.path() };
    let pieces = match Pieces::of_bytes(body.bytes, name) {
        Ok(pieces) => pieces,
        Err(error) => return Ok(Fetched { note: Some(in_part.note(&error.to_string())), ..Fetched::default() }),
    };
    if let Some(kind) = pieces.unread() {
        return Ok(Fetched { note: Some(kind::note_of_kind(kind)), ..Fetched::default() });
    }
    let reading = Reading { url: url.clone(), in_part, pieces, left: MOST_TEXT, ended: false, _reader: reader };
    let stopped = |error: &JoinError| transient("archive-reader", format!("the reader stopped: {error}"));
    let documents = Documents::Stream(stream::of(reading, stopped));
    Ok(Fetched { documents, place, ..Fetched::default() })
}

/// What to note where not all of a body can be read.
struct InPart {
    /// Whether there was more of it.
    is_cut: bool,
}

impl InPart {
    /// What to note of an error, or what to try again for.
    fn error(&self, error: &std::io::Error) -> FetchError {
        if is_out_of_files(error) {
            out_of_files()
        } else if Pieces::is_of_system(error) {
            transient("archive-io", error.to_string())
        } else {
            self.note(&error.to_string())
        }
    }

    fn note(&self, why: &str) -> FetchError {
        let cut = "it is larger than what is fetched of one page, so only its beginning was read: ";
        let cut = if self.is_cut { cut } else { "" };
        FetchError::new(FetchErrorClass::Permanent, IN_PART, format!("{cut}{why}"))
    }
}

/// What is left to read of a body.
struct Reading {
    url: Url,
    in_part: InPart,
    pieces: Pieces,
    /// How much text may still come.
    left: u64,
    ended: bool,
    _reader: OwnedSemaphorePermit,
}

impl Iterator for Reading {
    type Item = Result<Document, FetchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl Reading {
    /// The next document; none at the end.
    ///
    /// # Errors
    /// What is to be noted, at the end as well.
    fn read(&mut self) -> Result<Option<Document>, FetchError> {
        let Some(piece) = self.pieces.next() else {
            // The code of a note in a stream.
            let note = |kind| FetchError { code: NOT_READ.into(), ..kind::note_of_kind(kind) };
            return self.pieces.unread().map_or(Ok(None), |kind| Err(note(kind)));
        };
        let piece = piece.map_err(|error| self.in_part.error(&error))?;
        let left = self.left.checked_sub(piece.bytes.len() as u64);
        self.left = left.ok_or_else(|| self.in_part.note("it holds more than 1 GiB of text"))?;
        Ok(Some(self.document(piece)))
    }

    fn document(&self, piece: Piece) -> Document {
        let mut source = self.url.clone();
        source.set_fragment(piece.page.as_deref());
        Document {
            source: source.as_str().into(),
            base: None,
            media: piece.media,
            charset: None,
            body: piece.bytes.into(),
            offset: piece.offset,
            truncated: self.in_part.is_cut,
        }
    }
}
