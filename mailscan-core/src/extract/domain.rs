//! The domain: which of the units after an `@` are one, and whether it can exist.
//!
//! Labels are LDH or U-labels (IDNA), at least two, under a suffix of the public suffix list or one of the names that
//! are kept for documentation (RFC 2606). Anything else is [`super::unusual`]'s.

mod prose;

use std::net::Ipv4Addr;

use unicode_normalization::char::is_combining_mark;

use super::context;
use super::grammar::Around;
use super::{unit, unusual};
use crate::class::Classes;
use crate::class::rules::is_file_ending;

/// A domain that can exist.
pub(super) struct Domain {
    /// As written, decoded.
    pub(super) text: String,
    /// How many units it takes.
    pub(super) units: usize,
    /// The byte after it in the document.
    pub(super) end: usize,
    /// What it is that a domain in use is not.
    pub(super) classes: Classes,
}

/// Whether a domain may begin with what this byte begins: a letter, a digit, an encoded one, or a literal's bracket.
pub(super) fn may_begin(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'&' | b'%' | b'\\' | b'[')
}

/// Whether the character may stand in a label.
pub(super) fn is_label_char(ch: char) -> bool {
    ch.is_ascii_alphanumeric() || ch == '-' || is_international(ch)
}

/// Whether the character is a letter, digit or mark beyond ASCII, and no full-width form of an ASCII sign. Marks that
/// choose how another character looks, as beside an emoji, are none, nor are the numbers that count notes and items of a
/// list: fractions, superscripts, and what stands in circles, brackets or squares.
pub(super) fn is_international(ch: char) -> bool {
    !ch.is_ascii()
        && (ch.is_alphanumeric() || is_combining_mark(ch) || is_joiner(ch))
        && !matches!(ch, '\u{fe00}'..='\u{fe0f}' | '\u{20d0}'..='\u{20ff}' | '\u{e0100}'..='\u{e01ef}')
        && !matches!(ch, '\u{ff00}'..='\u{ffef}' | '\u{aa}' | '\u{ba}' | '\u{b2}'..='\u{b9}' | '\u{bc}'..='\u{be}')
        && !matches!(ch, '\u{2070}'..='\u{209c}' | '\u{2150}'..='\u{218f}' | '\u{2460}'..='\u{24ff}')
        && !matches!(ch, '\u{2776}'..='\u{2793}' | '\u{3200}'..='\u{33ff}' | '\u{1f100}'..='\u{1f1ff}')
}

/// Whether the character has no width and only says how its neighbours are joined.
pub(super) fn is_joiner(ch: char) -> bool {
    matches!(ch, '\u{200c}'..='\u{200d}')
}

/// Whether the character belongs to a script that is written without spaces between words.
pub(super) fn is_unspaced_script(ch: char) -> bool {
    matches!(ch, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{2e80}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Whether the character belongs to a script other than Latin that is written with spaces between words: Greek, Cyrillic,
/// Armenian, Hebrew, Arabic (the bar that lengthens its words included), those of India, Georgian and others.
pub(super) fn is_other_script(ch: char) -> bool {
    matches!(ch, '\u{370}'..='\u{dff}' | '\u{f00}'..='\u{fff}' | '\u{10a0}'..='\u{13ff}' | '\u{1c80}'..='\u{1cbf}'
        | '\u{1f00}'..='\u{1fff}' | '\u{2d00}'..='\u{2dff}' | '\u{a640}'..='\u{a69f}' | '\u{fb13}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fdff}'
        | '\u{fe70}'..='\u{fefc}')
}

/// The domain at the beginning of the right units.
pub(super) fn find(around: &Around<'_>) -> Option<Domain> {
    let run = around.right.iter().take_while(|unit| unit.ch == '.' || is_label_char(unit.ch)).count();
    let after = around.right.get(run).map(|unit| unit.ch);
    // `a@b.org@c.org` is no address, and neither half of it is. In `a@b.org或c@d.org` a word parts them.
    let parted = if after == Some('@') {
        let text: String = around.right[..run].iter().map(|unit| unit.ch).collect();
        Some(prose::before_word(text.get(..well_formed_length(&text))?)?)
    } else {
        None
    };
    // What joins letters joins nothing at the end.
    let run = run - around.right[..run].iter().rev().take_while(|unit| is_joiner(unit.ch)).count();
    // Behind two that are one stands a variable of a program or the version of a symbol far more often than a host.
    let doubled = unit::is_doubled(around.document, around.at.start);
    if run == 0 {
        return if after == Some('[') && !doubled { unusual::literal(around) } else { None };
    }
    let units = &around.right[..run];
    let text: String = units.iter().map(|unit| unit.ch).collect();
    let Some(length) = parted.or_else(|| existing_length(text.get(..well_formed_length(&text))?)) else {
        return if doubled { None } else { unusual::unknown(around, run, text) };
    };
    let count = text[..length].chars().count();
    if count == run && after == Some('_') && !context::is_emphasis_end(around, units[run - 1].end) {
        return None;
    }
    let end = units.get(count.checked_sub(1)?)?.end;
    let mut text = text;
    text.truncate(length);
    Some(Domain { text, units: count, end, classes: Classes::NONE })
}

/// How much of the ASCII domain characters is a domain that can exist.
pub(super) fn known_length(run: &[u8]) -> Option<usize> {
    if !run.first()?.is_ascii_alphanumeric() {
        return None;
    }
    if let Some(length) = common_length(run) {
        return Some(length);
    }
    let text = std::str::from_utf8(run).ok()?;
    existing_length(text.get(..well_formed_length(text))?)
}

/// The same for what nearly every domain is: lower case, under a common suffix, at most the end of a sentence after it.
fn common_length(run: &[u8]) -> Option<usize> {
    let domain = run.strip_suffix(b".").unwrap_or(run);
    // Then no label is too long either.
    if domain.len() > 63 || domain.last() == Some(&b'-') {
        return None;
    }
    let (mut top, mut before, mut lower) = (0, b'.', true);
    for (index, byte) in domain.iter().enumerate() {
        let part = matches!(before, b'.' | b'-');
        lower &= match byte {
            b'a'..=b'z' | b'0'..=b'9' => true,
            b'-' => before != b'.',
            _ => !part,
        };
        if *byte == b'.' {
            top = index + 1;
        }
        before = *byte;
    }
    (lower && top > 0 && is_common(&domain[top..])).then_some(domain.len())
}

/// Whether the top-level domain is one of the few that most addresses are under, which spares them the search through
/// the whole list.
#[inline]
pub(super) fn is_common(top: &[u8]) -> bool {
    match top.len() {
        2 => {
            let letter = |byte: u8| byte.wrapping_sub(b'a');
            letter(top[1]) < 26
                && COUNTRY_LETTERS.get(usize::from(letter(top[0]))).is_some_and(|row| row >> letter(top[1]) & 1 == 1)
        }
        3 => matches!(top, b"com" | b"org" | b"net" | b"edu" | b"gov"),
        4 => matches!(top, b"info" | b"test"),
        7 => matches!(top, b"example" | b"invalid"),
        _ => false,
    }
}

/// The countries of most addresses.
const COMMON_COUNTRIES: [[u8; 2]; 32] = [
    *b"de", *b"uk", *b"fr", *b"it", *b"es", *b"nl", *b"be", *b"ch", *b"at", *b"se", *b"no", *b"dk", *b"fi", *b"pl",
    *b"cz", *b"hu", *b"ro", *b"gr", *b"pt", *b"ie", *b"eu", *b"ru", *b"ua", *b"jp", *b"cn", *b"in", *b"au", *b"br",
    *b"ca", *b"us", *b"io", *b"kr",
];

/// For each first letter the second letters of the common countries, a bit each.
const COUNTRY_LETTERS: [u32; 26] = {
    let (mut rows, mut next) = ([0; 26], 0);
    while next < COMMON_COUNTRIES.len() {
        let [first, second] = COMMON_COUNTRIES[next];
        rows[(first - b'a') as usize] |= 1 << (second - b'a');
        next += 1;
    }
    rows
};

/// How much of the text is labels parted by single dots, none empty, none with a hyphen at either end.
pub(super) fn well_formed_length(text: &str) -> usize {
    let mut length = 0;
    for label in text.split('.') {
        let trimmed = label.trim_end_matches('-');
        if trimmed.is_empty() || label.starts_with('-') {
            break;
        }
        length += usize::from(length > 0) + trimmed.len();
        if trimmed.len() < label.len() {
            break;
        }
    }
    length
}

/// How much of the well-formed text is a domain that can exist: all of it, or what stands before glued prose.
fn existing_length(text: &str) -> Option<usize> {
    if let Some(length) = prose::before_ideographs(text).or_else(|| prose::before_sentence(text)) {
        return Some(length);
    }
    if is_known(text) { Some(text.len()) } else { prose::before_glued(text) }
}

/// Whether the domain has two labels or more, of at most 63 octets, and ends in a suffix in use.
fn is_known(domain: &str) -> bool {
    let ascii;
    let domain =
        if domain.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte)) {
            domain
        } else if domain.is_ascii() {
            ascii = domain.to_ascii_lowercase();
            &ascii
        } else {
            let Ok(converted) = idna::domain_to_ascii_cow(domain.as_bytes(), idna::AsciiDenyList::STD3) else {
                return false;
            };
            ascii = converted.into_owned();
            &ascii
        };
    let Some((_, top)) = domain.rsplit_once('.') else { return false };
    let reserved = matches!(top, "example" | "test" | "invalid");
    let short = domain.len() <= 255 && domain.split('.').all(|label| !label.is_empty() && label.len() <= 63);
    short && domain.parse::<Ipv4Addr>().is_err() && (reserved || is_public_suffix(domain))
}

fn is_public_suffix(domain: &str) -> bool {
    psl::suffix(domain.as_bytes()).is_some_and(|suffix| suffix.is_known())
}

/// Whether the domain is the rest of the name of a picture at a scale: `logo@2x.png` never gets here, `icon@2x.ai` and
/// `icon@1.5x.mov` do.
pub(super) fn is_scaled_file(domain: &str) -> bool {
    let Some((scale, top)) = domain.rsplit_once('.') else { return false };
    let scale = scale.strip_suffix(['x', 'X']).unwrap_or_default();
    let number = scale.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    number && !scale.is_empty() && is_file_ending(top.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_agrees_with_the_long_one() {
        for country in COMMON_COUNTRIES {
            let top = std::str::from_utf8(&country).unwrap();
            assert!(is_public_suffix(&format!("a.{top}")), "{top}");
        }
        let runs = "a.org a.org. a.b.com a..org a.-b.org a-.org a.org- a.org-. a-b.info 1.2.3.4 a.ORG a.org.Please -a.org \
                    .a.org a a. org a.test a.invalid a.co.uk a.nosuch a.1 1.de a--b.io a.org.. a.b-.c.de \
                    a.hu-n a.hu-n. a.com0171 a.co-op.de a.hu- a.us-east-1 a.nl0 a.b.de-x";
        for run in runs.split_whitespace() {
            let long = run
                .starts_with(|first: char| first.is_ascii_alphanumeric())
                .then(|| existing_length(&run[..well_formed_length(run)]))
                .flatten();
            assert_eq!(known_length(run.as_bytes()), long, "{run}");
        }
    }
}
