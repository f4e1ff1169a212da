//! The grammar: which of the units around an `@` are the local part, and whether the whole is an address.
//!
//! Takes a decoded window from the scan and answers with a finding. A local part is a dot-atom (RFC 5322), with the
//! letters of any script (RFC 6531), less what running text and markup glue on: most of the signs that the standard
//! allows border addresses far more often than they are in them. They count where the whole context shows an address:
//! directly in angle brackets, or directly after `mailto:`.

use super::domain::{self, Domain};
use super::unit::{self, Unit};
use super::{Finding, Form, context, front, glued, shown, unusual};
use crate::address::Address;

/// One `@` and the units on both sides of it.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) document: &'a [u8],
    pub(super) at: Unit,
    /// What stands before, from a border on.
    pub(super) left: &'a [Unit],
    /// What stands after: domain characters and, unless the document ends, one unit that is none.
    pub(super) right: &'a [Unit],
    /// Whether `left` reaches back to a border or to the document's first byte.
    pub(super) whole: bool,
    /// Whether character references count.
    pub(super) references: bool,
}

impl Around<'_> {
    /// The unit that begins at the byte `at`, or behind soft breaks there.
    pub(super) fn unit(&self, at: usize) -> Option<Unit> {
        let mut at = at;
        while at < self.document.len() {
            let unit = unit::read(self.document, at, self.references);
            if !unit::soft::is_break(unit.ch) {
                return Some(unit);
            }
            at = unit.end;
        }
        None
    }
}

/// A local part.
#[derive(Debug)]
pub(super) struct Local {
    /// Its first byte in the document.
    pub(super) start: usize,
    /// As written, decoded.
    pub(super) text: String,
    /// How the first unit that is not plain was written.
    pub(super) form: Form,
}

impl Local {
    /// Adds a unit to the end.
    pub(super) fn take(&mut self, unit: &Unit) {
        self.text.push(unit.ch);
        if self.form == Form::Plain {
            self.form = unit.form;
        }
    }
}

/// The address at this `@`, behind which this domain stands.
pub(super) fn find(around: &Around<'_>, domain: &Domain) -> Option<Finding> {
    finding(around, domain, &local_part(around, domain.end)?)
}

/// The finding that a local part and a domain make, unless they stand where no address does. Its marks are those of its
/// domain alone.
pub(super) fn finding(around: &Around<'_>, domain: &Domain, local: &Local) -> Option<Finding> {
    let whole = glued::whole(around.document, local, domain.end);
    let local = whole.as_ref().unwrap_or(local);
    let (document, span) = (around.document, local.start..domain.end);
    if context::is_no_address(document, span.start, around.at.start, span.end)
        || domain::is_scaled_file(&domain.text)
        || unusual::is_no_host(document, span.start, span.end, &domain.text)
    {
        return None;
    }
    let address = Address::new(&local.text, &domain.text)?;
    let domain_form = around.right.iter().take(domain.units).map(|unit| unit.form).find(|form| *form != Form::Plain);
    let form = [around.at.form, local.form].into_iter().find(|form| *form != Form::Plain).or(domain_form);
    let marks = context::marks(document, &span, around.at.start, domain.classes);
    Some(Finding { address, span, form: form.unwrap_or(Form::Plain), marks })
}

/// The local part before the `@`, if there is one.
fn local_part(around: &Around<'_>, domain_end: usize) -> Option<Local> {
    let next_unit = around.unit(domain_end);
    let start = match shown_start(around, next_unit) {
        Some(start) => start,
        None => match shown::find(around, domain_end) {
            Some(local) => return Some(local),
            None => local_start(around, next_unit)?,
        },
    };
    let mut local = Local { start: around.left[start].start, text: String::new(), form: Form::Plain };
    around.left[start..].iter().for_each(|unit| local.take(unit));
    Some(local)
}

/// Where in the left units the local part begins, if there is one.
fn local_start(around: &Around<'_>, next_unit: Option<Unit>) -> Option<usize> {
    let (left, next) = (around.left, next_unit.map(|unit| unit.ch));
    let last = left.last()?.ch;
    if !is_word(last) {
        return None;
    }
    let mut start = left.len() - 1;
    let mut holds_letter = last.is_ascii_alphabetic();
    while start > 0 && continues(left, start - 1) && !is_glued_prose(left, start - 1, holds_letter) {
        start -= 1;
        holds_letter |= left[start].ch.is_ascii_alphabetic();
    }
    let before = start.checked_sub(1).map(|before| left[before].ch);
    if before == Some('@') || (start == 0 && !around.whole) {
        return None;
    }
    // `почта-info@a.org`: what joins the words is prose too.
    if before.is_some_and(domain::is_other_script) && is_glued_prose(left, start - 1, holds_letter) {
        start += left[start..].iter().take_while(|unit| matches!(unit.ch, '-' | '.' | '_')).count();
    }
    start += front::length(around.document, left.get(start)?.start);
    if start == left.len() {
        return None;
    }
    start = after_query_sign(around, start, before);
    start = after_dots(left, start)?;
    start = after_quote(left, start, next_unit.filter(|next| !context::is_possessive(around, next.end)));
    while start < left.len() && is_trimmed(left, start, next) {
        start += 1;
    }
    if left.get(start)?.ch == '.' {
        return None;
    }
    let octets: usize = left[start..].iter().map(|unit| unit.ch.len_utf8()).sum();
    (start < left.len() && octets <= 64).then_some(start)
}

/// Where a local part begins that its context shows to be one, with every sign that RFC 5322 allows.
fn shown_start(around: &Around<'_>, next: Option<Unit>) -> Option<usize> {
    let left = around.left;
    // A bracket may be written in a code, which is no border of a window.
    let opening = left.iter().rposition(|unit| unit.ch == '<').unwrap_or(0);
    let border = left.get(opening)?;
    let atoms = &left[opening + 1..];
    let shown = match border.ch {
        '<' => next.is_some_and(|next| next.ch == '>' && next.form == border.form),
        ':' => context::ends_with_ignoring_case(&around.document[..border.end], b"mailto:"),
        _ => false,
    };
    // As in a form.
    let plus_is_space = around.at.form == Form::PercentEncoded
        && border.ch != ':'
        && atoms.iter().any(|unit| unit.ch == '+' && unit.form == Form::Plain);
    let atom = |index: usize| match left[index].ch {
        // `mailto://` is a habit of people, not part of the address.
        '/' => index > opening + 1,
        '.' => index > opening + 1 && left.get(index + 1).is_some_and(|unit| unit.ch != '.'),
        // Braces after `mailto:` are a template's.
        '{' | '}' | '`' => border.ch == '<',
        // What is behind a question mark may be the fields of a query.
        '?' => {
            (border.ch == '<' || left[index].form == Form::PercentEncoded)
                && !left[index..].iter().any(|unit| unit.ch == '=')
        }
        ch => "!#$*=^|~".contains(ch) || continues(left, index),
    };
    let octets: usize = atoms.iter().map(|unit| unit.ch.len_utf8()).sum();
    let fits = shown && !plus_is_space && !atoms.is_empty() && octets <= 64;
    (fits && (opening + 1..left.len()).all(atom)).then_some(opening + 1)
}

/// Whether the unit at `index` goes on a local part that holds the unit after it.
fn continues(left: &[Unit], index: usize) -> bool {
    let ch = left[index].ch;
    // A sign inside a name stands between letters; anything else is quoting, concatenation or a query.
    let between = || {
        let before = index.checked_sub(1).map(|before| left[before].ch);
        let after = left.get(index + 1).map(|after| after.ch);
        before.is_some_and(char::is_alphanumeric) && after.is_some_and(char::is_alphanumeric)
    };
    ch == '.' || is_word(ch) || (matches!(ch, '\'' | '&' | '%') && between())
}

/// A `&` in a query parts its fields, and a `+` beside a percent-encoded `@` is a form's space.
fn after_query_sign(around: &Around<'_>, start: usize, before: Option<char>) -> usize {
    let last_of =
        |sign: char| around.left[start..].iter().rposition(|unit| unit.ch == sign && unit.form == Form::Plain);
    let in_query = matches!(before, Some('=' | '?'));
    let form_space =
        around.at.form == Form::PercentEncoded && !context::is_in_mailto(around.document, around.left[start].start);
    let field = if in_query { last_of('&') } else { None };
    let space = if form_space { last_of('+') } else { None };
    start + field.max(space).map_or(0, |sign| sign + 1)
}

/// Three dots or more are an ellipsis before the address; one or two at its beginning, or two in it, are a slip, and
/// nobody's address.
fn after_dots(left: &[Unit], start: usize) -> Option<usize> {
    let Some(second) = left[start..].windows(2).rposition(|pair| pair[0].ch == '.' && pair[1].ch == '.') else {
        return Some(start);
    };
    let dots = left[start..start + second + 2].iter().rev().take_while(|unit| unit.ch == '.').count();
    (dots > 2).then_some(start + second + 2)
}

/// `b'ann@a.org'` is a quoted string: a quote after the domain belongs to the last one before it that is written as it is.
/// One that is escaped stands inside of the string, as in `'sean.o&#39;neil@a.org'`.
fn after_quote(left: &[Unit], start: usize, next: Option<Unit>) -> usize {
    let quote = next
        .filter(|next| next.ch == '\'')
        .and_then(|next| left[start..].iter().rposition(|unit| unit.ch == '\'' && unit.form == next.form));
    start + quote.map_or(0, |quote| quote + 1)
}

/// Scripts that are written without spaces run into an address that follows, and what others write before one is glued on
/// now and then: it begins where ASCII does. In the others a name may have a number, so that a letter must follow:
/// `info@a.org` is the address in `почтаinfo@a.org`, `почта2@a.org` is one.
fn is_glued_prose(left: &[Unit], index: usize, letter_follows: bool) -> bool {
    let ch = left[index].ch;
    let glued = domain::is_unspaced_script(ch) || (letter_follows && domain::is_other_script(ch));
    glued && left.last().is_some_and(|unit| unit.ch.is_ascii())
}

/// Whether the unit at `start` is a neighbour that looks like the first sign of the local part.
fn is_trimmed(left: &[Unit], start: usize, next: Option<char>) -> bool {
    match left[start].ch {
        '-' | '\'' | '&' | '%' | '\u{200c}'..='\u{200d}' => true,
        // A telephone number keeps its plus; a diff's does not belong to the line.
        '+' => !left.get(start + 1).is_some_and(|unit| unit.ch.is_ascii_digit()),
        // Emphasis comes in pairs.
        '_' => next == Some('_'),
        _ => false,
    }
}

/// Whether a local part can begin and end with this character.
fn is_word(ch: char) -> bool {
    ch.is_ascii_alphanumeric() || matches!(ch, '_' | '-' | '+') || domain::is_international(ch)
}
