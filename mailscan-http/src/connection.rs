//! Connections: so many at a time, none for ever, all of them ended well when the server stops.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use mailscan_core::pipeline::Pipeline;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::ServeOptions;
use crate::answer::Server;
use crate::reply::{BodyError, OutBody};
use crate::tls::Tls;

/// The most bytes of a request's head.
const MAX_HEAD: usize = 16 * 1_024;
/// The most headers of a request.
const MAX_HEADERS: usize = 64;
/// The most requests of one HTTP/2 connection at a time.
const MAX_STREAMS: u32 = 64;
/// The most bytes that wait to be sent on one request of an HTTP/2 connection.
const MAX_SENDING: usize = 64 * 1_024;
/// The wait after a connection could not be accepted, which mostly means that there are too many open files.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// What a connection may take, and how it is encrypted.
#[derive(Clone)]
struct Limits {
    tls: Option<TlsAcceptor>,
    head_timeout: Duration,
}

/// Accepts connections until `shutdown` is ready, then lets those that are open end.
pub(crate) async fn accept<P: Pipeline>(
    listener: TcpListener,
    server: Arc<Server<P>>,
    options: &ServeOptions,
    shutdown: impl Future<Output = ()> + Send,
) {
    let places = Arc::new(Semaphore::new(options.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
    let limits = Limits { tls: options.tls.as_ref().map(Tls::acceptor), head_timeout: options.head_timeout };
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            Some((stream, place)) = next(&listener, &places) => {
                let watcher = graceful.watcher();
                let attended = attend(stream, server.clone(), limits.clone(), watcher);
                let connected = server.traffic.connected();
                connections.spawn(async move {
                    attended.await;
                    drop((place, connected));
                });
            }
        }
    }
    // New clients are turned away at once.
    drop(listener);
    if tokio::time::timeout(options.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests in flight took too long and are dropped");
        connections.shutdown().await;
    }
}

/// The next connection, once there is a place for it.
async fn next(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let place = places.clone().acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Some((stream, place)),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// Answers one connection until its client goes, is idle for too long, or the server stops.
async fn attend<P: Pipeline>(stream: TcpStream, server: Arc<Server<P>>, limits: Limits, watcher: Watcher) {
    // An answer is one small write; waiting for more would only delay it.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &limits.tls else { return speak(stream, server, limits.head_timeout, watcher).await };
    match tokio::time::timeout(limits.head_timeout, tls.accept(stream)).await {
        // Few need the room that this takes beside the other.
        Ok(Ok(stream)) => Box::pin(speak(stream, server, limits.head_timeout, watcher)).await,
        Ok(Err(error)) => tracing::debug!(%error, "a client does not speak TLS as it should"),
        Err(_) => tracing::debug!("a client took too long to speak TLS"),
    }
}

/// Speaks HTTP on a connection.
async fn speak<P: Pipeline, S>(stream: S, server: Arc<Server<P>>, head_timeout: Duration, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::new());
    let noted = activity.clone();
    let service = service_fn(move |request| {
        let server = server.clone();
        let busy = Busy::new(noted.clone());
        // A connection has room of its own for what this makes, also while it is idle: for a pointer, not for all of it.
        Box::pin(async move {
            let answer = server.answer(request).await;
            answer.map(|response| response.map(|body| Followed::new(body, &busy)))
        })
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEAD as u32)
        .max_concurrent_streams(MAX_STREAMS)
        .max_send_buf_size(MAX_SENDING);
    let connection = watcher.watch(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                // A client may go whenever it likes.
                tracing::debug!(%error, "a connection ended early");
            }
        }
        () = activity.idle(head_timeout) => tracing::debug!("an idle connection is closed"),
    }
}

/// What a connection is doing. hyper's own time limit begins only once the version of HTTP is known and does not hold
/// for HTTP/2, nor for a client that never reads its answer; this one holds for all of them.
#[derive(Debug)]
struct Activity(Mutex<Doing>);

#[derive(Clone, Copy, Debug)]
struct Doing {
    requests: usize,
    since: Instant,
}

impl Activity {
    fn new() -> Self {
        Self(Mutex::new(Doing { requests: 0, since: Instant::now() }))
    }

    fn change(&self, requests: impl FnOnce(usize) -> usize) {
        let mut doing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *doing = Doing { requests: requests(doing.requests), since: Instant::now() };
    }

    /// Waits until no request has been in work for as long as `limit`.
    async fn idle(&self, limit: Duration) {
        loop {
            let doing = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let left = if doing.requests > 0 { limit } else { limit.saturating_sub(doing.since.elapsed()) };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

/// A request in work, until it is dropped.
#[derive(Debug)]
struct Busy(Arc<Activity>);

impl Busy {
    fn new(activity: Arc<Activity>) -> Self {
        activity.change(|requests| requests + 1);
        Self(activity)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.change(|requests| requests.saturating_sub(1));
    }
}

/// A body on its way out. While it has nothing to send, the client is not to blame for the silence; while it has, the client
/// is, who may not be reading.
#[derive(Debug)]
struct Followed {
    body: OutBody,
    activity: Arc<Activity>,
    waits: Option<Busy>,
}

impl Followed {
    fn new(body: OutBody, busy: &Busy) -> Self {
        Self { body, activity: busy.0.clone(), waits: None }
    }
}

impl Body for Followed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_pending() {
            if self.waits.is_none() {
                self.waits = Some(Busy::new(self.activity.clone()));
            }
        } else if self.waits.take().is_none() {
            self.activity.change(|requests| requests);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
