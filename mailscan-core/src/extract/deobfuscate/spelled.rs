//! Spelled signs: `ann at example dot org`, `ann [at] example [dot] org` and their kin.
//!
//! Takes visible text. At every sign that may stand for `@`, the words on both sides are put together by the signs that
//! may stand for dots. Prose holds "at" far more often than an address does, so a bare word counts only where every dot
//! of the domain is spelled as well.

use super::super::domain;
use super::super::{Finding, context};
use super::visible::SEAM;

/// Words for `@` that count alone, and those that do in brackets.
const AT_WORDS: [&str; 3] = ["at", "arobase", "arroba"];
const AT_SIGNS: [&str; 8] = ["at", "ät", "arobase", "arroba", "chez", "affe", "a", "@"];
/// The one of East Asian keyboards, which no mail knows.
const WIDE_AT: &str = "\u{ff20}";
/// The same for the dot.
const DOT_WORDS: [&str; 6] = ["dot", "punkt", "point", "punto", "ponto", "period"];
const DOT_SIGNS: [&str; 7] = ["dot", "punkt", "point", "punto", "ponto", "period", "."];
/// What may stand around a sign: `[at]`, `-at-`.
const BRACKETS: [(u8, u8); 8] =
    [(b'[', b']'), (b'(', b')'), (b'{', b'}'), (b'<', b'>'), (b'-', b'-'), (b'_', b'_'), (b'*', b'*'), (b'|', b'|')];
/// Words that begin no domain after "at".
const PROSE: [&str; 15] =
    ["the", "an", "this", "that", "my", "our", "your", "its", "his", "her", "every", "each", "some", "any", "which"];
/// How many spaces may stand between a sign and a word.
const SPACES: usize = 3;
/// How many labels a domain, or dots a local part, may be spelled with.
const MOST_PARTS: usize = 12;

/// A sign in the text.
#[derive(Clone, Copy)]
struct Sign {
    start: usize,
    end: usize,
    /// Whether nothing but a sign is written so, as it is in brackets.
    sure: bool,
}

/// Hands every spelled address of `text` to `found`; spans are the text's.
pub(super) fn scan(text: &[u8], mut found: impl FnMut(Finding)) {
    let mut from = 0;
    for at in memchr::memchr3_iter(b'a', b'A', b'@', text) {
        // Within what was found already nothing begins.
        if at < from {
            continue;
        }
        if let Some(finding) = sign_around(text, at, &AT_WORDS, &AT_SIGNS).and_then(|sign| address(text, sign)) {
            from = finding.span.end;
            found(finding);
        }
    }
    // The one sign that begins with another letter.
    for at in memchr::memmem::find_iter(text, "ät".as_bytes()).chain(memchr::memmem::find_iter(text, b"chez")) {
        let sign = sign_around(text, at, &[], &AT_SIGNS);
        sign.and_then(|sign| address(text, sign)).into_iter().for_each(&mut found);
    }
    for start in memchr::memmem::find_iter(text, WIDE_AT.as_bytes()) {
        let sign = Sign { start, end: start + WIDE_AT.len(), sure: true };
        address(text, sign).into_iter().for_each(&mut found);
    }
}

/// The address around a sign for `@`.
fn address(text: &[u8], at: Sign) -> Option<Finding> {
    let (local, start) = local_part(text, at)?;
    let (domain, end) = domain_after(text, at)?;
    if context::is_no_address(text, start, at.start, end) {
        return None;
    }
    super::finding(&local, &domain, start..end)
}

/// The local part that ends before the sign, and where it begins.
fn local_part(text: &[u8], at: Sign) -> Option<(String, usize)> {
    let mut start = word_before(text, at.start)?;
    // `ann@a.org at noon`: the word is the domain of an address.
    if text[..start].ends_with(b"@") {
        return None;
    }
    let mut local = std::str::from_utf8(&text[start..before_spaces(text, at.start)]).ok()?.to_owned();
    for _ in 0..MOST_PARTS {
        let Some(dot) = dot_before(text, start) else { break };
        let Some(first) = word_before(text, dot.start) else { break };
        let word = std::str::from_utf8(&text[first..before_spaces(text, dot.start)]).ok()?;
        local.insert(0, '.');
        local.insert_str(0, word);
        start = first;
    }
    let fits = local.starts_with(|ch: char| ch.is_alphanumeric()) && !local.contains("..") && !local.ends_with('.');
    let is_sign = AT_WORDS.iter().chain(&DOT_WORDS).any(|word| local.eq_ignore_ascii_case(word));
    (fits && !is_sign).then_some((local, start))
}

/// Where the word begins that ends before `end`, spaces aside.
fn word_before(text: &[u8], end: usize) -> Option<usize> {
    let end = before_spaces(text, end);
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+') || *byte >= 0x80;
    let length = text[..end].iter().rev().take(65).take_while(|byte| inside(byte)).count();
    let trimmed = text[end - length..end].iter().take_while(|byte| matches!(byte, b'.' | b'-' | b'_')).count();
    (length > trimmed && length <= 64).then(|| end - length + trimmed)
}

/// The domain that begins after the sign, and where it ends.
fn domain_after(text: &[u8], at: Sign) -> Option<(String, usize)> {
    let mut start = after_spaces(text, at.end);
    let mut domain = String::new();
    let (mut spelled, mut plain, mut best) = (false, false, None);
    for _ in 0..MOST_PARTS {
        let length = label_length(&text[start..]);
        let label = std::str::from_utf8(&text[start..start + length]).ok().filter(|label| !label.is_empty());
        // What a label cannot go on with does not undo the domain before it.
        let Some(label) = label else { break };
        domain.push_str(label);
        let end = start + length;
        let known = domain::known_length(domain.as_bytes()).or_else(|| international_length(&domain));
        if known == Some(domain.len()) && (at.sure || (spelled && !plain)) {
            best = Some((domain.clone(), end));
        }
        let Some(dot) = dot_after(text, end) else { break };
        (spelled, plain) = (spelled || dot.sure, plain || !dot.sure);
        domain.push('.');
        start = after_spaces(text, dot.end);
    }
    let (domain, end) = best?;
    let first = domain.split('.').next().unwrap_or_default();
    let prose = !at.sure && PROSE.iter().any(|word| first.eq_ignore_ascii_case(word));
    (!prose).then_some((domain, end))
}

/// A domain with letters beyond ASCII, of which the short test knows nothing.
fn international_length(domain: &str) -> Option<usize> {
    let ascii = if domain.is_ascii() { None } else { idna::domain_to_ascii(domain).ok() }?;
    (domain::known_length(ascii.as_bytes())? == ascii.len()).then_some(domain.len())
}

fn label_length(text: &[u8]) -> usize {
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte >= 0x80;
    let length = text.iter().take(64).take_while(|byte| inside(byte)).count();
    // A hyphen at the end belongs to a sign such as `-dot-`, and so does what follows one.
    let signs = DOT_WORDS.iter().filter_map(|word| {
        let sign = format!("-{word}-");
        text[..length].windows(sign.len()).position(|part| part.eq_ignore_ascii_case(sign.as_bytes()))
    });
    let length = signs.min().unwrap_or(length);
    let capitals = text[..length].windows(3).position(|part| part == b"DOT").filter(|at| {
        *at > 0 && text[at - 1].is_ascii_lowercase() && text.get(at + 3).is_some_and(u8::is_ascii_lowercase)
    });
    let length = capitals.unwrap_or(length);
    length - text[..length].iter().rev().take_while(|byte| **byte == b'-').count()
}

/// The sign for a dot that follows a label, sure where it is spelled.
fn dot_after(text: &[u8], end: usize) -> Option<Sign> {
    let plain = text.get(end) == Some(&b'.');
    if plain && label_length(&text[end + 1..]) > 0 {
        return Some(Sign { start: end, end: end + 1, sure: false });
    }
    let next = after_spaces(text, end);
    (next..text.len().min(next + 3)).find_map(|at| {
        let sign = sign_around(text, at, &DOT_WORDS, &DOT_SIGNS)?;
        (sign.start >= end && after_spaces(text, end) >= sign.start).then_some(Sign { sure: true, ..sign })
    })
}

/// The sign for a dot that ends before the word at `start`.
fn dot_before(text: &[u8], start: usize) -> Option<Sign> {
    let end = before_spaces(text, start);
    let floor = end.saturating_sub(12);
    (floor..end).rev().find_map(|at| {
        let sign = sign_around(text, at, &DOT_WORDS, &DOT_SIGNS)?;
        (sign.end <= start && before_spaces(text, start) <= sign.end).then_some(sign)
    })
}

/// The sign whose word begins at `at`: in brackets, between spaces, or in capitals between small letters.
fn sign_around(text: &[u8], at: usize, words: &[&str], signs: &[&str]) -> Option<Sign> {
    let here = |word: &&&str| text.get(at..at + word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word.as_bytes()));
    bracketed(text, at, signs).or_else(|| {
        let word = words.iter().chain(signs.iter().filter(|sign| matches!(**sign, "@" | "."))).find(here)?;
        let end = at + word.len();
        let (before, after) = (at.checked_sub(1).map(|before| text[before]), text.get(end).copied());
        let space = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_whitespace() || byte == SEAM);
        let symbol = matches!(*word, "@" | ".");
        // `ann@a dot org` has its sign as it is.
        let raw = *word == "@" && after.is_some_and(|byte| byte.is_ascii_alphanumeric());
        // `<b>ann</b>@a.org`.
        let seam = |byte: Option<u8>| byte == Some(SEAM);
        if symbol && ((raw && seam(before)) || (seam(after) && !space(before))) {
            return Some(Sign { start: at, end, sure: true });
        }
        let capitals = text[at..end].iter().all(u8::is_ascii_uppercase);
        let small = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase());
        if (space(before) && space(after)) || (raw && !space(before)) {
            let alone = symbol && !raw || capitals && !is_shouted(text, at);
            return Some(Sign { start: at, end, sure: alone });
        }
        (capitals && small(before) && small(after)).then_some(Sign { start: at, end, sure: false })
    })
}

/// Whether the word before `at` is in capitals too, so that capitals say nothing.
fn is_shouted(text: &[u8], at: usize) -> bool {
    let end = before_spaces(text, at);
    let mut word = text[..end].iter().rev().take(64).take_while(|byte| byte.is_ascii_alphanumeric());
    word.all(|byte| !byte.is_ascii_lowercase())
}

/// The sign at `at` with the brackets around it.
fn bracketed(text: &[u8], at: usize, signs: &[&str]) -> Option<Sign> {
    let open = before_spaces(text, at).checked_sub(1)?;
    let (_, close) = BRACKETS.iter().find(|(left, _)| *left == text[open])?;
    signs.iter().find_map(|sign| {
        let end = at + sign.len();
        let same = text.get(at..end)?;
        let is_sign = same.eq_ignore_ascii_case(sign.as_bytes());
        let end = after_spaces(text, end);
        // A single letter in brackets is a list's mark or an argument, unless a word stands close before it.
        let letter = *sign == "a" && !(text[open] == b'(' && open > 0 && text[open - 1] == b' ');
        (is_sign && !letter && text.get(end) == Some(close)).then_some(Sign { start: open, end: end + 1, sure: true })
    })
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == SEAM
}

/// The place before up to a few spaces that end at `end`.
fn before_spaces(text: &[u8], end: usize) -> usize {
    let spaces = text[..end].iter().rev().take(SPACES).take_while(|byte| is_space(**byte)).count();
    let wide = text[..end - spaces].ends_with("\u{a0}".as_bytes());
    end - spaces - if wide { 2 } else { 0 }
}

/// The place after up to a few spaces that begin at `start`.
fn after_spaces(text: &[u8], start: usize) -> usize {
    let spaces = text[start..].iter().take(SPACES).take_while(|byte| is_space(**byte)).count();
    let wide = text[start + spaces..].starts_with("\u{a0}".as_bytes());
    start + spaces + if wide { 2 } else { 0 }
}
