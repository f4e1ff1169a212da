//! What a body is and in which charset it is written: from its head where that tells, else from the body itself.

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use crate::extract::Media;

/// How far into a document a `<meta charset>` is looked for, as in the HTML standard.
const META_WINDOW: usize = 1_024;

/// A parsed `Content-Type`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ContentType {
    /// Type and subtype, lower case; empty when there is none.
    pub(crate) essence: String,
    charset: Option<String>,
}

impl ContentType {
    pub(crate) fn parse(value: &str) -> Self {
        let mut parts = value.split(';');
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let charset = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            let value = value.trim().trim_matches(['"', '\'']);
            name.trim().eq_ignore_ascii_case("charset").then(|| value.to_owned())
        });
        Self { essence, charset }
    }

    /// How to read a body of this type; `None` when it is not text.
    pub(crate) fn media(&self, body: impl FnOnce() -> Media) -> Option<Media> {
        let (kind, subtype) = self.essence.split_once('/').unwrap_or((&self.essence, ""));
        match (kind, subtype) {
            ("", _) | ("application", "octet-stream" | "x-unknown" | "unknown") => Some(body()),
            (_, "html" | "xml") => Some(Media::Html),
            (_, subtype) if subtype.ends_with("+xml") => Some(Media::Html),
            ("text" | "message", _) => Some(Media::Text),
            ("application", subtype) if is_text_like(subtype) => Some(Media::Text),
            _ => None,
        }
    }
}

/// Application types that are text in all but name.
fn is_text_like(subtype: &str) -> bool {
    subtype.ends_with("+json")
        || subtype.ends_with("+yaml")
        || [
            "json",
            "ld+json",
            "javascript",
            "x-javascript",
            "ecmascript",
            "x-ndjson",
            "jsonl",
            "yaml",
            "x-yaml",
            "toml",
            "sql",
            "csv",
            "rtf",
            "x-sh",
            "pgp-keys",
            "pgp-signature",
            "mbox",
            "graphql",
            "x-httpd-php",
            "x-tex",
            "x-latex",
            "manifest",
        ]
        .contains(&subtype)
}

/// Guesses how to read a body without a type.
pub(crate) fn sniff(body: &[u8]) -> Media {
    let head = &body[..body.len().min(META_WINDOW)];
    let begins = head.trim_ascii_start();
    let is = |prefix: &[u8]| begins.len() >= prefix.len() && begins[..prefix.len()].eq_ignore_ascii_case(prefix);
    if is(b"<!doctype html") || is(b"<html") || is(b"<?xml") || is(b"<head") || is(b"<body") || is(b"<!--") {
        Media::Html
    } else {
        Media::Text
    }
}

/// Whether a body without a type is no text at all: it holds a NUL and no byte order mark.
pub(crate) fn looks_binary(body: &[u8]) -> bool {
    Encoding::for_bom(body).is_none() && memchr::memchr(0, &body[..body.len().min(META_WINDOW)]).is_some()
}

/// The body in UTF-8: by its byte order mark, its head, its `<meta>`, as UTF-8 where it is that, else as windows-1252.
/// A body that is UTF-8 already is not copied.
pub(crate) fn to_utf8(body: Bytes, content_type: &ContentType, media: Media) -> Bytes {
    let declared = || Encoding::for_label(content_type.charset.as_deref()?.as_bytes());
    let marked = Encoding::for_bom(&body).map(|(encoding, _)| encoding);
    let encoding = marked.or_else(declared).or_else(|| if media == Media::Html { meta_charset(&body) } else { None });
    let encoding = match encoding {
        Some(encoding) => encoding,
        None if std::str::from_utf8(&body).is_ok() => UTF_8,
        None => WINDOWS_1252,
    };
    if encoding == UTF_8 {
        return body;
    }
    let (text, _, _) = encoding.decode(&body);
    match text {
        std::borrow::Cow::Borrowed(text) if text.len() == body.len() => body,
        text => Bytes::from(text.into_owned()),
    }
}

/// The charset that a `<meta>` names within the first kilobyte. UTF-16 there means UTF-8, as the HTML standard says.
fn meta_charset(body: &[u8]) -> Option<&'static Encoding> {
    let head = body[..body.len().min(META_WINDOW)].to_ascii_lowercase();
    let at = memchr::memmem::find(&head, b"charset")?;
    let value = head[at + b"charset".len()..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
    let end = value.iter().position(|b| !b.is_ascii_alphanumeric() && !b"-_:.".contains(b)).unwrap_or(value.len());
    let encoding = Encoding::for_label(&value[..end])?;
    Some(if encoding == encoding_rs::UTF_16LE || encoding == encoding_rs::UTF_16BE { UTF_8 } else { encoding })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &'static [u8], content_type: &str, media: Media) -> String {
        let bytes = to_utf8(Bytes::from_static(body), &ContentType::parse(content_type), media);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn mark_beats_head_beats_meta_beats_guess() {
        assert_eq!(text(b"\xff\xfea\0@\0", "text/plain; charset=utf-8", Media::Text), "a@");
        assert_eq!(text(b"b\xfccher", "text/html; charset=\"iso-8859-1\"", Media::Html), "bücher");
        assert_eq!(text(b"<meta charset='koi8-r'>\xc1", "text/html", Media::Html), "<meta charset='koi8-r'>а");
        assert_eq!(text("bücher".as_bytes(), "text/plain", Media::Text), "bücher");
        assert_eq!(text(b"b\xfccher", "text/plain", Media::Text), "bücher");
    }

    #[test]
    fn only_text_is_read() {
        let media = |value: &str| ContentType::parse(value).media(|| Media::Text);
        assert_eq!(media("Text/HTML; charset=x"), Some(Media::Html));
        assert_eq!(media("application/atom+xml"), Some(Media::Html));
        assert_eq!(media("application/ld+json"), Some(Media::Text));
        assert_eq!(media(""), Some(Media::Text));
        for other in ["image/png", "video/mp4", "application/pdf", "application/zip", "font/woff2"] {
            assert_eq!(media(other), None, "{other}");
        }
    }

    #[test]
    fn bodies_without_a_type_are_sniffed() {
        assert_eq!(sniff(b"  <!DOCTYPE HTML><p>"), Media::Html);
        assert_eq!(sniff(b"plain"), Media::Text);
        assert!(looks_binary(b"PK\x03\x04\0\0"));
        assert!(!looks_binary(b"\xff\xfea\0"));
    }
}
