//! Which requests are listened to at all: those for a name of this server, and changes only by its own page or a program.
//!
//! A page of another site may point its own name at a loopback address and have a browser ask there (DNS rebinding).
//! Its name is then in the request, so a server on loopback answers to loopback names only, and to those that it is told.
//! Such a page may also have a browser send changes to a server whose address it knows (CSRF). A browser says from where a
//! change comes, and does not send JSON for another site without asking first.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, Uri};
use hyper::{StatusCode, header};

use crate::problem::Problem;

/// The names that the server answers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hosts {
    /// Whether names are checked although none is allowed beside those of the loopback interface.
    loopback: bool,
    allowed: Vec<String>,
}

impl Hosts {
    /// The names of a server that listens here: on loopback those of loopback and the `allowed`; elsewhere any, as whoever can
    /// reach it may have any name for it, unless some are allowed.
    pub(crate) fn of(listening: SocketAddr, allowed: &[String]) -> Self {
        let allowed = allowed.iter().map(|name| bare(without_dot(name)).to_owned()).collect();
        Self { loopback: listening.ip().is_loopback(), allowed }
    }

    /// Refuses a request that names another host, none, or several.
    pub(crate) fn check(&self, request: &Parts) -> Result<(), Problem> {
        let mut headers = request.headers.get_all(header::HOST).iter();
        let header = headers.next();
        if headers.next().is_some() || (header.is_none() && request.uri.authority().is_none()) {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "send exactly one Host header"));
        }
        let in_header = header.map(|value| Authority::try_from(value.as_bytes()).ok());
        // Over HTTP/2 the name is in the URI, and there may be a header besides: both count.
        let named = request.uri.authority().cloned().map(Some).into_iter().chain(in_header);
        for authority in named {
            let Some(authority) = authority else {
                return Err(Problem::new(StatusCode::BAD_REQUEST, "the Host header is not a host"));
            };
            if !self.answers_to(authority.host()) {
                let detail = "this server does not answer to that name: use localhost or 127.0.0.1 where it runs, \
                              or let it be started with `--allow-host NAME`";
                return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail));
            }
        }
        Ok(())
    }

    fn answers_to(&self, host: &str) -> bool {
        let host = bare(without_dot(host));
        let any = !self.loopback && self.allowed.is_empty();
        // Nobody can point an address elsewhere, as one can a name.
        let address = !self.loopback && host.parse::<IpAddr>().is_ok();
        any || address || is_loopback(host) || self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    }
}

/// Refuses a change that a page of another site has a browser send.
pub(crate) fn check_origin(request: &Parts) -> Result<(), Problem> {
    let foreign = || {
        let detail = "changes are taken from this server's own page and from programs, not from pages of other sites";
        Problem::new(StatusCode::FORBIDDEN, detail)
    };
    let site = request.headers.get(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(foreign());
    }
    let origins = request.headers.get_all(header::ORIGIN);
    if origins.iter().any(|origin| !origin.to_str().is_ok_and(|origin| is_own(origin, request))) {
        return Err(foreign());
    }
    Ok(())
}

/// Refuses a change that is no JSON, which a browser does not send for another site without asking first. One without a body
/// need not say what it is: a form of another site always does, and a script's request is known by its origin.
pub(crate) fn check_media(request: &Parts, has_body: bool) -> Result<(), Problem> {
    if !has_body && !request.headers.contains_key(header::CONTENT_TYPE) {
        return Ok(());
    }
    let media = request.headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    if media.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let detail = "send the body as JSON, with `Content-Type: application/json`";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

/// Refuses a body that is compressed, which would be read as it came (RFC 9110, section 15.5.16).
pub(crate) fn check_encoding(request: &Parts) -> Result<(), Problem> {
    let plain = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    if request.headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Ok(());
    }
    let detail = "send the body as it is, without `Content-Encoding`";
    let problem = Problem::with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Encoding", detail);
    Err(problem.with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

/// Whether an origin is the one that the request was sent to. The scheme is not compared: something in front of the server
/// may have taken TLS off.
fn is_own(origin: &str, request: &Parts) -> bool {
    let Ok(origin) = Uri::try_from(origin) else { return false };
    let usual = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    let (Some(from), Some(to)) = (origin.authority(), named(request)) else { return false };
    let same_port = from.port_u16().unwrap_or(usual) == to.port_u16().unwrap_or(usual);
    from.host().eq_ignore_ascii_case(to.host()) && same_port
}

/// The host that a request names, with its port where it is another than the usual.
pub(crate) fn named(request: &Parts) -> Option<Authority> {
    let header = || Authority::try_from(request.headers.get(header::HOST)?.as_bytes()).ok();
    request.uri.authority().cloned().or_else(header)
}

/// A host without the dot that ends a whole name.
fn without_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// A host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn hosts(listening: &str, allowed: &[&str]) -> Hosts {
        let allowed: Vec<_> = allowed.iter().map(|name| (*name).to_owned()).collect();
        Hosts::of(listening.parse().unwrap(), &allowed)
    }

    fn loopback() -> Hosts {
        hosts("127.0.0.1:8025", &[])
    }

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn status(hosts: &Hosts, uri: &str, named: &[&str]) -> Option<u16> {
        let headers: Vec<_> = named.iter().map(|name| ("host", *name)).collect();
        hosts.check(&parts(uri, &headers)).err().map(|problem| problem.status.as_u16())
    }

    #[test]
    fn loopback_names_only() {
        for host in ["localhost", "LocalHost:8025", "localhost.:8025", "127.0.0.1", "127.1.2.3:80", "[::1]:8025"] {
            assert_eq!(status(&loopback(), "/", &[host]), None, "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.0.1", "0.0.0.0"] {
            assert_eq!(status(&loopback(), "/", &[host]), Some(421), "{host}");
            assert_eq!(status(&hosts("192.168.0.1:80", &[]), "/", &[host]), None, "{host}");
        }
    }

    #[test]
    fn names_that_are_allowed_and_no_others() {
        for listening in ["127.0.0.1:80", "192.168.0.1:80"] {
            let hosts = hosts(listening, &["scan.example", "whole.example.", "[2001:db8::1]"]);
            for host in
                ["scan.example", "Scan.Example.:8025", "whole.example", "whole.example.", "[2001:db8::1]", "localhost"]
            {
                assert_eq!(status(&hosts, "/", &[host]), None, "{listening} {host}");
            }
            for host in ["evil.example", "scan.example..", "."] {
                assert_eq!(status(&hosts, "/", &[host]), Some(421), "{listening} {host}");
            }
        }
        assert_eq!(status(&hosts("192.168.0.1:80", &["scan.example"]), "/", &["192.168.0.1"]), None);
    }

    #[test]
    fn one_name_and_a_whole_one() {
        assert_eq!(status(&loopback(), "/", &[]), Some(400));
        assert_eq!(status(&loopback(), "/", &["localhost", "localhost"]), Some(400));
        assert_eq!(status(&loopback(), "/", &["a b"]), Some(400));
        assert_eq!(status(&loopback(), "http://localhost/", &[]), None);
        assert_eq!(status(&loopback(), "http://localhost/", &["evil.example"]), Some(421));
        assert_eq!(status(&loopback(), "http://evil.example/", &["localhost"]), Some(421));
    }

    #[test]
    fn changes_come_from_here_or_from_no_page() {
        let write = |headers: &[(&str, &str)]| {
            let mut all = vec![("host", "localhost:8025")];
            all.extend_from_slice(headers);
            check_origin(&parts("/", &all)).err().map(|problem| problem.status.as_u16())
        };
        for fine in [
            &[][..],
            &[("origin", "http://localhost:8025")],
            &[("origin", "https://LOCALHOST:8025"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
        ] {
            assert_eq!(write(fine), None, "{fine:?}");
        }
        for foreign in [
            ("origin", "http://evil.example"),
            ("origin", "http://localhost"),
            ("origin", "http://localhost:8026"),
            ("origin", "null"),
            ("origin", ""),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(write(&[foreign]), Some(403), "{foreign:?}");
        }
        let two = [("origin", "http://localhost:8025"), ("origin", "http://evil.example")];
        assert_eq!(write(&two), Some(403));
    }

    #[test]
    fn changes_are_json() {
        for (media, status) in [
            ("application/json", None),
            ("Application/JSON; charset=utf-8", None),
            ("text/plain", Some(415)),
            ("application/x-www-form-urlencoded", Some(415)),
            ("application/json-seq", Some(415)),
            ("", Some(415)),
        ] {
            let parts = parts("/", &[("host", "localhost"), ("content-type", media)]);
            for has_body in [true, false] {
                let answer = check_media(&parts, has_body);
                assert_eq!(answer.err().map(|problem| problem.status.as_u16()), status, "{media}");
            }
        }
        for (coding, fine) in [("identity", true), ("Identity", true), ("gzip", false), ("identity, br", false)] {
            let parts = parts("/", &[("host", "localhost"), ("content-encoding", coding)]);
            assert_eq!(check_encoding(&parts).is_ok(), fine, "{coding}");
        }
        let silent = parts("/", &[("host", "localhost")]);
        assert!(check_media(&silent, true).is_err() && check_media(&silent, false).is_ok());
    }
}
