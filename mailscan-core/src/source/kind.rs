//! Kinds of files that hold text which is not read where they were found: archives, documents of offices, databases, and
//! what is compressed in ways that are not undone there. Which PDFs and old documents are such, only reading them tells (`pdf.rs`,
//! `ole.rs`).
//!
//! Whoever brings one says so, as nothing being found in it tells nothing. Pictures, fonts and programs hold no text to
//! speak of and have no kind here.

#[cfg(feature = "files")]
use crate::fetch::NOT_READ;
use crate::fetch::{FetchError, FetchErrorClass};

/// The kind of a database in one file, which holds its text in parts.
pub(crate) const SQLITE: &str = "sqlite";
/// The kind of a text in UTF-32 that says so by its mark.
pub(crate) const UTF_32: &str = "utf-32";

/// What files of each kind begin with. Those of today's offices (.docx, .xlsx, .odt) are zip, which is read where it is a whole
/// file; those of old ones are ole, which is read wherever files are. Of gzip only a layer too many is not.
const MARKS: [(&[u8], &str); 13] = [
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"!BDN", "pst"),
    (b"SQLite format 3\0", SQLITE),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"\xff\xfe\0\0", UTF_32),
    (b"\0\0\xfe\xff", UTF_32),
];

/// The types of the same over HTTP, and of gzip and PDF, in case that what is in it is no text, or none.
#[cfg(feature = "http")]
const TYPES: [&str; 22] = [
    "pdf",
    "zip",
    "x-zip-compressed",
    "gzip",
    "x-gzip",
    "x-tar",
    "x-gtar",
    "x-bzip2",
    "x-xz",
    "zstd",
    "x-7z-compressed",
    "vnd.rar",
    "x-rar-compressed",
    "epub+zip",
    "msword",
    "vnd.ms-excel",
    "vnd.ms-powerpoint",
    "vnd.ms-outlook",
    "x-compressed",
    "x-compress",
    "java-archive",
    "postscript",
];

/// The kind of a file that begins with these bytes, if its text is not read.
pub(crate) fn of_content(start: &[u8]) -> Option<&'static str> {
    let block = start.strip_prefix(b"BZh").and_then(|rest| rest.split_first());
    if block.is_some_and(|(level, rest)| level.is_ascii_digit() && rest.starts_with(b"1AY&")) {
        return Some("bzip2");
    }
    MARKS.iter().find(|(mark, _)| start.starts_with(mark)).map(|(_, kind)| *kind)
}

/// What is noted of a file of this kind.
#[cfg(feature = "files")]
pub(crate) fn note(path: &str, kind: &str) -> FetchError {
    let message = format!("`{path}` is of a kind that is not read ({kind}): unpack it, or turn it into text");
    FetchError::new(FetchErrorClass::Permanent, NOT_READ, message)
}

/// What is noted of a page of this type, with a body that begins with these bytes, of which no text is read.
#[cfg(feature = "http")]
pub(crate) fn note_of_page(essence: &str, start: &[u8]) -> Option<FetchError> {
    let subtype = essence.strip_prefix("application/").unwrap_or_default();
    let known = TYPES.contains(&subtype)
        || subtype.starts_with("vnd.openxmlformats-officedocument.")
        || subtype.starts_with("vnd.oasis.opendocument.");
    // What says nothing of itself is told by what it is.
    let kind = if known { Some(essence) } else { of_content(start) }?;
    Some(note_of_kind(kind))
}

/// What is noted of a page of this kind.
#[cfg(feature = "http")]
pub(crate) fn note_of_kind(kind: &str) -> FetchError {
    let message =
        format!("it is of a type that is not read ({kind}): save it, unpack it or turn it into text, and scan that");
    FetchError::new(FetchErrorClass::Permanent, "content-type", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_tell_their_kind() {
        for (start, kind) in [
            (&b"PK\x03\x04\x14\0"[..], Some("zip")),
            (b"%PDF-1.7\n", None),
            (b"BZh91AY&SY", Some("bzip2")),
            (b"\xfd7zXZ\0\0", Some("xz")),
            (b"7z\xbc\xaf\x27\x1c\0", Some("7z")),
            (b"\x28\xb5\x2f\xfd\x04", Some("zstd")),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Some("ole")),
            (b"SQLite format 3\0\x10\0", Some("sqlite")),
            (b"SQLite format 3 is", None),
            (b"\xff\xfe\0\0a\0\0\0", Some("utf-32")),
            (b"\0\0\xfe\xff\0\0\0a", Some("utf-32")),
            (b"\xff\xfea\0", None),
            (b"BZhang@a.org", None),
            (b"PK is short for", None),
            (b"\x89PNG\r\n", None),
            (b"", None),
        ] {
            assert_eq!(of_content(start), kind, "{start:?}");
        }
    }

    #[cfg(feature = "http")]
    #[test]
    fn only_types_that_may_hold_text_are_noted() {
        let note = |essence, start: &[u8]| note_of_page(essence, start).map(|error| error.message);
        let office = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        for (essence, start) in [
            ("application/pdf", &b""[..]),
            ("application/gzip", b""),
            (office, b""),
            ("application/octet-stream", b"PK\x03\x04"),
            ("", b"7z\xbc\xaf\x27\x1c"),
        ] {
            assert!(note(essence, start).is_some(), "{essence}");
        }
        assert!(note("application/pdf", b"").is_some_and(|message| message.contains("(application/pdf)")));
        for essence in ["image/png", "text/css", "font/woff2", "application/octet-stream", "application/wasm", ""] {
            assert_eq!(note(essence, b"\0\0\0"), None, "{essence}");
        }
    }
}
