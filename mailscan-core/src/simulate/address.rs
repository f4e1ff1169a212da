//! The addresses that exist: the i-th one as a pure function of the seed.
//!
//! Names and hosts are put together from lists. The only digits of a local part are `i` itself, so no two addresses
//! are the same.

use super::layout::mix;

const FIRST: [&str; 24] = [
    "anna", "boris", "chloe", "dmitri", "elena", "farid", "grace", "henrik", "ines", "jonas", "katya", "liam", "mei",
    "nadia", "omar", "priya", "quentin", "rosa", "sven", "tomas", "ursula", "victor", "wanda", "yusuf",
];
const LAST: [&str; 24] = [
    "abbott",
    "becker",
    "carvalho",
    "dubois",
    "eriksen",
    "fischer",
    "garcia",
    "hansen",
    "ivanova",
    "jansen",
    "kowalski",
    "lindqvist",
    "moreau",
    "novak",
    "okafor",
    "patel",
    "quiroga",
    "rossi",
    "suzuki",
    "tanaka",
    "ueda",
    "varga",
    "weiss",
    "zhang",
];
const ROLES: [&str; 10] =
    ["info", "sales", "support", "press", "jobs", "office", "contact", "billing", "service", "team"];
const TAGS: [&str; 8] = ["news", "web", "shop", "list", "bugs", "events", "orders", "alerts"];
const HOSTS: [&str; 32] = [
    "amber", "birch", "cobalt", "delta", "ember", "falcon", "granite", "harbor", "iris", "juniper", "kestrel", "lumen",
    "maple", "nimbus", "onyx", "pioneer", "quartz", "raven", "summit", "timber", "umbra", "vertex", "willow", "xenon",
    "yarrow", "zephyr", "aurora", "breeze", "cedar", "dune", "fjord", "grove",
];
const TRADES: [&str; 16] = [
    "works",
    "labs",
    "media",
    "foods",
    "group",
    "systems",
    "design",
    "travel",
    "books",
    "energy",
    "garden",
    "motors",
    "studio",
    "textile",
    "logistics",
    "consulting",
];
const TLDS: [&str; 12] = ["com", "org", "net", "de", "fr", "nl", "se", "it", "pl", "io", "co.uk", "com.br"];

/// The i-th address as it is written where it is first mentioned.
pub(super) fn text(seed: u64, i: u64) -> String {
    let bits = mix(seed ^ 0xADD5, i);
    let mut parts = Parts(bits);
    let (first, last) = (parts.pick(&FIRST), parts.pick(&LAST));
    let local = match parts.below(8) {
        0 => format!("{first}{i}"),
        1 => format!("{first}_{last}{i}"),
        2 => format!("{}.{last}{i}", &first[..1]),
        3 => format!("{}{i}", parts.pick(&ROLES)),
        4 => format!("{first}.{last}{i}+{}", parts.pick(&TAGS)),
        5 => format!("{}.{}{i}", capital(first), capital(last)),
        6 => format!("{last}-{first}{i}"),
        _ => format!("{first}.{last}{i}"),
    };
    let (host, trade, tld) = (parts.pick(&HOSTS), parts.pick(&TRADES), parts.pick(&TLDS));
    match parts.below(4) {
        0 => format!("{local}@{host}{trade}.{tld}"),
        1 => format!("{local}@mail.{host}-{trade}.{tld}"),
        2 => format!("{local}@{trade}.{host}.{tld}"),
        _ => format!("{local}@{host}-{trade}.{tld}"),
    }
}

fn capital(word: &str) -> String {
    let (head, tail) = word.split_at(1);
    head.to_ascii_uppercase() + tail
}

/// Small numbers out of one random number.
struct Parts(u64);

impl Parts {
    fn below(&mut self, n: u64) -> u64 {
        let part = self.0 % n;
        self.0 /= n;
        part
    }

    fn pick(&mut self, list: &[&'static str]) -> &'static str {
        list[self.below(list.len() as u64) as usize]
    }
}
