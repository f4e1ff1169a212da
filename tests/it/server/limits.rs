//! Whom the server refuses, whom it makes wait, whom it cuts off, and how it stops.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mailscan_http::ServeOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{exchange, get, plain, rest, send};
use super::{HANGS, start};

#[tokio::test(flavor = "multi_thread")]
async fn only_loopback_names_are_answered() {
    let server = start(ServeOptions::default()).await;
    for (headers, status) in [
        ("Host: localhost\r\n", 200),
        ("Host: LOCALHOST:1\r\n", 200),
        ("Host: [::1]\r\n", 200),
        ("Host: evil.example\r\n", 421),
        ("Host: 127.0.0.1.evil.example\r\n", 421),
        ("Host: localhost\r\nHost: evil.example\r\n", 400),
        ("Host: \r\n", 400),
        ("", 400),
    ] {
        let answer = send(server.address, "GET", "/healthz", headers).await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.body);
        assert!(status == 200 || answer.json()["detail"].is_string());
    }
    let foreign = send(server.address, "GET", "http://evil.example/healthz", "Host: localhost\r\n").await;
    assert_eq!(foreign.status, 421);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_endless_heads_are_refused() {
    let server = start(ServeOptions::default()).await;
    let host = format!("Host: {}\r\n", server.address);
    for body in ["Content-Length: 1000000000\r\n", "Transfer-Encoding: chunked\r\n"] {
        let answer = send(server.address, "GET", "/healthz", &format!("{host}{body}")).await;
        assert_eq!(answer.status, 413, "{body}");
        let answer = send(server.address, "PUT", "/api/v1/jobs", &format!("{host}{body}")).await;
        assert_eq!(answer.status, 405, "{body}");
    }
    let host = format!("{host}Content-Type: application/json\r\n");
    let announced = send(server.address, "POST", "/api/v1/jobs", &format!("{host}Content-Length: 1048577\r\n")).await;
    assert_eq!((announced.status, announced.header("connection")), (413, Some("close")));
    let chunked = format!("{host}Transfer-Encoding: chunked\r\n");
    let body = format!("100001\r\n{}\r\n0\r\n\r\n", " ".repeat(0x10_0001));
    assert_eq!(plain(server.address, "POST", "/api/v1/jobs", &chunked, &body).await.status, 413);
    let long = exchange(server.address, format!("GET /{} HTTP/1.1\r\n", "x".repeat(100_000)).as_bytes()).await;
    assert!(long.is_empty() || long.starts_with("HTTP/1.1 4"), "{long}");
    let many = send(server.address, "GET", "/healthz", &format!("{host}{}", "A: b\r\n".repeat(100))).await;
    assert_eq!(many.status, 431);
    assert_eq!(get(server.address, "/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = start(ServeOptions { body_timeout: Duration::from_millis(50), ..ServeOptions::default() }).await;
    let json = "Content-Type: application/json\r\n";
    let headers = format!("Host: {}\r\n{json}Content-Length: 20\r\n", server.address);
    let answer = plain(server.address, "POST", "/api/v1/jobs", &headers, "{\"target\":").await;
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert!(answer.json()["detail"].as_str().unwrap().contains("took too long"));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_cut_off() {
    let server = start(ServeOptions { head_timeout: Duration::from_millis(50), ..ServeOptions::default() }).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for begun in [&b""[..], b"G", b"GET /healthz HTTP/1.1\r\nHost: local", b"PRI * HT", preface] {
        let answer = exchange(server.address, begun).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    // A client that goes on has its whole time anew after every answer, and is cut off when it stops.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    keep_alive(&mut stream, server.address).await;
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_most_wait_for_a_place() {
    let server = start(ServeOptions { max_connections: 1, ..ServeOptions::default() }).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    keep_alive(&mut first, server.address).await;
    let mut second = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nConnection: close\r\nHost: {}\r\n\r\n", server.address);
    second.write_all(request.as_bytes()).await.unwrap();
    for _ in 0..50 {
        keep_alive(&mut first, server.address).await;
    }
    assert!(second.try_read(&mut [0; 1]).is_err(), "answered beyond the most connections");
    drop(first);
    assert!(rest(&mut second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_closes_what_is_open_and_ends() {
    let server = start(ServeOptions::default()).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    keep_alive(&mut idle, server.address).await;
    server.stop.send(()).unwrap();
    timeout(HANGS, server.served).await.unwrap().unwrap().unwrap();
    assert_eq!(rest(&mut idle).await, "");
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_spoken_with_prior_knowledge() {
    let server = start(ServeOptions::default()).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    for (method, host, status, has_body) in
        [("GET", "localhost", 200, true), ("HEAD", "localhost", 200, false), ("GET", "evil.example", 421, true)]
    {
        let uri = format!("http://{host}/healthz");
        let request = Request::builder().method(method).uri(uri).body(Empty::<Bytes>::new()).unwrap();
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(answer.status(), status, "{method} {host}");
        assert!(answer.headers().contains_key("content-length"), "{method} {host}");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(!body.is_empty(), has_body, "{method} {host}");
    }
    drop(client);
    timeout(HANGS, connection).await.unwrap().unwrap().unwrap();
}

/// One request whose connection stays open, with the whole of its answer.
async fn keep_alive(stream: &mut TcpStream, address: SocketAddr) {
    stream.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(br#"{"status":"ok"}"#) {
        let byte = timeout(HANGS, stream.read_u8()).await.unwrap();
        read.push(byte.unwrap());
    }
}
