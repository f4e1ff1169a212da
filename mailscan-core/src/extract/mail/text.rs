//! The text of a header or body: collected until there is a block of it, then searched like any other text.

use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE};

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
            self.settle_charset();
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

    /// Where the block may be cut: where no address stands, a soft break included. What is in a charset of several bytes
    /// is cut between its characters, and where whoever begins behind the cut reads them alike.
    fn cut(&self) -> usize {
        let bytes = self.decoded.bytes.as_slice();
        let several = |charset: &&'static Encoding| {
            !charset.is_single_byte() && *charset != UTF_8 && !charset::is_as_it_is(bytes, charset)
        };
        let Some(charset) = self.kind.charset.filter(several) else { return self.cut_text(bytes, |_| true) };
        let characters = Decoded::transcoded(bytes, charset);
        // The last one may be missing a part.
        let last = characters.bytes.iter().rposition(|byte| !(0x80..0xC0).contains(byte)).unwrap_or(0);
        let cut = self.cut_text(&characters.bytes[..last], |end| {
            charset != ISO_2022_JP || is_in_ascii(&bytes[..characters.source_end(end)])
        });
        if cut == 0 { bytes.len() } else { characters.source_end(cut) }
    }

    /// The same for a text that is no more encoded; `allowed` tells of a length whether that much may be cut off.
    fn cut_text(&self, text: &[u8], allowed: impl Fn(usize) -> bool) -> usize {
        let soft = |before: &[u8]| {
            let line = before.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            line.is_some_and(|line| line.ends_with(b"="))
        };
        let reading = (self.kind.media, self.search);
        if !self.kind.folded {
            return border::last(text, TAIL, reading, |before| !soft(before) && allowed(before.len()));
        }
        records::last_line(text, |before| !soft(before) && allowed(before.len())).unwrap_or_else(|| {
            let unfolded = records::unfold(text);
            let cut = border::last(&unfolded.bytes, TAIL, reading, |before| allowed(unfolded.source_end(before.len())));
            if cut == 0 { text.len() } else { unfolded.source_end(cut) }
        })
    }

    /// Notes in which UTF-16 a text is of which nobody says a charset, or one of two bytes that its mark contradicts.
    fn settle_charset(&mut self) {
        let bytes = self.decoded.bytes.as_slice();
        if !self.decoded.is_first() {
            return;
        }
        match self.kind.charset {
            None => self.kind.charset = charset::utf16_of(bytes),
            Some(declared) if declared == UTF_16LE || declared == UTF_16BE => {
                self.kind.charset = Some(Encoding::for_bom(bytes).map_or(declared, |(marked, _)| marked));
            }
            Some(_) => {}
        }
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
        self.settle_charset();
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

/// Whether ISO-2022-JP that ends here has its characters in ASCII, as at its beginning.
fn is_in_ascii(bytes: &[u8]) -> bool {
    memchr::memrchr(0x1b, bytes).is_none_or(|escape| bytes[escape + 1..].starts_with(b"(B"))
}

/// Whether bytes are no text: they hold NULs and are not UTF-16, or too many other control characters.
fn is_binary(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(LOOK)];
    let control = |byte: &&u8| **byte < b' ' && !matches!(**byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    let controls = start.iter().filter(control).count();
    controls > 0 && charset::utf16_of(start).is_none() && (start.contains(&0) || controls * 10 > start.len())
}
