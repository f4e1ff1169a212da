//! Whole files: as programs lay them out, and made to hurt.

use std::io::{Cursor, Write};

use cfb::CompoundFile;
use proptest::prelude::*;

use super::*;

/// A file of these streams; the storages that they stand in are made.
pub(crate) fn file(streams: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = CompoundFile::create_with_version(cfb::Version::V3, Cursor::new(Vec::new())).unwrap();
    for (path, bytes) in streams {
        let path = std::path::Path::new("/").join(path);
        file.create_storage_all(path.parent().unwrap()).unwrap();
        file.create_stream(path).unwrap().write_all(bytes).unwrap();
    }
    file.flush().unwrap();
    file.into_inner().into_inner()
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The lines of the one text of a file.
fn lines(bytes: &[u8]) -> Vec<String> {
    let read = read(bytes);
    assert_eq!((read.unread, read.problem, read.texts.len()), (None, None, 1), "{:?}", read.texts);
    assert_eq!((&*read.texts[0].name, read.texts[0].media), ("", Some(Media::Text)));
    lines_of(&read.texts[0])
}

fn lines_of(text: &Text) -> Vec<String> {
    let text = std::str::from_utf8(&text.bytes).unwrap();
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// A document of Word whose text is in these pieces, each in one byte a character or in UTF-16, and its table.
fn word(pieces: &[(&str, bool)]) -> (Vec<u8>, Vec<u8>) {
    let mut stream = vec![0; 0x600];
    stream[..4].copy_from_slice(b"\xec\xa5\xc1\0");
    stream[0x0b] = 0x02;
    let (mut places, mut records, mut at) = (vec![0_u32], Vec::new(), 0);
    for (text, is_wide) in pieces {
        let bytes = if *is_wide { wide(text) } else { text.chars().map(|sign| sign as u8).collect() };
        at += if *is_wide { bytes.len() / 2 } else { bytes.len() } as u32;
        places.push(at);
        let place = stream.len() as u32;
        let place = if *is_wide { place } else { (2 * place) | (1 << 30) };
        records.extend_from_slice(&[0, 0]);
        records.extend_from_slice(&place.to_le_bytes());
        records.extend_from_slice(&[0, 0]);
        stream.extend_from_slice(&bytes);
    }
    let pieces = [places.iter().flat_map(|place| place.to_le_bytes()).collect(), records].concat();
    let looks = [&[1, 3, 0][..], b"abc"].concat();
    let table = [&looks[..], &[2], &(pieces.len() as u32).to_le_bytes(), &pieces].concat();
    stream[0x1a2..0x1a6].copy_from_slice(&4_u32.to_le_bytes());
    stream[0x1a6..0x1aa].copy_from_slice(&(table.len() as u32).to_le_bytes());
    (stream, [b"\0\0\0\0".to_vec(), table].concat())
}

/// A record of a workbook.
fn record(kind: u16, bytes: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(bytes.len() as u16).to_le_bytes(), bytes].concat()
}

/// A workbook of these records.
fn workbook(records: &[(u16, &[u8])]) -> Vec<u8> {
    let begin = record(0x0809, b"\0\x06\x05\0");
    let records: Vec<_> = records.iter().flat_map(|(kind, bytes)| record(*kind, bytes)).collect();
    file(&[("Workbook", &[begin, records].concat())])
}

/// A record of a presentation.
fn atom(flags: u16, kind: u16, bytes: &[u8]) -> Vec<u8> {
    [&flags.to_le_bytes()[..], &kind.to_le_bytes(), &(bytes.len() as u32).to_le_bytes(), bytes].concat()
}

#[test]
fn the_text_of_a_document_is_in_pieces() {
    let pieces = [
        ("write to ann@", false),
        ("a.org or \u{43f}\u{43e}\u{447}\u{442}\u{430}@example.com\r", true),
        ("\x13 HYPERLINK \"mailto:ben@b.org\" \x14Ben\x15\rcy@c\x1ed.o\x1frg\x07\rdan@d\u{ad}.org\x05\r", false),
    ];
    let (stream, table) = word(&pieces);
    let expected = [
        "write to ann@a.org or \u{43f}\u{43e}\u{447}\u{442}\u{430}@example.com",
        "HYPERLINK \"mailto:ben@b.org\"  Ben",
        "cy@c-d.org",
        "dan@d.org",
    ];
    assert_eq!(lines(&file(&[("WordDocument", &stream), ("1Table", &table)])), expected);
}

#[test]
fn what_a_program_says_of_a_document_is_text_of_it() {
    let (stream, table) = word(&[("ann@a.org\r", false)]);
    let author = [&b"\x1e\0\0\0\x0a\0\0\0ben@b.org\0"[..], b"\0\0"].concat();
    let streams: [(&str, &[u8]); 4] = [
        ("WordDocument", &stream),
        ("1Table", &table),
        ("\u{5}SummaryInformation", &author),
        ("ObjectPool/_1/Workbook", &record(0x204, b"\0\0\0\0\0\0\x09\0\0cy@c.org!")),
    ];
    assert_eq!(lines(&file(&streams)), ["cy@c.org!", "ben@b.org", "ann@a.org"]);
}

#[test]
fn an_old_document_is_one_piece() {
    let mut stream = vec![0; 0x300];
    stream[..4].copy_from_slice(b"\xdc\xa5\x65\0");
    stream[0x18..0x20].copy_from_slice(b"\0\x03\0\0\x0a\x03\0\0");
    stream.extend_from_slice(b"ann@a.org\rben@b.org\r");
    assert_eq!(lines(&file(&[("WordDocument", &stream)])), ["ann@a.org"]);
}

#[test]
fn a_document_with_a_damaged_table_is_searched_for_text() {
    let (stream, table) = word(&[("ann@a.org\r", true), ("ben@b.org\r", false)]);
    for table in [&table[..20], b"", &[7; 100]] {
        let read = read(&file(&[("WordDocument", &stream), ("1Table", table)]));
        assert!(read.problem.is_some_and(|problem| problem.contains("Word document")));
        assert_eq!(lines_of(&read.texts[0])[..2], ["ann@a.org", "ben@b.org"]);
    }
    // Pieces that lie over each other would be as long as anybody likes.
    let (stream, mut table) = word(&[("ann@a.org\r", false), ("ben@b.org\r", false)]);
    let piece = table.len() - 8;
    for at in 0..2 {
        table[15 + 4 * (at + 1)..][..4].copy_from_slice(&(0x400 * (at as u32 + 1)).to_le_bytes());
    }
    table[piece - 8..][..8].copy_from_slice(&[0; 8]);
    let read = read(&file(&[("WordDocument", &stream), ("1Table", &table)]));
    assert!(read.problem.is_some());
}

#[test]
fn strings_of_cells_are_told_from_their_lengths() {
    let mut table = b"\x05\0\0\0\x05\0\0\0".to_vec();
    // As long as the sign `*`, with a font; and one in UTF-16 with how it sounds.
    table.extend_from_slice(b"\x2a\0\x08\x01\0a.very.long.name.of.somebody@some.example.org\0\0\x05\0");
    table.extend_from_slice(b"\x09\0\x05\x02\0\0\0");
    table.extend_from_slice(&wide("ann@a.org"));
    table.extend_from_slice(b"xx\x09\0\0ben");
    let second = [&b"\x01"[..], &wide("@b.o")].concat();
    let third = b"\0rg\x08\0\0cy@c.org\x09\0\0";
    let fourth = b"\0dan@d.org";
    let records: [(u16, &[u8]); 4] = [(0xfc, &table), (0x3c, &second), (0x3c, third), (0x3c, fourth)];
    let expected = ["a.very.long.name.of.somebody@some.example.", "ann@a.org", "ben@b.org", "cy@c.org", "dan@d.org"];
    let mut whole = table.clone();
    whole[8] = 45;
    let read = |table: &[u8]| {
        let mut records = records;
        records[0].1 = table;
        lines(&workbook(&records))
    };
    let mut found = read(&whole);
    assert_eq!(found.remove(0), "a.very.long.name.of.somebody@some.example.org");
    assert_eq!(found, expected[1..]);
    // A length that is wrong damages the rest, of which what looks like text is read.
    let damaged = super::read(&workbook(&[(0xfc, &table), (0x3c, &second), (0x3c, third), (0x3c, fourth)]));
    assert!(damaged.problem.is_some_and(|problem| problem.contains("strings of the Excel workbook")));
    assert_eq!(lines_of(&damaged.texts[0])[0], expected[0]);
}

#[test]
fn comments_links_and_headers_of_a_workbook_are_text() {
    let link = [&b"\0\0\0\0\0\0\0\0\x22\0\0\0"[..], &wide("mailto:ann@a.org\0")].concat();
    let comment = [&[0; 10][..], &12_u16.to_le_bytes(), &[0; 6]].concat();
    let text = [&b"\x01"[..], &wide("\u{43f} ben@b.or")].concat();
    let text = &text[..text.len() - 2];
    let records: [(u16, &[u8]); 7] = [
        (0x203, b"dan@d.org number"),
        (0x1b8, &link),
        (0x1b6, &comment),
        (0x3c, text),
        (0x3c, b"\0.org"),
        (0x14, b"\x2c\0\0&L&\"Arial,Bold\"&8cy@c.org&Reve@e.org && so"),
        (0x204, b"\0\0\0\0\0\0\x09\0\0fay@f.org"),
    ];
    let expected = ["mailto:ann@a.org", "\u{43f} ben@b.o.or", "cy@c.org eve@e.org & so", "fay@f.org"];
    assert_eq!(lines(&workbook(&records)), expected);
}

#[test]
fn a_workbook_of_excel_95_is_read_too() {
    let stream = [
        record(0x0809, b"\0\x05\x05\0"),
        record(0x204, b"\0\0\0\0\0\0\x09\0ann@a.org"),
        record(0x14, b"\x0bben@b.org&P"),
    ];
    assert_eq!(lines(&file(&[("Book", &stream.concat())])), ["ann@a.org", "ben@b.org"]);
}

#[test]
fn texts_of_slides_are_told_from_their_heads() {
    let text = [
        atom(0, 0x0fa8, b"ann@a.org\rben@b.org"),
        atom(0, 0x0fa0, &wide("\u{43f}\u{43e}\u{447}\u{442}\u{430}@example.com")),
        atom(0, 0x03f3, b"dan@d.org"),
    ];
    let link = atom(0x10, 0x0fba, &wide("mailto:cy@c.org"));
    let stream = atom(0x0f, 0x03e8, &[atom(0x0f, 0x0ff0, &text.concat()), atom(0x0f, 0x0fd7, &link)].concat());
    let expected =
        ["ann@a.org", "ben@b.org", "\u{43f}\u{43e}\u{447}\u{442}\u{430}@example.com", "dan@d.org", "mailto:cy@c.org"];
    assert_eq!(lines(&file(&[("PowerPoint Document", &stream)])), expected);
    let cut = &stream[..stream.len() - 3];
    let read = read(&file(&[("PowerPoint Document", cut)]));
    assert!(read.problem.is_some_and(|problem| problem.contains("PowerPoint")));
    assert_eq!(lines_of(&read.texts[0])[..4], expected[..4]);
}

#[test]
fn what_is_packed_in_documents_is_unpacked() {
    let inner = workbook(&[(0x204, b"\0\0\0\0\0\0\x09\0\0ann@a.org")]);
    let mut encoder = flate2::write::ZlibEncoder::new(vec![0; 4], flate2::Compression::fast());
    encoder.write_all(&inner).unwrap();
    let stream = [atom(0, 0x0fa8, b"ben@b.org"), atom(0x10, 0x1011, &encoder.finish().unwrap())].concat();
    assert_eq!(lines(&file(&[("PowerPoint Document", &stream)])), ["ben@b.org", "ann@a.org"]);
    let module = [&b"made of it\x01"[..], &0x3013_u16.to_le_bytes(), b"\0Attribut cy@c.org \0"].concat();
    assert_eq!(lines(&file(&[("Macros/VBA/Module1", &module)])), ["Attribut cy@c.org"]);
}

/// A message with what is attached to it.
pub(crate) fn message() -> Vec<u8> {
    let long = wide("report.pdf");
    let streams: Vec<(&str, Vec<u8>)> = vec![
        ("__properties_version1.0", vec![0; 32]),
        ("__nameid_version1.0/__substg1.0_00040102", wide("no@text.org")),
        ("__substg1.0_1000001F", wide("Write to ann@a.org\r\n")),
        ("__substg1.0_0C1F001E", b"ben@b.org".to_vec()),
        ("__substg1.0_0C190102", b"\0\0SMTP:BEN@B.ORG\0".to_vec()),
        ("__substg1.0_1035001F", wide("<1@a.org>")),
        ("__substg1.0_1042001E", b"2@a.org".to_vec()),
        ("__substg1.0_007D001F", wide("Microsoft Mail Internet Headers Version 2.0\r\nFrom: cy@c.org\r\n")),
        ("__substg1.0_10130102", b"<p>dan&#64;d.org<p>".to_vec()),
        ("__substg1.0_8005101F", vec![20; 8]),
        ("__substg1.0_8005101F-00000000", wide("eve@e.org")),
        ("__substg1.0_004F0102", [&b"\0\x01\x80"[..], &wide("fay@f.org")].concat()),
        ("__recip_version1.0_#00000000/__substg1.0_39FE001F", wide("gus@g.org")),
        ("__attach_version1.0_#00000000/__substg1.0_37010102", b"hal@h.org".to_vec()),
        ("__attach_version1.0_#00000000/__substg1.0_3704001F", wide("REPORT~1.TXT")),
        ("__attach_version1.0_#00000000/__substg1.0_3707001F", long),
        ("__attach_version1.0_#00000000/__substg1.0_3712001F", wide("3@a.org")),
        ("__attach_version1.0_#00000001/__substg1.0_3701000D/__properties_version1.0", vec![0; 24]),
        ("__attach_version1.0_#00000001/__substg1.0_3701000D/__substg1.0_1000001E", b"ida@i.org".to_vec()),
        (
            "__attach_version1.0_#00000001/__substg1.0_3701000D/__attach_version1.0_#00000000/__substg1.0_37010102",
            b"joe@j.org".to_vec(),
        ),
    ];
    let streams: Vec<_> = streams.iter().map(|(path, bytes)| (*path, &bytes[..])).collect();
    file(&streams)
}

#[test]
fn a_message_is_its_texts_and_what_is_attached() {
    let read = read(&message());
    assert_eq!((read.unread, read.problem), (None, None));
    let texts: Vec<_> = read
        .texts
        .iter()
        .map(|text| (&*text.name, text.media, std::str::from_utf8(&text.bytes).unwrap().trim().replace("\r\n", "|")))
        .collect();
    let text = |text: &str| text.replace('/', "\n");
    let expected = [
        ("", Some(Media::Text), text("fay@f.org//ben@b.org/Write to ann@a.org /gus@g.org/eve@e.org")),
        (
            "",
            Some(Media::Mail),
            text("Message-ID: <1@a.org>|In-Reply-To: <2@a.org>|Content-ID: <3@a.org>|From: cy@c.org"),
        ),
        ("", Some(Media::Html), text("<p>dan&#64;d.org<p>")),
        ("report.pdf", None, text("hal@h.org")),
        ("attachment 2", Some(Media::Text), text("ida@i.org")),
        ("attachment 2#attachment 1", None, text("joe@j.org")),
    ];
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(texts.len(), expected.len(), "{texts:?}");
    for (found, expected) in texts.iter().zip(&expected) {
        assert_eq!((found.0, found.1, flat(&found.2)), (expected.0, expected.1, flat(&expected.2)));
    }
}

#[test]
fn what_is_encrypted_is_told() {
    let (mut stream, table) = word(&[("ann@a.org\r", false)]);
    stream[0x0b] |= 0x01;
    let user = [&[0; 12][..], &0xf3d1_c4df_u32.to_le_bytes()].concat();
    let slides = atom(0, 0x0fa8, b"\x81\x82ann@a.org");
    for (streams, kind) in [
        (vec![("EncryptedPackage", &b"x"[..]), ("EncryptionInfo", b"x")], "encrypted document"),
        (vec![("WordDocument", &stream), ("1Table", &table)], "encrypted doc"),
        (vec![("Workbook", &record(0x2f, b"x\0ann@a.org"))], "encrypted xls"),
        (vec![("Current User", &user), ("PowerPoint Document", &slides)], "encrypted ppt"),
        (vec![("empty", b"")], "ole without text"),
    ] {
        let read = read(&file(&streams));
        assert_eq!((read.unread, read.problem, read.texts.len()), (Some(kind), None, 0), "{kind}");
    }
}

#[test]
fn a_file_without_its_directory_is_searched_for_text() {
    let (stream, table) = word(&[(&"some words, and more. ".repeat(300), false), ("ann@a.org\r", true)]);
    let whole = file(&[("WordDocument", &stream), ("1Table", &table)]);
    let read = read(&[&whole[..0x600], &stream[0x400..]].concat());
    assert_eq!((read.unread, read.problem), (None, Some(NO_DIRECTORY)));
    assert!(lines_of(&read.texts[0]).contains(&"ann@a.org".to_owned()));
}

/// The table of sectors is a hundred times as long as the file, if the list of its parts is believed.
#[test]
fn a_table_of_sectors_that_is_listed_again_and_again_is_not_held() {
    let mut bytes = file(&[("text", b"ann@a.org")]);
    let sectors = bytes.len() / 512 - 1;
    let list = [&0_u32.to_le_bytes().repeat(127)[..], &0xffff_fffe_u32.to_le_bytes()].concat();
    bytes.extend_from_slice(&list);
    bytes[0x44..0x48].copy_from_slice(&(sectors as u32).to_le_bytes());
    bytes[0x48..0x4c].copy_from_slice(&1_u32.to_le_bytes());
    assert!(Container::open(&bytes).is_none());
}

#[test]
fn storages_that_stand_too_deep_are_left_out() {
    let deep: String = (0..40).map(|level| format!("{level}/")).collect();
    let streams = [(format!("{deep}text"), b"ann@a.org".to_vec()), ("text".to_owned(), b"ben@b.org".to_vec())];
    let streams: Vec<_> = streams.iter().map(|(path, bytes)| (&**path, &bytes[..])).collect();
    assert_eq!(lines(&file(&streams)), ["ben@b.org"]);
}

/// Files of every kind.
fn files() -> Vec<Vec<u8>> {
    let (stream, table) = word(&[("write to ann@a.org\r", false), ("ben@b.org\r", true)]);
    let slides = atom(0x0f, 0x03e8, &atom(0, 0x0fa8, b"ann@a.org"));
    let table_of_strings = b"\x01\0\0\0\x01\0\0\0\x09\0\0ann@a";
    vec![
        file(&[("WordDocument", &stream), ("1Table", &table), ("Data", &[b'x'; 5_000])]),
        workbook(&[(0xfc, table_of_strings), (0x3c, b"\0.org"), (0x1b6, &[9; 18]), (0x3c, b"\0abcdefg")]),
        file(&[("PowerPoint Document", &slides), ("Current User", b"")]),
        message(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_it_holds_it_ends(
        kind in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<[u8; 4]>(), 1..5_usize), 0..12),
        heads in prop::collection::vec((0..2_048_usize, prop::sample::select(vec![0_u8, 1, 2, 3, 5, 0xfe, 0xff])), 0..4),
        length in any::<prop::sample::Index>(),
        is_cut in prop::bool::weighted(0.1),
    ) {
        let mut bytes = files().swap_remove(kind);
        let all = bytes.len();
        for (at, new, count) in changes {
            let at = at.index(all - 4);
            bytes[at..at + count.min(4)].copy_from_slice(&new[..count.min(4)]);
        }
        for (at, new) in heads {
            bytes[at % all] = new;
        }
        if is_cut {
            bytes.truncate(length.index(all));
        }
        let read = read(&bytes);
        let text: usize = read.texts.iter().map(|text| text.bytes.len()).sum();
        // What is packed is longer by far, but none of these holds any.
        prop_assert!(text <= 9 * all + 64);
    }
}

#[test]
fn the_text_with_fonts_of_a_message_is_read_as_rtf() {
    let packed = |rtf: &str| {
        let head = [rtf.len() as u32 + 12, rtf.len() as u32, u32::from_le_bytes(*b"MELA"), 0];
        [head.map(u32::to_le_bytes).concat(), rtf.as_bytes().to_vec()].concat()
    };
    let html = r"{\rtf1\ansi\fromhtml1{\*\htmltag64 <a href='mailto:ann@a.org'>}\htmlrtf {\b\htmlrtf0 An\htmlrtf }\htmlrtf0 n@a.org}";
    for (rtf, text, media) in [
        (r"{\rtf1\ansi fay{\b @f}.org\par}", "fay@f.org", Media::Text),
        (html, "<a href='mailto:ann@a.org'>Ann@a.org", Media::Html),
        ("no rtf, ann@a.org", "no rtf, ann@a.org", Media::Text),
    ] {
        let file = file(&[("__properties_version1.0", b""), ("__substg1.0_10090102", &packed(rtf))]);
        let texts = read(&file).texts;
        assert_eq!((texts.len(), texts[0].media), (1, Some(media)), "{rtf}");
        assert_eq!(lines_of(&texts[0]), [text]);
    }
}
