//! Live events: what listeners are told, when their streams end, and that the slow and the many are borne.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mailscan_core::Address;
use mailscan_core::backend::memory::{MemoryQueue, MemoryStore};
use mailscan_core::backend::sqlite::Sqlite;
use mailscan_core::class::Classes;
use mailscan_core::extract::Form;
use mailscan_core::job::{JobId, JobSource, JobSpec, JobStatus, NewJob};
use mailscan_core::pipeline::Backends;
use mailscan_core::queue::QueueLimits;
use mailscan_core::source::Sources;
use mailscan_core::store::{Sighting, Store};
use mailscan_http::ServeOptions;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::client::{delete, get, post, request};
use super::{HANGS, Running, described, job, start};

/// One who listens, and holds every event to the description of the API.
struct Listener {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    target: String,
}

impl Listener {
    async fn open(address: SocketAddr, target: &str, more: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{more}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut listener = Self { stream: BufReader::new(stream), address, target: target.to_owned() };
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push_str(&listener.line().await.unwrap());
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("content-type: text/event-stream\r\n") && head.contains("no-store"), "{head}");
        listener
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(HANGS, self.stream.read_line(&mut line)).await.expect("no event comes").unwrap();
        (read > 0).then_some(line)
    }

    /// The next event, its id and its data; `None` at the end of the stream.
    async fn next(&mut self) -> Option<(String, Option<u64>, Value)> {
        let (mut name, mut id) = (String::new(), None);
        loop {
            let line = self.line().await?;
            if let Some(value) = line.strip_prefix("event: ") {
                name = value.trim_end().to_owned();
            } else if let Some(value) = line.strip_prefix("id: ") {
                id = Some(value.trim_end().parse::<u64>().unwrap());
            } else if let Some(value) = line.strip_prefix("data: ") {
                let data = value.trim_end();
                let mut event = json!({ "event": name, "data": data });
                if let Some(id) = id {
                    event["id"] = id.to_string().into();
                }
                described::check_event(self.address, &self.target, &event).await;
                return Some((name, id, serde_json::from_str(data).unwrap()));
            }
        }
    }

    /// The first event of which this holds.
    async fn until(&mut self, wanted: impl Fn(&str, &Value) -> bool) -> Value {
        loop {
            let (name, _, data) = self.next().await.expect("the stream ended");
            if wanted(&name, &data) {
                return data;
            }
        }
    }
}

async fn collect(store: &Sqlite, id: JobId, numbers: std::ops::Range<u64>) {
    let sighting = |n| Sighting {
        job: id,
        address: Address::parse(&format!("user{n}@example.org")).unwrap(),
        source: "https://example.org/".into(),
        offset: 0,
        form: Form::Plain,
        classes: Classes::NONE,
    };
    store.insert(&numbers.map(sighting).collect::<Vec<_>>()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_followed_to_its_end() {
    let server = start(ServeOptions::default()).await;
    let id = job(&server.store, 100, JobStatus::Running).await;
    collect(&server.store, id, 0..10).await;
    let mut listener = Listener::open(server.address, "/api/v1/jobs/1/events", "").await;
    let (name, first, progress) = listener.next().await.unwrap();
    assert_eq!((name.as_str(), &progress["job_id"], &progress["status"]), ("progress", &json!(1), &json!("running")));
    assert_eq!(
        (&progress["collected"], &progress["target"], &progress["workers"]),
        (&json!(10), &json!(100), &json!(5))
    );
    for name in
        ["percentage", "emails_per_minute", "queue", "bounds", "errors_open", "eta_seconds", "elapsed_formatted"]
    {
        assert!(progress.get(name).is_some(), "{name}: {progress}");
    }
    assert!(progress["at"].as_str().unwrap().ends_with('Z'), "{progress}");

    collect(&server.store, id, 10..30).await;
    let (name, second, progress) = listener.next().await.unwrap();
    assert_eq!((name.as_str(), &progress["collected"]), ("progress", &json!(30)));
    assert!(second > first, "ids rise: {first:?} {second:?}");

    // One who comes back is told at once how it stands, though nothing changed.
    let resumed = format!("Last-Event-ID: {}\r\n", second.unwrap());
    let mut back = Listener::open(server.address, "/api/v1/jobs/1/events", &resumed).await;
    assert_eq!(back.next().await.unwrap().2["collected"], 30);

    server.store.transition(id, &[JobStatus::Running], JobStatus::Completed, None).await.unwrap();
    for listener in [&mut listener, &mut back] {
        let last = listener.until(|name, _| name == "progress").await;
        assert_eq!(last["status"], "completed");
        let (name, _, ended) = listener.next().await.unwrap();
        assert_eq!((name.as_str(), &ended["id"], &ended["status"]), ("end", &json!(1), &json!("completed")));
        assert!(ended["queue"].is_object(), "{ended}");
        assert_eq!(listener.next().await, None);
    }
    let mut late = Listener::open(server.address, "/api/v1/jobs/1/events", "").await;
    late.until(|name, _| name == "end").await;
    assert_eq!(late.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_jobs_are_followed() {
    let server = start(ServeOptions::default()).await;
    let first = job(&server.store, 10, JobStatus::Running).await;
    job(&server.store, 11, JobStatus::Completed).await;
    let mut listener = Listener::open(server.address, "/api/v1/events", "").await;
    let row = listener.until(|name, _| name == "job").await;
    assert_eq!((&row["id"], &row["status"], &row["collected"]), (&json!(1), &json!("running"), &json!(0)));
    collect(&server.store, first, 0..3).await;
    let row = listener.until(|_, row| row["collected"] == 3).await;
    assert_eq!(row["id"], 1, "job 2 was settled before anybody listened");
    // One that comes and goes between two looks is not missed.
    let third = job(&server.store, 12, JobStatus::Cancelled).await;
    let row = listener.until(|_, row| row["id"] == third.0).await;
    assert_eq!(row["status"], "cancelled");
    server.store.transition(first, &[JobStatus::Running], JobStatus::Failed, Some("why")).await.unwrap();
    let row = listener.until(|_, row| row["status"] == "failed").await;
    assert_eq!((&row["id"], &row["reason"]), (&json!(1), &json!("why")));
    let mut second = Listener::open(server.address, "/api/v1/events", "").await;
    let fourth = job(&server.store, 13, JobStatus::Queued).await;
    assert_eq!(second.next().await.unwrap().2["id"], fourth.0, "settled jobs are not repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_had_ended_and_is_cancelled_is_told_to_the_list() {
    let server = start(ServeOptions::default()).await;
    let failed = job(&server.store, 10, JobStatus::Failed).await;
    let open = job(&server.store, 11, JobStatus::Paused).await;
    let mut listener = Listener::open(server.address, "/api/v1/events", "").await;
    let (_, heard, row) = listener.next().await.unwrap();
    assert_eq!(row["id"], open.0, "the failed one was settled before anybody listened");
    for id in [failed, open] {
        let answer = post(server.address, &format!("/api/v1/jobs/{id}/cancel"), &json!({})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let (name, _, row) = listener.next().await.unwrap();
        assert_eq!((name.as_str(), &row["id"], &row["status"]), ("job", &json!(id.0), &json!("cancelled")));
    }
    // Nothing of it is told twice, and whoever was away meanwhile is told as well.
    let new = job(&server.store, 12, JobStatus::Paused).await;
    assert_eq!(listener.next().await.unwrap().2["id"], new.0);
    let mut back = back(&server, heard.unwrap()).await;
    for id in [failed, open, new] {
        assert_eq!(back.next().await.unwrap().2["id"], id.0);
    }
}

/// Whoever comes back to the list, with what was heard last.
async fn back(server: &Running, heard: impl std::fmt::Display) -> Listener {
    Listener::open(server.address, "/api/v1/events", &format!("Last-Event-ID: {heard}\r\n")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_to_the_list_is_told_what_changed_meanwhile() {
    let server = start(ServeOptions::default()).await;
    let (settles, goes) =
        (job(&server.store, 10, JobStatus::Running).await, job(&server.store, 11, JobStatus::Paused).await);
    job(&server.store, 12, JobStatus::Running).await;
    let mut first = Listener::open(server.address, "/api/v1/events", "").await;
    let mut heard = None;
    for _ in 0..3 {
        let (name, id, _) = first.next().await.unwrap();
        assert!(name == "job" && id > heard, "ids rise: {heard:?} {id:?}");
        heard = id;
    }
    drop(first);
    server.store.transition(settles, &[JobStatus::Running], JobStatus::Completed, None).await.unwrap();
    assert_eq!(delete(server.address, &format!("/api/v1/jobs/{goes}")).await.status, 204);
    let new = job(&server.store, 13, JobStatus::Queued).await;
    // All of it was seen by the server, before anybody is there again to be told as it happens.
    let mut witness = Listener::open(server.address, "/api/v1/events", "").await;
    witness.until(|_, row| row["id"] == new.0).await;

    let mut back = back(&server, heard.unwrap()).await;
    let mut told = Vec::new();
    while told.len() < 3 {
        let (name, id, data) = back.next().await.unwrap();
        assert!(id > heard, "nothing is told again: {data}");
        heard = id;
        told.push((name, data["id"].as_u64().unwrap(), data["status"].as_str().map(str::to_owned)));
    }
    told.sort();
    let of = |name: &str, id: JobId, status: Option<&str>| (name.to_owned(), id.0, status.map(str::to_owned));
    let expected = [of("deleted", goes, None), of("job", settles, Some("completed")), of("job", new, Some("queued"))];
    assert_eq!(told, expected, "and nothing of the job that is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_for_too_long_is_told_how_all_stands() {
    let server = start(ServeOptions::default()).await;
    let open = job(&server.store, 10, JobStatus::Running).await;
    job(&server.store, 11, JobStatus::Completed).await;
    for (n, heard) in [(0, "7"), (1, "18446744073709551615"), (2, "of another server")] {
        let mut listener = back(&server, heard).await;
        let (name, id, data) = listener.next().await.unwrap();
        assert_eq!((name.as_str(), data["jobs"].as_array().unwrap().len()), ("snapshot", 1), "{data}");
        assert_eq!((&data["jobs"][0]["id"], &data["jobs"][0]["status"]), (&json!(open.0), &json!("running")));
        // From there on it is as for everybody, also with the id of the snapshot.
        let mut again = back(&server, id.unwrap()).await;
        let new = job(&server.store, 100 + n, JobStatus::Queued).await;
        for listener in [&mut listener, &mut again] {
            assert_eq!(listener.next().await.unwrap().2["id"], new.0);
        }
        server.store.transition(new, &[JobStatus::Queued], JobStatus::Cancelled, None).await.unwrap();
        listener.until(|_, row| row["status"] == "cancelled").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_listened_to_is_said_in_a_problem() {
    let server = start(ServeOptions::default()).await;
    assert_eq!(get(server.address, "/api/v1/jobs/7/events").await.status, 404);
    assert_eq!(get(server.address, "/api/v1/jobs/x/events").await.status, 400);
    assert_eq!(request(server.address, "OPTIONS", "/api/v1/events").await.status, 204);
    let head = request(server.address, "HEAD", "/api/v1/events").await;
    assert_eq!((head.status, head.header("content-type"), head.body.as_str()), (200, Some("text/event-stream"), ""));
    let file = rusqlite::Connection::open(server.folder.path().join("mailscan.db")).unwrap();
    file.execute_batch("ALTER TABLE job RENAME TO away").unwrap();
    let refused = get(server.address, "/api/v1/events").await;
    assert!(refused.status >= 500 && refused.header("content-type") == Some("application/problem+json"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_is_not_idle_and_one_who_does_not_read_holds_nobody_up() {
    /// Far more than lies between a server and a client who does not read: the buffers of both and of the system.
    const TOLD: usize = 24 << 20;
    const EVENT: usize = 1 << 20;
    let server = start(ServeOptions { head_timeout: Duration::from_secs(1), ..ServeOptions::default() }).await;
    let id = job(&server.store, 1_000, JobStatus::Running).await;
    let mut reads = Listener::open(server.address, "/api/v1/jobs/1/events", "").await;
    let _deaf = Listener::open(server.address, "/api/v1/jobs/1/events", "").await;
    let states = [JobStatus::Running, JobStatus::Paused, JobStatus::Queued];
    for n in 1..=TOLD / EVENT {
        let (from, to) = (states[(n - 1) % 3], states[n % 3]);
        let reason = format!("{n} {}", "x".repeat(EVENT));
        server.store.transition(id, &[from], to, Some(&reason)).await.unwrap();
        reads.until(|_, progress| progress["reason"] == *reason).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_listen_and_all_are_told() {
    let server = start(ServeOptions::default()).await;
    let id = job(&server.store, 1_000, JobStatus::Running).await;
    let opened = (0..300).map(|_| Listener::open(server.address, "/api/v1/jobs/1/events", ""));
    let mut listeners = futures::future::join_all(opened).await;
    collect(&server.store, id, 0..7).await;
    for listener in &mut listeners {
        listener.until(|_, progress| progress["collected"] == 7).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_ends_its_streams() {
    let server = start(ServeOptions::default()).await;
    job(&server.store, 10, JobStatus::Running).await;
    let mut one = Listener::open(server.address, "/api/v1/jobs/1/events", "").await;
    let mut all = Listener::open(server.address, "/api/v1/events", "").await;
    assert!(one.next().await.is_some() && all.next().await.is_some());
    server.stop.send(()).unwrap();
    timeout(HANGS, server.served).await.unwrap().unwrap().unwrap();
    for listener in [&mut one, &mut all] {
        let mut rest = Vec::new();
        timeout(HANGS, listener.stream.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert!(rest.ends_with(b"0\r\n\r\n"), "a whole answer, not a broken one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stopped_or_was_dropped_keeps_no_pipeline() {
    for drops in [false, true] {
        let queue = MemoryQueue::new(QueueLimits::default());
        let pipeline = Arc::new(Backends { queue, store: MemoryStore::new(), fetcher: Sources::new() });
        let spec = JobSpec::new(10, vec![JobSource::Url("https://example.org/".to_owned())]);
        pipeline.store.create_job(&NewJob::new(spec)).await.unwrap();
        let kept = Arc::downgrade(&pipeline);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(mailscan_http::serve(listener, pipeline, ServeOptions::default(), until));
        let mut one = Listener::open(address, "/api/v1/jobs/1/events", "").await;
        let mut all = Listener::open(address, "/api/v1/events", "").await;
        assert!(one.next().await.is_some() && all.next().await.is_some());
        if drops {
            served.abort();
        } else {
            stop.send(()).unwrap();
        }
        let _ = timeout(HANGS, served).await.unwrap();
        // Those who have listened to the list come back within a minute, but not to this server.
        let let_go = async {
            while kept.strong_count() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(HANGS / 4, let_go).await.expect("nobody looks at the jobs any more");
    }
}
