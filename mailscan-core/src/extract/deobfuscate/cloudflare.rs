//! Cloudflare's e-mail protection: addresses in hexadecimal digits, of which the first two are the key.
//!
//! Takes the document as it is, since the codes stand in attributes.

use super::super::Finding;
use super::super::domain;

/// What the code of an address follows: an attribute's name, or the path of a link.
const MARKS: [&[u8]; 2] = [b"data-cfemail=", b"/email-protection#"];
/// The most digits: a key and the longest address.
const LONGEST: usize = 2 * (1 + 254);

/// Hands every protected address of `document` to `found`; the span is the code's.
pub(super) fn scan(document: &[u8], mut found: impl FnMut(Finding)) {
    for mark in MARKS {
        for at in memchr::memmem::find_iter(document, mark) {
            let mut start = at + mark.len();
            start += usize::from(matches!(document.get(start), Some(b'"' | b'\'')));
            decode(document, start).into_iter().for_each(&mut found);
        }
    }
}

fn decode(document: &[u8], start: usize) -> Option<Finding> {
    let digits = document[start..].iter().take(LONGEST).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let mut bytes = document[start..start + digits].chunks_exact(2).filter_map(byte);
    let key = bytes.next()?;
    let text = String::from_utf8(bytes.map(|byte| byte ^ key).collect()).ok()?;
    let (local, domain) = text.rsplit_once('@')?;
    let is_whole = domain::known_length(domain.as_bytes()) == Some(domain.len());
    let is_clean = !local.contains(|ch: char| ch.is_whitespace() || ch.is_control() || ch == '@');
    if !is_whole || !is_clean || digits % 2 == 1 {
        return None;
    }
    super::finding(local, domain, start..start + digits)
}
