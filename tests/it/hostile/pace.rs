//! How many requests a host gets at a time, and what a host that asks for rest gets.

use std::time::Duration;

use futures::future::join_all;
use mailscan_core::fetch::FetchErrorClass;
use mailscan_core::job::JobOptions;
use mailscan_core::source::Pace;
use mailscan_core::source::http::ClientOptions;
use mailscan_core::task::Work;

use super::server::{Server, Step, fetch, fetch_for, page, quick, soon, sources, text};

fn patient() -> ClientOptions {
    ClientOptions { header_timeout: Duration::from_secs(20), ..quick() }
}

#[tokio::test]
async fn a_host_gets_no_more_requests_at_a_time_than_allowed() {
    three_at_a_time(3, &JobOptions::default()).await;
}

#[tokio::test]
async fn a_job_may_allow_fewer_requests_at_a_time() {
    three_at_a_time(8, &JobOptions { per_host: Some(3), ..JobOptions::default() }).await;
}

/// Whether a host gets three requests at a time from a process that allows so many, for a job with these options.
async fn three_at_a_time(concurrency: usize, options: &JobOptions) {
    let server = Server::start(|_| [vec![Step::Gate], page("ann@a.org")].concat()).await;
    let sources = sources(&patient(), Pace { concurrency, ..Pace::unlimited() });
    let urls: Vec<String> = (0..12).map(|n| server.url(&format!("/{n}"))).collect();
    let all = join_all(urls.iter().map(|url| fetch_for(options, &sources, url)));
    let open_one_by_one = async {
        // robots.txt and the first three pages come on their own; each further one comes for one that was answered.
        server.asked(4).await;
        for answered in 0..9 {
            assert_eq!(server.requests().len(), 4 + answered);
            server.open_gate(1);
            server.asked(1).await;
        }
        server.open_gate(3);
    };
    let (fetched, ()) = soon(futures::future::join(all, open_one_by_one)).await;
    assert!(fetched.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_redirect_gives_its_place_back_before_it_asks_for_the_next() {
    let server = Server::start(|request| match request.path.as_str() {
        "/a" => text("302 Found", "Location: /b\r\n", b""),
        _ => page("ann@a.org"),
    })
    .await;
    let sources = sources(&patient(), Pace { concurrency: 1, ..Pace::unlimited() });
    assert!(fetch(&sources, &server.url("/a")).await.is_ok());
}

#[tokio::test]
async fn a_fetch_that_is_dropped_gives_its_place_back() {
    let server = Server::start(|request| match request.path.as_str() {
        "/silent" => vec![Step::Stall],
        _ => page("ann@a.org"),
    })
    .await;
    let sources = sources(&patient(), Pace { concurrency: 1, ..Pace::unlimited() });
    let url = server.url("/silent");
    tokio::select! {
        _ = fetch(&sources, &url) => panic!("a silent server answered"),
        () = server.asked(2) => {}
    }
    server.client_left().await;
    assert!(fetch(&sources, &server.url("/next")).await.is_ok());
}

#[tokio::test]
async fn a_redirect_to_a_host_that_is_asked_too_often_is_not_asked_again_from_the_start() {
    let server = Server::with_robots(|request| match request.path.as_str() {
        "/robots.txt" => page("User-agent: *\nCrawl-delay: 30\n"),
        "/a" => text("302 Found", "Location: /b\r\n", b""),
        _ => page("ann@a.org"),
    })
    .await;
    let sources = sources(&patient(), Pace { patience: Duration::from_secs(5), ..Pace::unlimited() });
    let fetched = fetch(&sources, &server.url("/a")).await.unwrap();
    let next = Work::Page { url: server.url("/b") };
    assert_eq!(fetched.discovered.iter().map(|found| (&found.work, found.step)).collect::<Vec<_>>(), [(&next, 0)]);
    assert_eq!(server.count("/b"), 0);
}

#[tokio::test]
async fn who_already_waits_hears_that_the_host_asks_for_rest() {
    let server = Server::start(|_| [vec![Step::Gate], text("429 Busy", "Retry-After: 600\r\n", b"")].concat()).await;
    let pace = Pace { interval: Duration::from_secs(1), concurrency: 2, ..Pace::unlimited() };
    let sources = sources(&patient(), pace);
    let (first, second) = (server.url("/first"), server.url("/second"));
    let refusing = async {
        server.asked(2).await;
        server.open_gate(1);
    };
    let ((first, second), ()) =
        soon(futures::future::join(futures::future::join(fetch(&sources, &first), fetch(&sources, &second)), refusing))
            .await;
    assert_eq!(first.unwrap_err().status, Some(429));
    assert_eq!(second.unwrap_err().class, FetchErrorClass::Deferred);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_page_that_is_refused_for_the_pace_keeps_its_attempts() {
    let server = Server::start(|request| match request.path.as_str() {
        "/served" => page("ann@a.org"),
        _ => text("429 Too Many Requests", "Retry-After: 0\r\n", b""),
    })
    .await;
    let sources = sources(&patient(), Pace::unlimited());
    let classes = async |path: &str, times: usize| {
        let mut classes = Vec::new();
        for _ in 0..times {
            let error = fetch(&sources, &server.url(path)).await.unwrap_err();
            assert_eq!(error.status, Some(429));
            classes.push(error.class);
        }
        classes
    };
    use FetchErrorClass::{Deferred, Transient};
    assert_eq!(classes("/first", 1).await, [Transient], "nothing shows that the host would serve anything");
    assert!(fetch(&sources, &server.url("/served")).await.is_ok());
    assert_eq!(classes("/first", 4).await, [Deferred, Deferred, Deferred, Transient], "refused for its own sake");
    assert!(fetch(&sources, &server.url("/served")).await.is_ok());
    assert_eq!(classes("/second", 1).await, [Deferred]);
}
