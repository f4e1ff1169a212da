//! Content encodings: bombs, stacks, damage; and bodies that are no text.

use mailscan_core::extract::Media;
use mailscan_core::fetch::{Budget, Document, Documents, FetchError, FetchErrorClass, Fetched};

use super::encoders::{bare_deflate, brotli, gzip, gzip_bomb, zlib, zstd_repeated};
use super::server::{Server, Step, answer, document, fetch, fetch_within, plain, send, text};

const CAP: Budget = Budget { time: std::time::Duration::from_secs(60), body: 1_000_000 };

/// What comes of a text body with an encoding.
async fn fetched(encoding: &str, bytes: &[u8]) -> Result<Fetched, FetchError> {
    let answer = text("200 OK", &format!("Content-Encoding: {encoding}\r\n"), bytes);
    let server = Server::start(move |_| answer.clone()).await;
    fetch_within(&plain(), &server.url("/"), CAP).await
}

async fn decoded(encoding: &str, bytes: &[u8]) -> Document {
    document(fetched(encoding, bytes).await)
}

fn assert_cut(document: &Document) {
    // What may be an address that is cut in two is left out.
    assert!((CAP.body - 4_096..=CAP.body).contains(&document.body.len()), "{} bytes", document.body.len());
    assert!(document.truncated);
}

#[tokio::test]
async fn every_encoding_is_undone() {
    let plain = b"ann@a.org and bob@b.org ".repeat(100);
    for (name, bytes) in [
        ("gzip", gzip(&plain)),
        ("X-GZip", gzip(&plain)),
        ("deflate", zlib(&plain)),
        ("deflate", bare_deflate(&plain)),
        ("br", brotli(&plain)),
        ("identity", plain.clone()),
        ("gzip, deflate", zlib(&gzip(&plain))),
    ] {
        let document = decoded(name, &bytes).await;
        assert!(document.body == plain && !document.truncated, "{name}");
    }
    assert_eq!(decoded("zstd", &zstd_repeated(b'x', &[1_000, 5])).await.body, "x".repeat(1_005));
}

#[tokio::test]
async fn the_client_says_which_encodings_it_undoes() {
    let server = Server::start(|_| text("200 OK", "", b"x")).await;
    fetch(&plain(), &server.url("/")).await.unwrap();
    let asked = server.requests().pop().unwrap();
    for name in ["gzip", "br", "zstd", "deflate"] {
        assert!(asked.header("accept-encoding").unwrap().contains(name), "{name}");
    }
}

#[tokio::test]
async fn a_gzip_bomb_costs_no_more_than_the_budget() {
    let bomb = gzip_bomb();
    assert!(bomb.len() < 2 << 20);
    assert_cut(&decoded("gzip", &bomb).await);
}

#[tokio::test]
async fn a_bomb_in_a_bomb_costs_no_more_than_the_budget() {
    let stacked = gzip(&gzip_bomb());
    assert!(stacked.len() < 100_000);
    assert_cut(&decoded("gzip, gzip", &stacked).await);
}

#[tokio::test]
async fn a_zstd_bomb_costs_no_more_than_the_budget() {
    assert_cut(&decoded("zstd", &zstd_repeated(0, &[128 << 10; 8_192])).await);
}

#[tokio::test]
async fn a_bomb_that_never_ends_is_cut_and_dropped() {
    let member = gzip(&vec![0; 1 << 20]);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n";
    let server = Server::start(move |_| send(head, &[Step::Forever(member.clone())])).await;
    assert_cut(&document(fetch_within(&plain(), &server.url("/"), CAP).await));
    server.client_left().await;
}

#[tokio::test]
async fn empty_members_without_end_are_an_error() {
    let member = gzip(b"").repeat(100);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n";
    let server = Server::start(move |_| send(head, &[Step::Forever(member.clone())])).await;
    fetch_within(&plain(), &server.url("/"), CAP).await.unwrap_err();
    server.client_left().await;
}

#[tokio::test]
async fn more_encodings_than_two_are_refused() {
    let error = fetched("gzip, gzip, gzip", &gzip(&gzip(&gzip(b"x")))).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "content-encoding"));
}

#[tokio::test]
async fn an_unknown_encoding_is_named() {
    let error = fetched("compress", b"x").await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "content-encoding"));
    assert!(error.message.contains("`compress`"), "{error}");
}

#[tokio::test]
async fn damaged_and_mislabelled_bodies_are_errors() {
    let whole = gzip(&b"ann@a.org ".repeat(1_000));
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    let mut checksum = whole.clone();
    let end = checksum.len() - 5;
    checksum[end] ^= 0xff;
    for (name, bytes, code) in [
        ("gzip", &flipped[..], "body-encoding"),
        ("gzip", &checksum, "body-encoding"),
        ("gzip", &whole[..whole.len() / 2], "body-incomplete"),
        ("br", &[0xff; 40], "body-encoding"),
        ("zstd", b"no zstd at all", "body-encoding"),
    ] {
        let error = fetched(name, bytes).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (FetchErrorClass::Transient, code), "{name} {error}");
    }
}

#[tokio::test]
async fn an_empty_body_is_empty_in_any_encoding() {
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        assert!(decoded(encoding, b"").await.body.is_empty(), "{encoding}");
    }
}

#[tokio::test]
async fn other_media_bring_nothing_and_are_not_read() {
    for media in ["image/png", "video/mp4", "application/zip"] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n\r\n");
        let server = Server::start(move |_| send(&head, &[Step::Forever(vec![b'x'; 10_000])])).await;
        let fetched = fetch(&plain(), &server.url("/")).await.unwrap();
        assert!(matches!(fetched.documents, Documents::None) && fetched.discovered.is_empty(), "{media}");
        let noted = fetched.note.is_some_and(|note| note.code == "content-type" && note.message.contains(media));
        assert_eq!(noted, media.starts_with("application/"), "{media}: only what may hold text is told of");
        server.client_left().await;
    }
}

#[tokio::test]
async fn a_body_without_a_type_is_text_unless_it_holds_nul() {
    for (body, is_text) in [(&b"ann@a.org"[..], true), (b"PK\x03\x04\0\0ann@a.org", false), (b"\xff\xfea\0@\0", true)] {
        let answer = answer("200 OK", "", body);
        let server = Server::start(move |_| answer.clone()).await;
        let fetched = fetch(&plain(), &server.url("/")).await.unwrap();
        assert_eq!(matches!(fetched.documents, Documents::One(_)), is_text, "{body:?}");
        assert_eq!(fetched.note.is_none(), is_text, "{body:?}");
    }
}

#[tokio::test]
async fn a_page_without_a_type_is_seen_to_be_html() {
    let server = Server::start(|_| answer("200 OK", "", b"\n<!doctype html><p>x")).await;
    assert_eq!(document(fetch(&plain(), &server.url("/")).await).media, Media::Html);
}
