//! What is sent again, what is not, and in which form: ETags, compression, `HEAD`.

use std::io::Read;
use std::net::SocketAddr;

use flate2::read::GzDecoder;
use mailscan_core::job::JobStatus;
use mailscan_core::store::Store;
use mailscan_http::ServeOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{get, request, send};
use super::{HANGS, job, start};

/// The head and the bytes of an answer.
async fn bytes(address: SocketAddr, method: &str, target: &str, headers: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    timeout(HANGS, stream.read_to_end(&mut read)).await.unwrap().unwrap();
    let end = read.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    (String::from_utf8(read[..end].to_vec()).unwrap(), read[end + 4..].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_has_is_not_sent_again() {
    let server = start(ServeOptions::default()).await;
    let id = job(&server.store, 10, JobStatus::Running).await;
    let address = server.address;
    let first = get(address, "/api/v1/jobs/1").await;
    let tag = first.header("etag").unwrap().to_owned();
    assert!(tag.starts_with("W/\"") && first.header("cache-control") == Some("private, no-cache"), "{first:?}");
    let ask = async |method: &str, tag: &str| {
        send(address, method, "/api/v1/jobs/1", &format!("Host: {address}\r\nIf-None-Match: {tag}\r\n")).await
    };
    for known in [&tag, "\"x\", *", &format!("\"x\", {tag}")] {
        for method in ["GET", "HEAD"] {
            let same = ask(method, known).await;
            assert_eq!((same.status, same.body.as_str(), same.header("etag")), (304, "", Some(&*tag)), "{known}");
            assert_eq!(same.header("content-type"), None);
        }
    }
    assert_eq!(ask("GET", "\"x\"").await.body, first.body);
    let head = request(address, "HEAD", "/api/v1/jobs/1").await;
    assert_eq!((head.status, head.header("etag")), (200, Some(&*tag)));

    server.store.transition(id, &[JobStatus::Running], JobStatus::Paused, None).await.unwrap();
    let changed = async {
        loop {
            let again = ask("GET", &tag).await;
            if again.status == 200 {
                return again;
            }
        }
    };
    let changed = timeout(HANGS, changed).await.unwrap();
    assert_eq!(changed.json()["status"], "paused");
    assert!(changed.header("etag").is_some_and(|new| new != tag));
    for target in ["/api/v1/jobs/7", "/healthz", "/metrics"] {
        let answer = get(address, target).await;
        assert_eq!((answer.header("etag"), answer.header("cache-control")), (None, Some("no-store")), "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_the_page_are_not_sent_again() {
    let server = start(ServeOptions::default()).await;
    let ask = async |target: &str, more: &str| {
        bytes(server.address, "GET", target, &format!("Accept-Encoding: gzip\r\n{more}")).await
    };
    for target in ["/", "/assets/base.css", "/assets/icon.svg", "/assets/main.js", "/assets/views/job.js"] {
        let (first, _) = ask(target, "").await;
        let tag =
            first.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap_or_else(|| panic!("{target}: {first}"));
        assert!(first.contains("cache-control: private, no-cache"), "{target}: {first}");
        let (same, nothing) = ask(target, &format!("If-None-Match: {tag}\r\n")).await;
        assert!(same.starts_with("HTTP/1.1 304 ") && nothing.is_empty(), "{target}: {same}");
        assert!(same.contains("content-security-policy: default-src 'none'; script-src 'self'"), "{target}: {same}");
        let (other, content) = ask(target, "If-None-Match: \"x\"\r\n").await;
        assert!(other.starts_with("HTTP/1.1 200 ") && !content.is_empty(), "{target}: {other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_are_compressed_for_whom_takes_it() {
    let server = start(ServeOptions::default()).await;
    for target in 1..=20 {
        job(&server.store, target, JobStatus::Queued).await;
    }
    let (head, plain) = bytes(server.address, "GET", "/api/v1/jobs", "").await;
    assert!(!head.contains("content-encoding") && head.contains("vary: accept-encoding"), "{head}");
    let (head, small) = bytes(server.address, "GET", "/api/v1/jobs", "Accept-Encoding: br, gzip\r\n").await;
    assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
    assert!(head.contains(&format!("content-length: {}", small.len())) && small.len() < plain.len() / 3, "{head}");
    let mut read = Vec::new();
    GzDecoder::new(&*small).read_to_end(&mut read).unwrap();
    assert_eq!(read, plain);
    let (only_head, nothing) = bytes(server.address, "HEAD", "/api/v1/jobs", "Accept-Encoding: gzip\r\n").await;
    assert!(only_head.contains(&format!("content-length: {}", small.len())) && nothing.is_empty(), "{only_head}");
    let (head, _) = bytes(server.address, "GET", "/api/v1/jobs", "Accept-Encoding: gzip;q=0\r\n").await;
    assert!(!head.contains("content-encoding"), "{head}");
    let (head, _) = bytes(server.address, "GET", "/api/v1/jobs?limit=1", "Accept-Encoding: gzip\r\n").await;
    assert!(!head.contains("content-encoding"), "too small to be worth it: {head}");
}
