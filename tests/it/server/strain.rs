//! What the server bears: ten thousand clients that say nothing, bodies over HTTP/2, and a store that fails.

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mailscan_http::ServeOptions;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::get;
use super::command::serve_in;
use super::{HANGS, start};

/// As many as the server is to hold.
const IDLE: usize = 10_000;
/// What else this process and the server have open.
const OTHERS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_keep_nobody_out() {
    // Half of the server's files are for clients.
    let files = usize::try_from(rlimit::increase_nofile_limit(65_536).unwrap()).unwrap();
    let idle = IDLE.min((files / 2).saturating_sub(OTHERS));
    if idle < IDLE - OTHERS {
        eprintln!("only {idle} idle connections: this system lets a process open {files} files (`ulimit -Hn`)");
    }
    let folder = TempDir::new().unwrap();
    let served = serve_in(folder.path(), &[]);
    let mut silent = Vec::with_capacity(idle);
    for _ in 0..idle {
        silent.push(timeout(HANGS, TcpStream::connect(served.address)).await.unwrap().unwrap());
    }
    let held = |metrics: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix("mailscan_http_connections "));
        line.and_then(|value| value.parse::<f64>().ok()).unwrap()
    };
    let all = async { while held(&get(served.address, "/metrics").await.body) < idle as f64 {} };
    timeout(HANGS, all).await.expect("the server does not hold them all");
    assert_eq!(get(served.address, "/api/v1/jobs").await.status, 200);
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_come_over_http_2() {
    let server = start(ServeOptions::default()).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let urls: Vec<String> = (0..2_000).map(|n| format!("https://example.org/a/rather/long/path/{n}")).collect();
    let post = |body: String, kind: &'static str| {
        let request = Request::post(format!("http://{}/api/v1/jobs", server.address)).header("content-type", kind);
        client.clone().send_request(request.body(Full::new(bytes::Bytes::from(body))).unwrap())
    };
    for (body, kind, status) in [
        (json!({"target": 9, "urls": urls}).to_string(), "application/json", 202),
        ("{\"target\":".to_owned(), "application/json", 400),
        ("{}".to_owned(), "text/plain", 415),
        (json!({"target": 9, "urls": ["https://example.org/"]}).to_string(), "application/json", 202),
    ] {
        let answer = timeout(HANGS, post(body, kind)).await.unwrap().unwrap();
        assert_eq!(answer.status(), status);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let said: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(said["status"].is_string(), status == 202, "{said}");
    }
    assert_eq!(get(server.address, "/api/v1/jobs/1").await.json()["sources_total"], 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_makes_the_server_unready_and_no_more() {
    let server = start(ServeOptions::default()).await;
    assert_eq!(get(server.address, "/readyz").await.status, 200);
    let database = rusqlite::Connection::open(server.folder.path().join("mailscan.db")).unwrap();
    database.execute_batch("ALTER TABLE job RENAME TO lost").unwrap();
    let unready = get(server.address, "/readyz").await;
    assert_eq!((unready.status, unready.header("content-type")), (503, Some("application/problem+json")));
    assert_eq!(get(server.address, "/api/v1/jobs").await.status, 500);
    assert_eq!(get(server.address, "/healthz").await.status, 200);
    database.execute_batch("ALTER TABLE lost RENAME TO job").unwrap();
    assert_eq!(get(server.address, "/readyz").await.status, 200, "it is ready as soon as its store is");
}
