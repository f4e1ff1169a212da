//! A wire between nodes and their server that can be slowed, cut and pulled half out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// Everything passes.
    Whole,
    /// Everything passes later, in both directions.
    Slow(Duration),
    /// What is sent meanwhile is lost, so the connection stays silent for ever, and nobody is told.
    Silent,
    /// The server seems to have said its last word, but takes what it is sent.
    HalfClosed,
}

/// A proxy in front of a server; its connections end with it.
pub(super) struct Proxy {
    pub(super) port: u16,
    wire: watch::Sender<Wire>,
    /// How many connections something happened to.
    hit: Arc<AtomicU32>,
    accepting: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    /// Listens for a server on loopback.
    pub(super) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (wire, seen) = watch::channel(Wire::Whole);
        let hit = Arc::new(AtomicU32::new(0));
        let counted = hit.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(connect(client, server, seen.clone(), counted.clone()));
            }
        });
        Self { port, wire, hit, accepting }
    }

    pub(super) fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }

    /// How many connections something has happened to, counted once for each direction.
    pub(super) fn hit(&self) -> u32 {
        self.hit.load(Ordering::Relaxed)
    }
}

async fn connect(client: TcpStream, server: u16, wire: watch::Receiver<Wire>, hit: Arc<AtomicU32>) {
    // A server that is away refuses, and so does this.
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::join!(
        pass(from_client, to_server, wire.clone(), hit.clone(), false),
        pass(from_server, to_client, wire, hit, true)
    );
}

/// Passes one direction on until its end.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut wire: watch::Receiver<Wire>,
    hit: Arc<AtomicU32>,
    to_client: bool,
) {
    let (mut bytes, mut lost) = (vec![0; 64 * 1024], false);
    loop {
        let read = tokio::select! {
            read = from.read(&mut bytes) => read.unwrap_or(0),
            Ok(()) = wire.changed() => {
                if *wire.borrow_and_update() == Wire::HalfClosed && to_client && !lost {
                    lost = true;
                    hit.fetch_add(1, Ordering::Relaxed);
                    // It may be closed already.
                    let _ = to.shutdown().await;
                }
                continue;
            }
        };
        if read == 0 {
            // Likewise.
            let _ = to.shutdown().await;
            return;
        }
        let now = *wire.borrow();
        match now {
            Wire::Slow(by) => {
                hit.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(by).await;
            }
            Wire::Silent if !lost => {
                lost = true;
                hit.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        if !lost && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
