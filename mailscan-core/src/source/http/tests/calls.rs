//! Calls of a search.

use super::*;
use crate::source::search::SearchSource;

#[tokio::test]
async fn an_api_that_asks_for_a_pause_gets_it_and_no_more_than_an_hour() {
    let server = Server::start(|_| {
        b"HTTP/1.1 429 Slow Down\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
    })
    .await;
    let source = source();
    let options = JobOptions::default();
    let context =
        FetchContext { options: &options, budget: budget(), recall: Recall::NEVER, origin: &Origin::Operator };
    let first = source.call(&server.url("/search"), &[], &context).await.unwrap_err();
    assert_eq!(first.retry_after, Some(Duration::from_secs(3_600)));
    let second = source.call(&server.url("/search"), &[], &context).await.unwrap_err();
    assert_eq!(second.class, FetchErrorClass::Deferred);
    assert_eq!(server.times_asked("/search"), 1);
}

#[tokio::test]
async fn an_api_is_not_asked_for_its_robots_file() {
    let server = Server::start(|_| ok("", b"{}")).await;
    let options = JobOptions::default();
    let context =
        FetchContext { options: &options, budget: budget(), recall: Recall::NEVER, origin: &Origin::Operator };
    assert_eq!(source().call(&server.url("/search"), &[], &context).await.unwrap(), "{}");
    assert_eq!((server.times_asked("/search"), server.times_asked("/robots.txt")), (1, 0));
}

#[tokio::test]
async fn a_key_of_this_machine_is_for_jobs_of_its_operator() {
    let server = Server::start(|_| ok_as("application/json", "", br#"{"results": []}"#)).await;
    let endpoint = format!(
        r#"{{"url": "{}?q={{query}}&k={{key}}", "results": "results", "result_url": "url", "key_env": "MAILSCAN_KEY_OF_NOBODY"}}"#,
        server.url("/search")
    );
    let options = JobOptions { search_endpoint: Some(endpoint), ..JobOptions::default() };
    let (source, search) = (source(), SearchSource::default());
    for (origin, says) in
        [(Origin::Operator, "MAILSCAN_KEY_OF_NOBODY"), (Origin::Api { roots: Vec::new() }, "of its operator")]
    {
        let context = FetchContext { options: &options, budget: budget(), recall: Recall::NEVER, origin: &origin };
        let error = search.search(&source, ("q", 1, 1), JobId(1), &context).await.unwrap_err();
        assert!(&*error.code == "search-key" && error.message.contains(says), "{error}");
    }
    assert_eq!(server.asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_search_ends_where_the_list_is_left_out_but_not_on_its_first_page() {
    let server = Server::start(|_| ok("", br#"{"total": 0}"#)).await;
    let description = serde_json::json!({
        "url": format!("{}s?q={{query}}&p={{page}}", server.base), "results": "items", "result_url": "link",
    });
    let options = JobOptions { search_endpoint: Some(description.to_string()), ..JobOptions::default() };
    let context =
        FetchContext { options: &options, budget: budget(), recall: Recall::NEVER, origin: &Origin::Operator };
    let (source, search) = (source(), SearchSource::default());
    let first = search.search(&source, ("q", 2, 2), JobId(1), &context).await.unwrap_err();
    assert!(first.message.contains("`items`"), "{first}");
    let later = search.search(&source, ("q", 3, 2), JobId(1), &context).await.unwrap();
    assert!(later.discovered.is_empty() && matches!(later.documents, Documents::None));
}
