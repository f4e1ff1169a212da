//! The source against small servers on loopback that answer byte for byte what a test wants.

use std::sync::{Arc, Mutex};

use async_compression::tokio::bufread::GzipEncoder;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::extract::Media;
use crate::fetch::{Budget, FetchContext, Recall};
use crate::job::{JobId, JobOptions, Origin};
use crate::task::TaskId;

#[cfg(feature = "files")]
mod archives;
mod calls;
mod encodings;
mod places;
mod redirects;
mod robots;

/// A server that answers each path with bytes, one request a connection, and remembers what it was asked for.
#[derive(Debug)]
struct Server {
    base: Url,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let log = asked.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let mut socket = BufReader::new(socket);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && socket.read_line(&mut head).await.unwrap() > 0 {}
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let bytes = answer(&path);
                log.lock().unwrap().push(path);
                // The client may have gone; the next one may not.
                let _ = socket.write_all(&bytes).await;
                let _ = socket.shutdown().await;
            }
        });
        Self { base, asked }
    }

    fn url(&self, path: &str) -> Url {
        self.base.join(path).unwrap()
    }

    fn times_asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }
}

/// Lets so much time pass at once, between what is done in real time.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

fn source() -> HttpSource {
    HttpSource::new(&ClientOptions::default(), Pace::unlimited()).unwrap()
}

fn budget() -> Budget {
    Budget { time: Duration::from_secs(20), body: 1_000 }
}

/// Fetches a page for a job without wishes of its own.
async fn read(source: &HttpSource, url: &str, budget: Budget) -> Result<Fetched, FetchError> {
    let context =
        FetchContext { options: &JobOptions::default(), budget, recall: Recall::NEVER, origin: &Origin::Operator };
    source.page(url, &task_of(url, 1), &context).await
}

fn task_of(url: &str, attempt: u32) -> Task {
    let work = Work::Page { url: url.to_owned() };
    Task { id: TaskId(1), job: JobId(1), work, depth: 0, attempt, crashes: 0 }
}

/// The same on a later attempt of the task.
async fn read_again(source: &HttpSource, url: &str, attempt: u32) -> Result<Fetched, FetchError> {
    let options = JobOptions::default();
    let context =
        FetchContext { options: &options, budget: budget(), recall: Recall::NEVER, origin: &Origin::Operator };
    source.page(url, &task_of(url, attempt), &context).await
}

/// The same on the last one.
async fn read_at_last(source: &HttpSource, url: &str) -> Result<Fetched, FetchError> {
    read_again(source, url, JobOptions::default().max_attempts).await
}

const MISSING: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    ok_as("text/plain", headers, body)
}

fn ok_as(media: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The same, a byte a chunk.
fn in_bytes(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n";
    let mut answer = format!("{head}{headers}\r\n").into_bytes();
    for byte in body {
        answer.extend_from_slice(&[b'1', b'\r', b'\n', *byte, b'\r', b'\n']);
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

/// Serves `page` at `/page`, and no robots.txt.
async fn fetch(page: Vec<u8>) -> Result<Fetched, FetchError> {
    let server = Server::start(move |path| if path == "/page" { page.clone() } else { MISSING.to_vec() }).await;
    read(&source(), server.url("/page").as_str(), budget()).await
}

fn text(fetched: Fetched) -> (String, bool) {
    let Documents::One(document) = fetched.documents else { panic!("no document") };
    (String::from_utf8(document.body.to_vec()).unwrap(), document.truncated)
}

async fn packed(mut encoder: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoder.read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn the_longer_rate_limit_of_a_job_and_its_process_counts_unless_it_is_the_default() {
    let kept = |of_process: u64, of_job: u64| {
        let pace = Pace { interval: Duration::from_millis(of_process), ..Pace::default() };
        let options = JobOptions { rate_limit: Duration::from_millis(of_job), ..JobOptions::default() };
        let source = || HttpSource::new(&ClientOptions::default(), pace).unwrap();
        let page = |source: &HttpSource| source.wishes(&task_of("https://a.org/", 1), &options).limit;
        let alone = source().for_one_job();
        assert!(page(&alone).is_none() && alone.call_interval(&options) == pace.interval, "it is told already");
        let at_hosts = page(&source()).unwrap().interval;
        (at_hosts.as_millis(), source().call_interval(&options).as_millis())
    };
    for ((of_process, of_job), expected) in [
        ((100, 100), (100, 100)),
        ((100, 5_000), (5_000, 5_000)),
        ((5_000, 100), (5_000, 5_000)),
        // Where nobody asks for more than the default, each has its own.
        ((0, 100), (0, 100)),
        ((100, 0), (100, 0)),
        ((5_000, 0), (5_000, 5_000)),
        ((0, 5_000), (5_000, 5_000)),
        ((2_000, 5_000), (5_000, 5_000)),
    ] {
        assert_eq!(kept(of_process, of_job), expected, "{of_process} ms for all and {of_job} ms of the job");
    }
}

#[tokio::test]
async fn of_a_job_that_asks_less_often_no_more_is_worth_holding_than_begins_within_patience() {
    let source = |pace| HttpSource::new(&ClientOptions::default(), pace).unwrap();
    let options = |seconds| JobOptions { rate_limit: Duration::from_secs(seconds), ..JobOptions::default() };
    let shared = source(Pace::default());
    assert_eq!([5, 15, 60, 3_600].map(|seconds| shared.per_host_for(&options(seconds))), [4, 1, 1, 1]);
    for pace in [Pace::default(), Pace::unlimited(), Pace { interval: Duration::from_secs(60), ..Pace::default() }] {
        let source = source(pace);
        assert!(source.per_host_for(&options(0)) >= source.per_host_at_first(), "no job without its own, {pace:?}");
        assert_eq!(source.for_one_job().per_host_for(&options(60)), usize::MAX);
    }
}

#[tokio::test]
async fn a_body_of_no_type_is_in_the_charset_that_it_names() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream; charset=koi8-r\r\nConnection: close\r\n\r\n";
    let page = fetch([head.as_bytes(), b"\xc1 ann@a.org"].concat()).await.unwrap();
    assert_eq!(text(page).0, "\u{430} ann@a.org");
}

#[tokio::test]
async fn a_budget_without_an_end_is_one() {
    let packed = packed(GzipEncoder::new(&b"ann@a.org"[..])).await;
    let server = Server::start(move |path| match path {
        "/plain" => ok("", b"ann@a.org"),
        "/packed" => ok("Content-Encoding: gzip\r\n", &packed),
        _ => MISSING.to_vec(),
    })
    .await;
    let patient = Pace { patience: Duration::MAX, ..Pace::unlimited() };
    let (connect_timeout, header_timeout) = (Duration::MAX, Duration::MAX);
    let client = ClientOptions { connect_timeout, header_timeout, ..ClientOptions::default() };
    let source = HttpSource::new(&client, patient).unwrap();
    for path in ["/plain", "/packed"] {
        let endless = Budget { time: Duration::MAX, body: usize::MAX };
        assert_eq!(text(read(&source, server.url(path).as_str(), endless).await.unwrap()).0, "ann@a.org", "{path}");
    }
}

#[tokio::test]
async fn what_came_of_a_body_that_broke_off_is_read_on_the_last_attempt_alone() {
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{fields}\r\n").into_bytes();
    let gzip = packed(GzipEncoder::new(&b"ann@a.org and others"[..])).await;
    let mut checksum = gzip.clone();
    checksum[gzip.len() - 8] ^= 1;
    let packed_file =
        "HTTP/1.1 200 OK\r\nContent-Type: application/gzip\r\nConnection: close\r\n\r\n".as_bytes().to_vec();
    for (answer, code) in [
        ([head("Content-Length: 99\r\n"), b"ann@a.org and others".to_vec()].concat(), "body-incomplete"),
        (
            [head("Transfer-Encoding: chunked\r\n"), b"14\r\nann@a.org and others\r\n".to_vec()].concat(),
            "body-incomplete",
        ),
        (
            [head("Transfer-Encoding: chunked\r\n"), b"14\r\nann@a.org and others\r\n0\r\n".to_vec()].concat(),
            "body-incomplete",
        ),
        (ok("Content-Encoding: gzip\r\n", &gzip[..gzip.len() - 8]), "body-incomplete"),
        (ok("Content-Encoding: gzip\r\n", &checksum), "body-encoding"),
        ([&packed_file[..], &gzip[..gzip.len() - 8]].concat(), "body-incomplete"),
    ] {
        let server = Server::start(move |path| if path == "/page" { answer.clone() } else { MISSING.to_vec() }).await;
        let url = server.url("/page");
        let error = read(&source(), url.as_str(), budget()).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (FetchErrorClass::Transient, code));
        let mut page = read_at_last(&source(), url.as_str()).await.unwrap();
        let note = page.note.take().unwrap();
        assert_eq!((&*note.code, note.message.contains("what had come of it was read")), (code, true), "{note}");
        // The last word may be one of which the end is missing.
        assert_eq!(text(page), ("ann@a.org and".to_owned(), true), "{code}");
    }
    let nothing = head("Content-Length: 99\r\n");
    let server = Server::start(move |path| if path == "/page" { nothing.clone() } else { MISSING.to_vec() }).await;
    let error = read_at_last(&source(), server.url("/page").as_str()).await.unwrap_err();
    assert_eq!(&*error.code, "body-incomplete", "nothing is not read as an empty page");
}

#[tokio::test]
async fn a_pdf_that_breaks_off_is_told_of() {
    let file = b"%PDF-1.7\n1 0 obj <</Pages 2 0 R>> endobj 2 0 obj <</Kids[3 0 R]>> endobj\n\
        3 0 obj <</Contents 4 0 R>> endobj 4 0 obj <<>>stream\nBT /F 9 Tf (ann@a.org) Tj ET\nendstream endobj\n";
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: 9999\r\n\r\n";
    let answer = [head.as_bytes(), file].concat();
    let server = Server::start(move |path| if path == "/page" { answer.clone() } else { MISSING.to_vec() }).await;
    let note = read_at_last(&source(), server.url("/page").as_str()).await.unwrap().note.unwrap();
    let told = note.message.contains("what had come of it was read");
    assert_eq!((&*note.code, told), ("body-incomplete", true), "{note}");
}

#[tokio::test]
async fn a_head_with_odd_fields_does_not_cost_the_page() {
    for field in [
        "X-A: one\r\n two\r\n",
        "X-A : one\r\n",
        "X A: one\r\n",
        "X(A): one\r\n",
        ": one\r\n",
        "X-A: o\x01ne\r\n",
        "garbage line\r\n",
    ] {
        let page = fetch(ok(field, b"ann@a.org")).await.unwrap();
        assert_eq!(text(page).0, "ann@a.org", "{field}");
    }
    // What the length of the body is made of is no place for guesses.
    for field in ["Content-Length: 1\r\n 0\r\n", "Content-Length: 9\r\nContent-Length: 10\r\n"] {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{field}\r\nann@a.org.");
        fetch(answer.into_bytes()).await.unwrap_err();
    }
    let folded = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding:\r\n chunked\r\n\r\n9\r\nann@a.org\r\n0\r\n\r\n";
    assert_eq!(text(fetch(folded.as_bytes().to_vec()).await.unwrap()).0, "ann@a.org");
}

#[tokio::test]
async fn a_large_head_is_read_on_another_attempt_and_has_a_bound() {
    let fields = |count: usize, length: usize| format!("X-A: {}\r\n", "b".repeat(length)).repeat(count);
    for (fields, is_read) in
        [(fields(150, 1), true), (fields(50, 1_000), true), (fields(2_000, 1), false), (fields(99, 4_000), false)]
    {
        let answer = ok(&fields, b"ann@a.org");
        let server = Server::start(move |path| if path == "/page" { answer.clone() } else { MISSING.to_vec() }).await;
        let (source, url) = (source(), server.url("/page"));
        let error = read(&source, url.as_str(), budget()).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (FetchErrorClass::Transient, "head-size"), "{error}");
        let again = read_again(&source, url.as_str(), 2).await;
        assert_eq!(again.map(|page| text(page).0).ok(), is_read.then(|| "ann@a.org".to_owned()));
    }
}

#[tokio::test]
async fn a_cut_page_holds_no_cut_address() {
    let mut body = "x ".repeat(493);
    body.push_str("ann@example.community");
    let (page, truncated) = text(fetch(ok("", body.as_bytes())).await.unwrap());
    assert!(truncated && page.len() <= budget().body && !page.contains('@'), "{page}");
}

#[tokio::test]
async fn a_text_that_grows_in_decoding_stays_within_the_budget() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=latin1\r\nConnection: close\r\n\r\n";
    let page = fetch([head.as_bytes(), &b"\xe9 ".repeat(500)].concat()).await.unwrap();
    let (page, truncated) = text(page);
    assert!(truncated && page.len() <= budget().body, "{} bytes", page.len());
}

#[tokio::test]
async fn a_handshake_that_stalls_is_a_connection_that_is_not_made() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let short = Budget { time: Duration::from_millis(200), ..budget() };
    let error = read(&source(), &url, short).await.unwrap_err();
    assert_eq!(error.code, "connect-timeout");
}

/// A PDF of a page.
const PDF: &[u8] =
    b"%PDF-1.7\n1 0 obj <</Pages 2 0 R>> endobj 2 0 obj <</Kids[3 0 R]>> endobj 3 0 obj <</Contents 4 0 R>> endobj\n\
    4 0 obj <<>>stream\nBT /F 9 Tf (ann@a.org) Tj ET\nendstream endobj trailer <</Root 1 0 R>>";

#[tokio::test]
async fn a_pdf_is_its_pages_as_it_is_and_in_gzip() {
    let packed = packed(GzipEncoder::new(PDF)).await;
    let server = Server::start(move |path| match path {
        "/a.pdf" => [b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nConnection: close\r\n\r\n", PDF].concat(),
        "/a.pdf.gz" => {
            [b"HTTP/1.1 200 OK\r\nContent-Type: application/gzip\r\nConnection: close\r\n\r\n", &packed[..]].concat()
        }
        _ => MISSING.to_vec(),
    })
    .await;
    for path in ["/a.pdf", "/a.pdf.gz"] {
        let fetched = read(&source(), server.url(path).as_str(), budget()).await.unwrap();
        let Documents::Stream(mut pages) = fetched.documents else { panic!("{path} has pages") };
        let page = pages.recv().await.unwrap().unwrap();
        assert_eq!(
            (&*page.source, page.body.trim_ascii_end()),
            (&*format!("{}#page=1", server.url(path)), &b"ann@a.org"[..])
        );
        assert!(pages.recv().await.is_none() && fetched.note.is_none());
    }
}
