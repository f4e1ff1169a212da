//! The search source against a small JSON API: pages and lanes to their end, and a key that stays secret.

mod guide;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mailscan_core::backend::postgres::{Postgres, PostgresOptions};
use mailscan_core::fetch::{Documents, FetchContext, FetchError, FetchErrorClass, Fetched, Fetcher, Recall};
use mailscan_core::job::{JobOptions, Origin};
use mailscan_core::source::http::HttpSource;
use mailscan_core::source::search::SearchEndpoint;
use mailscan_core::source::{Pace, Sources};
use mailscan_core::task::Work;
use mailscan_core::turns::SharedTurns;
use url::Url;

use super::server::{Request, Server, Step, answer, body, plain, quick, soon, task, text};
use crate::postgres::{is_there, shared};

/// A variable that `.cargo/config.toml` sets for every test, and its value.
const KEY_VARIABLE: &str = "MAILSCAN_KEY_OF_TESTS";
const KEY: &str = env!("MAILSCAN_KEY_OF_TESTS");

fn json(value: &serde_json::Value) -> Vec<Step> {
    answer("200 OK", "Content-Type: application/json\r\n", value.to_string().as_bytes())
}

fn parameter(request: &Request, name: &str) -> String {
    let url = Url::parse("http://a.org").unwrap().join(&request.path).unwrap();
    let mut pairs = url.query_pairs();
    pairs.find(|(field, _)| field == name).map(|(_, value)| value.into_owned()).unwrap()
}

/// An API with seven pages of two results each.
async fn api() -> Server {
    Server::with_robots(|request| {
        let page: u32 = parameter(request, "p").parse().unwrap();
        let results = (0..2).filter(|_| page <= 7).map(|n| {
            serde_json::json!({"link": format!("http://site{page}.org/{n}#x"), "about": format!("ann{page}.{n}@a.org")})
        });
        json(&serde_json::json!({"data": {"items": results.collect::<Vec<_>>()}}))
    })
    .await
}

/// The description of an API at a base, with the key in the URL and in a header.
fn described(base: &str, lanes: u32) -> String {
    let description = serde_json::json!({
        "url": format!("{base}/v1?q={{query}}&p={{page}}&k={{key}}"),
        "headers": {"X-Api-Key": "Key {key}"},
        "results": "data.items",
        "result_url": "link",
        "snippets": ["about"],
        "key_env": KEY_VARIABLE,
        "max_pages": 50,
        "lanes": lanes,
    });
    SearchEndpoint::parse(&description.to_string()).unwrap();
    description.to_string()
}

async fn search(sources: &Sources, endpoint: &str, work: Work) -> Result<Fetched, FetchError> {
    let options = JobOptions { search_endpoint: Some(endpoint.to_owned()), ..JobOptions::default() };
    let context = FetchContext {
        options: &options,
        budget: mailscan_core::fetch::Budget::default(),
        recall: Recall::NEVER,
        origin: &Origin::Operator,
    };
    soon(sources.fetch(&task(work), &context)).await
}

fn call(page: u32, stride: u32) -> Work {
    Work::Search { query: "a & b \"c\" ü".to_owned(), page, stride }
}

/// Carries out every lane to its end: the pages that were asked for, and the URLs that were found.
async fn all_lanes(server: &Server, lanes: u32) -> (Vec<u32>, BTreeSet<String>) {
    let (sources, endpoint) = (plain(), described(&server.url(""), lanes));
    let mut work: Vec<Work> = (1..=lanes).map(|page| call(page, lanes)).collect();
    let mut found = BTreeSet::new();
    while let Some(next) = work.pop() {
        for discovered in search(&sources, &endpoint, next).await.unwrap().discovered {
            assert_eq!(discovered.step, 0);
            match discovered.work {
                Work::Page { url } => assert!(found.insert(url)),
                search => work.push(search),
            }
        }
    }
    let mut asked: Vec<u32> = server.requests().iter().map(|r| parameter(r, "p").parse().unwrap()).collect();
    asked.sort_unstable();
    (asked, found)
}

#[tokio::test]
async fn every_lane_goes_on_until_its_empty_page() {
    for lanes in 1..=3 {
        let server = api().await;
        let (asked, found) = all_lanes(&server, lanes).await;
        let last = 7 + lanes;
        assert_eq!(asked, (1..=last).collect::<Vec<_>>(), "{lanes} lanes");
        let expected: BTreeSet<String> =
            (1..=7).flat_map(|p| (0..2).map(move |n| format!("http://site{p}.org/{n}"))).collect();
        assert_eq!(found, expected, "{lanes} lanes");
    }
}

#[tokio::test]
async fn the_query_arrives_as_it_was_given() {
    let server = api().await;
    search(&plain(), &described(&server.url(""), 1), call(1, 1)).await.unwrap();
    assert_eq!(parameter(&server.requests()[0], "q"), "a & b \"c\" ü");
}

#[tokio::test]
async fn snippets_are_a_document_and_the_next_call_follows() {
    let server = api().await;
    let fetched = search(&plain(), &described(&server.url(""), 1), call(1, 1)).await.unwrap();
    assert_eq!(fetched.discovered.last().unwrap().work, call(2, 1));
    assert_eq!(body(Ok(fetched)), "ann1.0@a.org\nann1.1@a.org\n");
}

#[tokio::test]
async fn no_call_beyond_the_last_page() {
    let server = api().await;
    let endpoint = described(&server.url(""), 1).replace("\"max_pages\":50", "\"max_pages\":2");
    let last = search(&plain(), &endpoint, call(2, 1)).await.unwrap();
    assert!(last.discovered.iter().all(|d| d.work.kind() == "page"));
    assert_eq!(last.most_pages, Some(2), "there may be more");
    let beyond = search(&plain(), &endpoint, call(3, 1)).await.unwrap();
    assert!(beyond.discovered.is_empty() && matches!(beyond.documents, Documents::None));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn pages_may_be_counted_by_their_results() {
    let server = api().await;
    let endpoint = described(&server.url(""), 1).replace("\"max_pages\":50", "\"first_page\":1,\"page_step\":3");
    for page in 1..=3 {
        search(&plain(), &endpoint, call(page, 1)).await.unwrap();
    }
    let asked: Vec<_> = server.requests().iter().map(|request| parameter(request, "p")).collect();
    assert_eq!(asked, ["1", "4", "7"]);
}

#[tokio::test]
async fn engines_that_did_not_answer_are_no_empty_result() {
    let answers = [
        r#"{"results": [], "unresponsive_engines": [["google", "CAPTCHA"], ["bing", "timeout"]]}"#,
        r#"{"results": [{"url": "http://a.org/"}], "unresponsive_engines": [["google", "CAPTCHA"]]}"#,
        r#"{"results": [], "unresponsive_engines": []}"#,
        r#"{"results": [], "unresponsive_engines": [["google", "CAPTCHA"]]}"#,
    ];
    let server = Server::start(move |request| {
        let page: usize = parameter(request, "pageno").parse().unwrap();
        json(&serde_json::from_str(answers[page - 1]).unwrap())
    })
    .await;
    let endpoint = SearchEndpoint::searxng(&server.url(""), 1, 9).unwrap();
    let error = search(&plain(), &endpoint, call(1, 1)).await.unwrap_err();
    assert_eq!((error.class, error.is_blocked()), (FetchErrorClass::Transient, true));
    assert!(error.message.contains("google: CAPTCHA, bing: timeout"), "{error}");
    let some = search(&plain(), &endpoint, call(2, 1)).await.unwrap();
    assert!(some.discovered.len() == 2 && some.note.is_none(), "told of the first page alone");
    assert!(search(&plain(), &endpoint, call(3, 1)).await.unwrap().discovered.is_empty());
    let end = search(&plain(), &endpoint, call(4, 1)).await.unwrap();
    assert!(end.discovered.is_empty() && end.note.is_some(), "the search may have ended for that");
}

#[test]
fn headers_that_others_follow_are_not_for_a_description() {
    let described = |name: &str, value: &str| {
        let headers = serde_json::json!({"url": "http://a.org/?q={query}", "results": "r", "result_url": "u", "headers": {name: value}});
        SearchEndpoint::parse(&headers.to_string()).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(described("X-Api-Key", "secret"), Ok(()));
    for (name, value) in [
        ("Content-Length", "60"),
        ("HOST", "other.org"),
        ("User-Agent", "Mozilla/5.0"),
        ("transfer-encoding", "chunked"),
        ("Proxy-Authorization", "x"),
        ("no name", "x"),
        ("X-A", "a\nb"),
    ] {
        let error = described(name, value).unwrap_err();
        assert!(error.contains(name), "{error}");
    }
}

#[tokio::test]
async fn the_key_reaches_the_server_and_nobody_else() {
    let server = api().await;
    let sources = plain();
    let fetched = search(&sources, &described(&server.url(""), 1), call(1, 1)).await.unwrap();
    assert_eq!(parameter(&server.requests()[0], "k"), KEY);
    assert_eq!(server.requests()[0].header("x-api-key"), Some(&*format!("Key {KEY}")));
    assert!(!format!("{fetched:?} {sources:?}").contains(KEY));
}

#[tokio::test]
async fn errors_do_not_show_the_key() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = search(&plain(), &described(&format!("http://{free}"), 1), call(1, 1)).await.unwrap_err();
    assert_eq!(&*refused.code, "connect");
    let mut errors = vec![refused];
    for (status, class) in [
        ("302 Found", FetchErrorClass::Permanent),
        ("400 Bad Request", FetchErrorClass::Permanent),
        ("401 Unauthorized", FetchErrorClass::Refused),
        ("500 Internal Server Error", FetchErrorClass::Transient),
    ] {
        let fields = format!("Location: /elsewhere?k={KEY}\r\n");
        let server = Server::with_robots(move |_| text(status, &fields, KEY.as_bytes())).await;
        let error = search(&plain(), &described(&server.url(""), 1), call(1, 1)).await.unwrap_err();
        assert_eq!(error.class, class, "{status}");
        assert_eq!(server.requests().len(), 1, "the key would go to whoever the endpoint points at");
        errors.push(error);
    }
    for error in errors {
        assert!(!format!("{error:?} {error}").contains(KEY), "{error:?}");
    }
}

#[tokio::test]
async fn a_missing_key_is_named_and_nothing_is_asked() {
    let server = api().await;
    let endpoint = described(&server.url(""), 1).replace(KEY_VARIABLE, "MAILSCAN_KEY_NOT_SET");
    let error = search(&plain(), &endpoint, call(1, 1)).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "search-key"));
    assert!(error.message.contains("MAILSCAN_KEY_NOT_SET"));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn an_api_that_asks_for_rest_is_heard() {
    let server = Server::with_robots(|_| text("429 Too Many Requests", "Retry-After: 90\r\n", b"")).await;
    let error = search(&plain(), &described(&server.url(""), 1), call(1, 1)).await.unwrap_err();
    assert_eq!((error.class, error.status), (FetchErrorClass::Transient, Some(429)));
    assert_eq!(error.retry_after, Some(Duration::from_secs(90)));
}

/// Two processes of one new database.
async fn two_nodes() -> [(Postgres, Sources); 2] {
    let name = shared().fresh().await;
    let node = async || {
        let database = Postgres::open(&shared().url(&name), PostgresOptions::default()).await.unwrap();
        let http = HttpSource::new(&quick(), Pace::default()).unwrap().shared(Arc::new(database.clone()));
        (database, Sources::new().with_http(http))
    };
    [node().await, node().await]
}

/// Waits until a process knows that a server is to be left alone, and answers for how long.
async fn told(database: &Postgres, server: &Server) -> Duration {
    let host = Url::parse(&server.url("")).unwrap();
    let host = format!("{}:{}", host.host_str().unwrap(), host.port().unwrap());
    loop {
        let left = database.left_alone(host.clone()).await.unwrap();
        if !left.is_zero() {
            return left;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_asks_one_node_for_rest_is_left_alone_by_all() {
    if !is_there() {
        return;
    }
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let server = Server::with_robots(move |_| text(status, "Retry-After: 90\r\n", b"")).await;
        let [(_, one), (database, other)] = two_nodes().await;
        let endpoint = described(&server.url(""), 1);
        assert!(search(&one, &endpoint, call(1, 1)).await.unwrap_err().status.is_some());
        assert!(soon(told(&database, &server)).await > Duration::from_secs(60));
        let error = search(&other, &endpoint, call(1, 1)).await.unwrap_err();
        assert_eq!(error.class, FetchErrorClass::Deferred, "{error}");
        assert!(error.retry_after.unwrap() > Duration::from_secs(60), "{error:?}");
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_wait_for_an_api_that_does_not_say_how_long() {
    if !is_there() {
        return;
    }
    let asked = AtomicBool::new(false);
    let answer = json(&serde_json::json!({"data": {"items": []}}));
    let server = Server::with_robots(move |_| {
        if asked.swap(true, Ordering::SeqCst) { answer.clone() } else { text("429 Too Many Requests", "", b"") }
    })
    .await;
    let [(_, one), (database, other)] = two_nodes().await;
    let (endpoint, begin) = (described(&server.url(""), 1), Instant::now());
    assert_eq!(search(&one, &endpoint, call(1, 1)).await.unwrap_err().status, Some(429));
    soon(told(&database, &server)).await;
    soon(search(&other, &endpoint, call(1, 1))).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn what_is_not_the_described_json_is_a_clear_error() {
    for (answered, says) in [
        ("<html>captcha</html>", "is not JSON"),
        ("", "is not JSON"),
        ("{\"data\": {\"items\": [", "is not JSON"),
        ("{\"error\": \"no\"}", "no list at `data.items`"),
        ("{\"data\": {\"items\": 3}}", "no list at `data.items`"),
    ] {
        let server = Server::with_robots(move |_| text("200 OK", "", answered.as_bytes())).await;
        let error = search(&plain(), &described(&server.url(""), 1), call(1, 1)).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "search-endpoint"), "{answered}");
        assert!(error.message.contains(says), "{error}");
    }
}

#[tokio::test]
async fn results_that_are_no_pages_are_passed_over() {
    let items =
        serde_json::json!([{"link": "javascript:1"}, {"link": 3}, {}, null, {"link": "http://a.org/", "about": 4}]);
    let answer = json(&serde_json::json!({"data": {"items": items}}));
    let server = Server::with_robots(move |_| answer.clone()).await;
    let fetched = search(&plain(), &described(&server.url(""), 1), call(1, 1)).await.unwrap();
    let pages: Vec<_> = fetched.discovered.iter().filter(|found| found.work.kind() == "page").collect();
    assert_eq!(pages.len(), 1);
    assert!(matches!(fetched.documents, Documents::None));
}

#[tokio::test]
async fn results_that_are_too_many_for_one_answer_are_told_of() {
    for (count, code) in [(1_000, None), (1_001, Some("search-results"))] {
        let items: Vec<_> = (0..count).map(|n| serde_json::json!({"link": format!("http://a.org/{n}")})).collect();
        let answer = json(&serde_json::json!({"data": {"items": items}}));
        let server = Server::with_robots(move |_| answer.clone()).await;
        let fetched = search(&plain(), &described(&server.url(""), 1), call(1, 1)).await.unwrap();
        let pages = fetched.discovered.iter().filter(|found| found.work.kind() == "page").count();
        assert_eq!((pages, fetched.note.as_ref().map(|note| &*note.code)), (1_000, code), "{count}");
    }
}

#[tokio::test]
async fn json_without_end_of_nesting_does_not_crash() {
    let server = Server::with_robots(|_| text("200 OK", "", "[".repeat(1_000_000).as_bytes())).await;
    let error = search(&plain(), &described(&server.url(""), 1), call(1, 1)).await.unwrap_err();
    assert_eq!(&*error.code, "search-endpoint");
}

#[tokio::test]
async fn an_api_that_repeats_its_page_is_not_asked_to_the_end() {
    let results = serde_json::json!([{"link": "http://a.org/1"}, {"link": "http://a.org/2"}]);
    let answer = json(&serde_json::json!({"data": {"items": results}}));
    let server = Server::with_robots(move |_| answer.clone()).await;
    let (sources, endpoint) = (plain(), described(&server.url(""), 1));
    let next = async |page| {
        let fetched = search(&sources, &endpoint, call(page, 1)).await.unwrap();
        fetched.discovered.into_iter().map(|found| found.work).find(|work| work.kind() == "search")
    };
    assert_eq!(next(1).await, Some(call(2, 1)));
    assert_eq!(next(1).await, Some(call(2, 1)), "the same call again, as after a crash, repeats nothing");
    assert_eq!(next(2).await, None);
}

#[tokio::test]
async fn a_page_with_other_snippets_is_no_repeated_one() {
    let server = Server::with_robots(|request| {
        let n = parameter(request, "p").parse::<u32>().unwrap().min(3);
        let pinned = serde_json::json!({"link": "http://a.org/pinned", "about": "always first"});
        json(&serde_json::json!({"data": {"items": [pinned, {"about": format!("ann{n}@a.org")}]}}))
    })
    .await;
    let (sources, endpoint) = (plain(), described(&server.url(""), 1));
    let next = async |page| {
        let fetched = search(&sources, &endpoint, call(page, 1)).await.unwrap();
        fetched.discovered.into_iter().map(|found| found.work).find(|work| work.kind() == "search")
    };
    for page in 1..=3 {
        assert_eq!(next(page).await, Some(call(page + 1, 1)));
    }
    assert_eq!(next(4).await, None, "the third once more");
}

#[tokio::test]
async fn an_endpoint_that_has_moved_says_where() {
    let server = Server::with_robots(|request| {
        let location = format!("Location: https://api.org{}\r\n", request.path);
        text("302 Found", &location, b"")
    })
    .await;
    let error = search(&plain(), &described(&server.url(""), 1), call(1, 1)).await.unwrap_err();
    assert_eq!((error.class, error.status), (FetchErrorClass::Permanent, Some(302)));
    assert!(error.message.contains("https://api.org/v1, so give that address"), "{error}");
    assert!(!error.message.contains(KEY) && !error.message.contains("k="), "{error}");
}

#[tokio::test]
async fn json_behind_a_mark_is_read() {
    let answer =
        [b"\xef\xbb\xbf".as_slice(), br#"{"data": {"items": [{"link": "http://a.org/", "about": "ann@a.org"}]}}"#];
    let answer = text("200 OK", "", &answer.concat());
    let server = Server::with_robots(move |_| answer.clone()).await;
    assert_eq!(body(search(&plain(), &described(&server.url(""), 1), call(1, 1)).await), "ann@a.org\n");
}
