//! HTTPS: HTTP/2 where the server speaks it, and no talk with a server whose certificate is not trusted.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use mailscan_core::fetch::FetchErrorClass;
use mailscan_core::source::Pace;
use mailscan_core::source::http::ClientOptions;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::server::{body, fetch, plain, sources};

/// The versions and paths that were asked in.
type Seen = Arc<Mutex<Vec<(Version, String)>>>;

/// A running HTTPS server.
struct Secure {
    url: String,
    certificate: Vec<u8>,
    seen: Seen,
}

/// A socket, and what makes TLS of its connections for `name` with these protocols; its certificate.
pub(super) async fn listen(name: &str, protocols: &[&[u8]]) -> (TcpListener, TlsAcceptor, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener, TlsAcceptor::from(Arc::new(config)), made.cert.der().to_vec())
}

/// A server for `name` that offers `protocols` and answers every page.
async fn secure(name: &str, protocols: &[&[u8]]) -> Secure {
    let (listener, acceptor, certificate) = listen(name, protocols).await;
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let seen = Seen::default();
    let shared = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, seen) = (acceptor.clone(), shared.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
                    seen.lock().unwrap().push((request.version(), request.uri().path().to_owned()));
                    let found = request.uri().path() != "/robots.txt";
                    let answer = Response::builder().status(if found { 200 } else { 404 });
                    let answer = answer.header("Content-Type", "text/plain").body(Full::new(Bytes::from("ann@a.org")));
                    async { Ok::<_, Infallible>(answer.unwrap()) }
                });
                let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    Secure { url, certificate, seen }
}

pub(super) fn trusting(certificate: Vec<u8>) -> mailscan_core::source::Sources {
    sources(&ClientOptions { extra_roots: vec![certificate], ..ClientOptions::default() }, Pace::unlimited())
}

#[tokio::test]
async fn http_2_is_spoken_where_the_server_offers_it() {
    for (protocols, version) in
        [(&[&b"h2"[..], b"http/1.1"][..], Version::HTTP_2), (&[b"http/1.1"], Version::HTTP_11), (&[], Version::HTTP_11)]
    {
        let server = secure("localhost", protocols).await;
        let sources = trusting(server.certificate);
        for path in ["/a", "/b"] {
            assert_eq!(body(fetch(&sources, &format!("{}{path}", server.url)).await), "ann@a.org");
        }
        let expected = ["/robots.txt", "/a", "/b"].map(|path| (version, path.to_owned()));
        assert_eq!(*server.seen.lock().unwrap(), expected);
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let server = secure("localhost", &[]).await;
    let error = fetch(&plain(), &server.url).await.unwrap_err();
    assert_eq!(&*error.code, "tls", "{error}");
    assert!(server.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let server = secure("other.example", &[]).await;
    let error = fetch(&trusting(server.certificate), &server.url).await.unwrap_err();
    assert_eq!(&*error.code, "tls", "{error}");
    assert!(server.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_page_of_an_untrusted_site_is_not_tried_again() {
    let server = secure("localhost", &[]).await;
    let error = fetch(&plain(), &server.url).await.unwrap_err();
    assert_eq!(error.class, FetchErrorClass::Permanent, "{error}");
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Reads frames until one that asks for something, and answers for its stream; none when the client leaves.
async fn asked(stream: &mut (impl AsyncRead + Unpin)) -> Option<u8> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload).await.ok()?;
        if head[3] == 1 {
            return Some(head[8]);
        }
    }
}

/// A server over HTTP/2 that answers the first request of a connection alone, and says of the next that it has not begun it:
/// with GOAWAY and no error, or with a reset of the stream.
async fn one_a_connection(goes_away: bool) -> (String, Vec<u8>, Arc<AtomicUsize>) {
    let (listener, acceptor, certificate) = listen("localhost", &[b"h2"]).await;
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let refused = Arc::new(AtomicUsize::new(0));
    let counts = refused.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, refused) = (acceptor.clone(), counts.clone());
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await.ok()?;
                stream.read_exact(&mut [0; 24]).await.ok()?;
                stream.write_all(&[frame(4, 0, 0, &[]), frame(4, 1, 0, &[])].concat()).await.ok()?;
                let first = asked(&mut stream).await?;
                // `:status: 200` of the static table (RFC 7541, appendix A), and the end of the stream with the body.
                let page = [frame(1, 4, first, &[0x88]), frame(0, 1, first, b"ann@a.org")].concat();
                stream.write_all(&page).await.ok()?;
                while let Some(next) = asked(&mut stream).await {
                    refused.fetch_add(1, Ordering::SeqCst);
                    let refusal = match goes_away {
                        true => frame(7, 0, 0, &[0, 0, 0, first, 0, 0, 0, 0]),
                        false => {
                            [frame(3, 0, next, &[0, 0, 0, 7]), frame(7, 0, 0, &[0, 0, 0, next, 0, 0, 0, 0])].concat()
                        }
                    };
                    stream.write_all(&refusal).await.ok()?;
                }
                Some(())
            });
        }
    });
    (url, certificate, refused)
}

#[tokio::test]
async fn what_a_server_has_not_begun_is_asked_for_again_at_once() {
    for goes_away in [true, false] {
        let (url, certificate, refused) = one_a_connection(goes_away).await;
        let sources = trusting(certificate);
        for path in ["/a", "/b", "/c"] {
            assert_eq!(body(fetch(&sources, &format!("{url}{path}")).await), "ann@a.org");
        }
        assert!(refused.load(Ordering::SeqCst) > 0, "the server refused nothing");
    }
}

#[tokio::test]
async fn failed_handshakes_say_what_to_do() {
    let server = secure("localhost", &[]).await;
    let of_name = secure("other.example", &[]).await;
    let without = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain_url = format!("https://{}/", without.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = without.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
            let _ = stream.read(&mut [0; 1_024]).await;
        }
    });
    for (sources, url, says) in [
        (plain(), server.url.clone(), "certificate"),
        (trusting(of_name.certificate), of_name.url.clone(), "for another name"),
        (plain(), plain_url, "try http://"),
    ] {
        let error = fetch(&sources, &url).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "tls"), "{error}");
        assert!(error.message.contains(says), "{error}");
    }
}

/// A server over HTTP/2 whose first connection falls silent after one answer, as where a network has forgotten it; others answer all.
async fn silent_at_first() -> (String, Vec<u8>) {
    let (listener, acceptor, certificate) = listen("localhost", &[b"h2"]).await;
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        for connection in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await.ok()?;
                stream.read_exact(&mut [0; 24]).await.ok()?;
                stream.write_all(&[frame(4, 0, 0, &[]), frame(4, 1, 0, &[])].concat()).await.ok()?;
                for answered in 0.. {
                    let next = asked(&mut stream).await?;
                    if connection > 0 || answered == 0 {
                        let page = [frame(1, 4, next, &[0x88]), frame(0, 1, next, b"ann@a.org")].concat();
                        stream.write_all(&page).await.ok()?;
                    }
                }
                Some(())
            });
        }
    });
    (url, certificate)
}

#[tokio::test]
async fn nothing_more_is_asked_over_a_connection_that_fell_silent() {
    let (url, certificate) = silent_at_first().await;
    let second = Duration::from_secs(1);
    let options = ClientOptions {
        extra_roots: vec![certificate],
        connect_timeout: second,
        header_timeout: second,
        ..ClientOptions::default()
    };
    let sources = sources(&options, Pace::unlimited());
    let error = fetch(&sources, &format!("{url}/a")).await.unwrap_err();
    assert_eq!(&*error.code, "header-timeout", "{error}");
    assert_eq!(body(fetch(&sources, &format!("{url}/b")).await), "ann@a.org");
}
