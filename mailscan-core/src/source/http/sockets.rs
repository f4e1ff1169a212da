//! How many connections are open: each is a file of the process, in use or idle, and a process may have only so many.
//!
//! The connector counts what it opens until it is closed. The client counts what waits for an answer; what is left is idle or
//! brings a body. Where that is too much in all, a connection that has answered is not kept, whatever its host may have.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::time::Instant;
use tower_service::Service;

/// The counts of connections.
#[derive(Debug)]
pub(super) struct Sockets {
    most_idle: usize,
    open: AtomicUsize,
    waiting: AtomicUsize,
    began: Instant,
    /// Until when none is kept, in milliseconds since it began: every answer asks.
    none_until: AtomicU64,
}

impl Sockets {
    /// About so many idle ones at most.
    pub(super) fn new(most_idle: usize) -> Self {
        Self {
            most_idle,
            open: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            began: Instant::now(),
            none_until: AtomicU64::new(0),
        }
    }

    /// Notes a request that waits for its answer, for as long as the guard lives.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }

    /// Has no connection kept for so long from now on.
    pub(super) fn keep_none_for(&self, time: Duration) {
        self.none_until.store((self.began.elapsed() + time).as_millis() as u64, Ordering::Relaxed);
    }

    /// Whether a connection that has answered is not to be kept.
    pub(super) fn are_too_many(&self) -> bool {
        let waiting = self.waiting.load(Ordering::Relaxed);
        self.open.load(Ordering::Relaxed).saturating_sub(waiting) > self.most_idle || self.keeps_none()
    }

    fn keeps_none(&self) -> bool {
        let until = self.none_until.load(Ordering::Relaxed);
        // Mostly memory was never short.
        until > 0 && self.began.elapsed().as_millis() < u128::from(until)
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Waiting<'a>(&'a Sockets);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One open connection.
#[derive(Debug)]
struct Counted(Arc<Sockets>);

impl Counted {
    fn new(sockets: Arc<Sockets>) -> Self {
        sockets.open.fetch_add(1, Ordering::Relaxed);
        Self(sockets)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connector whose connections are counted.
#[derive(Clone, Debug)]
pub(super) struct Counting<C> {
    connector: C,
    sockets: Arc<Sockets>,
}

impl<C> Counting<C> {
    pub(super) const fn new(connector: C, sockets: Arc<Sockets>) -> Self {
        Self { connector, sockets }
    }
}

impl<C> Service<Uri> for Counting<C>
where
    C: Service<Uri, Future: Send + 'static, Error: Into<Box<dyn StdError + Send + Sync>>>,
{
    type Response = Socket<C::Response>;
    type Error = C::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        // From its beginning: a connection that is being made is a file already.
        let counted = Counted::new(self.sockets.clone());
        self.connector.call(to).map(|made| made.map(|stream| Socket { stream, _counted: counted })).boxed()
    }
}

/// A stream of a connection that is counted.
#[derive(Debug)]
pub(super) struct Socket<S> {
    stream: S,
    _counted: Counted,
}

impl<S: Connection> Connection for Socket<S> {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl<S: Read + Unpin> Read for Socket<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, to)
    }
}

impl<S: Write + Unpin> Write for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_kept_unless_there_are_too_many_or_memory_is_short() {
        let sockets = Arc::new(Sockets::new(2));
        let mut open: Vec<_> = (0..5).map(|_| Counted::new(sockets.clone())).collect();
        let waiting: Vec<_> = (0..3).map(|_| sockets.wait()).collect();
        assert!(!sockets.are_too_many(), "two are idle");
        drop(waiting);
        assert!(sockets.are_too_many(), "five are");
        open.truncate(2);
        assert!(!sockets.are_too_many());
        sockets.keep_none_for(Duration::from_secs(5));
        assert!(sockets.are_too_many());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(!sockets.are_too_many());
        open.clear();
        assert_eq!(sockets.open.load(Ordering::Relaxed), 0);
    }
}
