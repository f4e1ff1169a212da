//! What comes out of what mail: tables of messages by theme, each read whole and in pieces.

use super::super::{Extractor, Finding, Form, Media, addresses};

/// The findings of a message, which must be the same in pieces of any size.
fn findings(message: &[u8]) -> Vec<Finding> {
    let mut whole = Vec::new();
    addresses(message, Media::Mail, |finding| whole.push(finding));
    for size in [1, 2, 3, 7, 64] {
        let (mut extractor, mut found, mut offset) = (Extractor::new(), Vec::new(), 0);
        for piece in message.chunks(size) {
            extractor.read(piece, offset, Media::Mail, |mention| found.push(mention.into_finding()));
            offset += piece.len();
        }
        extractor.end(|mention| found.push(mention.into_finding()));
        assert_eq!(found, whole, "in pieces of {size}: {}", message.escape_ascii());
    }
    whole
}

/// Every message must give exactly these addresses, parted by spaces, in this order; with either line end.
fn check(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (message, expected) in cases {
        for message in [(*message).to_owned(), message.replace('\n', "\r\n")] {
            let got: Vec<String> =
                findings(message.as_bytes()).into_iter().map(|finding| finding.address.as_str().to_owned()).collect();
            if got.join(" ") != *expected {
                wrong.push(format!("{message:?}: expected `{expected}`, found `{}`", got.join(" ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How the addresses are written: the span's text and the form.
fn written(message: &[u8]) -> Vec<(String, Form)> {
    let text = |finding: Finding| (String::from_utf8_lossy(&message[finding.span]).into_owned(), finding.form);
    findings(message).into_iter().map(text).collect()
}

const QUOTED: &str = "Content-Transfer-Encoding: quoted-printable\n\n";
const BASE64: &str = "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n";

#[test]
fn headers() {
    check(&[
        (
            "From: Ann <ann@a.org>\nTo: bob@b.org,\n cy@c.org,\n\tdan@d.org\n\nbody",
            "ann@a.org bob@b.org cy@c.org dan@d.org",
        ),
        ("From ann@a.org Sat Jan  3 01:05:34 1996\nTo: bob@b.org\n\nx", "ann@a.org bob@b.org"),
        ("\n\nFrom: ann@a.org\n\nbob@b.org", "ann@a.org bob@b.org"),
        ("From: ann@a.org", "ann@a.org"),
        ("Reply-To : ann@a.org\n>From x\nTo: bob@b.org\n\n", "ann@a.org bob@b.org"),
        ("From: ann@a.org\nno field bob@b.org\nTo: cy=40c.org", "ann@a.org bob@b.org cy@c.org"),
        ("just ann@a.org\n and bob@b.org", "ann@a.org bob@b.org"),
        ("", ""),
    ]);
}

#[test]
fn encoded_words() {
    check(&[
        ("From: =?utf-8?Q?ann=40a.org?=\n\n", "ann@a.org"),
        ("From: =?utf-8?B?SsO8cmdlbiA8YW5uQGEub3JnPg==?=\n\n", "ann@a.org"),
        ("From: =?utf-8?Q?Ann?= <ann@a.org>\n\n", "ann@a.org"),
        ("From: =?utf-8?Q?Ann?=<ann@a.org>\n\n", "ann@a.org"),
        ("From: =?utf-8?Q?Ann?=ann@a.org\n\n", "ann@a.org"),
        ("From: bob@b.org=?utf-8?Q?Ann?=\n\n", "bob@b.org"),
        ("From: =?utf-8?Q?write_to_ann=40?=\n =?utf-8?Q?a.org_now?=\n\n", "ann@a.org"),
        ("From: =?utf-8?Q?Ann?= \n ann@a.org\n\n", "ann@a.org"),
        ("From: =?iso-8859-1*de?q?j=FCrgen=40b=FCcher.de?=\n\n", "jürgen@xn--bcher-kva.de"),
        ("Subject: =?iso-2022-jp?B?GyRCTyJNbRsoQiBhbm5AYS5vcmc=?=\n\n", "ann@a.org"),
        ("Subject: =?none?Q?ann=40a.org?= =? =?utf-8?X?bob@b.org?= =?utf-8?Q?=?=\n\n", "ann@a.org bob@b.org"),
        ("Subject: =?utf-8?Q?a=\n To: =?utf-8?Q?ann@a.org", "ann@a.org"),
    ]);
    assert_eq!(
        written(b"From: =?utf-8?Q?ann=40?= =?utf-8?Q?a.org?=, =?x?B?Ym9iQGIub3Jn?= cy@c.org\n\n"),
        [
            ("ann=40?= =?utf-8?Q?a.org".to_owned(), Form::EncodedWord),
            ("Ym9iQGIub3Jn".to_owned(), Form::EncodedWord),
            ("cy@c.org".to_owned(), Form::Plain)
        ]
    );
}

#[test]
fn quoted_printable() {
    check(&[
        (&format!("{QUOTED}ann=40a.org"), "ann@a.org"),
        (&format!("{QUOTED}ann@exam=\nple.org"), "ann@example.org"),
        (&format!("{QUOTED}ann=  \n@a.o=\t\nrg"), "ann@a.org"),
        (&format!("{QUOTED}=3Dann@a.org=20bob@b.org=0Acy@c.org"), "ann@a.org bob@b.org cy@c.org"),
        (&format!("{QUOTED}ann@a.org=\n=\n, bob@b.org="), "ann@a.org bob@b.org"),
        (&format!("{QUOTED}=ann@a.org =4 =zz@b.org == cy@c.org"), "ann@a.org zz@b.org cy@c.org"),
        (&format!("{QUOTED}j=C3=BCrgen@b=C3=BC=\ncher.de"), "jürgen@xn--bcher-kva.de"),
        (
            &format!("Content-Type: text/plain; charset=iso-8859-15\n{QUOTED}j=FCrgen@b=FC=\ncher.de bob@b.org"),
            "jürgen@xn--bcher-kva.de bob@b.org",
        ),
        (
            &format!("Content-Type: text/html\n{QUOTED}<a href=3D\"mailto:ann&#6=\n4;a.org\">x&nbsp;bob@b.org</a>"),
            "ann@a.org bob@b.org",
        ),
        (&format!("Content-Type: text/html; charset=us-ascii\n{QUOTED}j=C3=BCrgen@a.org"), "jürgen@a.org"),
    ]);
    assert_eq!(
        written(format!("{QUOTED}a=6En@a.=\norg bob@b.org ann&#6=\n4;a.org").as_bytes()),
        [
            ("a=6En@a.=\norg".to_owned(), Form::QuotedPrintable),
            ("bob@b.org".to_owned(), Form::Plain),
            ("ann&#6=\n4;a.org".to_owned(), Form::QuotedPrintable)
        ]
    );
}

#[test]
fn base64_parts() {
    check(&[
        // "write to ann@example.org, bob@b.org\n", broken anywhere.
        (&format!("{BASE64}d3JpdGUgdG8gYW5uQGV4YW1wbGUub3JnLCBib2JAYi5vcmcK"), "ann@example.org bob@b.org"),
        (
            &format!("{BASE64}d3JpdGUgdG8gYW5uQG\nV4YW1w\nb\nGUub3JnL CBib2JA\n\nYi5vcmcK\n"),
            "ann@example.org bob@b.org",
        ),
        (&format!("{BASE64}YW5uQGEub3JnIA==Ym9iQGIub3Jn\nIA==\nY3lAYy5vcmc=\n"), "ann@a.org bob@b.org cy@c.org"),
        (&format!("{BASE64}YW5uQGEub3JnL\n-- \nlist@b.org\n"), "ann@a.org list@b.org"),
        (&format!("{BASE64}ann@a.org is not encoded\nYm9iQGIub3Jn"), "ann@a.org bob@b.org"),
        (
            &format!("{BASE64}YW5uQGEub3Jn\nFrom x Sat Jan  3 01:05:34 1996\nTo: bob@b.org\n\ncy=40c.org"),
            "ann@a.org bob@b.org cy@c.org",
        ),
        // `jürgen@a.org` in UTF-16, with and without saying so.
        (
            "Content-Type: text/plain; charset=utf-16le\nContent-Transfer-Encoding: base64\n\nagD8AHIAZwBlAG4AQABhAC4AbwByAGcA",
            "jürgen@a.org",
        ),
        (&format!("{BASE64}//5qAPwAcgBnAGUAbgBAAGEALgBvAHIAZwA="), "jürgen@a.org"),
    ]);
    let text = format!("{BASE64}d3JpdGUgdG8gYW5uQG\nV4YW1wbGUub3JnLCBib2JAYi5vcmcK");
    assert_eq!(
        written(text.as_bytes()),
        [("YW5uQG\nV4YW1wbGUub3Jn".to_owned(), Form::Base64), ("Bib2JAYi5vcmc".to_owned(), Form::Base64)]
    );
}

#[test]
fn attachments_are_skipped_unless_they_are_text() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let part = |kind: &str, content: &[u8]| {
        format!("Content-Type: {kind}\nContent-Transfer-Encoding: base64\n\n{}\n", STANDARD.encode(content))
    };
    let image = [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &b"\x01 ann@a.org ".repeat(2_000)].concat();
    check(&[
        (&part("image/png", &image), ""),
        (&part("application/octet-stream", b"ann@a.org"), "ann@a.org"),
        (&part("application/pdf", b"%PDF-1.4\n/URI (mailto:ann@a.org)"), "ann@a.org"),
        (&part("image/svg+xml", b"<a href='ann&#64;a.org'/>"), "ann@a.org"),
        (&format!("{}\nbob@b.org\n", part("image/png", &image)), "bob@b.org"),
    ]);
}

#[test]
fn parts_and_messages_in_parts() {
    let mixed = "Content-Type: multipart/mixed; boundary=\"=_b\"\n\npreamble ann=40a.org\n";
    check(&[
        (
            &format!("{mixed}--=_b\n{QUOTED}bob=40b.org\n--=_b\n{BASE64}Y3lAYy5vcmc=\n--=_b--\ndan@d.org"),
            "ann@a.org bob@b.org cy@c.org dan@d.org",
        ),
        (&format!("{mixed}--=_b\n\nbob@b.org\n--=_b\ncy@c.org has no header\n--=_b"), "ann@a.org bob@b.org cy@c.org"),
        (
            &format!(
                "{mixed}--=_b\nContent-Type: message/rfc822\n\nFrom: bob@b.org\nContent-Type: multipart/alternative;\n \
                 boundary=in\n\n--in\n{QUOTED}cy=\n@c.org\n--=_b\n{QUOTED}dan=40d.org"
            ),
            "ann@a.org bob@b.org cy@c.org dan@d.org",
        ),
        // Nobody said what the boundary is.
        (
            &format!(
                "Content-Type: multipart/mixed\n\n--b\nX: y\n{QUOTED}ann=40a.o=\nrg\n--b\n{BASE64}Ym9iQGIub3Jn\n--b--\n"
            ),
            "ann@a.org bob@b.org",
        ),
        (&format!("--b\n{BASE64}YW5uQGEub3Jn\n--b--\n"), "ann@a.org"),
        // A message below another that could not be delivered.
        (
            &format!("From: ann@a.org\n\nSorry.\n\nTo: bob@b.org\n{BASE64}Y3lAYy5vcmc=\n"),
            "ann@a.org bob@b.org cy@c.org",
        ),
    ]);
}

#[test]
fn files_of_many_messages() {
    let from = "From x Sat Jan  3 01:05:34 1996\n";
    check(&[
        (
            &format!(
                "{from}{QUOTED}ann=40a.org\n\n{from}{BASE64}Ym9iQGIub3Jn\n\n{from}To: cy@c.org\n\n>From dan@d.org\n"
            ),
            "ann@a.org bob@b.org cy@c.org dan@d.org",
        ),
        (
            &format!(
                "{from}Content-Type: multipart/mixed; boundary=b\n\n--b\n{QUOTED}ann=\n@a.org\n\n{from}{QUOTED}--b=\n@b.org"
            ),
            "ann@a.org b@b.org",
        ),
        (
            "From: ann@a.org\n\n\nFrom here on bob@b.org\nwrites =40 and\nFrom x Sat Jan  3 01:05:34 1996 cy@c.org\n",
            "ann@a.org bob@b.org cy@c.org",
        ),
    ]);
}

#[test]
fn quoted_printable_that_nobody_declared() {
    check(&[
        ("To: x\n\nann=40a.org bob=2Elee@b.org", "ann@a.org bob.lee@b.org"),
        ("To: x\n\nann@exam=\nple.org", "ann@example.org"),
        ("To: x\n\nann=\n@a.org and bob@b.co=\nm", "ann@a.org bob@b.com"),
        // What is written plainly stands.
        ("To: x\n\nemail=\nann@a.org\nlink?id=40b.org&x=45cy@c.org", "ann@a.org 45cy@c.org"),
        // Unless the lines are full, as those of an encoder are.
        (&format!("To: x\n\n{} ann.=\nlee@a.org", "words ".repeat(11)), "ann.lee@a.org"),
        ("To: x\n\n<a href=3D\"x\"> ann.=\nlee@a.org", "ann.lee@a.org"),
    ]);
    assert_eq!(
        written(b"To: x\n\nann=40a.org, bob@b.org\n"),
        [("ann=40a.org".to_owned(), Form::QuotedPrintable), ("bob@b.org".to_owned(), Form::Plain)]
    );
}

#[test]
fn charsets_of_parts() {
    let latin = b"Content-Type: text/plain; charset=windows-1252\n\n\x93j\xfcrgen@b\xfccher.de\x94 \x80 ann@a.org";
    let found = findings(latin);
    assert_eq!(found[0].address.as_str(), "jürgen@xn--bcher-kva.de");
    assert_eq!(&latin[found[0].span.clone()], b"j\xfcrgen@b\xfccher.de");
    assert_eq!(&latin[found[1].span.clone()], b"ann@a.org");
    // In Shift_JIS, the second byte of a character may be that of an `@`.
    let japanese = b"Content-Type: text/plain; charset=shift_jis\n\nann\x83@a.org bob@b.org";
    assert_eq!(findings(japanese).len(), 1);
}

#[test]
fn lines_and_blocks_of_any_length() {
    let mut body = "word ".repeat(30_000);
    let place = body.len();
    body.push_str("ann@a.org ");
    body.push_str(&"x".repeat(300_000));
    body.push_str(" bob@b.org");
    for header in ["", "Content-Type: text/html\n", QUOTED.trim_end_matches('\n')] {
        let message = format!("To: x\n{header}\n\n{body}");
        let mut found = Vec::new();
        addresses(message.as_bytes(), Media::Mail, |finding| found.push(finding));
        assert_eq!(found.len(), 2, "{header}");
        assert_eq!(found[0].span.start, message.len() - body.len() + place);
        let (mut extractor, mut again) = (Extractor::new(), Vec::new());
        for (number, piece) in message.as_bytes().chunks(10_007).enumerate() {
            extractor.read(piece, number * 10_007, Media::Mail, |mention| again.push(mention.into_finding()));
        }
        extractor.end(|mention| again.push(mention.into_finding()));
        assert_eq!(again, found);
    }
}

/// Quoted-printable in which the bytes whose turn it is by `codes` are codes, with a soft line break after every `width`
/// characters or codes.
fn in_quoted_printable(text: &str, codes: u64, width: usize) -> String {
    let mut quoted = String::new();
    for (number, byte) in text.bytes().enumerate() {
        if number > 0 && number % width == 0 {
            quoted.push_str("=\n");
        }
        if byte == b'=' || codes >> (number % 64) & 1 == 1 {
            quoted.push_str(&format!("={byte:02X}"));
        } else {
            quoted.push(char::from(byte));
        }
    }
    quoted
}

/// Base64 in lines of `width` characters.
fn base64_lines(text: impl AsRef<[u8]>, width: usize) -> String {
    let code = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    let lines: Vec<&[u8]> = code.as_bytes().chunks(width).collect();
    String::from_utf8(lines.join(&b'\n')).unwrap()
}

proptest::proptest! {
    #[test]
    fn an_address_in_any_encoding_is_found_once_and_in_its_place(
        parts in proptest::collection::vec(("[a-z][a-z0-9]{0,12}", 0..4, proptest::num::u64::ANY, 4..30_usize), 1..6),
    ) {
        let mut message = "Content-Type: multipart/mixed; boundary=x\n\n".to_owned();
        let mut expected = Vec::new();
        for (local, encoding, codes, width) in &parts {
            let address = format!("{local}@a.org");
            let text = format!("write to <{address}> soon");
            let (head, body) = match encoding {
                0 => ("", text),
                1 => ("Content-Transfer-Encoding: quoted-printable\n", in_quoted_printable(&text, *codes, *width)),
                2 => ("Content-Transfer-Encoding: base64\n", base64_lines(&text, *width)),
                _ => ("Content-Type: text/html\n", text.replace('@', "&#64;")),
            };
            message.push_str(&format!("--x\n{head}\n"));
            expected.push((address, message.len()..message.len() + body.len()));
            message.push_str(&format!("{body}\n"));
        }
        message.push_str("--x--\n");
        let found = findings(message.as_bytes());
        let texts: Vec<&str> = found.iter().map(|finding| finding.address.as_str()).collect();
        let wanted: Vec<&str> = expected.iter().map(|(address, _)| &**address).collect();
        proptest::prop_assert_eq!(texts, wanted, "{}", message);
        for (finding, (_, place)) in found.iter().zip(&expected) {
            proptest::prop_assert!(place.start <= finding.span.start && finding.span.end <= place.end);
        }
    }
}

#[test]
fn folded_lines_of_records_are_whole() {
    let calendar =
        "BEGIN:VCALENDAR\nATTENDEE;CN=Ann:mailto:ann.with.a.long.na\n me@corp.d\n e\nX:bob@corp.de\nEND:VCALENDAR\n";
    check(&[
        (calendar, "ann.with.a.long.name@corp.de bob@corp.de"),
        ("dn: cn=Ann\nmail: ann@corp.d\n e\nmail: bob@corp.de\n", "ann@corp.de bob@corp.de"),
        (
            "MIME-Version: 1.0\nContent-Type: text/calendar\n\nATTENDEE:mailto:ann@corp.co\n m\nX:bob@corp.de\n",
            "ann@corp.com bob@corp.de",
        ),
        ("BEGIN:VCARD\nEMAIL;ENCODING=QUOTED-PRINTABLE:ann=40corp.de\n", "ann@corp.de"),
        (
            "BEGIN:VCARD\nNOTE;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Line=0D=0Aann@corp.de\nEMAIL:0Abob@corp.de\n",
            "ann@corp.de 0Abob@corp.de",
        ),
        (
            "BEGIN:VCARD\nNOTE;Quoted-Printable:=3Dann=\n@corp.d=\ne=20\n bob=40corp.de=0A\nX:a=0Acy@corp.de\n",
            "ann@corp.de bob@corp.de 0Acy@corp.de",
        ),
        (
            "BEGIN:VCARD\nNOTE:mail\\Nann@corp.de\\nbob@corp.d\n e\\\\Nan@corp.de\n",
            "ann@corp.de bob@corp.de Nan@corp.de",
        ),
    ]);
    assert_eq!(written(b"BEGIN:VCARD\nEMAIL:ann@corp.d\n e\n"), [("ann@corp.d\n e".into(), Form::QuotedPrintable)]);
}

#[test]
fn values_of_records_are_decoded_from_base64() {
    let photograph = base64_lines((0..=255).cycle().take(3_000).collect::<Vec<u8>>(), 72).replace('\n', "\n ");
    check(&[
        ("dn: cn=Ann\nmail:: YW5uQGFjbWUub3Jn\nmail: bob@corp.de\n", "ann@acme.org bob@corp.de"),
        ("dn: cn=Ann\nmail:: YW5uQGFj\n bWUub3Jn\nmail: bob@corp.de", "ann@acme.org bob@corp.de"),
        (
            "BEGIN:VCARD\nEMAIL;ENCODING=BASE64:YW5uQGFjbWUub3Jn\nEMAIL;TYPE=work;ENCODING=b:Ym9iQGFjbWUub3Jn\n",
            "ann@acme.org bob@acme.org",
        ),
        (&format!("BEGIN:VCARD\nPHOTO;ENCODING=b;TYPE=JPEG:{photograph}\nEMAIL:ann@corp.de\n"), "ann@corp.de"),
        ("BEGIN:VCARD\nNOTE::ann@corp.de\nNOTE;ENCODING=b:not base64: bob@corp.de\n", "ann@corp.de bob@corp.de"),
        ("dn: x\ndescription:: YW5uQGFjbWUub3Jn!\n ann@corp.d\n e\n", "ann@corp.de"),
        ("dn: x\nuid:: YW5uQGFj\n bWUub3Jn\n ann@corp.de\nmail:: ", "YW5uQGFjbWUub3Jnann@corp.de"),
    ]);
    let expected = [("YW5uQGFjbWUub3Jn".into(), Form::Base64)];
    assert_eq!(written(b"dn: x\nmail:: YW5uQGFjbWUub3Jn\n"), expected);
}

#[test]
fn folded_lines_are_whole_wherever_a_block_ends() {
    // Only the whole lines show where an apostrophe belongs.
    let cards = format!("BEGIN:VCARD\n{}", "EMAIL:ann.o'n\n eil@corp.d\n e\n".repeat(20_000));
    let mut found = 0;
    addresses(cards.as_bytes(), Media::Mail, |finding| {
        assert_eq!(finding.address.as_str(), "ann.o'neil@corp.de");
        found += 1;
    });
    assert_eq!(found, 20_000);
}

#[test]
fn a_charset_of_several_bytes_is_cut_between_its_characters() {
    // Of text in these, any byte may look like a sign of ASCII.
    let charsets = ["iso-2022-jp", "shift_jis", "euc-jp", "gbk", "big5", "utf-16le", "utf-16be"];
    for (charset, between) in charsets.into_iter().flat_map(|charset| [(charset, "\r\n"), (charset, ";")]) {
        let text: String = (0..9_000).map(|row| format!("電子郵件ann{row:05}@a.org御中{between}")).collect();
        let body = match charset {
            "utf-16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "utf-16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            _ => encoding_rs::Encoding::for_label(charset.as_bytes()).unwrap().encode(&text).0.into_owned(),
        };
        let header = format!("Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: base64\n\n");
        let message = format!("{header}{}", base64_lines(body, 76));
        let mut found = Vec::new();
        addresses(message.as_bytes(), Media::Mail, |finding| found.push(finding.address.as_str().to_owned()));
        let expected: Vec<String> = (0..9_000).map(|row| format!("ann{row:05}@a.org")).collect();
        assert!(found == expected, "{charset}, {between:?}: {} found", found.len());
    }
}

#[test]
fn a_long_folded_line_is_cut_where_it_is_whole() {
    let text = "ann.o'n\n eil@corp.d\n e,\n ".repeat(12_000);
    let calendar = format!("BEGIN:VCALENDAR\nATTENDEE:{text}\nEND:VCALENDAR\n");
    let mut found = 0;
    addresses(calendar.as_bytes(), Media::Mail, |finding| {
        assert_eq!(finding.address.as_str(), "ann.o'neil@corp.de");
        found += 1;
    });
    assert_eq!(found, 12_000);
}

#[test]
fn utf16_is_in_the_order_of_its_mark() {
    let body: Vec<u8> = "\u{feff}ann@a.org".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let header = "Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n\n";
    check(&[(&format!("{header}{}\n", base64_lines(body, 76)), "ann@a.org")]);
}

#[test]
fn the_mark_of_utf8_hides_no_field() {
    check(&[("\u{feff}Content-Transfer-Encoding: base64\nSubject: x\n\nYW5uQGEub3Jn\n", "ann@a.org")]);
}

#[test]
fn a_code_before_an_address_is_no_part_of_it() {
    check(&[("Subject: x\nReceived: y\n\n<input value=3Ded@corp.de> =3D\nann@corp.de", "ed@corp.de ann@corp.de")]);
}
