//! Who may ask: tokens and their scopes, pages of other sites, and what `serve` demands before it is reachable.

use std::fs;
use std::io::Read;
use std::net::Ipv4Addr;
use std::path::Path;

use mailscan_http::{ServeOptions, Tokens};
use tempfile::TempDir;

use super::client::{Answer, get, request, send};
use super::command::{serve_in, serve_logging_in};
use super::start;
use crate::cli::{interrupt, run_in};

const READ: &str = "reading-token-0123456789";
const WRITE: &str = "writing-token-0123456789";

/// Writes a file of tokens that only its owner may read.
fn token_file(folder: &Path) -> String {
    let path = folder.join("tokens");
    fs::write(&path, format!("# who looks\nread {READ}\n# who acts\nwrite {WRITE}\n")).unwrap();
    close(&path);
    path.to_str().unwrap().to_owned()
}

#[cfg(unix)]
fn close(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn close(_: &Path) {}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_what_its_scope_says() {
    let folder = TempDir::new().unwrap();
    let tokens = Some(Tokens::load(Path::new(&token_file(folder.path()))).unwrap());
    let server = start(ServeOptions { tokens, ..ServeOptions::default() }).await;
    let address = server.address;
    let ask = async |method: &str, target: &str, token: &str| -> Answer {
        send(address, method, target, &format!("Host: {address}\r\nAuthorization: Bearer {token}\r\n")).await
    };
    for target in ["/api/v1/jobs", "/metrics", "/?page=api&action=system-resources", "/nowhere", "/api/v1/events"] {
        let refused = get(address, target).await;
        assert_eq!(refused.status, 401, "{target}");
        assert!(refused.header("www-authenticate").unwrap().starts_with("Bearer"), "{refused:?}");
        assert_eq!(ask("GET", target, "unknown-token-0123456789").await.status, 401, "{target}");
    }
    for token in [READ, WRITE] {
        assert_eq!(ask("GET", "/api/v1/jobs", token).await.status, 200);
        assert_eq!(ask("GET", "/nowhere", token).await.status, 404);
    }
    let refused = ask("POST", "/api/v1/jobs", READ).await;
    assert_eq!(refused.status, 403);
    assert!(refused.header("www-authenticate").unwrap().contains("insufficient_scope"));
    assert!(![401, 403].contains(&ask("POST", "/api/v1/jobs", WRITE).await.status));
    for target in ["/healthz", "/readyz"] {
        assert_eq!(get(address, target).await.status, 200, "{target}");
    }
    assert_eq!(request(address, "OPTIONS", "/api/v1/jobs").await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_changes_nothing() {
    let server = start(ServeOptions::default()).await;
    let address = server.address;
    let post = async |more: &str| {
        let headers = format!("Host: {address}\r\nContent-Type: application/json\r\n{more}");
        send(address, "POST", "/api/v1/jobs", &headers).await.status
    };
    for foreign in ["Origin: http://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        assert_eq!(post(foreign).await, 403, "{foreign}");
    }
    for own in [format!("Origin: http://{address}\r\nSec-Fetch-Site: same-origin\r\n"), String::new()] {
        assert_ne!(post(&own).await, 403, "{own}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_tells_browsers_to_be_careful() {
    let server = start(ServeOptions::default()).await;
    for target in ["/healthz", "/nowhere", "/api/v1/jobs"] {
        let answer = get(server.address, target).await;
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{target}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{target}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{target}");
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"), "{target}");
        assert_eq!(answer.header("strict-transport-security"), None, "{target}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_never_written_anywhere() {
    let folder = TempDir::new().unwrap();
    let tokens = token_file(folder.path());
    let mut served = serve_logging_in(folder.path(), &["--token-file", &tokens], "trace");
    let mut said = served.reader();
    let log = std::thread::spawn(move || {
        let mut log = String::new();
        said.read_to_string(&mut log).map(|_| log)
    });
    let host = format!("Host: {}\r\n", served.address);
    for token in [READ, WRITE, "unknown-token-0123456789"] {
        send(served.address, "GET", "/api/v1/jobs", &format!("{host}Authorization: Bearer {token}\r\n")).await;
    }
    interrupt(&served.child);
    let log = log.join().unwrap().unwrap();
    for secret in [READ, WRITE, "unknown-token"] {
        assert!(!log.contains(secret), "{log}");
    }
    assert!(log.contains("request"), "this log says nothing at all: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_for_everybody_asks_for_tokens() {
    let folder = TempDir::new().unwrap();
    let tokens = token_file(folder.path());
    let served = serve_in(folder.path(), &["--listen", "0.0.0.0:0", "--token-file", &tokens]);
    assert!(served.address.ip().is_unspecified(), "{}", served.address);
    let here = (Ipv4Addr::LOCALHOST, served.address.port()).into();
    // By whatever name it is reached.
    let ask =
        async |more: &str| send(here, "GET", "/api/v1/jobs", &format!("Host: scan.example\r\n{more}")).await.status;
    assert_eq!(ask("").await, 401);
    assert_eq!(ask("Authorization: Bearer unknown-token-0123456789\r\n").await, 401);
    assert_eq!(ask(&format!("Authorization: Bearer {READ}\r\n")).await, 200);
}

#[test]
fn a_token_file_that_others_may_read_is_refused() {
    let folder = TempDir::new().unwrap();
    let tokens = token_file(folder.path());
    let missing = run_in(folder.path(), &["serve", "--token-file", "none"]);
    assert!(missing.code == 1 && missing.err.contains("`none`"), "{}", missing.err);
    fs::write(folder.path().join("empty"), "").unwrap();
    close(&folder.path().join("empty"));
    let empty = run_in(folder.path(), &["serve", "--token-file", "empty"]);
    assert!(empty.code == 1 && empty.err.contains("no token"), "{}", empty.err);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&tokens, fs::Permissions::from_mode(0o640)).unwrap();
        let open = run_in(folder.path(), &["serve", "--token-file", &tokens]);
        assert!(open.code == 1 && open.err.contains("chmod 600"), "{}", open.err);
        assert!(!open.err.contains(READ), "{}", open.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_let_in_only_when_that_is_said() {
    let folder = TempDir::new().unwrap();
    let served = serve_in(folder.path(), &["--allow-host", "scan.example"]);
    let by = async |name: &str| send(served.address, "GET", "/healthz", &format!("Host: {name}\r\n")).await.status;
    assert_eq!((by("scan.example").await, by("evil.example").await), (200, 421));
    let both = run_in(folder.path(), &["serve", "--insecure-no-token", "--token-file", "tokens"]);
    assert_eq!(both.code, 2, "{}", both.err);
    // One that no request could name.
    let never = run_in(folder.path(), &["serve", "--allow-host", "scan.example:8025"]);
    assert!(never.code == 2 && never.err.contains("give a name alone"), "{}", never.err);
}
