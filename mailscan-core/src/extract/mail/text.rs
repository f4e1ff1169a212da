//! The text of a header or body: collected until there is a block of it, then searched like any other text.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

use super::super::{Finding, Form, Media, Search, border, charset};
use super::decoded::Decoded;
use super::{Found, records, undeclared};

/// How much is collected before it is searched, in bytes.
const BLOCK: usize = 128 << 10;
/// How much of a block's end is searched for a place to cut.
const TAIL: usize = 64 << 10;
/// How much of a body is looked at to see whether it is text.
const LOOK: usize = 1 << 10;

/// How a text is to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) media: Media,
    pub(super) charset: Option<&'static Encoding>,
    /// How an address was written that is plain, but in pieces.
    pub(super) torn: Form,
    /// Whether there may be quoted-printable in it though nobody says so.
    pub(super) undeclared: bool,
    /// Whether it may be no text at all.
    pub(super) doubtful: bool,
    /// Whether a line that begins with a space goes on the one before (RFC 5545, section 3.1; RFC 2849 for directories).
    pub(super) folded: bool,
}

impl Kind {
    /// That of a header.
    pub(super) fn header() -> Self {
        Self {
            media: Media::Text,
            charset: None,
            torn: Form::EncodedWord,
            undeclared: false,
            doubtful: false,
            folded: false,
        }
    }
}

/// The text that is being read.
#[derive(Debug)]
pub(super) struct Text {
    search: Search,
    kind: Kind,
    /// What was decoded and not searched yet.
    pub(super) decoded: Decoded,
    /// It turned out to be no text.
    skipped: bool,
}

impl Text {
    pub(super) fn new(kind: Kind, search: Search) -> Self {
        Self { search, kind, decoded: Decoded::default(), skipped: false }
    }

    /// Searches what there is and begins another text.
    pub(super) fn begin(&mut self, kind: Kind, found: &mut Found<'_>) {
        self.end(found);
        self.decoded.clear();
        (self.kind, self.skipped) = (kind, false);
    }

    /// Whether it turned out that what is decoded is no text, and need not be.
    pub(super) fn is_skipped(&self) -> bool {
        self.skipped
    }

    /// Searches what there is, if that is a block.
    pub(super) fn search_full(&mut self, found: &mut Found<'_>) {
        if self.kind.doubtful && self.decoded.bytes.len() >= LOOK {
            self.decide();
        }
        if self.decoded.bytes.len() >= BLOCK {
            self.search(self.cut(), found);
        }
    }

    /// Searches the rest.
    pub(super) fn end(&mut self, found: &mut Found<'_>) {
        if self.kind.doubtful {
            self.decide();
        }
        self.search(self.decoded.bytes.len(), found);
    }

    /// Decides by the beginning whether this is text, and drops it if it is not.
    fn decide(&mut self) {
        self.kind.doubtful = false;
        if is_binary(&self.decoded.bytes) {
            self.skipped = true;
            self.decoded.clear();
        }
    }

    /// Where the block may be cut: where no address stands, a soft break included.
    fn cut(&self) -> usize {
        let bytes = self.decoded.bytes.as_slice();
        if self.is_utf16() {
            return self.cut_utf16();
        }
        let soft = |before: &[u8]| {
            let line = before.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            line.is_some_and(|line| line.ends_with(b"="))
        };
        let line = if self.kind.folded { records::last_line(bytes, TAIL) } else { None };
        line.unwrap_or_else(|| border::last(bytes, TAIL, (self.kind.media, self.search), |before| !soft(before)))
    }

    fn is_utf16(&self) -> bool {
        self.kind.charset.is_some_and(|charset| charset == UTF_16LE || charset == UTF_16BE)
    }

    /// The same in UTF-16, where a character is two bytes.
    fn cut_utf16(&self) -> usize {
        let bytes = &self.decoded.bytes[..self.decoded.bytes.len() & !1];
        let floor = bytes.len().saturating_sub(TAIL);
        let little = self.kind.charset == Some(UTF_16LE);
        let units =
            bytes[floor..].chunks_exact(2).map(|unit| if little { [unit[1], unit[0]] } else { [unit[0], unit[1]] });
        let space = units.collect::<Vec<_>>().iter().rposition(|unit| unit[0] == 0 && unit[1] <= b' ');
        space.map_or(bytes.len(), |unit| floor + 2 * unit + 2)
    }

    /// What a text holds.
    fn findings(&self, text: &[u8]) -> Vec<Finding> {
        let mut findings = Vec::new();
        (self.search)(text, self.kind.media, &mut |mention| findings.push(mention.into_finding()));
        if self.kind.undeclared {
            findings = undeclared::merge(text, (self.kind.media, self.search), findings);
        }
        findings
    }

    /// What a text of folded lines holds.
    fn unfolded(&self, text: &[u8]) -> Vec<Finding> {
        let unfolded = records::unfold(text);
        let place = |finding: Finding| {
            let (span, torn) = unfolded.source(finding.span, Form::QuotedPrintable);
            let form = if finding.form == Form::Plain { torn } else { finding.form };
            Finding { span, form, ..finding }
        };
        self.findings(&unfolded.bytes).into_iter().map(place).collect()
    }

    /// Searches the first `count` bytes and drops them.
    fn search(&mut self, count: usize, found: &mut Found<'_>) {
        if self.kind.charset.is_none() && self.decoded.is_first() {
            self.kind.charset = charset::utf16_of(&self.decoded.bytes);
        }
        let raw = &self.decoded.bytes[..count];
        let text = charset::to_utf8(raw, self.kind.charset);
        let findings = if self.kind.folded { self.unfolded(&text) } else { self.findings(&text) };
        let characters = match (&text, self.kind.charset) {
            (std::borrow::Cow::Owned(_), Some(charset)) if !findings.is_empty() => {
                Some(Decoded::transcoded(raw, charset))
            }
            _ => None,
        };
        for finding in findings {
            let span = match &characters {
                Some(characters) => characters.source(finding.span, Form::Plain).0,
                None => finding.span,
            };
            let (span, transport) = self.decoded.source(span, self.kind.torn);
            let form = if transport == Form::Plain { finding.form } else { transport };
            found(Finding { span, form, ..finding });
        }
        self.decoded.forget(count);
    }
}

/// Whether bytes are no text: they hold NULs and are not UTF-16, or too many other control characters.
fn is_binary(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(LOOK)];
    let control = |byte: &&u8| **byte < b' ' && !matches!(**byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    let controls = start.iter().filter(control).count();
    controls > 0 && charset::utf16_of(start).is_none() && (start.contains(&0) || controls * 10 > start.len())
}
