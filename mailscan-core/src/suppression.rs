//! Suppression: addresses and domains whose owners do not want to be collected.
//!
//! Takes the text of a list, one address or domain a line, and answers whether an address is on it. Whoever collects asks
//! for every finding before anything is kept ([`EngineOptions::suppression`](crate::engine::EngineOptions::suppression)),
//! and counts what the list left out as [`Class::Suppressed`](crate::class::Class::Suppressed). No filter brings it back.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use crate::address::Address;

/// The longest list, in bytes: some two million addresses.
pub const MAX_LIST: usize = 64 << 20;

/// A list that is obeyed. Cheap to clone, and all clones change together; holds every entry in memory.
#[derive(Clone, Debug, Default)]
pub struct Suppression(Arc<RwLock<Arc<Entries>>>);

#[derive(Debug, Default)]
struct Entries {
    /// The identities of addresses.
    addresses: HashSet<Box<str>>,
    /// Domains, with everything under them, as lower-case A-labels.
    domains: HashSet<Box<str>>,
}

impl Suppression {
    /// Reads a list: an address (`ann@example.org`) or a domain (`example.org`, also `@example.org`) a line. Empty lines,
    /// what stands behind a `#` that begins a line or a word, white space around an entry, and the dot of the root behind a
    /// domain (`example.org.`) do not count. There are no patterns: a `*` in a local part is refused, unless it is quoted.
    ///
    /// ```
    /// use mailscan_core::{address::Address, suppression::Suppression};
    ///
    /// let list = Suppression::parse("# asked us in May\nann@example.org\n@example.net\n").expect("every line is an entry");
    /// let is_on = |text| list.contains(&Address::parse(text).expect("it is an address"));
    /// assert!(is_on("Ann@example.org") && is_on("ann+news@example.org") && is_on("bob@mail.example.net"));
    /// assert!(!is_on("bob@example.org"));
    /// ```
    ///
    /// # Errors
    /// A line for people that names the first line which is neither, and the mend where one is known, or says that the list is
    /// longer than [`MAX_LIST`]: a list that was read in part would be obeyed in part.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LIST {
            return Err(format!(
                "the list has more than {} MiB: name domains instead of their addresses",
                MAX_LIST >> 20
            ));
        }
        let mut entries = Entries::default();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let entry = without_remark(line).trim();
            if entry.is_empty() {
                continue;
            }
            entries.add(entry).map_err(|why| format!("line {} is `{}`, {why}", number + 1, entry.escape_debug()))?;
        }
        Ok(Self(Arc::new(RwLock::new(Arc::new(entries)))))
    }

    /// Takes over the entries of another list, for this one and all its clones.
    pub fn replace(&self, other: &Self) {
        let entries = other.entries();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = entries;
    }

    fn entries(&self) -> Arc<Entries> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the address is on the list: itself, without its tag (`ann+tag@example.org`), or by its domain or one above.
    pub fn contains(&self, address: &Address) -> bool {
        let entries = self.entries();
        entries.count() > 0 && entries.contain(&address.identity())
    }

    /// How many addresses and domains there are.
    pub fn len(&self) -> usize {
        self.entries().count()
    }

    /// Whether nothing is on it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The line up to its remark. Inside of a word the sign is part of an address.
fn without_remark(line: &str) -> &str {
    let begins = |at: &usize| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    let remark = line.match_indices('#').map(|(at, _)| at).find(begins);
    &line[..remark.unwrap_or(line.len())]
}

impl Entries {
    fn count(&self) -> usize {
        self.addresses.len() + self.domains.len()
    }

    fn contain(&self, identity: &str) -> bool {
        let (local, domain) = identity.rsplit_once('@').unwrap_or((identity, ""));
        let untagged = || {
            let base = local.split_once('+').map(|(base, _)| format!("{base}@{domain}"));
            base.is_some_and(|base| self.addresses.contains(&*base))
        };
        let mut domains = std::iter::successors(Some(domain), |below| below.split_once('.').map(|(_, above)| above));
        self.addresses.contains(identity) || untagged() || domains.any(|domain| self.domains.contains(domain))
    }

    /// Adds what a line names, or says why that is nothing.
    fn add(&mut self, entry: &str) -> Result<(), String> {
        let neither = || "which is neither an address nor a domain".to_owned();
        if entry.contains(char::is_whitespace) {
            return Err(neither());
        }
        let (local, domain) = entry.rsplit_once('@').unwrap_or(("", entry));
        if let Some(why) = no_local_part(local, domain) {
            return Err(why);
        }
        let domain = domain.strip_suffix(DOTS).unwrap_or(domain);
        // What makes an address of both tells whether the domain can be one.
        let address = Address::new(if local.is_empty() { "any" } else { local }, domain)
            .filter(|address| address.domain().split('.').all(|label| !label.is_empty()))
            .ok_or_else(neither)?;
        if !local.is_empty() {
            self.addresses.insert(address.identity().into());
        } else if address.domain().contains('.') {
            self.domains.insert(address.domain().into());
        } else {
            return Err(neither());
        }
        Ok(())
    }
}

/// The dots of domains (UTS #46).
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// Why no mention has such a local part: it would stand on the list and leave nothing out.
fn no_local_part(local: &str, domain: &str) -> Option<String> {
    if let Some(scheme) = local.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:")) {
        let address = format!("{}@{domain}", &local[scheme.len()..]);
        return Some(format!("which is a link: write `{}`", address.escape_debug()));
    }
    // Joiners are letters' own in some scripts, and none of a mention in others (as `extract` has it).
    let joins = |c: char| matches!(c, '\u{200c}' | '\u{200d}');
    let is_plain = local.chars().all(|c| c.is_ascii() || joins(c));
    if local.contains(|c| is_unseen(c) && (is_plain || !joins(c))) {
        return Some("with a character that cannot be seen: remove it".to_owned());
    }
    if local.len() > 2 && local.starts_with('"') && local.ends_with('"') {
        return None;
    }
    if local.contains('*') {
        return Some(format!("which is a pattern: write `{}` for all of its addresses", domain.escape_debug()));
    }
    if local.contains([',', ';']) {
        return Some("which is more than one entry: write one a line".to_owned());
    }
    local.contains(['(', ')', '<', '>', '[', ']', ':', '@', '\\', '"']).then(|| "which is no address".to_owned())
}

/// Whether it controls or formats text, and leaves no mark of its own.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_on(list: &str, address: &str) -> bool {
        Suppression::parse(list).unwrap().contains(&Address::parse(address).unwrap())
    }

    #[test]
    fn addresses_are_told_as_they_are_told_everywhere() {
        for (entry, address) in [
            ("ann@a.org", "ANN@A.ORG"),
            ("Ann.Lee@A.org", "ann.lee@a.org"),
            ("ann@bücher.de", "ann@xn--bcher-kva.de"),
            ("jürgen@a.org", "ju\u{308}rgen@a.org"),
            ("ann@a.org", "ann+shop@a.org"),
            ("\"ann\"@a.org", "ann@a.org"),
            ("نام\u{200c}خانوادگی@a.org", "نام\u{200c}خانوادگی@a.org"),
            ("a#nn@a.org # a remark", "a#nn@a.org"),
        ] {
            assert!(is_on(entry, address), "{entry} {address}");
        }
        for (entry, address) in
            [("ann@a.org", "anna@a.org"), ("ann@a.org", "ann@b.a.org"), ("ann+shop@a.org", "ann@a.org")]
        {
            assert!(!is_on(entry, address), "{entry} {address}");
        }
    }

    #[test]
    fn a_domain_takes_what_is_under_it() {
        for address in ["ann@a.org", "ann@mail.a.org", "ann@x.y.a.org"] {
            assert!(is_on("a.org", address) && is_on(" @A.ORG  # all of it", address), "{address}");
        }
        assert!(!is_on("a.org", "ann@ba.org") && !is_on("mail.a.org", "ann@a.org") && !is_on("", "ann@a.org"));
    }

    #[test]
    fn a_line_that_is_neither_is_told_and_nothing_is_read_in_part() {
        for (list, line) in [("a.org\n\nann lee@a.org", 3), ("@", 1), ("ann", 1), ("# x\nann@", 2), (".org", 1)] {
            let error = Suppression::parse(list).unwrap_err();
            assert!(error.starts_with(&format!("line {line} is ")), "{list:?}: {error}");
        }
        for list in ["ann@.org", "a..org", "a.org..", "ann@a..org", "<ann@a.org", "https://ann@a.org"] {
            assert!(Suppression::parse(list).is_err(), "{list:?}");
        }
        let list = Suppression::parse("\u{feff}a.org\r\nann@b.org\r\n# no entry\n\n").unwrap();
        assert_eq!((list.len(), list.is_empty()), (2, false));
    }

    #[test]
    fn the_dot_of_the_root_does_not_count() {
        for entry in ["a.org.", "@a.org.", "ann@a.org.", "a.org\u{3002}"] {
            assert!(is_on(entry, "ann@a.org"), "{entry}");
        }
    }

    #[test]
    fn a_line_that_would_leave_nothing_out_is_told_with_its_mend() {
        for (entry, why) in [
            ("*@a.org", "`*@a.org`, which is a pattern: write `a.org` for all of its addresses"),
            ("info*@a.org", "`info*@a.org`, which is a pattern: write `a.org` for all of its addresses"),
            ("ann@a.org,bob@a.org", "`ann@a.org,bob@a.org`, which is more than one entry: write one a line"),
            ("MailTo:ann@a.org", "`MailTo:ann@a.org`, which is a link: write `ann@a.org`"),
            ("\u{200b}ann@a.org", "`\\u{200b}ann@a.org`, with a character that cannot be seen: remove it"),
        ] {
            let error = Suppression::parse(&format!("b.org\n{entry}")).unwrap_err();
            assert_eq!(error, format!("line 2 is {why}"));
        }
        assert!(is_on("\"a*b\"@a.org", "a*b@a.org") && is_on("\"a,b\"@a.org", "\"a,b\"@a.org"));
    }

    #[test]
    fn a_list_that_is_replaced_changes_for_all_who_hold_it() {
        let (list, ann) = (Suppression::default(), Address::parse("ann@a.org").unwrap());
        let held = list.clone();
        assert!(!held.contains(&ann) && held.is_empty());
        list.replace(&Suppression::parse("a.org").unwrap());
        assert!(held.contains(&ann));
    }

    #[test]
    fn what_only_begins_as_a_quote_or_joins_nothing_is_refused() {
        for line in ["\"ann@a.org", "\"ann\"x@a.org", "an\u{200c}n@a.org", "\u{200d}ann@a.org"] {
            assert!(Suppression::parse(line).is_err(), "{line:?}");
        }
    }
}
