//! Extraction: bytes go in, addresses and links come out. Pure.
//!
//! Workers and `scan` hand in documents as fetchers brought them. Nothing here reads a file or knows of jobs.
//!
//! - [`addresses`] finds the e-mail addresses of a document, decoded from whatever they hide behind.
//! - [`links`] finds the links of an HTML document.

use std::ops::Range;

use crate::address::Address;

/// How a document is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Media {
    /// Plain text, or any text-like format without an own reading.
    Text,
    /// HTML or XML: character references count.
    Html,
}

/// How an address was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Form {
    /// As it is.
    Plain,
    /// With character references, such as `ann&#64;a.org`.
    CharacterReference,
    /// With percent-encoding, such as `ann%40a.org`.
    PercentEncoded,
}

impl Form {
    /// All forms.
    pub const ALL: [Self; 3] = [Self::Plain, Self::CharacterReference, Self::PercentEncoded];

    /// A stable short name, for stores and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::CharacterReference => "character-reference",
            Self::PercentEncoded => "percent-encoded",
        }
    }

    /// The form with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == name)
    }
}

/// An address in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The address.
    pub address: Address,
    /// Where it stands in the document as given, in bytes, from the first byte of the local part to the last of the
    /// domain.
    pub span: Range<usize>,
    /// How it was written.
    pub form: Form,
}

/// Hands every address of `document` to `found`, in the order in which they stand, an address as often as it stands.
pub fn addresses(document: &[u8], media: Media, found: impl FnMut(Finding)) {
    let _ = (document, media, found);
}

/// Hands every link of the HTML `document` to `found`, absolute by `base` (or the document's own `<base>`), without
/// fragments; only `http` and `https`, in the order in which they stand.
pub fn links(document: &[u8], base: &url::Url, found: impl FnMut(url::Url)) {
    let _ = (document, base, found);
}
