//! Web archives: whose page an address is on, how bodies are kept, and what becomes of damage.

use std::io::Write;
use std::path::Path;

use flate2::write::{DeflateEncoder, ZlibEncoder};
use mailscan_core::extract::addresses;
use mailscan_core::fetch::{Documents, FetchError, FetchErrorClass};

use super::{fetch_path, gzip};

/// A record of an archive.
fn record(kind: &str, url: &str, content_type: &str, block: &[u8]) -> Vec<u8> {
    let head = format!(
        "WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\n\r\n",
        block.len()
    );
    [head.as_bytes(), block, b"\r\n\r\n"].concat()
}

/// A record of an answer with these fields in its head.
fn answer(url: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let block = [format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes(), body].concat();
    record("response", url, "application/http; msgtype=response", &block)
}

/// What is found in an archive: the source and the address, and the error that it ends with.
async fn found(archive: &[u8]) -> (Vec<(String, String)>, Option<FetchError>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crawl.warc");
    std::fs::write(&path, archive).unwrap();
    found_at(&path).await
}

async fn found_at(path: &Path) -> (Vec<(String, String)>, Option<FetchError>) {
    let (mut found, mut error) = (Vec::new(), None);
    let mut stream = match fetch_path(path).await {
        Ok(fetched) => match fetched.documents {
            Documents::Stream(stream) => stream,
            Documents::None => return (found, None),
            Documents::One(document) => panic!("an archive is a stream, not {document:?}"),
        },
        Err(error) => return (found, Some(error)),
    };
    while let Some(document) = stream.recv().await {
        assert!(error.is_none(), "nothing comes after an error");
        match document {
            Ok(document) => addresses(&document.body, document.media, |finding| {
                let source = document.source.strip_prefix(path.to_str().unwrap()).unwrap();
                found.push((source.to_owned(), finding.address.to_string()));
            }),
            Err(failed) => error = Some(failed),
        }
    }
    (found, error)
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(source, address)| ((*source).to_owned(), (*address).to_owned())).collect()
}

#[tokio::test]
async fn every_page_is_a_source_and_what_is_no_page_is_none() {
    let request = b"GET / HTTP/1.1\r\nFrom: crawler@archive.org\r\n\r\n";
    let records = [
        record("warcinfo", "", "application/warc-fields", b"operator: staff@archive.org\r\n"),
        record("request", "http://a.org/", "application/http; msgtype=request", request),
        answer("http://a.org/", "Content-Type: text/html\r\n", b"<p>ann&#64;a.org &copy;"),
        answer("<http://a.org/mail>", "content-type : message/rfc822\r\n", b"From: x\n\nto bob=40b.org, carl@c.org\n"),
        answer("http://a.org/logo", "Content-Type: image/png\r\n", b"\x89PNG dora@d.org"),
        answer("http://a.org/gone", "Content-Length: 0\r\n", b""),
        record("metadata", "http://a.org/", "application/warc-fields", b"via: erna@e.org\r\n"),
        record("resource", "file:///notes.txt", "text/plain", b"fred@f.org"),
        record("conversion", "http://a.org/text", "text/plain", b"gina@g.org\n\nWARC/1.0\r\nContent-Length: 9\r\n\r\n"),
        record("response", "dns:a.org", "text/dns", b"20260101000000\r\na.org. 300 IN A 192.0.2.1"),
        record("response", "http://a.org/odd", "application/http", b"no head: hans@h.org"),
        record("response", "http://a.org/none", "", b"neither head nor type: ines@i.org"),
    ];
    let expected = pairs(&[
        ("#http://a.org/", "ann@a.org"),
        ("#http://a.org/mail", "bob@b.org"),
        ("#http://a.org/mail", "carl@c.org"),
        ("#file:///notes.txt", "fred@f.org"),
        ("#http://a.org/text", "gina@g.org"),
        ("#http://a.org/odd", "hans@h.org"),
        ("#http://a.org/none", "ines@i.org"),
    ]);
    let (found, error) = self::found(&records.concat()).await;
    assert_eq!((found, error.map(|error| error.message)), (expected.clone(), None));
    let compressed: Vec<u8> = records.iter().flat_map(|record| gzip(record)).collect();
    let (found, error) = self::found(&compressed).await;
    assert_eq!((found, error.map(|error| error.message)), (expected, None), "a member of gzip for each record");
}

#[tokio::test]
async fn bodies_are_read_as_they_were_sent_or_as_they_are() {
    let text = b"write to ann@a.org";
    let zlib = {
        let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let deflate = {
        let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    // `printf 'write to ann@a.org' | brotli`, and `| zstd`.
    let brotli = b"\x1b\x11\0\xf8%\xc3\x80\xdcj\x10UJ\x99\x8dt\xa4\x8f\x06";
    let zstd = b"\x28\xb5\x2f\xfd\x04\x58\x91\0\0write to ann@a.org\x0c\x81\x64\x0b";
    let chunked = b"9;x=y\r\nwrite to \r\n9\r\nann@a.org\r\n0\r\n\r\n";
    let packed = gzip(text);
    let chunks_of_gzip = [format!("{:x}\r\n", packed.len()).as_bytes(), &packed[..], b"\r\n0\r\n\r\n"].concat();
    for (name, fields, body) in [
        ("gzip", "Content-Encoding: gzip\r\n", &packed[..]),
        ("gzip in the head alone", "Content-Encoding: gzip\r\n", text),
        ("zlib", "Content-Encoding: deflate\r\n", &zlib),
        ("deflate", "Content-Encoding: deflate\r\n", &deflate),
        ("deflate in the head alone", "Content-Encoding: deflate\r\n", text),
        ("brotli", "Content-Encoding: br\r\n", brotli),
        ("brotli in the head alone", "Content-Encoding: br\r\n", text),
        ("zstd", "Content-Encoding: zstd\r\n", zstd),
        ("chunked", "Transfer-Encoding: chunked\r\n", chunked),
        ("chunked in the head alone", "Transfer-Encoding: Chunked\r\n", text),
        ("chunks of gzip", "Transfer-Encoding: chunked\r\nContent-Encoding: GZIP\r\n", &chunks_of_gzip),
        ("UTF-16", "Content-Type: text/plain; charset=utf-16le\r\n", &utf16("write to ann@a.org")),
        ("a folded field", "Content-Encoding:\r\n gzip\r\n", &packed),
    ] {
        let told = answer("http://a.org/", fields, body);
        // The type of a record may be left out.
        let untold = String::from_utf8_lossy(&told).find("Content-Type: ").unwrap();
        let untold = [&told[..untold], b"X", &told[untold..]].concat();
        for archive in [told, untold] {
            let (found, error) = self::found(&archive).await;
            assert_eq!(error.map(|error| error.message), None, "{name}");
            assert_eq!(found, pairs(&[("#http://a.org/", "ann@a.org")]), "{name}");
        }
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[tokio::test]
async fn a_damaged_page_costs_no_other_and_is_told_of() {
    let packed = gzip(&b"ann@a.org and words ".repeat(100));
    let records = [
        answer("http://a.org/1", "Content-Encoding: gzip\r\n", &packed[..packed.len() / 2]),
        answer("http://a.org/2", "Content-Encoding: secret\r\n", b"bob@b.org"),
        answer("http://a.org/3", "", b"carl@c.org"),
        answer("http://a.org/4", &"x".repeat(70_000), b"dora@d.org"),
        answer("http://a.org/5", "", b"erna@e.org"),
    ];
    let (found, error) = found(&records.concat()).await;
    let read: Vec<_> = found.iter().map(|(source, _)| &source[..]).filter(|source| !source.ends_with('1')).collect();
    assert_eq!(read, ["#http://a.org/3", "#http://a.org/5"]);
    let error = error.unwrap();
    assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "file-in-part"));
    let told = "3 of its 5 pages cannot be read whole, the first of them http://a.org/1: ";
    assert!(error.message.contains(told), "{}", error.message);
}

#[tokio::test]
async fn what_comes_before_the_end_of_a_broken_archive_counts() {
    let whole =
        [answer("http://a.org/1", "", b"ann@a.org"), answer("http://a.org/2", "", b"bob@b.org and more")].concat();
    let nameless = b"WARC/1.0\r\nWARC-Type: response\r\n\r\n";
    let endless = [b"WARC/1.0\r\nX: ".to_vec(), b"x".repeat(100_000)].concat();
    for (name, archive, message) in [
        ("cut off", &whole[..whole.len() - 8], "the archive ends within its record 2"),
        ("no length", &[&whole[..], nameless].concat(), "record 3 of the archive does not say how long it is"),
        ("no record", &[&whole[..], b"<html>"].concat(), "record 3 of the archive does not begin with `WARC/`"),
        ("no end", &[&whole[..], &endless[..]].concat(), "record 3 of the archive has a head of more than 64 KiB"),
    ] {
        let (found, error) = found(archive).await;
        assert_eq!(found, pairs(&[("#http://a.org/1", "ann@a.org"), ("#http://a.org/2", "bob@b.org")]), "{name}");
        let error = error.unwrap();
        assert!(error.message.ends_with(message), "{name}: {}", error.message);
        assert_eq!((error.class, &*error.code), (FetchErrorClass::Permanent, "file-damaged"), "{name}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.warc.gz");
    let packed = gzip(&whole);
    std::fs::write(&path, [&gzip(&whole)[..], &packed[..packed.len() - 20]].concat()).unwrap();
    let (found, error) = found_at(&path).await;
    assert_eq!(found[..2], pairs(&[("#http://a.org/1", "ann@a.org"), ("#http://a.org/2", "bob@b.org")]));
    assert_eq!(&*error.unwrap().code, "file-damaged");
}

#[tokio::test]
async fn a_page_larger_than_a_piece_loses_nothing() {
    let (text, expected) = super::dense(",");
    let records = [
        answer("http://a.org/long", "", text.as_bytes()),
        answer("http://a.org/long", "Content-Encoding: gzip\r\n", &gzip(text.as_bytes())),
    ];
    let (found, error) = found(&records.concat()).await;
    assert!(error.is_none());
    let expected: Vec<_> =
        expected.into_iter().map(|(address, _)| ("#http://a.org/long".to_owned(), address)).collect();
    assert!(found == [expected.clone(), expected].concat());
}

#[tokio::test]
async fn documents_of_offices_in_a_web_archive_are_read() {
    let docx = {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        writer.start_file("word/document.xml", zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut writer, b"<w:document><w:t>ann@a.org</w:t>").unwrap();
        writer.finish().unwrap().into_inner()
    };
    let office = "Content-Type: application/vnd.openxmlformats-officedocument.wordprocessingml.document\r\n";
    let records = [
        answer("http://a.org/cv.docx", office, &docx),
        answer("http://a.org/x.7z", "Content-Type: application/x-7z-compressed\r\n", b"7z\xbc\xaf\x27\x1c ben@b.org"),
        answer("http://a.org/app.wasm", "Content-Type: application/wasm\r\n", b"\0asm\x01\0\0\0cy@c.org"),
    ];
    let (found, error) = found(&records.concat()).await;
    assert_eq!(found, pairs(&[("#http://a.org/cv.docx#word/document.xml", "ann@a.org")]));
    let error = error.unwrap();
    assert!(error.message.contains("1 of its 4 pages") && error.message.contains("(7z)"), "{error}");
}
