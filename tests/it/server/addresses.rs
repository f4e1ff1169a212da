//! What a job has found, over HTTP: pages, searches and the whole.

use std::sync::Arc;

use mailscan_core::Address;
use mailscan_core::class::{Class, Classes};
use mailscan_core::extract::Form;
use mailscan_core::job::{JobId, JobStatus};
use mailscan_core::store::{Sighting, Store};
use mailscan_http::ServeOptions;
use serde_json::{Value, json};

use super::client::{get, request};
use super::{Running, job, start};

async fn found(server: &Running, emails: impl Iterator<Item = String>) -> JobId {
    let id = job(&server.store, 100_000, JobStatus::Running).await;
    let sighting = |email: String| Sighting {
        job: id,
        address: Address::parse(&email).unwrap(),
        source: Arc::from("=cmd|' /C calc'!A0"),
        offset: 7,
        form: Form::Plain,
        classes: Classes::NONE.with(Class::Role),
    };
    server.store.insert(&emails.map(sighting).collect::<Vec<_>>()).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_come_in_pages_and_can_be_searched() {
    let server = start(ServeOptions::default()).await;
    found(&server, ["Ann@a.org", "bob@b.org", "joann@c.org", "x@ann.org"].map(str::to_owned).into_iter()).await;
    let page = async |query: &str| {
        let answer = get(server.address, &format!("/api/v1/jobs/1/addresses?{query}")).await.json();
        let emails =
            answer["addresses"].as_array().unwrap().iter().map(|row| row["address"].as_str().unwrap().to_owned());
        (emails.collect::<Vec<_>>(), answer["next_after"].as_u64())
    };
    let (first, next) = page("limit=3").await;
    assert_eq!(first, ["Ann@a.org", "bob@b.org", "joann@c.org"]);
    assert_eq!(page(&format!("limit=3&after={}", next.unwrap())).await, (vec!["x@ann.org".to_owned()], None));
    let (first, next) = page("search=ANN&limit=2").await;
    assert_eq!(first, ["Ann@a.org", "joann@c.org"]);
    assert_eq!(page(&format!("search=ANN&limit=2&after={}", next.unwrap())).await.0, ["x@ann.org"]);
    assert_eq!(page("search=nobody").await, (vec![], None));
    let row = get(server.address, "/api/v1/jobs/1/addresses?limit=1").await.json()["addresses"][0].clone();
    assert_eq!((&row["form"], &row["classes"], &row["offset"]), (&json!("plain"), &json!(["role"]), &json!(7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_streams_every_address_once() {
    let server = start(ServeOptions::default()).await;
    found(&server, (0..2_345).map(|n| format!("-user{n}@example.org"))).await;
    let csv = get(server.address, "/api/v1/jobs/1/export").await;
    assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"mailscan-job-1.csv\""));
    assert_eq!((csv.header("content-length"), csv.header("transfer-encoding")), (None, Some("chunked")));
    let lines: Vec<_> = csv.body.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2_346, "email,source,offset,form,classes,found_at"));
    assert!(lines[1].starts_with("'-user0@example.org,'=cmd|' /C calc'!A0,7,plain,role,"), "{}", lines[1]);

    let jsonl = get(server.address, "/api/v1/jobs/1/export?format=jsonl").await;
    assert_eq!(jsonl.header("content-disposition"), Some("attachment; filename=\"mailscan-job-1.jsonl\""));
    let emails = jsonl.body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["email"].clone());
    let expected: Vec<_> = (0..2_345).map(|n| json!(format!("-user{n}@example.org"))).collect();
    assert_eq!(emails.collect::<Vec<_>>(), expected);

    let head = request(server.address, "HEAD", "/api/v1/jobs/1/export").await;
    assert_eq!(
        (head.status, head.body.as_str(), head.header("content-disposition")),
        (200, "", csv.header("content-disposition"))
    );
}
