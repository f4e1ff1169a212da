//! Pages in other charsets than UTF-8, as declared by the head, the page, a byte order mark, or nobody.

use super::server::{Server, answer, body, document, fetch, plain};

/// The text of a page with a content type.
async fn read(content_type: &str, bytes: &'static [u8]) -> String {
    let fields = format!("Content-Type: {content_type}\r\n");
    let server = Server::start(move |_| answer("200 OK", &fields, bytes)).await;
    body(fetch(&plain(), &server.url("/")).await)
}

#[tokio::test]
async fn the_head_names_the_charset() {
    assert_eq!(read("text/plain; charset=ISO-8859-1", b"b\xfcro@a.org").await, "büro@a.org");
    assert_eq!(read("text/plain; format=flowed; Charset=\"shift_jis\"", b"\x83\x81").await, "メ");
}

#[tokio::test]
async fn the_page_names_the_charset() {
    assert!(read("text/html", b"<meta charset=koi8-r>\xc1@a.org").await.ends_with("а@a.org"));
    let old = b"<meta http-equiv='Content-Type' content='text/html; charset=windows-1251'>\xe0@a.org";
    assert!(read("text/html", old).await.ends_with("а@a.org"));
}

#[tokio::test]
async fn a_byte_order_mark_counts_more_than_the_head() {
    assert_eq!(read("text/plain; charset=utf-8", b"\xff\xfea\0@\0b\0.\0d\0e\0").await, "a@b.de");
    assert_eq!(read("text/plain", b"\xfe\xff\0a\0@\0b\0.\0d\0e").await, "a@b.de");
    assert!(read("text/plain; charset=latin1", "\u{feff}ü@a.org".as_bytes()).await.ends_with("ü@a.org"));
}

#[tokio::test]
async fn without_a_word_it_is_what_its_bytes_tell() {
    assert_eq!(read("text/plain", "büro@a.org".as_bytes()).await, "büro@a.org");
    assert_eq!(read("text/html; charset=no-such", b"b\xfcro@a.org").await, "büro@a.org");
}

#[tokio::test]
async fn an_unknown_charset_does_not_hide_what_the_page_says() {
    assert!(read("text/html; charset=no-such", b"<meta charset=koi8-r>\xc1@a.org").await.ends_with("а@a.org"));
}

#[tokio::test]
async fn a_page_says_in_which_charset_its_queries_are_asked() {
    for (content_type, charset) in [("text/html; charset=latin1", Some("windows-1252")), ("text/html", None)] {
        let fields = format!("Content-Type: {content_type}\r\n");
        let server = Server::start(move |_| answer("200 OK", &fields, b"<a href='?q=&uuml;'>")).await;
        assert_eq!(document(fetch(&plain(), &server.url("/")).await).charset, charset, "{content_type}");
    }
}
