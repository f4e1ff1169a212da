//! Local parts that only their whole context shows: quoted ones, and those with signs that border addresses elsewhere.
//!
//! A quoted local part (RFC 5321) counts directly in angle brackets, directly after `mailto:`, and alone on its line;
//! signs such as `!` and `/` count in the first two (the grammar's business) and, with some care, in the last. Where
//! none of these contexts is there, the same bytes are a string of a program or a row of a table.

use super::grammar::{Around, Local};
use super::scan::REACH;
use super::unit::{self, Unit};
use super::{Form, context, domain, message_id};

/// The most opening brackets that are tried for one `@`.
const MOST_BRACKETS: usize = 4;
/// The most octets of a local part.
const LONGEST: usize = 64;

/// The local part before the `@`, where its context shows one.
pub(super) fn find(around: &Around<'_>, domain_end: usize) -> Option<Local> {
    let before = around.left.iter().rfind(|unit| unit.ch != '.' && !is_atom(unit.ch));
    if before.is_none_or(|unit| unit.ch != '"') {
        return alone(around, domain_end);
    }
    // What stands behind a quote, as in JSON-LD, is a name unless it is a literal or of several labels.
    let mut domain = around.right.iter().take_while(|unit| unit.end <= domain_end);
    if domain.any(|unit| matches!(unit.ch, '.' | '[')) { quoted(around, domain_end) } else { None }
}

/// A local part with a quoted string in it.
fn quoted(around: &Around<'_>, domain_end: usize) -> Option<Local> {
    let (document, end) = (around.document, around.at.start);
    let mut brackets = 0;
    for start in (end.saturating_sub(REACH)..end).rev() {
        match start.checked_sub(1).map(|before| document[before]) {
            None | Some(b'\n' | b'\r') => {
                return read_quoted(around, start).filter(|_| ends_line(document, domain_end));
            }
            Some(b'<') if brackets < MOST_BRACKETS => {
                brackets += 1;
                let closed = || document.get(domain_end) == Some(&b'>');
                if let Some(local) = read_quoted(around, start).filter(|_| closed()) {
                    return Some(local);
                }
            }
            Some(b';' | b'c' | b'C')
                if brackets < MOST_BRACKETS && message_id::opened(&document[..start]).is_some() =>
            {
                brackets += 1;
                let closed = || around.unit(domain_end).is_some_and(|unit| unit.ch == '>' && unit.form != Form::Plain);
                if let Some(local) = read_quoted(around, start).filter(|_| closed()) {
                    return Some(local);
                }
            }
            Some(b':') if context::ends_with_ignoring_case(&document[..start], b"mailto:") => {
                return read_quoted(around, start);
            }
            _ => {}
        }
    }
    None
}

/// Reads words parted by dots from `start` to the `@`, at least one of them quoted.
fn read_quoted(around: &Around<'_>, start: usize) -> Option<Local> {
    let mut local = Local { start, text: String::new(), form: Form::Plain };
    let (mut at, mut quotes, mut word) = (start, false, Word::None);
    while at < around.at.start {
        let unit = read(around, at)?;
        word = match (word, unit.ch) {
            (Word::None, '"') => Word::Open,
            (Word::Open, '"') => Word::Closed,
            (Word::Open, '\\') => {
                let escaped = escaped(around, &unit)?;
                local.take(&unit);
                local.take(&escaped);
                at = escaped.end;
                continue;
            }
            (Word::Open, ch) if !ch.is_control() => Word::Open,
            (Word::Atom | Word::Closed, '.') => Word::None,
            (Word::None | Word::Atom, ch) if is_atom(ch) => Word::Atom,
            _ => return None,
        };
        quotes |= word == Word::Closed;
        local.take(&unit);
        at = unit.end;
        if local.text.len() > LONGEST {
            return None;
        }
    }
    (quotes && at == around.at.start && matches!(word, Word::Atom | Word::Closed)).then_some(local)
}

/// What the backslash takes its meaning from: it stands as it is, unless the backslash does not.
fn escaped(around: &Around<'_>, backslash: &Unit) -> Option<Unit> {
    let at = backslash.end;
    let ch = char::from(*around.document.get(at)?);
    let raw = Unit { ch, start: at, end: at + 1, form: Form::Plain };
    let unit = if backslash.form == Form::Plain { raw } else { read(around, at)? };
    (' '..='~').contains(&unit.ch).then_some(unit)
}

/// The unit at `at`, in which a backslash and an `@` stand for themselves: here they belong to the grammar of mail.
fn read(around: &Around<'_>, at: usize) -> Option<Unit> {
    match around.document.get(at)? {
        sign @ (b'\\' | b'@') => Some(Unit { ch: char::from(*sign), start: at, end: at + 1, form: Form::Plain }),
        _ => around.unit(at),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// A word has to begin.
    None,
    Atom,
    /// Inside of a quoted string.
    Open,
    /// Behind one.
    Closed,
}

/// A local part with signs, alone on its line.
fn alone(around: &Around<'_>, domain_end: usize) -> Option<Local> {
    let document = around.document;
    // Each byte is at least one octet of the local part, since nothing in it is encoded.
    let before = document[..around.at.start].iter().rev().take(LONGEST + 1);
    let length = before.take_while(|byte| !byte.is_ascii() || is_atom_or_dot(**byte)).count();
    let start = around.at.start - length;
    if length == 0 || length > LONGEST || !begins_line(document, start) || !ends_line(document, domain_end) {
        return None;
    }
    let mut local = Local { start, text: String::new(), form: Form::Plain };
    let mut at = start;
    while at < around.at.start {
        let unit = unit::read(document, at, around.references);
        // What is encoded is part of a larger text, such as a query.
        if unit.form != Form::Plain || !(unit.ch == '.' || is_atom(unit.ch)) {
            return None;
        }
        local.take(&unit);
        at = unit.end;
    }
    // Looked at from the address outwards: only for the first and the last of a document is that far.
    let blank_before = || document[..start].trim_ascii_end().is_empty();
    let whole = || document[domain_end..].trim_ascii_start().is_empty() && blank_before();
    let fits = around.at.form == Form::Plain && at == around.at.start && local.text.len() <= LONGEST;
    (fits && stands_for_itself(&local.text, whole)).then_some(local)
}

/// Whether a text of atoms and dots with signs among them is a local part, rather than one behind a bullet, a name of a
/// setting, a path or a template.
fn stands_for_itself(text: &str, whole: impl Fn() -> bool) -> bool {
    let rest = text.trim_start_matches(|ch| "#*/|~=^'`{}&%!?+-._".contains(ch));
    let clean = |text: &str| !text.contains(|ch: char| ch.is_ascii_punctuation() && !"-._+".contains(ch));
    let setting = rest.split_once('=').is_some_and(|(name, _)| clean(name));
    let path = text.starts_with(['/', '~']) && text.contains('/') || text.matches('/').count() > 1;
    let column = text.contains(['|', '`', '{', '}']) && !whole();
    let template = text.split('{').skip(1).any(|inside| inside.starts_with(char::is_alphanumeric));
    let query = text.split_once('?').is_some_and(|(_, fields)| fields.contains('='));
    let dots = text.starts_with('.') || text.ends_with('.') || text.contains("..");
    !clean(rest.trim_start_matches('$')) | (!clean(text) && rest.is_empty() | text.starts_with('$'))
        && !(setting || path || column || template || query || dots)
}

fn is_atom(ch: char) -> bool {
    ch.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(ch) || domain::is_international(ch)
}

fn is_atom_or_dot(byte: u8) -> bool {
    byte == b'.' || is_atom(char::from(byte))
}

fn begins_line(document: &[u8], start: usize) -> bool {
    start.checked_sub(1).is_none_or(|before| matches!(document[before], b'\n' | b'\r'))
}

/// Whether nothing stands on the line from `end` on, but for white space and the end of a sentence.
fn ends_line(document: &[u8], end: usize) -> bool {
    let rest = &document[end.min(document.len())..];
    let marks = rest.iter().take_while(|byte| b".,;!?".contains(byte)).count();
    let blank = rest[marks..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).take(REACH).count();
    rest.get(marks + blank).is_none_or(|byte| matches!(byte, b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::super::{Media, addresses};
    use super::*;

    #[test]
    fn what_stands_for_itself() {
        for text in
            ["!def!xyz%abc", "$A12345", "customer/department=shipping", "test/test", "user%host", "a!b", "#!$%&'*"]
        {
            assert!(stands_for_itself(text, || false), "{text}");
        }
        for text in [
            "#ann",
            "*ann",
            "~ann",
            "MAIL_FROM=ann",
            "?a=1&ann",
            "/home/ann",
            "a/b/c",
            "a|ann",
            "{ann}",
            "a!..b",
            "p?id=1&ann",
        ] {
            assert!(!stands_for_itself(text, || false), "{text}");
        }
        assert!(stands_for_itself("a|b`{}", || true));
    }

    #[test]
    fn blanks_around_a_list_are_not_gone_over_for_each_of_its_lines() {
        let search = |document: &str| {
            let mut found = Vec::new();
            addresses(document.as_bytes(), Media::Text, |finding| found.push(finding.address));
            found
        };
        let (list, blanks) = ("a|b@c.de\n".repeat(20_000), " ".repeat(4_000_000));
        // Gone over for each line, they would take minutes.
        assert_eq!(search(&format!("{blanks}\n{list}{blanks}")), search(&list));
    }
}
