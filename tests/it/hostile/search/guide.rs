//! The guide `docs/search.md`: its example is used as it stands, and it names every field that there is.

use mailscan_core::source::search::SearchEndpoint;
use serde_json::{Value, json};

use super::super::server::{Server, body, plain};
use super::{KEY, KEY_VARIABLE, call, json as answer, parameter, search};

const GUIDE: &str = include_str!("../../../../docs/search.md");

/// The description that stands in the guide, of an endpoint at a base, with the key of the tests.
fn example(base: &str) -> Value {
    let (_, rest) = GUIDE.split_once("```json\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let example = example.replace("https://search.example.org", base).replace("MAILSCAN_KEY_EXAMPLE", KEY_VARIABLE);
    serde_json::from_str(&example).unwrap()
}

#[tokio::test]
async fn the_example_asks_as_it_says() {
    let server = Server::with_robots(|_| {
        let result = json!({"link": "http://a.org/", "title": "Ann", "about": {"text": "ann@a.org"}});
        answer(&json!({"data": {"items": [result]}}))
    })
    .await;
    let endpoint = example(&server.url(""));
    assert_eq!(SearchEndpoint::parse(&endpoint.to_string()).unwrap().lanes(), 2);
    let found = search(&plain(), &endpoint.to_string(), call(3, 2)).await.unwrap();
    let next: Vec<_> = found.discovered.iter().map(|discovered| discovered.work.locator()).collect();
    assert_eq!(next.len(), 2, "a page and the next call: {next:?}");
    assert_eq!(body(Ok(found)), "Ann\nann@a.org\n");
    let request = &server.requests()[0];
    assert_eq!((parameter(request, "start"), parameter(request, "q")), ("21".to_owned(), "a & b \"c\" ü".to_owned()));
    assert_eq!(request.header("authorization"), Some(&*format!("Bearer {KEY}")));
    for page in [20, 21] {
        let last = search(&plain(), &endpoint.to_string(), call(page, 2)).await.unwrap();
        assert!(last.discovered.iter().all(|found| found.work.kind() == "page"), "no call follows page {page}");
    }
    assert_eq!(server.requests().len(), 2, "there is no page 21");
}

#[test]
fn every_field_is_in_the_example_and_has_a_line() {
    let unknown = SearchEndpoint::parse(r#"{"?": 1}"#).unwrap_err().to_string();
    let (_, known) = unknown.split_once("expected one of ").expect("the names of all fields");
    let names: Vec<_> = known.split('`').skip(1).step_by(2).collect();
    assert!(names.len() > 5, "{unknown}");
    let example = example("https://a.org");
    for name in names {
        assert!(example.get(name).is_some(), "{name} is not in the example");
        assert!(GUIDE.contains(&format!("\n| `{name}` | ")), "{name} has no line");
    }
}
