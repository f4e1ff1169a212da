//! The short way: an `@` with nothing but plain ASCII around it, which nearly every one is.
//!
//! Takes the position of a raw `@` and reads both sides straight from the document by a table of classes, without
//! decoding or copying. Where a code or a rarer rule may change the answer, it gives
//! none and leaves the `@` to the window and the grammar; the answers it gives are theirs.

use fearless_simd::Simd;

use super::sides::Sides;
use super::unit::soft;
use super::{Finding, Form, Mention, context, domain, front, unit};
use crate::address::Address;
use crate::class::Classes;

/// What the short way says of an `@`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is settled: the address that it is part of is handed over, if it is part of one.
    Settled,
    /// Its surroundings have to be decoded.
    Unclear,
    /// The same, with references, as one stands directly before.
    Referenced,
}

/// May stand in a local part.
const LOCAL: u8 = 1;
/// May stand in a domain.
const DOMAIN: u8 = 2;
/// May be part of a code, of a character beyond ASCII, or of a rule of the grammar that looks further.
const CODE: u8 = 4;
/// May be part of a code only where references count.
const REFERENCE: u8 = 8;
/// May stand in a local part that its context shows to be one.
const SHOWN: u8 = 16;
/// Borders a local part whatever else stands around it.
const BEFORE: u8 = 32;
/// Borders a domain whatever else stands around it.
const AFTER: u8 = 64;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' => LOCAL | DOMAIN,
            b'_' | b'+' => LOCAL,
            b'&' | b'%' | b'\\' | b'\'' | 0x80.. => CODE,
            b'#' => REFERENCE | SHOWN,
            b';' => REFERENCE,
            b'!' | b'$' | b'*' | b'/' | b'=' | b'?' | b'^' | b'`' | b'{' | b'|' | b'}' | b'~' => SHOWN,
            b' ' | b'\t' | b'\n' | b'\r' | b'<' | b'>' | b'(' | b')' | b'[' | b']' | b',' => BEFORE | AFTER,
            _ => 0,
        };
        byte += 1;
    }
    classes
}

fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// The longest local part.
const LONGEST_LOCAL: usize = 64;
/// The longest domain.
const LONGEST_DOMAIN: usize = 255;

/// What was said of the last domain, since addresses of one domain come in rows.
#[derive(Debug, Default)]
pub(super) struct LastDomain {
    run: std::ops::Range<usize>,
    length: Option<usize>,
}

impl LastDomain {
    /// How much of the run is a domain that can exist.
    fn known_length(&mut self, document: &[u8], run: std::ops::Range<usize>) -> Option<usize> {
        if document[run.clone()] != document[self.run.clone()] {
            self.length = domain::known_length(&document[run.clone()]);
            self.run = run;
        }
        self.length
    }
}

/// Hands over what the raw `@` at `at` is part of, of whatever shape.
#[inline(never)]
pub(super) fn find(
    document: &[u8],
    at: usize,
    references: bool,
    last: &mut LastDomain,
    found: &mut impl FnMut(Mention<'_>),
) -> Verdict {
    let run = match local_run(document, at, references) {
        Ok(run) => run,
        Err(unclear) => return unclear,
    };
    let right = &document[at + 1..];
    let length = right.iter().take(LONGEST_DOMAIN + 1).take_while(|byte| is(**byte, DOMAIN)).count();
    if run == at {
        // Most quotes before an `@` have a name behind it, which is no domain of a quoted local part.
        let coded = right.get(length).is_some_and(|after| is(*after, CODE) || *after == b'@');
        let quoted =
            document[..at].ends_with(b"\"") && (coded || right.starts_with(b"[") || right[..length].contains(&b'.'));
        return if quoted { Verdict::Unclear } else { Verdict::Settled };
    }
    match right.get(length) {
        Some(b'<') if soft::is_tag_at(right, length) => return Verdict::Unclear,
        _ if length > LONGEST_DOMAIN => return Verdict::Unclear,
        // Underscores may be emphasis.
        Some(b'_') => return Verdict::Unclear,
        Some(b'&') if !references => {}
        Some(b'\'') => {}
        Some(after) if is(*after, CODE) => return Verdict::Unclear,
        Some(b'@') if unit::is_doubled(document, at) => return Verdict::Unclear,
        Some(b'@') => return Verdict::Settled,
        _ => {}
    }
    let Some(length) = last.known_length(document, at + 1..at + 1 + length) else {
        let unusual = right.first().is_some_and(|first| first.is_ascii_alphanumeric() || *first == b'[');
        return if unusual { Verdict::Unclear } else { Verdict::Settled };
    };
    let end = at + 1 + length;
    let start = local_start(document, run, at, document.get(end).copied());
    if let Some(finding) = start.and_then(|start| finding(document, start, at, end)) {
        found(finding.into());
    }
    Verdict::Settled
}

/// The address around the `@` at `at`, where both sides have the usual shape, the domain a common suffix, and the
/// neighbours take part in no rule that could change the answer.
#[inline(always)]
pub(super) fn usual<S: Simd>(simd: S, document: &[u8], at: usize) -> Option<Mention<'_>> {
    let sides = Sides::of(simd, document, at)?;
    let (start, end) = (at - sides.local, at + 1 + sides.domain);
    let apart = is(*document[..start].last()?, BEFORE) && is(*document.get(end)?, AFTER);
    if !apart
        || soft::is_tag_at(document, end)
        || soft::tag_before(document, start).is_some()
        || front::length(document, start) > 0
    {
        return None;
    }
    if !domain::is_common(&document[at + 1 + sides.top..end]) {
        return None;
    }
    Some(Mention::in_place(document, start..end, at))
}

/// Where the run of local characters before `at` begins: at `at` itself where no local part can be. An error where
/// it takes decoding to know.
fn local_run(document: &[u8], at: usize, references: bool) -> Result<usize, Verdict> {
    let length = document[..at].iter().rev().take(LONGEST_LOCAL + 1).take_while(|byte| is(**byte, LOCAL)).count();
    let run = at - length;
    let Some(before) = run.checked_sub(1).map(|before| document[before]) else { return Ok(run) };
    if before == b'>' && soft::tag_before(document, run).is_some() {
        return Err(Verdict::Unclear);
    }
    if length > LONGEST_LOCAL || is(before, CODE) || (references && is(before, REFERENCE)) {
        return Err(Verdict::Unclear);
    }
    // `\u{61}nn@a.org`.
    let near = &document[run.saturating_sub(unit::LONGEST)..run];
    if before == b'}' && near.windows(3).any(|three| three == br"\u{") {
        return Err(Verdict::Unclear);
    }
    if is(before, SHOWN) && context::may_be_shown(&document[..run]) {
        return Err(Verdict::Unclear);
    }
    // `bounces-ann=a.org@b.org` returns mail to the host that sent it.
    if before == b'=' && document[run..at].contains(&b'.') {
        return Err(Verdict::Unclear);
    }
    // `"ann".lee@a.org` has a quoted part.
    if before == b'"' && length > 0 && document[run] == b'.' {
        return Err(Verdict::Unclear);
    }
    if before == b';' && unit::is_behind_reference(document, run) {
        return Err(Verdict::Referenced);
    }
    Ok(if before == b'@' { at } else { run })
}

/// Where the local part begins: the run less what running text glues on.
fn local_start(document: &[u8], run: usize, at: usize, next: Option<u8>) -> Option<usize> {
    let before = run.checked_sub(1).map(|before| document[before]);
    let run = run + front::length(document, run);
    let local = &document[run..at];
    if *local.last()? == b'.' {
        return None;
    }
    let dots = local.windows(2).rposition(|pair| pair == b"..");
    let shown = match before {
        Some(b'<') => next == Some(b'>'),
        Some(b':') => context::ends_with_ignoring_case(&document[..run], b"mailto:"),
        _ => false,
    };
    if shown && dots.is_none() && local[0] != b'.' {
        return Some(run);
    }
    let mut start = run;
    if let Some(second) = dots {
        let row = local[..second + 2].iter().rev().take_while(|byte| **byte == b'.').count();
        if row == 2 {
            return None;
        }
        start += second + 2;
    }
    while start < at && is_trimmed(document[start], document[start + 1]) {
        start += 1;
    }
    (start < at && document[start] != b'.').then_some(start)
}

/// Whether `first`, before `second`, is a neighbour that looks like the first sign of the local part.
fn is_trimmed(first: u8, second: u8) -> bool {
    first == b'-' || (first == b'+' && !second.is_ascii_digit())
}

fn finding(document: &[u8], start: usize, at: usize, end: usize) -> Option<Finding> {
    if context::is_no_address(document, start, at, end) {
        return None;
    }
    let text = std::str::from_utf8(&document[start..end]).ok()?;
    if domain::is_scaled_file(&text[at - start + 1..]) {
        return None;
    }
    let address = Address::from_ascii(text, at - start)?;
    let marks = context::marks(document, &(start..end), at, Classes::NONE);
    Some(Finding { address, span: start..end, form: Form::Plain, marks })
}
