//! Servers that say nothing, too little, or never stop.

use mailscan_core::fetch::{Budget, FetchErrorClass};
use mailscan_core::source::Pace;

use super::server::{Server, Step, body, document, fetch, fetch_within, page, plain, quick, send, short, sources};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";

/// The class and code of what a page answers to a quick client.
async fn failure(script: Vec<Step>) -> (FetchErrorClass, String) {
    let server = Server::start(move |_| script.clone()).await;
    let error = fetch(&sources(&quick(), Pace::unlimited()), &server.url("/")).await.unwrap_err();
    (error.class, error.code.into_owned())
}

#[tokio::test]
async fn no_answer_is_a_header_timeout_and_the_connection_is_dropped() {
    let server = Server::start(|_| vec![Step::Stall]).await;
    let error = fetch(&sources(&quick(), Pace::unlimited()), &server.url("/")).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Transient, "header-timeout"));
    assert!(error.is_blocked());
    server.client_left().await;
}

#[tokio::test]
async fn a_head_that_stalls_is_a_header_timeout() {
    let stalled = failure(send("HTTP/1.1 200 OK\r\nContent-", &[Step::Stall])).await;
    assert_eq!(stalled, (FetchErrorClass::Transient, "header-timeout".to_owned()));
}

#[tokio::test]
async fn a_head_that_trickles_for_ever_is_a_header_timeout() {
    let trickle = send("HTTP/1.1 200 OK\r\n", &[Step::Send(b"X-A: b\r\n".to_vec()), Step::Stall]);
    assert_eq!(failure(trickle).await, (FetchErrorClass::Transient, "header-timeout".to_owned()));
}

#[tokio::test]
async fn a_body_that_stalls_ends_with_the_budget() {
    let server = Server::start(|_| send(&format!("{HEAD}Content-Length: 9\r\n\r\nann@"), &[Step::Stall])).await;
    let error = fetch_within(&plain(), &server.url("/"), short()).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Transient, "body-timeout"));
    server.client_left().await;
}

#[tokio::test]
async fn a_compressed_body_that_stalls_ends_with_the_budget() {
    let head = format!("{HEAD}Content-Encoding: gzip\r\nContent-Length: 99\r\n\r\n");
    let server = Server::start(move |_| send(&head, &[Step::Send(vec![0x1f, 0x8b, 8]), Step::Stall])).await;
    let error = fetch_within(&plain(), &server.url("/"), short()).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Transient, "body-timeout"));
}

#[tokio::test]
async fn a_close_without_an_answer_is_transient() {
    assert_eq!(failure(vec![Step::Close]).await, (FetchErrorClass::Transient, "connection".to_owned()));
}

#[tokio::test]
async fn a_reset_in_the_head_is_transient() {
    let reset = send("HTTP/1.1 200 OK\r\nConte", &[Step::Reset]);
    assert_eq!(failure(reset).await, (FetchErrorClass::Transient, "connection".to_owned()));
}

#[tokio::test]
async fn a_reset_in_the_body_is_an_incomplete_body() {
    let reset = send(&format!("{HEAD}Content-Length: 99\r\n\r\nann@a.org"), &[Step::Reset]);
    assert_eq!(failure(reset).await, (FetchErrorClass::Transient, "body-incomplete".to_owned()));
}

#[tokio::test]
async fn a_body_shorter_than_promised_is_incomplete() {
    let short = send(&format!("{HEAD}Content-Length: 99\r\n\r\nann@a.org"), &[Step::Close]);
    assert_eq!(failure(short).await, (FetchErrorClass::Transient, "body-incomplete".to_owned()));
}

#[tokio::test]
async fn a_chunked_body_without_its_last_chunk_is_incomplete() {
    let short = send(&format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n9\r\nann@a.org\r\n"), &[Step::Close]);
    assert_eq!(failure(short).await, (FetchErrorClass::Transient, "body-incomplete".to_owned()));
}

#[tokio::test]
async fn a_compressed_body_shorter_than_promised_is_incomplete() {
    let head = format!("{HEAD}Content-Encoding: gzip\r\nContent-Length: 99\r\n\r\n");
    let short = send(&head, &[Step::Send(vec![0x1f, 0x8b, 8]), Step::Close]);
    assert_eq!(failure(short).await, (FetchErrorClass::Transient, "body-incomplete".to_owned()));
}

#[tokio::test]
async fn what_comes_after_the_promised_length_is_not_the_body() {
    let head = format!("{HEAD}Content-Length: 9\r\n\r\nann@a.orgHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad");
    let server = Server::start(move |request| match request.path.as_str() {
        "/long" => send(&head, &[]),
        _ => page("good"),
    })
    .await;
    let sources = plain();
    assert_eq!(body(fetch(&sources, &server.url("/long")).await), "ann@a.org");
    assert_eq!(body(fetch(&sources, &server.url("/next")).await), "good");
}

#[tokio::test]
async fn a_body_without_end_is_cut_at_the_budget_and_dropped() {
    let line = b"ann@a.org and so on\n".repeat(500);
    let server = Server::start(move |_| send(&format!("{HEAD}\r\n"), &[Step::Forever(line.clone())])).await;
    let budget = Budget { body: 100_000, ..Budget::default() };
    let document = document(fetch_within(&plain(), &server.url("/"), budget).await);
    // Cut back to where no address can stand: here the last line break.
    assert_eq!(document.body.len(), 99_999);
    assert!(document.truncated && document.body.ends_with(b"so on"));
    server.client_left().await;
}

#[tokio::test]
async fn a_body_of_just_the_budget_is_whole() {
    let server = Server::start(|_| page(&"x ".repeat(500))).await;
    let exact = Budget { body: 1_000, ..Budget::default() };
    let whole = document(fetch_within(&plain(), &server.url("/"), exact).await);
    assert_eq!((whole.body.len(), whole.truncated), (1_000, false));
    let cut = document(fetch_within(&plain(), &server.url("/"), Budget { body: 999, ..exact }).await);
    assert_eq!((cut.body.len(), cut.truncated), (997, true), "up to a blank");
}

#[tokio::test]
async fn a_body_that_trickles_is_joined() {
    let pieces: Vec<Step> =
        b"ann@a.org".iter().map(|byte| Step::Send(format!("1\r\n{}\r\n", *byte as char).into_bytes())).collect();
    let mut script = send(&format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n"), &pieces);
    script.push(Step::Send(b"0\r\n\r\n".to_vec()));
    let server = Server::start(move |_| script.clone()).await;
    assert_eq!(body(fetch(&plain(), &server.url("/")).await), "ann@a.org");
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_is_whole() {
    let server = Server::start(|_| send("HTTP/1.0 200 OK\r\n\r\nann@a.org", &[Step::Close])).await;
    assert_eq!(body(fetch(&plain(), &server.url("/")).await), "ann@a.org");
}

#[tokio::test]
async fn an_endless_head_is_an_error() {
    let server =
        Server::start(|_| send("HTTP/1.1 200 OK\r\n", &[Step::Forever(b"X-Filler: more of it\r\n".to_vec())])).await;
    let error = fetch(&plain(), &server.url("/")).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Transient, "head-size"));
    server.client_left().await;
}

#[tokio::test]
async fn a_head_with_one_huge_line_is_an_error() {
    let head = format!("{HEAD}X-Filler: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(200_000));
    assert_eq!(failure(send(&head, &[Step::Stall])).await, (FetchErrorClass::Transient, "head-size".to_owned()));
}

#[tokio::test]
async fn an_answer_in_another_protocol_is_an_error() {
    let greeting = send("220 mail.a.org ESMTP\r\n", &[Step::Stall]);
    assert_eq!(failure(greeting).await, (FetchErrorClass::Transient, "connection".to_owned()));
}

#[tokio::test]
async fn nobody_listening_is_transient() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    let error = fetch(&plain(), &format!("http://{free}/")).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Transient, "connect"));
}
