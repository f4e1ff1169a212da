//! The scan: from trigger to trigger, and around each a small decoded window.
//!
//! An address needs an `@`, so nothing but the spellings of `@` is looked for ([`triggers`]); the bytes around one are
//! decoded into units and handed to the grammar. The cost is that of a few SIMD passes plus a little for each `@`.

use super::unit::{self, Unit};
use super::{Finding, Form, Media, domain, grammar};

/// How far back a window reaches at most: a local part of 64 octets in the longest spelling, and its neighbour.
const REACH: usize = 65 * unit::LONGEST;
/// How many bytes are searched for one kind of trigger before the next kind, so that they are still in the cache.
const BLOCK: usize = 16 << 10;

/// Hands every address of `document` to `found`, in the order in which they stand.
pub(super) fn scan(document: &[u8], media: Media, mut found: impl FnMut(Finding)) {
    let mut window = Window::default();
    triggers(document, |at| {
        let Some(trigger) = trigger(document, at) else { return };
        if let Some(finding) = window.examine(document, trigger, media) {
            found(finding);
        }
    });
}

/// Calls `visit` with the position of every byte that may begin an `@`, in order.
fn triggers(document: &[u8], mut visit: impl FnMut(usize)) {
    for (number, block) in document.chunks(BLOCK).enumerate() {
        let base = number * BLOCK;
        let mut escapes = memchr::memchr_iter(b'\\', block).peekable();
        for at in memchr::memchr3_iter(b'@', b'&', b'%', block) {
            while let Some(escape) = escapes.next_if(|escape| *escape < at) {
                visit(base + escape);
            }
            visit(base + at);
        }
        escapes.for_each(|escape| visit(base + escape));
    }
}

/// The `@` that the byte at `at` begins, if it does. A reference that is an `@` is one in any text: nobody writes
/// `&#64;` to say anything else.
fn trigger(document: &[u8], at: usize) -> Option<Unit> {
    let rest = &document[at..];
    let (second, third) = (*rest.get(1)?, rest.get(2).copied());
    let possible = match rest[0] {
        b'@' => true,
        b'&' => matches!(second, b'#' | b'c'),
        b'%' => second == b'4' && third == Some(b'0'),
        _ => matches!(second, b'u' | b'x'),
    };
    possible.then(|| unit::read(document, at, true)).filter(|unit| unit.ch == '@')
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
        let border = document[limit..end].iter().rposition(|byte| is_border(*byte));
        let mut at = border.map_or(limit, |border| limit + border);
        if at + 1 >= end && border.is_some() {
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

/// Whether a unit can neither hold this byte, but as its last, nor a local part this character.
fn is_border(byte: u8) -> bool {
    match byte {
        b'@' | b' ' | b'<' | b'>' | b'"' | b'(' | b')' | b',' | b'[' | b']' | b':' | 0x7f => true,
        _ => byte < b' ',
    }
}
