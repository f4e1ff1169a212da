//! An e-mail address in the one form in which mailscan compares, counts and stores it.
//!
//! Extraction makes addresses out of bytes ([`crate::extract`]); stores keep them. This module owns what makes two
//! mentions the same address, and nothing about how mentions are found.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;

/// The longest address, in bytes (RFC 5321, section 4.5.3.1, and its errata 1690).
const MAX_TEXT: usize = 254;

/// An e-mail address: the local part as written, the domain as lower-case A-labels.
///
/// Two addresses are the same address when their [`identity`](Self::identity) is equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Shared, because an address goes from hand to hand on its way to the store.
    text: Arc<str>,
    /// Where the `@` is: a local part has 64 bytes at most.
    at: u8,
    /// Kept, because it is asked for several times on the way to the store.
    fingerprint: u64,
}

impl Address {
    /// The address made of a local part, kept as written, and a domain in any letter case and either label form, or an
    /// address literal (RFC 5321, section 4.1.3).
    ///
    /// `None` when the domain has no valid A-label form, when a literal holds no address, or when a length limit of RFC 5321 (section 4.5.3.1: 64 octets
    /// for the local part, 255 for the domain, 254 for the whole by its errata 1690) is passed. The grammar of the
    /// parts is the extractor's business.
    pub fn new(local: &str, domain: &str) -> Option<Self> {
        if local.is_empty() || local.len() > 64 {
            return None;
        }
        let plain = domain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-')
            && !domain.starts_with("xn--")
            && !domain.contains(".xn--");
        let ascii = if plain {
            std::borrow::Cow::Borrowed(domain)
        } else if let Some(literal) = domain.strip_prefix('[') {
            std::borrow::Cow::Owned(address_literal(literal.strip_suffix(']')?)?)
        } else {
            idna::domain_to_ascii_cow(domain.as_bytes(), idna::AsciiDenyList::STD3).ok()?
        };
        if ascii.is_empty() || ascii.len() > 255 || local.len() + 1 + ascii.len() > 254 {
            return None;
        }
        let mut text = String::with_capacity(local.len() + 1 + ascii.len());
        text.push_str(local);
        text.push('@');
        text.push_str(&ascii);
        Some(Self::made(text.into(), local.len()))
    }

    /// The address that `text` is as it stands, with its last `@` at the byte `at`: as [`new`](Self::new) would make it
    /// of the parts, with one allocation and little else where the text is ASCII without A-labels.
    pub fn from_ascii(text: &str, at: usize) -> Option<Self> {
        let (local, domain) = (text.get(..at)?, text.get(at + 1..)?);
        let hyphens = domain.as_bytes().windows(2).fold(false, |seen, pair| seen | (pair == b"--"));
        let ldh = domain.bytes().fold(true, |all, b| all & (b.is_ascii_alphanumeric() | (b == b'.') | (b == b'-')));
        if hyphens || !ldh {
            return Self::new(local, domain);
        }
        if local.is_empty() || local.len() > 64 || domain.is_empty() || text.len() > 254 {
            return None;
        }
        let mut text: Arc<str> = text.into();
        Arc::get_mut(&mut text)?[at..].make_ascii_lowercase();
        Some(Self::made(text, at))
    }

    /// The same where the text is known to be ASCII with a lower-case domain without A-labels, within the limits of
    /// lengths, and is not looked at again.
    pub(crate) fn from_normal(text: &[u8], at: usize) -> Self {
        let text = String::from_utf8_lossy(text);
        debug_assert_eq!(Self::from_ascii(&text, at).as_ref().map(Self::as_str), Some(&*text));
        Self::made((&*text).into(), at)
    }

    /// The address of a normalised text with its last `@` at the byte `at`.
    fn made(text: Arc<str>, at: usize) -> Self {
        let fingerprint = fingerprint_of_text(&text, at);
        Self { text, at: u8::try_from(at).unwrap_or(u8::MAX), fingerprint }
    }

    /// The address that [`as_str`](Self::as_str) gave, such as one read back from a store.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_ascii(text, text.rfind('@')?)
    }

    /// The local part, as written where it was first seen.
    pub fn local(&self) -> &str {
        &self.text[..usize::from(self.at)]
    }

    /// The domain: lower case, A-labels (`xn--...`) for international names.
    pub fn domain(&self) -> &str {
        &self.text[usize::from(self.at) + 1..]
    }

    /// The domain as people read it: U-labels where there are any.
    pub fn domain_unicode(&self) -> String {
        idna::domain_to_unicode(self.domain()).0
    }

    /// The normalised address: local part as written, `@`, domain as A-labels.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What makes the address itself: the local part case-folded (Unicode default case folding) and composed (NFC), `@`,
    /// the domain.
    ///
    /// RFC 5321 (section 2.4) lets a host tell `Ann` from `ann`; no host in use does, and a person who counts addresses
    /// does not. Quotes that a local part could do without (section 4.1.2) make no other address.
    pub fn identity(&self) -> String {
        identity(self.local(), self.domain())
    }

    /// A 64-bit fingerprint (XXH3) of the identity, stable across versions. Two addresses may share one, so an equal
    /// fingerprint only says where to compare identities.
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

/// A piece of an address with the labels of its domain, which is what comes behind the `@` or else all of it, as they are
/// kept; `None` where they are that already, or cannot be.
pub(crate) fn with_ascii_domain(piece: &str) -> Option<String> {
    let (before, domain) = piece.split_at(piece.rfind('@').map_or(0, |at| at + 1));
    if domain.is_ascii() {
        return None;
    }
    // What is ASCII may be a part of a label, and stays as it is.
    let label = |label: &str| match label.is_ascii() {
        true => Some(label.to_owned()),
        false => idna::domain_to_ascii(label).ok().filter(|kept| !kept.is_empty()),
    };
    Some(format!("{before}{}", domain.split('.').map(label).collect::<Option<Vec<_>>>()?.join(".")))
}

fn identity(local: &str, domain: &str) -> String {
    let unquoted = unquoted(local);
    let local = unquoted.as_deref().unwrap_or(local);
    let mut identity = if local.is_ascii() {
        local.to_ascii_lowercase()
    } else {
        // RFC 6532 (section 3.1) wants it composed, and keyboards differ in what they write.
        unicase::UniCase::unicode(local).to_folded_case().nfc().collect()
    };
    identity.push('@');
    identity.push_str(domain);
    identity
}

/// The fingerprint of the address of this normalised text.
fn fingerprint_of_text(text: &str, at: usize) -> u64 {
    // Nearly every address folds in place, and had better not allocate for it.
    let mut folded = [0; MAX_TEXT];
    match folded.get_mut(..text.len()) {
        Some(folded) if text.is_ascii() && !text.starts_with('"') => {
            folded.copy_from_slice(text.as_bytes());
            folded[..at].make_ascii_lowercase();
            fingerprint_of(folded)
        }
        _ => {
            let (local, domain) = text.split_at(at);
            fingerprint_of(identity(local, domain.get(1..).unwrap_or_default()).as_bytes())
        }
    }
}

/// The fingerprint of the address with this identity.
pub(crate) fn fingerprint_of(identity: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(identity)
}

/// The inside of an address literal in the form in which it is kept.
fn address_literal(inside: &str) -> Option<String> {
    use std::net::{Ipv4Addr, Ipv6Addr};
    match inside.split_at_checked(5) {
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6:") => {
            address.parse::<Ipv6Addr>().ok().map(|_| format!("[IPv6:{}]", address.to_ascii_lowercase()))
        }
        _ => inside.parse::<Ipv4Addr>().ok().map(|_| format!("[{inside}]")),
    }
}

/// What a quoted local part says, where that needs no quotes: `"ann.lee"` and `"ann\.lee"` are `ann.lee`.
fn unquoted(local: &str) -> Option<String> {
    let inside = local.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(ch) = chars.next() {
        text.push(if ch == '\\' { chars.next()? } else { ch });
    }
    let atom = |ch: char| ch.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(ch);
    text.split('.').all(|word| !word.is_empty() && word.chars().all(atom)).then_some(text)
}

/// The bytes tell an address from any other, so that a set can be asked for one that is not made yet.
impl Borrow<[u8]> for Address {
    fn borrow(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.as_bytes().hash(state);
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_piece_of_an_address_has_its_labels_as_they_are_kept() {
        for (piece, kept) in [
            ("bücher", Some("xn--bcher-kva")),
            ("@bücher.d", Some("@xn--bcher-kva.d")),
            ("müller@post.bücher.de", Some("müller@post.xn--bcher-kva.de")),
            ("münchen.bücher", Some("xn--mnchen-3ya.xn--bcher-kva")),
            ("müller@a.org", None),
            ("ann@xn--b", None),
            ("\u{ad}", None),
        ] {
            assert_eq!(with_ascii_domain(piece).as_deref(), kept, "{piece}");
        }
    }

    #[test]
    fn domain_is_lowered_and_local_part_kept() {
        let address = Address::new("Ann.Lee", "Mail.Example.ORG").unwrap();
        assert_eq!(address.as_str(), "Ann.Lee@mail.example.org");
        assert_eq!(address.identity(), "ann.lee@mail.example.org");
        assert_eq!((address.local(), address.domain()), ("Ann.Lee", "mail.example.org"));
    }

    #[test]
    fn both_label_forms_are_one_address() {
        let unicode = Address::new("a", "Bücher.de").unwrap();
        let ascii = Address::new("A", "xn--bcher-kva.de").unwrap();
        assert_eq!(unicode.identity(), ascii.identity());
        assert_eq!(ascii.domain_unicode(), "bücher.de");
    }

    #[test]
    fn international_local_parts_fold() {
        let upper = Address::new("STRAẞE", "a.org").unwrap();
        let lower = Address::new("straße", "a.org").unwrap();
        assert_eq!(upper.identity(), lower.identity());
        let (composed, decomposed) = (Address::new("j\u{fc}rgen", "a.org"), Address::new("ju\u{308}rgen", "a.org"));
        assert_eq!(composed.unwrap().identity(), decomposed.unwrap().identity());
    }

    #[test]
    fn quotes_that_are_not_needed_make_no_other_address() {
        let identity = |text: &str| Address::parse(text).unwrap().identity();
        assert_eq!(identity(r#""Ann.Lee"@a.org"#), "ann.lee@a.org");
        assert_eq!(identity(r#""a\nn"@a.org"#), "ann@a.org");
        for needed in [r#""ann lee"@a.org"#, r#""ann..lee"@a.org"#, r#"""@a.org"#, r#""a@b"@a.org"#, r#""a\""@a.org"#] {
            assert_eq!(identity(needed), needed);
        }
    }

    #[test]
    fn literals_hold_addresses() {
        let domain = |text: &str| Address::new("ann", text).map(|address| address.domain().to_owned());
        assert_eq!(domain("[192.0.2.1]").as_deref(), Some("[192.0.2.1]"));
        assert_eq!(domain("[ipv6:2001:DB8::1]").as_deref(), Some("[IPv6:2001:db8::1]"));
        for none in ["[192.0.2]", "[192.0.2.256]", "[IPv6:192.0.2.1]", "[2001:db8::1]", "[]", "[192.0.2.1", "[x.org]"] {
            assert_eq!(domain(none), None, "{none}");
        }
    }

    #[test]
    fn length_limits_of_rfc_5321() {
        let label = "d".repeat(63);
        assert!(Address::new(&"a".repeat(64), "b.org").is_some());
        assert!(Address::new(&"a".repeat(65), "b.org").is_none());
        let domain = format!("{label}.{label}.{label}");
        assert!(Address::new(&"a".repeat(254 - 1 - domain.len()), &domain).is_some());
        assert!(Address::new(&"a".repeat(255 - 1 - domain.len()), &domain).is_none());
    }

    proptest! {
        #[test]
        fn the_fingerprint_is_that_of_the_identity(local in "[a-zA-ZüẞÜ\"._-]{1,9}", domain in "[a-zA-Zü]{1,9}\\.org") {
            let address = Address::new(&local, &domain).unwrap();
            prop_assert_eq!(address.fingerprint(), xxhash_rust::xxh3::xxh3_64(address.identity().as_bytes()));
        }

        #[test]
        fn an_address_as_it_stands_is_that_of_its_parts(
            local in "[a-zA-Z0-9._+ü-]{0,70}",
            domain in "(xn--|XN--)?[a-zA-Z.-]{0,9}(ü|\\.org|_|-\\.DE)?",
        ) {
            prop_assert_eq!(Address::from_ascii(&format!("{local}@{domain}"), local.len()), Address::new(&local, &domain));
        }

        #[test]
        fn parse_inverts_as_str(local in "[a-zA-Z0-9._+ü-]{1,20}", domain in "[a-zA-Z]{1,9}\\.(org|DE|中国)") {
            let address = Address::new(&local, &domain).unwrap();
            prop_assert_eq!(Address::parse(address.as_str()), Some(address));
        }
    }
}
