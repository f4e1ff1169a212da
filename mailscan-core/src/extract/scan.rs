//! The scan: from trigger to trigger, and around each a small decoded window.
//!
//! An address needs an `@`, so nothing but the spellings of `@` is looked for. One in plain ASCII is answered without
//! decoding; around any other, the bytes are decoded into units and handed to the grammar.

use std::ops::Range;

use fearless_simd::{Level, Simd};

use super::grammar::Around;
use super::message_id::Ids;
use super::plain::Verdict;
use super::trigger::Visit;
use super::unit::{self, Unit, soft};
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
        &mut Scan { document, media, window, last, found: Apart { found, document, taken: 0, ids: Ids::default() } },
    );
}

/// A scan under way.
struct Scan<'a, F> {
    document: &'a [u8],
    media: Media,
    window: Window,
    last: plain::LastDomain,
    found: Apart<'a, F>,
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
        self.examine(at, self.media == Media::Html || at.form == Form::CharacterReference);
    }
}

impl<F: FnMut(Mention<'_>)> Scan<'_, F> {
    /// Takes the raw `@` at `at`, around which is no usual address.
    #[inline(never)]
    fn other(&mut self, at: usize) {
        let found = &mut |mention: Mention<'_>| self.found.take(mention);
        let references = self.media == Media::Html;
        let references = match plain::find(self.document, at, references, &mut self.last, found) {
            Verdict::Settled => return,
            Verdict::Unclear => references,
            Verdict::Referenced => true,
        };
        let start = unit::escape_start(self.document, at);
        let unit = if start < at {
            Unit { ch: '@', start, end: at + 1, form: Form::Escaped }
        } else {
            unit::read(self.document, at, references)
        };
        self.examine(unit, references);
    }

    /// Takes what a window shows around an `@`.
    fn examine(&mut self, at: Unit, references: bool) {
        if let Some(finding) = self.window.examine(self.document, at, references) {
            self.found.take(finding.into());
        }
    }
}

/// Takes mentions on, of those that share text the first: where one `@` is a code and the next is none, both may claim
/// the text between them. Those that name a message are marked on the way.
struct Apart<'a, F> {
    found: F,
    document: &'a [u8],
    /// Where the text ends that is an address's already.
    taken: usize,
    ids: Ids,
}

impl<F: FnMut(Mention<'_>)> Apart<'_, F> {
    #[inline(always)]
    fn take(&mut self, mut mention: Mention<'_>) {
        if mention.span.start >= self.taken {
            self.taken = self.taken.max(end_of_claim(&mention.span, mention.marks));
            mention.marks = self.ids.mark(self.document, mention.span.start, mention.marks);
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
    /// The `@` that was examined last.
    last: Option<Unit>,
}

impl Window {
    /// The address at this `@`, if there is one. What is on the right is read first: it ends at the next `@`, so that a
    /// document of nothing but `@` costs no more than its length.
    fn examine(&mut self, document: &[u8], at: Unit, references: bool) -> Option<Finding> {
        let last = self.last.replace(at).filter(|last| references || last.form != Form::CharacterReference);
        let begins = domain::may_begin(*document.get(at.end)?) || (references && soft::is_tag_at(document, at.end));
        if !begins || is_lone(document, at.start, references) {
            return None;
        }
        read_right(&mut self.right, document, at.end, references)?;
        let alone = Around { document, at, left: &[], right: &self.right, whole: false, references };
        let domain = domain::find(&alone)?;
        let whole = read_left(&mut self.left, document, last.map_or(0, |last| last.start), at.start, references);
        grammar::find(&Around { left: &self.left, whole, ..alone }, &domain)
    }
}

/// Decodes what may be the local part, with the unit before it. Answers whether it reaches back to a border.
///
/// Decoding has to run forwards, so it begins at a byte that can be inside of no unit: a border, or the `@` at `last`,
/// before which nothing belongs to this one.
fn read_left(left: &mut Vec<Unit>, document: &[u8], last: usize, end: usize, references: bool) -> bool {
    left.clear();
    let limit = end.saturating_sub(REACH).max(last.min(end));
    let border = last_border(document, limit..end, references);
    let mut at = border.map_or(limit, |border| limit + border);
    while at < end {
        let unit = unit::read(document, at, references);
        at = unit.end;
        left.push(unit);
    }
    soft::take_out(left);
    border.is_some() || limit == 0
}

/// The last border in the range, from its beginning on. Tags that only say where a line may break are none.
fn last_border(document: &[u8], within: Range<usize>, references: bool) -> Option<usize> {
    let (limit, mut end) = (within.start, within.end);
    loop {
        let border = document[limit..end].iter().rposition(|byte| context::is_border(*byte))?;
        match soft::tag_before(document, limit + border + 1).filter(|start| references && *start >= limit) {
            Some(start) => end = start,
            None => return Some(border),
        }
    }
}

/// Decodes the run of domain characters, and the unit after it.
fn read_right(right: &mut Vec<Unit>, document: &[u8], start: usize, references: bool) -> Option<()> {
    /// One more than a domain may have, so that a longer one is seen to be too long.
    const MOST: usize = 256;
    right.clear();
    let mut at = start;
    while at < document.len() && right.len() <= MOST {
        let unit = unit::read(document, at, references);
        at = unit.end;
        right.push(unit);
        if unit.ch != '.' && !domain::is_label_char(unit.ch) && !soft::may_be(unit.ch) && unit.ch != soft::ROFF {
            break;
        }
    }
    soft::take_out(right);
    soft::take_out_of_domain(right);
    (right.len() <= MOST).then_some(())
}

/// Whether a border is directly before `at`. A quote is none here, since it may end a quoted local part.
fn is_lone(document: &[u8], at: usize, references: bool) -> bool {
    let before = at.checked_sub(1).map(|before| document[before]);
    let is_border = |before| context::is_border(before) && before != b'"';
    before.is_none_or(|before| is_border(before) && !(references && soft::tag_before(document, at).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the units that are decoded around every `@` that is a code.
    struct Decoded<'a> {
        document: &'a [u8],
        window: Window,
        units: usize,
    }

    impl Visit for Decoded<'_> {
        fn raw<S: Simd>(&mut self, _: S, _: usize) {}

        fn coded(&mut self, at: Unit) {
            self.window.left.clear();
            self.window.right.clear();
            self.window.examine(self.document, at, true);
            self.units += self.window.left.len() + self.window.right.len();
        }
    }

    #[test]
    fn codes_in_a_row_cost_no_more_than_their_length() {
        for part in ["%40", "&#64;", "\\u0040", "%40a", "a.org%40", "%40a.org", "ann%40a.org", "&#64;a.org", "%40[1"] {
            let document = part.repeat(2_000);
            let mut decoded = Decoded { document: document.as_bytes(), window: Window::default(), units: 0 };
            trigger::each(Level::new(), document.as_bytes(), &mut decoded);
            assert!(decoded.units <= 3 * document.len(), "{part}: {} units for {}", decoded.units, document.len());
        }
    }

    #[test]
    fn what_stands_before_another_at_sign_belongs_to_no_local_part() {
        for (document, addresses) in [
            ("<ann%40b%40c.org>", vec![]),
            ("ann%40a.org bob%40a.org", vec!["ann@a.org", "bob@a.org"]),
            ("&#64;ann&#64;a.org", vec![]),
            ("mailto:x%40ann%40a.org", vec![]),
            ("x%40.ann%40a.org", vec![]),
        ] {
            let mut found = Vec::new();
            scan(document.as_bytes(), Media::Html, |mention| {
                found.push(mention.into_finding().address.as_str().to_owned());
            });
            assert_eq!(found, addresses, "{document}");
        }
    }
}
