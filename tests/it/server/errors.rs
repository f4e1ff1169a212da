//! The error desk over HTTP: lists, notes, and another try.

use mailscan_core::job::{JobId, JobStatus};
use mailscan_core::lease::{Claimed, FailureClass, NodeId, Settle, Verdict};
use mailscan_core::queue::{ClaimRequest, Queue, Share};
use mailscan_core::store::{ErrorClass, NewWorkerError, Store};
use mailscan_core::task::{NewTask, Work};
use mailscan_http::ServeOptions;
use serde_json::{Value, json};
use std::time::Duration;

use super::client::{get, post};
use super::{Running, job, start};

async fn claim(server: &Running, job: JobId) -> Vec<Claimed> {
    let request = ClaimRequest {
        node: NodeId("node".to_owned()),
        shares: vec![Share { job, limit: 99 }],
        per_host: 99,
        calls: 99,
        busy_hosts: Vec::new(),
        suspects: 99,
        lease_for: Duration::from_secs(90),
    };
    server.store.claim(&request).await.unwrap()
}

/// A completed job of one page at each host, all of them given up, with an error each.
async fn given_up(server: &Running, hosts: &[&str]) -> JobId {
    // Jobs of equal targets would be one.
    let id = job(&server.store, 100 + hosts.len() as u64, JobStatus::Running).await;
    let task =
        |host: &&str| NewTask { job: id, work: Work::Page { url: format!("https://{host}/") }, depth: 0, limit: None };
    server.store.push(&hosts.iter().map(task).collect::<Vec<_>>()).await.unwrap();
    let claimed = claim(server, id).await;
    let class = FailureClass::Exhausted;
    let error = |claimed: &Claimed| NewWorkerError {
        job: id,
        task: claimed.task.id,
        fence: claimed.lease.fence,
        node: NodeId("node".to_owned()),
        class: ErrorClass::Failed(class),
        code: if claimed.task.work.host().starts_with('a') { "timeout" } else { "http-503" }.to_owned(),
        host: claimed.task.work.host(),
        label: claimed.task.work.label(),
        message: "no answer".to_owned(),
    };
    server.store.record_errors(&claimed.iter().map(error).collect::<Vec<_>>()).await.unwrap();
    let settle = |claimed: &Claimed| Settle::new(claimed.lease, Verdict::Failed { class, message: String::new() });
    server.store.settle(&claimed.iter().map(settle).collect::<Vec<_>>()).await.unwrap();
    server.store.transition(id, &[JobStatus::Running], JobStatus::Completed, None).await.unwrap();
    id
}

async fn list(server: &Running, query: &str) -> Vec<Value> {
    let answer = get(server.address, &format!("/api/v1/jobs/1/errors/list?{query}")).await.json();
    assert_eq!(answer["job_id"], 1);
    answer["errors"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_over_tells_how_many_of_its_errors_are_open() {
    let server = start(ServeOptions::default()).await;
    given_up(&server, &["a.org", "b.org", "c.org"]).await;
    let open = async || get(server.address, "/api/v1/jobs/1").await.json()["errors_open"].clone();
    assert_eq!(open().await, 3);
    let answer = post(server.address, "/api/v1/jobs/1/errors/resolve", &json!({"host": "a.org", "note": "gone"})).await;
    assert_eq!((answer.status, open().await), (200, json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_listed_and_filtered() {
    let server = start(ServeOptions::default()).await;
    given_up(&server, &["a.org", "b.org", "c.org"]).await;
    let all = list(&server, "").await;
    assert_eq!(all.len(), 3);
    assert_eq!(
        (&all[0]["class"], &all[0]["message"], &all[0]["resolved"]),
        (&json!("exhausted"), &json!("no answer"), &json!(null))
    );
    assert_eq!(list(&server, "code=http-503").await.len(), 2);
    assert_eq!(list(&server, "host=c.org&code=http-503&class=exhausted&open=true").await.len(), 1);
    assert_eq!(list(&server, "class=permanent").await.len(), 0);
    let page = get(server.address, "/api/v1/jobs/1/errors/list?limit=2").await.json();
    let next = page["next_after"].as_u64().unwrap();
    assert_eq!(list(&server, &format!("after={next}")).await, all[2..]);
    let page = get(server.address, "/api/v1/jobs/1/errors/list?limit=3").await.json();
    assert_eq!(page["next_after"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_resolved_with_a_note() {
    let server = start(ServeOptions::default()).await;
    given_up(&server, &["a.org", "b.org", "c.org"]).await;
    let resolve = async |body: Value| post(server.address, "/api/v1/jobs/1/errors/resolve", &body).await;
    let first = list(&server, "").await[0]["id"].clone();
    let resolved = resolve(json!({"ids": [first], "note": "seen"})).await;
    assert_eq!((resolved.status, resolved.json()), (200, json!({"resolved": 1, "retried": 0, "found": 1})));
    let again = resolve(json!({"ids": [first, 4_711], "note": "seen again"})).await;
    assert_eq!(again.json(), json!({"resolved": 0, "retried": 0, "found": 1}), "one is resolved, and one is unknown");
    for unknown in [json!({"ids": [4_711]}), json!({"host": "nowhere.org"}), json!({"ids": [4_711], "retry": true})] {
        let mut body = unknown;
        body["note"] = json!("nothing");
        let missing = resolve(body).await;
        assert_eq!(missing.status, 404, "{}", missing.body);
    }
    let resolved = resolve(json!({"class": "exhausted", "note": "the site has moved"})).await;
    assert_eq!(resolved.json(), json!({"resolved": 2, "retried": 0}));
    let all = list(&server, "").await;
    let notes: Vec<_> = all.iter().map(|error| error["resolved"]["note"].as_str().unwrap()).collect();
    assert_eq!(notes, ["seen", "the site has moved", "the site has moved"]);
    assert_eq!((&all[0]["resolved"]["retried"], &all[0]["resolved"]["outcome"]), (&json!(false), &json!(null)));
    assert!(list(&server, "open=true").await.is_empty());
    assert_eq!(get(server.address, "/api/v1/jobs/1").await.json()["status"], "completed");
    for (body, field) in [
        (json!({"note": "all of them"}), "ids"),
        (json!({"ids": [], "note": "none"}), "ids"),
        (json!({"code": "timeout"}), "note"),
        (json!({"code": "timeout", "note": ""}), "note"),
        (json!({"class": "bad", "note": "x"}), "class"),
        (json!({"ids": ["x"], "note": "x"}), "ids"),
        (json!({"code": "x", "note": "x", "retries": true}), "retries"),
        (json!({"code": "x", "note": "x", "up_to": 1}), "up_to"),
    ] {
        let refused = resolve(body).await;
        assert_eq!((refused.status, &refused.json()["field"]), (400, &json!(field)), "{}", refused.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_has_given_up_all_is_not_resumed_but_its_errors_are() {
    let server = start(ServeOptions::default()).await;
    let id = given_up(&server, &["a.org"]).await;
    server.store.transition(id, &[JobStatus::Completed], JobStatus::Queued, None).await.unwrap();
    server.store.transition(id, &[JobStatus::Queued], JobStatus::Running, None).await.unwrap();
    server.store.transition(id, &[JobStatus::Running], JobStatus::Failed, None).await.unwrap();
    let resume = async || post(server.address, "/api/v1/jobs/1/resume", &json!({})).await;
    let refused = resume().await;
    assert_eq!(refused.status, 409);
    assert!(
        refused.json()["detail"].as_str().unwrap().contains("resolving its errors with `retry`"),
        "{}",
        refused.body
    );
    let again = json!({"class": "exhausted", "note": "it is back", "retry": true});
    assert_eq!(post(server.address, "/api/v1/jobs/1/errors/resolve", &again).await.json()["retried"], 1);
    assert_eq!(get(server.address, "/api/v1/jobs/1").await.json()["status"], "queued");
    assert_eq!(resume().await.status, 200, "there is something to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_tried_again_and_the_error_tells_what_came_of_it() {
    let server = start(ServeOptions::default()).await;
    let id = given_up(&server, &["a.org", "b.org", "c.org"]).await;
    let resolve = async |body: Value| post(server.address, "/api/v1/jobs/1/errors/resolve", &body).await;
    let again = json!({"code": "http-503", "note": "it is back", "retry": true});
    assert_eq!(resolve(again.clone()).await.json(), json!({"resolved": 2, "retried": 2}));
    assert_eq!(resolve(again).await.json(), json!({"resolved": 0, "retried": 0}), "once is enough");
    let shown = get(server.address, "/api/v1/jobs/1").await.json();
    assert_eq!(
        (&shown["status"], &shown["queue"]["pending"], &shown["queue"]["failed"]),
        (&json!("queued"), &json!(2), &json!(1))
    );
    assert_eq!(shown["finished_at"], json!(null));
    let outcomes = async || {
        let all = list(&server, "code=http-503").await;
        all.iter().map(|error| error["resolved"]["outcome"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(outcomes().await, ["pending", "pending"]);
    let mut claimed = claim(&server, id).await;
    claimed.sort_by_key(|claimed| claimed.task.id);
    assert!(claimed.iter().all(|claimed| claimed.task.attempt == 1), "a fresh budget");
    let failed = Verdict::Failed { class: FailureClass::Permanent, message: String::new() };
    let batch: Vec<_> = claimed.iter().zip([Verdict::Done, failed]).map(|(c, v)| Settle::new(c.lease, v)).collect();
    server.store.settle(&batch).await.unwrap();
    assert_eq!(outcomes().await, ["succeeded", "failed"]);
    assert_eq!(list(&server, "code=timeout").await[0]["resolved"], json!(null), "the others stay open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_goes_up_to_the_error_that_it_names() {
    let server = start(ServeOptions::default()).await;
    given_up(&server, &["a.org", "b.org", "c.org"]).await;
    let second = list(&server, "").await[1]["id"].clone();
    let body = json!({"class": "exhausted", "note": "x", "retry": true, "up_to": second});
    let resolved = post(server.address, "/api/v1/jobs/1/errors/resolve", &body).await;
    assert_eq!((resolved.status, resolved.json()), (200, json!({"resolved": 2, "retried": 2})));
    assert_eq!(list(&server, "open=true").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_never_be_done_is_not_tried_again() {
    let server = start(ServeOptions::default()).await;
    let id = given_up(&server, &["a.org"]).await;
    server.store.transition(id, &[JobStatus::Completed], JobStatus::Queued, None).await.unwrap();
    server.store.transition(id, &[JobStatus::Queued], JobStatus::Cancelled, None).await.unwrap();
    let body = json!({"host": "a.org", "note": "x", "retry": true});
    let refused = post(server.address, "/api/v1/jobs/1/errors/resolve", &body).await;
    assert_eq!(refused.status, 409);
    assert!(refused.json()["detail"].as_str().unwrap().contains("is cancelled"), "{}", refused.body);
    assert_eq!(list(&server, "open=true").await.len(), 1, "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_all_jobs_are_listed_with_the_same_filters() {
    let server = start(ServeOptions::default()).await;
    let first = given_up(&server, &["a.org", "b.org"]).await;
    let second = given_up(&server, &["a.org", "c.org", "d.org"]).await;
    let all = async |query: &str| get(server.address, &format!("/api/v1/errors?{query}")).await.json();
    let jobs = |answer: &Value| -> Vec<u64> {
        answer["errors"].as_array().unwrap().iter().map(|error| error["job_id"].as_u64().unwrap()).collect()
    };
    let (one, two) = (first.0, second.0);
    assert_eq!(jobs(&all("").await), [one, one, two, two, two]);
    assert_eq!(jobs(&all("host=a.org").await), [one, two]);
    assert_eq!(jobs(&all("code=http-503&class=exhausted&open=true").await), [one, two, two]);
    assert_eq!(all("limit=5").await["next_after"], json!(null));
    let page = all("limit=3").await;
    assert_eq!(jobs(&page), [one, one, two]);
    let rest = all(&format!("limit=3&after={}", page["next_after"])).await;
    assert_eq!((jobs(&rest), &rest["next_after"]), (vec![two, two], &json!(null)));

    // What came of another try is told of each job's own tasks.
    let again = json!({"host": "a.org", "note": "again", "retry": true});
    assert_eq!(post(server.address, &format!("/api/v1/jobs/{two}/errors/resolve"), &again).await.status, 200);
    let tried = all("host=a.org").await;
    assert_eq!(tried["errors"][0]["resolved"], json!(null));
    assert_eq!(tried["errors"][1]["resolved"]["outcome"], "pending");
    assert_eq!(jobs(&all("open=true").await), [one, one, two, two]);
    assert_eq!(get(server.address, "/api/v1/errors?class=bad").await.status, 400);
}
