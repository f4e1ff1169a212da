//! How many connections are open: each is a file of the process, in use or idle, and a process may have only so many.
//!
//! The connector counts what it opens until it is closed. The client asks whenever it makes a request, and lets go of its idle
//! connections when there are too many in all; how many are kept for one host says nothing of that.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tower_service::Service;

/// The count of open connections, and when idle ones are to be closed.
#[derive(Debug)]
pub(super) struct Sockets {
    most: usize,
    open: AtomicUsize,
    /// How many were opened in all by when idle ones may be let go of again.
    opened: AtomicUsize,
    next: AtomicUsize,
}

impl Sockets {
    /// At most about so many.
    pub(super) const fn new(most: usize) -> Self {
        Self { most, open: AtomicUsize::new(0), opened: AtomicUsize::new(0), next: AtomicUsize::new(0) }
    }

    /// Whether the idle ones are to be closed now. Not again before a quarter as many were opened as there may be: whoever has
    /// that many in use gains nothing by it.
    pub(super) fn are_too_many(&self) -> bool {
        if self.open.load(Ordering::Relaxed) < self.most {
            return false;
        }
        let (opened, next) = (self.opened.load(Ordering::Relaxed), self.next.load(Ordering::Relaxed));
        let later = opened + self.most / 4;
        opened >= next && self.next.compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// One open connection.
#[derive(Debug)]
struct Counted(Arc<Sockets>);

impl Counted {
    fn new(sockets: Arc<Sockets>) -> Self {
        sockets.open.fetch_add(1, Ordering::Relaxed);
        sockets.opened.fetch_add(1, Ordering::Relaxed);
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

    #[test]
    fn idle_ones_are_let_go_of_when_there_are_too_many_and_not_all_the_time() {
        let sockets = Arc::new(Sockets::new(8));
        let mut open: Vec<_> = (0..7).map(|_| Counted::new(sockets.clone())).collect();
        assert!(!sockets.are_too_many());
        open.push(Counted::new(sockets.clone()));
        assert!(sockets.are_too_many() && !sockets.are_too_many(), "all are in use");
        open.truncate(7);
        open.push(Counted::new(sockets.clone()));
        assert!(!sockets.are_too_many(), "one more");
        open.truncate(7);
        open.push(Counted::new(sockets.clone()));
        assert!(sockets.are_too_many(), "a quarter as many");
        open.clear();
        assert_eq!(sockets.open.load(Ordering::Relaxed), 0);
    }
}
