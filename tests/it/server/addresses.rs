//! What a job has found, over HTTP: pages, searches and the whole.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use mailscan_core::Address;
use mailscan_core::class::{Class, Classes};
use mailscan_core::extract::Form;
use mailscan_core::job::{JobId, JobStatus};
use mailscan_core::store::{Sighting, Store};
use mailscan_http::ServeOptions;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{delete, get, request};
use super::{HANGS, Running, job, start};

fn sighting(job: JobId, email: &str, source: &str) -> Sighting {
    Sighting {
        job,
        address: Address::parse(email).unwrap(),
        source: Arc::from(source),
        offset: 7,
        form: Form::Plain,
        classes: Classes::NONE.with(Class::Role),
    }
}

async fn found(server: &Running, emails: impl Iterator<Item = String>) -> JobId {
    let id = job(&server.store, 100_000, JobStatus::Running).await;
    let sightings: Vec<_> = emails.map(|email| sighting(id, &email, "=cmd|' /C calc'!A0")).collect();
    server.store.insert(&sightings).await.unwrap();
    id
}

/// A job that is over, with so much in its sources that no export of it fits into what lies between server and client.
async fn found_much(server: &Running) {
    let id = job(&server.store, 100_000, JobStatus::Completed).await;
    let source = || std::iter::repeat_with(|| format!("{:016x}", rand::random::<u64>())).take(128).collect::<String>();
    let sightings = (0..20_000).map(|n| sighting(id, &format!("user{n}@example.org"), &source()));
    server.store.insert(&sightings.collect::<Vec<_>>()).await.unwrap();
}

/// Begins to read an answer; dropping it closes the connection.
async fn begin(server: &Running, target: &str) -> Response<Incoming> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(target).header("Host", server.address.to_string()).header("Accept-Encoding", "gzip");
    timeout(HANGS, sender.send_request(request.body(Empty::<Bytes>::new()).unwrap())).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_comes_as_it_is_group_by_group() {
    let server = start(ServeOptions::default()).await;
    found(&server, (0..60_000).map(|n| format!("user{n}@example.org"))).await;
    let answer = begin(&server, "/api/v1/jobs/1/export?format=parquet").await;
    assert_eq!(answer.headers()["content-type"], "application/vnd.apache.parquet");
    assert_eq!(answer.headers().get("content-encoding"), None, "it is compressed already");
    let file = SerializedFileReader::new(answer.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(file.num_row_groups(), 2);
    let mut rows = 0;
    for (n, row) in file.get_row_iter(None).unwrap().enumerate() {
        assert_eq!(row.unwrap().get_string(0).unwrap(), &format!("user{n}@example.org"));
        rows += 1;
    }
    assert_eq!(rows, 60_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_exports_as_parquet_are_read_at_a_time_and_no_more() {
    let server = start(ServeOptions::default()).await;
    found_much(&server).await;
    let target = "/api/v1/jobs/1/export?format=parquet";
    let mut begun = Vec::new();
    for _ in 0..4 {
        begun.push(begin(&server, target).await);
        assert_eq!(begun.last().unwrap().status(), 200);
    }
    let refused = get(server.address, target).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("5")), "{}", refused.body);
    assert_eq!(begin(&server, "/api/v1/jobs/1/export").await.status(), 200, "text takes no place");
    begun.pop();
    let again = async { while begin(&server, target).await.status() != 200 {} };
    timeout(HANGS, again).await.expect("who went away keeps the place");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_job_that_is_deleted_meanwhile_has_no_end() {
    for format in ["csv", "parquet"] {
        let server = start(ServeOptions::default()).await;
        found_much(&server).await;
        let mut answer = begin(&server, &format!("/api/v1/jobs/1/export?format={format}")).await;
        answer.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(delete(server.address, "/api/v1/jobs/1").await.status, 204);
        assert!(answer.into_body().collect().await.is_err(), "{format} looks whole");
    }
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
    assert_eq!(page("limit=4").await.1, None);
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
