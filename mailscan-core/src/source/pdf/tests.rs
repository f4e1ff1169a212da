//! Whole files: as a hand writes them, as real programs made them (`tests/data/pdf`), and made to hurt.

use std::io::Write;

use proptest::prelude::*;

use super::*;

/// A file of these objects, of which the first is called 1.
fn file(objects: &[&str]) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    for (object, number) in objects.iter().zip(1..) {
        file.extend_from_slice(format!("{number} 0 obj\n{object}\nendobj\n").as_bytes());
    }
    file.extend_from_slice(b"trailer\n<</Root 1 0 R/Info 4 0 R>>\nstartxref\n0\n%%EOF\n");
    file
}

/// A file of one page that is drawn so, with more objects from 7 on. `/F` is a standard font, `/G` object 7, `/X` object 8.
fn drawn(content: &str, more: &[&str]) -> Vec<u8> {
    let content = format!("<</Length 5 0 R>>stream\n{content}\nendstream");
    let length = (content.len() - "<</Length 5 0 R>>stream\n\nendstream".len()).to_string();
    let pages = "<</Type/Pages/Kids[3 0 R]/Count 1/Resources<</Font<</F 6 0 R/G 7 0 R>>/XObject<</X 8 0 R>>>>>>";
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>",
        pages,
        "<</Type/Page/Parent 2 0 R/Contents 9 0 R/Annots 10 0 R>>",
        "<</Author(Ann \\(ann@info.org\\))>>",
        &length,
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ];
    let more =
        [more.first().unwrap_or(&"null"), more.get(1).unwrap_or(&"null"), &&*content, more.get(2).unwrap_or(&"null")];
    objects.extend(more.into_iter().copied());
    objects.extend(std::iter::repeat_n("null", 0));
    file(&objects)
}

/// The text of the one page.
fn text(file: &[u8]) -> String {
    let read = read(file, None);
    assert_eq!((read.unread, read.problem, read.pages.len()), (None, None, 1));
    read.pages[0].trim_end().to_owned()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A file of the tests.
fn real(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/pdf");
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn words_and_lines_are_where_they_are_drawn() {
    for (content, expected) in [
        ("BT /F 10 Tf (ann@a.org) Tj ET", "ann@a.org"),
        ("BT /F 10 Tf (ann) Tj (@a.org) Tj ET", "ann@a.org"),
        ("BT /F 10 Tf [(an)-20(n@a)15(.org)-278(ben@b.org)] TJ ET", "ann@a.org ben@b.org"),
        ("BT /F 10 Tf (ann@a.org) Tj 0 -12 Td (ben@b.org) Tj ET", "ann@a.org\nben@b.org"),
        (
            "BT /F 10 Tf 12 TL (ann@a.org) Tj T* (ben@b.org) Tj (cy@c.org) ' 0 0 (dan@d.org) \" ET",
            "ann@a.org\nben@b.org\ncy@c.org\ndan@d.org",
        ),
        // Each letter where it belongs: 5.56 for an a or an n, 10.15 for the sign.
        ("BT /F 10 Tf (a) Tj 5.56 0 Td (n) Tj 5.56 0 Td (n) Tj 5.56 0 Td (@) Tj 10.15 0 Td (a) Tj ET", "ann@a"),
        (
            "BT /F 1 Tf 10 0 0 10 50 50 Tm (ann@a.org) Tj 10 0 0 10 97.4 50 Tm (,) Tj 10 0 0 10 150 50 Tm (x) Tj ET",
            "ann@a.org, x",
        ),
        (
            "q 10 0 0 -10 0 800 cm BT /F 1 Tf 1 0 0 -1 0 0 Tm (ann@a.org) Tj ET Q BT /F 10 Tf 0 700 Td (x) Tj ET",
            "ann@a.org\nx",
        ),
        ("BT /F 10 Tf 300 Tw (ann@a.org x) Tj ET", "ann@a.org x"),
        ("BT /F 10 Tf (ann@a.org) Tj ET BI /W 1 /H 1 ID (x\x01Tj EI BT /F 10 Tf 0 -20 Td <62> Tj ET", "ann@a.org\nb"),
        ("BT /Lost 10 Tf (ann@a.org) Tj ET", "ann@a.org"),
    ] {
        assert_eq!(text(&drawn(content, &[])), expected, "{content}");
    }
}

#[test]
fn fonts_tell_their_letters() {
    let named = "<</Type/Font/Subtype/Type1/Encoding<</Differences[1/a/n/at/period/o/r/g/uni002D/ffi]>>/FirstChar 1/Widths[500 500 900 300 500 400 500 300 900]>>";
    let content = "BT /G 10 Tf <01020203010405060708010909> Tj ET";
    assert_eq!(text(&drawn(content, &[named])), "ann@a.org-affiffi");
    let widths = "5 ".repeat(80);
    let names = "46/a46 64/a64 97/a97 103/a103/.notdef 110/a110 114/a114";
    let bitmaps = format!(
        "<</Type/Font/Subtype/Type3/FontMatrix[0.1 0 0 0.1 0 0]/Encoding<</Differences[{names}]>>/FirstChar 46/Widths[{widths}]>>"
    );
    assert_eq!(text(&drawn("BT /G 10 Tf (ann@a.org) Tj ET", &[&bitmaps])), "ann@a.org");
    let table = "<</Length 200>>stream\n1 begincodespacerange<0000><FFFF>endcodespacerange 2 beginbfrange<0001><0003><0061>\
                 <0004><0005>[<0040><002E>]endbfrange endstream";
    let composite = "<</Type/Font/Subtype/Type0/Encoding/Identity-H/ToUnicode 8 0 R/DescendantFonts[<</DW 500/W[1[400 600]4 5 900]>>]>>";
    let content = "BT /G 10 Tf [<000100020003>-50<0004>] TJ 25.5 0 Td <00010005> Tj ET";
    assert_eq!(text(&drawn(content, &[composite, table])), "abc@a.");
    let wide = "<</Type/Font/Subtype/Type0/Encoding/UniGB-UCS2-H>>";
    assert_eq!(text(&drawn("BT /G 10 Tf <0061004000624E2D> Tj ET", &[wide])), "a@b\u{4e2d}");
    let japanese = "<</Type/Font/Subtype/Type0/Encoding/90ms-RKSJ-H>>";
    assert_eq!(text(&drawn("BT /G 10 Tf <614062836581> Tj ET", &[japanese])), "a@b\u{30c6}\u{fffd}");
}

#[test]
fn a_font_that_tells_nothing_is_told_of() {
    let silent = "<</Type/Font/Subtype/Type0/Encoding/Identity-H>>";
    let alone = read(&drawn("BT /G 10 Tf <000100020003> Tj ET", &[silent]), None);
    assert_eq!((alone.unread, alone.problem), (Some(NO_TEXT), None));
    let beside = read(&drawn("BT /G 10 Tf <000100020003> Tj /F 10 Tf (ann@a.org) Tj ET", &[silent]), None);
    assert!(beside.pages[0].ends_with("ann@a.org"));
    assert_eq!((beside.unread, beside.problem), (None, Some("some of its fonts do not tell which letters they show")));
}

#[test]
fn forms_are_drawn_where_they_are_called() {
    let form =
        "<</Subtype/Form/Matrix[1 0 0 1 0 -50]/Length 40>>stream\nBT /F 10 Tf (ann@a.org) Tj ET /X Do\nendstream";
    let content = "BT /F 10 Tf (above) Tj ET /X Do";
    assert_eq!(text(&drawn(content, &["null", form])), "above\nann@a.org");
}

#[test]
fn annotations_and_what_the_file_says_of_itself_are_read() {
    let annotations = "[<</Subtype/Link/A<</S/URI/URI(mailto:link@a.org)>>>>\
        <</Subtype/Text/Contents<FEFF006E0040006F002E006F00720067>/T(reviewer@a.org)>>\
        <</Subtype/Widget/Parent<</T(contact)/V(field@a.org)>>>>]";
    let file = drawn("BT /F 10 Tf (page) Tj ET", &["null", "null", annotations]);
    assert_eq!(text(&file), "page\nmailto:link@a.org\nn@o.org\nreviewer@a.org\ncontact\nfield@a.org");
    assert_eq!(read(&file, None).information, "Author: Ann (ann@info.org)\n");
}

#[test]
fn the_last_of_an_object_counts() {
    let file = drawn("BT /F 10 Tf (old@a.org) Tj ET", &[]);
    let changed = b"9 0 obj <<>> stream\nBT /F 10 Tf (new@a.org) Tj ET\nendstream endobj\ntrailer <</Prev 9>>\n";
    assert_eq!(text(&[&file[..], changed].concat()), "new@a.org");
    // And what stands in a stream is none, whatever it looks like.
    let hidden = drawn("BT /F 10 Tf (a@a.org) Tj ET % 9 0 obj <<>> stream", &[]);
    assert_eq!(text(&hidden), "a@a.org");
}

#[test]
fn objects_in_streams_are_found() {
    let packed = deflate(b"2 0 3 29 <</Kids[3 0 R]/Type/Pages   >><</Type/Page/Contents 5 0 R>>");
    let head =
        format!("%PDF-1.5\n4 0 obj <</Type/ObjStm/N 2/First 9/Filter/FlateDecode/Length {}>>stream\n", packed.len());
    let rest = "\nendstream endobj\n1 0 obj <</Pages 2 0 R>> endobj\n5 0 obj <<>>stream\nBT /F 9 Tf (ann@a.org) Tj ET\nendstream\
                6 0 obj <</Type/XRef/Root 1 0 R>>stream\nendstream";
    let file = [head.as_bytes(), &packed, rest.as_bytes()].concat();
    assert_eq!(text(&file), "ann@a.org");
}

#[test]
fn damage_costs_only_what_it_hits() {
    let file = real("chromium.pdf");
    let whole = read(&file, None);
    assert_eq!((whole.pages.len(), whole.problem, whole.unread), (2, None, None));
    let cut = read(&drawn("BT /F 10 Tf (ann@a.org) Tj (ben", &[])[..430], None);
    assert!(cut.problem.is_some());
    let mut lost = real("reportlab.pdf");
    let root = memchr::memmem::rfind(&lost, b"/Root").unwrap();
    lost[root + 1] = b'L';
    let lost = read(&lost, None);
    assert_eq!(lost.problem, Some("its list of pages is missing or damaged"));
    assert!(lost.pages.concat().contains("ann.lee@reportlab.example.org"));
}

#[test]
fn what_anybody_may_open_is_opened() {
    let plain = read(&real("reportlab.pdf"), None);
    for name in ["rc4.pdf", "aes128.pdf", "aes256.pdf"] {
        assert_eq!(read(&real(name), None), plain, "{name}");
    }
}

#[test]
fn kinds_that_are_not_read_are_told() {
    for (file, kind) in [
        (&b"%PDF-1.7\n(ann@a.org)"[..], NO_PDF),
        (&real("locked.pdf"), ENCRYPTED),
        (&drawn("0 0 m 9 9 l S", &[]), NO_TEXT),
    ] {
        assert_eq!(read(file, None).unread, Some(kind));
    }
}

/// Files that are small, and would take for ever, or all memory, if they had their way.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let many = |unit: &str| [b"%PDF-1.7\n", unit.repeat(300_000 / unit.len()).as_bytes()].concat();
    let bomb = deflate(&vec![b' '; 64 << 20]);
    let head = "%PDF-1.7\n1 0 obj <</Pages 2 0 R>> endobj 2 0 obj <</Kids[3 0 R]>> endobj 3 0 obj <</Contents 4 0 R>> endobj\n4 0 obj ";
    let end = "\nendstream endobj trailer <</Root 1 0 R>>";
    let streamed = |dictionary: &str, bytes: &[u8]| {
        [head.as_bytes(), dictionary.as_bytes(), b"stream\n", bytes, end.as_bytes()].concat()
    };
    let forms: Vec<String> = (7..20)
        .map(|number| {
            let next = if number == 8 { 11 } else { number + 1 };
            let calls = "/X Do ".repeat(50);
            format!("<</Subtype/Form/Resources<</XObject<</X {next} 0 R>>/Font<</F 6 0 R>>>>>>stream\n{calls} BT /F 9 Tf (x) Tj\nendstream")
        })
        .collect();
    let forms: Vec<&str> = forms.iter().map(String::as_str).collect();
    let mut all: Vec<&str> = vec![
        "<</Pages 2 0 R>>",
        "<</Kids[3 0 R]>>",
        "<</Contents 4 0 R/Resources<</XObject<</X 7 0 R>>>>>>",
        "<<>>stream\n/X Do\nendstream",
        "null",
        "<<>>",
    ];
    all.extend(&forms);
    vec![
        ("objects", many("1 0 obj\n")),
        ("strings", many("1 0 obj (\n")),
        ("arrays", many("1 0 obj [\n")),
        ("dictionaries", many("1 0 obj <</A\n")),
        ("deep", many("[")),
        ("streams", many("1 0 obj <<>> stream\n")),
        ("lengths", many("1 0 obj <</Length 1 0 R>> stream\nendstream ")),
        ("streams of objects", many("1 0 obj <</Type/ObjStm/N 9999999/First 9999999>> stream\n1 0 endstream ")),
        ("ends", [many("trailer ("), b" 1 0 obj".to_vec()].concat()),
        ("references", file(&["2 0 R", "1 0 R"])),
        ("a circle of pages", file(&["<</Pages 2 0 R>>", "<</Kids[2 0 R 2 0 R 3 0 R]>>", "<</Kids[2 0 R 3 0 R]>>"])),
        ("a bomb", streamed("<</Filter/FlateDecode>>", &bomb)),
        ("a bomb of bombs", streamed("<</Filter[/FlateDecode/FlateDecode]>>", &deflate(&bomb))),
        ("filters", streamed("<</Filter[/ASCIIHexDecode/ASCIIHexDecode/ASCIIHexDecode/ASCIIHexDecode]>>", b"00")),
        ("forms of forms", file(&all)),
    ]
}

#[test]
fn files_that_are_made_to_hurt_end() {
    for (name, file) in hostile() {
        let read = read(&file, None);
        let held: usize = read.pages.iter().map(String::len).sum();
        assert!(held <= MOST_TEXT, "{name}");
        assert!(read.problem.is_some() || read.unread.is_some(), "{name} is told of");
    }
}

#[test]
fn a_deadline_is_kept() {
    let content = "BT /F 9 Tf (ann@a.org) Tj ET ".repeat(100_000);
    let late = read(&drawn(&content, &[]), Some(Instant::now()));
    assert_eq!(late.problem, Some("there was no time to read it to its end"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_bytes_are_read_it_ends(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        read(&[MAGIC, &bytes].concat(), None);
    }

    #[test]
    fn whatever_is_changed_in_a_file_it_ends(
        name in prop::sample::select(vec!["chromium.pdf", "reportlab.pdf", "streams.pdf", "ghostscript.pdf", "rc4.pdf", "aes256.pdf"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut file = real(name);
        let length = file.len();
        changes.iter().for_each(|(at, byte)| file[at.index(length)] = *byte);
        if is_cut {
            file.truncate(cut.index(length));
        }
        let read = read(&file, None);
        prop_assert!(read.pages.iter().map(String::len).sum::<usize>() <= MOST_TEXT);
    }
}
