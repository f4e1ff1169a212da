//! Parsers that nothing but a server's answer reaches, for fuzzing (feature `oracle`). Not for use: they may change at any
//! time.

use std::time::Duration;

use url::Url;

use super::robots::Rules;
use super::sitemap::Sitemap;

/// What a robots.txt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Robots {
    /// Whether it allows the URL that was asked for.
    pub allows: bool,
    /// The time between requests that it asks for, as far as that is believed.
    pub delay: Option<Duration>,
    /// How many sitemaps it names, as far as they are looked at.
    pub sitemaps: usize,
}

/// Reads a robots.txt, or the beginning of one, and asks it for `url`.
pub fn robots(file: &[u8], is_whole: bool, url: &Url) -> Robots {
    let rules = if is_whole { Rules::parse(file) } else { Rules::parse_beginning(file) };
    Robots { allows: rules.allow(url), delay: rules.delay, sitemaps: rules.sitemaps().count() }
}

/// The pages and the sitemaps that a sitemap at `base` lists; none of what is no sitemap.
pub fn sitemap(file: &[u8], base: &Url) -> Vec<Url> {
    Sitemap::read(file, base).map(|listed| [listed.pages, listed.sitemaps].concat()).unwrap_or_default()
}
