//! Domains that no public mail reaches: under no top-level domain in use, of a single label, or an address literal.
//!
//! Takes over from [`super::domain`] where that knows no suffix. What comes out is marked as such and left out by
//! default, so the rules are stricter than for domains that exist: names of files, versions and operands of a program
//! stand far more often behind an `@` than these do.

use std::net::Ipv4Addr;

use super::domain::{self, Domain};
use super::grammar::Around;
use super::{Form, context, unit};
use crate::class::{Class, Classes};

/// The longest address literal: `[IPv6:`, an IPv6 address with an IPv4 tail, `]`.
const LONGEST_LITERAL: usize = 52;

/// The address literal behind the `@`, such as `[192.0.2.1]`. Whether an address is in it is found out later.
pub(super) fn literal(around: &Around<'_>) -> Option<Domain> {
    let (mut text, mut end) = (String::new(), around.at.end);
    while !text.ends_with(']') {
        let unit = around.unit(end)?;
        if text.len() >= LONGEST_LITERAL || !(unit.ch.is_ascii_alphanumeric() || "[].:".contains(unit.ch)) {
            return None;
        }
        text.push(unit.ch);
        end = unit.end;
    }
    let units = text.len();
    may_end(around, end).then_some(Domain { text, units, end, classes: Classes::NONE })
}

/// The whole `run` of domain characters as a domain that does not exist, less the end of a sentence.
pub(super) fn unknown(around: &Around<'_>, run: usize, mut text: String) -> Option<Domain> {
    let dots = text.len() - text.trim_end_matches('.').len();
    text.truncate(text.len() - dots);
    // One dot ends a sentence and three go on with it; two are a slip.
    if dots == 2 || !may_end(around, around.right[run.checked_sub(1)?].end) {
        return None;
    }
    // `\@` before a word is a command of LaTeX or a version of a package.
    let commanded = around.at.form == Form::Escaped && around.document[..around.at.end].ends_with(b"@");
    if commanded && !text.contains('.') {
        return None;
    }
    let classes = match text.parse::<Ipv4Addr>() {
        Ok(_) => Classes::NONE,
        Err(_) if is_host_name(&text) => Classes::NONE.with(Class::UnknownDomain),
        Err(_) => return None,
    };
    let units = run - dots;
    Some(Domain { text, units, end: around.right[units.checked_sub(1)?].end, classes })
}

/// Whether the text is well-formed, and neither the name of a file nor a version.
fn is_host_name(text: &str) -> bool {
    let labels = || text.split('.');
    let first = labels().next().unwrap_or_default();
    let top = text.rsplit('.').next().unwrap_or_default();
    let well_formed = domain::well_formed_length(text) == text.len() && labels().all(|label| label.len() <= 63);
    well_formed
        && !is_number(top)
        && !is_version(text)
        && !first.strip_suffix(['x', 'X']).is_some_and(is_number)
        && if top.len() == text.len() { is_single_label(text) } else { !is_file_ending(top) }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `v4`, `1.2.3-beta.1`, `v0.0.0-20200101`, `20.x`.
fn is_version(text: &str) -> bool {
    let mut labels = text.split('.');
    let first = labels.next().unwrap_or_default();
    let number = first.strip_prefix(['v', 'V']).unwrap_or(first);
    let next = labels.next();
    is_number(number)
        && next.is_none_or(|next| next.starts_with(|ch: char| ch.is_ascii_digit()) || next.eq_ignore_ascii_case("x"))
}

/// Whether one label may be a host. A name in a script without spaces is whom a text addresses; some words are tags of
/// packages and branches.
fn is_single_label(label: &str) -> bool {
    const TAGS: [&str; 13] = [
        "alpha", "beta", "canary", "dev", "develop", "edge", "head", "latest", "main", "master", "next", "nightly",
        "stable",
    ];
    label.is_ascii() && !TAGS.iter().any(|tag| label.eq_ignore_ascii_case(tag))
}

/// Endings of files that are no top-level domains, sorted.
const ENDINGS: [&str; 102] = [
    "7z", "aac", "apk", "asm", "asp", "aspx", "avi", "avif", "bak", "bat", "bin", "bmp", "bz2", "c", "cfg", "class",
    "cmd", "conf", "cpp", "crt", "cs", "cshtml", "css", "csv", "deb", "device", "dll", "dmg", "doc", "docx", "ejs",
    "eot", "eps", "exe", "flac", "gif", "gz", "h", "heic", "hpp", "htm", "html", "ico", "ini", "iso", "jar", "jpeg",
    "jpg", "js", "json", "jsp", "jsx", "less", "lock", "log", "lua", "markdown", "mjs", "mount", "mp3", "mp4", "msi",
    "ogg", "otf", "pdf", "pem", "php", "png", "ppt", "pptx", "psd", "rb", "rpm", "rst", "scss", "service", "slice",
    "socket", "sql", "svg", "swift", "tar", "tgz", "tif", "tiff", "timer", "toml", "ts", "tsx", "ttf", "txt", "vue",
    "wasm", "wav", "webm", "webp", "woff", "woff2", "xlsx", "xml", "yaml", "yml",
];

fn is_file_ending(top: &str) -> bool {
    let lower = top.to_ascii_lowercase();
    ENDINGS.binary_search(&&*lower).is_ok()
}

/// Whether a domain may end at the byte `end`, by what stands there.
fn may_end(around: &Around<'_>, end: usize) -> bool {
    let Some(unit) = around.unit(end) else { return true };
    match unit.ch {
        ':' => around.unit(unit.end).is_none_or(|unit| unit.ch.is_whitespace() || unit.ch.is_control()),
        unit::soft::ROFF => false,
        ch if ch.is_ascii_graphic() => "\"'<>)],;!?|}`*&".contains(ch),
        ch => !ch.is_alphanumeric(),
    }
}

/// Whether a single label from the local part at `start` to `end` is no host: the name of a branch behind a path, a
/// letter among operands, or the first word of a domain with a space in it.
pub(super) fn is_no_host(document: &[u8], start: usize, end: usize, label: &str) -> bool {
    if label.contains('.') {
        return false;
    }
    let torn = document[end..].strip_prefix(b" .").and_then(|rest| rest.first());
    document[..start].ends_with(b"/")
        || (label.len() == 1 && !context::is_alone(document, start, end))
        || torn.is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_sorted_and_none_is_a_top_level_domain() {
        assert!(ENDINGS.is_sorted());
        for ending in ENDINGS {
            assert!(!psl::suffix(ending.as_bytes()).is_some_and(|suffix| suffix.is_known()), "{ending}");
        }
    }

    #[test]
    fn versions_and_files_are_no_hosts() {
        for none in [
            "v4",
            "7",
            "1.2.3-beta.1",
            "v0.0.0-20200101",
            "20.x",
            "3.6.0.min.js",
            "main",
            "2x.foo",
            "a.PNG",
            "a.5",
            "-a.b",
            "a..b",
            "a-",
            "公司",
        ] {
            assert!(!is_host_name(none), "{none}");
        }
        for host in ["localhost", "bar.baz", "vm1.lan", "a.b", "host-1", "3com.lan", "x.internal"] {
            assert!(is_host_name(host), "{host}");
        }
    }
}
