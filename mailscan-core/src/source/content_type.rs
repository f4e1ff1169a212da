//! What a body is by its `Content-Type`, and by its first bytes where that says little.

use encoding_rs::Encoding;

use super::{declared, media};
use crate::extract::Media;

/// A parsed `Content-Type`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ContentType {
    /// Type and subtype, lower case; empty when there is none.
    essence: String,
    charset: Option<String>,
}

impl ContentType {
    /// Reads a field that may hold several values, as where a proxy joined two. The last that is one counts, and is in the charset
    /// of one of its kind before it where it names none, as browsers have it (WHATWG Fetch, "extract a MIME type").
    pub(crate) fn parse(value: &str) -> Self {
        let mut read = Self::default();
        for value in values(value) {
            let (essence, parameters) = value.split_at(essence_length(value));
            if !essence.contains('/') || essence == "*/*" {
                continue;
            }
            let (essence, charset) = (essence.to_ascii_lowercase(), charset_among(parameters));
            let kept = if essence == read.essence { read.charset } else { None };
            read = Self { essence, charset: charset.or(kept) };
        }
        read
    }

    /// Type and subtype, in lower case; empty when there is none.
    #[cfg(feature = "http")]
    pub(crate) fn essence(&self) -> &str {
        &self.essence
    }

    /// Whether it is this type and subtype, in lower case.
    #[cfg(feature = "files")]
    pub(crate) fn is(&self, essence: &str) -> bool {
        self.essence == essence
    }

    /// The charset it names, if that can be read.
    pub(crate) fn charset(&self) -> Option<&'static Encoding> {
        self.charset.as_deref().and_then(|label| declared::readable(label.as_bytes()))
    }

    /// Whether it says that its bytes are a PDF.
    #[cfg(feature = "http")]
    pub(crate) fn is_pdf(&self) -> bool {
        matches!(self.essence.as_str(), "application/pdf" | "application/x-pdf")
    }

    /// Whether it says that its bytes are an old document of an office, or a message of Outlook.
    #[cfg(all(feature = "http", feature = "files"))]
    pub(crate) fn may_be_ole(&self) -> bool {
        let Some(subtype) = self.essence.strip_prefix("application/") else { return false };
        // Servers call the documents of today as those of old.
        OLE.contains(&subtype) || subtype.starts_with("vnd.ms-")
    }

    /// Whether it says nothing more than that a program made it, or which.
    #[cfg(feature = "files")]
    pub(crate) fn is_of_application(&self) -> bool {
        self.essence.starts_with("application/")
    }

    /// Whether it says nothing but that its bytes are a gzip file.
    #[cfg(feature = "http")]
    pub(crate) fn is_gzip(&self) -> bool {
        matches!(self.essence.as_str(), "application/gzip" | "application/x-gzip" | "application/gzip-compressed")
    }

    /// Whether it says that its bytes are a file that holds others, such as a document of an office, or that is compressed.
    #[cfg(all(feature = "http", feature = "files"))]
    pub(crate) fn may_be_packed(&self) -> bool {
        if matches!(self.essence.as_str(), "text/rtf" | "text/richtext") {
            return true;
        }
        let Some(subtype) = self.essence.strip_prefix("application/") else { return false };
        PACKED.contains(&subtype)
            || subtype.ends_with("+zip")
            || subtype.starts_with("vnd.openxmlformats-officedocument.")
            || subtype.starts_with("vnd.oasis.opendocument.")
            || self.may_be_ole()
    }

    /// Whether it says nothing of its bytes.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(
            self.essence.as_str(),
            "" | "application/octet-stream"
                | "application/x-unknown"
                | "application/unknown"
                | "application/download"
                | "application/force-download"
                | "application/x-download"
                | "application/x-force-download"
                | "binary/octet-stream"
        )
    }

    /// How to read a body of this type that begins with these bytes; `None` when it is not text.
    pub(crate) fn media(&self, start: &[u8]) -> Option<Media> {
        let (kind, subtype) = self.essence.split_once('/').unwrap_or((&self.essence, ""));
        let media = match (kind, subtype) {
            _ if self.is_unknown() => media::of_content(start),
            (_, "html" | "xml") => Media::Html,
            (_, subtype) if subtype.ends_with("+xml") => Media::Html,
            ("message", "rfc822" | "global" | "news") | ("application", "mbox") | ("multipart", _) => Media::Mail,
            ("text" | "message", _) => Media::Text,
            ("application", subtype) if is_text_like(subtype) => Media::Text,
            _ => return None,
        };
        match media {
            // Archives of mailing lists are called plain text.
            Media::Text if media::of_content(start) == Media::Mail => Some(Media::Mail),
            Media::Text if kind != "text" && looks_binary(start) => None,
            media => Some(media),
        }
    }
}

/// Application types of files that hold others, or are compressed.
#[cfg(all(feature = "http", feature = "files"))]
const PACKED: [&str; 22] = [
    "zip",
    "x-zip",
    "x-zip-compressed",
    "java-archive",
    "x-java-archive",
    "vnd.android.package-archive",
    "x-tar",
    "tar",
    "x-gtar",
    "x-gtar-compressed",
    "x-tgz",
    "x-compressed",
    "x-compressed-tar",
    "x-bzip2",
    "x-bzip",
    "bzip2",
    "x-xz",
    "zstd",
    "warc",
    "x-warc",
    // Documents that are text in all but name, of which the text is taken out as of those that are packed.
    "rtf",
    "x-rtf",
];

/// Application types of old documents of offices, beside those of Microsoft's own tree.
#[cfg(all(feature = "http", feature = "files"))]
const OLE: [&str; 12] = [
    "msword",
    "x-msword",
    "excel",
    "msexcel",
    "x-excel",
    "x-msexcel",
    "powerpoint",
    "mspowerpoint",
    "x-mspowerpoint",
    "x-ole-storage",
    "vnd.visio",
    "x-msg",
];

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
            "x-perl",
            "x-python",
            "x-ruby",
            "x-csh",
            "x-tcl",
            "x-x509-ca-cert",
            "pgp-keys",
            "pgp-signature",
            "graphql",
            "x-httpd-php",
            "x-tex",
            "x-latex",
            "manifest",
        ]
        .contains(&subtype)
}

/// Whether a body without a type is no text at all: it holds a NUL and no byte order mark.
fn looks_binary(body: &[u8]) -> bool {
    Encoding::for_bom(body).is_none() && memchr::memchr(0, &body[..body.len().min(declared::WINDOW)]).is_some()
}

/// The values of a field, which commas part that are in no quotes.
fn values(field: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let parts = move |sign| {
        quoted ^= sign == '"';
        sign == ',' && !quoted
    };
    field.split(parts).map(str::trim)
}

/// How long type and subtype are, also where no semicolon stands between them and what follows.
fn essence_length(value: &str) -> usize {
    value.find(|sign: char| sign == ';' || sign.is_ascii_whitespace()).unwrap_or(value.len())
}

/// The charset that is named among parameters.
fn charset_among(parameters: &str) -> Option<String> {
    parameters.split(';').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        name.trim().eq_ignore_ascii_case("charset").then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_is_read() {
        let media = |value: &str| ContentType::parse(value).media(b"text");
        assert_eq!(media("Text/HTML; charset=x"), Some(Media::Html));
        assert_eq!(media("application/atom+xml"), Some(Media::Html));
        assert_eq!(media("application/ld+json"), Some(Media::Text));
        assert_eq!(media("message/rfc822"), Some(Media::Mail));
        assert_eq!(media("application/mbox"), Some(Media::Mail));
        assert_eq!(media("message/http"), Some(Media::Text));
        assert_eq!(media(""), Some(Media::Text));
        for other in ["image/png", "video/mp4", "application/pdf", "application/zip", "font/woff2"] {
            assert_eq!(media(other), None, "{other}");
        }
    }

    #[test]
    fn fields_that_are_not_written_as_they_should_be_are_read_as_browsers_do() {
        for (field, essence, charset) in [
            ("text/html charset=windows-1251", "text/html", Some("windows-1251")),
            ("text/html, text/html", "text/html", None),
            ("text/html; charset=koi8-r, text/html", "text/html", Some("KOI8-R")),
            ("text/html; charset=koi8-r, text/plain", "text/plain", None),
            ("text/plain, Text/HTML;charset=\"utf-8\"", "text/html", Some("UTF-8")),
            ("text/html, */*", "text/html", None),
            ("text/html,", "text/html", None),
            ("multipart/mixed; boundary=\"a, b/c\"; charset=utf-8", "multipart/mixed", Some("UTF-8")),
        ] {
            let read = ContentType::parse(field);
            assert_eq!((read.essence.as_str(), read.charset().map(Encoding::name)), (essence, charset), "{field}");
        }
    }

    #[test]
    fn bodies_tell_what_their_type_does_not() {
        let media = |value: &str, start: &[u8]| ContentType::parse(value).media(start);
        assert_eq!(media("", b"PK\x03\x04\0\0"), None);
        for unknown in ["*/*", "html", "application/force-download", "application/download"] {
            assert_eq!(media(unknown, b"<!doctype html><p>"), Some(Media::Html), "{unknown}");
            assert_eq!(media(unknown, b"\x89PNG\r\n\x1a\n\0\0"), None, "{unknown}");
        }
        assert_eq!(media("application/octet-stream", b"\xff\xfea\0"), Some(Media::Text));
        assert_eq!(media("", b"<!doctype html><p>"), Some(Media::Html));
        assert_eq!(media("text/plain", b"From: ann@a.org\nTo: bob@b.org\nSubject: x\nDate: y\n\n"), Some(Media::Mail));
        assert_eq!(media("text/plain", b"a\0b"), Some(Media::Text), "who says text is believed");
    }
}
