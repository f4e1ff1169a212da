//! The extractor on files: folders, compressed and large files, other encodings, lists, all through the fetcher.

// Helpers fail as the tests that call them do.
#![allow(clippy::unwrap_used)]

// Web archives: their pages, codings and damage.
mod archives;
// A labelled sample of real pages.
mod pages;
// PDFs of real programs.
mod pdfs;
// The public accuracy sets.
mod public;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use mailscan_core::extract::addresses;
use mailscan_core::fetch::{Budget, Document, Documents, FetchContext, FetchError, FetchErrorClass, Fetched, Recall};
use mailscan_core::job::{JobId, JobOptions, Origin};
use mailscan_core::source::file::{FileSource, Pieces};
use mailscan_core::task::{Task, TaskId, Work};

async fn fetch(work: Work) -> Result<Fetched, FetchError> {
    fetch_for(&Origin::Operator, work).await
}

async fn fetch_for(origin: &Origin, work: Work) -> Result<Fetched, FetchError> {
    let task = Task { id: TaskId(1), job: JobId(1), work, depth: 0, attempt: 1, crashes: 0 };
    let options = JobOptions::default();
    let context = FetchContext { options: &options, origin, budget: Budget::default(), recall: Recall::NEVER };
    FileSource::new().fetch(&task, &context).await
}

async fn fetch_path(path: &Path) -> Result<Fetched, FetchError> {
    fetch(Work::Path { path: path.to_str().unwrap().to_owned() }).await
}

/// Every document of what was fetched.
async fn documents(fetched: Fetched) -> Vec<Document> {
    match fetched.documents {
        Documents::None => Vec::new(),
        Documents::One(document) => vec![document],
        Documents::Stream(mut stream) => {
            let mut documents = Vec::new();
            while let Some(document) = stream.recv().await {
                documents.push(document.unwrap());
            }
            documents
        }
    }
}

/// The addresses of a file, each with where it stands in the file's text.
async fn addresses_of(path: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for document in documents(fetch_path(path).await.unwrap()).await {
        assert_eq!(&*document.source, path.to_str().unwrap());
        addresses(&document.body, document.media, |finding| {
            found.push((finding.address.as_str().to_owned(), document.offset + finding.span.start as u64));
        });
    }
    found
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Text of several pieces in which addresses stand so densely that every cut falls beside one, with their places.
fn dense(separator: &str) -> (String, Vec<(String, u64)>) {
    let (mut text, mut expected) = (String::new(), Vec::new());
    for number in 0..100_000 {
        expected.push((format!("ann.{number}@a{}.org", number % 7), text.len() as u64));
        text.push_str(&expected[number].0);
        text.push_str(separator);
    }
    (text, expected)
}

#[tokio::test]
async fn no_address_is_lost_or_doubled_at_the_borders_of_pieces() {
    let folder = tempfile::tempdir().unwrap();
    for (name, separator) in [
        ("lines", "\n"),
        ("commas", ","),
        ("tags", "</b><b>"),
        ("quotes", "\",\""),
        ("semicolons", ";"),
        ("sentences", "。请联系"),
    ] {
        let (text, expected) = dense(separator);
        let path = folder.path().join(name);
        std::fs::write(&path, &text).unwrap();
        assert!(documents(fetch_path(&path).await.unwrap()).await.len() > 1, "{name} comes in pieces");
        assert!(addresses_of(&path).await == expected, "{name}");
        let compressed = folder.path().join(format!("{name}.gz"));
        std::fs::write(&compressed, [gzip(&text.as_bytes()[..1_000]), gzip(&text.as_bytes()[1_000..])].concat())
            .unwrap();
        assert!(addresses_of(&compressed).await == expected, "{name}, compressed");
    }
}

#[tokio::test]
async fn utf16_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contacts.csv");
    let text: Vec<u8> =
        "\u{feff}Jürgen;jürgen@bücher.de\r\nann@a.org;\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(&path, text).unwrap();
    let found: Vec<String> = addresses_of(&path).await.into_iter().map(|(address, _)| address).collect();
    assert_eq!(found, ["jürgen@xn--bcher-kva.de", "ann@a.org"]);
}

#[tokio::test]
async fn names_and_content_tell_html_from_text() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("page.htm", "r&amp;d@a.org"), ("page", "<!doctype html>r&amp;d@a.org")] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        assert_eq!(addresses_of(&path).await[0].0, "r&d@a.org", "{name}");
    }
}

#[tokio::test]
async fn addresses_in_binary_files_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program");
    std::fs::write(&path, b"\x7fELF\0\0\xff\xfeann@a.org\0bob@b.org\x01\xff").unwrap();
    let found: Vec<String> = addresses_of(&path).await.into_iter().map(|(address, _)| address).collect();
    assert_eq!(found, ["ann@a.org", "bob@b.org"]);
}

#[tokio::test]
async fn a_folder_becomes_tasks_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["b.txt", "a.txt", "-"] {
        std::fs::write(path(name), "").unwrap();
    }
    std::fs::create_dir(path("sub")).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path(), path("loop")).unwrap();
        std::os::unix::fs::symlink(path("a.txt"), path("link")).unwrap();
        std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    }
    let fetched = fetch_path(folder.path()).await.unwrap();
    assert!(fetched.discovered.iter().all(|found| found.step == 0));
    let names: BTreeSet<String> = fetched.discovered.iter().map(|found| found.work.label()).collect();
    let mut expected = vec!["-", "a.txt", "b.txt", "sub"];
    expected.extend(cfg!(unix).then_some("link"));
    let expected: BTreeSet<String> = expected.into_iter().map(|name| path(name).to_str().unwrap().to_owned()).collect();
    assert_eq!(names, expected);
    assert!(matches!(fetched.documents, Documents::None));
}

#[cfg(unix)]
#[tokio::test]
async fn a_job_from_the_api_reads_below_its_roots_as_they_are_when_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let long = b"eve@host.org\n".repeat(200_000);
    std::fs::create_dir_all(path("root/sub")).unwrap();
    for (name, text) in [("out.txt", &b"eve@host.org"[..]), ("long.txt", &long), ("root/1.txt", b"ann@host.org")] {
        std::fs::write(path(name), text).unwrap();
    }
    std::fs::write(path("root/sub/2.txt"), "bob@host.org").unwrap();
    let origin = Origin::Api { roots: vec![path("root")] };
    let read = async |name: &str| fetch_for(&origin, Work::Path { path: path(name) }).await;
    let named = read("root").await.unwrap().discovered.len();
    assert_eq!((named, documents(read("root/1.txt").await.unwrap()).await.len()), (2, 1));

    // Whoever can write below the root turns what was listed into links out of it.
    std::fs::remove_file(path("root/1.txt")).unwrap();
    std::os::unix::fs::symlink("../long.txt", path("root/1.txt")).unwrap();
    std::fs::rename(path("root/sub"), path("root/gone")).unwrap();
    std::os::unix::fs::symlink(folder.path(), path("root/sub")).unwrap();
    let list = fetch_for(&origin, Work::List { path: path("root/1.txt"), offset: 0 }).await;
    for refused in [read("root/1.txt").await, read("root/sub").await, read("root/sub/out.txt").await, list] {
        let error = refused.unwrap_err();
        assert_eq!((error.class, &*error.code), (FetchErrorClass::Refused, "file-outside"));
        assert!(!error.message.contains("long.txt") && error.message.contains("put the file"), "{error}");
    }
    assert_eq!(read("root").await.unwrap().discovered.len(), 2, "a link to a file is told of by its own task");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_name_that_is_no_text_is_reported_beside_the_others() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"bad\xff")), "").unwrap();
    std::fs::write(folder.path().join("good"), "").unwrap();
    let fetched = fetch_path(folder.path()).await.unwrap();
    assert_eq!(fetched.discovered.len(), 1);
    let Documents::Stream(mut stream) = fetched.documents else { panic!("the error must be told") };
    let error = stream.recv().await.unwrap().unwrap_err();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "file-name"));
    assert!(stream.recv().await.is_none());
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let missing = fetch_path(&folder.path().join("missing")).await.unwrap_err();
    assert_eq!((missing.class, &*missing.code), (FetchErrorClass::Permanent, "file-not-found"));
    let page = fetch(Work::Page { url: "https://a.org/".into() }).await.unwrap_err();
    assert_eq!(&*page.code, "not-local");
    let damaged = folder.path().join("damaged.gz");
    let mut bytes = gzip(&b"ann@a.org ".repeat(10_000));
    bytes.truncate(bytes.len() - 4);
    std::fs::write(&damaged, bytes).unwrap();
    let Documents::Stream(mut stream) = fetch_path(&damaged).await.unwrap().documents else { panic!("a stream") };
    assert_eq!(stream.recv().await.unwrap().unwrap().body.len(), 100_000, "what came before the damage counts");
    assert_eq!(&*stream.recv().await.unwrap().unwrap_err().code, "file-damaged");
}

#[tokio::test]
async fn a_list_gives_pages_and_its_rest() {
    let mut list = tempfile::NamedTempFile::new().unwrap();
    for number in 0..1_500 {
        writeln!(list, "https://a.org/{number}\nnot a url").unwrap();
    }
    let (mut work, mut pages) = (Some(Work::List { path: list.path().to_str().unwrap().to_owned(), offset: 0 }), 0);
    while let Some(next) = work.take() {
        for found in fetch(next).await.unwrap().discovered {
            match found.work {
                Work::Page { url } => {
                    assert_eq!(url, format!("https://a.org/{pages}"));
                    pages += 1;
                }
                rest => work = Some(rest),
            }
        }
    }
    assert_eq!(pages, 1_500);
}

/// A reader that goes on for ever and says when it is dropped.
struct Endless(std::sync::mpsc::Sender<()>);

impl std::io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        buffer.fill(b' ');
        Ok(buffer.len())
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn an_endless_reader_is_read_piece_by_piece() {
    let (dropped, signal) = std::sync::mpsc::channel();
    let mut pieces = Pieces::from_reader(Endless(dropped), "").unwrap();
    let first = pieces.next().unwrap().unwrap();
    let second = pieces.next().unwrap().unwrap();
    assert_eq!(second.offset, first.bytes.len() as u64);
    assert!(first.bytes.len() < 2 << 20);
    drop(pieces);
    signal.recv().unwrap();
}

#[tokio::test]
async fn dropping_the_stream_ends_the_reader() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    std::fs::write(&path, b"ann@a.org\n".repeat(2_000_000)).unwrap();
    let Documents::Stream(mut stream) = fetch_path(&path).await.unwrap().documents else { panic!("a stream") };
    assert!(stream.recv().await.unwrap().is_ok());
    stream.close();
    // What was on its way may still come; then the reader is gone.
    while stream.recv().await.is_some() {}
}
