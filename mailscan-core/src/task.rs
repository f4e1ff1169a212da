//! A task: one item of the queue, such as one page, one call of a search API, or one file.
//!
//! Tasks are made from a job's sources and from what other tasks discover; the queue keeps them, a fetcher carries
//! them out. Everything that a job does expands through tasks (a folder yields files, a list or a sitemap yields pages, a
//! search call yields pages and its next call), so the frontier lives in the queue and memory does not grow with it.

use std::borrow::Cow;

use crate::class::LeftOut;
use crate::job::JobId;

/// The identity of a task within its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

impl std::fmt::Display for TaskId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a task asks for. Two tasks of one job with equal work are the same task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Work {
    /// Fetch one page by its absolute `http` or `https` URL.
    Page {
        /// The URL, normalised, without a fragment.
        url: String,
    },
    /// Read which pages a sitemap lists of a site, or which sitemaps a site has.
    Sitemap {
        /// The site, as `host` or `host:port`: pages of others are passed over.
        site: String,
        /// The URL of the sitemap; one without a path is that of the whole site, whose robots.txt names its sitemaps.
        url: String,
    },
    /// Call the job's search endpoint once. The call after it is `page + stride` of the same query.
    Search {
        /// What is searched for.
        query: String,
        /// The number of the result page, from 1.
        page: u32,
        /// How far the next call of this lane is: the number of lanes that share the query.
        stride: u32,
    },
    /// Read one local file, or list one local folder: its files and folders become tasks.
    Path {
        /// The path of the file or folder.
        path: String,
    },
    /// Read a part of a local file that holds one URL a line; the rest becomes the next task.
    List {
        /// The list's path.
        path: String,
        /// Where to go on reading, in bytes.
        offset: u64,
    },
}

impl Work {
    /// The kinds that this version knows: a queue that several versions share claims no others.
    pub const KINDS: [&'static str; 5] = ["page", "sitemap", "search", "path", "list"];

    /// A stable short name of the kind, for stores and for people.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Page { .. } => "page",
            Self::Sitemap { .. } => "sitemap",
            Self::Search { .. } => "search",
            Self::Path { .. } => "path",
            Self::List { .. } => "list",
        }
    }

    /// The rest of the work as one string: with [`kind`](Self::kind) it identifies the work, and
    /// [`decode`](Self::decode) turns it back.
    pub fn locator(&self) -> Cow<'_, str> {
        match self {
            Self::Page { url } => url.into(),
            Self::Path { path } => path.into(),
            Self::Sitemap { site, url } => format!("{site} {url}").into(),
            Self::Search { query, page, stride } => format!("{page}+{stride} {query}").into(),
            Self::List { path, offset } => format!("{offset} {path}").into(),
        }
    }

    /// The work that was stored as `kind` and `locator`, or `None` when they belong together in no known way.
    pub fn decode(kind: &str, locator: &str) -> Option<Self> {
        let text = || locator.to_owned();
        Some(match kind {
            "page" => Self::Page { url: text() },
            "path" => Self::Path { path: text() },
            "sitemap" => {
                let (site, url) = locator.split_once(' ')?;
                Self::Sitemap { site: site.to_owned(), url: url.to_owned() }
            }
            "search" => {
                let (position, query) = locator.split_once(' ')?;
                let (page, stride) = position.split_once('+')?;
                Self::Search { query: query.to_owned(), page: page.parse().ok()?, stride: stride.parse().ok()? }
            }
            "list" => {
                let (offset, path) = locator.split_once(' ')?;
                Self::List { path: path.to_owned(), offset: offset.parse().ok()? }
            }
            _ => return None,
        })
    }

    /// The host that the work burdens, as `host` or `host:port`, lower case: the unit of politeness and of balance.
    ///
    /// Search calls share the host [`SEARCH_HOST`], local work the host [`LOCAL_HOST`]; neither can be the name of a real host.
    pub fn host(&self) -> String {
        match self {
            Self::Page { url } | Self::Sitemap { url, .. } => match plain_host(url) {
                Some(host) => host.to_owned(),
                None => url::Url::parse(url).ok().as_ref().map(host_of).unwrap_or_default(),
            },
            Self::Search { .. } => SEARCH_HOST.to_owned(),
            Self::Path { .. } | Self::List { .. } => LOCAL_HOST.to_owned(),
        }
    }

    /// The work as people know it: the URL, the path, or the search.
    pub fn label(&self) -> String {
        match self {
            Self::Search { query, page, .. } => format!("search \"{query}\" page {page}"),
            Self::Page { url } => url.clone(),
            Self::Sitemap { url, .. } => format!("sitemap {url}"),
            Self::Path { path } | Self::List { path, .. } => path.clone(),
        }
    }

    /// Where a list goes on; `None` for work that is no list.
    pub fn list_position(&self) -> Option<ListPosition> {
        match self {
            Self::List { path, offset } => Some(ListPosition { path: path.clone(), offset: *offset }),
            Self::Page { .. } | Self::Sitemap { .. } | Self::Search { .. } | Self::Path { .. } => None,
        }
    }

    /// A 64-bit fingerprint (XXH3) of kind and locator, stable across versions. Two different works may share it, so
    /// an equal fingerprint only says where to compare the locator.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        hasher.update(self.kind().as_bytes());
        hasher.update(b"\0");
        hasher.update(self.locator().as_bytes());
        hasher.digest()
    }
}

/// The host of all search calls. The claims of PostgreSQL name it in their SQL, and the conformance suite holds them to it.
pub const SEARCH_HOST: &str = "search:";

/// The host of all local work, named there as well.
pub const LOCAL_HOST: &str = "local:";

/// The host of a URL that is written as it is meant, with its port: nothing to decode, to fold or to leave out.
fn plain_host(url: &str) -> Option<&str> {
    let (rest, own_port) = match url.strip_prefix("https://") {
        Some(rest) => (rest, "443"),
        None => (url.strip_prefix("http://")?, "80"),
    };
    let site = rest.split_once('/')?.0;
    let (host, port) = site.split_once(':').map_or((site, None), |(host, port)| (host, Some(port)));
    // Without a sign or zeros before it, and not the one that is left out.
    let is_port = |port: &str| port.starts_with(|first| matches!(first, '1'..='9')) && port.parse::<u16>().is_ok();
    let is_kept = |port: &str| is_port(port) && port != own_port;
    ((is_plain_name(host) || is_plain_address(host)) && port.is_none_or(is_kept)).then_some(site)
}

fn is_plain_name(host: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase();
    // Names that end in a number are network addresses, and Punycode may be invalid: those are for the parser.
    let plain = host.bytes().all(|b| letter(b) || b.is_ascii_digit() || b == b'.' || b == b'-');
    let last = host.rsplit('.').next().unwrap_or_default();
    plain && !last.is_empty() && last.bytes().all(letter) && !host.contains("xn--")
}

/// Whether it is a network address as the parser writes it: four numbers without zeros before them.
fn is_plain_address(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_ok()
}

/// `host` or `host:port` of a URL, without the port where it is the scheme's own.
pub fn host_of(url: &url::Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    }
}

/// Whether two URLs are of one site: the same host and port, where `www.` makes no difference.
pub(crate) fn same_site(one: &url::Url, other: &url::Url) -> bool {
    one.host_str().map(without_www) == other.host_str().map(without_www) && one.port() == other.port()
}

/// Whether a URL is of the site with this [`host_of`].
#[cfg(feature = "http")]
pub(crate) fn is_of_site(url: &url::Url, site: &str) -> bool {
    without_www(&host_of(url)) == without_www(site)
}

fn without_www(host: &str) -> &str {
    host.strip_prefix("www.").unwrap_or(host)
}

/// A task to be put on the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// The job it belongs to.
    pub job: JobId,
    /// What it asks for.
    pub work: Work,
    /// How many links it is away from the job's sources.
    pub depth: u32,
    /// The most tasks that the job may ever have; a push beyond it answers
    /// [`Pushed::OverLimit`](crate::queue::Pushed::OverLimit).
    pub limit: Option<u64>,
}

/// A task as the queue hands it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its identity.
    pub id: TaskId,
    /// The job it belongs to.
    pub job: JobId,
    /// What it asks for.
    pub work: Work,
    /// How many links it is away from the job's sources.
    pub depth: u32,
    /// Which attempt this is, from 1: one more than the number of retries so far. A release keeps it.
    pub attempt: u32,
    /// How many earlier deliveries ended without a word, their lease run out.
    pub crashes: u32,
}

/// What has become of a task, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Something is still to be done: it is ready, waits for its time, or a worker has it.
    Open,
    /// It is done.
    Done,
    /// It was given up: blocked, failed or quarantined.
    GivenUp,
}

/// How far a list of URLs is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListPosition {
    /// The list's path.
    pub path: String,
    /// From where on it is still to be read, in bytes.
    pub offset: u64,
}

/// How many tasks of a job are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Ready to be claimed, suspects included.
    pub pending: u64,
    /// Waiting for their time.
    pub delayed: u64,
    /// Held by a worker, or by a dead one until the next sweep.
    pub leased: u64,
    /// Done.
    pub done: u64,
    /// Given up because the source refused.
    pub blocked: u64,
    /// Given up for any other reason, crashes excepted.
    pub failed: u64,
    /// Given up because their deliveries ended in crashes.
    pub quarantined: u64,
    /// The mentions of addresses that ended tasks left out for their classes.
    pub left_out: LeftOut,
}

impl Depth {
    /// Tasks on which something is still to be done. Zero proves that the job is finished, because discovered tasks
    /// are pushed before the task that found them is settled.
    pub const fn open(&self) -> u64 {
        self.pending + self.delayed + self.leased
    }

    /// Tasks that were given up.
    pub const fn lost(&self) -> u64 {
        self.blocked + self.failed + self.quarantined
    }

    /// Whether nothing is left of a job but what was given up: a resume would find nothing to do.
    pub const fn is_given_up(&self) -> bool {
        self.open() == 0 && self.lost() > 0
    }

    /// Counts the tasks of another job as well, and what it left out.
    pub fn add(&mut self, other: &Self) {
        let Self { pending, delayed, leased, done, blocked, failed, quarantined, left_out } = other;
        self.pending += pending;
        self.delayed += delayed;
        self.leased += leased;
        self.done += done;
        self.blocked += blocked;
        self.failed += failed;
        self.quarantined += quarantined;
        left_out.iter().for_each(|(class, mentions)| self.left_out.add(class, mentions));
    }

    /// All tasks that the job ever had.
    pub const fn total(&self) -> u64 {
        self.open() + self.done + self.lost()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn work() -> impl Strategy<Value = Work> {
        prop_oneof![
            "https?://[a-z]{1,9}\\.org/[ -~]{0,20}".prop_map(|url| Work::Page { url }),
            ("[a-z]{1,9}\\.org(:81)?", "https?://[a-z]{1,9}\\.org/[ -~]{0,20}")
                .prop_map(|(site, url)| Work::Sitemap { site, url }),
            (".{0,20}", any::<u32>(), any::<u32>()).prop_map(|(query, page, stride)| Work::Search {
                query,
                page,
                stride
            }),
            ".{0,20}".prop_map(|path| Work::Path { path }),
            (".{0,20}", any::<u64>()).prop_map(|(path, offset)| Work::List { path, offset }),
        ]
    }

    #[test]
    fn a_site_is_a_host_and_a_port() {
        let url = |text| url::Url::parse(text).unwrap();
        let page = url("https://a.org/y");
        for (link, same) in [
            ("http://www.a.org/x", true),
            ("http://a.org/x", true),
            ("http://b.a.org/x", false),
            ("http://a.org:81/x", false),
        ] {
            assert_eq!(same_site(&url(link), &page), same, "{link}");
            #[cfg(feature = "http")]
            assert_eq!(is_of_site(&url(link), &host_of(&page)), same, "{link}");
        }
    }

    proptest! {
        #[test]
        fn decode_inverts_kind_and_locator(work in work()) {
            prop_assert!(Work::KINDS.contains(&work.kind()));
            prop_assert_eq!(Work::decode(work.kind(), &work.locator()), Some(work));
        }
    }

    proptest! {
        #[test]
        fn the_short_way_to_a_host_is_the_long_one(
            url in "https?://([a-zA-Z0-9.@:-]{0,6}[a-z0-9.-]{1,9}(xn--a)?(\\.org|\\.0x1|\\.)?|0?[0-9]{1,3}(\\.0?[0-9]{1,3}){3})\
                (:80|:443|:[+0-9]{0,5})?(/[a-z/:@?]{0,5})?",
        ) {
            let parsed = url::Url::parse(&url).ok().as_ref().map(host_of).unwrap_or_default();
            prop_assert_eq!(Work::Page { url }.host(), parsed);
        }
    }

    #[test]
    fn kind_is_part_of_the_fingerprint() {
        let path = Work::Path { path: "a".into() };
        let page = Work::Page { url: "a".into() };
        assert_ne!(path.fingerprint(), page.fingerprint());
    }

    #[test]
    fn host_drops_the_default_port_only() {
        let host = |url: &str| Work::Page { url: url.into() }.host();
        assert_eq!(host("https://Example.ORG:443/x"), "example.org");
        assert_eq!(host("http://127.0.0.1:8080/"), "127.0.0.1:8080");
        assert_eq!(host("not a url"), "");
    }

    #[test]
    fn unknown_kinds_and_broken_locators_are_none() {
        assert_eq!(Work::decode("ftp", "x"), None);
        assert_eq!(Work::decode("search", "1 q"), None);
        assert_eq!(Work::decode("list", "x"), None);
    }
}
