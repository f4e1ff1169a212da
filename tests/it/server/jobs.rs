//! Jobs begun, changed and deleted over HTTP.

use std::fs;

use mailscan_core::job::{JobId, JobSource, JobStatus, Origin};
use mailscan_core::queue::Queue;
use mailscan_core::store::Store;
use mailscan_core::task::{NewTask, Work};
use mailscan_http::ServeOptions;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use super::client::{Answer, delete, get, post, request, send_json};
use super::command::serve_in;
use super::{HANGS, job, start};

const JOBS: &str = "/api/v1/jobs";

/// The fields that an answer finds wrong.
fn wrong(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 400, "{}", answer.body);
    let body = answer.json();
    let mut fields: Vec<_> =
        body["errors"].as_array().unwrap().iter().map(|fault| fault["field"].as_str().unwrap().to_owned()).collect();
    assert!(fields.contains(&body["field"].as_str().unwrap().to_owned()), "{body}");
    fields.sort();
    fields
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_begun_with_its_plan() {
    let server = start(ServeOptions::default()).await;
    let body = json!({"target": 1000, "urls": ["https://Example.org", "https://example.org/b"], "crawl": true,
        "depth": 2, "rate_limit": 0.5, "include": ["literal"], "weight": 3, "contact": null});
    let begun = post(server.address, JOBS, &body).await;
    assert_eq!((begun.status, begun.header("location")), (202, Some("/api/v1/jobs/1")), "{}", begun.body);
    let answer = begun.json();
    assert_eq!((&answer["id"], &answer["status"], &answer["target"]), (&json!(1), &json!("queued"), &json!(1000)));
    assert_eq!((&answer["plan"]["workers"], &answer["plan"]["emails_per_worker"]), (&json!(50), &json!(20)));
    let stored = server.store.job(JobId(1)).await.unwrap().unwrap().spec;
    assert_eq!(stored.sources[0], JobSource::Url("https://example.org/".to_owned()));
    assert_eq!((stored.options.weight, stored.options.crawl.map(|crawl| crawl.max_depth)), (3, Some(2)));
    assert!(!server.store.job(JobId(1)).await.unwrap().unwrap().seeded, "workers put the tasks on the queue");

    let few = json!({"target": 10, "searches": ["q"], "search_endpoint": "https://searx.example.org", "workers": 4});
    let begun = post(server.address, JOBS, &few).await.json();
    assert_eq!((&begun["workers"], &begun["plan"]["workers"]), (&json!(4), &json!(4)));
    assert_eq!(begun["sources"], json!(["search \"q\""]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_is_read_when_a_job_is_taken_up_and_shown_and_not_again() {
    let folder = TempDir::new().unwrap();
    // Jobs are taken up, and nothing of them is begun.
    let served = serve_in(folder.path(), &["--min-free-disk", "4096T"]);
    let runs = async |id: u64| {
        // Its tasks are put on the queue once it was read.
        while get(served.address, &format!("{JOBS}/{id}")).await.json()["queue"]["pending"] != 1 {}
        get(served.address, JOBS).await.json()["jobs"][0]["sources"].clone()
    };
    let job = json!({"target": 5, "urls": ["https://example.org/"]});
    post(served.address, JOBS, &job).await;
    timeout(HANGS, runs(1)).await.unwrap();
    // Whoever read it again could not.
    let file = rusqlite::Connection::open(folder.path().join("mailscan.db")).unwrap();
    file.execute_batch("UPDATE job_spec SET spec = 'unreadable'").unwrap();
    post(served.address, JOBS, &job).await;
    let sources = timeout(HANGS, runs(2)).await.unwrap();
    assert_eq!(sources, json!(["https://example.org/"]), "the engine looked at both jobs, and so did who listed them");
    assert_eq!(get(served.address, &format!("{JOBS}/1/eta")).await.json()["status"], "running");
    assert_eq!(get(served.address, "/metrics").await.status, 200);
    assert_eq!(get(served.address, "/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_job_is_begun_as_a_small_one() {
    let server = start(ServeOptions::default()).await;
    let urls: Vec<_> = (0..10_000).map(|n| format!("https://example.org/{n}")).collect();
    let begun = post(server.address, JOBS, &json!({"target": 1_000_000_000, "urls": urls})).await;
    assert_eq!((begun.status, &begun.json()["sources_total"]), (202, &json!(10_000)));
    assert_eq!(server.store.depth(JobId(1)).await.unwrap().total(), 0, "nothing waits for its tasks");
    let long: Vec<_> = (0..10_000).map(|n| format!("https://example.org/{}/{n}", "x".repeat(1_000))).collect();
    let begun = post(server.address, JOBS, &json!({"target": 1, "urls": long})).await;
    assert_eq!((begun.status, &begun.json()["sources_total"]), (202, &json!(10_000)), "ten megabytes");
    let more: Vec<_> = (0..10_001).map(|n| format!("https://e.org/{n}")).collect();
    assert_eq!(wrong(&post(server.address, JOBS, &json!({"target": 1, "urls": more})).await), ["urls"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_is_named_at_once() {
    let server = start(ServeOptions::default()).await;
    let body = json!({"target": 0, "urls": ["https://a.org", "a.org", 7], "paths": ["/etc/passwd"], "depth": 1,
        "searches": ["x"], "search_endpoint": "/etc/passwd", "time_limit": 1e9, "rate_limt": 1, "include": ["x"]});
    let fields = wrong(&post(server.address, JOBS, &body).await);
    let expected =
        ["depth", "include[0]", "paths", "rate_limt", "search_endpoint", "target", "time_limit", "urls[1]", "urls[2]"];
    assert_eq!(fields, expected);
    assert_eq!(wrong(&post(server.address, JOBS, &json!({})).await), ["target", "urls"]);
    for body in ["", "null", "[]", "{", "{\"target\": 1, \"target\": 2}"] {
        let answer = send_json(server.address, "POST", JOBS, "", body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
    }
    let named = |answer: Answer| (answer.status, answer.json()["field"].clone());
    let broken = send_json(server.address, "POST", JOBS, "", r#"{"urls": [], "target": 1x}"#).await;
    assert_eq!(named(broken), (400, json!("target")));
    let twice = r#"{"target": 1, "urls": ["https://a.org"], "target": 2}"#;
    assert_eq!(wrong(&send_json(server.address, "POST", JOBS, "", twice).await), ["target"]);
    assert_eq!(get(server.address, JOBS).await.json()["jobs"], json!([]), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_is_repeated_safely() {
    let server = start(ServeOptions::default()).await;
    let body = json!({"target": 7, "urls": ["https://a.org/"], "rate_limit": 0.123_456_789, "time_limit": 1.000_4,
        "include": ["literal", "role"]});
    let with = async |key: &str, body: &Value| {
        send_json(server.address, "POST", JOBS, &format!("Idempotency-Key: {key}\r\n"), &body.to_string()).await
    };
    let first = with("a-1", &body).await;
    let again = with("a-1", &body).await;
    assert_eq!((first.status, again.status, first.json()["id"].as_u64()), (202, 202, Some(1)));
    assert_eq!((first.json(), again.header("location")), (again.json(), Some("/api/v1/jobs/1")));
    let other = json!({"target": 8, "urls": ["https://a.org/"]});
    let refused = with("a-1", &other).await;
    assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("Idempotency-Key")), "{}", refused.body);
    assert_eq!(with("a-2", &other).await.json()["id"], 2);
    assert_eq!(post(server.address, JOBS, &other).await.json()["id"], 3, "without a key each is a job of its own");
    for key in ["", &"x".repeat(256), "ü"] {
        assert_eq!(with(key, &other).await.status, 400, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_stay_below_a_root() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("in")).unwrap();
    fs::write(folder.path().join("secret"), "x").unwrap();
    std::os::unix::fs::symlink(folder.path().join("secret"), root.join("link")).unwrap();
    let server = start(ServeOptions { roots: vec![root.clone()], ..ServeOptions::default() }).await;
    let begin = async |paths: Value| post(server.address, JOBS, &json!({"target": 1, "paths": paths})).await;
    let begun = begin(json!(["in", root.join("in")])).await;
    assert_eq!(begun.status, 202, "{}", begun.body);
    let whole = root.join("in").canonicalize().unwrap().to_str().unwrap().to_owned();
    let stored = server.store.job(JobId(1)).await.unwrap().unwrap().spec.sources;
    assert_eq!(stored, [JobSource::Path(whole.clone()), JobSource::Path(whole)]);
    let origin = async |id| server.store.job(JobId(id)).await.unwrap().unwrap().origin;
    let roots = vec![root.canonicalize().unwrap().to_str().unwrap().to_owned()];
    assert_eq!(origin(1).await, Origin::Api { roots });
    post(server.address, JOBS, &json!({"target": 1, "urls": ["https://a.org/"]})).await;
    assert_eq!(origin(2).await, Origin::Api { roots: Vec::new() }, "it has no file to read");
    let outside = json!(["in", "../secret", "link", "/etc", "nothing", folder.path()]);
    assert_eq!(wrong(&begin(outside).await), ["paths[1]", "paths[2]", "paths[3]", "paths[4]", "paths[5]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_paused_resumed_and_cancelled() {
    let server = start(ServeOptions::default()).await;
    job(&server.store, 5, JobStatus::Running).await;
    let change =
        async |what: &str, body: &str| send_json(server.address, "POST", &format!("{JOBS}/1/{what}"), "", body).await;
    let paused = change("pause", r#"{"reason": "lunch"}"#).await;
    assert_eq!(
        (paused.status, &paused.json()["status"], &paused.json()["reason"]),
        (200, &json!("paused"), &json!("lunch"))
    );
    assert_eq!(change("pause", "").await.json()["reason"], "lunch", "pausing it again changes nothing");
    assert_eq!(change("resume", "{}").await.json()["status"], "queued");
    let plain = request(server.address, "POST", &format!("{JOBS}/1/pause")).await;
    assert_eq!((plain.status, &plain.json()["status"]), (200, &json!("paused")), "without a body and a type");
    assert_eq!(change("cancel", "{}").await.json()["status"], "cancelled");
    for what in ["pause", "resume"] {
        let refused = change(what, "{}").await;
        assert_eq!(refused.status, 409);
        assert!(refused.json()["detail"].as_str().unwrap().contains("is cancelled"), "{}", refused.body);
    }
    assert_eq!(wrong(&change("cancel", r#"{"reson": "x"}"#).await), ["reson"]);
    assert_eq!(wrong(&change("cancel", r#"{"reason": 7}"#).await), ["reason"]);
    assert_eq!(post(server.address, &format!("{JOBS}/9/pause"), &json!({})).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_deleted_with_all_it_has() {
    let server = start(ServeOptions::default()).await;
    let (gone, kept) =
        (job(&server.store, 5, JobStatus::Running).await, job(&server.store, 6, JobStatus::Running).await);
    let task = |job, n| NewTask { job, work: Work::Page { url: format!("https://e.org/{n}") }, depth: 0, limit: None };
    server.store.push(&(0..5_000).flat_map(|n| [task(gone, n), task(kept, n)]).collect::<Vec<_>>()).await.unwrap();
    let target = format!("{JOBS}/{gone}");
    let refused = delete(server.address, &target).await;
    assert_eq!(refused.status, 409);
    assert!(refused.json()["detail"].as_str().unwrap().contains("pause or cancel"), "{}", refused.body);
    post(server.address, &format!("{target}/cancel"), &json!({})).await;
    assert_eq!(delete(server.address, &target).await.status, 204);
    for target in [target.clone(), format!("{target}/addresses"), format!("{target}/errors")] {
        assert_eq!(get(server.address, &target).await.status, 404, "{target}");
    }
    assert_eq!(delete(server.address, &target).await.status, 404);
    let purged = async {
        while server.store.depth(gone).await.unwrap().total() > 0
            || !server.store.deleted_jobs(9).await.unwrap().is_empty()
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(HANGS, purged).await.unwrap();
    assert_eq!(server.store.depth(kept).await.unwrap().pending, 5_000);
    let begun = post(server.address, JOBS, &json!({"target": 1, "urls": ["https://a.org/"]})).await.json();
    assert_eq!(begun["id"], 3, "no id is used again");
}
