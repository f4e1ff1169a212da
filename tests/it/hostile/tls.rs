//! HTTPS: HTTP/2 where the server speaks it, and no talk with a server whose certificate is not trusted.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

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

/// A server for `name` that offers `protocols` and answers every page.
async fn secure(name: &str, protocols: &[&[u8]]) -> Secure {
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
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (seen, acceptor) = (Seen::default(), TlsAcceptor::from(Arc::new(config)));
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
    Secure { url, certificate: made.cert.der().to_vec(), seen }
}

fn trusting(certificate: Vec<u8>) -> mailscan_core::source::Sources {
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
