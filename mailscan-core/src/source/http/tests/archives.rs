//! Files over HTTP that hold others, or are compressed.

use std::io::Write;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;
use crate::source::file::zipped;

fn xz(text: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut head = tar::Header::new_gnu();
        head.set_size(text.len() as u64);
        tar.append_data(&mut head, name, *text).unwrap();
    }
    tar.into_inner().unwrap()
}

/// The name and the text of each document, and the code of what is noted.
async fn documents(fetched: Fetched) -> (Vec<(String, String)>, Option<String>) {
    let (mut found, mut note) = (Vec::new(), fetched.note.map(|note| note.code.to_string()));
    let mut stream = match fetched.documents {
        Documents::Stream(stream) => stream,
        Documents::One(document) => {
            let (sender, stream) = tokio::sync::mpsc::channel(1);
            sender.try_send(Ok(document)).unwrap();
            stream
        }
        Documents::None => panic!("documents"),
    };
    while let Some(document) = stream.recv().await {
        match document {
            Ok(Document { source, body, .. }) => {
                let name = source.split_once('#').map_or("", |(_, name)| name);
                found.push((name.to_owned(), String::from_utf8_lossy(body.trim_ascii()).into_owned()));
            }
            Err(error) => note = Some(error.code.to_string()),
        }
    }
    (found, note)
}

#[tokio::test]
async fn files_that_hold_others_are_these() {
    let long: String = (0..5_000_u32).map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761))).collect();
    let docx = zipped(&[("word/document.xml", b"<w:t>ann@a.org</w:t>"), ("a b.pdf", PDF), ("c", b"ben@b.org")]);
    let broken = zipped(&[("a.pdf", b"%PDF-1.7"), ("c", b"ben@b.org")]);
    let cut = zipped(&[("c", b"ben@b.org"), ("long", long.as_bytes())]);
    let tar = tar_of(&[("a/x.txt", b"ann@a.org"), ("long", long.as_bytes())]);
    let office = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    let cell = b"\x04\x02\x12\0\0\0\0\0\0\0\x09\0\0ann@a.org";
    let sheet = crate::source::ole::tests::file(&[("Workbook", cell)]);
    let locked = crate::source::ole::tests::file(&[("Workbook", b"\x2f\0\0\0"), ("CompObj", b"text of a program")]);
    // The text of mail stands under its own address, as do its lines where what is attached was.
    let (from, part) = ("From: ben@b.org\nSubject: x\nMIME-Version: 1.0", "Content-Transfer-Encoding: base64");
    let digits = STANDARD.encode(tar_of(&[("x.txt", b"ann@a.org")]));
    let mail = format!("{from}\n{part}\n\n{digits}").into_bytes();
    let mail_text = format!("{from}\n{part}");
    let (ann, ben) = (("a/x.txt", "ann@a.org"), ("c", "ben@b.org"));
    let long = ("long", long.trim());
    let in_docx = [("word/document.xml", "<w:t>ann@a.org</w:t>"), ("a%20b.pdf#page=1", "ann@a.org"), ben];
    let in_mail = [("", mail_text.as_str()), ("attachment%201#x.txt", "ann@a.org")];
    let plain_mail = format!("{mail_text}\n\nYW5u");
    for (kind, body, expected, note) in [
        (office, docx.clone(), &in_docx[..], None),
        ("application/octet-stream", docx.clone(), &in_docx, None),
        ("", docx, &in_docx, None),
        ("application/zip", broken, &[ben], Some("file-in-part")),
        ("application/zip", cut[..cut.len() / 2].to_vec(), &[ben], Some("file-in-part")),
        ("application/x-tar", tar.clone(), &[ann, long], None),
        ("application/gzip", packed(GzipEncoder::new(&tar[..])).await, &[ann, long], None),
        ("application/x-xz", xz(b"ann@a.org"), &[("", "ann@a.org")], None),
        ("application/vnd.ms-excel", sheet.clone(), &[("", "ann@a.org")], None),
        ("application/octet-stream", sheet.clone(), &[("", "ann@a.org")], None),
        ("application/gzip", packed(GzipEncoder::new(&sheet[..])).await, &[("", "ann@a.org")], None),
        ("application/vnd.ms-excel", sheet[..1_200].to_vec(), &[("", "Root Entry\nWorkbook")], Some("file-in-part")),
        ("text/rtf", br"{\rtf1 ann{\b @a}.org}".to_vec(), &[("", "ann@a.org")], None),
        ("application/msword", br"{\rtf1 ann{\b @a}.org}".to_vec(), &[("", "ann@a.org")], None),
        ("message/rfc822", mail.clone(), &in_mail, None),
        ("application/gzip", packed(GzipEncoder::new(&mail[..])).await, &in_mail, None),
        ("message/rfc822", [&mail[..mail_text.len() + 2], b"YW5u"].concat(), &[("", &plain_mail)], None),
        ("application/msword", locked, &[("", "text of a program")], Some("file-kind")),
    ] {
        let answer = ok_as(kind, "", &body);
        let server = Server::start(move |path| if path == "/page" { answer.clone() } else { MISSING.to_vec() }).await;
        let fetched = read(&source(), server.url("/page").as_str(), Budget { body: 60_000, ..budget() }).await.unwrap();
        let (mut found, told) = documents(fetched).await;
        found.retain(|(name, text)| name != "long" || text == long.1);
        let expected: Vec<_> = expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert_eq!((found, told.as_deref()), (expected, note), "{kind}");
    }
}

#[tokio::test]
async fn a_file_that_says_how_large_it_is_may_be_larger_than_a_page() {
    let text = b"word ".repeat(1_000);
    let tar = tar_of(&[("long", &text), ("a.txt", b"ann@a.org")]);
    let chunked = {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-tar\r\nConnection: close\r\n\r\n";
        [head.as_bytes(), &tar].concat()
    };
    for (answer, last) in [(ok_as("application/x-tar", "", &tar), "a.txt"), (chunked, "long")] {
        let server = Server::start(move |path| if path == "/page" { answer.clone() } else { MISSING.to_vec() }).await;
        let fetched = read(&source(), server.url("/page").as_str(), budget()).await.unwrap();
        assert_eq!(documents(fetched).await.0.last().unwrap().0, last);
    }
}
