//! Bodies that are compressed, in each of the ways that there are.

use async_compression::tokio::bufread::{DeflateEncoder, ZlibEncoder, ZstdEncoder};

use super::*;

#[tokio::test]
async fn an_encoding_without_a_body_is_an_empty_page() {
    for encoding in ["gzip", "br", "zstd", "deflate", "gzip, br"] {
        let page = fetch(ok(&format!("Content-Encoding: {encoding}\r\n"), b"")).await.unwrap();
        assert_eq!(text(page), (String::new(), false), "{encoding}");
    }
}

#[tokio::test]
async fn both_kinds_of_deflate_are_told_apart_however_they_arrive() {
    let words = b"ann@a.org and a long line of words words words";
    let zlib = packed(ZlibEncoder::new(&words[..])).await;
    let raw = packed(DeflateEncoder::new(&words[..])).await;
    for body in [zlib, raw] {
        let page = fetch(in_bytes("Content-Encoding: deflate\r\n", &body)).await.unwrap();
        assert_eq!(text(page).0.as_bytes(), words);
    }
}

#[tokio::test]
async fn what_follows_the_members_of_a_gzip_body_is_padding() {
    let (one, two) =
        (packed(GzipEncoder::new(&b"ann@a.org, "[..])).await, packed(GzipEncoder::new(&b"ben@b.org"[..])).await);
    for padding in [&b""[..], b"\n\0\0", &[0; 16]] {
        let body = [&one, &two, padding].concat();
        for answer in [ok("Content-Encoding: gzip\r\n", &body), in_bytes("Content-Encoding: gzip\r\n", &body)] {
            assert_eq!(text(fetch(answer).await.unwrap()).0, "ann@a.org, ben@b.org", "{padding:?}");
        }
    }
}

#[tokio::test]
async fn gzip_files_are_pages_of_what_is_in_them() {
    let mailbox = b"From ann Mon Jan  5 10:00:00 2004\nFrom: ann at a.org\nSubject: x\n\nben@b.org\n";
    let file = packed(GzipEncoder::new(&mailbox[..])).await;
    let digits: String = (1..500_u32).map(|n| format!("{:08x}", n.wrapping_mul(0x9e37_79b9))).collect();
    let long = packed(GzipEncoder::new(format!("ann@a.org {digits}").as_bytes())).await;
    assert!(long.len() > budget().body, "{} bytes", long.len());
    for kind in ["application/gzip", "application/x-gzip", "application/octet-stream"] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n");
        let document = async |file: &[u8]| match fetch([head.as_bytes(), file].concat()).await.unwrap().documents {
            Documents::One(document) => document,
            none => panic!("{none:?} as {kind}"),
        };
        let page = document(&file).await;
        assert_eq!((page.media, &page.body[..], page.truncated), (Media::Mail, &mailbox[..], false), "{kind}");
        let page = document(&long).await;
        assert!(page.truncated && page.body.starts_with(b"ann@a.org"), "{kind}");
    }
}

#[tokio::test]
async fn all_frames_of_a_zstd_body_are_read() {
    let (ann, ben) = (&b"ann@a.org "[..], &b"ben@b.org"[..]);
    let skipped = [&b"\x5a\x2a\x4d\x18\x03\0\0\0"[..], b"abc"].concat();
    let (ann, ben) = (packed(ZstdEncoder::new(ann)).await, packed(ZstdEncoder::new(ben)).await);
    let frames = [&skipped[..], &ann, &skipped, &ben, b"padding"].concat();
    for answer in [ok, in_bytes] {
        let page = fetch(answer("Content-Encoding: zstd\r\n", &frames)).await.unwrap();
        assert_eq!(text(page), ("ann@a.org ben@b.org".to_owned(), false));
    }
}

#[tokio::test]
async fn empty_members_are_not_undone_without_an_end() {
    let none = packed(GzipEncoder::new(&b""[..])).await.repeat(2_000);
    let twice = packed(GzipEncoder::new(&none[..])).await;
    let frames = packed(ZstdEncoder::new(&b""[..])).await.repeat(2_000);
    for (encoding, body) in [("gzip", none), ("gzip, gzip", twice), ("zstd", frames)] {
        let answer = ok(&format!("Content-Encoding: {encoding}\r\n"), &body);
        let roomy = Budget { body: 1 << 20, ..budget() };
        let server = Server::start(move |path| if path == "/page" { answer.clone() } else { MISSING.to_vec() }).await;
        let error = read(&source(), server.url("/page").as_str(), roomy).await.unwrap_err();
        assert_eq!((&*error.code, error.message.contains("too many members")), ("body-encoding", true), "{encoding}");
    }
}

#[tokio::test]
async fn names_of_encodings_that_are_none_do_not_cost_a_page() {
    for named in ["utf-8", "none", "binary", "gzip"] {
        let page = fetch(ok(&format!("Content-Encoding: {named}\r\n"), b"ann@a.org")).await.unwrap();
        assert_eq!(text(page).0, "ann@a.org", "{named}");
    }
    let error = fetch(ok("Content-Encoding: x-own\r\n", b"\x01\x02ann@a.org")).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "content-encoding"));
}

#[tokio::test]
async fn an_encoded_body_that_ends_early_is_incomplete() {
    let gzip = packed(GzipEncoder::new(&b"ann@a.org, ben@b.org and others"[..])).await;
    let error = fetch(ok("Content-Encoding: gzip\r\n", &gzip[..gzip.len() - 12])).await.unwrap_err();
    assert_eq!((error.class, error.code.as_ref()), (FetchErrorClass::Transient, "body-incomplete"));
}
