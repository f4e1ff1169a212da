//! The scan: from trigger to trigger, and around each a small decoded window.
//!
//! An address needs an `@`, so nothing but the spellings of `@` is looked for. One in plain ASCII is answered without
//! decoding; around any other, the bytes are decoded into units and handed to the grammar.

use fearless_simd::Level;

use super::plain::Verdict;
use super::unit::{self, Unit};
use super::{Finding, Form, Media, context, domain, grammar, plain, trigger};
use crate::class::Class;

/// How far back a window reaches at most: a local part of 64 octets in the longest spelling, and its neighbour.
pub(super) const REACH: usize = 65 * unit::LONGEST;

/// Hands every address of `document` to `found`, in the order in which they stand.
pub(super) fn scan(document: &[u8], media: Media, mut found: impl FnMut(Finding)) {
    // Where one `@` is a code and the next is none, both may claim the text between them: it is the first one's.
    let mut taken = 0;
    let mut found = |finding: Finding| {
        if finding.span.start >= taken {
            taken = taken.max(end_of_claim(&finding));
            found(finding);
        }
    };
    let level = Level::new();
    let (mut window, mut last) = (Window::default(), plain::LastDomain::default());
    trigger::each(level, document, |at| {
        let settled = at.form == Form::Plain
            && plain::find(level, document, at.start, media == Media::Html, &mut last, &mut found) == Verdict::Settled;
        if !settled && let Some(finding) = window.examine(document, at, media) {
            found(finding);
        }
    });
}

/// How far nothing else can be part of another address: through a domain that exists.
pub(super) fn end_of_claim(finding: &Finding) -> usize {
    if finding.marks.contains(Class::UnknownDomain) { 0 } else { finding.span.end }
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
