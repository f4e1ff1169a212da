//! Whom the server refuses, whom it makes wait, whom it cuts off, and how it stops.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::Request;
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mailscan_http::ServeOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::client::{exchange, get, plain, rest, send, send_json};
use super::{HANGS, start};
use crate::services::skip;

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
    let chunked = format!("{host}Transfer-Encoding: chunked\r\n");
    for (target, most) in [("/api/v1/jobs", 16 << 20), ("/api/v1/jobs/1/pause", 1 << 20)] {
        let announced = format!("{host}Content-Length: {}\r\n", most + 1);
        let announced = send(server.address, "POST", target, &announced).await;
        assert_eq!((announced.status, announced.header("connection")), (413, Some("close")));
        assert!(announced.body.contains(&format!("larger than {} MiB", most >> 20)), "{}", announced.body);
        let body = format!("{:x}\r\n{}\r\n0\r\n\r\n", most + 1, " ".repeat(most + 1));
        assert_eq!(plain(server.address, "POST", target, &chunked, &body).await.status, 413);
    }
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
async fn a_large_body_waits_while_many_others_come() {
    let server = start(ServeOptions { body_timeout: HANGS, ..ServeOptions::default() }).await;
    let head = |length: usize| {
        let address = server.address;
        let fields = format!("Host: {address}\r\nContent-Type: application/json\r\nConnection: close\r\n");
        format!("POST /api/v1/jobs HTTP/1.1\r\n{fields}Content-Length: {length}\r\n\r\n")
    };
    let body = |length: usize| format!("{{\"x\": \"{}\"}}", "y".repeat(length - 9));
    let mut held = Vec::new();
    for _ in 0..64 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(format!("{}{}", head(40_000), &body(40_000)[..20_000]).as_bytes()).await.unwrap();
        held.push(stream);
    }
    // Until all of them have a place, one more may find one; small bodies need none.
    let one_waits = async {
        loop {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(format!("{}{}", head(20_000), body(20_000)).as_bytes()).await.unwrap();
            for _ in 0..20 {
                assert_eq!(send_json(server.address, "POST", "/api/v1/jobs", "", &body(900)).await.status, 400);
            }
            if stream.try_read(&mut [0; 1]).is_err() {
                return stream;
            }
        }
    };
    let mut waiting = timeout(HANGS, one_waits).await.expect("large bodies wait");
    held.truncate(32);
    assert!(timeout(HANGS, rest(&mut waiting)).await.unwrap().starts_with("HTTP/1.1 400"));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_cut_off() {
    const TIME: Duration = Duration::from_millis(100);
    let server = start(ServeOptions { head_timeout: TIME, ..ServeOptions::default() }).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for begun in [&b""[..], b"G", b"GET /healthz HTTP/1.1\r\nHost: local", b"PRI * HT", preface] {
        let answer = exchange(server.address, begun).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    // A client that goes on has its whole time anew after every answer, and is cut off when it stops.
    let mut goes_on =
        timeout(HANGS, goes_on_for(server.address, TIME)).await.expect("this machine is too slow to tell");
    assert_eq!(rest(&mut goes_on).await, "");
}

/// A connection that was kept busy for longer than a client may take for one request. Another one where this machine was so
/// slow that the server may have seen one take so long.
async fn goes_on_for(server: SocketAddr, time: Duration) -> TcpStream {
    'again: loop {
        let begun = Instant::now();
        let mut last = begun;
        let mut stream = TcpStream::connect(server).await.unwrap();
        while begun.elapsed() < 3 * time {
            let answered = try_keep_alive(&mut stream, server).await;
            if last.elapsed() > time / 2 {
                continue 'again;
            }
            answered.expect("it was cut off although it went on");
            last = Instant::now();
        }
        return stream;
    }
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

/// Pieces of a body, and a note of its end.
fn pieces(
    many: usize,
    ended: &Arc<AtomicBool>,
) -> StreamBody<impl Stream<Item = Result<Frame<Bytes>, Infallible>> + use<>> {
    let ended = ended.clone();
    let pieces = futures::stream::iter(0..many).map(|_| Bytes::from(vec![b' '; 64 << 10]));
    let end = futures::stream::once(async move {
        ended.store(true, Ordering::SeqCst);
        Bytes::new()
    });
    StreamBody::new(pieces.chain(end).map(|piece| Ok(Frame::data(piece))))
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_takes_bodies_and_refuses_large_ones_with_a_whole_answer() {
    let server = start(ServeOptions::default()).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let ask = |target: &str| {
        let uri = format!("http://localhost{target}");
        Request::builder().method("POST").uri(uri).header("content-type", "application/json")
    };
    for (target, many, status) in
        [("/api/v1/jobs", 320, 413), ("/api/v1/jobs/1/pause", 17, 413), ("/api/v1/plan", 320, 405), ("/x", 320, 404)]
    {
        let ended = Arc::new(AtomicBool::new(false));
        let body = BodyExt::boxed(pieces(many, &ended));
        let answer = timeout(HANGS, client.send_request(ask(target).body(body).unwrap())).await.unwrap().unwrap();
        assert_eq!(answer.status(), status, "{target}");
        let read = answer.into_body().collect().await.unwrap().to_bytes();
        let problem: serde_json::Value = serde_json::from_slice(&read).unwrap();
        assert_eq!(problem["status"], status, "{target}");
        // Nobody resets the stream while the client still sends: it may not have read the answer yet.
        while !ended.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }
    let body = Full::from(r#"{"target": 1, "urls": ["https://a.org/"]}"#).boxed();
    let answer = client.send_request(ask("/api/v1/jobs").body(body).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 202);
    assert!(!answer.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_read_by_who_sends_everything_first() {
    let server = start(ServeOptions::default()).await;
    let head = format!(
        "POST /api/v1/jobs HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        server.address,
        32 << 20
    );
    let answer = exchange(server.address, [head.into_bytes(), vec![b' '; 32 << 20]].concat().as_slice()).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("larger than 16 MiB"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_body_is_not_read() {
    let server = start(ServeOptions::default()).await;
    let refused = send_json(server.address, "POST", "/api/v1/jobs", "Content-Encoding: gzip\r\n", "{}").await;
    assert_eq!((refused.status, refused.header("accept-encoding")), (415, Some("identity")));
    assert_eq!(refused.json()["field"], "Content-Encoding");
    let plain = send_json(server.address, "POST", "/api/v1/jobs", "Content-Encoding: identity\r\n", "{}").await;
    assert_eq!(plain.status, 400, "{}", plain.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_are_held_while_others_are_answered() {
    /// What this process and the server have open beside them.
    const OTHERS: usize = 200;
    let files = usize::try_from(rlimit::increase_nofile_limit(65_536).unwrap()).unwrap();
    // Half of the server's files are for clients.
    let idle = 10_000.min((files / 2).saturating_sub(OTHERS));
    if idle < 10_000 - OTHERS {
        skip(&format!(
            "only {idle} idle connections: a process may open no more than {files} files here (`ulimit -Hn`)"
        ));
    }
    let folder = tempfile::TempDir::new().unwrap();
    // A process of its own, which has files of its own.
    let server = super::command::serve_in(folder.path(), &[]);
    let mut held = Vec::with_capacity(idle);
    for _ in 0..idle {
        held.push(timeout(HANGS, TcpStream::connect(server.address)).await.unwrap().unwrap());
    }
    for stream in [0, idle / 2, idle - 1] {
        keep_alive(&mut held[stream], server.address).await;
    }
    assert_eq!(get(server.address, "/healthz").await.status, 200);
    let all_are_open = async {
        loop {
            let metrics = get(server.address, "/metrics").await.body;
            let open = metrics.lines().find_map(|line| line.strip_prefix("mailscan_http_connections ")).unwrap();
            if open.parse::<f64>().unwrap() >= idle as f64 {
                return;
            }
        }
    };
    timeout(HANGS, all_are_open).await.unwrap();
}

/// One request whose connection stays open, with the whole of its answer.
async fn keep_alive(stream: &mut TcpStream, address: SocketAddr) {
    try_keep_alive(stream, address).await.unwrap();
}

async fn try_keep_alive(stream: &mut TcpStream, address: SocketAddr) -> std::io::Result<()> {
    stream.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
    let mut read = Vec::new();
    while !read.ends_with(br#"{"status":"ok"}"#) {
        read.push(timeout(HANGS, stream.read_u8()).await.unwrap()?);
    }
    Ok(())
}
