//! Connections: kept where they can be, made anew where they cannot; and what is said in each request.

use mailscan_core::fetch::FetchErrorClass;
use mailscan_core::job::JobOptions;
use mailscan_core::source::http::{ClientOptions, HttpSource};
use mailscan_core::source::{Pace, Sources};

use super::server::{Server, Step, body, fetch, fetch_for, page, plain, quick, sources, text};

#[tokio::test]
async fn one_connection_serves_page_after_page() {
    let server = Server::start(|_| page("ann@a.org")).await;
    let sources = plain();
    for n in 0..20 {
        assert!(fetch(&sources, &server.url(&format!("/{n}"))).await.is_ok());
    }
    assert_eq!(server.accepts(), 1);
}

#[tokio::test]
async fn idle_connections_are_few_over_all_hosts_together() {
    let client = ClientOptions { max_idle: 4, ..quick() };
    let sources = sources(&client, Pace::unlimited());
    let mut servers = Vec::new();
    for _ in 0..8 {
        let server = Server::start(|_| page("ann@a.org")).await;
        for path in ["/1", "/2"] {
            fetch(&sources, &server.url(path)).await.unwrap();
        }
        servers.push(server);
    }
    let (kept, not_kept) = servers.split_at(4);
    for server in not_kept {
        assert_eq!(server.accepts(), 3, "one for robots.txt and one for each page");
    }
    for server in kept {
        fetch(&sources, &server.url("/3")).await.unwrap();
        assert_eq!(server.accepts(), 1, "it was kept");
    }
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_made_anew() {
    let server = Server::start(|_| [page("ann@a.org"), vec![Step::Close]].concat()).await;
    let sources = plain();
    for n in 0..20 {
        assert_eq!(body(fetch(&sources, &server.url(&format!("/{n}"))).await), "ann@a.org");
    }
    assert_eq!(server.requests().len(), 21);
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_not_tried_again() {
    // No resolver has to be asked about a label of 64 letters.
    let url = format!("http://{}.test/", "a".repeat(64));
    let error = fetch(&plain(), &url).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "no-such-host"), "{error}");
}

#[tokio::test]
async fn the_user_agent_says_who_asks_and_where_to_complain() {
    let server = Server::start(|_| page("ann@a.org")).await;
    fetch(&plain(), &server.url("/")).await.unwrap();
    let agent = format!("mailscan/{} (+https://example.org/bot)", env!("CARGO_PKG_VERSION"));
    for request in server.requests() {
        assert_eq!(request.header("user-agent"), Some(&*agent), "{}", request.path);
        assert_eq!(request.header("host"), Some(&*server.address.to_string()));
    }
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn who_started_a_job_is_named_unless_the_process_works_for_it_alone() {
    let server = Server::start(|_| page("ann@a.org")).await;
    let options = JobOptions { contact: Some("https://a.org/ann".to_owned()), ..JobOptions::default() };
    fetch_for(&options, &plain(), &server.url("/")).await.unwrap();
    let alone = HttpSource::new(&quick(), Pace::unlimited()).unwrap().for_one_job();
    fetch_for(&options, &Sources::new().with_http(alone), &server.url("/")).await.unwrap();
    let agents: Vec<_> = server.requests().iter().map(|asked| asked.header("user-agent").unwrap().to_owned()).collect();
    let ends =
        ["(+https://a.org/ann)", "(+https://a.org/ann)", "(+https://example.org/bot)", "(+https://example.org/bot)"];
    assert!(agents.len() == 4 && agents.iter().zip(ends).all(|(agent, end)| agent.ends_with(end)), "{agents:?}");
}

#[tokio::test]
async fn cookies_credentials_and_referrers_are_never_sent() {
    let server = Server::start(|request| match request.path.as_str() {
        "/a" => text("302 Found", "Set-Cookie: id=1; Path=/\r\nLocation: /b\r\n", b""),
        _ => text("200 OK", "Set-Cookie: id=2; Path=/\r\n", b"ann@a.org"),
    })
    .await;
    let sources = plain();
    for path in ["/a", "/c"] {
        fetch(&sources, &format!("http://user:pass@{}{path}", server.address)).await.unwrap();
    }
    for request in server.requests() {
        for name in ["cookie", "authorization", "referer"] {
            assert_eq!(request.header(name), None, "{}", request.head);
        }
        assert!(!request.head.contains("pass"), "{}", request.head);
    }
    assert_eq!(server.count("/b"), 1);
}

#[tokio::test]
async fn a_contact_cannot_add_headers() {
    let options = ClientOptions { contact: "x\r\nCookie: id=1".to_owned(), ..ClientOptions::default() };
    let error = HttpSource::new(&options, Pace::unlimited()).unwrap_err();
    assert!(error.to_string().contains("contact"), "{error}");
}
