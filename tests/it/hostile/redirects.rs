//! Redirects: followed to where they end, and no further than they should be.

use mailscan_core::fetch::{Discovered, FetchError, FetchErrorClass};
use mailscan_core::job::{Crawl, JobOptions};
use mailscan_core::source::Pace;
use mailscan_core::source::http::{ClientOptions, NetworkPolicy};
use mailscan_core::task::Work;

use super::server::{Server, Step, answer, document, fetch, fetch_for, page, plain, quick, sources, text};

fn to(location: &str) -> Vec<Step> {
    text("302 Found", &format!("Location: {location}\r\n"), b"over there")
}

/// A server on which `/N` redirects to `/N-1`, and `/0` is a page.
async fn countdown() -> Server {
    Server::start(|request| match request.path[1..].parse::<u32>() {
        Ok(0) => page("ann@a.org"),
        Ok(n) => to(&format!("/{}", n - 1)),
        Err(_) => Vec::new(),
    })
    .await
}

async fn failure(location: &str) -> FetchError {
    let location = location.to_owned();
    let server = Server::start(move |_| to(&location)).await;
    fetch(&plain(), &server.url("/start")).await.unwrap_err()
}

#[tokio::test]
async fn a_document_comes_from_where_the_redirects_end() {
    let server = countdown().await;
    let document = document(fetch(&plain(), &server.url("/4")).await);
    assert_eq!(&*document.source, server.url("/0"));
    assert_eq!(document.base.unwrap().as_str(), server.url("/0"));
}

#[tokio::test]
async fn every_redirecting_status_is_followed() {
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let server = Server::start(move |request| match request.path.as_str() {
            "/b?c=d" => page("ann@a.org"),
            _ => text(status, "Location: ../b?c=d#e\r\n", b""),
        })
        .await;
        let document = document(fetch(&plain(), &server.url("/x/a")).await);
        assert_eq!(&*document.source, server.url("/b?c=d"), "{status}");
    }
}

#[tokio::test]
async fn ten_redirects_are_followed_and_no_more() {
    let server = countdown().await;
    assert!(fetch(&plain(), &server.url("/10")).await.is_ok());
    let error = fetch(&plain(), &server.url("/11")).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "redirect-limit"));
}

#[tokio::test]
async fn a_circle_is_noticed_when_it_closes() {
    let server = Server::start(|request| match request.path.as_str() {
        "/a" => to("/b"),
        "/b" => to("/c"),
        _ => to("/a#again"),
    })
    .await;
    let error = fetch(&plain(), &server.url("/a")).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "redirect-loop"));
    assert_eq!(server.count("/a"), 1);
}

#[tokio::test]
async fn a_circle_that_a_cookie_would_open_is_told_as_such() {
    let server = Server::start(|_| text("302 Found", "Location: /\r\nSet-Cookie: seen=1\r\n", b"")).await;
    let error = fetch(&plain(), &server.url("/")).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "redirect-loop"));
    assert!(error.message.contains("cookie"), "{error}");
}

#[tokio::test]
async fn a_refresh_in_the_head_is_a_link_on_the_site_for_a_job_that_crawls() {
    let server = Server::start(|request| match request.path.as_str() {
        "/away" => text("200 OK", "Refresh: 0; url=https://b.org/\r\n", b"ann@a.org"),
        "/here" => text("200 OK", "Refresh: 0; url=/here\r\n", b"ann@a.org"),
        "/picture" => answer("200 OK", "Content-Type: image/png\r\nRefresh: 3;/next\r\n", b""),
        _ => text("200 OK", "Refresh: 0; url=/next#part\r\n", b"ann@a.org"),
    })
    .await;
    let crawls = |max_depth| JobOptions { crawl: Some(Crawl { max_depth }), ..JobOptions::default() };
    let next = Discovered { work: Work::Page { url: server.url("/next") }, step: 1 };
    for (options, path, led_to) in [
        (crawls(1), "/", &[next.clone()][..]),
        (crawls(1), "/picture", &[next]),
        (crawls(1), "/away", &[]),
        (crawls(1), "/here", &[]),
        (crawls(0), "/", &[]),
        (JobOptions::default(), "/", &[]),
    ] {
        let fetched = fetch_for(&options, &plain(), &server.url(path)).await.unwrap();
        assert_eq!(fetched.discovered, led_to, "{path}");
    }
}

#[tokio::test]
async fn nothing_but_http_is_followed() {
    for location in
        ["file:///etc/passwd", "javascript:alert(1)", "data:text/plain,ann@a.org", "ftp://a.org/", "http://"]
    {
        let error = failure(location).await;
        assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "redirect"), "{location}");
        assert!(error.message.contains(location), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_to_nowhere_is_an_error() {
    let server = Server::start(|_| text("302 Found", "", b"")).await;
    let error = fetch(&plain(), &server.url("/")).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "redirect"));
}

#[tokio::test]
async fn a_redirect_cannot_write_into_the_terminal() {
    let error = failure("javascript:\u{1b}[2J").await;
    assert!(!error.message.contains('\u{1b}'), "{error:?}");
}

/// Sources that may fetch from 127.0.0.1, which is not public, and otherwise from public addresses.
fn only_this() -> mailscan_core::source::Sources {
    let network = NetworkPolicy::PublicOnly { allow: vec!["127.0.0.1/32".parse().unwrap()] };
    sources(&ClientOptions { network, ..quick() }, Pace::unlimited())
}

#[tokio::test]
async fn every_hop_must_be_to_an_allowed_address() {
    for inside in [
        "127.0.0.2",
        "[::1]",
        "[::ffff:127.0.0.2]",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "169.254.169.254",
        "168.63.129.16",
        "0x7f.2",
        "2130706434",
    ] {
        let server = Server::start(move |_| to(&format!("http://{inside}/secret"))).await;
        let error = fetch(&only_this(), &server.url("/")).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (FetchErrorClass::Refused, "private-address"), "{inside} {error}");
        assert!(error.message.contains("private address: allow it with --allow-network"), "{error}");
        assert_eq!(server.count("/"), 1);
    }
}

#[tokio::test]
async fn a_name_is_judged_by_the_address_it_resolves_to() {
    let server = Server::start(|_| page("ann@a.org")).await;
    let url = format!("http://localhost:{}/", server.address.port());
    let public = ClientOptions { network: NetworkPolicy::PublicOnly { allow: Vec::new() }, ..quick() };
    let error = fetch(&sources(&public, Pace::unlimited()), &url).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Refused, "private-address"), "{error}");
    assert_eq!(server.accepts(), 0);
    assert!(fetch(&only_this(), &url).await.is_ok());
}

#[tokio::test]
async fn a_host_whose_name_is_too_long_leads_nowhere() {
    let server = Server::start(|_| to(&format!("http://{}.org/", "a".repeat(5_000)))).await;
    let error = fetch(&plain(), &server.url("/")).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "redirect"), "{error}");
    assert!(error.message.len() < 300, "{error}");
}

#[tokio::test]
async fn robots_txt_of_the_next_host_counts_too() {
    let closed = Server::with_robots(|request| match request.path.as_str() {
        "/robots.txt" => page("User-agent: *\nDisallow: /"),
        _ => page("ann@a.org"),
    })
    .await;
    let location = closed.url("/page");
    let open = Server::start(move |_| to(&location)).await;
    let error = fetch(&plain(), &open.url("/")).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Refused, "robots"));
    assert_eq!(closed.count("/page"), 0);
}
