//! TLS: the certificate that is shown, the one that replaces it, and what browsers are told.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mailscan_http::{ServeOptions, Tls};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::client::exchange;
use super::{HANGS, start};
use crate::cli::run_in;

/// Writes a new certificate for `localhost` and its key into a folder.
pub(super) fn certify(folder: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    cert.der().clone()
}

fn load(folder: &Path) -> Tls {
    Tls::load(&folder.join("cert.pem"), &folder.join("key.pem")).unwrap()
}

async fn ask(address: SocketAddr, trusted: &CertificateDer<'static>, protocol: &[u8]) -> Option<String> {
    ask_for(address, trusted, protocol, "GET /healthz HTTP/1.1\r\n").await
}

/// What the server answers to a client that trusts this certificate only; `None` when it shows another one.
pub(super) async fn ask_for(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocol: &[u8],
    request: &str,
) -> Option<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = timeout(HANGS, TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap().ok()?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    if protocol == b"h2" {
        return Some(String::new());
    }
    let host = if request.contains("Host: ") { "" } else { "Host: localhost\r\n" };
    stream.write_all(format!("{request}{host}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(HANGS, stream.read_to_end(&mut answer)).await.unwrap();
    Some(String::from_utf8(answer).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_encrypted_and_a_new_certificate_is_shown_when_it_is_there() {
    let folder = TempDir::new().unwrap();
    let first = certify(folder.path());
    let server = start(ServeOptions { tls: Some(load(folder.path())), ..ServeOptions::default() }).await;
    let answer = ask(server.address, &first, b"http/1.1").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(ask(server.address, &first, b"h2").await.is_some());
    let plain = exchange(server.address, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(!plain.contains("200 OK"), "{plain}");

    // Half of a pair changes nothing.
    let key = fs::read(folder.path().join("key.pem")).unwrap();
    fs::write(folder.path().join("key.pem"), &key[..key.len() / 2]).unwrap();
    assert!(ask(server.address, &first, b"http/1.1").await.is_some());
    let second = certify(folder.path());
    let renewed = async { while ask(server.address, &second, b"http/1.1").await.is_none() {} };
    timeout(HANGS, renewed).await.expect("the new certificate is never shown");
    assert_eq!(ask(server.address, &first, b"http/1.1").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_comes_by_the_usual_port_is_told_to_come_over_tls_always() {
    let folder = TempDir::new().unwrap();
    let trusted = certify(folder.path());
    let server = start(ServeOptions { tls: Some(load(folder.path())), ..ServeOptions::default() }).await;
    for (host, told) in [("localhost", true), ("localhost:443", true), ("localhost:8443", false)] {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n");
        let answer = ask_for(server.address, &trusted, b"http/1.1", &request).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(answer.contains("strict-transport-security: max-age="), told, "{host}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_speak_tls_in_time_is_cut_off() {
    let folder = TempDir::new().unwrap();
    certify(folder.path());
    let head_timeout = Duration::from_millis(50);
    let server = start(ServeOptions { tls: Some(load(folder.path())), head_timeout, ..ServeOptions::default() }).await;
    // One who says nothing, and one who stops in the middle of the first message.
    for begun in [&b""[..], b"\x16\x03\x01\x02\0\x01"] {
        assert_eq!(exchange(server.address, begun).await, "");
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_said_plainly() {
    let folder = TempDir::new().unwrap();
    certify(folder.path());
    let other = TempDir::new().unwrap();
    certify(other.path());
    fs::copy(other.path().join("key.pem"), folder.path().join("other.pem")).unwrap();
    fs::write(folder.path().join("empty.pem"), "").unwrap();
    for (certificate, key) in [("cert.pem", "other.pem"), ("empty.pem", "key.pem"), ("cert.pem", "none.pem")] {
        let ran = run_in(folder.path(), &["serve", "--tls-cert", certificate, "--tls-key", key]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
        assert!(ran.err.contains(certificate) && ran.err.contains(key) && ran.err.lines().count() == 1, "{}", ran.err);
    }
    assert_eq!(run_in(folder.path(), &["serve", "--tls-cert", "cert.pem"]).code, 2);
}
