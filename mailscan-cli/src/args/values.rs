//! Values that can be typed: each parser takes a text and says what is wrong with it.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use mailscan_core::class::ClassFilter;
use mailscan_core::simulate::SimulationOptions;
use mailscan_core::source::http::IpNet;
use mailscan_core::store::ErrorClass;
use url::Host;

/// A whole number, with `_` or `,` between its digits where that helps to read it.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    let digits: String = text.chars().filter(|c| !matches!(c, '_' | ',')).collect();
    digits.parse().map_err(|_| format!("give a whole number from 0 to {}", u64::MAX))
}

/// The database where none is named.
pub(crate) const DATABASE: &str = "mailscan.db";

/// A database. A variable that is set to nothing names none, as if it were not set.
pub(crate) fn database(text: &str) -> Result<String, String> {
    match text {
        "" if is_set_to_nothing("MAILSCAN_DB") => Ok(DATABASE.to_owned()),
        "" => Err("name a file such as mailscan.db, or postgres://user@host/name".to_owned()),
        name => Ok(name.to_owned()),
    }
}

/// A database that many processes may share, for which nothing stands.
pub(crate) fn server(text: &str) -> Result<String, String> {
    match text {
        "" if is_set_to_nothing("MAILSCAN_DB") => {
            Err("MAILSCAN_DB is set to nothing: name a server in it, or with --db postgres://user@host/database"
                .to_owned())
        }
        "" => Err("name a server, such as postgres://user@host/database".to_owned()),
        name => Ok(name.to_owned()),
    }
}

/// A suppression list. Whoever set the variable to nothing may have meant a list: nothing is collected past it.
pub(crate) fn suppression() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|name: OsString| match name.is_empty() {
        true if is_set_to_nothing("MAILSCAN_SUPPRESS") => {
            Err("MAILSCAN_SUPPRESS is set to nothing: name a list in it, or unset it".to_owned())
        }
        true => Err("name a file".to_owned()),
        false => Ok(PathBuf::from(name)),
    })
}

fn is_set_to_nothing(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| value.is_empty())
}

/// The number of a job.
pub(crate) fn job_id(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "give the number of a job, such as 1: `mailscan job list` shows all".to_owned())
}

/// Where to listen.
pub(crate) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "give an IP address and a port, such as 127.0.0.1:8025".to_owned())
}

/// A number of seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || "give seconds as a number such as 2 or 0.1".to_owned();
    let number: f64 = text.strip_suffix('s').unwrap_or(text).parse().map_err(|_| wrong())?;
    if number.is_nan() {
        return Err(wrong());
    }
    mailscan_core::job::seconds(number)
}

/// How long a lease holds: long enough for three heartbeats to find their way, and no longer than engines have it.
pub(crate) fn lease(text: &str) -> Result<Duration, String> {
    let time = at_least(3, text)?;
    if time > Duration::from_secs(24 * 3_600) { Err("give at most 86400 seconds".to_owned()) } else { Ok(time) }
}

/// After how long a silent process counts as stale: long enough for three reports to find their way.
pub(crate) fn stale(text: &str) -> Result<Duration, String> {
    at_least(10, text)
}

fn at_least(least: u64, text: &str) -> Result<Duration, String> {
    let time = seconds(text)?;
    if time < Duration::from_secs(least) { Err(format!("give at least {least} seconds")) } else { Ok(time) }
}

/// A number of bytes, such as `512M`: K, M, G and T are powers of 1,024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "give bytes as a number such as 512M or 2G".to_owned();
    let upper = text.to_ascii_uppercase();
    let upper = upper.trim_end_matches("IB").trim_end_matches('B');
    let digits = upper.trim_end_matches(['K', 'M', 'G', 'T']);
    let power = match &upper[digits.len()..] {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << (10 * power)).ok_or_else(wrong)
}

/// A part of the whole.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "give a share such as 0.1".to_owned())?;
    if (0.0..=1.0).contains(&number) { Ok(number) } else { Err("give a share from 0 to 1".to_owned()) }
}

/// The share of mentions of the simulated web that repeat others.
pub(crate) fn duplicates(text: &str) -> Result<f64, String> {
    let most = SimulationOptions::MOST_DUPLICATES;
    share(text).ok().filter(|number| *number <= most).ok_or_else(|| format!("give a share from 0 to {most}"))
}

/// Classes of addresses to keep that are left out otherwise.
pub(crate) fn classes(text: &str) -> Result<ClassFilter, String> {
    ClassFilter::parse(text)
}

/// A network of IP addresses, or one address.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let one = || text.parse::<IpAddr>().map(IpNet::from);
    let wrong = || "give a network such as 10.1.0.0/16 or fd00::/8, or one address".to_owned();
    text.parse::<IpNet>().or_else(|_| one()).map_err(|_| wrong())
}

/// A host alone, in the form in which a browser names it.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let named = match text.parse() {
        Ok(address) => Some(Host::Ipv6(address)),
        Err(_) => Host::parse(text.strip_suffix('.').unwrap_or(text)).ok(),
    };
    let word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let wrong = || "give a name alone, such as scan.example.org: no scheme, port, path or wildcard".to_owned();
    let possible = |host: &Host| !matches!(host, Host::Domain(name) if !name.split('.').all(word));
    named.filter(possible).map(|host| host.to_string()).ok_or_else(wrong)
}

/// What an error means for its task.
pub(crate) fn error_class(text: &str) -> Result<ErrorClass, String> {
    let wrong = || format!("there is no such class: use {}", ErrorClass::names());
    ErrorClass::parse(text).ok_or_else(wrong)
}

/// The URL of a page.
pub(crate) fn page_url(text: &str) -> Result<String, String> {
    mailscan_core::job::parse_source_url(text).map(Into::into).map_err(|error| error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        let sizes = ["0", "1000", "2k", "512M", "512MiB", "3GB", "1T"].map(|text| size(text).unwrap());
        assert_eq!(sizes, [0, 1_000, 2_048, 512 << 20, 512 << 20, 3 << 30, 1 << 40]);
        for wrong in ["", "M", "-1M", "1.5G", "5X", "5MK", "99999999999999999999", "18446744073709551615K"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_may_be_grouped() {
        assert_eq!(count("1_000_000"), Ok(1_000_000));
        assert_eq!(count("1,000"), Ok(1_000));
        assert!(count("-1").is_err() && count("").is_err() && count("1e6").is_err());
    }

    #[test]
    fn seconds_are_positive_and_finite() {
        assert_eq!(seconds("0.1"), Ok(Duration::from_millis(100)));
        assert_eq!(seconds("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(seconds("1e6"), Ok(Duration::from_secs(1_000_000)));
        for wrong in ["nan", "soon", ""] {
            assert!(seconds(wrong).unwrap_err().contains("such as 2 or 0.1"), "{wrong}");
        }
        for wrong in ["-1", "inf", "-inf", "1e40", "1e19", "1000000.1"] {
            assert!(seconds(wrong).unwrap_err().contains("from 0 to 1000000"), "{wrong}");
        }
    }

    #[test]
    fn leases_hold_for_some_seconds_and_a_day_at_most() {
        assert_eq!([lease("3"), lease("86400")], [3, 86_400].map(|time| Ok(Duration::from_secs(time))));
        assert!(lease("2.9").is_err() && lease("86401").is_err());
    }

    #[test]
    fn networks_are_named_by_prefix_or_address() {
        assert!(network("10.1.0.0/16").unwrap().contains(&"10.1.9.9".parse::<IpAddr>().unwrap()));
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
        for wrong in ["", "10.1.0.0/33", "localhost", "10.1/16"] {
            assert!(network(wrong).unwrap_err().contains("10.1.0.0/16"), "{wrong}");
        }
    }

    #[test]
    fn hosts_are_named_as_a_browser_names_them() {
        for (typed, kept) in [
            ("scan.example.org", "scan.example.org"),
            ("Scan.Example.org.", "scan.example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("web_1", "web_1"),
            ("192.168.0.1", "192.168.0.1"),
            ("2001:db8::1", "[2001:db8::1]"),
            ("[2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(host(typed).as_deref(), Ok(kept), "{typed}");
        }
        for wrong in [
            "",
            ".",
            "a..org",
            "scan.example.org:80",
            "https://a.org",
            "*.a.org",
            "a.org/",
            "bad host",
            "a@b.org",
            "a,b.org",
        ] {
            assert!(host(wrong).unwrap_err().contains("scan.example.org"), "{wrong}");
        }
    }

    #[test]
    fn shares_and_urls() {
        assert_eq!(share("0.5"), Ok(0.5));
        assert!(share("1.1").is_err() && share("nan").is_err());
        assert_eq!(page_url("https://A.org").as_deref(), Ok("https://a.org/"));
        assert!(page_url("a.org").unwrap_err().contains("https://"));
    }
}
