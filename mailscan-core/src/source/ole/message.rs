//! Outlook's messages (MS-OXMSG): what is written, to whom and from whom, and what is attached.
//!
//! Takes the container, of which each stream is a property whose name says which and of what type, and gives the texts of the
//! message and the files that are attached, under their names; a message that is attached gives the same under its own. The
//! ids of messages are given as the headers that they come from, so that they are not taken for addresses.

use std::path::Path;

use super::container::{Container, Entry};
use super::text::{add_narrow, add_wide};
use super::{DEEPEST, Document, MOST_UNPACKED, Ole, Text, lzfu, strings};
use crate::extract::Media;
use crate::source::{attachment, declared, rtf};

/// What names of entries begin with.
const PROPERTY: &str = "__substg1.0_";
const RECIPIENT: &str = "__recip_version1.0_";
const ATTACHMENT: &str = "__attach_version1.0_";
/// The stream of the properties that are numbers.
const NUMBERS: &str = "__properties_version1.0";

/// Properties (MS-OXPROPS).
mod property {
    pub(super) const HEADERS: u16 = 0x007d;
    /// Those to whom answers go, in bytes that hold text.
    pub(super) const REPLY_TO: u16 = 0x004f;
    pub(super) const RTF: u16 = 0x1009;
    pub(super) const HTML: u16 = 0x1013;
    pub(super) const DATA: u16 = 0x3701;
    /// The name of what is attached, the long one first.
    pub(super) const NAMES: [u16; 3] = [0x3707, 0x3704, 0x3001];
    /// Those that are ids of messages and parts, and the headers that they come from.
    pub(super) const IDS: [(u16, &str); 5] = [
        (0x1035, "Message-ID"),
        (0x1039, "References"),
        (0x1042, "In-Reply-To"),
        (0x1046, "Message-ID"),
        (0x3712, "Content-ID"),
    ];
}

/// Types of properties.
mod kind {
    pub(super) const STORAGE: u16 = 0x000d;
    pub(super) const NARROW: u16 = 0x001e;
    pub(super) const WIDE: u16 = 0x001f;
    pub(super) const BYTES: u16 = 0x0102;
    /// Added to the type of each value of many.
    pub(super) const MANY: u16 = 0x1000;
}

/// What some servers put before the headers of a message.
const BEFORE_HEADERS: &str = "Microsoft Mail Internet Headers";

/// Whether a storage with these entries is a message.
pub(super) fn is_one(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| entry.name == NUMBERS)
}

/// What is wrong with a message that holds such a document.
const NOT_ALL: &str = "a document in the message is of a kind that is not read, such as an encrypted one";

/// The texts of a message, and what is attached.
pub(super) fn read(container: &mut Container<'_>, entries: Vec<Entry>) -> Ole {
    let mut reader = Reader { container, texts: Vec::new(), unpack_left: MOST_UNPACKED, problem: None };
    reader.message(entries, "", 0);
    Ole { texts: reader.texts, unread: None, problem: reader.problem }
}

/// Which property a stream or a storage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tag {
    property: u16,
    kind: u16,
}

impl Tag {
    fn of(entry: &Entry) -> Option<Self> {
        let tag = entry.name.strip_prefix(PROPERTY)?;
        let (numbers, behind) = tag.split_at_checked(8)?;
        let numbers = u32::from_str_radix(numbers, 16).ok()?;
        let (property, kind) = ((numbers >> 16) as u16, numbers as u16);
        // Of many values, each has a stream of its own beside that of their lengths.
        match kind & kind::MANY {
            0 => Some(Self { property, kind }),
            _ if behind.starts_with('-') => Some(Self { property, kind: kind & !kind::MANY }),
            _ => None,
        }
    }

    fn is_text(self) -> bool {
        matches!(self.kind, kind::NARROW | kind::WIDE)
    }
}

/// What is collected of one message.
#[derive(Default)]
struct Parts {
    /// Its text and all properties that are text.
    text: String,
    /// Its headers, with ids before them.
    headers: String,
    ids: String,
    html: Vec<u8>,
    rtf: Vec<u8>,
}

struct Reader<'a, 'b> {
    container: &'a mut Container<'b>,
    texts: Vec<Text>,
    /// How much may still be unpacked.
    unpack_left: usize,
    /// What is wrong with a document that is attached.
    problem: Option<&'static str>,
}

impl Reader<'_, '_> {
    /// Reads a message that is called so, and what is attached.
    fn message(&mut self, entries: Vec<Entry>, name: &str, depth: usize) {
        let (mut parts, mut attached) = (Parts::default(), Vec::new());
        for entry in entries {
            if !entry.is_storage {
                self.property(&entry, &mut parts);
            } else if entry.name.starts_with(RECIPIENT) {
                for entry in self.container.list(&entry.path).iter().filter(|entry| !entry.is_storage) {
                    self.property(entry, &mut parts);
                }
            } else if entry.name.starts_with(ATTACHMENT) {
                attached.push(self.container.list(&entry.path));
            }
        }
        for entry in attached.iter().flatten().filter(|entry| !entry.is_storage) {
            if Tag::of(entry).is_some_and(|tag| id_of(tag.property).is_some()) {
                self.property(entry, &mut parts);
            }
        }
        self.push_parts(parts, name);
        for (entries, number) in attached.iter().zip(1..) {
            self.attachment(entries, number, name, depth);
        }
    }

    /// Adds a property, if it is text.
    fn property(&mut self, entry: &Entry, parts: &mut Parts) {
        let Some(tag) = Tag::of(entry) else { return };
        match tag {
            Tag { property: property::HTML, kind: kind::BYTES | kind::NARROW } => {
                parts.html = self.container.read(entry);
            }
            Tag { property: property::HTML, .. } if tag.is_text() => parts.html = self.text(entry, tag).into_bytes(),
            Tag { property: property::RTF, kind: kind::BYTES } => {
                let packed = self.container.read(entry);
                parts.rtf = lzfu::unpack(&packed, self.unpack_left);
                self.unpack_left -= parts.rtf.len();
            }
            Tag { property: property::HEADERS, .. } if tag.is_text() => parts.headers = self.text(entry, tag),
            Tag { property, .. } if tag.is_text() => match id_of(property) {
                Some(header) => add_ids(header, &self.text(entry, tag), &mut parts.ids),
                None => self.line(entry, tag, &mut parts.text),
            },
            Tag { property: property::REPLY_TO, kind: kind::BYTES } => {
                strings::add(&self.container.read(entry), &mut parts.text);
            }
            _ => {}
        }
    }

    /// A property that is text, as it is.
    fn text(&mut self, entry: &Entry, tag: Tag) -> String {
        let bytes = self.container.read(entry);
        if tag.kind == kind::NARROW {
            return String::from_utf8(bytes).unwrap_or_else(|error| {
                let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(error.as_bytes());
                text.into_owned()
            });
        }
        let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    }

    /// Adds a property that is text as lines.
    fn line(&mut self, entry: &Entry, tag: Tag, text: &mut String) {
        let bytes = self.container.read(entry);
        match (tag.kind, std::str::from_utf8(&bytes)) {
            (kind::WIDE, _) => add_wide(&bytes, text),
            (_, Ok(decoded)) => text.push_str(decoded),
            (_, Err(_)) => add_narrow(&bytes, text),
        }
        text.push('\n');
    }

    /// Adds what was collected of a message as texts.
    fn push_parts(&mut self, parts: Parts, name: &str) {
        let Parts { text, headers, ids, html, rtf } = parts;
        let headers = match headers.split_once('\n') {
            Some((first, rest)) if first.starts_with(BEFORE_HEADERS) => rest,
            _ => &headers,
        };
        let mut push = |bytes: Vec<u8>, media| {
            if !bytes.trim_ascii().is_empty() {
                self.texts.push(Text { name: name.to_owned(), bytes, media: Some(media) });
            }
        };
        push(text.into_bytes(), Media::Text);
        push([ids.as_bytes(), headers.as_bytes()].concat(), Media::Mail);
        push(as_utf8(html), Media::Html);
        match rtf::begins(&rtf) {
            true => push(rtf::text(&rtf), rtf::media(&rtf)),
            false => push(rtf, Media::Text),
        }
    }

    /// Adds what is attached by these entries.
    fn attachment(&mut self, entries: &[Entry], number: usize, outer: &str, depth: usize) {
        let name = self.name_of(entries, number);
        let name = if outer.is_empty() { name } else { attachment::cut(&format!("{outer}#{name}")).to_owned() };
        let of_data = |entry: &&Entry| Tag::of(entry).is_some_and(|tag| tag.property == property::DATA);
        for entry in entries.iter().filter(of_data) {
            match Tag::of(entry).map(|tag| tag.kind) {
                Some(kind::BYTES) if !entry.is_storage => {
                    let bytes = self.container.read(entry);
                    self.texts.push(Text { name: name.clone(), bytes, media: None });
                }
                Some(kind::STORAGE) if entry.is_storage && depth < DEEPEST => {
                    self.object(&entry.path, &name, depth + 1);
                }
                _ => {}
            }
        }
    }

    /// Adds what is attached and stands in a storage of its own: a message, or a document.
    fn object(&mut self, storage: &Path, name: &str, depth: usize) {
        let entries = self.container.list(storage);
        if is_one(&entries) {
            return self.message(entries, name, depth);
        }
        let mut document = Document::new(self.unpack_left);
        document.add(self.container, entries, depth);
        self.unpack_left = document.unpack_left;
        let problem = document.problem.or(document.unread.map(|_| NOT_ALL));
        self.problem = self.problem.or(problem);
        let bytes = document.text.into_bytes();
        self.texts.push(Text { name: name.to_owned(), bytes, media: Some(Media::Text) });
    }

    /// What the attachment with this number is called.
    fn name_of(&mut self, entries: &[Entry], number: usize) -> String {
        for property in property::NAMES {
            let named = |entry: &&Entry| Tag::of(entry).is_some_and(|tag| tag.property == property && tag.is_text());
            let Some(entry) = entries.iter().find(named) else { continue };
            let Some(tag) = Tag::of(entry) else { continue };
            let name = self.text(entry, tag);
            if !name.trim().is_empty() {
                return attachment::name(&name, number);
            }
        }
        attachment::name("", number)
    }
}

/// The header of a property that is an id.
fn id_of(property: u16) -> Option<&'static str> {
    property::IDS.iter().find(|(id, _)| *id == property).map(|(_, header)| *header)
}

/// Adds ids as the header that they come from.
fn add_ids(header: &str, value: &str, ids: &mut String) {
    let words: Vec<_> = value.split(|sign: char| sign.is_whitespace() || sign.is_control()).collect();
    let value = words.join(" ");
    let value = match value.trim() {
        "" => return,
        bare if !bare.contains('<') => format!("<{bare}>"),
        value => value.to_owned(),
    };
    ids.push_str(&format!("{header}: {value}\r\n"));
}

/// HTML in UTF-8, as far as it says what it is written in.
fn as_utf8(html: Vec<u8>) -> Vec<u8> {
    match declared::in_document(&html).filter(|encoding| *encoding != encoding_rs::UTF_8) {
        Some(encoding) => encoding.decode_without_bom_handling(&html).0.into_owned().into_bytes(),
        None => html,
    }
}
