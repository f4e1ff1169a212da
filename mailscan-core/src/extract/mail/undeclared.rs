//! Undeclared quoted-printable: in a body of which nobody says how it is encoded, as in pieces of messages and in
//! forwarded ones.
//!
//! Takes the text of such a body with what reading it plainly found, and adds what only reading it as quoted-printable
//! finds. Where the two readings contradict each other, the plain one stands unless the text shows that it is encoded.

use super::super::{Finding, Form, Media, Search};
use super::decoded::Decoded;
use super::line::Line;
use super::quoted;

/// How long a line is that was broken softly by a writer that fills its lines.
const FULL_LINE: std::ops::RangeInclusive<usize> = 64..=76;

/// The findings of both readings, in order.
pub(super) fn merge(text: &[u8], reading: (Media, Search), plain: Vec<Finding>) -> Vec<Finding> {
    if !has_codes(text) {
        return plain;
    }
    let evident = is_evident(text);
    let mut merged = Vec::with_capacity(plain.len());
    let mut plain = plain.into_iter().peekable();
    for decoded in decoded(text, reading, evident) {
        while let Some(before) = plain.next_if(|plain| plain.span.end <= decoded.span.start) {
            merged.push(before);
        }
        let overlaps = plain.peek().is_some_and(|plain| plain.span.start < decoded.span.end);
        let written = &text[decoded.span.clone()];
        let holds = if overlaps { is_more_than_plain(written) } else { is_apart(text, decoded.span.start) };
        if evident || holds {
            while plain.next_if(|plain| plain.span.start < decoded.span.end).is_some() {}
            merged.push(decoded);
        }
    }
    merged.extend(plain);
    merged
}

/// Whether there is anything that could make an address look different.
fn has_codes(text: &[u8]) -> bool {
    memchr::memchr_iter(b'=', text).any(|at| {
        matches!(
            text.get(at + 1..),
            Some(
                [b'\n', ..]
                    | [b'\r', b'\n', ..]
                    | [b'2', b'B' | b'D' | b'E' | b'b' | b'd' | b'e', ..]
                    | [b'3', b'D', ..]
                    | [b'4', b'0', ..]
                    | [b'5', b'F' | b'f', ..]
            )
        )
    })
}

/// Whether the text is full of quoted-printable: it writes `=` itself as a code, or breaks lines softly that are full.
fn is_evident(text: &[u8]) -> bool {
    let has = |code: &[u8]| memchr::memmem::find(text, code).is_some();
    let full = |line: &[u8]| line.ends_with(b"=") && FULL_LINE.contains(&line.len());
    has(b"=3D") || has(b"=20\n") || has(b"=20\r\n") || lines(text).any(|line| full(line.content()))
}

fn lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let ends = memchr::memchr_iter(b'\n', text).map(|at| at + 1).chain(std::iter::once(text.len()));
    ends.scan(0, |start, end| {
        let line = Line { start: *start, bytes: &text[*start..end], begins: true, ends: true };
        *start = end;
        Some(line)
    })
}

/// What the text says as quoted-printable: all of it, or only what has a code in it. Plainly, `=3Dann@a.org` says
/// something else, though no code is in the address.
fn decoded(text: &[u8], (media, search): (Media, Search), all: bool) -> Vec<Finding> {
    let mut decoded = Decoded::default();
    for line in lines(text) {
        quoted::line(line, &mut decoded);
    }
    let mut found = Vec::new();
    search(&decoded.bytes, media, &mut |mention| {
        let (span, form) = decoded.source(mention.span.clone(), Form::QuotedPrintable);
        let form = if form == Form::Plain { mention.form } else { form };
        if all || form == Form::QuotedPrintable {
            found.push(Finding { span, form, ..mention.into_finding() });
        }
    });
    found
}

/// Whether what is written can hardly be the address that it is plainly: it goes on after a soft break, or has a code
/// such as `=2E` in it.
fn is_more_than_plain(written: &[u8]) -> bool {
    let domain = memchr::memchr(b'@', written).map_or(&[][..], |at| &written[at..]);
    let broken = memchr::memmem::find(domain, b"=\n").is_some() || memchr::memmem::find(domain, b"=\r\n").is_some();
    broken || [&b"=2E"[..], b"=2B", b"=2D", b"=5F"].iter().any(|code| memchr::memmem::find(written, code).is_some())
}

/// Whether what begins here stands apart, and is no field of a query such as `?x=40b.org`.
fn is_apart(text: &[u8], start: usize) -> bool {
    start.checked_sub(1).is_none_or(|before| !matches!(text[before], b'?' | b'&' | b'/' | b';' | b'%' | b'='))
}
