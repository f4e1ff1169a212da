//! The visible text: what a reader sees of a document, with a map back to where it stands.
//!
//! In HTML, character references are decoded; comments, elements that are not shown and soft breaks vanish, so that
//! what they part is one again; inline tags become [`SEAM`] and every other tag a line feed. Not a rendering: scripts
//! stay, and styles count only where they stand in the element.

use super::super::unit;
use super::super::{Finding, Form, Media};

/// Stands for an inline tag: no part of a word, and to be passed over beside a sign.
pub(super) const SEAM: u8 = 0x01;

/// The longest tag and the longest hidden element that are looked through, in bytes.
const LONGEST: usize = 4 << 10;

/// Text with the places that it comes from.
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    runs: Vec<Run>,
}

/// A stretch of text that was copied byte by byte, or one byte that stands for something else.
#[derive(Clone, Copy)]
struct Run {
    /// Where it begins in the text.
    text: usize,
    /// Where that is in the document.
    document: usize,
    /// The byte in the document after what the run's first character was written as.
    end: usize,
}

impl Text {
    /// What is visible of `document`.
    pub(super) fn of(document: &[u8], media: Media) -> Self {
        let mut text = Self { bytes: Vec::with_capacity(document.len()), runs: Vec::new() };
        if media != Media::Html {
            text.copy(document, 0..document.len());
            return text;
        }
        let mut at = 0;
        while let Some(next) = memchr::memchr2(b'<', b'&', &document[at..]).map(|next| at + next) {
            text.copy(document, at..next);
            at = if document[next] == b'<' { text.tag(document, next) } else { text.reference(document, next) };
        }
        text.copy(document, at..document.len());
        text
    }

    /// The same finding by the document's bytes.
    pub(super) fn locate(&self, finding: Finding) -> Option<Finding> {
        let last = self.runs[..self.runs.partition_point(|run| run.text < finding.span.end)].last()?;
        let within = finding.span.end - last.text;
        let end = if within <= 1 { last.end } else { last.document + within };
        let first = self.runs[..self.runs.partition_point(|run| run.text <= finding.span.start)].last()?;
        let start = first.document + (finding.span.start - first.text);
        let whole = end - start == finding.span.len();
        let form = if whole { finding.form } else { Form::Deobfuscated };
        (start < end).then_some(Finding { span: start..end, form, ..finding })
    }

    fn copy(&mut self, document: &[u8], range: std::ops::Range<usize>) {
        if range.is_empty() {
            return;
        }
        self.runs.push(Run { text: self.bytes.len(), document: range.start, end: range.start + 1 });
        self.bytes.extend_from_slice(&document[range]);
    }

    fn put(&mut self, byte: u8, range: std::ops::Range<usize>) {
        self.runs.push(Run { text: self.bytes.len(), document: range.start, end: range.end });
        self.bytes.push(byte);
    }

    /// Copies what the reference at `at` stands for, and answers where it ends.
    fn reference(&mut self, document: &[u8], at: usize) -> usize {
        let unit = unit::read(document, at, true);
        match unit.ch {
            // Soft hyphens and characters of no width part nothing.
            '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => {}
            '\u{a0}' => self.put(b' ', at..unit.end),
            ch if ch.is_ascii() => self.put(ch as u8, at..unit.end),
            ch => {
                let mut buffer = [0; 4];
                for byte in ch.encode_utf8(&mut buffer).bytes() {
                    self.put(byte, at..unit.end);
                }
            }
        }
        unit.end
    }

    /// Passes over the tag or comment at `at`, and answers where what is visible goes on.
    fn tag(&mut self, document: &[u8], at: usize) -> usize {
        let rest = &document[at..];
        if rest.starts_with(b"<!--") {
            return memchr::memmem::find(&rest[4..], b"-->").map_or(document.len(), |end| at + 4 + end + 3);
        }
        let is_tag = rest.get(1).is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'/' | b'!' | b'?'));
        let near = &rest[..rest.len().min(LONGEST)];
        let Some(end) = memchr::memchr(b'>', near).filter(|_| is_tag && !is_spelled_sign(near)) else {
            self.copy(document, at..at + 1);
            return at + 1;
        };
        let tag = &near[..=end];
        let name = tag[1..].trim_ascii_start().strip_prefix(b"/").unwrap_or(&tag[1..]);
        let name = &name[..name.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count()];
        let is = |known: &[&str]| known.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        if is_hidden(tag) && tag[1] != b'/' {
            if let Some(end) = end_of_element(near, end + 1, name) {
                return at + end;
            }
        } else if is(&["b", "i", "em", "strong", "span", "font", "u", "s", "tt", "small", "big", "code", "img"]) {
            self.put(SEAM, at..at + end + 1);
        } else if !is(&["wbr"]) {
            self.put(b'\n', at..at + end + 1);
        }
        at + end + 1
    }
}

/// Whether what looks like a tag is a sign in angle brackets: `<at>`, `<dot>`.
fn is_spelled_sign(rest: &[u8]) -> bool {
    ["<at>", "<dot>"].iter().any(|sign| rest.get(..sign.len()).is_some_and(|s| s.eq_ignore_ascii_case(sign.as_bytes())))
}

/// Whether the start tag says that its element is not shown.
fn is_hidden(tag: &[u8]) -> bool {
    let mut squeezed: Vec<u8> = tag.iter().filter(|byte| !byte.is_ascii_whitespace()).copied().collect();
    squeezed.make_ascii_lowercase();
    let attribute = tag.split(u8::is_ascii_whitespace).skip(1);
    memchr::memmem::find(&squeezed, b"display:none").is_some()
        || attribute.map(<[u8]>::trim_ascii_end).any(|word| {
            let word = word.strip_suffix(b">").unwrap_or(word);
            word.eq_ignore_ascii_case(b"hidden")
        })
}

/// Where the element ends that holds no other of its name.
fn end_of_element(near: &[u8], from: usize, name: &[u8]) -> Option<usize> {
    let mut at = from;
    while let Some(next) = memchr::memmem::find(&near[at..], b"</") {
        let start = at + next + 2;
        let close = near.get(start..start + name.len())?;
        if close.eq_ignore_ascii_case(name) {
            return Some(start + memchr::memchr(b'>', &near[start..])? + 1);
        }
        at = start;
    }
    None
}
