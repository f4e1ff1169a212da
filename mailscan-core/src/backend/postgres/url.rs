//! A database as typed: what the client library reads, and what is ours to read.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::error::{Error, ErrorKind, Result};

/// How long connecting may take, unless the URL says it.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long sent data may stay without an answer from the other machine.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// How a connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    /// Encrypted when the server can, whoever it is; or not at all.
    Unverified,
    /// Encrypted, and the server shows a certificate for its name.
    Verified {
        /// The authorities; the system's when there are none.
        roots: Option<PathBuf>,
    },
}

/// Where the database is and how it is reached.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) config: Config,
    pub(super) protection: Protection,
    /// Whether hints of other processes are listened for.
    pub(super) listen: bool,
    /// Host, port and name of the database, for people.
    pub(super) place: String,
}

impl Target {
    /// Reads a URL. No error repeats it: it may hold a password.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let invalid = |why: String| Error::new(ErrorKind::Invalid, "database", why);
        if is_torn(url) {
            let why = "the user, the password or an option of the URL holds an `@`, or a `?` before a `=`: write them as \
                       %40 and %3F";
            return Err(invalid(why.to_owned()));
        }
        let (base, query) = parted(url);
        let (mut rest, mut mode, mut roots, mut listen) = (Vec::new(), "prefer", None, true);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("sslmode", value) => mode = value,
                ("sslrootcert", value) => roots = Some(PathBuf::from(decoded(value))),
                ("listen", "on") => listen = true,
                ("listen", "off") => listen = false,
                ("listen", value) => return Err(invalid(format!("listen is `{value}`: give on or off"))),
                _ => rest.push(pair),
            }
        }
        let url = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let mut config = Config::from_str(&url).map_err(|error| {
            let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            invalid(format!("the URL cannot be used ({why}): write it like postgres://user@host/database"))
        })?;
        let verified = Protection::Verified { roots: roots.clone() };
        let (ssl, protection) = match mode {
            // Whoever names an authority believes that it is asked.
            "disable" | "prefer" if roots.is_some() => {
                let named = if mode == "prefer" { "`prefer`, as it is by default" } else { "`disable`" };
                let why = format!("sslrootcert is not looked at where sslmode is {named}: add sslmode=verify-full");
                return Err(invalid(why));
            }
            "disable" => (SslMode::Disable, Protection::Unverified),
            "prefer" => (SslMode::Prefer, Protection::Unverified),
            // As the common client has it: an authority that is named is also asked.
            "require" if roots.is_none() => (SslMode::Require, Protection::Unverified),
            "require" | "verify-full" => (SslMode::Require, verified),
            other => {
                let why = format!("sslmode is `{other}`: give disable, prefer, require or verify-full");
                return Err(invalid(why));
            }
        };
        config.ssl_mode(ssl);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(USER_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("mailscan");
        }
        config.keepalives_idle(USER_TIMEOUT).keepalives_interval(CONNECT_TIMEOUT).keepalives_retries(3);
        let place = place(&config);
        Ok(Self { config, protection, listen, place })
    }
}

/// Whether the client would take a part of the user or the password for the server, or options for the account, and show it: it
/// parts the two at the first `@`, wherever that stands.
fn is_torn(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let Some((account, place)) = rest.split_once('@') else { return false };
    let server = place.split('?').next().unwrap_or_default();
    let options = account.split_once('?').map_or("", |(_, options)| options);
    let user = account.split(':').next().unwrap_or_default();
    server.contains('@') || options.contains('=') || user.contains(['/', '?'])
}

/// The URL without its options, and these: they begin behind the account, which may hold a `?`.
fn parted(url: &str) -> (&str, &str) {
    let server = url.find('@').unwrap_or(0);
    let options = url[server..].find('?').map(|at| server + at);
    options.map_or((url, ""), |at| (&url[..at], &url[at + 1..]))
}

fn decoded(value: &str) -> String {
    percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned()
}

fn place(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let name = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("{host}:{port}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_of_protection_is_honoured() {
        let target = |url: &str| Target::parse(url).unwrap();
        let read = |url: &str| (target(url).config.get_ssl_mode(), target(url).protection);
        assert_eq!(read("postgres://u@h/d"), (SslMode::Prefer, Protection::Unverified));
        assert_eq!(read("postgres://u@h/d?sslmode=disable"), (SslMode::Disable, Protection::Unverified));
        assert_eq!(read("postgresql://h/d?sslmode=require"), (SslMode::Require, Protection::Unverified));
        let verified = |roots: Option<&str>| Protection::Verified { roots: roots.map(PathBuf::from) };
        assert_eq!(read("postgres://h/d?sslmode=verify-full"), (SslMode::Require, verified(None)));
        let named = "postgres://h/d?sslmode=require&sslrootcert=/etc/my%20ca.pem";
        assert_eq!(read(named), (SslMode::Require, verified(Some("/etc/my ca.pem"))));
        let asks = "postgres://ann:se?cret@h/d?sslmode=require";
        assert_eq!(read(asks), (SslMode::Require, Protection::Unverified), "the `?` before is of the password");
        let by_email = "postgres://h/d?application_name=ann%40a.org&sslmode=verify-full&sslrootcert=/etc/ca%40a.pem";
        assert_eq!(read(by_email), (SslMode::Require, verified(Some("/etc/ca@a.pem"))));
    }

    #[test]
    fn the_place_holds_no_secret() {
        let target = Target::parse("postgres://ann:secret@db.example:6432/jobs?connect_timeout=3&listen=off").unwrap();
        assert_eq!(target.place, "db.example:6432/jobs");
        assert_eq!(target.config.get_connect_timeout(), Some(&Duration::from_secs(3)));
        assert!(!target.listen);
    }

    #[test]
    fn a_password_that_holds_a_sign_of_urls_is_read_where_it_can_be() {
        for (url, password) in [
            ("postgres://ann:s%40ecret@h/d", "s@ecret"),
            ("postgres://ann:se/cret@h/d?application_name=a@b", "se/cret"),
            ("postgres://ann:se?cret@h/d", "se?cret"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!((target.place.as_str(), target.config.get_password()), ("h:5432/d", Some(password.as_bytes())));
        }
    }

    #[test]
    fn errors_name_the_mend_and_no_password() {
        for (url, mend) in [
            ("postgres://ann:a@secret@127.0.0.1:55991/d", "%40"),
            ("postgres://ann:a@se/secret@h/d", "%40"),
            ("postgres://h/d?user=ann@srv&password=secret", "%40"),
            ("postgres://h:5432/d?user=ann&password=a@secret", "%40"),
            ("postgres://h/d?password=secret@a", "%40"),
            ("postgres://h/d?sslmode=verify-full&sslrootcert=/secret@a.pem", "or an option of the URL holds an `@`"),
            ("postgres://secret/a@h/d", "%40"),
            ("postgres://a:secret@h:port/d", "postgres://user@host/database"),
            ("postgres://a:secret@h/d?sslmode=maybe", "verify-full"),
            ("postgres://a:secret@h/d?listen=perhaps", "on or off"),
            ("postgres://a:secret@h/d?sslrootcert=ca.pem", "by default: add sslmode=verify-full"),
            ("postgres://a:secret@h/d?sslrootcert=ca.pem&sslmode=prefer", "add sslmode=verify-full"),
            ("postgres://a:secret@h/d?sslmode=disable&sslrootcert=ca.pem", "`disable`: add sslmode=verify-full"),
        ] {
            let error = Target::parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(mend) && !error.to_string().contains("secret"), "{error}");
        }
    }
}
