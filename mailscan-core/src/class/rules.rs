//! What an address shows by itself: roles, placeholders, keys of programs, throw-away providers.
//!
//! Takes an address and answers its classes. It is asked once for every new address, so it allocates nothing for those
//! that have no class.

use std::net::Ipv4Addr;

use super::{Class, Classes, domains};
use crate::address::Address;

pub(super) fn classes(address: &Address) -> Classes {
    let (local, domain) = (address.local(), address.domain());
    let mut classes = Classes::NONE;
    let mut short = [0; LONGEST_NAME];
    // A tag does not change whose mailbox it is.
    let base = local.split_once('+').map_or(local, |(base, _)| base);
    if let Some(short) = short.get_mut(..base.len()) {
        short.copy_from_slice(base.as_bytes());
        short.make_ascii_lowercase();
        if ROLES.contains(short) {
            classes = classes.with(Class::Role);
        }
        if is_dummy(short, domain) {
            classes = classes.with(Class::Placeholder);
        }
    }
    if is_key(local) || is_algorithm(local, domain) {
        classes = classes.with(Class::Machine);
    }
    let shown = domains::classes(domain, of_domain);
    if classes.contains(Class::Placeholder) {
        // Nobody's address is at no provider.
        return classes.union(shown.iter().filter(|class| *class != Class::Disposable).collect());
    }
    classes.union(shown)
}

/// What a domain shows.
fn of_domain(domain: &str) -> Classes {
    let mut classes = Classes::NONE;
    if is_reserved(domain) || asks_to_be_replaced(domain) {
        classes = classes.with(Class::Placeholder);
    }
    if domain.starts_with('[') || domain.parse::<Ipv4Addr>().is_ok() {
        classes = classes.with(Class::Literal);
    }
    if is_machine_host(domain) {
        classes = classes.with(Class::Machine);
    }
    if is_file_name(domain) {
        classes = classes.with(Class::FileName);
    }
    // Lists of throw-away domains hold examples and machines too.
    if classes.intersection(NOWHERE).is_empty() && is_disposable(domain) {
        classes = classes.with(Class::Disposable);
    }
    classes
}

/// What is at no provider.
const NOWHERE: Classes = Classes::NONE.with(Class::Placeholder).with(Class::Literal);

/// The longest name in the lists below.
const LONGEST_NAME: usize = 20;

/// The mailboxes of RFC 2142, and those that organisations use beside them, sorted.
static ROLES: Names<81> = Names::new([
    b"abuse",
    b"accounting",
    b"accounts",
    b"admin",
    b"administration",
    b"administrator",
    b"all",
    b"apply",
    b"billing",
    b"booking",
    b"bookings",
    b"bounce",
    b"bounces",
    b"bugs",
    b"careers",
    b"compliance",
    b"contact",
    b"contacto",
    b"contacts",
    b"contato",
    b"customer-service",
    b"customerservice",
    b"do-not-reply",
    b"donotreply",
    b"dpo",
    b"enquiries",
    b"enquiry",
    b"events",
    b"everyone",
    b"feedback",
    b"finance",
    b"ftp",
    b"gdpr",
    b"hello",
    b"help",
    b"helpdesk",
    b"hostmaster",
    b"hr",
    b"info",
    b"information",
    b"inquiries",
    b"inquiry",
    b"invoice",
    b"invoices",
    b"it",
    b"jobs",
    b"kontakt",
    b"legal",
    b"listserv",
    b"mail",
    b"mailer-daemon",
    b"majordomo",
    b"marketing",
    b"media",
    b"news",
    b"newsletter",
    b"no-reply",
    b"no_reply",
    b"noc",
    b"noreply",
    b"office",
    b"orders",
    b"postmaster",
    b"press",
    b"privacy",
    b"reception",
    b"recruiting",
    b"reservations",
    b"root",
    b"sales",
    b"security",
    b"service",
    b"staff",
    b"subscribe",
    b"support",
    b"team",
    b"unsubscribe",
    b"usenet",
    b"uucp",
    b"webmaster",
    b"www",
]);

/// A list of names that is asked about many that are not on it.
struct Names<const N: usize> {
    /// Sorted.
    names: [&'static [u8]; N],
    /// For each first byte the lengths of the names that begin with it, as bits.
    lengths: [u32; 256],
}

impl<const N: usize> Names<N> {
    const fn new(names: [&'static [u8]; N]) -> Self {
        let mut lengths = [0; 256];
        let mut at = 0;
        while at < N {
            lengths[names[at][0] as usize] |= 1 << names[at].len();
            at += 1;
        }
        Self { names, lengths }
    }

    /// Whether a name of at most [`LONGEST_NAME`] bytes is on the list.
    fn contains(&self, name: &[u8]) -> bool {
        let lengths = name.first().map_or(0, |first| self.lengths[usize::from(*first)]);
        lengths >> name.len() & 1 == 1 && self.names.binary_search(&name).is_ok()
    }
}

/// Whether the domain is reserved for examples, tests and one's own machine: RFC 2606, 6761 and 6762.
fn is_reserved(domain: &str) -> bool {
    let (rest, top) = domain.rsplit_once('.').unwrap_or(("", domain));
    if matches!(top, "com" | "net" | "org" | "edu") {
        return rest == "example" || rest.ends_with(".example");
    }
    matches!(top, "example" | "invalid" | "local" | "localdomain" | "localhost" | "test")
}

/// Whether a template says with the domain that something else is to be put there: `yourdomain.com`.
fn asks_to_be_replaced(domain: &str) -> bool {
    const OWNERS: [&str; 5] = ["your-", "your", "my-", "my", "some"];
    const THINGS: [&str; 8] =
        ["domain", "domainname", "company", "companyname", "website", "site", "organization", "emailprovider"];
    if matches!(domain, "domain.com" | "domain.org" | "domain.net" | "domain.tld") {
        return true;
    }
    let label = domain.split('.').rev().nth(1).unwrap_or_default();
    let thing = OWNERS.iter().find_map(|owner| label.strip_prefix(owner));
    thing.is_some_and(|thing| THINGS.contains(&thing))
}

/// What a template says where a name is to be put, sorted.
static DUMMIES: Names<13> = Names::new([
    b"firstname",
    b"firstname.lastname",
    b"your-email",
    b"your-name",
    b"your.email",
    b"your.name",
    b"your_email",
    b"your_name",
    b"your_username",
    b"youremail",
    b"yourmail",
    b"yourname",
    b"yourusername",
]);

/// Whether a template says with the local part that a name is to be put there: `your.name@gmail.com`.
fn is_dummy(local: &[u8], domain: &str) -> bool {
    // Providers whose names are words, in which a template sees no more than that.
    let any: [&[u8]; 8] = [b"email", b"example", b"name", b"someone", b"user", b"username", b"you", b"your"];
    DUMMIES.contains(local) || (matches!(domain, "email.com" | "mail.com" | "company.com") && any.contains(&local))
}

/// Whether the local part is a key rather than a name: 24 hexadecimal digits or more, digits and letters among them,
/// hyphens aside.
fn is_key(local: &str) -> bool {
    is_hexadecimal(local, 24)
}

/// Whether the address is the name of an extension of SSH: of an algorithm or a request (RFC 4251, section 6), which are
/// told apart by the domain of who made them.
fn is_algorithm(local: &str, domain: &str) -> bool {
    const WORDS: [&str; 40] = [
        "aes128",
        "aes192",
        "aes256",
        "agent",
        "auth",
        "bound",
        "cancel",
        "cbc",
        "cert",
        "chacha20",
        "copy",
        "ctr",
        "curve25519",
        "destination",
        "directory",
        "ecdsa",
        "ed25519",
        "etm",
        "expand",
        "forwarded",
        "gcm",
        "hmac",
        "hostbound",
        "hostkeys",
        "kex",
        "more",
        "poly1305",
        "posix",
        "restrict",
        "rijndael",
        "rsa",
        "session",
        "sha2",
        "sha256",
        "sha512",
        "sk",
        "ssh",
        "streamlocal",
        "umac",
        "users",
    ];
    const NAMES: [&str; 11] =
        ["eow", "fstatvfs", "fsync", "hardlink", "keepalive", "limits", "lsetstat", "ping", "statvfs", "tun", "zlib"];
    // Where people have addresses as well, only what was made there.
    if domain == "lysator.liu.se" {
        return local == "rijndael-cbc";
    }
    matches!(domain, "openssh.com" | "libssh.org" | "tinyssh.org")
        && (NAMES.contains(&local) || (local.contains('-') && local.split('-').any(|word| WORDS.contains(&word))))
}

/// Whether the host was named by a program: a label of 12 hexadecimal digits or more, or a place that takes keys.
fn is_machine_host(domain: &str) -> bool {
    let label = domain.split('.').next().unwrap_or_default();
    is_hexadecimal(label, 12) || domain.ends_with(".ingest.sentry.io")
}

fn is_hexadecimal(text: &str, least: usize) -> bool {
    if text.len() < least {
        return false;
    }
    let (mut digits, mut letters) = (0, 0);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'a'..=b'f' | b'A'..=b'F' => letters += 1,
            b'-' => {}
            _ => return false,
        }
    }
    digits > 0 && letters > 0 && digits + letters >= least
}

/// Whether the domain is rather the rest of a file's name. Some suffixes are both a top-level domain and a file's ending:
/// `zip` and `mov` are rarely anything but files, the others are countries and companies with real mail, unless nothing
/// but a number stands before them.
fn is_file_name(domain: &str) -> bool {
    let Some((label, top)) = domain.rsplit_once('.') else { return false };
    matches!(top, "zip" | "mov") || (label.bytes().all(|byte| byte.is_ascii_digit()) && is_file_ending(top.as_bytes()))
}

/// Whether the top-level domain is the ending of files too.
pub(crate) fn is_file_ending(top: &[u8]) -> bool {
    const ENDINGS: [&[u8]; 22] = [
        b"ai", b"app", b"bz", b"cab", b"cc", b"gdn", b"java", b"md", b"mk", b"ml", b"mo", b"mov", b"pl", b"pm", b"ps",
        b"py", b"rs", b"sc", b"sh", b"so", b"st", b"zip",
    ];
    ENDINGS.iter().any(|ending| top.eq_ignore_ascii_case(ending))
}

/// Whether the domain, or the registered one that it is under, gives out throw-away addresses.
fn is_disposable(domain: &str) -> bool {
    let own = psl::domain_str(domain).filter(|own| own.len() < domain.len());
    [Some(domain), own].into_iter().flatten().any(disposable_emails::is_disposable_domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_addresses() {
        let key = "0123456789abcdef0123456789abcdef";
        let cases = [
            ("ann@a.org", ""),
            ("Postmaster@a.org info@a.org no-reply@a.org Sales+eu@a.org uucp@a.org unsubscribe@a.org", "role"),
            ("informed@a.org infos@a.org information-desk-of-the-town@a.org", ""),
            (
                "ann@example.com ann@mail.example.org ann@a.example ann@a.test ann@x.invalid ann@localhost",
                "placeholder",
            ),
            (
                "ann@printer.local ann@yourdomain.com ann@my-company.co ann@mail.yoursite.de ann@domain.com",
                "placeholder",
            ),
            ("your.name@gmail.com firstname.lastname@a.org name@email.com", "placeholder"),
            ("ann@myexample.com ann@example.de ann@mydomains.com ann@counterexample.org name@a.org ann@email.com", ""),
            ("support@example.net", "placeholder,role"),
            ("ann@mailinator.com ann@inbox.mailinator.com", "disposable"),
            ("ann@[192.0.2.1] ann@[IPv6:2001:db8::1] ann@192.0.2.1", "literal"),
            (&format!("{key}@a.org 9b2c1d7e-3f40-4a5b-8c6d-7e8f90a1b2c3@a.org"), "machine"),
            ("a1b2c3@o123.ingest.sentry.io ann@3f2a9c1b2d3e.a.org", "machine"),
            (&format!("{key}@sentry.io"), "machine"),
            ("aes128-gcm@openssh.com curve25519-sha256@libssh.org hmac-sha2-256-etm@openssh.com", "machine"),
            ("chacha20-poly1305@openssh.com umac-64@openssh.com sk-ssh-ed25519-cert-v01@openssh.com", "machine"),
            ("sntrup4591761x25519-sha512@tinyssh.org rijndael-cbc@lysator.liu.se statvfs@openssh.com", "machine"),
            ("djm@openssh.com openssh@openssh.com anna-lena@lysator.liu.se aes128-gcm@corp.com", ""),
            ("support@sentry.io security@sentry.io", "role"),
            ("ann@sentry.io", ""),
            ("12345678901234567890123456@sms.org deadbeefdeadbeefdeadbeefdead@a.org ann@effaced12.a.org", ""),
            ("ann@tls.msk.ru ann@firma.pl ann@24.com.pl ann@3x.ai", ""),
            ("backup@home.zip a@b.mov module@2.rs ann@24.pl", "file_name"),
        ];
        for (addresses, expected) in cases {
            for address in addresses.split(' ') {
                assert_eq!(Classes::of(&Address::parse(address).unwrap()).to_string(), expected, "{address}");
            }
        }
    }

    #[test]
    fn lists_are_sorted_and_fit() {
        for names in [&ROLES.names[..], &DUMMIES.names[..]] {
            assert!(names.is_sorted());
            assert!(names.iter().all(|name| name.len() <= LONGEST_NAME));
        }
    }

    #[test]
    fn no_suffix_of_many_domains_is_called_disposable() {
        for suffix in ["co.uk", "com.br", "org.au", "gov.uk", "github.io", "gmail.com", "gmx.de", "web.de", "eu.org"] {
            assert!(!is_disposable(suffix), "{suffix}");
        }
    }
}
