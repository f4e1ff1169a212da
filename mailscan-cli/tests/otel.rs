//! Spans of the built binary as a collector on loopback receives them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop here")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use mailscan_tests::at_home;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

/// What a collector was sent: the start of each request, and its body.
type Received = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A collector that takes everything that is sent to it. It has nothing for who asks for something.
async fn collector() -> (SocketAddr, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let received = Received::default();
    let all = received.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let all = all.clone();
            let take = service_fn(move |request| take(all.clone(), request));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), take));
        }
    });
    (address, received)
}

async fn take(all: Received, request: Request<Incoming>) -> hyper::Result<Response<Empty<Bytes>>> {
    if request.method() == Method::GET {
        let mut nothing = Response::new(Empty::new());
        *nothing.status_mut() = StatusCode::NOT_FOUND;
        return Ok(nothing);
    }
    let media = request.headers()["content-type"].to_str().unwrap();
    let head = format!("{} {} {media}", request.method(), request.uri());
    let body = request.into_body().collect().await?.to_bytes();
    all.lock().unwrap().push((head, body.to_vec()));
    Ok(Response::new(Empty::new()))
}

/// The fields of a protobuf message that have a length: their numbers and what is in them.
fn fields(mut message: &[u8]) -> Vec<(u64, &[u8])> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        let length = match tag & 7 {
            0 => {
                varint(&mut message);
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)).unwrap(),
            5 => 4,
            other => panic!("a field of the wire type {other}"),
        };
        let (field, rest) = message.split_at(length);
        message = rest;
        if tag & 7 == 2 {
            found.push((tag >> 3, field));
        }
    }
    found
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first().unwrap();
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// What is at the end of a path of field numbers.
fn at<'a>(message: &'a [u8], path: &[u64]) -> Vec<&'a [u8]> {
    let Some((number, rest)) = path.split_first() else { return vec![message] };
    fields(message).into_iter().filter(|(field, _)| field == number).flat_map(|(_, inner)| at(inner, rest)).collect()
}

/// The texts at the end of a path in everything that was received.
fn texts(received: &Received, path: &[u64]) -> BTreeSet<String> {
    let received = received.lock().unwrap();
    let all = received.iter().flat_map(|(_, body)| at(body, path));
    all.map(|text| String::from_utf8(text.to_vec()).unwrap()).collect()
}

/// `ResourceSpans.scope_spans.spans.name`, and the values and names of attributes.
const NAMES: [u64; 4] = [1, 2, 2, 5];
/// Their `trace_id` and `parent_span_id`.
const TRACES: [u64; 4] = [1, 2, 2, 1];
const PARENTS: [u64; 4] = [1, 2, 2, 4];
const ATTRIBUTES: [u64; 5] = [1, 2, 2, 9, 1];
const VALUES: [u64; 6] = [1, 2, 2, 9, 2, 1];
/// The attributes of the process.
const OF_THE_PROCESS: [u64; 5] = [1, 1, 1, 2, 1];

/// The binary in a folder, with these variables and no others of their kind.
fn mailscan(folder: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = at_home(env!("CARGO_BIN_EXE_mailscan"), folder);
    command.envs(variables.iter().copied());
    command
}

/// A folder with 30 files of an address each.
fn sources() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    for n in 0..30 {
        fs::write(folder.path().join(format!("in/{n}.txt")), format!("user{n}@host.org")).unwrap();
    }
    folder
}

/// Runs a job over such files, and over one page if there is one, to its end: how it ended, and what was said.
async fn run(variables: &[(&str, &str)], page: Option<&str>) -> (Option<i32>, String) {
    let folder = sources();
    let mut command = mailscan(folder.path(), variables);
    command.args(["run", "--path", "in", "--target", "100"]);
    if let Some(page) = page {
        command.args(["--url", page]);
    }
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_sends_claims_fetches_and_commits_before_its_process_ends() {
    let (address, received) = collector().await;
    let endpoint = format!("http://{address}");
    let page = format!("{endpoint}/page");
    let (code, said) = run(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)], Some(&page)).await;
    assert_eq!(code, Some(3), "done, with an error for the page: {said}");
    assert!(!said.contains("warning"), "{said}");
    let heads: BTreeSet<_> = received.lock().unwrap().iter().map(|(head, _)| head.clone()).collect();
    assert_eq!(heads, BTreeSet::from(["POST /v1/traces application/x-protobuf".to_owned()]));
    assert_eq!(texts(&received, &NAMES), ["claim", "commit", "fetch"].map(str::to_owned).into());
    let attributes = texts(&received, &ATTRIBUTES);
    for name in ["job", "jobs", "task", "tasks", "outcomes", "error.type"] {
        assert!(attributes.contains(name), "{name} is not in {attributes:?}");
    }
    assert!(texts(&received, &VALUES).contains("http-404"), "{:?}", texts(&received, &VALUES));
    assert!(texts(&received, &OF_THE_PROCESS).contains("mailscan"));
    let bodies = received.lock().unwrap();
    let fetches = bodies.iter().flat_map(|(_, body)| at(body, &NAMES)).filter(|name| *name == b"fetch").count();
    assert!(fetches >= 31, "a span for each task, not {fetches}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_sends_its_requests_under_the_name_that_it_was_given() {
    let (address, received) = collector().await;
    let endpoint = format!("http://{address}/for/spans");
    let variables = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &*endpoint), ("OTEL_SERVICE_NAME", "collects")];
    let folder = TempDir::new().unwrap();
    let mut command = mailscan(folder.path(), &variables);
    let mut served = command.args(["serve", "--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(served.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let server = line.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    let stream = TcpStream::connect(&server).await.unwrap();
    let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let caller = "00-0123456789abcdef0123456789abcdef-0011223344556677-01";
    let request = Request::get("/api/v1/jobs?limit=1")
        .header("Host", &server)
        .header("traceparent", caller)
        .body(Empty::<Bytes>::new())
        .unwrap();
    assert_eq!(client.send_request(request).await.unwrap().status(), 200);
    drop(client);

    assert!(Command::new("kill").args(["-INT", &served.id().to_string()]).status().unwrap().success());
    let rest = tokio::task::spawn_blocking(move || {
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        (served.wait().unwrap(), rest)
    });
    let (status, rest) = rest.await.unwrap();
    assert!(status.success() && !rest.contains("warning"), "{rest}");
    assert!(texts(&received, &NAMES).contains("request"), "{:?}", texts(&received, &NAMES));
    assert!(texts(&received, &VALUES).contains("/api/v1/jobs"), "{:?}", texts(&received, &VALUES));
    assert!(!texts(&received, &VALUES).iter().any(|value| value.contains("limit")), "the query is nobody's business");
    let ids = |path: &[u64]| {
        let received = received.lock().unwrap();
        received.iter().flat_map(|(_, body)| at(body, path)).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let (trace, parent) = (0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128, 0x0011_2233_4455_6677_u64);
    assert!(ids(&TRACES).contains(&trace.to_be_bytes().to_vec()), "the span is part of the caller's trace");
    assert!(ids(&PARENTS).contains(&parent.to_be_bytes().to_vec()), "below the span that called");
    assert!(texts(&received, &OF_THE_PROCESS).contains("collects"));
    assert!(received.lock().unwrap().iter().all(|(head, _)| head.starts_with("POST /for/spans ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_or_never_answers_costs_a_warning() {
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", away.local_addr().unwrap());
    let (code, said) = run(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)], None).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("warning: the last spans were not sent").count(), 1, "{said}");
    drop(away);
    let (code, said) = run(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)], None).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("warning: spans are lost").count(), 1, "{said}");
    assert!(said.contains(&endpoint), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_as_asked_is_said_and_what_is_turned_off_is_not_sent() {
    let (address, received) = collector().await;
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", &*format!("http://{address}"));
    let (_, said) = run(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], None).await;
    assert!(said.contains("`grpc`") && said.contains("http/protobuf"), "{said}");
    let (_, said) = run(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "no url")], None).await;
    assert!(said.contains("warning: no spans are sent"), "{said}");
    for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_TRACES_SAMPLER", "always_off")]
    {
        let (_, said) = run(&[endpoint, off], None).await;
        assert!(!said.contains("warning"), "{said}");
    }
    let (_, said) = run(&[], None).await;
    assert!(!said.contains("warning"), "{said}");
    assert_eq!(received.lock().unwrap().len(), 0);
}
