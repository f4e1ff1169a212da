//! A server that answers each request as its test scripts it, byte by byte, and remembers what it was asked.
//!
//! The tests beside it start servers here and fetch from them through [`Sources`], as a worker does.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailscan_core::fetch::{Budget, Document, Documents, FetchContext, FetchError, Fetched, Fetcher, Recall};
use mailscan_core::job::{JobId, JobOptions, Origin};
use mailscan_core::source::http::{ClientOptions, HttpSource};
use mailscan_core::source::{Pace, Sources};
use mailscan_core::task::{Task, TaskId, Work};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Far longer than any fetch of these tests takes: what lasts longer hangs.
const HANG: Duration = Duration::from_secs(60);

/// What a server does about a request, one after the other. A script that comes to its end waits for the next request.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Send(Vec<u8>),
    /// Sends the same bytes until the client leaves.
    Forever(Vec<u8>),
    /// Says nothing more until the client leaves.
    Stall,
    /// Waits until the test lets one more request go on.
    Gate,
    Close,
    Reset,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) path: String,
    /// All of its head, as sent.
    pub(super) head: String,
}

impl Request {
    /// The value of a header, in whatever case its name was sent.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

#[derive(Debug)]
struct Seen {
    requests: Mutex<Vec<Request>>,
    accepts: AtomicUsize,
    /// A permit for each client that left while it was being answered.
    left: Semaphore,
    gate: Semaphore,
    /// A permit for each request that came.
    asked: Semaphore,
}

/// A running server; it ends with its value.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// A server without a robots.txt.
    pub(super) async fn start(script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::with_robots(move |request| match request.path.as_str() {
            "/robots.txt" => text("404 Not Found", "", b""),
            _ => script(request),
        })
        .await
    }

    /// A server whose script answers for robots.txt as well.
    pub(super) async fn with_robots(script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen {
            requests: Mutex::default(),
            accepts: AtomicUsize::new(0),
            left: Semaphore::new(0),
            gate: Semaphore::new(0),
            asked: Semaphore::new(0),
        });
        let (shared, script) = (seen.clone(), Arc::new(script));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.accepts.fetch_add(1, Ordering::SeqCst);
                let (shared, script) = (shared.clone(), script.clone());
                tokio::spawn(async move { serve(stream, &shared, &*script).await });
            }
        });
        Self { address, seen, task }
    }

    /// The URL of a path here.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// How often a path was asked for.
    pub(super) fn count(&self, path: &str) -> usize {
        self.requests().iter().filter(|request| request.path == path).count()
    }

    /// How many connections were made.
    pub(super) fn accepts(&self) -> usize {
        self.seen.accepts.load(Ordering::SeqCst)
    }

    /// Waits until a client left in the middle of an answer.
    pub(super) async fn client_left(&self) {
        soon(self.seen.left.acquire()).await.unwrap().forget();
    }

    /// Waits for `n` more requests, robots.txt included.
    pub(super) async fn asked(&self, n: u32) {
        soon(self.seen.asked.acquire_many(n)).await.unwrap().forget();
    }

    /// Lets `n` requests pass [`Step::Gate`].
    pub(super) fn open_gate(&self, n: usize) {
        self.seen.gate.add_permits(n);
    }
}

async fn serve(mut stream: TcpStream, seen: &Seen, script: &(dyn Fn(&Request) -> Vec<Step> + Send + Sync)) {
    while let Some(request) = read_request(&mut stream).await {
        seen.requests.lock().unwrap().push(request.clone());
        seen.asked.add_permits(1);
        for step in script(&request) {
            let still_there = match step {
                Step::Send(bytes) => stream.write_all(&bytes).await.is_ok(),
                Step::Forever(bytes) => {
                    while stream.write_all(&bytes).await.is_ok() {}
                    false
                }
                Step::Stall => {
                    while matches!(stream.read(&mut [0; 1_024]).await, Ok(1..)) {}
                    false
                }
                Step::Gate => seen.gate.acquire().await.map(tokio::sync::SemaphorePermit::forget).is_ok(),
                Step::Close => return,
                Step::Reset => {
                    stream.set_zero_linger().unwrap();
                    return;
                }
            };
            if !still_there {
                seen.left.add_permits(1);
                return;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    Some(Request { path, head })
}

/// A whole answer of any type; `fields` are lines of a head, each with its line end.
pub(super) fn answer(status: &str, fields: &str, body: &[u8]) -> Vec<Step> {
    let mut bytes = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    vec![Step::Send(bytes)]
}

/// A whole answer in plain text.
pub(super) fn text(status: &str, fields: &str, body: &[u8]) -> Vec<Step> {
    answer(status, &format!("Content-Type: text/plain\r\n{fields}"), body)
}

/// A page in plain text.
pub(super) fn page(body: &str) -> Vec<Step> {
    text("200 OK", "", body.as_bytes())
}

/// Bytes, then further steps.
pub(super) fn send(bytes: &str, then: &[Step]) -> Vec<Step> {
    let mut steps = vec![Step::Send(bytes.as_bytes().to_vec())];
    steps.extend_from_slice(then);
    steps
}

/// A client that is patient with the tests' machine but not with a silent server.
pub(super) fn quick() -> ClientOptions {
    ClientOptions {
        contact: "https://example.org/bot".to_owned(),
        connect_timeout: Duration::from_millis(100),
        header_timeout: Duration::from_millis(900),
        ..ClientOptions::default()
    }
}

pub(super) fn sources(client: &ClientOptions, pace: Pace) -> Sources {
    Sources::new().with_http(HttpSource::new(client, pace).unwrap())
}

/// Sources without any limit of pace, with all the time in the world.
pub(super) fn plain() -> Sources {
    let client = ClientOptions { contact: "https://example.org/bot".to_owned(), ..ClientOptions::default() };
    sources(&client, Pace::unlimited())
}

pub(super) fn task(work: Work) -> Task {
    Task { id: TaskId(1), job: JobId(1), work, depth: 0, attempt: 1, crashes: 0 }
}

/// Fetches a page with the usual budget.
pub(super) async fn fetch(sources: &Sources, url: &str) -> Result<Fetched, FetchError> {
    fetch_within(sources, url, Budget::default()).await
}

/// Fetches a page within a budget.
pub(super) async fn fetch_within(sources: &Sources, url: &str, budget: Budget) -> Result<Fetched, FetchError> {
    let context =
        FetchContext { options: &JobOptions::default(), budget, recall: Recall::NEVER, origin: &Origin::Operator };
    soon(sources.fetch(&task(Work::Page { url: url.to_owned() }), &context)).await
}

/// Fetches a page with the usual budget for a job with these options.
pub(super) async fn fetch_for(options: &JobOptions, sources: &Sources, url: &str) -> Result<Fetched, FetchError> {
    let context = FetchContext { options, budget: Budget::default(), recall: Recall::NEVER, origin: &Origin::Operator };
    soon(sources.fetch(&task(Work::Page { url: url.to_owned() }), &context)).await
}

/// A budget with little time.
pub(super) fn short() -> Budget {
    Budget { time: Duration::from_secs(1), ..Budget::default() }
}

/// What a future answers, unless it hangs.
pub(super) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(HANG, future).await.expect("this hangs")
}

/// The one document of an answer.
pub(super) fn document(fetched: Result<Fetched, FetchError>) -> Document {
    match fetched.unwrap().documents {
        Documents::One(document) => document,
        other => panic!("not one document: {other:?}"),
    }
}

/// The text of the one document of an answer.
pub(super) fn body(fetched: Result<Fetched, FetchError>) -> String {
    String::from_utf8(document(fetched).body.to_vec()).unwrap()
}
