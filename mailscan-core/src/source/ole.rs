//! The text of OLE compound files (MS-CFB): the documents of old offices (.doc, .xls, .ppt) and Outlook's messages (.msg).
//!
//! Takes the bytes of a file, from a disk, an archive or a server, and gives its texts, to be searched as any other, and the
//! files that are attached to a message. Everything in it is hostile: how much is read of a file is bounded by its own length
//! (`ole/container.rs`). What is damaged gives what can be read of it, and one line that says what is wrong.
//!
//! `word.rs`, `workbook.rs`, `slides.rs` and `message.rs` know what the programs write, `lzfu.rs` unpacks the bodies of messages and
//! `macros.rs` the text of macros, and `strings.rs` finds what looks like text in anything else. Pictures are not looked at.

mod container;
mod lzfu;
mod macros;
mod message;
mod slides;
mod strings;
mod text;
mod word;
mod workbook;

use std::io::Read;

use container::{Container, Entry};
use flate2::read::ZlibDecoder;

use crate::extract::Media;

/// What an OLE compound file begins with.
pub(crate) const MAGIC: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// The most bytes of a file that is read.
pub(crate) const LARGEST: usize = 64 << 20;
/// How deep storages may stand in each other, messages attached to messages included.
const DEEPEST: usize = 12;
/// The most that is unpacked of what is packed in a file.
const MOST_UNPACKED: usize = 32 << 20;

/// What is read of a file.
#[derive(Debug, Default)]
pub(crate) struct Ole {
    pub(crate) texts: Vec<Text>,
    /// What kind of file it is, if that is one that is not read.
    pub(crate) unread: Option<&'static str>,
    /// What is wrong with it, beside that.
    pub(crate) problem: Option<&'static str>,
}

/// A text of a file, or a file in it.
#[derive(Debug, PartialEq)]
pub(crate) struct Text {
    /// What it is called within the file; empty for what belongs to the file itself.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// How to read it; `None` for a file that is attached, as it was.
    pub(crate) media: Option<Media>,
}

/// The kinds that are not read.
pub(crate) const TOO_LARGE: &str = "ole of more than 64 MiB";
const ENCRYPTED: &str = "encrypted document";
const NO_TEXT: &str = "ole without text";

/// The storage of macros, and the stream of a presentation's pictures.
const MACROS: &str = "VBA";
const PICTURES: &str = "Pictures";

/// What is wrong with a file.
const NO_DIRECTORY: &str = "the directory of the OLE file is damaged, so only what looks like text was read";

/// Reads a file.
pub(crate) fn read(bytes: &[u8]) -> Ole {
    let Some(mut container) = Container::open(bytes) else {
        let mut text = String::new();
        strings::add(bytes, &mut text);
        return Ole { problem: Some(NO_DIRECTORY), ..of_text(text) };
    };
    let root = container.list(&container::root());
    let mut ole = if message::is_one(&root) {
        message::read(&mut container, root)
    } else {
        let mut document = Document::new(MOST_UNPACKED);
        document.add(&mut container, root, 0);
        Ole { unread: document.unread, problem: document.problem, ..of_text(document.text) }
    };
    ole.problem = ole.problem.or(container.problem());
    if ole.texts.is_empty() && ole.problem.is_none() {
        ole.unread = ole.unread.or(Some(NO_TEXT));
    }
    ole
}

/// A file that is this text.
fn of_text(text: String) -> Ole {
    let text = Text { name: String::new(), bytes: text.into_bytes(), media: Some(Media::Text) };
    let texts = Some(text).filter(|text| !text.bytes.is_empty()).into_iter().collect();
    Ole { texts, ..Ole::default() }
}

/// The text of a document of an office, with what is embedded in it.
struct Document {
    text: String,
    /// How much may still be unpacked.
    unpack_left: usize,
    unread: Option<&'static str>,
    problem: Option<&'static str>,
}

impl Document {
    /// Nothing yet, of a file of which so much may be unpacked.
    fn new(unpack_left: usize) -> Self {
        Self { text: String::new(), unpack_left, unread: None, problem: None }
    }

    /// Adds what stands in a storage with these entries, and in those within.
    fn add(&mut self, container: &mut Container<'_>, entries: Vec<Entry>, depth: usize) {
        let is_there = |name: &str| entries.iter().any(|entry| entry.name == name);
        if is_there("EncryptedPackage") && is_there("EncryptionInfo") {
            self.unread = Some(ENCRYPTED);
            return;
        }
        let (mut word, mut tables) = (None, [None, None]);
        for entry in entries {
            if entry.is_storage {
                self.add_storage(container, &entry, depth);
                continue;
            }
            match &*entry.name {
                PICTURES => {}
                "WordDocument" => word = Some(container.read(&entry)),
                "0Table" => tables[0] = Some(container.read(&entry)),
                "1Table" => tables[1] = Some(container.read(&entry)),
                name => {
                    let read = self.add_stream(name, &container.read(&entry), depth);
                    self.take(read);
                }
            }
        }
        if let Some(stream) = word {
            let read = word::read(&stream, tables.each_ref().map(Option::as_deref), &mut self.text);
            self.take(read);
        }
        let is_locked = self.unread.is_some();
        for table in tables.into_iter().flatten().filter(|_| !is_locked) {
            strings::add(&table, &mut self.text);
        }
    }

    /// Adds what stands in a storage.
    fn add_storage(&mut self, container: &mut Container<'_>, storage: &Entry, depth: usize) {
        let within = container.list(&storage.path);
        if storage.name == MACROS {
            self.add_macros(container, &within);
        } else if depth < DEEPEST {
            self.add(container, within, depth + 1);
        }
    }

    /// Adds a stream that is called so. That of the user comes before that of the presentation.
    fn add_stream(&mut self, name: &str, stream: &[u8], depth: usize) -> Outcome {
        match name {
            "Workbook" | "Book" => return workbook::read(stream, &mut self.text),
            "PowerPoint Document" if self.unread.is_some() => {}
            "PowerPoint Document" => return self.add_slides(stream, depth),
            "Current User" if slides::is_encrypted(stream) => return Outcome::Unread(slides::ENCRYPTED),
            _ => strings::add(stream, &mut self.text),
        }
        Outcome::Read
    }

    /// Adds a presentation, with the documents that are packed in it.
    fn add_slides(&mut self, stream: &[u8], depth: usize) -> Outcome {
        let mut packed = Vec::new();
        let read = slides::read(stream, &mut self.text, &mut packed);
        for packed in packed.into_iter().filter(|_| depth < DEEPEST) {
            let mut bytes = Vec::new();
            // What was unpacked before an error counts.
            let _ = ZlibDecoder::new(packed).take(self.unpack_left as u64).read_to_end(&mut bytes);
            self.unpack_left -= bytes.len();
            if let Some(mut container) = Container::open(&bytes) {
                let root = container.list(&container::root());
                self.add(&mut container, root, depth + 1);
            }
        }
        read
    }

    /// Adds the macros whose modules these are.
    fn add_macros(&mut self, container: &mut Container<'_>, modules: &[Entry]) {
        for module in modules.iter().filter(|entry| !entry.is_storage) {
            let stream = container.read(module);
            self.unpack_left -= macros::add(&stream, self.unpack_left, &mut self.text);
        }
    }

    /// Takes over what became of a stream.
    fn take(&mut self, read: Outcome) {
        match read {
            Outcome::Read => {}
            Outcome::Unread(kind) => self.unread = self.unread.or(Some(kind)),
            Outcome::Problem(problem) => self.problem = self.problem.or(Some(problem)),
        }
    }
}

/// What became of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Read,
    /// It is of a kind that is not read.
    Unread(&'static str),
    /// What could be read of it was, but this is wrong with it.
    Problem(&'static str),
}

/// The bytes at a place, in the order of these files; `None` beyond the end.
fn bytes_at<const COUNT: usize>(of: &[u8], at: usize) -> Option<[u8; COUNT]> {
    of.get(at..at.checked_add(COUNT)?)?.try_into().ok()
}

fn short(of: &[u8], at: usize) -> Option<u16> {
    bytes_at(of, at).map(u16::from_le_bytes)
}

fn long(of: &[u8], at: usize) -> Option<u32> {
    bytes_at(of, at).map(u32::from_le_bytes)
}

/// A number of four bytes that counts bytes.
fn length_at(of: &[u8], at: usize) -> Option<usize> {
    long(of, at).and_then(|length| usize::try_from(length).ok())
}

#[cfg(test)]
pub(crate) mod tests;
