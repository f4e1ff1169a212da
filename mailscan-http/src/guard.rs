//! Which requests are listened to at all: those for a name of this machine, without a body.
//!
//! A page of another site may point its own name at a loopback address and have a browser ask there (DNS rebinding).
//! Its name is then in the request, so a server on loopback answers to loopback names only.

use std::net::{IpAddr, SocketAddr};

use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{StatusCode, header};

use crate::problem::Problem;

/// The names that the server answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hosts {
    /// Those of the loopback interface.
    Loopback,
    /// Any: whoever can reach the address may have any name for it.
    Any,
}

impl Hosts {
    pub(crate) fn of(listening: SocketAddr) -> Self {
        if listening.ip().is_loopback() { Self::Loopback } else { Self::Any }
    }

    /// Refuses a request that names another host, none, or several.
    pub(crate) fn check(self, request: &Parts) -> Result<(), Problem> {
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
            if self == Self::Loopback && !is_loopback(authority.host()) {
                let detail = "this server answers to loopback names only, such as localhost or 127.0.0.1";
                return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail));
            }
        }
        Ok(())
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn status(hosts: Hosts, uri: &str, headers: &[&str]) -> Option<u16> {
        let mut request = Request::builder().uri(uri);
        for header in headers {
            request = request.header("host", *header);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        hosts.check(&parts).err().map(|problem| problem.status.as_u16())
    }

    #[test]
    fn loopback_names_only() {
        for host in ["localhost", "LocalHost:8025", "127.0.0.1", "127.1.2.3:80", "[::1]:8025"] {
            assert_eq!(status(Hosts::Loopback, "/", &[host]), None, "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.0.1", "0.0.0.0"] {
            assert_eq!(status(Hosts::Loopback, "/", &[host]), Some(421), "{host}");
            assert_eq!(status(Hosts::Any, "/", &[host]), None, "{host}");
        }
    }

    #[test]
    fn one_name_and_a_whole_one() {
        assert_eq!(status(Hosts::Loopback, "/", &[]), Some(400));
        assert_eq!(status(Hosts::Loopback, "/", &["localhost", "localhost"]), Some(400));
        assert_eq!(status(Hosts::Loopback, "/", &["a b"]), Some(400));
        assert_eq!(status(Hosts::Loopback, "http://localhost/", &[]), None);
        assert_eq!(status(Hosts::Loopback, "http://localhost/", &["evil.example"]), Some(421));
        assert_eq!(status(Hosts::Loopback, "http://evil.example/", &["localhost"]), Some(421));
    }
}
