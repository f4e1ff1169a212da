//! The classes of the domains that were met last, so that the lists behind them are not searched for every address again.
//!
//! Pages of a site name few domains many times, and a search of the list of throw-away providers is a row of places in
//! memory that are not in a cache. Each thread remembers for itself; domains are compared as text.

use std::cell::RefCell;

use super::Classes;

/// How many domains a thread remembers: 256 KiB, and their texts.
const PLACES: usize = 1 << 13;
/// A domain may stand in so many of them, so that few push each other out for ever.
const WAYS: usize = 4;

thread_local! {
    static LATEST: RefCell<Vec<(String, Classes)>> = const { RefCell::new(Vec::new()) };
}

/// What `find` says of a domain, or said when it was asked last.
pub(super) fn classes(domain: &str, find: impl FnOnce(&str) -> Classes) -> Classes {
    LATEST.with_borrow_mut(|latest| {
        if latest.is_empty() {
            latest.resize(PLACES, (String::new(), Classes::NONE));
        }
        let set = xxhash_rust::xxh3::xxh3_64(domain.as_bytes()) as usize % (PLACES / WAYS) * WAYS;
        // The one that was asked for last stands first, and the one that nobody asked for longest goes.
        let ways = &mut latest[set..set + WAYS];
        match ways.iter().position(|(met, _)| met == domain) {
            Some(way) => ways[..=way].rotate_right(1),
            None => {
                ways.rotate_right(1);
                ways[0].0.clear();
                ways[0].0.push_str(domain);
                ways[0].1 = find(domain);
            }
        }
        ways[0].1
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::Class;

    #[test]
    fn a_domain_is_looked_up_once_until_another_takes_its_place() {
        let (role, mut asked) = (Classes::NONE.with(Class::Role), 0);
        for n in 0..3 * PLACES {
            for expected in [role, Classes::NONE] {
                let domain = format!("{}{n}.org", if expected == role { "a" } else { "b" });
                for _ in 0..2 {
                    let found = classes(&domain, |_| {
                        asked += 1;
                        expected
                    });
                    assert_eq!(found, expected, "{domain}");
                }
            }
        }
        assert_eq!(asked, 6 * PLACES);
        assert_eq!(classes("a0.org", |_| Classes::NONE), Classes::NONE, "it was forgotten");
    }
}
