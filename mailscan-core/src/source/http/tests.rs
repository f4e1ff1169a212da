//! The source against small servers on loopback that answer byte for byte what a test wants.

use std::sync::{Arc, Mutex};

use async_compression::tokio::bufread::{DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::extract::Media;
use crate::fetch::{Budget, FetchContext, Recall};
use crate::job::{JobId, JobOptions, Origin};
use crate::source::search::SearchSource;
use crate::task::TaskId;

#[cfg(feature = "files")]
mod archives;
mod places;
mod redirects;

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
async fn an_encoding_without_a_body_is_an_empty_page() {
    for encoding in ["gzip", "br", "zstd", "deflate", "gzip, br"] {
        let page = fetch(ok(&format!("Content-Encoding: {encoding}\r\n"), b"")).await.unwrap();
        assert_eq!(text(page), (String::new(), false), "{encoding}");
    }
}

#[tokio::test]
async fn both_kinds_of_deflate_are_told_apart_however_they_arrive() {
    let words = b"ann@a.org and a long line of words words words";
    let zlib = packed(ZlibEncoder::new(&words[..])).await;
    let raw = packed(DeflateEncoder::new(&words[..])).await;
    for body in [zlib, raw] {
        let page = fetch(in_bytes("Content-Encoding: deflate\r\n", &body)).await.unwrap();
        assert_eq!(text(page).0.as_bytes(), words);
    }
}

#[tokio::test]
async fn what_follows_the_members_of_a_gzip_body_is_padding() {
    let (one, two) =
        (packed(GzipEncoder::new(&b"ann@a.org, "[..])).await, packed(GzipEncoder::new(&b"ben@b.org"[..])).await);
    for padding in [&b""[..], b"\n\0\0", &[0; 16]] {
        let body = [&one, &two, padding].concat();
        for answer in [ok("Content-Encoding: gzip\r\n", &body), in_bytes("Content-Encoding: gzip\r\n", &body)] {
            assert_eq!(text(fetch(answer).await.unwrap()).0, "ann@a.org, ben@b.org", "{padding:?}");
        }
    }
}

#[tokio::test]
async fn gzip_files_are_pages_of_what_is_in_them() {
    let mailbox = b"From ann Mon Jan  5 10:00:00 2004\nFrom: ann at a.org\nSubject: x\n\nben@b.org\n";
    let file = packed(GzipEncoder::new(&mailbox[..])).await;
    let digits: String = (1..500_u32).map(|n| format!("{:08x}", n.wrapping_mul(0x9e37_79b9))).collect();
    let long = packed(GzipEncoder::new(format!("ann@a.org {digits}").as_bytes())).await;
    assert!(long.len() > budget().body, "{} bytes", long.len());
    for kind in ["application/gzip", "application/x-gzip", "application/octet-stream"] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n");
        let document = async |file: &[u8]| match fetch([head.as_bytes(), file].concat()).await.unwrap().documents {
            Documents::One(document) => document,
            none => panic!("{none:?} as {kind}"),
        };
        let page = document(&file).await;
        assert_eq!((page.media, &page.body[..], page.truncated), (Media::Mail, &mailbox[..], false), "{kind}");
        let page = document(&long).await;
        assert!(page.truncated && page.body.starts_with(b"ann@a.org"), "{kind}");
    }
}

#[tokio::test]
async fn a_body_of_no_type_is_in_the_charset_that_it_names() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream; charset=koi8-r\r\nConnection: close\r\n\r\n";
    let page = fetch([head.as_bytes(), b"\xc1 ann@a.org"].concat()).await.unwrap();
    assert_eq!(text(page).0, "\u{430} ann@a.org");
}

#[tokio::test]
async fn all_frames_of_a_zstd_body_are_read() {
    let (ann, ben) = (&b"ann@a.org "[..], &b"ben@b.org"[..]);
    let skipped = [&b"\x5a\x2a\x4d\x18\x03\0\0\0"[..], b"abc"].concat();
    let (ann, ben) = (packed(ZstdEncoder::new(ann)).await, packed(ZstdEncoder::new(ben)).await);
    let frames = [&skipped[..], &ann, &skipped, &ben, b"padding"].concat();
    for answer in [ok, in_bytes] {
        let page = fetch(answer("Content-Encoding: zstd\r\n", &frames)).await.unwrap();
        assert_eq!(text(page), ("ann@a.org ben@b.org".to_owned(), false));
    }
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
async fn empty_members_are_not_undone_without_an_end() {
    let none = packed(GzipEncoder::new(&b""[..])).await.repeat(2_000);
    let twice = packed(GzipEncoder::new(&none[..])).await;
    let frames = packed(ZstdEncoder::new(&b""[..])).await.repeat(2_000);
    for (encoding, body) in [("gzip", none), ("gzip, gzip", twice), ("zstd", frames)] {
        let answer = ok(&format!("Content-Encoding: {encoding}\r\n"), &body);
        let roomy = Budget { body: 1 << 20, ..budget() };
        let server = Server::start(move |path| if path == "/page" { answer.clone() } else { MISSING.to_vec() }).await;
        let error = read(&source(), server.url("/page").as_str(), roomy).await.unwrap_err();
        assert_eq!((&*error.code, error.message.contains("too many members")), ("body-encoding", true), "{encoding}");
    }
}

#[tokio::test]
async fn names_of_encodings_that_are_none_do_not_cost_a_page() {
    for named in ["utf-8", "none", "binary", "gzip"] {
        let page = fetch(ok(&format!("Content-Encoding: {named}\r\n"), b"ann@a.org")).await.unwrap();
        assert_eq!(text(page).0, "ann@a.org", "{named}");
    }
    let error = fetch(ok("Content-Encoding: x-own\r\n", b"\x01\x02ann@a.org")).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "content-encoding"));
}

#[tokio::test]
async fn an_encoded_body_that_ends_early_is_incomplete() {
    let gzip = packed(GzipEncoder::new(&b"ann@a.org, ben@b.org and others"[..])).await;
    let error = fetch(ok("Content-Encoding: gzip\r\n", &gzip[..gzip.len() - 12])).await.unwrap_err();
    assert_eq!((error.class, error.code.as_ref()), (FetchErrorClass::Transient, "body-incomplete"));
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
async fn a_robots_file_that_cannot_be_had_for_now_allows_nothing() {
    let bad = || b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    let away = Server::start(move |path| match path {
        "/page" => ok("", b"ann@a.org"),
        "/robots.txt" => MISSING.to_vec(),
        _ => bad(),
    })
    .await;
    let elsewhere = away.url("/rules");
    let site = Server::start(move |path| match path {
        "/robots.txt" => {
            format!("HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .into_bytes()
        }
        _ => ok("", b"secret@a.org"),
    })
    .await;
    let source = source();
    read(&source, away.url("/page").as_str(), budget()).await.unwrap();
    // Until that is a fault of the host, which then defers what is asked of it.
    let mut last = None;
    while last != Some(FetchErrorClass::Deferred) {
        last = Some(read(&source, away.url("/other").as_str(), budget()).await.unwrap_err().class);
        pass(Duration::from_millis(1_100)).await;
    }
    let error = read(&source, site.url("/secret").as_str(), budget()).await.unwrap_err();
    assert_eq!((error.class, site.times_asked("/secret")), (FetchErrorClass::Deferred, 0), "{error}");
}

#[tokio::test]
async fn a_chain_of_redirects_that_become_tasks_has_an_end() {
    let server = Server::start(|path| match path.strip_prefix("/r/") {
        Some(n) => {
            let next = n.parse::<u32>().unwrap() + 1;
            format!("HTTP/1.1 302 Found\r\nLocation: /r/{next}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .into_bytes()
        }
        None => MISSING.to_vec(),
    })
    .await;
    let (interval, patience) = (Duration::from_secs(60), Duration::from_secs(1));
    let source =
        HttpSource::new(&ClientOptions::default(), Pace { interval, patience, adapts: false, ..Pace::default() })
            .unwrap();
    let mut url = server.url("/r/0").to_string();
    let error = loop {
        match read(&source, &url, budget()).await {
            Ok(fetched) => {
                let Work::Page { url: next } = &fetched.discovered[0].work else { panic!("no page") };
                url.clone_from(next);
            }
            Err(error) if error.class == FetchErrorClass::Deferred => pass(interval).await,
            Err(error) => break error,
        }
    };
    assert_eq!(&*error.code, "redirect-limit");
    assert_eq!(server.times_asked("/r/10"), 1);
    assert_eq!(server.times_asked("/r/11"), 0);
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
async fn a_robots_file_with_a_large_head_is_read_at_once() {
    let robots = ok(&"X-A: b\r\n".repeat(150), b"User-agent: *\nDisallow: /x");
    let server = Server::start(move |path| match path {
        "/robots.txt" => robots.clone(),
        _ => ok("", b"page"),
    })
    .await;
    let source = source();
    assert_eq!(text(read(&source, server.url("/page").as_str(), budget()).await.unwrap()).0, "page");
    assert_eq!(&*read(&source, server.url("/x").as_str(), budget()).await.unwrap_err().code, "robots");
    assert_eq!(server.times_asked("/robots.txt"), 2);
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

#[tokio::test]
async fn a_robots_file_in_trouble_is_asked_for_once_and_keeps_out() {
    let server = Server::start(|path| match path {
        "/robots.txt" => b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
        _ => ok("", b"page"),
    })
    .await;
    let source = source();
    // Only the page that it was asked for has used up an attempt.
    let [transient, deferred] = [FetchErrorClass::Transient, FetchErrorClass::Deferred];
    for (path, class) in [("/a", transient), ("/b", deferred), ("/c", deferred)] {
        let error = read(&source, server.url(path).as_str(), budget()).await.unwrap_err();
        assert_eq!((error.class, error.status), (class, Some(500)));
    }
    assert_eq!(*server.asked.lock().unwrap(), ["/robots.txt"]);
}

#[tokio::test]
async fn a_robots_file_that_is_nowhere_is_none() {
    for location in ["", "Location: ftp://a.org/\r\n"] {
        let server = Server::start(move |path| match path {
            "/robots.txt" => {
                format!("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\n{location}\r\n").into_bytes()
            }
            _ => ok("", b"page"),
        })
        .await;
        let page = read(&source(), server.url("/x").as_str(), budget()).await.unwrap();
        assert_eq!(text(page).0, "page");
    }
}

#[tokio::test]
async fn an_api_that_asks_for_a_pause_gets_it_and_no_more_than_an_hour() {
    let server = Server::start(|_| {
        b"HTTP/1.1 429 Slow Down\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
    })
    .await;
    let source = source();
    let options = JobOptions::default();
    let context =
        FetchContext { options: &options, budget: budget(), recall: Recall::NEVER, origin: &Origin::Operator };
    let first = source.call(&server.url("/search"), &[], &context).await.unwrap_err();
    assert_eq!(first.retry_after, Some(Duration::from_secs(3_600)));
    let second = source.call(&server.url("/search"), &[], &context).await.unwrap_err();
    assert_eq!(second.class, FetchErrorClass::Deferred);
    assert_eq!(server.times_asked("/search"), 1);
}

#[tokio::test]
async fn an_api_is_not_asked_for_its_robots_file() {
    let server = Server::start(|_| ok("", b"{}")).await;
    let options = JobOptions::default();
    let context =
        FetchContext { options: &options, budget: budget(), recall: Recall::NEVER, origin: &Origin::Operator };
    assert_eq!(source().call(&server.url("/search"), &[], &context).await.unwrap(), "{}");
    assert_eq!((server.times_asked("/search"), server.times_asked("/robots.txt")), (1, 0));
}

#[tokio::test]
async fn a_key_of_this_machine_is_for_jobs_of_its_operator() {
    let server = Server::start(|_| ok_as("application/json", "", br#"{"results": []}"#)).await;
    let endpoint = format!(
        r#"{{"url": "{}?q={{query}}&k={{key}}", "results": "results", "result_url": "url", "key_env": "MAILSCAN_KEY_OF_NOBODY"}}"#,
        server.url("/search")
    );
    let options = JobOptions { search_endpoint: Some(endpoint), ..JobOptions::default() };
    let (source, search) = (source(), SearchSource::default());
    for (origin, says) in
        [(Origin::Operator, "MAILSCAN_KEY_OF_NOBODY"), (Origin::Api { roots: Vec::new() }, "of its operator")]
    {
        let context = FetchContext { options: &options, budget: budget(), recall: Recall::NEVER, origin: &origin };
        let error = search.search(&source, ("q", 1, 1), JobId(1), &context).await.unwrap_err();
        assert!(&*error.code == "search-key" && error.message.contains(says), "{error}");
    }
    assert_eq!(server.asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_search_ends_where_the_list_is_left_out_but_not_on_its_first_page() {
    let server = Server::start(|_| ok("", br#"{"total": 0}"#)).await;
    let description = serde_json::json!({
        "url": format!("{}s?q={{query}}&p={{page}}", server.base), "results": "items", "result_url": "link",
    });
    let options = JobOptions { search_endpoint: Some(description.to_string()), ..JobOptions::default() };
    let context =
        FetchContext { options: &options, budget: budget(), recall: Recall::NEVER, origin: &Origin::Operator };
    let (source, search) = (source(), SearchSource::default());
    let first = search.search(&source, ("q", 2, 2), JobId(1), &context).await.unwrap_err();
    assert!(first.message.contains("`items`"), "{first}");
    let later = search.search(&source, ("q", 3, 2), JobId(1), &context).await.unwrap();
    assert!(later.discovered.is_empty() && matches!(later.documents, Documents::None));
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
