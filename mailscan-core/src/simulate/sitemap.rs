//! The sitemaps of the simulated site: an index, and sitemaps of some pages each. Pure.

use std::fmt::Write;
use std::net::SocketAddr;

/// How many pages a sitemap lists.
const PAGES: u64 = 1_000;
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const SCHEMA: &str = "xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\"";

/// The sitemap at this path of a site of so many pages; `None` where there is none.
pub(super) fn sitemap(path: &str, pages: u64, site: SocketAddr) -> Option<String> {
    let mut xml = HEAD.to_owned();
    // Writing to a string cannot fail.
    if path == "/sitemap.xml" {
        let _ = write!(xml, "<sitemapindex {SCHEMA}>");
        for part in 0..pages.div_ceil(PAGES) {
            let _ = write!(xml, "<sitemap><loc>http://{site}/sitemaps/{part}.xml</loc></sitemap>");
        }
        xml.push_str("</sitemapindex>");
        return Some(xml);
    }
    let part: u64 = path.strip_prefix("/sitemaps/")?.strip_suffix(".xml")?.parse().ok()?;
    let first = part.checked_mul(PAGES).filter(|first| *first < pages)?;
    let _ = write!(xml, "<urlset {SCHEMA}>");
    for n in first..pages.min(first + PAGES) {
        let _ = write!(xml, "<url><loc>http://{site}/p/{n}</loc></url>");
    }
    xml.push_str("</urlset>");
    Some(xml)
}
