//! Zip files as programs write them, moved, cut and damaged: what is read of each, and what is said of the rest.

use std::io::{Seek, Write};

use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, ZipWriter};
use proptest::prelude::*;

use super::directory::{LARGE_END, POINTER};
use super::*;
use crate::source::file::Pieces;
use crate::source::file::archive::texts;

const WAYS: [CompressionMethod; 2] = [CompressionMethod::Stored, CompressionMethod::Deflated];

fn packed(files: &[(&str, &[u8])], way: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(way);
    for (name, text) in files {
        match name.strip_suffix('/') {
            Some(folder) => writer.add_directory(folder, options).unwrap(),
            None => writer.start_file(*name, options).unwrap(),
        }
        writer.write_all(text).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The same with what is to be said of each file behind it.
fn streamed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new_stream(Vec::new());
    for (name, text) in files {
        match name.strip_suffix('/') {
            Some(folder) => writer.add_directory(folder, SimpleFileOptions::default()).unwrap(),
            None => writer.start_file(*name, SimpleFileOptions::default()).unwrap(),
        }
        writer.write_all(text).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// What is read of a file with these bytes: the name within and the text of each piece, and the error at the end.
fn read(bytes: &[u8]) -> (Vec<(String, String)>, Option<String>) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    texts(Pieces::of_file(file, "a.zip", Vec::new()).unwrap())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn each_file_is_a_page() {
    let utf16: Vec<u8> = "cy@c.org".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let files = [
        ("word/", &b""[..]),
        ("word/document.xml", b"<w:t>ann@a.org</w:t>"),
        ("b\u{fc}ro.txt", b"ben@b.org"),
        ("image.png", b"\x7fPNG\0\0\0\rdan@d.org"),
        ("wide.txt", &utf16),
        ("empty", b""),
    ];
    let expected = pairs(&[
        ("word/document.xml", "<w:t>ann@a.org</w:t>"),
        ("b\u{fc}ro.txt", "ben@b.org"),
        ("image.png", "\u{7f}PNG\0\0\0\rdan@d.org"),
        ("wide.txt", "cy@c.org"),
    ]);
    for way in WAYS {
        let zip = packed(&files, way);
        assert_eq!(read(&zip), (expected.clone(), None), "{way:?}");
        // A comment that looks like an end, which it is not.
        let mut commented = [&zip[..], b"PK\x05\x06 is how it ends"].concat();
        let size = commented.len() - zip.len();
        commented[zip.len() - 2..zip.len()].copy_from_slice(&u16::try_from(size).unwrap().to_le_bytes());
        assert_eq!(read(&commented), (expected.clone(), None), "{way:?} with a comment");
    }
    assert_eq!(read(&packed(&[], WAYS[0])), (vec![], None), "an empty one");
}

#[test]
fn zip_files_in_others_are_read_file_by_file() {
    let long: String = (0..90_000_u32).map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761))).collect();
    let small = packed(&[("word/document.xml", b"<w:document><w:t>a</w:t><w:t>nn@a.org</w:t>")], WAYS[1]);
    // Beyond what is kept in memory.
    let large = packed(&[("long", long.as_bytes()), ("last", b"ben@b.org")], WAYS[0]);
    let within = packed(&[("cv.docx", &small), ("large.zip", &large), ("c.txt", b"cy@c.org")], WAYS[1]);
    let zip = packed(&[("all.zip", &within), ("d.txt", b"dan@d.org")], WAYS[1]);
    let (mut found, failed) = read(&zip);
    assert!(failed.is_none(), "{failed:?}");
    found.retain(|(name, _)| !name.ends_with("#long"));
    let names = ["all.zip#cv.docx#word/document.xml", "all.zip#large.zip#last", "all.zip#c.txt", "d.txt"];
    assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
    assert_eq!(found[0].1.trim(), "ann@a.org");
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let mut tar = tar::Builder::new(Vec::new());
    let mut head = tar::Header::new_gnu();
    head.set_size(9);
    tar.append_data(&mut head, "new/1", &b"eve@e.org"[..]).unwrap();
    let tar = tar.into_inner().unwrap();
    let warc = b"WARC/1.0\r\nWARC-Type: resource\r\nWARC-Target-URI: http://a.org/\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nfay@f.org\r\n\r\n";
    let files = [("a.tar", &tar[..]), ("a.tgz", &gzip(&tar)), ("a.docx.gz", &gzip(&small)), ("a.warc", &warc[..])];
    let (found, failed) = read(&packed(&files, WAYS[0]));
    let texts: Vec<_> = found.iter().map(|(name, text)| (name.as_str(), text.trim())).collect();
    let expected = [
        ("a.tar#new/1", "eve@e.org"),
        ("a.tgz#new/1", "eve@e.org"),
        ("a.docx.gz#word/document.xml", "ann@a.org"),
        ("a.warc#http://a.org/", "fay@f.org"),
    ];
    assert_eq!((texts, failed), (expected.to_vec(), None));
    let (found, failed) = read(&packed(&[("cut.zip", &small[..small.len() - 30]), ("d.txt", b"dan@d.org")], WAYS[0]));
    assert_eq!(found[1], pairs(&[("d.txt", "dan@d.org")])[0], "{found:?}");
    assert!(failed.unwrap().contains("cut off"));
}

#[test]
fn large_directories_are_read_to_their_end() {
    let names: Vec<_> = (0..70_000).map(|number| number.to_string()).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    let (found, failed) = read(&packed(&files, WAYS[0]));
    assert_eq!((found.len(), failed), (names.len(), None));
    assert!(found.iter().all(|(name, text)| name == text));
}

#[test]
fn many_files_in_a_small_zip_file_are_read() {
    // Only the count is too large for the record at the end, and only that is left out of it by Info-ZIP and Python.
    let names: Vec<_> = (0..65_536).map(|number| number.to_string()).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    let mut zip = packed(&files, WAYS[0]);
    let end = zip.len() - END as usize;
    let large = end - POINTER as usize - LARGE_END;
    assert!(zip[end..].starts_with(MAGIC[1]) && zip[large..].starts_with(b"PK\x06\x06"));
    for (field, of_large) in [(12, 40), (16, 48)] {
        let number = longer(&zip, large + of_large);
        zip[end + field..][..4].copy_from_slice(&u32::try_from(number).unwrap().to_le_bytes());
    }
    assert_eq!(short(&zip, end + 10), u16::MAX);
    let (found, failed) = read(&zip);
    assert_eq!((found.len(), failed), (names.len(), None));
    assert!(found.iter().all(|(name, text)| name == text));
    // What points to its end is damaged, and names a place before the file.
    let pointer = end - POINTER as usize;
    zip[pointer + 8..pointer + 16].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(read(&zip), (found, None));
}

#[test]
fn what_cannot_be_read_costs_nothing_else() {
    let pdf = &b"%PDF-1.7\nann@a.org"[..];
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"eve@e.org").unwrap();
        encoder.finish().unwrap()
    };
    let files = [("a.pdf", pdf), ("b.txt", b"ben@b.org"), ("c.txt", b"cy@c.org"), ("log.gz", &gzip)];
    let zip = packed(&files, WAYS[0]);
    let (rest, log) = (("b.txt", "ben@b.org"), ("log.gz", "eve@e.org"));
    let (found, failed) = read(&zip);
    assert_eq!(found, pairs(&[rest, ("c.txt", "cy@c.org"), log]));
    let failed = failed.unwrap();
    assert!(
        failed.contains("1 of its 4 files cannot be read whole, the first of them a.pdf") && failed.contains("pdf"),
        "{failed}"
    );
    // The third entry's method, flags, and place.
    let third = memchr::memmem::find_iter(&zip, b"PK\x01\x02").nth(2).unwrap();
    for (field, byte, why) in [(10, 99, "method 99"), (8, 1, "encrypted"), (44, 0xff, "damaged"), (23, 9, "lie over")] {
        let mut broken = zip.clone();
        broken[third + field] = byte;
        let (found, failed) = read(&broken);
        assert_eq!(found, pairs(&[rest, log]), "{why}");
        assert!(failed.unwrap().starts_with("2 of its 4 files cannot be read"), "{why}");
    }
    // Without its directory it is read by the heads of the files.
    let (found, failed) = read(&zip[..zip.len() - 9]);
    assert_eq!(found, pairs(&[rest, ("c.txt", "cy@c.org"), log]));
    assert!(failed.unwrap().contains("cut off"));
}

#[test]
fn what_stands_behind_it_or_is_damaged_costs_little() {
    let files = [("a.txt", &b"ann@a.org"[..]), ("b.txt", b"ben@b.org"), ("c.txt", b"cy@c.org")];
    let all = pairs(&[("a.txt", "ann@a.org"), ("b.txt", "ben@b.org"), ("c.txt", "cy@c.org")]);
    for way in WAYS {
        let zip = packed(&files, way);
        for more in [&b"\n"[..], &[0; 100], b"PK\x05\x06 and so on, for more than twenty bytes"] {
            assert_eq!(read(&[&zip, more].concat()), (all.clone(), None), "{way:?}");
        }
        let second = memchr::memmem::find_iter(&zip, ENTRY_MAGIC).nth(1).unwrap();
        let mut broken = zip.clone();
        broken[second] = b'X';
        let (found, failed) = read(&broken);
        assert_eq!(found, [all[0].clone(), all[2].clone()], "{way:?}");
        assert!(failed.unwrap().starts_with("1 of its 3 files cannot be read"), "{way:?}");
    }
    let mut zip = packed(&files, WAYS[0]);
    let at = memchr::memmem::find(&zip, b"ben@").unwrap();
    zip[at] = b'k';
    let (found, failed) = read(&zip);
    assert_eq!(found[1].1, "ken@b.org");
    assert!(failed.unwrap().contains("b.txt: its checksum is wrong"));
}

#[test]
fn bytes_that_stand_before_it_move_all_of_it() {
    let zip = packed(&[("a.txt", b"ann@a.org")], WAYS[1]);
    let (file, whole) = (tempfile::tempfile().unwrap(), [&b"#!/bin/sh\n"[..], &zip].concat());
    (&file).write_all(&whole).unwrap();
    let places: Arc<dyn Places> = Arc::new(file);
    let mut zip = Zip::open(&places).unwrap().unwrap();
    let page = zip.next_page().unwrap().unwrap();
    let mut text = String::new();
    page.body.unwrap().read_to_string(&mut text).unwrap();
    assert_eq!((&*page.url, &*text), ("a.txt", "ann@a.org"));
}

#[test]
fn a_file_that_ends_as_a_zip_file_is_read_as_one() {
    let files = [("a.txt", &b"ann@a.org"[..]), ("b.txt", b"ben@b.org")];
    let zip = packed(&files, WAYS[1]);
    let before = "#!/bin/sh\n# written by eve@e.org\nexec java -jar \"$0\"\n";
    let expected = pairs(&[("", before), ("a.txt", "ann@a.org"), ("b.txt", "ben@b.org")]);
    let whole = [before.as_bytes(), &zip].concat();
    assert_eq!(read(&whole), (expected.clone(), None));
    // The programs that unpack themselves may say where all of it stands in the whole file.
    let mut moved = whole.clone();
    let directory = memchr::memmem::find(&whole, ENTRY_MAGIC).unwrap();
    let end = whole.len() - END as usize;
    let second = memchr::memmem::find_iter(&whole, ENTRY_MAGIC).nth(1).unwrap();
    for field in [directory + 42, second + 42, end + 16] {
        let said = u32_at(&whole, field) + u32::try_from(before.len()).unwrap();
        moved[field..field + 4].copy_from_slice(&said.to_le_bytes());
    }
    assert_eq!(read(&moved), (expected, None));
    // A text that only ends so is one.
    let mut other = whole;
    other[before.len()] = b'X';
    let (found, failed) = read(&other);
    assert_eq!((found.len(), &*found[0].0, failed), (1, "", None));
}

#[test]
fn many_files_behind_something_else_are_read() {
    let names: Vec<_> = (0..65_536).map(|number| number.to_string()).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    let (found, failed) = read(&[b"MZ ", &packed(&files, WAYS[0])[..]].concat());
    assert_eq!((found.len(), failed), (1 + names.len(), None));
}

#[test]
fn what_is_left_of_one_that_was_cut_is_read() {
    let long: String = (0..40_000_u32).map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761))).collect();
    let files =
        [("a.txt", "ann@a.org"), ("b/", ""), ("b/ben.txt", "ben@b.org"), ("c.txt", &*long), ("d.txt", "dan@d.org")];
    let bytes = files.map(|(name, text)| (name, text.as_bytes()));
    let whole = pairs(&[files[0], files[2]]);
    for way in WAYS {
        for zip in [packed(&bytes, way), streamed(&bytes)] {
            let directory = memchr::memmem::find(&zip, b"PK\x01\x02").unwrap();
            let (found, failed) = read(&zip[..directory]);
            assert_eq!(found.last(), pairs(&[files[4]]).last(), "{way:?}");
            assert_eq!((&found[..2], found.len()), (&whole[..], 4), "{way:?}");
            assert!(failed.unwrap().contains("cut off"), "{way:?}");
            let (found, failed) = read(&zip[..directory / 2]);
            assert_eq!((&found[..2], found.len()), (&whole[..], 3), "{way:?}");
            assert!(found[2].0 == "c.txt" && long.starts_with(&found[2].1), "{way:?}");
            assert!(failed.unwrap().contains("c"), "{way:?}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_it_holds_it_ends(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut zip = packed(&[("a.txt", b"ann@a.org, ann@a.org"), ("b/", b""), ("b/c.html", b"<p>ben@b.org")], WAYS[1]);
        let length = zip.len();
        changes.iter().for_each(|(at, byte)| zip[at.index(length)] = *byte);
        if is_cut {
            zip.truncate(cut.index(length).max(4));
        }
        // The errors of opening are those of the system.
        read(&zip);
    }
}
