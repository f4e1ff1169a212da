//! What is attached to mail: files in base64, which are kept until their message ends, and then read as those of an archive.
//!
//! Takes the pieces of mail before they are searched (`extract/mail/attached.rs` finds the parts) and gives an archive of the files
//! of each message to `pieces.rs`. Only what is a file that is read, or is told of, by its first bytes is kept: pictures and
//! texts stay where they are. What is kept is bounded as zip files in other files are (`places.rs`), so a mailbox of any size is
//! read in constant memory.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;

use super::archive::{self, Archive, Body, Page, declared_by_name};
use super::compression::Compression;
use super::held::Format;
use super::places::{Keeping, Part, Places};
use super::tar::Tar;
use super::zip::Zip;
use crate::extract::{Finder, Given, Keeper, Media};
use crate::source::{attachment, kind, media, rtf};

/// The most files that are kept of one message.
const MOST_FILES: usize = 1_000;

/// What is found in the mail that is read.
#[derive(Default)]
pub(super) struct Attached {
    finder: Finder,
    hold: Hold,
    /// Whether a message has ended of which something is kept.
    is_due: bool,
}

impl Attached {
    /// Takes what is attached out of a piece of mail; answers how much of it is to be searched. `left` is how much may still
    /// be kept.
    pub(super) fn read(&mut self, piece: &mut [u8], is_last: bool, left: &mut u64) -> usize {
        let Given { length, ends_message } = self.finder.read(piece, is_last, &mut Keep { hold: &mut self.hold, left });
        self.is_due |= ends_message;
        length
    }

    /// Whether there are any in this mail.
    #[cfg(feature = "http")]
    pub(super) fn are_in(mail: &[u8]) -> bool {
        let mut seen = Seen(false);
        Finder::default().read(&mut mail.to_vec(), true, &mut seen);
        seen.0
    }

    /// Whether the files of a message are to be read before the mail goes on.
    pub(super) fn is_due(&self) -> bool {
        self.is_due
    }

    /// The files of the message that has ended.
    pub(super) fn take(&mut self) -> Files {
        self.is_due = false;
        let Hold { keeping, files, is_full, .. } = std::mem::take(&mut self.hold);
        Files { places: keeping.finish(), files: files.into(), is_full }
    }
}

/// A file that is kept.
struct File {
    name: Arc<str>,
    /// Where it stands among all that is kept, or why it does not.
    place: Result<std::ops::Range<u64>>,
}

/// The files of a message.
#[derive(Default)]
struct Hold {
    keeping: Keeping,
    files: Vec<File>,
    /// The number of the part in base64, from 1.
    number: usize,
    /// Whether there are more files than are kept.
    is_full: bool,
}

struct Keep<'a> {
    hold: &'a mut Hold,
    left: &'a mut u64,
}

impl Keeper for Keep<'_> {
    fn begin(&mut self, name: Option<String>, start: &[u8]) -> bool {
        let Hold { keeping, files, number, is_full } = &mut *self.hold;
        *number += 1;
        let name = attachment::name(name.as_deref().unwrap_or_default(), *number);
        if !is_file(&name, start) {
            return false;
        }
        if files.len() == MOST_FILES {
            *is_full = true;
            return false;
        }
        let at = keeping.length();
        files.push(File { name: name.into(), place: Ok(at..at) });
        true
    }

    fn add(&mut self, bytes: &[u8]) {
        let Some(File { place, .. }) = self.hold.files.last_mut() else { return };
        let Ok(range) = place else { return };
        let more = || {
            Error::new(
                ErrorKind::InvalidData,
                "there is more attached than is kept: 256 MiB of one message, and 1 GiB of one file, or 8 times that file",
            )
        };
        match self.hold.keeping.add(bytes, self.left) {
            Ok(true) => range.end = self.hold.keeping.length(),
            Ok(false) => *place = Err(more()),
            // What is kept of other files is as it was.
            Err(error) => *place = Err(error),
        }
    }

    fn end(&mut self) {}

    fn holds_any(&self) -> bool {
        !self.hold.files.is_empty()
    }
}

/// Sees whether there is any file, and keeps none.
#[cfg(feature = "http")]
struct Seen(bool);

#[cfg(feature = "http")]
impl Keeper for Seen {
    fn begin(&mut self, name: Option<String>, start: &[u8]) -> bool {
        self.0 |= is_file(&name.unwrap_or_default(), start);
        false
    }

    fn add(&mut self, _: &[u8]) {}

    fn end(&mut self) {}

    fn holds_any(&self) -> bool {
        false
    }
}

/// Whether a part that is called so and begins with these bytes is a file that is read, or of a kind that is told of.
fn is_file(name: &str, start: &[u8]) -> bool {
    Format::of(start).is_some()
        || Zip::begins(start)
        || Compression::of(start).is_some()
        || start.starts_with(archive::MAGIC)
        || Tar::begins(start)
        || kind::of_content(start).is_some()
        || rtf::begins(start)
        // A message that is attached as a file would be searched without its own parts being decoded.
        || (media::of_name(name) == Some(Media::Mail) && media::of_content(start) == Media::Mail)
}

/// The files of a message, one after the other.
pub(super) struct Files {
    places: Arc<dyn Places>,
    files: VecDeque<File>,
    is_full: bool,
}

impl Archive for Files {
    fn next_page(&mut self) -> Result<Option<Page>> {
        let Some(File { name, place }) = self.files.pop_front() else {
            let message = format!("more than {MOST_FILES} files are attached to a message");
            return if self.is_full { Err(Error::new(ErrorKind::InvalidData, message)) } else { Ok(None) };
        };
        let part = |place: std::ops::Range<u64>| {
            Box::new(Part { places: Arc::clone(&self.places), at: place.start, end: place.end }) as Body
        };
        Ok(Some(Page { declared: declared_by_name(&name), url: name, media: None, body: place.map(part) }))
    }
}

#[cfg(test)]
mod tests;
