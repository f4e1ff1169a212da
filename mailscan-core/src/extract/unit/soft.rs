//! Soft breaks: what says where a line may break and stands for nothing else, as in `ann.<wbr>lee@a.org`.
//!
//! Authors and programs write them into whatever is long, so that they part no address.

use super::{Form, Unit};

/// The soft hyphen, which a tag `<wbr>` is read as.
pub(super) const HYPHEN: char = '\u{ad}';
/// A space of no width. Some part words by it, so it counts as a soft break only beside a sign.
const SPACE: char = '\u{200b}';

/// What `\:` of manuals is read as, by which roff may break a line (groff_man, `@\:` and `\:.`). No text holds this
/// character. Elsewhere the sign is an escaped colon, so that it is a break only within a domain.
pub(in super::super) const ROFF: char = '\u{fdd0}';

/// The length of the tag `<wbr>` that the bytes begin with.
pub(super) fn tag(bytes: &[u8]) -> Option<usize> {
    TAGS.iter().map(|tag| tag.len()).find(|length| bytes.get(..*length).is_some_and(is_tag))
}

/// Where the tag `<wbr>` begins that ends at `end`, if one does.
pub(in super::super) fn tag_before(document: &[u8], end: usize) -> Option<usize> {
    let before = document.get(..end).filter(|before| before.ends_with(b">"))?;
    let start = TAGS.iter().filter_map(|tag| before.len().checked_sub(tag.len()));
    start.into_iter().find(|start| is_tag(&before[*start..]))
}

/// Whether the tag `<wbr>` begins at `at`.
pub(in super::super) fn is_tag_at(document: &[u8], at: usize) -> bool {
    document.get(at) == Some(&b'<') && tag(&document[at..]).is_some()
}

/// How the tag is written, in any letter case.
const TAGS: [&[u8]; 3] = [b"<wbr>", b"<wbr/>", b"<wbr />"];

fn is_tag(bytes: &[u8]) -> bool {
    TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(bytes))
}

/// Whether the character is a soft break wherever it stands.
pub(in super::super) fn is_break(ch: char) -> bool {
    matches!(ch, HYPHEN | '\u{2060}' | '\u{feff}')
}

/// Whether it is one where it stands beside a sign, or among ASCII.
pub(in super::super) fn may_be(ch: char) -> bool {
    is_break(ch) || ch == SPACE || is_joiner(ch)
}

/// Whether the character joins or parts letters of scripts whose letters are joined. Among ASCII it says nothing.
fn is_joiner(ch: char) -> bool {
    matches!(ch, '\u{200c}' | '\u{200d}')
}

/// Takes the soft breaks out of units that follow each other, beside which the `@` may stand at either end. Where one stands
/// within what may be an address, the unit before it is no longer plain, as the address is not; behind the `@`, the one after.
pub(in super::super) fn take_out(units: &mut Vec<Unit>) {
    if !units.iter().any(|unit| may_be(unit.ch)) {
        return;
    }
    let all = std::mem::take(units);
    let mut is_behind_at = false;
    for (index, unit) in all.iter().enumerate() {
        let next = all[index + 1..].iter().find(|next| !is_break(next.ch));
        let is_soft = is_break(unit.ch)
            || (unit.ch == SPACE && (is_sign(units.last()) || is_sign(next)))
            || (is_joiner(unit.ch) && is_ascii(units.last()) && is_ascii(next));
        if !is_soft {
            units.push(if is_behind_at && unit.ch != '@' && is_inside(Some(unit)) { written(*unit) } else { *unit });
            is_behind_at = false;
            continue;
        }
        match units.last_mut().filter(|before| before.ch != '@') {
            None => is_behind_at = true,
            Some(before) if is_inside(Some(before)) && is_inside(next) => *before = written(*before),
            Some(_) => {}
        }
    }
}

/// Whether the unit is in ASCII, as the `@` is beyond an end.
fn is_ascii(unit: Option<&Unit>) -> bool {
    unit.is_none_or(|unit| unit.ch.is_ascii())
}

/// Takes out of the units behind an `@` the breaks of roff that stand beside it or beside a dot. The unit after one is no
/// longer plain.
pub(in super::super) fn take_out_of_domain(units: &mut Vec<Unit>) {
    if !units.iter().any(|unit| unit.ch == ROFF) {
        return;
    }
    let all = std::mem::take(units);
    let mut is_behind = false;
    for (index, unit) in all.iter().enumerate() {
        let next_is_dot = all.get(index + 1).is_some_and(|next| next.ch == '.');
        let is_soft = unit.ch == ROFF && (next_is_dot || units.last().is_none_or(|before| before.ch == '.'));
        if !is_soft {
            let form = if is_behind && unit.form == Form::Plain { Form::Escaped } else { unit.form };
            units.push(Unit { form, ..*unit });
        }
        is_behind = is_soft;
    }
}

/// Whether a space of no width beside it parts no words.
fn is_sign(unit: Option<&Unit>) -> bool {
    unit.is_none_or(|unit| matches!(unit.ch, '.' | '-' | '_' | '+' | '@'))
}

/// Whether it may be part of an address, or is the `@` at the end.
fn is_inside(unit: Option<&Unit>) -> bool {
    unit.is_none_or(|unit| unit.ch.is_alphanumeric()) || is_sign(unit)
}

/// The unit as one that is not written as it is.
fn written(unit: Unit) -> Unit {
    Unit { form: if unit.form == Form::Plain { Form::CharacterReference } else { unit.form }, ..unit }
}
