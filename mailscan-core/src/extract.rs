//! Extraction: bytes go in, addresses and links come out. Pure.
//!
//! Workers and `scan` hand in documents as fetchers brought them. Nothing here reads a file or knows of jobs.
//!
//! - [`addresses`] finds the e-mail addresses of a document, decoded from whatever they hide behind.
//! - [`links`] finds the links of an HTML document.

mod attributes;
pub(crate) mod border;
pub(crate) mod charset;
mod context;
mod deobfuscate;
mod domain;
mod extractor;
mod front;
mod glued;
mod grammar;
mod links;
mod mail;
mod mention;
mod message_id;
#[cfg(any(test, feature = "oracle"))]
mod naive;
mod plain;
#[cfg(test)]
mod properties;
mod refresh;
mod scan;
mod shown;
mod sides;
mod skim;
mod template;
#[cfg(test)]
mod tests;
mod trigger;
mod unit;
mod unusual;

use std::ops::Range;

pub use self::extractor::Extractor;
pub(crate) use self::links::Link;
#[cfg(any(feature = "http", feature = "files"))]
pub(crate) use self::mail::is_mail;
#[cfg(feature = "files")]
pub(crate) use self::mail::{Finder, Given, Keeper};
pub use self::mention::Mention;
#[cfg(feature = "http")]
pub(crate) use self::refresh::target as refresh_target;
use crate::address::Address;
use crate::class::Classes;

/// How a document is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Media {
    /// Plain text, or any text-like format without an own reading.
    Text,
    /// HTML or XML: character references count.
    Html,
    /// A mail message or a file of many (mbox): encoded words, quoted-printable, base64 and charsets count, and parts
    /// that are HTML are read as such. Calendars, address books (vCard) and directories (LDIF) too: their folded lines are
    /// whole again.
    Mail,
}

/// How an address was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Form {
    /// As it is.
    Plain,
    /// With character references, such as `ann&#64;a.org`, or tags that say where a line may break: `ann@<wbr>a.org`.
    CharacterReference,
    /// With percent-encoding, such as `ann%40a.org`.
    PercentEncoded,
    /// With escapes of JSON or JavaScript, such as `ann\u0040a.org`.
    Escaped,
    /// Hidden from collectors, such as `ann at a dot org`; only [`deobfuscated`] looks for these.
    Deobfuscated,
    /// In quoted-printable, with codes or a soft line break in it, such as `ann=40a.org`.
    QuotedPrintable,
    /// In base64.
    Base64,
    /// In an encoded word of a mail header, such as `=?utf-8?Q?ann=40a.org?=`.
    EncodedWord,
}

impl Form {
    /// All forms.
    pub const ALL: &'static [Self] = &[
        Self::Plain,
        Self::CharacterReference,
        Self::PercentEncoded,
        Self::Escaped,
        Self::Deobfuscated,
        Self::QuotedPrintable,
        Self::Base64,
        Self::EncodedWord,
    ];

    /// A stable short name, for stores and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::CharacterReference => "character-reference",
            Self::PercentEncoded => "percent-encoded",
            Self::Escaped => "escaped",
            Self::Deobfuscated => "deobfuscated",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 => "base64",
            Self::EncodedWord => "encoded-word",
        }
    }

    /// The form with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|form| form.as_str() == name)
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
    /// The classes that only its place shows: [`MessageId`](crate::class::Class::MessageId),
    /// [`UnknownDomain`](crate::class::Class::UnknownDomain), and [`Machine`](crate::class::Class::Machine) for a service
    /// (`HTTP/web.corp.com@CORP.COM`).
    pub marks: Classes,
}

impl Finding {
    /// All classes of the finding: its marks, and what the address itself shows. Worth keeping for an address that is
    /// met often: half a microsecond goes into lists.
    pub fn classes(&self) -> Classes {
        self.marks.union(Classes::of(&self.address))
    }
}

/// Hands every address of `document` to `found`, in the order in which they stand, an address as often as it stands.
///
/// Character references, percent-encoding and the escapes of JSON and JavaScript are decoded, in any mixture. In
/// [`Media::Text`] references count only where one of them is the `@`, or a number stands for a sign of the local part right
/// before letters of it. In [`Media::Mail`] headers and parts are decoded
/// first, each by its own encoding and charset; a document that comes in pieces is read by an [`Extractor`].
///
/// What is an address is decided for running text rather than by the letter of the standards:
///
/// - Local parts are dot-atoms with the letters of any script. Signs that glue addresses to their neighbours (such as
///   `=`, `/` and `*`) border them, unless the address stands directly in angle brackets, after `mailto:`, or alone on
///   its line; quoted local parts count in the same places.
/// - Domains end in a known public suffix, or in `example`, `test` or `invalid`. Any other that is well-formed, a
///   single label among them, is marked as an unknown domain; address literals count. Whoever wants none of these asks a
///   [`ClassFilter`](crate::class::ClassFilter).
/// - A word in another script, an ending of the language and a telephone number are no part of the address that they are
///   glued to (`Почтаinfo@acme.ru`, `info@acme.hu-n`), nor are colours of terminals and fonts of manuals.
/// - Credentials in URLs, remotes (`git@host.org:path`), handles (`@ann@host.org`), versions (`pkg@1.2.3`), templates
///   (`%s@a.org`) and names of files (`logo@2x.png`) are no addresses, nor is any part of one that is written wrongly (`ann..lee@a.org`, `.ann@a.org`).
///
/// ```
/// use mailscan_core::extract::{Media, addresses};
///
/// let page = b"<a href='mailto:ann%40example.org'>ann&#64;example.org</a><img src=logo@2x.png>";
/// let mut found = Vec::new();
/// addresses(page, Media::Html, |finding| found.push(finding.address.to_string()));
/// assert_eq!(found, ["ann@example.org", "ann@example.org"]);
/// ```
pub fn addresses(document: &[u8], media: Media, mut found: impl FnMut(Finding)) {
    mentions(document, media, |mention| found(mention.into_finding()));
}

/// Hands every mention of an address in `document` to `found`, as [`addresses`] does; nothing is copied for those that
/// stand there in their normalised form.
///
/// ```
/// use std::collections::HashSet;
///
/// use mailscan_core::extract::{Media, mentions};
///
/// let mut known = HashSet::new();
/// mentions(b"From: <ann@example.org>, cc: <ann@example.org>", Media::Text, |mention| {
///     if !known.contains(mention.as_bytes()) {
///         known.insert(mention.into_finding().address);
///     }
/// });
/// assert_eq!(known.len(), 1);
/// ```
pub fn mentions(document: &[u8], media: Media, mut found: impl FnMut(Mention<'_>)) {
    match media {
        Media::Mail => mail::addresses(document, scan_into, |finding| found(finding.into())),
        Media::Text | Media::Html => scan::scan(document, media, found),
    }
}

/// Hands every address of `document` to `found` as [`addresses`] does, and those that were hidden from collectors: spelled
/// out in common ways, cut by comments or hidden elements, or encoded by Cloudflare's e-mail protection.
///
/// For auditing documents that one holds. It guesses, reads the document several times and holds a copy of it; a crawl
/// must not use it, since who hides an address does not want it collected.
///
/// ```
/// use mailscan_core::extract::{Media, deobfuscated};
///
/// let mut found = Vec::new();
/// deobfuscated(b"ann [at] example [dot] org", Media::Text, |finding| found.push(finding.address.to_string()));
/// assert_eq!(found, ["ann@example.org"]);
/// ```
pub fn deobfuscated(document: &[u8], media: Media, found: impl FnMut(Finding)) {
    match media {
        Media::Mail => mail::addresses(document, deobfuscate_into, found),
        Media::Text | Media::Html => deobfuscate::scan(document, media, found),
    }
}

/// A way to search a text.
pub(crate) type Search = fn(&[u8], Media, &mut dyn FnMut(Mention<'_>));

pub(crate) fn scan_into(text: &[u8], media: Media, found: &mut dyn FnMut(Mention<'_>)) {
    scan::scan(text, media, found);
}

fn deobfuscate_into(text: &[u8], media: Media, found: &mut dyn FnMut(Mention<'_>)) {
    deobfuscate::scan(text, media, |finding| found(finding.into()));
}

/// What [`addresses`] gives, found by the plainest means: the reference that fuzzing holds the extractor to. Slow, in time
/// that grows with the square of the document.
#[cfg(feature = "oracle")]
pub fn oracle(document: &[u8], media: Media) -> Vec<Finding> {
    naive::addresses(document, media)
}

/// What [`links`] gives, with every tag tokenized: the reference that fuzzing holds the skimming to.
#[cfg(feature = "oracle")]
pub fn links_oracle(document: &[u8], base: &url::Url) -> Vec<url::Url> {
    let mut found = Vec::new();
    links::scan_whole(document, base, None, |link| found.extend(link.into_url()));
    found.truncate(MAX_LINKS);
    found
}

/// Hands every link of the HTML `document` to `found`, absolute by `base` (or the document's own `<base>`), without
/// fragments; only `http` and `https`, in the order in which they stand.
///
/// Links are those of `a`, `area`, `iframe`, `frame`, of `link` to the next, an alternate or the canonical page, and a
/// refresh, inside of `noscript` too. At most [`MAX_LINKS`] come out of a document, and none longer than
/// [`MAX_LINK_LENGTH`] bytes.
pub fn links(document: &[u8], base: &url::Url, mut found: impl FnMut(url::Url)) {
    let mut left = MAX_LINKS;
    links::scan(document, base, None, |link| {
        if left > 0 {
            left -= 1;
            link.into_url().into_iter().for_each(&mut found);
        }
    });
}

/// The same, without a [`Url`](url::Url) made where the text of one is known, and however many they are. Queries are in
/// `charset`, that of the page they were written in, where it is not UTF-8.
pub(crate) fn link_texts(document: &[u8], base: &url::Url, charset: Option<&str>, found: impl FnMut(Link<'_>)) {
    let charset = charset.and_then(|name| encoding_rs::Encoding::for_label(name.as_bytes()));
    links::scan(document, base, charset, found);
}

/// The most links that [`links`] gives of one document, and that a job follows of one page for the first time.
pub const MAX_LINKS: usize = 10_000;

/// The most bytes of a URL that [`links`] gives.
pub const MAX_LINK_LENGTH: usize = 2_048;
