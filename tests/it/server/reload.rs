//! SIGHUP: a server reads its files again, keeps the old ones where it cannot, and never ends of it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::ChildStderr;

use tempfile::TempDir;
use tokio::time::timeout;

use super::HANGS;
use super::client::get;
use super::command::{Served, serve_in};
use super::tls::{ask_for, certify};
use crate::cli::{hang_up, interrupt, run_in};

const OLD: &str = "old-token-0123456789";
const NEW: &str = "new-token-0123456789";

fn write_tokens(folder: &Path, text: &str) {
    let path = folder.join("tokens");
    fs::write(&path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn line(said: &mut BufReader<ChildStderr>) -> String {
    let mut line = String::new();
    assert!(said.read_line(&mut line).unwrap() > 0, "the server ended");
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_and_tokens_are_read_again_or_kept() {
    let folder = TempDir::new().unwrap();
    let first = certify(folder.path());
    write_tokens(folder.path(), &format!("read {OLD}"));
    let changed = fs::metadata(folder.path().join("cert.pem")).unwrap().modified().unwrap();
    // So that nothing is seen of a change by the time of the files.
    let touch = |name: &str| {
        File::options().write(true).open(folder.path().join(name)).unwrap().set_modified(changed).unwrap();
    };
    touch("key.pem");
    let arguments = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--token-file", "tokens"];
    let mut served = serve_in(folder.path(), &arguments);
    let mut said = served.reader();
    let status = async |trusted, token: &str| {
        let request = format!("GET /api/v1/jobs HTTP/1.1\r\nAuthorization: Bearer {token}\r\n");
        let answer = ask_for(served.address, trusted, b"http/1.1", &request).await?;
        Some(answer.split(' ').nth(1).unwrap().to_owned())
    };
    assert_eq!(status(&first, OLD).await.as_deref(), Some("200"));
    assert_eq!(status(&first, NEW).await.as_deref(), Some("401"));

    let second = certify(folder.path());
    touch("cert.pem");
    touch("key.pem");
    write_tokens(folder.path(), &format!("read {NEW}"));
    hang_up(&served.child);
    assert_eq!(line(&mut said), "read again: the certificate and the tokens\n");
    assert_eq!(status(&first, NEW).await, None, "the old certificate is shown");
    assert_eq!(status(&second, NEW).await.as_deref(), Some("200"));
    assert_eq!(status(&second, OLD).await.as_deref(), Some("401"));

    let key = fs::read(folder.path().join("key.pem")).unwrap();
    fs::write(folder.path().join("key.pem"), &key[..key.len() / 2]).unwrap();
    write_tokens(folder.path(), "# nobody");
    hang_up(&served.child);
    let kept = [line(&mut said), line(&mut said)];
    assert!(kept[0].starts_with("the old certificate is kept: the certificate `cert.pem`"), "{kept:?}");
    assert!(kept[1].starts_with("the old tokens are kept: the token file `tokens`"), "{kept:?}");
    assert_eq!(status(&second, NEW).await.as_deref(), Some("200"));

    fs::write(folder.path().join("key.pem"), key).unwrap();
    hang_up(&served.child);
    assert_eq!(line(&mut said), "read again: the certificate\n");
    assert!(line(&mut said).starts_with("the old tokens are kept"));
    interrupt(&served.child);
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_anything_to_read_stays() {
    let folder = TempDir::new().unwrap();
    let mut served = serve_in(folder.path(), &[]);
    let mut said = served.reader();
    for _ in 0..2 {
        hang_up(&served.child);
        assert_eq!(line(&mut said), "there is no certificate, token file or suppression list to read again\n");
        assert_eq!(get(served.address, "/healthz").await.status, 200);
    }
    // The terminal is gone, and with it everything that could be written to.
    drop(said);
    hang_up(&served.child);
    assert_eq!(get(served.address, "/healthz").await.status, 200);
    interrupt(&served.child);
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suppression_list_is_read_again() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("page.txt", "ann@a.org bob@b.org carl@mail.b.org dan@d.org");
    write("list", "ann@a.org\n@b.org\n");
    let mut served = serve_in(folder.path(), &["--suppress", "list"]);
    let mut said = served.reader();
    assert_eq!(collected(&served, folder.path(), 1).await, 1);
    write("list", "d.org\n");
    hang_up(&served.child);
    assert_eq!(line(&mut said), "read again: the suppression list\n");
    assert_eq!(collected(&served, folder.path(), 2).await, 3);
    write("list", "no entry");
    hang_up(&served.child);
    assert!(line(&mut said).starts_with("the old suppression list is kept: cannot obey"));
    assert_eq!(collected(&served, folder.path(), 3).await, 3);
    interrupt(&served.child);
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
}

/// How many addresses the next job stores, which has this number.
async fn collected(served: &Served, folder: &Path, id: u64) -> u64 {
    let detached = run_in(folder, &["run", "--path", "page.txt", "--target", "99", "--detach"]);
    assert_eq!(detached.code, 0, "{}", detached.err);
    let ended = async {
        loop {
            let job = get(served.address, &format!("/api/v1/jobs/{id}")).await.json();
            if job["status"] == "completed" {
                return job["collected"].as_u64().unwrap();
            }
        }
    };
    timeout(HANGS, ended).await.unwrap()
}
