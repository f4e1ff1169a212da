//! Which links of a page become tasks: those to other pages of its site that the job has not met, each once, and only so
//! many. Pure.

use std::collections::HashSet;
use std::ops::Range;

use url::Url;

use super::super::met_links::{LinkHash, MetLinks};
use super::super::session_ids;
use crate::extract::{self, Link, MAX_LINKS};
use crate::fetch::Document;
use crate::task::same_site;

/// How many links are compared with those that were met at a time. Most pages have fewer.
const AT_ONCE: usize = 4_096;

/// Hands the URL of every link of a page that is to become a task to `take`; answers whether there were more of them than
/// are followed of one page. Links to elsewhere, to what is a task already, and repeated ones do not count.
pub(super) fn follow(page: &Document, base: &Url, met_links: &MetLinks, mut take: impl FnMut(String)) -> bool {
    let mut links =
        Links { met_links, waiting: Vec::new(), texts: String::new(), seen: HashSet::new(), are_too_many: false };
    extract::link_texts(&page.body, base, page.charset, |link| {
        let on_site = match &link {
            Link::Path(_) => true,
            Link::Url(url) => same_site(url, base),
        };
        let text = session_ids::without(link.as_str());
        if on_site && text != base.as_str() && !links.are_too_many {
            links.add(&text);
            if links.waiting.len() == AT_ONCE {
                links.hand_on(&mut take);
            }
        }
    });
    links.hand_on(&mut take);
    links.are_too_many
}

struct Links<'a> {
    met_links: &'a MetLinks,
    /// Those that are not compared yet, each with its place in `texts`.
    waiting: Vec<(LinkHash, Range<usize>)>,
    texts: String,
    /// Those that were handed on.
    seen: HashSet<LinkHash>,
    are_too_many: bool,
}

impl Links<'_> {
    fn add(&mut self, link: &str) {
        let begin = self.texts.len();
        self.texts.push_str(link);
        self.waiting.push((self.met_links.hash(link), begin..self.texts.len()));
    }

    fn hand_on(&mut self, take: &mut impl FnMut(String)) {
        self.met_links.retain_new(&mut self.waiting);
        for (hash, place) in self.waiting.drain(..) {
            if self.seen.len() == MAX_LINKS {
                self.are_too_many |= !self.seen.contains(&hash);
            } else if self.seen.insert(hash) {
                take(self.texts.get(place).unwrap_or_default().to_owned());
            }
        }
        self.texts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::Media;

    /// How many links of a page are followed, the last of them, and whether there were more.
    fn followed(page: &str, met_links: &MetLinks) -> (usize, Option<String>, bool) {
        let mut urls = Vec::new();
        let base = Url::parse("https://a.org/").unwrap();
        let page = Document {
            source: "https://a.org/".into(),
            base: None,
            media: Media::Html,
            charset: None,
            body: page.to_owned().into(),
            offset: 0,
            truncated: false,
        };
        let are_too_many = follow(&page, &base, met_links, |url| urls.push(url));
        (urls.len(), urls.pop(), are_too_many)
    }

    fn numbered(count: usize) -> String {
        (1..=count).map(|n| format!("<a href='/{n}'>")).collect()
    }

    #[test]
    fn only_so_many_links_are_followed_and_more_are_told_of() {
        let met_links = MetLinks::new();
        let last = |n: usize| Some(format!("https://a.org/{n}"));
        assert_eq!(followed(&numbered(MAX_LINKS), &met_links), (MAX_LINKS, last(MAX_LINKS), false));
        assert_eq!(followed(&numbered(MAX_LINKS + 1), &met_links), (MAX_LINKS, last(MAX_LINKS), true));
        assert_eq!(followed(&numbered(MAX_LINKS).repeat(2), &met_links), (MAX_LINKS, last(MAX_LINKS), false));
    }

    #[test]
    fn what_becomes_no_task_takes_the_room_of_no_other() {
        let met_links = MetLinks::new();
        met_links.note(["https://a.org/met"].into_iter());
        for link in ["https://b.org/", "#part", "/same", "/met", "mailto:ann@a.org"] {
            let page = [format!("<a href='{link}'>").repeat(2 * MAX_LINKS), "<a href='/last'>".to_owned()].concat();
            let (count, last, are_too_many) = followed(&page, &met_links);
            let expected = if link == "/same" { 2 } else { 1 };
            assert_eq!((count, last.as_deref(), are_too_many), (expected, Some("https://a.org/last"), false), "{link}");
        }
    }
}
