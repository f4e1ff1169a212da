//! PDFs over HTTP: a body becomes the pages in it, each a document of its own.
//!
//! Takes a body that was read within the cap. Its text is taken out of it on one of tokio's blocking threads, in room that all
//! files of the process share and no longer than until the deadline, while other tasks go on. One that is cut at the cap gives
//! the pages that are there.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::body::Body;
use super::client::transient;
use crate::extract::Media;
use crate::fetch::{Document, Documents, FetchError, FetchErrorClass, Fetched};
use crate::source::content_type::ContentType;
use crate::source::kind;
use crate::source::pdf::{self, Pdf, Room};

/// How long before the deadline of the fetch reading ends, at most, so that what was read until then counts.
const EARLIER: Duration = Duration::from_secs(1);

/// Whether a body that begins so, of this type, is one.
pub(super) fn is_one(declared: &ContentType, start: &[u8]) -> bool {
    (declared.is_pdf() || declared.is_unknown()) && start.starts_with(pdf::MAGIC)
}

/// The pages of a body.
pub(super) async fn pages(url: &Url, mut body: Body, deadline: Instant) -> Result<Fetched, FetchError> {
    let place = body.take_place();
    let left = deadline.saturating_duration_since(Instant::now());
    let until = (deadline - EARLIER.min(left / 10)).into_std();
    let bytes = body.bytes;
    let reading = tokio::task::spawn_blocking(move || {
        let _room = Room::take(bytes.len(), Some(until))?;
        Some(pdf::read(&bytes, Some(until)))
    });
    let late = || transient("pdf-timeout", "there was no time to read it, with other PDFs".to_owned());
    let read = timeout_at(deadline, reading).await.map_err(|_| late())?;
    let read = read.map_err(|error| transient("pdf-reader", format!("the reader stopped: {error}")))?;
    let pdf = read.ok_or_else(late)?;
    let note = note(&pdf, body.truncated);
    Ok(Fetched { documents: documents(url, pdf, body.truncated), note, place, ..Fetched::default() })
}

/// What is to be told of it, where that is not only that it was cut.
fn note(pdf: &Pdf, truncated: bool) -> Option<FetchError> {
    if let Some(kind) = pdf.unread {
        return Some(kind::note_of_kind(kind));
    }
    let is_empty = pdf.pages.iter().all(String::is_empty);
    let problem = pdf.problem.filter(|_| !truncated || is_empty)?;
    let message = format!("the PDF is read only in part: {problem}");
    Some(FetchError::new(FetchErrorClass::Permanent, "pdf-damaged", message))
}

/// The documents: what the file says of itself under its own URL, then its pages.
fn documents(url: &Url, pdf: Pdf, truncated: bool) -> Documents {
    let Pdf { information, pages, .. } = pdf;
    let numbered = pages.into_iter().zip(1..).map(|(text, number)| (Some(pdf::name_of_page(number)), text));
    let all = std::iter::once((None, information)).chain(numbered).filter(|(_, text)| !text.is_empty());
    let documents: Vec<_> = all
        .map(|(page, text)| {
            let mut source = url.clone();
            source.set_fragment(page.as_deref());
            Document {
                source: source.as_str().into(),
                base: None,
                media: Media::Text,
                charset: None,
                body: text.into(),
                offset: 0,
                truncated,
            }
        })
        .collect();
    if documents.is_empty() {
        return Documents::None;
    }
    let (sender, receiver) = mpsc::channel(documents.len());
    for document in documents {
        // There is room for all of them.
        let _ = sender.try_send(Ok(document));
    }
    Documents::Stream(receiver)
}
