//! The scan: from trigger to trigger, and around each a small decoded window.
//!
//! An address needs an `@`, so nothing but the spellings of `@` is looked for. One in plain ASCII is answered without
//! decoding; around any other, the bytes are decoded into units and handed to the grammar.

use std::ops::Range;

use fearless_simd::{Level, Simd};

use super::plain::Verdict;
use super::trigger::Visit;
use super::unit::{self, Unit};
use super::{Finding, Form, Media, Mention, context, domain, grammar, plain, trigger};
use crate::class::{Class, Classes};

/// How far back a window reaches at most: a local part of 64 octets in the longest spelling, and its neighbour.
pub(super) const REACH: usize = 65 * unit::LONGEST;

/// Hands every address of `document` to `found`, in the order in which they stand.
pub(super) fn scan(document: &[u8], media: Media, found: impl FnMut(Mention<'_>)) {
    let (window, last) = (Window::default(), plain::LastDomain::default());
    trigger::each(
        Level::new(),
        document,
        &mut Scan { document, media, window, last, found: Apart { found, taken: 0 } },
    );
}

/// A scan under way.
struct Scan<'a, F> {
    document: &'a [u8],
    media: Media,
    window: Window,
    last: plain::LastDomain,
    found: Apart<F>,
}

impl<F: FnMut(Mention<'_>)> Visit for Scan<'_, F> {
    #[inline(always)]
    fn raw<S: Simd>(&mut self, simd: S, at: usize) {
        match plain::usual(simd, self.document, at) {
            Some(mention) => self.found.take(mention),
            None => self.other(at),
        }
    }

    fn coded(&mut self, at: Unit) {
        if let Some(finding) = self.window.examine(self.document, at, self.media) {
            self.found.take(finding.into());
        }
    }
}

impl<F: FnMut(Mention<'_>)> Scan<'_, F> {
    /// Takes the raw `@` at `at`, around which is no usual address.
    #[inline(never)]
    fn other(&mut self, at: usize) {
        let found = &mut |mention: Mention<'_>| self.found.take(mention);
        let references = self.media == Media::Html;
        if plain::find(self.document, at, references, &mut self.last, found) == Verdict::Unclear {
            let start = unit::escape_start(self.document, at);
            let form = if start < at { Form::Escaped } else { Form::Plain };
            self.coded(Unit { ch: '@', start, end: at + 1, form });
        }
    }
}

/// Takes mentions on, of those that share text the first: where one `@` is a code and the next is none, both may claim
/// the text between them.
struct Apart<F> {
    found: F,
    /// Where the text ends that is an address's already.
    taken: usize,
}

impl<F: FnMut(Mention<'_>)> Apart<F> {
    #[inline(always)]
    fn take(&mut self, mention: Mention<'_>) {
        if mention.span.start >= self.taken {
            self.taken = self.taken.max(end_of_claim(&mention.span, mention.marks));
            (self.found)(mention);
        }
    }
}

/// How far nothing else can be part of another address: through a domain that exists.
pub(super) fn end_of_claim(span: &Range<usize>, marks: Classes) -> usize {
    if marks.contains(Class::UnknownDomain) { 0 } else { span.end }
}

/// The units around one `@`. Kept from one to the next, so that scanning allocates only for what it finds.
#[derive(Debug, Default)]
struct Window {
    left: Vec<Unit>,
    right: Vec<Unit>,
}

impl Window {
    fn examine(&mut self, document: &[u8], at: Unit, media: Media) -> Option<Finding> {
        let references = media == Media::Html || at.form == Form::CharacterReference;
        if !domain::may_begin(*document.get(at.end)?) {
            return None;
        }
        let whole = self.read_left(document, at.start, references)?;
        self.read_right(document, at.end, references)?;
        grammar::find(&grammar::Around { document, at, left: &self.left, right: &self.right, whole, references })
    }

    /// Decodes what may be the local part, with the unit before it. Answers whether it reaches back to a border.
    ///
    /// Decoding has to run forwards, so it begins at a byte that can be inside of no unit.
    fn read_left(&mut self, document: &[u8], end: usize, references: bool) -> Option<bool> {
        self.left.clear();
        let limit = end.saturating_sub(REACH);
        let border = document[limit..end].iter().rposition(|byte| context::is_border(*byte));
        let mut at = border.map_or(limit, |border| limit + border);
        // A quote may end a quoted local part.
        if at + 1 >= end && border.is_some() && document[at] != b'"' {
            return None;
        }
        while at < end {
            let unit = unit::read(document, at, references);
            at = unit.end;
            self.left.push(unit);
        }
        Some(border.is_some() || limit == 0)
    }

    /// Decodes the run of domain characters, and the unit after it.
    fn read_right(&mut self, document: &[u8], start: usize, references: bool) -> Option<()> {
        /// One more than a domain may have, so that a longer one is seen to be too long.
        const MOST: usize = 256;
        self.right.clear();
        let mut at = start;
        while at < document.len() && self.right.len() <= MOST {
            let unit = unit::read(document, at, references);
            at = unit.end;
            self.right.push(unit);
            if unit.ch != '.' && !domain::is_label_char(unit.ch) {
                return Some(());
            }
        }
        (self.right.len() <= MOST).then_some(())
    }
}
