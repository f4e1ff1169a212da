//! Encoded words (RFC 2047): decodes what headers hold beyond ASCII.
//!
//! Takes the lines of a header and adds them to a text, decoded and unfolded. White space between two encoded words
//! does not count, so that an address that goes on from one to the next is whole; an encoded word that stands directly
//! beside other text is parted from it, as whoever wrote it so meant no address by it.

use encoding_rs::Encoding;

use super::super::{Form, charset};
use super::base64::Base64;
use super::decoded::Decoded;
use super::line::Line;
use super::map::Step;
use super::quoted;

/// The longest encoded word that is decoded. The standard allows 75 characters, and few writers keep to it.
const LONGEST: usize = 8 << 10;

/// Reads a header's lines.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// The last thing that was added is an encoded word.
    after_word: bool,
}

/// An encoded word in a line.
struct Word<'a> {
    encoding: Option<&'static Encoding>,
    quoted: bool,
    payload: Line<'a>,
    /// The byte after it in the line.
    end: usize,
}

impl Words {
    /// Begins a line that does not go on with the one before it.
    pub(super) fn begin(&mut self) {
        self.after_word = false;
    }

    /// Adds a line, without its end.
    pub(super) fn line(&mut self, line: Line<'_>, text: &mut Decoded) {
        let line = line.part(0..line.content().len());
        let mut from = 0;
        for start in memchr::memmem::find_iter(line.bytes, b"=?") {
            let Some(word) = word_at(line, start).filter(|_| start >= from) else { continue };
            self.between(line.part(from..start), text);
            // What stands directly before is no part of what is in the word.
            if !self.after_word {
                text.border(b' ', word.payload.start);
            }
            add(&word, text);
            self.after_word = true;
            from = word.end;
        }
        self.rest(line.part(from..line.bytes.len()), text);
    }

    /// Adds what stands before an encoded word.
    fn between(&mut self, gap: Line<'_>, text: &mut Decoded) {
        if !gap.bytes.trim_ascii().is_empty() {
            self.rest(gap, text);
        } else if !self.after_word {
            text.same(gap, Form::Plain);
        }
    }

    /// Adds what stands after the last encoded word.
    fn rest(&mut self, gap: Line<'_>, text: &mut Decoded) {
        // White space alone may stand between this word and one on the next line, which begins with some as well.
        if gap.bytes.is_empty() || (self.after_word && gap.bytes.trim_ascii().is_empty()) {
            return;
        }
        if self.after_word {
            text.border(b' ', gap.start);
        }
        text.same(gap, Form::Plain);
        self.after_word = false;
    }
}

/// The encoded word that begins at `start`: `=?charset?encoding?payload?=`.
fn word_at(line: Line<'_>, start: usize) -> Option<Word<'_>> {
    let bytes = &line.bytes[start..line.bytes.len().min(start + LONGEST)];
    let charset = bytes[2..].iter().take(64).position(|byte| *byte == b'?')? + 2;
    let label = &bytes[2..charset];
    let quoted = match bytes.get(charset + 1..charset + 3)? {
        b"Q?" | b"q?" => true,
        b"B?" | b"b?" => false,
        _ => return None,
    };
    let payload = charset + 3;
    let length = memchr::memmem::find(&bytes[payload..], b"?=")?;
    // `=?x?Q?=40?=` ends after its payload, not after the `?` before it.
    if label.is_empty() || bytes[payload..payload + length].contains(&b'?') {
        return None;
    }
    // RFC 2231 adds a language to the charset.
    let label = label.split(|byte| *byte == b'*').next().unwrap_or_default();
    Some(Word {
        encoding: charset::of_label(label),
        quoted,
        payload: line.part(start + payload..start + payload + length),
        end: start + payload + length + 2,
    })
}

/// Adds what an encoded word holds.
fn add(word: &Word<'_>, text: &mut Decoded) {
    let mut decoded = Decoded::default();
    if word.quoted {
        quoted_payload(word.payload, &mut decoded);
    } else {
        let mut base64 = Base64::default();
        base64.line(word.payload, &mut decoded, Form::EncodedWord);
        base64.end(&mut decoded, Form::EncodedWord);
    }
    match word.encoding.filter(|encoding| !charset::is_as_it_is(&decoded.bytes, encoding)) {
        None => text.append(&decoded),
        Some(encoding) => {
            charset::characters(&decoded.bytes, encoding, |characters, raw| {
                let (source, _) = decoded.source(raw, Form::Plain);
                text.coded(characters.as_bytes(), source, Step::Whole, Form::EncodedWord);
            });
        }
    }
}

/// Adds the payload of the encoding `Q`: quoted-printable, with underscores for spaces.
fn quoted_payload(payload: Line<'_>, text: &mut Decoded) {
    let mut from = 0;
    for at in memchr::memchr2_iter(b'_', b'=', payload.bytes) {
        let (byte, length) = match payload.bytes[at] {
            b'_' => (Some(b' '), 1),
            _ => (payload.bytes.get(at + 1..at + 3).and_then(quoted::byte), 3),
        };
        if let Some(byte) = byte.filter(|_| at >= from) {
            text.same(payload.part(from..at), Form::EncodedWord);
            let source = payload.start + at..payload.start + at + length;
            text.coded(&[byte], source, Step::Whole, Form::EncodedWord);
            from = at + length;
        }
    }
    text.same(payload.part(from..payload.bytes.len()), Form::EncodedWord);
}
