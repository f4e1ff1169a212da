//! PDFs over HTTP: their pages, whatever the server says of them, and what cannot be read of them.

use std::path::Path;
use std::time::Duration;

use mailscan_core::extract::addresses;
use mailscan_core::fetch::{Budget, Documents, FetchError, Fetched};

use super::server::{Server, Step, answer, fetch, fetch_within, plain, send};

fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/pdf").join(name)).unwrap()
}

/// What is found: behind the address of the server, and the address; whether it was cut; and what is noted.
async fn found(server: &Server, fetched: Fetched) -> (Vec<(String, String)>, bool, Option<FetchError>) {
    let (mut found, mut truncated) = (Vec::new(), false);
    let mut stream = match fetched.documents {
        Documents::Stream(stream) => stream,
        Documents::None => return (found, truncated, fetched.note),
        Documents::One(document) => panic!("not pages but {document:?}"),
    };
    while let Some(document) = stream.recv().await {
        let document = document.unwrap();
        truncated |= document.truncated;
        addresses(&document.body, document.media, |finding| {
            let place = document.source.strip_prefix(&server.url("")).unwrap();
            found.push((place.to_owned(), finding.address.to_string()));
        });
    }
    (found, truncated, fetched.note)
}

#[tokio::test]
async fn pages_are_sources_of_their_own() {
    let expected = [
        ("/a.pdf#page=1", "ann@fpdf.example.org"),
        ("/a.pdf#page=1", "ben@fpdf.example.org"),
        ("/a.pdf#page=2", "second@fpdf.example.org"),
    ];
    let expected = expected.map(|(place, address)| (place.to_owned(), address.to_owned()));
    for media in ["application/pdf", "application/octet-stream", "Application/PDF; x=y"] {
        let body = file("fpdf2.pdf");
        let field = format!("Content-Type: {media}\r\n");
        let server = Server::start(move |_| answer("200 OK", &field, &body)).await;
        let fetched = fetch(&plain(), &server.url("/a.pdf#top")).await.unwrap();
        let (found, truncated, note) = found(&server, fetched).await;
        assert!(found == expected && !truncated && note.is_none(), "{media}: {found:?} {note:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_cut_gives_the_pages_that_are_there() {
    let body = file("reportlab.pdf");
    let budget = Budget { body: body.len() - 700, ..Budget::default() };
    // One that says how large it is may be larger.
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\n\r\n";
    let server = Server::start(move |_| send(head, &[Step::Send(body.clone()), Step::Close])).await;
    let fetched = fetch_within(&plain(), &server.url("/a.pdf"), budget).await.unwrap();
    let (found, truncated, note) = found(&server, fetched).await;
    assert!(found.contains(&("/a.pdf#page=1".to_owned(), "ann.lee@reportlab.example.org".to_owned())), "{found:?}");
    assert!(truncated && note.is_none(), "{note:?}");
}

#[tokio::test]
async fn what_is_not_read_is_noted() {
    for (body, code, told) in [
        (file("locked.pdf"), "content-type", "(encrypted pdf)"),
        (b"%PDF-1.7 and nothing else".to_vec(), "content-type", "(damaged pdf)"),
        (b"<html>no PDF at all".to_vec(), "content-type", "(application/pdf)"),
    ] {
        let server = Server::start(move |_| answer("200 OK", "Content-Type: application/pdf\r\n", &body)).await;
        let fetched = fetch(&plain(), &server.url("/a.pdf")).await.unwrap();
        let (found, _, note) = found(&server, fetched).await;
        let note = note.unwrap();
        assert!(found.is_empty() && note.code == code && note.message.contains(told), "{note}");
    }
}

#[tokio::test]
async fn the_time_of_the_fetch_is_kept_and_others_go_on() {
    // Forms that draw forms: as much work as a file may make.
    let mut body = b"%PDF-1.7\n1 0 obj <</Pages 2 0 R>> endobj 2 0 obj <</Kids[3 0 R]>> endobj\n".to_vec();
    body.extend_from_slice(b"3 0 obj <</Contents 4 0 R/Resources<</XObject<</X 10 0 R>>>>>> endobj\n");
    body.extend_from_slice(b"4 0 obj <<>>stream\n/X Do\nendstream endobj\n");
    for number in 10..18 {
        let calls = "/X Do ".repeat(100);
        let form = format!(
            "{number} 0 obj <</Resources<</XObject<</X {} 0 R>>>>>>stream\n{calls} BT /F 9 Tf (x) Tj\nendstream endobj\n",
            number + 1
        );
        body.extend_from_slice(form.as_bytes());
    }
    body.extend_from_slice(b"trailer <</Root 1 0 R>>");
    let server = Server::start(move |_| answer("200 OK", "Content-Type: application/pdf\r\n", &body)).await;
    let budget = Budget { time: Duration::from_secs(3), ..Budget::default() };
    let sources = plain();
    let url = server.url("/a.pdf");
    let others = async {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::pin!(others);
    let fetch = fetch_within(&sources, &url, budget);
    tokio::pin!(fetch);
    // Were it read on this thread, the fetch would end before anything else goes on.
    tokio::select! {
        biased;
        _ = &mut fetch => panic!("there is more to read than there is time for"),
        () = &mut others => {}
    }
    let fetched = fetch.await;
    let note = fetched.unwrap().note.unwrap();
    assert_eq!((&*note.code, note.message.contains("no time")), ("pdf-damaged", true), "{note}");
}
