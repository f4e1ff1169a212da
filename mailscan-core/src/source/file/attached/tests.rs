//! Mail with files attached, from a disk, in archives and in pieces.

use std::io::{Cursor, Read, Seek, Write};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;
use crate::extract::Extractor;
use crate::fetch::FetchErrorClass;
use crate::source::file::{Pieces, io_error, zipped};

/// A PDF of one page, on which this address is.
fn pdf(address: &str) -> Vec<u8> {
    format!(
        "%PDF-1.7\n1 0 obj <</Pages 2 0 R>> endobj 2 0 obj <</Kids[3 0 R]>> endobj 3 0 obj <</Contents 5 0 R>> endobj\n\
        5 0 obj <<>>stream\nBT /F 9 Tf ({address}) Tj ET\nendstream\ntrailer <</Root 1 0 R>>"
    )
    .into_bytes()
}

/// A part that is attached, in lines of base64.
fn part(name: &str, bytes: &[u8]) -> String {
    let digits = STANDARD.encode(bytes);
    let lines: Vec<_> = digits.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let head = format!("Content-Type: application/x; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    format!("{head}{}\r\n", lines.join("\r\n"))
}

/// A message from somebody with a text and parts.
fn message(from: &str, text: &str, parts: &[String]) -> String {
    let head = format!("From: <{from}>\r\nSubject: x\r\nMIME-Version: 1.0\r\n");
    let parts: String = parts.iter().map(|part| format!("--=_b\r\n{part}")).collect();
    format!("{head}Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\n\r\n{text}\r\n{parts}--=_b--\r\n")
}

/// Where each address is found and at which byte, as a scan and a job do it, and what is told at the end.
fn found(mut pieces: Pieces) -> (Vec<(String, String, usize)>, Option<String>) {
    let (mut extractor, mut found, mut told) = (Extractor::new(), Vec::new(), None);
    let mut page = String::new();
    let mut take = |page: &str, mention: crate::extract::Mention<'_>| {
        let finding = mention.into_finding();
        found.push((page.to_owned(), finding.address.to_string(), finding.span.start));
    };
    for piece in pieces.by_ref() {
        assert_eq!(told, None, "an error is the last");
        match piece {
            Ok(piece) => {
                let next = piece.page.map(|page| page.to_string()).unwrap_or_default();
                if next != page {
                    extractor.end(|mention| take(&page, mention));
                    page = next;
                }
                extractor.read(&piece.bytes, piece.offset as usize, piece.media, |mention| take(&page, mention));
            }
            Err(error) => told = Some(error.to_string()),
        }
    }
    extractor.end(|mention| take(&page, mention));
    (found, told.or(pieces.unread().map(str::to_owned)))
}

/// The same without the places.
fn places(pieces: Pieces) -> (Vec<String>, Option<String>) {
    let (found, told) = found(pieces);
    (found.into_iter().map(|(page, address, _)| format!("{page} {address}").trim().to_owned()).collect(), told)
}

fn of(mail: impl AsRef<[u8]>, name: &str) -> Pieces {
    Pieces::from_reader(Cursor::new(mail.as_ref().to_vec()), name).unwrap()
}

fn of_file(bytes: &[u8]) -> Pieces {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Pieces::of_file(file, "", Vec::new()).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A message with one file of each kind, and what is found in it.
fn of_every_kind() -> (String, Vec<String>) {
    let report =
        zipped(&[("word/document.xml", b"<w:document><w:t>cy@c.org</w:t></w:document>"), ("a.pdf", &pdf("dan@d.org"))]);
    let workbook = crate::source::ole::tests::file(&[("Workbook", b"\x04\x02\x12\0\0\0\0\0\0\0\x09\0\0eve@e.org")]);
    let inner = message("gil@g.org", "hal@h.org", &[part("in.pdf", &pdf("ivy@i.org"))]);
    let parts = [
        part("a.pdf", &pdf("ben@b.org")),
        part("report.docx", &report),
        part("a.xls", &workbook),
        part("a.txt.gz", &gzip(b"fay@f.org")),
        part("a.rtf", br"{\rtf1 mia{\b @m}.org}"),
        part("inner.eml", inner.as_bytes()),
        part("a.7z", b"7z\xbc\xaf\x27\x1c\0\0"),
        part("a.txt", b"jon@j.org"),
        part("a.png", &[&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &b"\x01 kim@k.org ".repeat(200)].concat()),
    ];
    let expected = [
        "ann@a.org",
        "lee@l.org",
        "jon@j.org",
        "a.pdf#page=1 ben@b.org",
        "report.docx#word/document.xml cy@c.org",
        "report.docx#a.pdf#page=1 dan@d.org",
        "a.xls eve@e.org",
        "a.txt.gz fay@f.org",
        "a.rtf mia@m.org",
        "inner.eml gil@g.org",
        "inner.eml hal@h.org",
        "inner.eml#in.pdf#page=1 ivy@i.org",
    ];
    (message("ann@a.org", "lee@l.org", &parts), expected.map(str::to_owned).to_vec())
}

#[test]
fn what_is_attached_to_mail_is_read_as_any_file() {
    let (mail, expected) = of_every_kind();
    let (mut found, told) = places(of(&mail, "a.eml"));
    let told = told.unwrap();
    assert!(told.ends_with("the first of them a.7z: it is of a kind that is not read (7z)"), "{told}");
    assert_eq!(found, expected);
    // By its content alone, compressed, and in other files.
    assert_eq!(places(of(&mail, "")).0, expected);
    assert_eq!(places(of(gzip(mail.as_bytes()), "a.eml.gz")).0, expected);
    let within = |before: &str| -> Vec<_> {
        let name = |found: &String| match found.split_once(' ') {
            Some((page, address)) => format!("{before}#{page} {address}"),
            None => format!("{before} {found}"),
        };
        expected.iter().map(name).collect()
    };
    (found, _) = places(of_file(&zipped(&[("x/a.eml", mail.as_bytes())])));
    assert_eq!(found, within("x/a.eml"));
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(mail.len() as u64);
    tar.append_data(&mut header, "a.eml", mail.as_bytes()).unwrap();
    (found, _) = places(of(tar.into_inner().unwrap(), ""));
    assert_eq!(found, within("a.eml"));
}

/// Mail without what is attached, of which the addresses stand in the same places.
fn blanked(mail: &str) -> Vec<(String, String, usize)> {
    let (found, told) = found(of(mail, "a.mbox"));
    assert_eq!(told, None);
    found.into_iter().filter(|(page, ..)| page.is_empty()).collect()
}

#[test]
fn a_mailbox_of_any_length_is_read_message_by_message() {
    let filler = "some words\r\n\r\nand more of them, \r\n".repeat(9_000);
    let mut mailbox = String::new();
    let mut expected = Vec::new();
    for number in 0..12 {
        let of = |name: &str| format!("{name}{number}@a.org");
        let parts: Vec<_> =
            (0..number % 3).map(|part_number| part(&format!("{part_number}.pdf"), &pdf(&of("ben")))).collect();
        let large = [b"%PDF-1.7\n".to_vec(), vec![b' '; number * 40_000], pdf(&of("cy"))].concat();
        let parts = [parts, vec![part("large.pdf", &large)]].concat();
        expected.push((String::new(), of("ann")));
        expected.push((String::new(), of("dan")));
        expected.push((String::new(), of("eve")));
        expected.extend((0..number % 3).map(|part_number| (format!("{part_number}.pdf#page=1"), of("ben"))));
        expected.push(("large.pdf#page=1".to_owned(), of("cy")));
        let text = format!("{}\r\n{filler}\r\n{}", of("dan"), of("eve"));
        let message = message(&of("ann"), &text, &parts);
        mailbox.push_str(&format!("From x Sat Jan  3 01:05:34 1996\r\n{message}\r\n"));
    }
    let (all, told) = found(of(&mailbox, "a.mbox"));
    assert_eq!(told, None);
    let without_places: Vec<_> = all.iter().map(|(page, address, _)| (page.clone(), address.clone())).collect();
    assert_eq!(without_places, expected);
    for (_, address, at) in all.iter().filter(|(page, ..)| page.is_empty()) {
        assert_eq!(&mailbox[*at..at + address.len()], address);
    }
}

#[test]
fn mail_keeps_its_places_and_its_own_parts() {
    let text = |address: &str| format!("Content-Transfer-Encoding: base64\r\n\r\n{}\r\n", STANDARD.encode(address));
    let image = part("a.png", &[&b"\x89PNG\r\n\x1a\n"[..], &vec![1; 3_000_000]].concat());
    let mail =
        message("ann@a.org", "", &[text("ben@b.org "), image, part("a.pdf", &pdf("cy@c.org")), text("dan@d.org ")]);
    let found: Vec<_> = blanked(&mail).into_iter().map(|(_, address, at)| (address, at)).collect();
    let at = |text: &str| mail.find(text).unwrap();
    let digits = |address: &str| at(&STANDARD.encode(address));
    assert_eq!(
        found,
        [
            ("ann@a.org".to_owned(), at("ann@")),
            ("ben@b.org".to_owned(), digits("ben@b.org ")),
            ("dan@d.org".to_owned(), digits("dan@d.org "))
        ]
    );
}

#[test]
fn a_file_that_is_damaged_or_too_deep_costs_no_other() {
    let mut inner = zipped(&[("c.txt", b"cy@c.org")]);
    for name in ["3.zip", "2.zip", "1.zip"] {
        inner = zipped(&[(name, &inner)]);
    }
    let parts = [part("a.pdf", b"%PDF-1.7 nothing"), part("0.zip", &inner), part("b.pdf", &pdf("ben@b.org"))];
    let (found, told) = places(of(message("ann@a.org", "", &parts), "a.eml"));
    assert_eq!(found, ["ann@a.org", "b.pdf#page=1 ben@b.org"]);
    let told = told.unwrap();
    assert!(told.contains("2 of its 6 files") && told.contains("a.pdf: it is of a kind that is not read"), "{told}");
}

#[test]
fn what_is_kept_has_bounds() {
    let part = part("", &gzip(b"ben@b.org"));
    let parts = vec![part; MOST_FILES + 3];
    let (found, told) = places(of(message("ann@a.org", "", &parts), "a.eml"));
    assert_eq!(found.len(), MOST_FILES + 1);
    assert_eq!(found.last().map(String::as_str), Some("attachment 1000 ben@b.org"));
    assert!(
        told.is_some_and(|told| told.ends_with("the first of them more than 1000 files are attached to a message"))
    );
    let (mut keeping, mut left) = (Attached::default(), 600_000);
    let large = message("ann@a.org", "", &[self::part("a.pdf", &[pdf("x@x.org"), vec![b' '; 1 << 20]].concat())]);
    let mut piece = large.into_bytes();
    assert_eq!(keeping.read(&mut piece, true, &mut left), piece.len());
    let mut files = keeping.take();
    assert!(files.next_page().unwrap().unwrap().body.is_err() && files.next_page().unwrap().is_none());
}

#[test]
fn an_error_of_the_system_is_told_as_such_behind_all_that_is_read() {
    let file = |name: &str, place| File { name: name.into(), place };
    let (first, last) = (pdf("ben@b.org"), pdf("cy@c.org"));
    let (middle, end) = (first.len() as u64, (first.len() + last.len()) as u64);
    // Out of files, and of space.
    for (number, class) in [(24, FetchErrorClass::Deferred), (28, FetchErrorClass::Transient)] {
        let mut pieces = of(message("ann@a.org", "", &[]), "a.eml");
        let mut keeping = Keeping::default();
        keeping.add(&[first.as_slice(), &last].concat(), &mut 1_000_000).unwrap();
        let files = [
            file("damaged.pdf", Err(Error::from(ErrorKind::InvalidData))),
            file("a.pdf", Ok(0..middle)),
            file("b.pdf", Err(Error::from_raw_os_error(number))),
            file("c.pdf", Ok(middle..end)),
        ];
        pieces.set_attached(Attached {
            hold: Hold { keeping, files: files.into(), number: 4, is_full: false },
            ..Attached::default()
        });
        let mut addresses = Vec::new();
        let mut failed = None;
        for piece in pieces {
            match piece {
                Ok(piece) => addresses.push(String::from_utf8(piece.bytes).unwrap()),
                Err(error) => failed = Some(error),
            }
        }
        let addresses = addresses.concat();
        assert!(["ann@a.org", "ben@b.org", "cy@c.org"].iter().all(|address| addresses.contains(address)));
        assert_eq!(io_error("a.eml", &failed.unwrap()).class, class);
    }
}

#[test]
fn what_came_before_an_error_is_read() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> Result<usize> {
            Err(Error::other("broken"))
        }
    }
    let mail = message("ann@a.org", "", &[part("a.pdf", &pdf("ben@b.org"))]);
    let pieces = Pieces::from_reader(Cursor::new(mail.into_bytes()).chain(Fails), "a.eml").unwrap();
    let (found, told) = places(pieces);
    assert_eq!((found.len(), told.as_deref()), (2, Some("broken")));
}
