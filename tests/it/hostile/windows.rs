//! Large bodies over one connection of HTTP/2: those that wait for room keep none of the others from coming.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::server::{body, fetch};
use super::tls::{listen, trusting};

/// As many large bodies as one host may send at a time, and more.
const READ: usize = 13;
const MORE: usize = 3;
/// Of a body.
const PIECES: usize = 64;
const PIECE: usize = 64 << 10;
/// How many pieces are sent of a body that is read before it waits until those that are not stand still. Only what neither the
/// window of its stream (512 KiB) nor the server's buffer (400 KiB) and channel can hold has been read for certain; that must be
/// enough to be given a place (256 KiB), or a body that is to wait might have it.
const FIRST: usize = 24;

/// How the bodies stand.
struct Standing {
    /// A permit for each body that has sent its first pieces.
    begun: Semaphore,
    /// A permit for each body of which nothing more is taken.
    still: Semaphore,
}

/// Sends a body.
async fn send(path: String, to: mpsc::Sender<Bytes>, standing: Arc<Standing>) {
    let is_read = path.starts_with("/read");
    let mut is_still = false;
    for n in 0..PIECES {
        if is_read && n == FIRST {
            standing.begun.add_permits(1);
            standing.still.acquire_many(MORE as u32).await.unwrap().forget();
            standing.still.add_permits(MORE);
        }
        let piece = || Bytes::from(vec![b'x'; PIECE]);
        let taken = match is_read || is_still {
            true => to.send(piece()).await.is_ok(),
            false => match timeout(Duration::from_millis(500), to.reserve()).await {
                Ok(place) => place.map(|place| place.send(piece())).is_ok(),
                Err(_) => {
                    is_still = true;
                    standing.still.add_permits(1);
                    to.send(piece()).await.is_ok()
                }
            },
        };
        if !taken {
            return;
        }
    }
}

async fn serve(standing: Arc<Standing>) -> (String, Vec<u8>) {
    let (listener, acceptor, certificate) = listen("localhost", &[b"h2"]).await;
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let standing = standing.clone();
            let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
                let (to, from) = mpsc::channel(1);
                let path = request.uri().path().to_owned();
                let found = path != "/robots.txt";
                if found && path != "/" {
                    tokio::spawn(send(path, to, standing.clone()));
                }
                let pieces = futures::stream::unfold(from, async |mut from: mpsc::Receiver<Bytes>| {
                    let piece = from.recv().await?;
                    Some((Ok::<_, Infallible>(Frame::data(piece)), from))
                });
                let answer = Response::builder().status(if found { 200 } else { 404 });
                let answer = answer.header("Content-Type", "text/plain").body(StreamBody::new(Box::pin(pieces)));
                async { Ok::<_, Infallible>(answer.unwrap()) }
            });
            tokio::spawn(async move {
                let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    (url, certificate)
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_wait_for_room_keep_none_of_their_connection_from_coming() {
    let standing = Arc::new(Standing { begun: Semaphore::new(0), still: Semaphore::new(0) });
    let (url, certificate) = serve(standing.clone()).await;
    let sources = trusting(certificate);
    // From now on there is a connection.
    fetch(&sources, &format!("{url}/")).await.unwrap();
    let whole = async |path: String| body(fetch(&sources, &format!("{url}{path}")).await).len();
    let read = join_all((0..READ).map(|n| whole(format!("/read{n}"))));
    let more = async {
        standing.begun.acquire_many(READ as u32).await.unwrap().forget();
        join_all((0..MORE).map(|n| whole(format!("/more{n}")))).await
    };
    let (read, more) = tokio::join!(read, more);
    assert_eq!((read, more), (vec![PIECES * PIECE; READ], vec![PIECES * PIECE; MORE]));
}
