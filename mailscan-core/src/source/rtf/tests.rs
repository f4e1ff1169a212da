//! Documents as programs write them, and worse.

use proptest::prelude::*;

use super::parser::{DEEPEST, LONGEST, MOST_FONTS, MOST_RAW, Parser};
use super::*;
use crate::extract::addresses;

fn read(rtf: &str) -> String {
    String::from_utf8_lossy(&text(rtf.as_bytes())).into_owned()
}

fn found(rtf: &str) -> Vec<String> {
    let mut found = Vec::new();
    addresses(read(rtf).as_bytes(), media(rtf.as_bytes()), |finding| found.push(finding.address.to_string()));
    found
}

#[test]
fn runs_of_a_paragraph_are_one_text() {
    for rtf in [
        r"{\rtf1\ansi fay{\b @example}.org\par}",
        r"{\rtf1 fay{\cs10\ul\cf2 @exam}{\insrsid1234 ple.}\plain\f0\fs20 org}",
        "{\\rtf1 fay\r\n@exam\\b\r\nple.\\b0 org}",
        r"{\rtf1 fay\'40example\'2eorg}",
        r"{\rtf1 fay\u64?example\'2eorg}",
        r"{\rtf1\uc0 fay\u64 example.or\u103}",
        r"{\rtf1{\uc2 fay\u64 @@example}\u46?org}",
        r"{\rtf1 {\*\bkmkstart x@x.org}fay@exam{\*\bkmkend x@x.org}ple.org}",
        r"{\rtf1 fay@exam\-ple.org",
        r"fay@example.org",
        r"{\rtf1 fay@exam{\footnote \chftn gil@g.org}ple.org}",
    ] {
        assert_eq!(found(rtf)[0], "fay@example.org", "{rtf}");
    }
    assert_eq!(found(r"{\rtf1 fay@exam\_ple.org}"), ["fay@exam-ple.org"]);
    assert_eq!(read(r"{\rtf1 a\b-\b-1-\b0 -b}"), "a---b\n");
    for between in [r"\par ", r"\line ", r"\tab ", r"\cell ", "\\\n", r"\~", r"\emdash ", r"\u8212?", r"{\par}"] {
        assert_eq!(found(&format!(r"{{\rtf1 ann@a.org{between}ben@b.org}}")), ["ann@a.org", "ben@b.org"], "{between}");
    }
}

#[test]
fn links_notes_and_what_a_document_says_of_itself_are_read() {
    let field = r#"{\rtf1 to {\field{\*\fldinst {HYPERLINK "mailto:ann@a}{\b .org" }}{\fldrslt {\ul An}{n@b}}}.org, ben@b.org\par}"#;
    assert_eq!(found(field), ["Ann@b.org", "ben@b.org", "ann@a.org"]);
    let info =
        r"{\rtf1{\info{\title T}{\author ann@a.org}{\operator ben@b.org}{\creatim\yr2001}{\*\company cy@c.org}}}";
    assert_eq!(found(info), ["ann@a.org", "ben@b.org", "cy@c.org"]);
    let notes = r"{\rtf1 x{\header\pard ann@a.org\par}{\*\annotation ben@b.org}y{\deleted cy@c.org}\par}";
    assert_eq!(found(notes), ["ann@a.org", "ben@b.org", "cy@c.org"]);
    assert!(read(notes).starts_with("xy\n"));
    let shape = r"{\rtf1{\shp{\*\shpinst\shpleft1{\sp{\sn x@x.org}{\sv 1}}{\shptxt \pard ann@a.org\par}}{\shprslt{\*\do{\dptxbxtext ann@a.org}}}}}";
    assert_eq!(found(shape), ["ann@a.org"]);
}

#[test]
fn what_is_no_part_of_the_text_does_not_run_together_with_it() {
    for (rtf, expected) in [
        (r"{\rtf1{\*\docvar {Mail}{ann@a.org}}{\*\docvar{x}{ben{\b @b}.org}}}", &["ann@a.org", "ben@b.org"][..]),
        (r"{\rtf1{\*\docvar Mail{ann@a.org}x{ben@b.org}}}", &["ann@a.org", "ben@b.org"]),
        (r"{\rtf1 ann@a.org{\xe {\v ben@b.org}{\*\rxe cy@c.org}}.}", &["ann@a.org", "ben@b.org", "cy@c.org"]),
        (r"{\rtf1 ann@a.org{\tc ben@b.org}{\tcn cy@c.org}}", &["ann@a.org", "ben@b.org", "cy@c.org"]),
        (r"{\rtf1 a{\shptxt ben@b.org}nn@a.org}", &["ann@a.org", "ben@b.org"]),
        (r"{\rtf1{\dptxbxtext ann@a.org}{\dptxbxtext ben@b.org}}", &["ann@a.org", "ben@b.org"]),
        (r"{\rtf1\deleted cy@c.org\deleted0 ann@a.org}", &["ann@a.org", "cy@c.org"]),
        (
            r"{\rtf1\deleted cy@c.org{\deleted0 ann}\b{ ben@b.org}\deleted0 @a.org}",
            &["ann@a.org", "cy@c.org", "ben@b.org"],
        ),
        (r"{\rtf1 ann{\deleted{\footnote cy\deleted0 @c.org}}@a.org}", &["ann@a.org", "cy@c.org"]),
        (r"{\rtf1 ann\deleted0 @a.org{\*\bin4 }}}}x@x.org}}", &["ann@a.org"]),
        (r"{\rtf1 ann{\*\bin4 }}}}}@a.org}", &["ann@a.org"]),
    ] {
        assert_eq!(found(rtf), expected, "{rtf}");
    }
}

#[test]
fn what_is_no_text_is_not_read() {
    for rtf in [
        r"{\rtf1{\fonttbl{\f0\fnil x@x.org;}}}",
        r"{\rtf1{\stylesheet{\s0 x@x.org;}}}",
        r"{\rtf1{\pict\pngblip 7840782e6f7267 x@x.org}}",
        r"{\rtf1{\*\generator x@x.org;}{\*\unknown{\par x@x.org}}}",
        r"{\rtf1{\pict{\*\picprop{\sp{\sv x@x.org}}}}}",
        r"{\rtf1{\pict\bin9 x@x.org}}}",
        r"{\rtf1\bin9 x@x.org}",
        r"{\rtf1\bin9{}x@x.org}",
    ] {
        assert_eq!(found(rtf), [""; 0], "{rtf}");
    }
    assert_eq!(found(r"{\rtf1{\pict\bin4 }}}}00}ann@a.org}"), ["ann@a.org"]);
    assert_eq!(found(r"{\rtf1\bin0 ann@a.org}"), ["ann@a.org"]);
}

#[test]
fn characters_are_in_the_charset_of_their_font() {
    let fonts = r"{\fonttbl{\f0\fcharset0 A;}{\f1\fnil\fcharset128 B;}{\f2\fcharset204{\*\falt C};}{\f3\fcharset2 D;}}";
    let rtf =
        format!(r"{{\rtf1\ansi\ansicpg1250{fonts}\'e8\f0\'e8{{\f1\'83e\'83\'65}}\'e8\f2\'e8\plain\'e8\f3\'e8\f9\'e8}}");
    assert_eq!(read(&rtf), "čèテテèиččč\n");
    assert_eq!(found(&format!(r"{{\rtf1{fonts}\f1\'81Fann@a.org}}")), ["ann@a.org"]);
    for (page, text) in [
        ("1251", "и"),
        ("932", "\u{fffd}"),
        ("10000", "Ë"),
        ("65001", "\u{fffd}"),
        ("65001", "\u{fffd}"),
        ("866", "ш"),
        ("7", "è"),
    ] {
        assert_eq!(read(&format!(r"{{\rtf1\ansicpg{page} \'e8}}")), format!("{text}\n"), "{page}");
    }
    assert_eq!(read("{\\rtf1\\mac \\'8a}"), "ä\n");
    assert_eq!(read("{\\rtf1 J\u{fc}rgen}"), "J\u{fc}rgen\n", "UTF-8 as it stands");
}

#[test]
fn characters_of_unicode_have_fallbacks() {
    assert_eq!(read(r"{\rtf1\u8364\'80\u8364 ?\u8364?x}"), "€€€x\n");
    assert_eq!(read(r"{\rtf1\uc1\u-10179?\u-8704?\u128512?}"), "\u{1f600}\u{1f600}\n");
    assert_eq!(read(r"{\rtf1 {\uc0\u65}B\u67 C}"), "ABC\n");
    assert_eq!(read(r"{\rtf1 {\u65}B\u67\b D\u69\par}"), "ABCE\n\n");
    assert_eq!(read(r"{\rtf1 a\u b}"), "ab\n");
    assert_eq!(read(r"{\rtf1 \u-1\u99999999?\u55357?x}"), "\u{ffff}\u{fffd}x\n");
}

#[test]
fn messages_that_were_html_are_read_as_such() {
    let rtf = r#"{\rtf1\ansi\fromhtml1 \deff0{\*\htmltag64 <a href="mailto:ann&#64;a.org">}\htmlrtf {\b\htmlrtf0 be\htmlrtf }\htmlrtf0 {\*\htmltag84 <b>}n@b.org\htmlrtf x@x.org\par\htmlrtf0 {\*\mhtmltag <x@x.org>}}"#;
    assert_eq!((media(rtf.as_bytes()), found(rtf)), (Media::Html, vec!["ann@a.org".to_owned(), "n@b.org".to_owned()]));
    assert!(read(rtf).starts_with("<a href=\"mailto:ann&#64;a.org\">be<b>n@b.org"));
}

#[test]
fn what_is_held_has_bounds() {
    let deep = format!(r"{{\rtf1{}ann@a.org{} ben{{\b @b.org}}}}", "{".repeat(100_000), "}".repeat(100_000));
    assert_eq!(found(&deep), ["ann@a.org", "ben@b.org"]);
    let mut parser = Parser::new();
    for number in 0..100_000 {
        parser
            .push(format!(r"{{\fonttbl{{\f{number}\fcharset204}}}}{{\footnote {number} words of a note}}").as_bytes());
    }
    assert!(parser.fonts.len() <= MOST_FONTS && parser.aside.len() <= LONGEST + MOST_RAW);
    assert!(parser.outer.len() <= DEEPEST && parser.out.len() > 1 << 20);
    let mut parser = Parser::new();
    parser.push(b"\\");
    (0..100_000).for_each(|_| parser.push(b"abcdefghij"));
    assert!(parser.raw.len() <= 2 * MOST_RAW + 1);
}

#[test]
fn files_are_told_by_their_content_wherever_they_are() {
    use std::io::{Cursor, Write};

    use crate::source::file::Pieces;

    let rtf =
        [&br"{\rtf1{\pict\bin4 "[..], &[0; 4], br"}{\fonttbl{\f1\fcharset128 A;}}\f1 ", b"\x83e\x81Fann{\\b @a}.org}"]
            .concat();
    let pieces = |bytes: &[u8], name: &str| Pieces::from_reader(Cursor::new(bytes.to_vec()), name).unwrap();
    let read = |pieces: Pieces| {
        let pieces = pieces.map(Result::unwrap);
        let text = |piece: crate::source::file::Piece| {
            let page = piece.page.map_or(String::new(), |page| page.to_string());
            (page, String::from_utf8(piece.bytes).unwrap(), piece.media)
        };
        pieces.map(text).collect::<Vec<_>>()
    };
    let expected = |page: &str| [(page.to_owned(), "テ：ann@a.org\n".to_owned(), Media::Text)];
    for name in ["a.rtf", "a.doc", "a.html", ""] {
        assert_eq!(read(pieces(&rtf, name)), expected(""), "{name}");
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&rtf).unwrap();
    assert_eq!(read(pieces(&encoder.finish().unwrap(), "")), expected(""));
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(rtf.len() as u64);
    tar.append_data(&mut header, "a.rtf", &rtf[..]).unwrap();
    assert_eq!(read(pieces(&tar.into_inner().unwrap(), "")), expected("a.rtf"));
    let long = format!(r"{{\rtf1 {}}}", r"words ann{\b @a}.org \par ".repeat(200_000));
    let long = read(pieces(long.as_bytes(), ""));
    let count: usize = long.iter().map(|(_, text, _)| text.matches("ann@a.org").count()).sum();
    assert!(long.len() > 1 && count == 200_000);
}

proptest! {
    #[test]
    fn how_much_is_read_at_a_time_changes_nothing(
        parts in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "\\", "\\par", "\\u64", "\\'40", "\\'", "\\bin3 ", "ann@a.org", " ", "\\*\\fldinst", "\\uc2", "\\f1", "\\b0",
            "{\\footnote ", "{\\*\\x ", "\n", "\\~", "8", "-", "\u{e9}", "\\ansicpg932 ", "\\deleted", "\\deleted0", "{\\*\\docvar", "\\htmlrtf", "{\\pict ",
        ]), 0..60),
        step in 1..9_usize,
    ) {
        let rtf = parts.concat();
        let mut parser = Parser::new();
        rtf.as_bytes().chunks(step).for_each(|part| parser.push(part));
        parser.end();
        prop_assert_eq!(String::from_utf8_lossy(&parser.out), read(&rtf));
    }
}
