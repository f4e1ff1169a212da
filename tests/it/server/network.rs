//! What jobs that a server works on may reach: nothing on this machine, unless the operator names its network.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::HANGS;
use super::client::get;
use super::command::serve_in;
use crate::cli::run_in;

/// A site on this machine: a page with an address at `/`, and elsewhere redirects to that page by another way.
struct Site {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Site {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { break };
                    head.push(byte);
                }
                let answer = match head.split(|byte| *byte == b' ').nth(1) {
                    Some(b"/") => "200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nann@a.org".to_owned(),
                    Some(b"/other") => {
                        let to = format!("http://127.0.0.2:{}/", address.port());
                        format!("302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
                    }
                    _ => "404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
                };
                let _ = stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await;
            }
        });
        Self { address, connections }
    }
}

/// Hands a job for one page to the server of a folder; answers its end and the code of its error, if there was one.
async fn outcome(folder: &Path, server: SocketAddr, url: &str) -> (u64, Option<String>) {
    let detached = run_in(folder, &["run", "--url", url, "--target", "5", "--detach", "--json"]);
    assert_eq!(detached.code, 0, "{}", detached.err);
    let id = crate::cli::json(&detached.out)["id"].as_u64().unwrap();
    let ended = async {
        loop {
            let job = get(server, &format!("/?page=api&action=job-worker-status&job_id={id}")).await.json();
            if matches!(job["status"].as_str(), Some("completed" | "failed")) {
                return job;
            }
        }
    };
    let job = timeout(HANGS, ended).await.unwrap();
    let errors = get(server, &format!("/api/v1/jobs/{id}/errors")).await.json();
    (job["collected"].as_u64().unwrap(), errors["groups"][0]["code"].as_str().map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_reaches_nothing_on_this_machine_by_address_or_by_name() {
    let (folder, site) = (TempDir::new().unwrap(), Site::start().await);
    let server = serve_in(folder.path(), &[]);
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let url = format!("http://{host}:{}/", site.address.port());
        let refused = outcome(folder.path(), server.address, &url).await;
        assert_eq!(refused, (0, Some("private-address".to_owned())), "{url}");
    }
    assert_eq!(site.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_reached_once_it_is_named_and_no_redirect_leads_to_another() {
    let (folder, site) = (TempDir::new().unwrap(), Site::start().await);
    let server = serve_in(folder.path(), &["--allow-network", "10.0.0.0/8", "--allow-network", "127.0.0.1"]);
    let url = |path| format!("http://{}{path}", site.address);
    assert_eq!(outcome(folder.path(), server.address, &url("/")).await, (1, None));
    let elsewhere = outcome(folder.path(), server.address, &url("/other")).await;
    assert_eq!(elsewhere, (0, Some("private-address".to_owned())));
    let local = run_in(folder.path(), &["run", "--url", &url("/"), "--target", "1", "--json", "--db", "own.db"]);
    assert_eq!(local.code, 0, "who runs a job at the keyboard may reach their own machine: {}", local.err);
}
