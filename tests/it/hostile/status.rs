//! What a status means for a task, and for its host.

use std::time::Duration;

use mailscan_core::fetch::{FetchError, FetchErrorClass};

use super::server::{Server, fetch, page, plain, text};

/// What a status of a page comes to.
async fn failure(status: &'static str, fields: &str) -> FetchError {
    let fields = fields.to_owned();
    let server = Server::start(move |_| text(status, &fields, b"ann@a.org")).await;
    fetch(&plain(), &server.url("/")).await.unwrap_err()
}

#[tokio::test]
async fn statuses_say_whether_to_come_back() {
    use FetchErrorClass::{Permanent, Refused, Transient};
    for (status, class) in [
        ("400 Bad Request", Permanent),
        ("401 Unauthorized", Refused),
        ("403 Forbidden", Refused),
        ("404 Not Found", Permanent),
        ("408 Request Timeout", Transient),
        ("410 Gone", Permanent),
        ("429 Too Many Requests", Transient),
        ("451 Unavailable For Legal Reasons", Refused),
        ("500 Internal Server Error", Transient),
        ("502 Bad Gateway", Transient),
        ("503 Service Unavailable", Transient),
        ("504 Gateway Timeout", Transient),
        ("599", Transient),
        ("304 Not Modified", Permanent),
        ("999 Go Away", Permanent),
    ] {
        let error = failure(status, "").await;
        let number: u16 = status[..3].parse().unwrap();
        assert_eq!((error.class, error.status), (class, Some(number)), "{status}");
        assert_eq!(error.code, format!("http-{number}"));
    }
}

#[tokio::test]
async fn every_success_is_read() {
    for status in ["200 OK", "201 Created", "203 Non-Authoritative", "206 Partial Content"] {
        let server = Server::start(move |_| text(status, "", b"ann@a.org")).await;
        assert!(fetch(&plain(), &server.url("/")).await.is_ok(), "{status}");
    }
}

#[tokio::test]
async fn retry_after_in_seconds_is_heard() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let error = failure(status, "Retry-After: 90\r\n").await;
        assert_eq!(error.retry_after, Some(Duration::from_secs(90)), "{status}");
    }
}

#[tokio::test]
async fn retry_after_as_a_date_is_heard() {
    // A date far ahead is cut to the longest that a host may ask for, so the test needs no clock.
    let later = failure("503 Service Unavailable", "Retry-After: Tue, 31 Dec 2199 23:59:59 GMT\r\n").await;
    assert_eq!(later.retry_after, Some(Duration::from_secs(3_600)));
    let earlier = failure("503 Service Unavailable", "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n").await;
    assert_eq!(earlier.retry_after, Some(Duration::ZERO));
}

#[tokio::test]
async fn without_a_usable_retry_after_the_host_is_left_alone_for_a_second_first() {
    for fields in ["", "Retry-After: soon\r\n", "Retry-After: -5\r\n"] {
        let error = failure("429 Too Many Requests", fields).await;
        assert_eq!(error.retry_after, Some(Duration::from_secs(1)), "{fields}");
    }
}

#[tokio::test]
async fn a_host_that_asks_for_rest_is_asked_for_nothing_else() {
    let server = Server::start(|request| match request.path.as_str() {
        "/busy" => text("429 Too Many Requests", "Retry-After: 600\r\n", b""),
        _ => page("ann@a.org"),
    })
    .await;
    let other = Server::start(|_| page("bob@b.org")).await;
    let sources = plain();
    fetch(&sources, &server.url("/busy")).await.unwrap_err();
    let held = fetch(&sources, &server.url("/else")).await.unwrap_err();
    assert_eq!(held.class, FetchErrorClass::Deferred);
    assert!(held.retry_after.unwrap() > Duration::from_secs(500));
    assert_eq!(server.count("/else"), 0);
    assert!(fetch(&sources, &other.url("/")).await.is_ok());
}
