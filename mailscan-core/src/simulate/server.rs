//! The server: hyper on loopback, one light task a connection.
//!
//! Its only memory is one bit for every call and page: whether the failure of its first request is behind it.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::SimulationStats;
use super::layout::Layout;
use super::page::{self, Filler};
use super::sitemap;

/// A thousand clients may connect at the same instant.
const BACKLOG: u32 = 8_192;

#[derive(Debug)]
pub(super) struct Server {
    layout: Layout,
    filler: Filler,
    local: SocketAddr,
    failed_once: Vec<AtomicU64>,
    /// Requests that are being answered.
    busy: AtomicUsize,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    calls: AtomicU64,
    pages: AtomicU64,
    failures: AtomicU64,
    mentions: AtomicU64,
    connections: AtomicU64,
    bytes: AtomicU64,
}

/// Why a connection is dropped without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the simulation drops this connection")]
struct Dropped;

impl Server {
    pub(super) fn bind(listen: SocketAddr, layout: Layout) -> io::Result<(Self, TcpListener)> {
        if !listen.ip().is_loopback() {
            let message = format!("{listen} is not a loopback address: the simulation is for this machine only");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let socket = if listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(listen)?;
        let listener = socket.listen(BACKLOG)?;
        let local = listener.local_addr()?;
        let bits = (layout.calls() + layout.pages()).div_ceil(64);
        let failed_once = (0..bits).map(|_| AtomicU64::new(0)).collect();
        let filler = Filler::new(layout.options().seed);
        let (counters, busy) = (Counters::default(), AtomicUsize::new(0));
        Ok((Self { layout, filler, local, failed_once, counters, busy }, listener))
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    pub(super) fn stats(&self) -> SimulationStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { requests, calls, pages, failures, mentions, connections, bytes } = &self.counters;
        SimulationStats {
            requests: read(requests),
            calls: read(calls),
            pages: read(pages),
            failures: read(failures),
            mentions: read(mentions),
            connections: read(connections),
            bytes: read(bytes),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Dropped> {
        count(&self.counters.requests, 1);
        if request.method() != Method::GET {
            return Ok(self.reply(StatusCode::METHOD_NOT_ALLOWED, "text/plain", String::new()));
        }
        let path = request.uri().path();
        if path == "/search" {
            return self.search(request.uri().query().unwrap_or_default()).await;
        }
        if path == "/robots.txt" {
            let robots = format!("User-agent: *\nAllow: /\nSitemap: http://{}/sitemap.xml\n", self.local);
            return Ok(self.reply(StatusCode::OK, "text/plain", robots));
        }
        if let Some(xml) = sitemap::sitemap(path, self.layout.pages(), self.local) {
            return Ok(self.reply(StatusCode::OK, "application/xml", xml));
        }
        let (number, in_tree) = match (path.strip_prefix("/p/"), path.strip_prefix("/site/")) {
            (Some(number), _) => (number, false),
            (_, Some("")) => ("0", true),
            (_, Some(number)) => (number, true),
            _ => ("", false),
        };
        match number.parse() {
            Ok(n) if n < self.layout.pages() => self.page(n, in_tree).await,
            _ => Ok(self.reply(StatusCode::NOT_FOUND, "text/html", "<p>Not here.</p>".to_owned())),
        }
    }

    async fn search(&self, query: &str) -> Result<Response<Full<Bytes>>, Dropped> {
        self.take(self.layout.options().call_delay).await;
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        let page = pairs.find(|(name, _)| name == "pageno" || name == "page");
        let number = page.map_or(Some(1u64), |(_, number)| number.parse().ok()).filter(|number| *number > 0);
        let Some(number) = number else {
            return Ok(self.reply(StatusCode::BAD_REQUEST, "text/plain", "pages count from 1".to_owned()));
        };
        let call = number - 1;
        if call < self.layout.calls() {
            if let Some(failure) = self.first_failure(0, call, call) {
                return failure;
            }
            count(&self.counters.calls, 1);
        }
        let mut json = String::from("{\"number_of_results\":0,\"results\":[");
        for (k, n) in self.layout.pages_of_call(call).enumerate() {
            let comma = if k == 0 { "" } else { "," };
            let _ = write!(
                json,
                "{comma}{{\"url\":\"http://{}/p/{n}\",\"title\":\"Page {n}\",\"content\":\"Contacts, page {n}\"}}",
                self.local
            );
        }
        let mentions = self.layout.mentions_of_call(call);
        for (k, mention) in mentions.iter().enumerate() {
            let comma = if k == 0 { "" } else { "," };
            let address = page::spelling(self.layout.options(), mention);
            let _ = write!(json, "{comma}{{\"title\":\"Result {k}\",\"content\":\"Write to {address}. We answer.\"}}");
        }
        count(&self.counters.mentions, mentions.len() as u64);
        json.push_str("]}");
        Ok(self.reply(StatusCode::OK, "application/json", json))
    }

    async fn page(&self, n: u64, in_tree: bool) -> Result<Response<Full<Bytes>>, Dropped> {
        self.take(self.layout.options().page_delay).await;
        if let Some(failure) = self.first_failure(1, n, self.layout.calls() + n) {
            return failure;
        }
        let page = page::page(&self.layout, &self.filler, n, in_tree);
        count(&self.counters.pages, 1);
        count(&self.counters.mentions, page.mentions);
        Ok(self.reply(StatusCode::OK, "text/html; charset=utf-8", page.html))
    }

    /// Takes the time that an answer takes.
    async fn take(&self, delay: Duration) {
        let _busy = Busy::new(&self.busy);
        let load = match self.layout.options().bears {
            Some(bears) => (self.busy.load(Ordering::Relaxed) as f64 / bears.max(1) as f64).max(1.0),
            None => 1.0,
        };
        // The shortest sleep takes a millisecond.
        if !delay.is_zero() {
            tokio::time::sleep(delay.mul_f64(load * load)).await;
        }
    }

    /// The failure of the first request for something that is to fail once, and `None` ever after.
    fn first_failure(&self, kind: u64, n: u64, bit: u64) -> Option<Result<Response<Full<Bytes>>, Dropped>> {
        let bits = self.layout.failure(kind, n)?;
        let mask = 1 << (bit % 64);
        if self.failed_once[(bit / 64) as usize].fetch_or(mask, Ordering::Relaxed) & mask != 0 {
            return None;
        }
        count(&self.counters.failures, 1);
        Some(if bits & 1 == 0 {
            Ok(self.reply(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "try again".to_owned()))
        } else {
            Err(Dropped)
        })
    }

    fn reply(&self, status: StatusCode, media: &'static str, body: String) -> Response<Full<Bytes>> {
        count(&self.counters.bytes, body.len() as u64);
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
        response
    }
}

/// A request that is being answered, for as long as it lives.
struct Busy<'a>(&'a AtomicUsize);

impl<'a> Busy<'a> {
    fn new(busy: &'a AtomicUsize) -> Self {
        busy.fetch_add(1, Ordering::Relaxed);
        Self(busy)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// Accepts connections for ever. Dropping the future drops every connection.
pub(super) async fn accept(server: Arc<Server>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    count(&server.counters.connections, 1);
                    connections.spawn(serve(server.clone(), stream));
                }
                // Out of descriptors: connections must end before more can come.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(server: Arc<Server>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let server = server.clone();
        async move { server.answer(request).await }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    // A client may go whenever it likes.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}
