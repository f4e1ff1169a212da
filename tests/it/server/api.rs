//! Every route: what it answers, by which names, and what it says to a mistake.

use std::sync::Arc;
use std::time::Duration;

use mailscan_core::Address;
use mailscan_core::backend::sqlite::Sqlite;
use mailscan_core::class::Classes;
use mailscan_core::extract::Form;
use mailscan_core::job::{JobId, JobStatus};
use mailscan_core::lease::{FailureClass, NodeId};
use mailscan_core::queue::Queue;
use mailscan_core::source::Pace;
use mailscan_core::store::{ErrorClass, NewWorkerError, NodeBeat, Sighting, Store, WorkerState};
use mailscan_core::task::{NewTask, TaskId, Work};
use mailscan_http::ServeOptions;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::client::{get, names, request};
use super::{HANGS, Running, job, start, start_in};

/// The names of an estimate, the contract's among them.
const ETA: [&str; 11] = [
    "elapsed_formatted",
    "elapsed_seconds",
    "emails_per_minute",
    "eta_formatted",
    "eta_high_seconds",
    "eta_low_seconds",
    "eta_seconds",
    "job_id",
    "overall_emails_per_minute",
    "remaining_emails",
    "status",
];

/// The names of the system's figures.
const SYSTEM: [&str; 11] = [
    "cpus",
    "history",
    "load_15min",
    "load_1min",
    "load_5min",
    "memory_bytes",
    "memory_limit_bytes",
    "memory_peak_bytes",
    "memory_percentage",
    "memory_used_bytes",
    "process_cpu_percentage",
];

/// A running job that has 60 of 100 addresses after 30 seconds.
pub(super) async fn running_job(store: &Sqlite) -> JobId {
    let id = job(store, 100, JobStatus::Running).await;
    let sighting = |n| Sighting {
        job: id,
        address: Address::parse(&format!("user{n}@example.org")).unwrap(),
        source: Arc::from("https://example.org/"),
        offset: 0,
        form: Form::Plain,
        classes: Classes::NONE,
    };
    store.insert(&(0..60).map(sighting).collect::<Vec<_>>()).await.unwrap();
    store.record_active(id, Duration::from_secs(30)).await.unwrap();
    let task =
        |n| NewTask { job: id, work: Work::Page { url: format!("https://example.org/{n}") }, depth: 0, limit: None };
    store.push(&(0..7).map(task).collect::<Vec<_>>()).await.unwrap();
    id
}

/// What a process says that has two workers for the job, one of them busy, and one for another.
pub(super) async fn beat(store: &Sqlite, id: JobId) {
    let worker = |worker, in_flight, job| WorkerState { worker, in_flight, job, task: Some("a page".to_owned()) };
    let workers = vec![worker(0, 2, Some(id)), worker(1, 0, Some(id)), worker(2, 1, Some(JobId(id.0 + 1)))];
    let node = NodeId("node".to_owned());
    store.beat(&NodeBeat { node, host: "here".to_owned(), pid: 7, workers, bounds: Vec::new() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn health_plan_and_system_need_no_job() {
    let server = start(ServeOptions::default()).await;
    let health = get(server.address, "/healthz").await;
    assert_eq!((health.status, health.json()), (200, json!({"status": "ok"})));
    assert_eq!(health.header("content-type"), Some("application/json"));
    assert_eq!(health.header("cache-control"), Some("no-store"));
    assert_eq!(health.header("x-content-type-options"), Some("nosniff"));

    let plan = get(server.address, "/api/v1/plan?emails=1000000").await.json();
    let expected = json!({
        "emails": 1_000_000, "workers": 1_000, "emails_per_worker": 1_000, "calls_per_worker": 100,
        "projected_seconds": 210.0, "projected_formatted": "3m 30s", "bound_by": "max_workers",
    });
    assert_eq!(plan, expected);
    let largest = get(server.address, &format!("/api/v1/plan?emails={}", u64::MAX)).await;
    assert_eq!((largest.status, largest.json()["workers"].as_u64()), (200, Some(1_000)));

    let plan = get(server.address, "/api/v1/plan?emails=20000&hosts=1000&per_host=1&host_interval=3").await.json();
    assert_eq!((plan["max_pages_per_second"].as_f64().unwrap().floor(), &plan["bound_by"]), (333.0, &json!("hosts")));

    let fewer = get(server.address, "/api/v1/plan?emails=20000&workers=10&connections=1&hosts=1000").await.json();
    assert_eq!((&fewer["workers"], &fewer["emails_per_worker"]), (&json!(10), &json!(2_000)));
    assert_eq!((&fewer["max_pages_per_second"], &fewer["bound_by"]), (&json!(5.0), &json!("workers")));
    let most = get(server.address, "/api/v1/plan?emails=20000&workers=5000").await.json();
    assert_eq!(most["workers"], 1_000, "as many as there may be");
    for wrong in ["workers=0", "workers=100001", "workers=x", "connections=0", "per_host=0"] {
        let answer = get(server.address, &format!("/api/v1/plan?emails=1&{wrong}")).await;
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!(wrong.split('=').next())), "{wrong}");
    }

    for target in ["/api/v1/system", "/?page=api&action=system-resources"] {
        let system = get(server.address, target).await;
        assert_eq!(system.names(), SYSTEM, "{target}");
        let system = system.json();
        let number = |name: &str| system[name].as_f64().unwrap();
        assert!(number("memory_bytes") > 0.0 && number("memory_peak_bytes") >= number("memory_bytes"), "{system}");
        assert!(number("memory_percentage") > 0.0 && number("memory_percentage") <= 100.0, "{system}");
        assert!(number("load_1min") >= 0.0 && number("cpus") >= 1.0, "{system}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_from_every_side() {
    let server = start(ServeOptions::default()).await;
    let id = running_job(&server.store).await;
    beat(&server.store, id).await;

    let shown = get(server.address, "/api/v1/jobs/1").await.json();
    assert_eq!((&shown["id"], &shown["status"]), (&json!(1), &json!("running")));
    assert_eq!((&shown["collected"], &shown["target"], &shown["percentage"]), (&json!(60), &json!(100), &json!(60.0)));
    assert_eq!((&shown["workers"], &shown["queue"]["pending"]), (&json!(5), &json!(7)));
    assert_eq!(shown["sources"], json!(["https://example.org/"]));
    assert!(shown["created_at"].as_str().unwrap().ends_with('Z') && shown["finished_at"].is_null());

    for target in ["/api/v1/jobs/1/eta", "/?page=api&action=job-eta&job_id=1"] {
        let eta = get(server.address, target).await;
        assert_eq!(eta.names(), ETA, "{target}");
        let eta = eta.json();
        // It has been at work for 30 seconds, and for those that passed since somebody looked.
        let seconds = eta["elapsed_seconds"].as_u64().unwrap();
        assert!((30..=40).contains(&seconds), "{eta}");
        assert_eq!(eta["elapsed_formatted"], format!("{seconds}s"));
        assert_eq!(eta["eta_formatted"], format!("{}s", eta["eta_seconds"]));
        assert!(eta["eta_seconds"].as_u64() >= Some(20) && eta["emails_per_minute"].as_f64() <= Some(120.0), "{eta}");
        assert_eq!(eta["remaining_emails"], 40);
    }

    let workers = get(server.address, "/api/v1/jobs/1/workers").await.json();
    assert_eq!(
        (&workers["planned"], &workers["active"], &workers["idle"]),
        (&json!(5), &json!(1), &json!(1)),
        "one does nothing"
    );
    assert_eq!((&workers["stale"], workers["workers"].as_array().unwrap().len()), (&json!(0), 2));
    assert_eq!((&workers["workers"][0]["state"], &workers["workers"][1]["state"]), (&json!("active"), &json!("idle")));
    assert_eq!(workers["workers"][0]["task"], "a page");

    let all = get(server.address, "/api/v1/workers").await.json();
    assert_eq!((&all["active"], &all["idle"], &all["stale"]), (&json!(2), &json!(1), &json!(0)));
    let node = &all["nodes"][0];
    assert_eq!((&node["node"], &node["host"], &node["pid"]), (&json!("node"), &json!("here"), &json!(7)));
    let expected = json!({"worker": 2, "status": "active", "in_flight": 1, "job": 2, "task": "a page"});
    assert_eq!((&node["stale"], &node["workers"][2]), (&json!(false), &expected));

    let status = get(server.address, "/?page=api&action=job-worker-status&job_id=1").await;
    let more = ["collected", "percentage", "queue", "reason", "target", "workers"];
    let mut expected: Vec<_> = ETA.iter().chain(&more).map(|name| (*name).to_owned()).collect();
    expected.sort();
    assert_eq!(status.names(), expected);
    let status = status.json();
    assert_eq!((&status["status"], &status["workers"]["active"]), (&json!("running"), &json!(1)));
    assert!(status["eta_seconds"].as_u64() >= Some(20), "{status}");
    assert_eq!(status["queue"]["pending"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_asked_as_the_server_was_started_unless_a_plan_says_otherwise() {
    let pace = Pace { interval: Duration::from_secs(2), concurrency: 1, ..Pace::default() };
    let server = start(ServeOptions { pace, ..ServeOptions::default() }).await;
    let rate = async |more: &str| {
        let plan = get(server.address, &format!("/api/v1/plan?emails=20000&hosts=3{more}")).await.json();
        plan["max_pages_per_second"].as_f64().unwrap()
    };
    assert_eq!(rate("").await, 1.5);
    assert_eq!(rate("&host_interval=0").await, 1.5, "a page takes two seconds");
    assert_eq!(rate("&host_interval=0.5&per_host=8").await, 6.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_does_not_run_has_no_rate_and_no_workers() {
    let server = start(ServeOptions::default()).await;
    let id = running_job(&server.store).await;
    beat(&server.store, id).await;
    let from = [JobStatus::Running, JobStatus::Paused, JobStatus::Queued];
    for (to, seconds) in [
        (JobStatus::Paused, json!(null)),
        (JobStatus::Queued, json!(null)),
        (JobStatus::Running, json!("some")),
        (JobStatus::Completed, json!(0)),
    ] {
        server.store.transition(id, &from, to, None).await.unwrap();
        for target in ["/api/v1/jobs/1/eta", "/?page=api&action=job-worker-status&job_id=1"] {
            let shown = until(&server, target, |shown| shown["status"] == to.as_str()).await;
            if to == JobStatus::Running {
                // How long it has been at work goes on meanwhile.
                assert!(shown["eta_seconds"].as_u64() >= Some(20) && shown["emails_per_minute"].as_f64() > Some(0.0));
                continue;
            }
            assert_eq!(
                (&shown["eta_seconds"], shown["eta_formatted"].is_null()),
                (&seconds, seconds.is_null()),
                "{to}"
            );
            assert_eq!((&shown["emails_per_minute"], &shown["remaining_emails"]), (&json!(0.0), &json!(40)), "{to}");
            assert_eq!(shown["overall_emails_per_minute"], 120.0, "{to}: what was is as it was");
        }
        let workers = until(&server, &format!("/api/v1/jobs/{id}/workers"), |workers| {
            (workers["active"] == 1) == (to == JobStatus::Running)
        })
        .await;
        if to != JobStatus::Running {
            assert_eq!((&workers["idle"], &workers["stale"], &workers["workers"]), (&json!(0), &json!(0), &json!([])));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_are_known_from_before_a_restart() {
    let server = start(ServeOptions::default()).await;
    running_job(&server.store).await;
    server.stop.send(()).unwrap();
    timeout(HANGS, server.served).await.unwrap().unwrap().unwrap();
    drop(server.store);
    let server = start_in(server.folder, ServeOptions::default()).await;
    let rates = get(server.address, "/api/v1/jobs/1/rates").await.json();
    let first = &rates["history"][0];
    assert!(first["emails_per_minute"].as_f64() > Some(60.0), "60 addresses within a few seconds: {rates}");
    // What was read once is kept.
    let again = get(server.address, "/api/v1/jobs/1/rates").await.json();
    assert!(again["history"][0]["emails_per_minute"].as_f64() > Some(60.0), "{again}");
}

/// What is at a path once this holds.
async fn until(server: &Running, target: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    timeout(HANGS, async {
        loop {
            let shown = get(server.address, target).await.json();
            if wanted(&shown) {
                return shown;
            }
        }
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_by_key_and_state() {
    let server = start(ServeOptions::default()).await;
    for (target, status) in [(1, JobStatus::Queued), (2, JobStatus::Paused), (3, JobStatus::Queued)] {
        job(&server.store, target, status).await;
    }
    let ids = async |target: &str| {
        let page = get(server.address, target).await.json();
        let ids: Vec<_> = page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_u64().unwrap()).collect();
        (ids, page["next_after"].as_u64())
    };
    assert_eq!(ids("/api/v1/jobs").await, (vec![1, 2, 3], None));
    assert_eq!(ids("/api/v1/jobs?limit=2").await, (vec![1, 2], Some(2)));
    assert_eq!(
        ids("/api/v1/jobs?limit=3").await,
        (vec![1, 2, 3], None),
        "a full page is the last when nothing follows"
    );
    assert_eq!(ids("/api/v1/jobs?limit=2&after=2").await, (vec![3], None));
    assert_eq!(ids("/api/v1/jobs?status=queued").await, (vec![1, 3], None));
    assert_eq!(ids("/api/v1/jobs?status=paused,completed").await, (vec![2], None));
    assert_eq!(ids("/api/v1/jobs?order=desc&limit=2").await, (vec![3, 2], Some(2)));
    assert_eq!(ids("/api/v1/jobs?order=desc&limit=2&after=2").await, (vec![1], None));
    assert_eq!(ids("/api/v1/jobs?order=desc&status=queued").await, (vec![3, 1], None));
    let job = get(server.address, "/api/v1/jobs?limit=1").await.json()["jobs"][0].clone();
    assert!(!names(&job).contains(&"queue".to_owned()), "{job}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_says_only_what_is_known() {
    let server = start(ServeOptions::default()).await;
    job(&server.store, 10, JobStatus::Queued).await;
    job(&server.store, 11, JobStatus::Completed).await;
    let eta = get(server.address, "/api/v1/jobs/1/eta").await.json();
    assert_eq!((&eta["eta_seconds"], &eta["eta_formatted"]), (&json!(null), &json!(null)));
    assert_eq!((&eta["emails_per_minute"], &eta["remaining_emails"]), (&json!(0.0), &json!(10)));
    let eta = get(server.address, "/api/v1/jobs/2/eta").await.json();
    assert_eq!((&eta["eta_seconds"], &eta["eta_formatted"]), (&json!(0), &json!("0s")));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_come_in_groups() {
    let server = start(ServeOptions::default()).await;
    let id = job(&server.store, 10, JobStatus::Running).await;
    let error = |task, code: &str| NewWorkerError {
        job: id,
        task: TaskId(task),
        fence: 1,
        node: NodeId("node".to_owned()),
        class: ErrorClass::Failed(FailureClass::Permanent),
        code: code.to_owned(),
        host: "example.org".to_owned(),
        label: "https://example.org/".to_owned(),
        message: "<b>not here</b>".to_owned(),
    };
    let errors = [error(1, "http-404"), error(2, "http-404"), error(3, "http-410")];
    server.store.record_errors(&errors).await.unwrap();
    let groups = get(server.address, "/api/v1/jobs/1/errors").await.json();
    let sample = |id| json!({"id": id, "label": "https://example.org/", "message": "<b>not here</b>"});
    let first = json!({
        "class": "permanent", "code": "http-404", "host": "example.org", "count": 2, "open": 2,
        "sample": "<b>not here</b>",
        "samples": [sample(2), sample(1)],
    });
    assert_eq!((&groups["job_id"], &groups["groups"][0]), (&json!(1), &first));
    assert_eq!(groups["groups"].as_array().unwrap().len(), 2);
    assert_eq!(groups["next_after"], json!(null));
    let of = async |query: &str| get(server.address, &format!("/api/v1/jobs/1/errors?{query}")).await.json();
    let codes = |page: &Value| -> Vec<String> {
        page["groups"].as_array().unwrap().iter().map(|group| group["code"].as_str().unwrap().to_owned()).collect()
    };
    let one = of("limit=1").await;
    assert_eq!(codes(&one), ["http-404"]);
    let next = one["next_after"].as_str().unwrap();
    let last = of(&format!("limit=1&after={next}")).await;
    assert_eq!((codes(&last), &last["next_after"]), (vec!["http-410".to_owned()], &json!(null)));
    assert_eq!(codes(&of("host=example.org&code=http-410&class=permanent").await), ["http-410"]);
    assert!(codes(&of("host=b.org").await).is_empty() && codes(&of("class=blocked").await).is_empty());
    assert_eq!(get(server.address, "/api/v1/jobs/1/errors?after=x").await.json()["field"], "after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_job_is_a_problem_everywhere() {
    let server = start(ServeOptions::default()).await;
    let largest = format!("/api/v1/jobs/{}", u64::MAX);
    for target in [
        "/api/v1/jobs/7",
        "/api/v1/jobs/7/eta",
        "/api/v1/jobs/7/workers",
        "/api/v1/jobs/7/rates",
        "/api/v1/jobs/7/errors",
        "/api/v1/jobs/7/errors/list",
        "/api/v1/jobs/7/addresses",
        "/api/v1/jobs/7/addresses?search=x",
        "/api/v1/jobs/7/export",
        "/?page=api&action=job-eta&job_id=7",
        "/?page=api&action=job-worker-status&job_id=7",
        &largest,
    ] {
        let problem = get(server.address, target).await;
        assert_eq!(
            (problem.status, problem.header("content-type")),
            (404, Some("application/problem+json")),
            "{target}"
        );
        assert_eq!(problem.names(), ["detail", "status", "title", "type"], "{target}");
        let problem = problem.json();
        assert_eq!((&problem["status"], &problem["type"]), (&json!(404), &json!("about:blank")), "{target}");
        assert!(problem["detail"].as_str().unwrap().starts_with("there is no job"), "{problem}");
    }
    for target in ["/api", "/api/v1/jobs/7/address", "/api/v2/jobs"] {
        assert_eq!(get(server.address, target).await.status, 404, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_parameter_is_named() {
    let server = start(ServeOptions::default()).await;
    for (target, field) in [
        ("/api/v1/plan", "emails"),
        ("/api/v1/plan?emails=-1", "emails"),
        ("/api/v1/plan?emails=1&emails=2", "emails"),
        ("/api/v1/jobs?limit=0", "limit"),
        ("/api/v1/jobs?limit=1001", "limit"),
        ("/api/v1/jobs?after=x", "after"),
        ("/api/v1/jobs?status=lost", "status"),
        ("/api/v1/jobs?order=up", "order"),
        ("/api/v1/plan?emails=1&hosts=x", "hosts"),
        ("/api/v1/plan?emails=1&per_host=0", "per_host"),
        ("/api/v1/plan?emails=1&host_interval=-1", "host_interval"),
        ("/api/v1/jobs/1/errors/list?class=bad", "class"),
        ("/api/v1/jobs/1/errors/list?open=1", "open"),
        ("/api/v1/jobs/1/export?format=xls", "format"),
        ("/api/v1/jobs/x", "id"),
        ("/api/v1/jobs/x/errors", "id"),
        ("/?page=api", "action"),
        ("/?page=api&action=drop", "action"),
        ("/?page=api&action=job-eta", "job_id"),
        ("/?page=api&action=job-worker-status&job_id=%00", "job_id"),
    ] {
        let problem = get(server.address, target).await;
        assert_eq!((problem.status, &problem.json()["field"]), (400, &json!(field)), "{target}");
        assert!(problem.json()["detail"].as_str().unwrap().contains(&format!("`{field}`")), "{target}");
    }
    let unknown = get(server.address, "/api/v1/plan?emials=1").await;
    assert_eq!(unknown.status, 400);
    assert!(unknown.body.contains("`emials`") && unknown.body.contains("emails"), "{}", unknown.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_are_told_apart() {
    let server = start(ServeOptions::default()).await;
    for target in ["/healthz", "/api/v1/plan", "/?page=api&action=system-resources"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "BREW"] {
            let refused = request(server.address, method, target).await;
            assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, OPTIONS")), "{method}");
        }
        let options = request(server.address, "OPTIONS", target).await;
        assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, OPTIONS")), "{target}");
        assert_eq!((options.body.as_str(), options.header("access-control-allow-origin")), ("", None));
    }
    for target in ["/healthz", "/api/v1/plan?emails=7", "/api/v1/jobs/7", "/api/v1/plan"] {
        let (whole, head) = (get(server.address, target).await, request(server.address, "HEAD", target).await);
        assert_eq!((head.status, head.body.as_str()), (whole.status, ""), "{target}");
        assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()), "{target}");
        assert_eq!(head.header("content-type"), whole.header("content-type"), "{target}");
    }
}
