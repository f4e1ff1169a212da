//! What is read of a file that holds others: which text comes next, and which files stand in which.
//!
//! Takes the pages of an archive as [`Pieces`] asks for them, and begins each: as a text, or as another archive, for which the one
//! around it waits. Mail waits in the same way for what is attached to it, in the middle of its text.

use std::io::{Error, ErrorKind, Read, Result};
use std::sync::Arc;

use super::{DEEPEST, Pieces, open_zip};
use crate::extract::Media;
use crate::source::file::archive::{Archive, Page};
use crate::source::file::attached::Attached;
use crate::source::file::buffer::Buffer;
use crate::source::file::compression::Compression;
use crate::source::file::held::{Format, Held};
use crate::source::file::places;
use crate::source::file::zip::Zip;
use crate::source::kind;

/// A file that holds the archive that is read.
pub(super) struct Outer {
    /// The archive that it is, or stands in.
    pub(super) archive: Option<Box<dyn Archive>>,
    /// What that which is read of it is called.
    name: Arc<str>,
    /// The rest of it, if it is mail.
    mail: Option<Mail>,
}

/// Mail that goes on behind what is attached to it.
pub(super) struct Mail {
    reader: Box<dyn Read + Send>,
    buffer: Buffer,
    filled: usize,
    offset: u64,
    page: Option<Arc<str>>,
    attached: Attached,
    failed: Option<Error>,
    ended: bool,
}

impl Pieces {
    /// Begins the next page of the archive, which ends with the last.
    pub(super) fn turn_page(&mut self) -> Result<()> {
        let page = match self.archive.as_mut().map_or(Ok(None), |archive| archive.next_page()) {
            Ok(Some(page)) => page,
            end => {
                let end = end.map(drop);
                if let Some(Outer { archive, name, mail }) = self.outer.pop() {
                    self.archive = archive;
                    if let Err(error) = end {
                        self.damage.note(Some(&name), &error);
                    }
                    mail.into_iter().for_each(|mail| self.resume(mail));
                    return Ok(());
                }
                self.archive = None;
                return self.end_of_archive(end);
            }
        };
        // The texts of a file that is read whole are that file.
        self.damage.pages += u64::from(page.media.is_none());
        if let Err(error) = self.begin(page) {
            self.damage.note(self.page.as_ref(), &error);
            (self.filled, self.ended) = (0, true);
        }
        Ok(())
    }

    /// What a page is called.
    fn name_of(&self, page: Arc<str>) -> Option<Arc<str>> {
        match self.outer.last().map(|outer| &outer.name).filter(|name| !name.is_empty()) {
            None => Some(page).filter(|page| !page.is_empty()),
            Some(name) if page.is_empty() => Some(Arc::clone(name)),
            Some(name) => Some(format!("{name}#{page}").into()),
        }
    }

    /// Begins a page; one that is no text is empty.
    fn begin(&mut self, page: Page) -> Result<()> {
        self.page = self.name_of(page.url);
        self.attached = Attached::default();
        if page.media.is_some() {
            (self.media, self.offset, self.ended, self.reader) = (page.media, 0, false, page.body?);
            self.fill();
            return Ok(());
        }
        // What applications made may hold text, or other files.
        let is_other = page.declared.media(&[]).is_none() && !page.declared.is_of_application();
        (self.media, self.offset, self.ended) = (None, 0, is_other);
        if self.ended {
            return Ok(());
        }
        self.reader = page.body?;
        self.fill();
        if self.enter_file()? {
            return Ok(());
        }
        let start = &self.buffer.bytes()[..self.filled];
        let is_compressed = Compression::of(start).is_some();
        if !is_compressed {
            self.note_kind()?;
        }
        let start = &self.buffer.bytes()[..self.filled];
        self.media = page.declared.media(start);
        // What is in it tells. A file in an archive of files is searched as one on the disk is, whatever it holds.
        let is_wanted = self.archive.as_ref().is_some_and(|archive| archive.wants_all());
        if self.media.is_none() && !is_compressed && !is_wanted {
            (self.filled, self.ended, self.failed) = (0, true, None);
            return Ok(());
        }
        if let Some(coding) = self.coding(page.declared.charset()) {
            self.undo(coding);
            self.fill();
            // What was compressed may be any file.
            if self.enter_file()? {
                return Ok(());
            }
            if is_compressed {
                self.note_kind()?;
            }
        }
        self.join_runs();
        Ok(())
    }

    /// Tells of a file of a kind that is not read.
    fn note_kind(&mut self) -> Result<()> {
        let Some(kind) = kind::of_content(&self.buffer.bytes()[..self.filled]) else { return Ok(()) };
        let error = Error::new(ErrorKind::InvalidData, format!("it is of a kind that is not read ({kind})"));
        if kind != kind::SQLITE || !self.damage.of_files {
            return Err(error);
        }
        // Most of its text stands in it as it is.
        self.damage.note(self.page.as_ref(), &error);
        Ok(())
    }

    /// Begins what is read of an archive, if it holds others itself; answers whether it does.
    fn enter_file(&mut self) -> Result<bool> {
        let start = &self.buffer.bytes()[..self.filled];
        let archive = if let Some(format) = Format::of(start) {
            Some(Box::new(Held::in_archive(format, self.take_reader())) as Box<dyn Archive>)
        } else if Zip::begins(start) {
            Some(self.zip_within()?)
        } else {
            self.sequence()
        };
        archive.map_or(Ok(false), |archive| self.enter(archive).map(|()| true))
    }

    /// Begins a file in an archive that holds others itself.
    fn enter(&mut self, archive: Box<dyn Archive>) -> Result<()> {
        if self.is_deepest() {
            return Err(too_deep());
        }
        let name = self.page.clone().unwrap_or_default();
        self.outer.push(Outer { archive: self.archive.replace(archive), name, mail: None });
        (self.filled, self.ended) = (0, true);
        Ok(())
    }

    /// Whether the archive that is read may hold no other.
    fn is_deepest(&self) -> bool {
        let archives =
            self.outer.iter().filter(|outer| outer.archive.is_some()).count() + usize::from(self.archive.is_some());
        archives >= DEEPEST
    }

    /// Begins what is attached to a message, behind which the mail goes on.
    pub(super) fn enter_attached(&mut self) {
        let files = self.attached.take();
        if self.is_deepest() {
            return self.damage.note(self.page.as_ref(), &too_deep());
        }
        self.damage.of_files |= self.archive.is_none();
        let mail = Mail {
            reader: std::mem::replace(&mut self.reader, Box::new(std::io::empty())),
            buffer: std::mem::take(&mut self.buffer),
            filled: self.filled,
            offset: self.offset,
            page: self.page.clone(),
            attached: std::mem::take(&mut self.attached),
            failed: self.failed.take(),
            ended: self.ended,
        };
        let name = self.page.clone().unwrap_or_default();
        self.outer.push(Outer { archive: self.archive.replace(Box::new(files)), name, mail: Some(mail) });
        (self.filled, self.ended) = (0, true);
    }

    /// Goes on with mail.
    fn resume(&mut self, mail: Mail) {
        let Mail { reader, buffer, filled, offset, page, attached, failed, ended } = mail;
        (self.reader, self.buffer, self.filled, self.offset) = (reader, buffer, filled, offset);
        (self.page, self.attached, self.failed, self.ended) = (page, attached, failed, ended);
        self.media = Some(Media::Mail);
        self.fill();
    }

    /// A zip file in an archive, such as a document of an office.
    fn zip_within(&mut self) -> Result<Box<dyn Archive>> {
        let places = places::kept(self.take_reader(), &mut self.keep_left)?;
        let not_read = || Error::new(ErrorKind::InvalidData, "it is of a kind that is not read (zip)");
        open_zip(&places)?.ok_or_else(not_read)
    }
}

fn too_deep() -> Error {
    Error::new(ErrorKind::InvalidData, "it stands too deep in files that hold others")
}
