//! An e-mail address in the one form in which mailscan compares, counts and stores it.
//!
//! Extraction makes addresses out of bytes ([`crate::extract`]); stores keep them. This module owns what makes two
//! mentions the same address, and nothing about how mentions are found.

/// An e-mail address: the local part as written, the domain as lower-case A-labels.
///
/// Two addresses are the same address when their [`identity`](Self::identity) is equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    text: Box<str>,
    at: u16,
}

impl Address {
    /// The address made of a local part, kept as written, and a domain in any letter case and either label form.
    ///
    /// `None` when the domain has no valid A-label form, or when a length limit of RFC 5321 (section 4.5.3.1: 64 octets
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
        Some(Self { text: text.into_boxed_str(), at: u16::try_from(local.len()).ok()? })
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
        let mut text: Box<str> = text.into();
        text[at..].make_ascii_lowercase();
        Some(Self { text, at: u16::try_from(at).ok()? })
    }

    /// The address that [`as_str`](Self::as_str) gave, such as one read back from a store.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        Self::new(local, domain)
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

    /// What makes the address itself: the local part case-folded (Unicode default case folding), `@`, the domain.
    ///
    /// RFC 5321 (section 2.4) lets a host tell `Ann` from `ann`; no host in use does, and a person who counts addresses
    /// does not.
    pub fn identity(&self) -> String {
        let local = self.local();
        let mut identity = if local.is_ascii() {
            local.to_ascii_lowercase()
        } else {
            unicase::UniCase::unicode(local).to_folded_case()
        };
        identity.push('@');
        identity.push_str(self.domain());
        identity
    }

    /// A 64-bit fingerprint (XXH3) of the identity, stable across versions. Two addresses may share one, so an equal
    /// fingerprint only says where to compare identities.
    pub fn fingerprint(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(self.identity().as_bytes())
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
