//! The classes of the domains that were met last, so that the lists behind them are not searched for every address again.
//!
//! Pages of a site name few domains many times, and a search of the list of throw-away providers is a row of places in
//! memory that are not in a cache. Each thread remembers for itself.

use std::cell::RefCell;

use super::Classes;
use crate::recent::Recent;

/// How many domains a thread remembers, in at most 1 MiB.
const DOMAINS: usize = 1 << 15;

thread_local! {
    static RECENT: RefCell<Recent<32>> = const { RefCell::new(Recent::new(DOMAINS)) };
}

/// What `find` says of a domain, or said when it was asked last.
pub(super) fn classes(domain: &str, find: impl FnOnce(&str) -> Classes) -> Classes {
    RECENT.with_borrow_mut(|recent| {
        if let Some(bits) = recent.get(domain) {
            return Classes::from_bits(bits);
        }
        let found = find(domain);
        recent.note(domain, found.bits());
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::Class;

    #[test]
    fn a_domain_is_looked_up_once_until_it_is_forgotten() {
        let (role, mut asked) = (Classes::NONE.with(Class::Role), 0);
        for n in 0..3 * DOMAINS {
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
        assert_eq!(asked, 6 * DOMAINS);
        assert_eq!(classes("a0.org", |_| Classes::NONE), Classes::NONE, "it was forgotten");
    }
}
