//! robots.txt: asked for first, once, and obeyed, also when it cannot be had.

use std::time::Duration;

use futures::future::join_all;
use mailscan_core::fetch::{Budget, FetchErrorClass};
use mailscan_core::source::Pace;

use super::server::{
    Request, Server, Step, answer, fetch, fetch_within, page, plain, quick, short, soon, sources, text,
};

/// A site of pages with a robots.txt.
async fn site(robots: Vec<Step>) -> Server {
    Server::with_robots(move |request| match request.path.as_str() {
        "/robots.txt" => robots.clone(),
        _ => page("ann@a.org"),
    })
    .await
}

fn paths(requests: &[Request]) -> Vec<&str> {
    requests.iter().map(|request| request.path.as_str()).collect()
}

#[tokio::test]
async fn what_is_disallowed_is_never_asked_for() {
    let site = site(page("User-agent: *\nDisallow: /private\nAllow: /private/but\n")).await;
    let sources = plain();
    for path in ["/private", "/private/x?y", "/%70rivate"] {
        let error = fetch(&sources, &site.url(path)).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (FetchErrorClass::Refused, "robots"), "{path}");
    }
    assert!(fetch(&sources, &site.url("/private/but/this")).await.is_ok());
    assert!(fetch(&sources, &site.url("/public")).await.is_ok());
    assert_eq!(paths(&site.requests()), ["/robots.txt", "/private/but/this", "/public"]);
}

#[tokio::test]
async fn the_group_for_this_crawler_counts_alone() {
    let site = site(page("User-agent: *\nDisallow: /a\n\nUser-agent: MailScan/9\nDisallow: /b\n")).await;
    let sources = plain();
    assert!(fetch(&sources, &site.url("/a")).await.is_ok());
    assert_eq!(fetch(&sources, &site.url("/b")).await.unwrap_err().code, "robots");
}

#[tokio::test]
async fn robots_txt_is_found_in_any_media_type_and_encoding() {
    let rules = super::encoders::gzip(b"User-agent: *\nDisallow: /\n");
    let site = site(answer("200 OK", "Content-Type: image/png\r\nContent-Encoding: gzip\r\n", &rules)).await;
    assert_eq!(fetch(&plain(), &site.url("/")).await.unwrap_err().code, "robots");
}

#[tokio::test]
async fn a_site_without_robots_txt_allows_everything() {
    for status in ["404 Not Found", "401 Unauthorized", "403 Forbidden", "410 Gone"] {
        let site = site(text(status, "", b"User-agent: *\nDisallow: /")).await;
        assert!(fetch(&plain(), &site.url("/")).await.is_ok(), "{status}");
    }
}

#[tokio::test]
async fn a_robots_txt_that_cannot_be_had_keeps_us_out_for_now() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nUser-agent";
    for (name, robots) in [
        ("500", text("500 Internal Server Error", "", b"")),
        ("503", text("503 Service Unavailable", "", b"")),
        ("429", text("429 Too Many Requests", "", b"")),
        ("reset", vec![Step::Reset]),
        ("close", vec![Step::Close]),
        ("silence", vec![Step::Stall]),
        ("half", super::server::send(half, &[Step::Close])),
        ("unknown encoding", text("200 OK", "Content-Encoding: compress\r\n", b"x")),
    ] {
        let site = site(robots).await;
        let error = fetch(&sources(&quick(), Pace::unlimited()), &site.url("/page")).await.unwrap_err();
        assert_eq!(error.class, FetchErrorClass::Transient, "{name} {error}");
        assert!(error.message.contains("robots.txt"), "{name} {error}");
        assert_eq!(site.count("/page"), 0, "{name}");
    }
}

#[tokio::test]
async fn a_failed_robots_txt_is_not_asked_for_by_every_page_and_says_when_to_come_back() {
    let site = site(vec![Step::Close]).await;
    let sources = plain();
    for path in ["/a", "/b", "/c"] {
        let error = fetch(&sources, &site.url(path)).await.unwrap_err();
        assert!(error.retry_after.unwrap() > Duration::from_secs(4), "{error:?}");
    }
    assert_eq!(site.count("/robots.txt"), 1);
}

#[tokio::test]
async fn a_redirected_robots_txt_speaks_for_the_site_that_was_asked() {
    let elsewhere = site(page("User-agent: *\nDisallow: /private\n")).await;
    let location = format!("Location: {}\r\n", elsewhere.url("/robots.txt"));
    let site = site(text("301 Moved Permanently", &location, b"")).await;
    let sources = plain();
    assert_eq!(fetch(&sources, &site.url("/private")).await.unwrap_err().code, "robots");
    assert!(fetch(&sources, &site.url("/public")).await.is_ok());
    assert_eq!(paths(&site.requests()), ["/robots.txt", "/public"]);
}

#[tokio::test]
async fn a_robots_txt_that_redirects_to_no_page_counts_as_none() {
    let site = site(text("302 Found", "Location: javascript:1\r\n", b"")).await;
    assert!(fetch(&plain(), &site.url("/page")).await.is_ok());
}

#[tokio::test]
async fn a_robots_txt_that_redirects_for_ever_counts_as_none() {
    let site = site(text("302 Found", "Location: /robots.txt\r\n", b"")).await;
    assert!(fetch(&plain(), &site.url("/page")).await.is_ok());
    assert_eq!(site.count("/robots.txt"), 6);
}

#[tokio::test]
async fn many_pages_at_once_ask_for_robots_txt_once() {
    let site = site(page("User-agent: *\nAllow: /\n")).await;
    let sources = plain();
    let urls: Vec<String> = (0..50).map(|n| site.url(&format!("/{n}"))).collect();
    let fetched = join_all(urls.iter().map(|url| fetch(&sources, url))).await;
    assert!(fetched.iter().all(Result::is_ok));
    assert_eq!(site.count("/robots.txt"), 1);
    assert_eq!(site.requests().len(), 51);
}

#[tokio::test]
async fn another_port_is_another_site() {
    let (closed, open) = (site(page("User-agent: *\nDisallow: /")).await, site(page("")).await);
    let sources = plain();
    assert!(fetch(&sources, &open.url("/")).await.is_ok());
    assert_eq!(fetch(&sources, &closed.url("/")).await.unwrap_err().code, "robots");
}

#[tokio::test]
async fn who_waits_for_the_robots_txt_of_another_waits_no_longer_than_its_own_time() {
    let site = site(vec![Step::Stall]).await;
    let (sources, url) = (plain(), site.url("/page"));
    let patient = fetch_within(&sources, &url, Budget { time: Duration::from_secs(15), ..Budget::default() });
    tokio::pin!(patient);
    tokio::select! {
        _ = &mut patient => panic!("a silent server answered"),
        () = site.asked(1) => {}
    }
    tokio::select! {
        biased;
        waiting = fetch_within(&sources, &url, short()) => {
            assert_eq!(waiting.unwrap_err().class, FetchErrorClass::Deferred);
        }
        _ = &mut patient => panic!("the one with little time waited for the one with much"),
    }
}

#[tokio::test]
async fn a_crawl_delay_longer_than_patience_sends_the_task_back() {
    let site = site(page("User-agent: *\nCrawl-delay: 30\n")).await;
    let pace = Pace { patience: Duration::from_secs(5), ..Pace::unlimited() };
    let sources = sources(&quick(), pace);
    assert!(fetch(&sources, &site.url("/1")).await.is_ok());
    let later = fetch(&sources, &site.url("/2")).await.unwrap_err();
    assert_eq!(later.class, FetchErrorClass::Deferred);
    assert!(later.retry_after.unwrap() > Duration::from_secs(20));
    assert_eq!(site.count("/2"), 0);
}

#[tokio::test]
async fn a_large_robots_txt_is_read_as_far_as_the_standard_asks() {
    let filler = "# nothing\n".repeat(60_000);
    let early = site(page(&format!("User-agent: *\nDisallow: /\n{filler}"))).await;
    assert_eq!(fetch(&plain(), &early.url("/")).await.unwrap_err().code, "robots");
    let late = site(page(&format!("User-agent: *\n{filler}Disallow: /\n"))).await;
    assert!(soon(fetch(&plain(), &late.url("/"))).await.is_ok());
}
