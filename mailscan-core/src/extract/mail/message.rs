//! The message: which text a line belongs to.
//!
//! Takes line after line, knows whether a header or a body is being read, of which part in which part, and adds the
//! line to the text it belongs to, by that part's encoding.

use super::super::{Form, Media, Search};
use super::Found;
use super::base64::{self, Base64};
use super::boundary::{self, Boundaries, Parting};
use super::field::{self, Body, Coding, Fields, Leaf};
use super::line::Line;
use super::quoted;
use super::records;
use super::text::{Kind, Text};
use super::words::Words;

/// What the next line is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// The first field of a message, before which there may be empty lines.
    Message,
    /// A field of a header, or the empty line that ends it.
    Field,
    /// A line of a body.
    Body,
}

/// Where in a document of messages the reader is.
#[derive(Debug)]
pub(super) struct Message {
    expect: Expect,
    boundaries: Boundaries,
    fields: Fields,
    words: Words,
    coding: Coding,
    base64: Base64,
    text: Text,
    before: Before,
}

/// What the lines before the next one were.
#[derive(Debug, Default)]
struct Before {
    /// The last one had something in it.
    filled: bool,
    /// Since the last empty one there was more than fields.
    prose: bool,
    /// What stood after two hyphens in the one before the fields.
    hyphens: Option<Vec<u8>>,
}

impl Message {
    pub(super) fn new(search: Search) -> Self {
        Self {
            expect: Expect::Message,
            boundaries: Boundaries::default(),
            fields: Fields::default(),
            words: Words::default(),
            coding: Coding::Identity,
            base64: Base64::default(),
            text: Text::new(Kind::header(), search),
            before: Before::default(),
        }
    }

    /// Reads a line.
    pub(super) fn line(&mut self, line: Line<'_>, found: &mut Found<'_>) {
        let line = if self.expect == Expect::Message { line.without_mark() } else { line };
        if !(line.begins && self.parts(line, found)) {
            if line.begins && self.is_undeclared_header(line.content()) {
                self.boundaries.open(&self.before.hyphens.take().unwrap_or_default());
                self.begin_header(Expect::Field, found);
            }
            match self.expect {
                Expect::Body => self.body_line(line),
                _ => self.header_line(line, found),
            }
        }
        self.before.note(line);
        self.text.search_full(found);
    }

    /// Searches what is left.
    pub(super) fn end(mut self, found: &mut Found<'_>) {
        self.base64.end(&mut self.text.decoded, Form::Base64);
        self.text.end(found);
    }

    /// Whether the line parts messages or parts from each other, and what it says if so.
    fn parts(&mut self, line: Line<'_>, found: &mut Found<'_>) -> bool {
        let content = line.content();
        let apart = !self.before.filled || self.coding == Coding::Base64;
        if apart && boundary::is_from_line(content) {
            self.boundaries.clear();
            self.begin_header(Expect::Message, found);
        } else {
            match self.boundaries.parting(content) {
                None => return false,
                Some(Parting::Next) => self.begin_header(Expect::Field, found),
                Some(Parting::Close) => self.begin_body(&Leaf::unknown(), found),
            }
        }
        // The line itself may hold an address, and ends before what follows.
        self.text.decoded.same(line, Form::Plain);
        true
    }

    /// Whether the line is of a header that nobody announced: in a body that is not encoded, among nothing but fields,
    /// one that says how another body is.
    fn is_undeclared_header(&self, content: &[u8]) -> bool {
        const TELLING: [&[u8]; 2] = [b"content-type", b"content-transfer-encoding"];
        self.expect == Expect::Body
            && self.coding == Coding::Identity
            && !self.before.prose
            && field::name_of(content)
                .is_some_and(|name| TELLING.iter().any(|telling| name.eq_ignore_ascii_case(telling)))
    }

    fn header_line(&mut self, line: Line<'_>, found: &mut Found<'_>) {
        let content = line.content();
        let goes_on = content.first().is_some_and(|first| matches!(first, b' ' | b'\t')) && self.fields.is_begun();
        if !line.begins || goes_on {
            self.fields.go_on(content);
            self.words.line(line, &mut self.text.decoded);
        } else if content.is_empty() {
            if self.expect == Expect::Field {
                self.end_header(found);
            }
        } else if self.expect == Expect::Message && records::begin(content) {
            self.begin_body(&Leaf::records(), found);
            self.body_line(line);
        } else if self.expect == Expect::Message && content.trim_ascii().iter().all(u8::is_ascii_digit) {
            // Some programs write a message's length before it.
        } else if field::name_of(content).is_some() {
            self.expect = Expect::Field;
            self.text.decoded.border(b'\n', line.start);
            self.fields.begin(content);
            self.words.begin();
            self.words.line(line, &mut self.text.decoded);
        } else if content.starts_with(b">From ") {
            self.text.decoded.border(b'\n', line.start);
            self.text.decoded.same(line, Form::Plain);
        } else {
            // The empty line after the header is missing.
            if self.expect == Expect::Field {
                self.end_header(found);
            }
            if self.expect != Expect::Body {
                self.begin_body(&Leaf::unknown(), found);
            }
            self.body_line(line);
        }
    }

    fn begin_header(&mut self, expect: Expect, found: &mut Found<'_>) {
        self.base64.end(&mut self.text.decoded, Form::Base64);
        self.text.begin(Kind::header(), found);
        self.coding = Coding::Identity;
        self.fields = Fields::default();
        self.words.begin();
        self.expect = expect;
    }

    fn end_header(&mut self, found: &mut Found<'_>) {
        match self.fields.body() {
            Body::Parts(boundary) => {
                self.boundaries.open(&boundary);
                self.begin_body(&Leaf::unknown(), found);
            }
            Body::Message => self.begin_header(Expect::Message, found),
            Body::Leaf(leaf) => self.begin_body(&leaf, found),
        }
    }

    fn begin_body(&mut self, leaf: &Leaf, found: &mut Found<'_>) {
        self.base64.end(&mut self.text.decoded, Form::Base64);
        self.text.begin(kind(leaf), found);
        self.coding = leaf.coding;
        self.expect = Expect::Body;
        self.before = Before::default();
    }

    fn body_line(&mut self, line: Line<'_>) {
        let skipped = self.text.is_skipped();
        let decoded = &mut self.text.decoded;
        match self.coding {
            Coding::Identity => decoded.same(line, Form::Plain),
            Coding::QuotedPrintable => quoted::line(line, decoded),
            Coding::Base64 if !base64::is_base64(line.content()) => {
                // No such line is base64: somebody added it, or declared what is not true.
                self.base64.end(decoded, Form::Base64);
                decoded.border(b'\n', line.start);
                decoded.same(line, Form::Plain);
            }
            Coding::Base64 if skipped => {}
            Coding::Base64 => self.base64.line(line, decoded, Form::Base64),
        }
    }
}

/// How the text of a body is to be read.
fn kind(leaf: &Leaf) -> Kind {
    Kind {
        media: if leaf.markup { Media::Html } else { Media::Text },
        charset: leaf.charset,
        torn: match leaf.coding {
            Coding::Base64 => Form::Base64,
            _ => Form::QuotedPrintable,
        },
        undeclared: leaf.coding == Coding::Identity,
        doubtful: leaf.coding == Coding::Base64 && !leaf.text,
        folded: leaf.folded,
    }
}

impl Before {
    fn note(&mut self, line: Line<'_>) {
        if !line.begins {
            (self.filled, self.prose) = (true, true);
            return;
        }
        let content = line.content();
        self.filled = !content.is_empty();
        if !self.filled {
            (self.prose, self.hyphens) = (false, None);
        } else if let Some(rest) = boundary::after_hyphens(content) {
            self.prose = false;
            self.hyphens = Some(rest.trim_ascii_end().to_vec());
        } else if !self.prose {
            self.prose = !content.starts_with(b" ") && !content.starts_with(b"\t") && field::name_of(content).is_none();
        }
    }
}
