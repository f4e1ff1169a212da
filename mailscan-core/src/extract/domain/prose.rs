//! Prose that runs on behind a domain without a space: a word in another script, a sentence, an ending of the language.
//!
//! Takes the well-formed text behind an `@` and answers how long the domain before the prose is, which must be one that
//! can exist. Endings and numbers count behind countries and the common domains alone: names of machines and of parts of a
//! program are built with hyphens and digits too, under suffixes such as `dev` and `app`.

use super::{is_common, is_known, is_other_script, is_unspaced_script};
use crate::class::rules::is_file_ending;

/// The length up to prose in an unspaced script that runs on after an ASCII domain: `ann@a.org请`.
pub(super) fn before_ideographs(text: &str) -> Option<usize> {
    before_script(text, is_unspaced_script)
}

/// The length up to a word in another script that parts the domain from the next address: `ann@a.org或bob@b.org`.
pub(super) fn before_word(text: &str) -> Option<usize> {
    before_script(text, |ch| is_unspaced_script(ch) || is_other_script(ch))
}

/// The length up to a sentence that follows without a space: `ann@a.org.Please`.
pub(super) fn before_sentence(text: &str) -> Option<usize> {
    let (head, last) = text.rsplit_once('.')?;
    let top = head.rsplit('.').next()?;
    // `ann@a.co.JP` is a habit, `ann@a.co.Jp` is none.
    let capitalised = last.starts_with(char::is_uppercase) && !last.chars().nth(1).is_some_and(char::is_uppercase);
    let sentence = capitalised && top.bytes().all(|byte| byte.is_ascii_lowercase());
    (sentence && is_known(head)).then_some(head.len())
}

/// The length up to what is glued on to a domain that cannot exist with it.
pub(super) fn before_glued(text: &str) -> Option<usize> {
    if let Some(length) = before_script(text, is_other_script) {
        return Some(length);
    }
    let begin = text.rfind('.')? + 1;
    let lower = text[begin..].bytes().take_while(u8::is_ascii_lowercase).count();
    let (domain, rest) = text.split_at(begin + lower);
    let top = &domain[begin..];
    let glued = lower > 1 && (begins_word(rest) || (is_usual(top) && (is_ending(rest) || is_number(top, rest))));
    (glued && is_known(domain)).then_some(domain.len())
}

/// The length of the ASCII domain up to the first character of a script.
fn before_script(text: &str, is_of_script: impl Fn(char) -> bool) -> Option<usize> {
    let prose = text.char_indices().find(|(_, ch)| is_of_script(*ch))?.0;
    let head = &text[..prose];
    (head.is_ascii() && !head.ends_with(['-', '.']) && is_known(head)).then_some(prose)
}

/// A word with a capital: `ann@a.orgPhone`, `E<lt>ann@a.orgE<gt>` of Perl's documentation.
fn begins_word(rest: &str) -> bool {
    rest.starts_with(|ch: char| ch.is_ascii_uppercase())
}

/// Whether much mail goes to domains under this one.
fn is_usual(top: &str) -> bool {
    top.len() == 2 || is_common(top.as_bytes())
}

/// An ending of the language, or a word that is joined: `ann@a.hu-n`, `ann@a.de-Adresse`. What is numbered, as in
/// `host.us-east-1`, is a name.
fn is_ending(rest: &str) -> bool {
    let words = |rest: &str| rest.split('-').all(|word| !word.is_empty() && word.chars().all(char::is_alphabetic));
    rest.strip_prefix('-').is_some_and(words)
}

/// A number that is dialled, or the zero which begins the next part of a certificate: `ann@a.com0171`, `ann@a.nl0`.
/// Endings of files such as `mp3` and `ps1` and hosts such as `eu1` have shorter ones that begin with another digit.
fn is_number(top: &str, rest: &str) -> bool {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let dialled = digits > 2 || rest.starts_with('0');
    // The length of that part may be a letter too.
    let is_part = matches!(rest.as_bytes(), [b'0', letter, b'0'] if letter.is_ascii_alphabetic());
    let only = rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    (is_common(top.as_bytes()) || !is_file_ending(top.as_bytes())) && ((dialled && only) || is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_glued_on_is_cut_off() {
        for (text, domain) in [
            ("acme.hu-n", "acme.hu"),
            ("gmail.com-ra", "gmail.com"),
            ("web.de-Adresse", "web.de"),
            ("acme.fi-osoite", "acme.fi"),
            ("acme.de-E-Mail", "acme.de"),
            ("acme.ee-päring", "acme.ee"),
            ("acme.ruТел", "acme.ru"),
            ("acme.ruТел.Факс", "acme.ru"),
            ("acme.comاتصل", "acme.com"),
            ("acme.co.ilטלפון", "acme.co.il"),
            ("acme.grΤηλ", "acme.gr"),
            ("acme.com0171", "acme.com"),
            ("163.com0571-8888", "163.com"),
            ("oribi.nl0", "oribi.nl"),
            ("oribi.nl0Y0", "oribi.nl"),
        ] {
            assert_eq!(before_glued(text).map(|length| &text[..length]), Some(domain), "{text}");
        }
    }

    #[test]
    fn names_are_whole_or_none() {
        for text in [
            "a.us-east-1",
            "node.eu1",
            "web.dev-main",
            "web.prod1",
            "1.0.dev123",
            "a.md5",
            "a.ps1",
            "a.jp2",
            "a.mp3",
            "a.mp4",
            "a.so0",
            "cc.in2p3",
            "a.com-",
            "a.xn--p1ai",
            "a.deünchen",
            "пример.deТел",
            "a.nosuch-n",
        ] {
            assert_eq!(before_glued(text), None, "{text}");
        }
    }
}
