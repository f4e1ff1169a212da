//! Sitemaps: the pages that a site lists of itself (sitemaps.org, protocol 0.9).
//!
//! What a server sent comes in, URLs go out; [`super::http`] fetches. A sitemap is a `urlset` of pages, a `sitemapindex` of
//! further sitemaps, or a text with a URL a line. Whatever else such files hold, of images and languages, is passed over.

use std::io::Read;

use flate2::bufread::GzDecoder;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};
use quick_xml::name::{Prefix, QName};
use url::Url;

use crate::job::parse_page_url;

/// The most bytes of a sitemap, uncompressed, and the most URLs in it: what the protocol allows.
pub(crate) const MAX_BYTES: usize = 50 << 20;
const MAX_ENTRIES: usize = 50_000;
/// The most bytes of one URL, which the protocol says, and of all.
const MAX_URL: usize = 2_047;
const MAX_TEXT: usize = 16 << 20;

/// How a gzip file begins, and the most members of one (RFC 1952, section 2.2). Empty ones would cost time without an end.
const GZIP: &[u8] = b"\x1f\x8b\x08";
const MAX_MEMBERS: usize = 1_000;
/// The most elements in each other: the parser remembers all that are open. The protocol needs three, its extensions few more.
const MAX_DEPTH: usize = 64;

/// What a sitemap lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sitemap {
    pub(crate) pages: Vec<Url>,
    pub(crate) sitemaps: Vec<Url>,
    /// Whether there is more than was taken, or the end is missing.
    pub(crate) is_cut: bool,
    /// The bytes of all URLs.
    bytes: usize,
}

/// What an entry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Page,
    Sitemap,
}

impl Sitemap {
    /// Reads a sitemap that was found at `base`, undone of gzip where it begins as such a file does: of what is named
    /// `.gz`, servers seldom say more. `None` for what is no sitemap.
    pub(crate) fn read(file: &[u8], base: &Url) -> Option<Self> {
        if !file.starts_with(GZIP) {
            return Self::parse(file, base);
        }
        let (text, is_cut) = ungzipped(file);
        let mut sitemap = Self::parse(&text, base)?;
        sitemap.is_cut |= is_cut;
        Some(sitemap)
    }

    /// Reads the text of one.
    fn parse(file: &[u8], base: &Url) -> Option<Self> {
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file).trim_ascii_start();
        if file.first() == Some(&b'<') { Self::parse_xml(file, base) } else { Self::parse_lines(file, base) }
    }

    fn parse_lines(file: &[u8], base: &Url) -> Option<Self> {
        let mut sitemap = Self::default();
        for line in file.split(|byte| matches!(byte, b'\n' | b'\r')) {
            let line = line.trim_ascii();
            // Nothing here is relative, or every text would be a sitemap.
            if line.starts_with(b"http://") || line.starts_with(b"https://") {
                sitemap.add(Entry::Page, &String::from_utf8_lossy(&line[..line.len().min(MAX_URL + 1)]), base);
            }
        }
        (file.is_empty() || !sitemap.pages.is_empty()).then_some(sitemap)
    }

    fn parse_xml(file: &[u8], base: &Url) -> Option<Self> {
        let mut reader = Reader::from_reader(file);
        let config = reader.config_mut();
        // Sitemaps are written by many programs. Only the names that matter are looked at, so a tag too many or too few is
        // nothing to an entry.
        config.allow_dangling_amp = true;
        config.allow_unmatched_ends = true;
        config.check_end_names = false;
        config.expand_empty_elements = true;
        let mut sitemap = Self::default();
        let (mut root, mut depth, mut entry, mut loc) = (None::<Vec<u8>>, 0usize, None, None::<String>);
        loop {
            match reader.read_event() {
                Ok(Event::Start(tag)) => {
                    depth += 1;
                    let (name, prefix) = (tag.local_name(), prefix_of(tag.name()));
                    match (&root, name.as_ref()) {
                        (None, b"urlset" | b"sitemapindex") => root = Some(prefix.to_vec()),
                        (None, _) => return None,
                        // What is open is remembered by the parser.
                        (Some(_), _) if depth > MAX_DEPTH => {
                            sitemap.is_cut = true;
                            break;
                        }
                        (Some(root), b"url") if *root == prefix => entry = Some(Entry::Page),
                        (Some(root), b"sitemap") if *root == prefix => entry = Some(Entry::Sitemap),
                        (Some(root), b"loc") if *root == prefix && entry.is_some() => loc = Some(String::new()),
                        _ => {}
                    }
                }
                Ok(Event::End(tag)) => {
                    depth = depth.saturating_sub(1);
                    match tag.local_name().as_ref() {
                        _ if root.as_deref() != Some(prefix_of(tag.name())) => {}
                        b"loc" => {
                            if let (Some(text), Some(entry)) = (loc.take(), entry) {
                                sitemap.add(entry, &text, base);
                            }
                        }
                        b"url" | b"sitemap" => entry = None,
                        // Whatever comes after it is no part of it.
                        b"urlset" | b"sitemapindex" => break,
                        _ => {}
                    }
                }
                Ok(Event::Text(text)) => push(&mut loc, &String::from_utf8_lossy(&text)),
                Ok(Event::CData(text)) => push(&mut loc, &String::from_utf8_lossy(&text)),
                Ok(Event::GeneralRef(reference)) => push(&mut loc, &resolved(&reference)),
                Ok(Event::Eof) | Err(_) => {
                    sitemap.is_cut = true;
                    break;
                }
                Ok(_) => {}
            }
        }
        root.map(|_| sitemap)
    }

    fn add(&mut self, entry: Entry, text: &str, base: &Url) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let Some(url) = named_url(base, text) else { return };
        self.bytes += url.as_str().len();
        let many = self.pages.len() + self.sitemaps.len() >= MAX_ENTRIES || self.bytes > MAX_TEXT;
        // As it is fetched: what is no ASCII takes three times as much.
        if many || text.len() > MAX_URL || url.as_str().len() > MAX_URL {
            self.is_cut = true;
            return;
        }
        match entry {
            Entry::Page => self.pages.push(url),
            Entry::Sitemap => self.sitemaps.push(url),
        }
    }
}

/// The text of a compressed file, and whether more was meant to be there: what comes before damage counts.
fn ungzipped(mut file: &[u8]) -> (Vec<u8>, bool) {
    let mut text = Vec::new();
    for _ in 0..MAX_MEMBERS {
        let left = (MAX_BYTES + 1).saturating_sub(text.len()) as u64;
        let read = GzDecoder::new(&mut file).take(left).read_to_end(&mut text);
        if read.is_err() || text.len() > MAX_BYTES {
            text.truncate(MAX_BYTES);
            return (text, true);
        }
        if !file.starts_with(GZIP) {
            return (text, false);
        }
    }
    (text, true)
}

/// A URL that is named by what stands at `base`, if it can be fetched.
pub(crate) fn named_url(base: &Url, text: &str) -> Option<Url> {
    base.join(text).ok().and_then(|url| parse_page_url(url.as_str()).ok())
}

/// The prefix of a name, which says whose it is.
fn prefix_of(name: QName<'_>) -> &[u8] {
    name.prefix().map(Prefix::into_inner).unwrap_or_default()
}

/// Adds to the text of a URL, if one is being read, until it is seen to be too long.
fn push(loc: &mut Option<String>, text: &str) {
    if let Some(loc) = loc.as_mut().filter(|loc| loc.len() <= MAX_URL) {
        loc.push_str(&text[..text.floor_char_boundary(2 * MAX_URL)]);
    }
}

/// What a reference stands for; itself where nothing says so.
fn resolved(reference: &BytesRef<'_>) -> String {
    let name = String::from_utf8_lossy(reference).into_owned();
    match reference.resolve_char_ref() {
        Ok(Some(character)) => character.to_string(),
        _ => resolve_predefined_entity(&name).map_or_else(|| format!("&{name};"), str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(file: &str) -> Option<Sitemap> {
        Sitemap::parse(file.as_bytes(), &Url::parse("https://a.org/sitemaps/1.xml").unwrap())
    }

    fn texts(urls: &[Url]) -> Vec<&str> {
        urls.iter().map(Url::as_str).collect()
    }

    #[test]
    fn pages_are_listed() {
        let sitemap = parse(
            "\u{feff}<?xml version='1.0' encoding='UTF-8'?><!-- by hand -->
            <urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9' xmlns:image='http://www.google.com/schemas/x'>
            <url><loc>https://a.org/1</loc><lastmod>2026-01-01</lastmod></url>
            <url><image:image><image:loc>https://a.org/no.png</image:loc></image:image><loc>
                https://a.org/2?a=1&amp;b=&#x32;&#51;</loc></url>
            <url><loc><![CDATA[https://a.org/3?a&b]]></loc></url><url><loc/></url>
            <url><loc>https://a.org/4?a&b=&c;</loc></url><url><loc>/5</loc></url><url><loc>mailto:x@a.org</loc></url>
            <other><loc>https://a.org/no</loc></other></urlset>",
        );
        let sitemap = sitemap.unwrap();
        let expected = [
            "https://a.org/1",
            "https://a.org/2?a=1&b=23",
            "https://a.org/3?a&b",
            "https://a.org/4?a&b=&c;",
            "https://a.org/5",
        ];
        assert_eq!(texts(&sitemap.pages), expected);
        assert!(sitemap.sitemaps.is_empty() && !sitemap.is_cut);
    }

    #[test]
    fn a_tag_too_many_or_too_few_costs_no_entry() {
        let sitemap = parse(
            "<urlset></b><url><loc>https://a.org/1<b/></loc><lastmod>2026</url></url><url><lastmod>2026
            <loc>https://a.org/2</loc></url></lastmod><url><loc>https://a.org/3</loc></url></urlset><br/><b>Warning: x",
        );
        let sitemap = sitemap.unwrap();
        assert_eq!(texts(&sitemap.pages), ["https://a.org/1", "https://a.org/2", "https://a.org/3"]);
        assert!(!sitemap.is_cut);
    }

    #[test]
    fn an_index_lists_sitemaps_whatever_prefix_it_is_written_with() {
        let sitemap = parse(
            "<s:sitemapindex xmlns:s='http://www.sitemaps.org/schemas/sitemap/0.9'><s:sitemap>
            <s:loc>https://a.org/2.xml.gz</s:loc></s:sitemap></s:sitemapindex>",
        );
        let sitemap = sitemap.unwrap();
        assert_eq!(texts(&sitemap.sitemaps), ["https://a.org/2.xml.gz"]);
        assert!(sitemap.pages.is_empty() && !sitemap.is_cut);
    }

    #[test]
    fn lines_are_a_sitemap_and_other_texts_are_none() {
        let sitemap = parse("https://a.org/1\r\n\r\n  https://a.org/2  \n# no\nftp://a.org/\n").unwrap();
        assert_eq!(texts(&sitemap.pages), ["https://a.org/1", "https://a.org/2"]);
        assert_eq!(parse(""), Some(Sitemap::default()));
        for other in ["<!doctype html><html><url><loc>https://a.org/</loc></url></html>", "{}", "Not found", "<"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_damaged_or_too_much_is_said_to_be_cut() {
        let sitemap = parse("<urlset><url><loc>https://a.org/1</loc></url><url><loc>https://a.org/").unwrap();
        assert_eq!((texts(&sitemap.pages), sitemap.is_cut), (vec!["https://a.org/1"], true));
        let many: String = (0..=MAX_ENTRIES).map(|n| format!("https://a.org/{n}\n")).collect();
        let sitemap = parse(&many).unwrap();
        assert_eq!((sitemap.pages.len(), sitemap.is_cut), (MAX_ENTRIES, true));
        let long = format!("https://a.org/{}", "ä".repeat(2 * MAX_URL));
        assert!(parse(&format!("<urlset>{}", "<a>".repeat(MAX_DEPTH))).unwrap().is_cut);
        for long in [format!("<urlset><url><loc>{long}</loc></url></urlset>"), format!("https://a.org/1\n{long}")] {
            let sitemap = parse(&long).unwrap();
            assert!(sitemap.is_cut && sitemap.pages.iter().all(|url| url.as_str() == "https://a.org/1"), "{sitemap:?}");
        }
    }

    proptest! {
        // Whatever it is, it is read to an end, and lists nothing that could not be fetched.
        #[test]
        fn nothing_breaks_it(pieces in prop::collection::vec(prop_oneof![
            Just("<urlset>"), Just("</urlset>"), Just("<url>"), Just("</url>"), Just("<loc>"), Just("</loc>"),
            Just("<sitemapindex"), Just(">"), Just("<sitemap>"), Just("<![CDATA["), Just("]]>"), Just("&#x0;"), Just("&"),
            Just("<!DOCTYPE x [<!ENTITY e 'http://b.org/'>]>"), Just("&e;"), Just("https://a.org/"), Just("<!--"),
            Just("-->"), Just("<?x"), Just("\0"), Just("<loc/>"), Just("\n"),
        ], 0..40)) {
            if let Some(sitemap) = parse(&pieces.concat()) {
                for url in sitemap.pages.iter().chain(&sitemap.sitemaps) {
                    prop_assert!(parse_page_url(url.as_str()).is_ok());
                }
            }
        }
    }
}
