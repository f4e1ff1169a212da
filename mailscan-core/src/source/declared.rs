//! The charset that a document itself says it is written in.
//!
//! Bodies of HTTP ask here when their heads say nothing, local files always.

use encoding_rs::{Encoding, UTF_8};

use crate::extract::charset;

/// How far into a document its charset is looked for, as in the HTML standard.
pub(crate) const WINDOW: usize = 1_024;

/// The charset that an XML declaration or a `<meta>` names within the first kilobyte. UTF-16 there means UTF-8, as the
/// HTML standard says: who could read it so far reads no UTF-16.
pub(crate) fn in_document(document: &[u8]) -> Option<&'static Encoding> {
    let head = document[..document.len().min(WINDOW)].to_ascii_lowercase();
    let declaration = head.strip_prefix(b"<?xml").map(|rest| rest.split(|b| *b == b'>').next().unwrap_or_default());
    let encoding = declaration.and_then(|text| named(text, b"encoding")).or_else(|| named(&head, b"charset"))?;
    Some(if encoding == encoding_rs::UTF_16LE || encoding == encoding_rs::UTF_16BE { UTF_8 } else { encoding })
}

/// The first known encoding that stands as the value of an attribute.
fn named(head: &[u8], attribute: &[u8]) -> Option<&'static Encoding> {
    memchr::memmem::find_iter(head, attribute).find_map(|at| {
        let value = head[at + attribute.len()..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
        let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
        let end = value.iter().position(|b| !b.is_ascii_alphanumeric() && !b"-_:.".contains(b));
        readable(&value[..end.unwrap_or(value.len())])
    })
}

/// The encoding of a label, unless it is one that the standard replaces as a whole by a single U+FFFD.
pub(crate) fn readable(label: &[u8]) -> Option<&'static Encoding> {
    charset::of_label(label).filter(|encoding| *encoding != encoding_rs::REPLACEMENT)
}
