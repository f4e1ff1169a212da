//! Holds answers to the description of the API that the server gives of itself.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::client::{Answer, get, plain, request};
use super::{job, start};
use mailscan_core::job::JobStatus;
use mailscan_http::ServeOptions;

/// The description, which is the same for every server of this build.
static DOCUMENT: OnceCell<Value> = OnceCell::const_new();

async fn document(address: SocketAddr) -> &'static Value {
    let headers = format!("Host: {address}\r\n");
    DOCUMENT.get_or_init(|| async { plain(address, "GET", "/openapi.json", &headers, "").await.json() }).await
}

/// The operation of a request, where there is one.
fn operation<'a>(document: &'a Value, method: &str, target: &str) -> Option<&'a Value> {
    let path = target.split('?').next().unwrap_or_default();
    let same = |template: &str| {
        let (mut own, mut given) = (template.split('/'), path.split('/'));
        loop {
            match (own.next(), given.next()) {
                (None, None) => return true,
                (Some("{id}"), Some(_)) => {}
                (Some(one), Some(other)) if one == other => {}
                _ => return false,
            }
        }
    };
    let method = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
    let (_, item) = document["paths"].as_object()?.iter().find(|(template, _)| same(template))?;
    item.get(&method)
}

/// Panics unless the answer is one that the description foretells.
pub(super) async fn check(address: SocketAddr, method: &str, target: &str, answer: &Answer) {
    let document = document(address).await;
    let Some(operation) = operation(document, method, target) else {
        assert!(answer.status >= 400 || method == "OPTIONS", "{method} {target} is not described: {answer:?}");
        return;
    };
    let responses = &operation["responses"];
    let response = responses.get(answer.status.to_string());
    assert!(response.is_some() || answer.status >= 400, "{method} {target}: {} is not described", answer.status);
    let response = response.unwrap_or(&responses["default"]);
    let Some(media) = answer.header("content-type") else {
        // What is refused before anybody looks at it has no content.
        assert!(answer.body.is_empty(), "{method} {target}: {answer:?}");
        return;
    };
    let schema = &response["content"][media]["schema"];
    assert!(schema.is_object(), "{method} {target}: `{media}` is not described for {}", answer.status);
    if media.ends_with("json") && method != "HEAD" {
        hold(document, schema, &answer.json(), target);
    }
}

/// Panics unless the event is one that the description foretells for the stream.
pub(super) async fn check_event(address: SocketAddr, target: &str, event: &Value) {
    let document = document(address).await;
    let stream = &operation(document, "GET", target).expect("a described stream")["responses"]["200"];
    let schema = &stream["content"]["text/event-stream"]["schema"];
    hold(document, schema, event, target);
    let of = |one: &&Value| one["properties"]["event"]["enum"][0] == event["event"];
    let described = schema["oneOf"].as_array().unwrap().iter().find(of).unwrap();
    let data = serde_json::from_str(event["data"].as_str().unwrap()).unwrap();
    hold(document, &described["x-data"], &data, target);
}

/// Panics unless the value is as this part of the description says.
fn hold(document: &Value, schema: &Value, value: &Value, target: &str) {
    assert!(schema.is_object(), "{target} has no schema");
    let whole = json!({"allOf": [schema], "components": document["components"]});
    let validator = jsonschema::validator_for(&whole).unwrap();
    let wrong: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{target}: {wrong:?} in {value}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_is_described_with_all_its_methods() {
    let server = start(ServeOptions::default()).await;
    let document = get(server.address, "/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 17, "{:?}", paths.keys());
    for (path, item) in paths {
        let options = request(server.address, "OPTIONS", &path.replace("{id}", "1")).await;
        let mut allowed: Vec<_> = options.header("allow").unwrap().split(", ").map(str::to_lowercase).collect();
        allowed.retain(|method| !["head", "options"].contains(&method.as_str()));
        let mut described: Vec<_> = item.as_object().unwrap().keys().cloned().collect();
        allowed.sort();
        described.sort();
        assert_eq!(allowed, described, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_and_what_is_said_are_described_as_they_are() {
    let server = start(ServeOptions::default()).await;
    job(&server.store, 10, JobStatus::Paused).await;
    let document = get(server.address, "/openapi.json").await.json();
    let parameters = &document["paths"]["/api/v1/jobs/{id}/addresses"]["get"]["parameters"];
    let search = parameters.as_array().unwrap().iter().find(|parameter| parameter["name"] == "search").unwrap();
    let most = search["schema"]["maxLength"].as_u64().expect("the longest text to search for") as usize;
    for (length, status) in [(most, 200), (most + 1, 400)] {
        let target = format!("/api/v1/jobs/1/addresses?search={}", "x".repeat(length));
        assert_eq!(get(server.address, &target).await.status, status, "{length} characters");
    }
    let about = document["components"]["schemas"]["Health"]["properties"]["status"]["description"].as_str().unwrap();
    for target in ["/healthz", "/readyz"] {
        let said = get(server.address, target).await.json()["status"].as_str().unwrap().to_owned();
        assert!(about.contains(&format!("`{said}`")), "{target} says {said}: {about}");
    }
}

#[test]
fn an_answer_that_is_not_described_is_seen() {
    let schema = json!({"allOf": [{"$ref": "#/components/schemas/X"}],
        "components": {"schemas": {"X": {"type": "object", "required": ["a"]}}}});
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&json!({"a": 1})) && !validator.is_valid(&json!({"b": 1})));
}
