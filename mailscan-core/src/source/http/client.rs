//! One pooled client for everything that is fetched over HTTP.
//!
//! It makes one request and answers with the head; redirects, robots.txt, pacing and bodies are the callers'. Its
//! errors say at which step a request failed, so that the caller knows whether to try again.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderName, HeaderValue, InvalidHeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{HttpConnector, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;
use url::Url;

use super::network::{self, CheckedResolver, LOOKING_UP, LookUp, NetworkPolicy, PrivateAddress};
use super::sockets::{Counting, Sockets};
use super::tls;
use crate::clock::{FAR, in_time};
use crate::error::{Error, ErrorKind, Result};
use crate::fetch::{FetchError, FetchErrorClass};
use crate::source::open_files::{is_out_of_files, out_of_files};

/// How much of one body a server may send over HTTP/2 before it is taken, and of how many at a time over one connection.
const STREAM_WINDOW: u32 = 512 << 10;
const STREAMS: u32 = 256;

/// The most idle connections kept to one host.
const IDLE_PER_HOST: usize = 1_024;
/// How long a connection is kept idle. Each holds the memory of the largest page it brought, which is to come back soon
/// after the process has fewer fetches in flight.
const IDLE_FOR: Duration = Duration::from_secs(15);
/// The largest head of an answer over HTTP/2, in bytes, as much as Node.js takes, and the least that is read at once.
const MAX_HEAD: usize = 16 * 1024;
/// The same, and the most fields, for a request that is made again: few need more than the 100 fields that need no memory of
/// their own, and than the room that every connection keeps.
const MAX_WIDE_HEAD: usize = 64 * 1024;
const MAX_WIDE_FIELDS: usize = 1_024;
/// How often a connection of HTTP/2 over which something is under way is asked whether it still is one, and how long that may take.
const PING_EVERY: Duration = Duration::from_secs(15);
/// The code of an answer whose head needs more room than is kept for each.
pub(super) const LARGE_HEAD: &str = "head-size";
/// How often a request is made once more at once, because the server had not begun it.
const MORE_TRIES: u32 = 3;
/// What this client can undo.
const ENCODINGS: HeaderValue = HeaderValue::from_static("gzip, br, zstd, deflate");

type Connector = HttpsConnector<Counting<HttpConnector<CheckedResolver>>>;
type Pool = hyper_util::client::legacy::Client<Connector, Empty<Bytes>>;

/// How the client connects and what it says of itself.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Where a site's owner learns who fetches and how to reach them; part of the User-Agent. Give your own: unless it is said it is
    /// the project's page, where nobody knows of you.
    pub contact: String,
    /// The most time for a connection to be made; thirty years at most.
    pub connect_timeout: Duration,
    /// The most time for the head of the answer, once there is a connection; thirty years at most. A request and what it is asked
    /// over get both times together, so that what the connection does not need is the answer's.
    pub header_timeout: Duration,
    /// How many bytes of a large page are read at once over HTTP/1, from 16 KiB: pages that come in one piece cost less, and
    /// every connection keeps as much memory. The largest head over HTTP/1 as well.
    pub read_at_once: usize,
    /// How many connections to all hosts together are kept idle, beside those that wait for an answer. Each takes one of the
    /// files that the process may have open, and the memory of the largest page that it brought.
    pub max_idle: usize,
    /// From which network addresses to fetch, for whichever job: give [`NetworkPolicy::PublicOnly`] where others hand jobs in, or
    /// they reach this machine and the networks that it is in.
    pub network: NetworkPolicy,
    /// Certificates (DER) to trust beside the system's and those that the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name, such as
    /// those of a company's own authority.
    pub extra_roots: Vec<Vec<u8>>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            contact: env!("CARGO_PKG_REPOSITORY").to_owned(),
            connect_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            read_at_once: MAX_HEAD,
            max_idle: 1_024,
            network: NetworkPolicy::Any,
            extra_roots: Vec::new(),
        }
    }
}

/// The client.
#[derive(Debug)]
pub(crate) struct Client {
    pool: Pool,
    /// With room for large heads.
    wide: Pool,
    sockets: Arc<Sockets>,
    user_agent: HeaderValue,
    network: Arc<NetworkPolicy>,
    head_time: Duration,
}

impl Client {
    pub(crate) fn new(options: &ClientOptions) -> Result<Self> {
        Self::looking_up(options, network::by_system)
    }

    /// One that looks names up so.
    pub(super) fn looking_up(options: &ClientOptions, look_up: LookUp) -> Result<Self> {
        let invalid = |message: String| Error::new(ErrorKind::Invalid, "http client", message);
        if options.contact.trim().is_empty() {
            return Err(invalid("the contact is empty: give a page or an address that tells who asks".to_owned()));
        }
        let user_agent = user_agent(&options.contact).map_err(|_| {
            invalid(format!("the contact `{}` cannot stand in a header", options.contact.escape_debug()))
        })?;
        let network = Arc::new(options.network.clone());
        let mut tcp = HttpConnector::new_with_resolver(CheckedResolver::new(network.clone(), look_up));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(options.connect_timeout.min(FAR)));
        let sockets = Arc::new(Sockets::new(options.max_idle));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(&options.extra_roots)?)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(Counting::new(tcp, sockets.clone()));
        let builder = || {
            let mut builder = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_FOR)
                // One that the network has forgotten would keep all that are asked of its host for a quarter of an hour.
                .http2_keep_alive_interval(PING_EVERY)
                .http2_keep_alive_timeout(PING_EVERY)
                // A body that waits for a place is not taken, and must not keep the others of its connection from coming.
                .http2_initial_stream_window_size(STREAM_WINDOW)
                .http2_initial_connection_window_size(STREAM_WINDOW * STREAMS)
                // One field that is odd is no reason to lose a page: there is one answer on its way at a time, and what its
                // length is made of is held to the rules all the same.
                .http1_ignore_invalid_headers_in_responses(true)
                .http1_allow_obsolete_multiline_headers_in_responses(true)
                .http1_allow_spaces_after_header_name_in_responses(true);
            builder
        };
        let pool = builder()
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .http1_max_buf_size(options.read_at_once.max(MAX_HEAD))
            .http2_max_header_list_size(MAX_HEAD as u32)
            .build(connector.clone());
        let wide = builder()
            // None is kept, nor is its memory.
            .pool_max_idle_per_host(0)
            .http1_max_buf_size(options.read_at_once.max(MAX_WIDE_HEAD))
            .http1_max_headers(MAX_WIDE_FIELDS)
            .http2_max_header_list_size(MAX_WIDE_HEAD as u32)
            .build(connector);
        let head_time = options.connect_timeout.saturating_add(options.header_timeout);
        Ok(Self { pool, wide, sockets, user_agent, network, head_time })
    }

    /// Keeps no connection for a while once it has brought what it was asked for.
    pub(crate) fn keep_none(&self) {
        self.sockets.keep_none_for(IDLE_FOR);
    }

    /// Asks for a URL and waits for the head of the answer, no longer than until `deadline`. The head may be large where it is
    /// asked for `again`.
    pub(crate) async fn get(
        &self,
        url: &Url,
        headers: &[(HeaderName, HeaderValue)],
        again: bool,
        deadline: Instant,
    ) -> Result<Response<Incoming>, FetchError> {
        self.check_literal(url)?;
        let until = deadline.min(in_time(self.head_time));
        let mut more_tries = MORE_TRIES;
        loop {
            let mut request = self.request(url, headers)?;
            let connection = capture_connection(&mut request);
            let pool = if again { &self.wide } else { &self.pool };
            let (waiting, looks_up) = (self.sockets.wait(), Arc::new(AtomicBool::new(false)));
            let answer = LOOKING_UP.scope(looks_up.clone(), pool.request(request));
            match tokio::time::timeout_at(until, answer).await {
                Ok(Ok(response)) => {
                    drop(waiting);
                    if self.sockets.are_too_many()
                        && let Some(connected) = connection.connection_metadata().as_ref()
                    {
                        connected.poison();
                    }
                    return Ok(response);
                }
                Ok(Err(error)) if more_tries > 0 && is_unbegun(&error) => more_tries -= 1,
                Ok(Err(error)) => return Err(explain(&error, error.is_connect())),
                Err(_) if looks_up.load(Ordering::Relaxed) && connection.connection_metadata().is_none() => {
                    return Err(transient("dns", "the name was not looked up in time".to_owned()));
                }
                Err(_) if connection.connection_metadata().is_none() => return Err(unconnected()),
                Err(_) => {
                    // Over HTTP/2 it may be all of the connection that stands still, and others would be asked over it.
                    if let Some(connected) = connection.connection_metadata().as_ref() {
                        connected.poison();
                    }
                    return Err(transient("header-timeout", "no answer came in time".to_owned()));
                }
            }
        }
    }

    fn request(&self, url: &Url, headers: &[(HeaderName, HeaderValue)]) -> Result<Request<Empty<Bytes>>, FetchError> {
        let uri: Uri =
            url.as_str().parse().map_err(|_| permanent("url", format!("{url} is no URL that can be asked for")))?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        let fields = request.headers_mut();
        fields.insert(USER_AGENT, self.user_agent.clone());
        fields.insert(ACCEPT_ENCODING, ENCODINGS);
        fields.insert(ACCEPT, HeaderValue::from_static("text/html,application/xhtml+xml,text/*,*/*;q=0.5"));
        for (name, value) in headers {
            fields.insert(name, value.clone());
        }
        Ok(request)
    }

    /// Hosts written as addresses never pass the resolver, so they are checked here.
    fn check_literal(&self, url: &Url) -> Result<(), FetchError> {
        let address = match url.host() {
            Some(url::Host::Ipv4(address)) => address.into(),
            Some(url::Host::Ipv6(address)) => address.into(),
            Some(url::Host::Domain(_)) | None => return Ok(()),
        };
        if self.network.allows(address) {
            return Ok(());
        }
        Err(refused_address(&PrivateAddress { host: url.host_str().unwrap_or_default().to_owned(), address }))
    }
}

/// How a client whose operator can be reached there names itself.
pub(super) fn user_agent(contact: &str) -> std::result::Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::from_str(&format!("mailscan/{} (+{contact})", env!("CARGO_PKG_VERSION")))
}

/// Whether the server says that it has not begun a request: it ends the connection in an orderly way, as many do after so
/// many requests, or takes no more at a time (RFC 9113, sections 6.8 and 8.7).
fn is_unbegun(error: &(dyn StdError + 'static)) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<h2::Error>()).any(|error| match error.reason() {
        Some(h2::Reason::NO_ERROR) => error.is_go_away() && error.is_remote(),
        Some(h2::Reason::REFUSED_STREAM) => error.is_reset() && error.is_remote(),
        _ => false,
    })
}

/// Whether it is this side that ended an answer over HTTP/2, for what it was: mostly for its head, which was too large.
fn is_refused_here(error: &h2::Error) -> bool {
    error.is_library() && error.is_reset() && error.reason() == Some(h2::Reason::PROTOCOL_ERROR)
}

/// What a failed request or body means.
pub(crate) fn explain(error: &(dyn StdError + 'static), connecting: bool) -> FetchError {
    let mut last = error;
    for cause in causes(error) {
        last = cause;
        if let Some(private) = cause.downcast_ref::<PrivateAddress>() {
            return refused_address(private);
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            let failed = if tls::is_lasting(tls) { permanent } else { transient };
            return failed("tls", tls::explain(tls));
        }
        if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse_too_large) {
            return transient(LARGE_HEAD, "the head of the answer is larger than is read of one".to_owned());
        }
        if cause.downcast_ref::<h2::Error>().is_some_and(is_refused_here) {
            let message = "the answer is not as HTTP/2 wants it, or its head is larger than is read of one";
            return transient(LARGE_HEAD, message.to_owned());
        }
        match cause.downcast_ref::<std::io::Error>() {
            Some(io) if is_out_of_files(io) => return out_of_files(),
            Some(io) if io.kind() == std::io::ErrorKind::TimedOut => return unconnected(),
            _ => {}
        }
    }
    let text = last.to_string();
    if network::is_no_such_name(&text) {
        return permanent("no-such-host", "there is no host of this name: see whether it is spelled right".to_owned());
    }
    if text.contains("lookup") {
        return transient("dns", format!("the name was not found: {text}"));
    }
    if connecting {
        transient("connect", format!("the connection failed: {text}"))
    } else {
        transient("connection", format!("the connection broke: {text}"))
    }
}

fn unconnected() -> FetchError {
    transient("connect-timeout", "the connection was not made in time".to_owned())
}

/// An error and its causes.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| cause_of(*error))
}

/// The cause of an error; an I/O error is asked for what it wraps, which `source` skips.
fn cause_of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    if let Some(io) = error.downcast_ref::<std::io::Error>()
        && let Some(inner) = io.get_ref()
    {
        return Some(inner);
    }
    error.source()
}

fn refused_address(private: &PrivateAddress) -> FetchError {
    FetchError::new(FetchErrorClass::Refused, "private-address", private.to_string())
}

pub(crate) fn transient(code: &'static str, message: String) -> FetchError {
    FetchError::new(FetchErrorClass::Transient, code, message)
}

pub(crate) fn permanent(code: &'static str, message: String) -> FetchError {
    FetchError::new(FetchErrorClass::Permanent, code, message)
}
