//! robots.txt (RFC 9309): what a site allows this crawler, and how slowly.
//!
//! [`Rules`] parses and matches, purely; [`super::http`] fetches the files and keeps them. Matching is linear in the
//! path and the pattern, so a hostile file costs what its bytes cost.

use std::time::Duration;

/// The name by which robots.txt files address this crawler.
pub(crate) const PRODUCT: &str = "mailscan";
/// How much of a file is read: RFC 9309, section 2.5, asks for at least 500 KiB.
pub(crate) const MAX_BYTES: usize = 500 * 1024;
/// The most sitemaps of a site that are looked at.
pub(crate) const MAX_SITEMAPS: usize = 1_000;
/// The longest crawl-delay that is believed.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// What one site allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    /// The time between requests that the site asks for.
    pub(crate) delay: Option<Duration>,
    /// The sitemaps that the file names, for whomever.
    sitemaps: Vec<String>,
    /// Whether it names more than are looked at.
    more_sitemaps: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    allow: bool,
    /// Normalised, without the `$` that anchors it.
    pattern: String,
    anchored: bool,
}

/// The group that lines belong to while a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Ours,
    Everybody,
    Others,
}

impl Rules {
    /// The rules of a file of which only the beginning is known: a line that was cut says something else than it did.
    pub(crate) fn parse_beginning(file: &[u8]) -> Self {
        let whole_lines = memchr::memrchr2(b'\n', b'\r', file).unwrap_or(0);
        Self::parse(&file[..whole_lines])
    }

    /// The rules of a file for this crawler: those of all groups that name it, else those of all groups for `*`. In whatever
    /// charset it is written, a rule is for the URLs of its octets.
    pub(crate) fn parse(mut file: &[u8]) -> Self {
        while let Some(behind) = file.strip_prefix(b"\xef\xbb\xbf") {
            file = behind;
        }
        let (mut ours, mut everybody, mut sitemaps) = (None, Self::default(), Vec::new());
        let mut more_sitemaps = false;
        let (mut group, mut naming) = (Group::Others, false);
        for line in file.split(|byte| matches!(byte, b'\n' | b'\r')) {
            let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let (field, value) = (trim(&line[..colon]).to_ascii_lowercase(), trim(&line[colon + 1..]));
            if field == b"user-agent" {
                let named = group_of(value);
                // Several names in a row head one group.
                group = if naming { merge(group, named) } else { named };
                naming = true;
                if group == Group::Ours {
                    ours.get_or_insert_with(Self::default);
                }
                continue;
            }
            if field == b"sitemap" && !value.is_empty() {
                more_sitemaps |= sitemaps.len() == MAX_SITEMAPS;
                if !more_sitemaps {
                    sitemaps.push(String::from_utf8_lossy(value).into_owned());
                }
            }
            // Only a rule ends the names of a group: other records must not change what the rules belong to.
            naming &= !matches!(&field[..], b"allow" | b"disallow");
            match (group, &mut ours) {
                (Group::Ours, Some(ours)) => ours.add(&field, value),
                (Group::Everybody, _) => everybody.add(&field, value),
                _ => {}
            }
        }
        Self { sitemaps, more_sitemaps, ..ours.unwrap_or(everybody) }
    }

    /// The sitemaps that the site names, as it writes them.
    pub(crate) fn sitemaps(&self) -> impl Iterator<Item = &str> {
        self.sitemaps.iter().map(String::as_str)
    }

    /// Whether the site names more sitemaps than [`sitemaps`](Self::sitemaps) tells.
    pub(crate) const fn names_more_sitemaps(&self) -> bool {
        self.more_sitemaps
    }

    /// About how much memory the rules take.
    pub(crate) fn bytes(&self) -> usize {
        let rules: usize = self.rules.iter().map(|rule| size_of::<Rule>() + rule.pattern.capacity()).sum();
        let sitemaps: usize = self.sitemaps.iter().map(|text| size_of::<String>() + text.capacity()).sum();
        rules + sitemaps
    }

    fn add(&mut self, field: &[u8], value: &[u8]) {
        match field {
            // An empty rule says nothing.
            b"allow" | b"disallow" if !value.is_empty() => {
                let (pattern, anchored) = value.strip_suffix(b"$").map_or((value, false), |value| (value, true));
                let parts = pattern.split(|byte| *byte == b'*');
                let pattern = parts.map(normalise).collect::<Vec<_>>().join("*");
                self.rules.push(Rule { allow: field == b"allow", pattern, anchored });
            }
            b"crawl-delay" => {
                let seconds = std::str::from_utf8(value).ok().and_then(|value| value.parse::<f64>().ok());
                let seconds = seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0);
                if let Some(seconds) = seconds {
                    self.delay = Some(Duration::from_secs_f64(seconds.min(LONGEST_DELAY.as_secs_f64())));
                }
            }
            _ => {}
        }
    }

    /// Whether the site allows this URL: the longest matching pattern decides, `Allow` where two are equally long.
    pub(crate) fn allow(&self, url: &url::Url) -> bool {
        let mut path = normalise(url.path().as_bytes());
        if path == "/robots.txt" {
            return true;
        }
        if let Some(query) = url.query() {
            path.push('?');
            path.push_str(&normalise(query.as_bytes()));
        }
        let matching = self.rules.iter().filter(|rule| rule.matches(&path));
        matching
            .max_by_key(|rule| (rule.pattern.len() + usize::from(rule.anchored), rule.allow))
            .is_none_or(|rule| rule.allow)
    }
}

impl Rule {
    /// `*` stands for any characters, the end is open unless the pattern was anchored.
    fn matches(&self, path: &str) -> bool {
        let mut parts = self.pattern.split('*');
        let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else { return false };
        let mut parts = parts.peekable();
        if self.anchored && parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if self.anchored && parts.peek().is_none() {
                return rest.ends_with(part);
            }
            // The first place is always good enough: it leaves the most for the parts to come.
            let Some(at) = memchr::memmem::find(rest.as_bytes(), part.as_bytes()) else { return false };
            rest = &rest[at + part.len()..];
        }
        true
    }
}

/// A part of a line without the space around it: that of Unicode as well, which some editors leave there.
fn trim(text: &[u8]) -> &[u8] {
    std::str::from_utf8(text).map_or(text.trim_ascii(), |text| text.trim().as_bytes())
}

/// Whom a `User-agent` value means: the product name is compared without regard to case or version.
fn group_of(value: &[u8]) -> Group {
    let is_of_name = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-');
    let name = &value[..value.iter().position(|byte| !is_of_name(byte)).unwrap_or(value.len())];
    if name.eq_ignore_ascii_case(PRODUCT.as_bytes()) {
        Group::Ours
    } else if value.starts_with(b"*") {
        Group::Everybody
    } else {
        Group::Others
    }
}

fn merge(a: Group, b: Group) -> Group {
    match (a, b) {
        (Group::Ours, _) | (_, Group::Ours) => Group::Ours,
        (Group::Everybody, _) | (_, Group::Everybody) => Group::Everybody,
        _ => Group::Others,
    }
}

/// One spelling for all that mean the same octets (RFC 9309, section 2.2.2): what need not be encoded is not, and the
/// rest is, with upper-case digits. `*` and `$` count as what they are, so that only a pattern's own are special (2.2.3).
/// What no URL may hold (RFC 3986, section 2) is encoded, since programs differ in which of it they leave as it is.
fn normalise(bytes: &[u8]) -> String {
    let mut normal = String::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = if byte == b'%' { hex_pair(&bytes[at + 1..]) } else { None };
        at += if escaped.is_some() { 3 } else { 1 };
        match escaped {
            Some(value) if value.is_ascii_alphanumeric() || b"-._~".contains(&value) => normal.push(char::from(value)),
            Some(value) => push_escape(&mut normal, value),
            None if byte.is_ascii_graphic() && !b"*$\"<>\\^`{|}".contains(&byte) => normal.push(char::from(byte)),
            None => push_escape(&mut normal, byte),
        }
    }
    normal
}

/// The value of two hexadecimal digits at the front.
fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (high, low) = (digit(bytes.first()?)?, digit(bytes.get(1)?)?);
    u8::try_from(high * 16 + low).ok()
}

fn push_escape(text: &mut String, byte: u8) {
    use std::fmt::Write;
    // Writing into a string does not fail.
    let _ = write!(text, "%{byte:02X}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(file: &str, path: &str) -> bool {
        Rules::parse(file.as_bytes()).allow(&url::Url::parse("http://a.org").unwrap().join(path).unwrap())
    }

    #[test]
    fn our_group_alone_counts_when_there_is_one() {
        let file = "User-agent: *\nDisallow: /\n\nUser-agent: Mailscan/2.0\nDisallow: /private\nCrawl-delay: 2\n";
        assert!(allowed(file, "/open"));
        assert!(!allowed(file, "/private/x"));
        assert_eq!(Rules::parse(file.as_bytes()).delay, Some(Duration::from_secs(2)));
    }

    #[test]
    fn groups_of_one_agent_are_one_and_names_in_a_row_share_a_group() {
        let file = "user-agent: other\nuser-agent: mailscan\ndisallow: /a\nuser-agent: x\ndisallow: /\nuser-agent: mailscan\ndisallow: /b";
        assert!(!allowed(file, "/a") && !allowed(file, "/b") && allowed(file, "/c"));
    }

    #[test]
    fn characters_that_urls_hold_in_two_ways_are_one() {
        for (pattern, page) in [
            ("/a\"b", "/a%22b"),
            ("/a%22b", "/a\"b"),
            ("/x{y}", "/x{y}"),
            ("/x%7By%7D", "/x{y}"),
            ("/s?x=\"y", "/s?x=\"y"),
            ("/a%7Cb", "/a|b"),
            ("/a|b", "/a%7cb"),
            ("/a^`b", "/a^`b"),
        ] {
            assert!(!allowed(&format!("User-agent: *\nDisallow: {pattern}\n"), page), "{pattern} and {page}");
        }
    }

    #[test]
    fn the_longest_pattern_decides_and_allow_wins_a_tie() {
        let file = "User-agent: *\nDisallow: /folder\nAllow: /folder/page\nDisallow: /tie\nAllow: /tie\n";
        assert!(allowed(file, "/folder/page") && !allowed(file, "/folder/other") && allowed(file, "/tie"));
    }

    #[test]
    fn wildcards_and_anchors() {
        let file = "User-agent: *\nDisallow: /*.gif$\nDisallow: /a*b*c\nDisallow: /exact$\nDisallow: /q?x=\n";
        assert!(!allowed(file, "/x.gif") && allowed(file, "/x.gif?y"));
        assert!(!allowed(file, "/a1b2c3") && allowed(file, "/a1c2b"));
        assert!(!allowed(file, "/exact") && allowed(file, "/exactly"));
        assert!(!allowed(file, "/q?x=1") && allowed(file, "/q"));
    }

    #[test]
    fn encoded_and_plain_spellings_are_one() {
        let file = "User-agent: *\nDisallow: /b%c3%bccher\nDisallow: /%7ejoe\nDisallow: /käse\n";
        assert!(!allowed(file, "/bücher") && !allowed(file, "/~joe/x") && !allowed(file, "/k%C3%A4se"));
    }

    #[test]
    fn a_rule_is_for_its_octets_in_whatever_charset() {
        let file = b"\xef\xbb\xbfUser-agent: *\xe9\nDisallow: /caf\xe9/\nDisallow:\xc2\xa0/a # \xe9\nDisallow: /\xc3\xbc\xff*z\n";
        let allowed = |path: &str| Rules::parse(file).allow(&url::Url::parse(&format!("http://a.org{path}")).unwrap());
        assert!(!allowed("/caf%E9/x") && !allowed("/caf%e9/") && allowed("/caf%C3%A9/"));
        assert!(!allowed("/a") && !allowed("/%C3%BC%FFyz") && allowed("/%C3%BCyz") && allowed("/caf%EF%BF%BD/"));
    }

    #[test]
    fn escaped_special_characters_are_themselves() {
        let file = "User-agent: *\nDisallow: /a-%2A.html\nDisallow: /b%24\nDisallow: /c$d\n";
        assert!(!allowed(file, "/a-*.html") && allowed(file, "/a-x.html"));
        assert!(!allowed(file, "/b$x") && allowed(file, "/b"));
        assert!(!allowed(file, "/c$d") && allowed(file, "/c"));
    }

    #[test]
    fn other_records_do_not_end_the_names_of_a_group() {
        for record in ["Sitemap: http://a.org/s.xml", "Crawl-delay: 5", "Unknown: x", ""] {
            let file = format!("User-agent: mailscan\n{record}\nUser-agent: other\nDisallow: /\n");
            assert!(!allowed(&file, "/x"), "{record}");
        }
    }

    #[test]
    fn a_line_that_was_cut_is_no_rule() {
        let file = b"User-agent: *\nDisallow: /a\nDisallow: /";
        let url = url::Url::parse("http://a.org/b").unwrap();
        assert!(Rules::parse_beginning(file).allow(&url) && !Rules::parse(file).allow(&url));
        assert!(Rules::parse_beginning(b"").allow(&url));
    }

    #[test]
    fn nothing_said_is_allowed_and_the_file_itself_always() {
        assert!(allowed("", "/x") && allowed("User-agent: *\nDisallow:\n", "/x") && allowed("nonsense", "/x"));
        assert!(
            allowed("User-agent: *\nDisallow: /\n", "/robots.txt") && !allowed("User-agent: *\nDisallow: /\n", "/")
        );
    }

    #[test]
    fn hostile_files_cost_what_their_bytes_cost() {
        let file = format!("User-agent: *\nDisallow: /{}b$\n", "*a".repeat(MAX_BYTES / 4));
        assert!(allowed(&file, &format!("/{}", "a".repeat(2_000))));
        assert_eq!(Rules::parse(b"User-agent: *\nCrawl-delay: 1e300\n").delay, Some(LONGEST_DELAY));
        assert_eq!(Rules::parse(b"User-agent: *\nCrawl-delay: -1\n").delay, None);
    }
}
