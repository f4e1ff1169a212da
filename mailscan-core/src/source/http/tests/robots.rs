//! What a site's robots.txt does to its pages where it is in trouble, elsewhere or large.

use super::*;

#[tokio::test]
async fn a_robots_file_that_cannot_be_had_for_now_allows_nothing() {
    let bad = || b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    let away = Server::start(move |path| match path {
        "/page" => ok("", b"ann@a.org"),
        "/robots.txt" => MISSING.to_vec(),
        _ => bad(),
    })
    .await;
    let elsewhere = away.url("/rules");
    let site = Server::start(move |path| match path {
        "/robots.txt" => {
            format!("HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .into_bytes()
        }
        _ => ok("", b"secret@a.org"),
    })
    .await;
    let source = source();
    read(&source, away.url("/page").as_str(), budget()).await.unwrap();
    // Until that is a fault of the host, which then defers what is asked of it.
    let mut last = None;
    while last != Some(FetchErrorClass::Deferred) {
        last = Some(read(&source, away.url("/other").as_str(), budget()).await.unwrap_err().class);
        pass(Duration::from_millis(1_100)).await;
    }
    let error = read(&source, site.url("/secret").as_str(), budget()).await.unwrap_err();
    assert_eq!((error.class, site.times_asked("/secret")), (FetchErrorClass::Deferred, 0), "{error}");
}

#[tokio::test]
async fn a_robots_file_with_a_large_head_is_read_at_once() {
    let robots = ok(&"X-A: b\r\n".repeat(150), b"User-agent: *\nDisallow: /x");
    let server = Server::start(move |path| match path {
        "/robots.txt" => robots.clone(),
        _ => ok("", b"page"),
    })
    .await;
    let source = source();
    assert_eq!(text(read(&source, server.url("/page").as_str(), budget()).await.unwrap()).0, "page");
    assert_eq!(&*read(&source, server.url("/x").as_str(), budget()).await.unwrap_err().code, "robots");
    assert_eq!(server.times_asked("/robots.txt"), 2);
}

#[tokio::test]
async fn a_robots_file_in_trouble_is_asked_for_once_and_keeps_out() {
    let server = Server::start(|path| match path {
        "/robots.txt" => b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
        _ => ok("", b"page"),
    })
    .await;
    let source = source();
    // Only the page that it was asked for has used up an attempt.
    let [transient, deferred] = [FetchErrorClass::Transient, FetchErrorClass::Deferred];
    for (path, class) in [("/a", transient), ("/b", deferred), ("/c", deferred)] {
        let error = read(&source, server.url(path).as_str(), budget()).await.unwrap_err();
        assert_eq!((error.class, error.status), (class, Some(500)));
    }
    assert_eq!(*server.asked.lock().unwrap(), ["/robots.txt"]);
}

#[tokio::test]
async fn a_robots_file_that_is_nowhere_is_none() {
    for location in ["", "Location: ftp://a.org/\r\n"] {
        let server = Server::start(move |path| match path {
            "/robots.txt" => {
                format!("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\n{location}\r\n").into_bytes()
            }
            _ => ok("", b"page"),
        })
        .await;
        let page = read(&source(), server.url("/x").as_str(), budget()).await.unwrap();
        assert_eq!(text(page).0, "page");
    }
}
