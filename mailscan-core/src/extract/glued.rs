//! Glued local parts: those that go on before a sign which borders an address anywhere else.
//!
//! Takes a local part that the grammar found and answers with a longer one, where what stands before shows that it is
//! cut: an apostrophe doubled in a string of SQL, or the address of a reader in that of returned mail.

use super::Form;
use super::domain;
use super::grammar::Local;

/// The longest local part.
const LONGEST: usize = 64;
/// What the names of returned mail hold.
const RETURNED: [&[u8]; 5] = [b"bounce", b"return", b"owner", b"error", b"verp"];

/// The whole local part that ends with `local`, before a domain that ends at `end`, if there is more of it.
pub(super) fn whole(document: &[u8], local: &Local, end: usize) -> Option<Local> {
    let before = &document[..local.start];
    match before.last()? {
        b'\'' => doubled(before, local, document.get(end..)?),
        b'=' => returned(before, local),
        _ => None,
    }
}

/// `'o''neil@a.org'`: in a string of SQL two apostrophes are one.
fn doubled(before: &[u8], local: &Local, after: &[u8]) -> Option<Local> {
    let closes = |after: &[u8]| {
        after.first() == Some(&b'\'') && !after.get(1).is_some_and(|next| is_word(*next) || *next == b'\'')
    };
    if !closes(after) {
        return None;
    }
    let (mut rest, mut text) = (before, local.text.clone());
    while let Some(more) = rest.strip_suffix(b"''") {
        let word = &more[more.len() - word_length(more)..];
        text = format!("{}'{text}", std::str::from_utf8(word).ok().filter(|word| !word.is_empty())?);
        // Only so much is ever looked at, however long a row of such words is.
        if text.len() > LONGEST {
            return None;
        }
        rest = &more[..more.len() - word.len()];
    }
    let opening = rest.strip_suffix(b"'")?;
    let opens = !opening.last().is_some_and(|last| is_word(*last) || *last == b'\'');
    (opens && text.len() > local.text.len()).then_some(Local { start: rest.len(), text, form: Form::Escaped })
}

/// `bounces-ann=a.org@b.org`: mail that cannot be delivered goes back to an address that tells whom it was for.
fn returned(before: &[u8], local: &Local) -> Option<Local> {
    let (dots, domain) = (local.text.contains('.'), local.text.as_bytes());
    if !dots || domain::known_length(domain) != Some(domain.len()) {
        return None;
    }
    let rest = before.strip_suffix(b"=")?;
    let word = &rest[rest.len() - word_length(rest)..];
    let lower = word.to_ascii_lowercase();
    let is_returned = RETURNED.iter().any(|name| memchr::memmem::find(&lower, name).is_some());
    let text = format!("{}={}", std::str::from_utf8(word).ok()?, local.text);
    let starts = word.first()?.is_ascii_alphanumeric();
    (is_returned && starts && !text.contains("..") && text.len() <= LONGEST).then_some(Local {
        start: rest.len() - word.len(),
        text,
        form: local.form,
    })
}

/// How many bytes of a word `text` ends with.
fn word_length(text: &[u8]) -> usize {
    text.iter().rev().take(LONGEST).take_while(|byte| is_word(**byte)).count()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._+-".contains(&byte)
}
