//! The slow reference: the same addresses by the plainest means.
//!
//! Decodes the whole document, character by character, and at every `@` tries each length of the local part, the
//! longest first, against the rules as sentences. It shares with the fast extractor what one unit is, which domains
//! exist, which contexts are none and which codes run into a local part, and nothing of how windows are cut and local
//! parts are walked.

use super::grammar::{self, Around, Local};
use super::message_id::Ids;
use super::unit::{self, Unit};
use super::{Finding, Form, Media, context, domain, front, scan, shown};

/// Every address of `document`, in order.
pub(super) fn addresses(document: &[u8], media: Media) -> Vec<Finding> {
    let (with, without) = (decode(document, true), decode(document, false));
    let mut found: Vec<Finding> = Vec::new();
    for (index, unit) in with.iter().enumerate().filter(|(_, unit)| unit.ch == '@') {
        let behind = || document[unit.start] == b'@' && goes_on_in_reference(document, unit.start);
        let finding = if media == Media::Html || unit.form == Form::CharacterReference || behind() {
            at_sign(document, &with, index, true)
        } else {
            let index = without.iter().position(|other| other == unit);
            index.and_then(|index| at_sign(document, &without, index, false))
        };
        let taken = found.iter().map(|found| scan::end_of_claim(&found.span, found.marks)).max().unwrap_or(0);
        found.extend(finding.filter(|finding| finding.span.start >= taken).map(|finding| {
            // Nothing is remembered from one to the next.
            let marks = Ids::default().mark(document, finding.span.start, finding.marks);
            Finding { marks, ..finding }
        }));
    }
    found
}

/// Whether a numeric reference stands right before the letters and signs before the raw `@` at `at`.
fn goes_on_in_reference(document: &[u8], at: usize) -> bool {
    let is_local = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-+".contains(byte);
    let start = document[..at].iter().rposition(|byte| !is_local(byte)).map_or(0, |before| before + 1);
    at - start <= 64 && unit::is_behind_reference(document, start)
}

fn decode(document: &[u8], references: bool) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    while let Some(at) = Some(units.last().map_or(0, |unit| unit.end)).filter(|at| *at < document.len()) {
        units.push(unit::read(document, at, references));
    }
    unit::soft::take_out(&mut units);
    units
}

fn at_sign(document: &[u8], units: &[Unit], index: usize, references: bool) -> Option<Finding> {
    let (left, right) = (&units[..index], &units[index + 1..]);
    let mut right = right[..right.len().min(257)].to_vec();
    unit::soft::take_out_of_domain(&mut right);
    let right = &right[..];
    let around = Around { document, at: units[index], left, right, whole: true, references };
    let too_long = right.len() == 257 && right.iter().all(|unit| unit.ch == '.' || domain::is_label_char(unit.ch));
    let domain = domain::find(&around).filter(|_| !too_long)?;
    let next_unit = around.unit(domain.end);
    let text: String = left.iter().map(|unit| unit.ch).collect();
    let local = match local_start(&around, &text, next_unit, true) {
        Some(start) => local(left, start),
        None => match shown::find(&around, domain.end) {
            Some(local) => local,
            None => local(left, local_start(&around, &text, next_unit, false)?),
        },
    };
    grammar::finding(&around, &domain, &local)
}

fn local(left: &[Unit], start: usize) -> Local {
    let mut local = Local { start: left[start].start, text: String::new(), form: Form::Plain };
    left[start..].iter().for_each(|unit| local.take(unit));
    local
}

/// The index of the unit where the local part begins.
fn local_start(around: &Around<'_>, text: &str, next_unit: Option<Unit>, shown: bool) -> Option<usize> {
    let next = next_unit.map(|unit| unit.ch);
    let chars: Vec<char> = text.chars().collect();
    let byte = |start: usize| around.left.get(start).map_or(around.at.start, |unit| unit.start);
    // Up to the unit before: soft breaks stand for nothing.
    let before = |start: usize| start.checked_sub(1).map_or(0, |before| around.left[before].end);
    let raw_mailto = |start: usize| around.document[..before(start)].to_ascii_lowercase().ends_with(b"mailto:");
    let percent = around.at.form == Form::PercentEncoded;
    if !shown {
        return word_start(around, &chars, next_unit, &|start| context::is_in_mailto(around.document, byte(start)));
    }
    // Shown by its context: from directly after a raw border to the `@`.
    let start = (0..chars.len()).rev().take_while(|start| shown_char(chars[*start])).last().filter(|start| {
        let form = |at: usize| around.left[at].form;
        let opened =
            *start > 0 && chars[*start - 1] == '<' && next_unit.is_some_and(|next| next.form == form(*start - 1));
        let question = |at: usize| chars[at] == '?' && form(at) != Form::PercentEncoded;
        let query = (*start..chars.len()).any(question);
        let space = |at: usize| percent && chars[at] == '+' && form(at) == Form::Plain;
        let spaces = (*start..chars.len()).any(space);
        (opened && next == Some('>') && !spaces && is_shown(&chars[*start..], true))
            || (raw_mailto(*start) && !query && is_shown(&chars[*start..], false))
    });
    start.filter(|start| octets(&chars[*start..]) <= 64)
}

/// The index of the unit where a local part of words begins.
fn word_start(
    around: &Around<'_>,
    chars: &[char],
    next_unit: Option<Unit>,
    in_mailto: &impl Fn(usize) -> bool,
) -> Option<usize> {
    let (percent, next) = (around.at.form == Form::PercentEncoded, next_unit.map(|unit| unit.ch));
    // The longest run of words, dots and signs between letters.
    let spaced =
        |at: usize| domain::is_other_script(chars[at]) && chars[at + 1..].iter().any(char::is_ascii_alphabetic);
    let glued_script =
        |at: usize| (domain::is_unspaced_script(chars[at]) || spaced(at)) && chars[chars.len() - 1].is_ascii();
    let run = (0..chars.len()).rev().take_while(|at| goes_on(chars, *at) && !glued_script(*at)).last()?;
    if !word(*chars.last()?) || (run > 0 && chars[run - 1] == '@') {
        return None;
    }
    let field = run > 0 && matches!(chars[run - 1], '=' | '?');
    let joins = |at: &usize| "-._".contains(chars[*at]);
    let joined = run > 0 && glued_script(run - 1) && spaced(run - 1);
    let run = if joined { (run..chars.len()).find(|at| !joins(at))? } else { run };
    let run = run + front::length(around.document, around.left[run].start);
    let plain = |at: usize, sign: char| chars[at] == sign && around.left[at].form == Form::Plain;
    let mut start = run;
    for at in run..chars.len() {
        if (field && plain(at, '&')) || (percent && !in_mailto(run) && plain(at, '+')) {
            start = at + 1;
        }
    }
    let rest: String = chars[start..].iter().collect();
    if let Some((before, _)) = rest.rsplit_once("..") {
        // The last two dots of any row of them: two alone are a slip.
        if !before.ends_with('.') {
            return None;
        }
        start += before.chars().count() + 2;
    }
    let cuts = |at: &usize| {
        chars[*at] == '\''
            && next == Some('\'')
            && !next_unit.is_some_and(|next| context::is_possessive(around, next.end))
            && Some(around.left[*at].form) == next_unit.map(|unit| unit.form)
    };
    start = (start..chars.len()).rev().find(cuts).map_or(start, |at| at + 1);
    while start < chars.len() {
        let digit_follows = chars.get(start + 1).is_some_and(char::is_ascii_digit);
        let trimmed = matches!(chars[start], '-' | '\'' | '&' | '%' | '\u{200c}'..='\u{200d}')
            || (chars[start] == '+' && !digit_follows)
            || (chars[start] == '_' && next == Some('_'));
        if !trimmed {
            break;
        }
        start += 1;
    }
    // A dot at the beginning is a slip too, unless signs of the neighbours stand before it.
    (start < chars.len() && chars[start] != '.' && octets(&chars[start..]) <= 64).then_some(start)
}

fn octets(chars: &[char]) -> usize {
    chars.iter().map(|ch| ch.len_utf8()).sum()
}

fn word(ch: char) -> bool {
    ch.is_ascii_alphanumeric() || "_-+".contains(ch) || domain::is_international(ch)
}

fn goes_on(chars: &[char], at: usize) -> bool {
    let letter = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|ch| ch.is_alphanumeric());
    let between = letter(at.checked_sub(1)) && letter(Some(at + 1));
    chars[at] == '.' || word(chars[at]) || ("'&%".contains(chars[at]) && between)
}

fn shown_char(ch: char) -> bool {
    word(ch) || ".!#$%&'*/=?^`{|}~".contains(ch)
}

fn is_shown(chars: &[char], in_brackets: bool) -> bool {
    let text: String = chars.iter().collect();
    let signs = chars.iter().enumerate().all(|(at, ch)| match ch {
        '\'' | '&' | '%' => goes_on(chars, at),
        '{' | '}' | '`' => in_brackets,
        _ => true,
    });
    let query = text.split_once('?').is_some_and(|(_, fields)| fields.contains('='));
    let dots = !query && !text.contains("..") && !text.starts_with(['.', '/']) && !text.ends_with('.');
    !text.is_empty() && dots && signs
}
