//! The plainest client: one request a connection, in bytes.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{HANGS, described};

/// An answer, taken apart.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (given, value) = line.split_once(": ")?;
            given.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The names of the members, in order.
    pub(super) fn names(&self) -> Vec<String> {
        names(&self.json())
    }
}

pub(super) fn names(object: &Value) -> Vec<String> {
    let mut names: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
    names.sort();
    names
}

/// Sends bytes, and reads until the server closes.
pub(super) async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    rest(&mut stream).await
}

/// What comes until the server closes.
pub(super) async fn rest(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    // A reset is a way to close, too.
    let _ = timeout(HANGS, stream.read_to_end(&mut read)).await.expect("the server neither answers nor closes");
    String::from_utf8_lossy(&read).into_owned()
}

/// Sends a request with these headers. Every answer is held to the description of the API.
pub(super) async fn send(address: SocketAddr, method: &str, target: &str, headers: &str) -> Answer {
    let answer = plain(address, method, target, headers, "").await;
    described::check(address, method, target, &answer).await;
    answer
}

/// Sends a request with JSON in its body and these headers besides.
pub(super) async fn send_json(address: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let headers = format!("Host: {address}\r\n{headers}Content-Type: application/json\r\nContent-Length: {length}\r\n");
    let answer = plain(address, method, target, &headers, body).await;
    described::check(address, method, target, &answer).await;
    answer
}

pub(super) async fn post(address: SocketAddr, target: &str, body: &Value) -> Answer {
    send_json(address, "POST", target, "", &body.to_string()).await
}

/// Deletes as a plain `curl -X DELETE` does: without a body, and without a word on its type.
pub(super) async fn delete(address: SocketAddr, target: &str) -> Answer {
    request(address, "DELETE", target).await
}

/// Sends a request as it is.
pub(super) async fn plain(address: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> Answer {
    let request = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n{body}");
    let text = exchange(address, request.as_bytes()).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
    let mut answer = Answer { status, head: head.to_owned(), body: body.to_owned() };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = unchunked(&answer.body);
    }
    answer
}

/// The content of pieces; panics unless all of them are there.
fn unchunked(body: &str) -> String {
    let (mut rest, mut whole) = (body, String::new());
    loop {
        let (size, after) = rest.split_once("\r\n").expect("an export that breaks off");
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
}

pub(super) async fn request(address: SocketAddr, method: &str, target: &str) -> Answer {
    send(address, method, target, &format!("Host: {address}\r\n")).await
}

pub(super) async fn get(address: SocketAddr, target: &str) -> Answer {
    request(address, "GET", target).await
}
