//! Properties: the fast extractor agrees with the slow one, and context neither hides nor doubles an address.

use proptest::prelude::*;

use super::{Finding, Media, addresses, naive};

fn fast(document: &[u8], media: Media) -> Vec<Finding> {
    let mut found = Vec::new();
    addresses(document, media, |finding| found.push(finding));
    found
}

/// Pieces of which trouble is made.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    const FRAGMENTS: [&str; 140] = [
        "<wbr>",
        "<WBR/>",
        "&shy;",
        "\u{200b}",
        "\u{ad}",
        "ann",
        "bob",
        "a.org",
        "b.co.uk",
        "@",
        "@",
        "@",
        "@",
        ".",
        "..",
        "...",
        "-",
        "_",
        "+",
        "'",
        "\"",
        "<",
        ">",
        "&",
        "%",
        "\\",
        " ",
        "\n",
        ":",
        "/",
        "//",
        "://",
        "https",
        "mailto:",
        "MAILTO:",
        "git",
        "=",
        "?",
        ",",
        ";",
        "(",
        ")",
        "[",
        "]",
        "*",
        "{",
        "}",
        "#",
        "|",
        "&#64;",
        "&#x40",
        "&#064",
        "&commat;",
        "%40",
        "\\u0040",
        "\\u{40}",
        "\\u{61}",
        "\\x40",
        "&#97;",
        "&#x2e;",
        "&period;",
        "&lt;",
        "&gt;",
        "&amp;",
        "&nbsp",
        "&quot;",
        "%20",
        "%22",
        "%2B",
        "%C3%BC",
        "\\n",
        "\\\"",
        "\\u003c",
        "ü",
        "联系",
        "请",
        "หรือ",
        "②",
        "&amp;#064;",
        "&amp;#97;",
        "\\u0026#64;",
        "&#252;",
        "&#45;",
        "\u{2011}",
        "&#8209;",
        "\u{2010}",
        "@@",
        "\\:",
        "\\:",
        "\x1b[",
        "\\u001b[",
        "\\e[1;",
        "33m",
        "\\f(",
        "CW",
        "\\f5",
        "\\verb+",
        "HTTP/",
        "Тел",
        "и",
        "ل",
        "\u{640}",
        "-n",
        "-ra",
        "0171",
        "0",
        "ru",
        "｜",
        "1",
        "2x.png",
        "2x.ai",
        "org",
        ".Please",
        "example",
        "xn--fiqs8s",
        ".zip",
        "localhost",
        "[192.0.2.1]",
        "2.0.1",
        "!",
        "$",
        "Message-ID: ",
        "mid:",
        "b.nosuch",
        "\\@",
        "\\_",
        "\\.",
        "\\",
        "\\\\u0040",
        "''",
        "'",
        "s",
        "&copy",
        "&uuml",
        "\u{200d}",
        "%s",
        "bounce",
        "%3C",
        "%5C",
        "%3E",
    ];
    prop_oneof![
        20 => prop::sample::select(&FRAGMENTS[..]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
        1 => "[a-z]{60,70}".prop_map(String::into_bytes),
    ]
}

/// An address in which every character is written in a way of its own.
fn spelled(address: &'static str) -> impl Strategy<Value = String> {
    prop::collection::vec(0..7_u8, address.len()).prop_map(move |ways| {
        let spell = |(ch, way): (char, u8)| match way {
            0 => format!("&#{};", u32::from(ch)),
            1 => format!("&#x{:x};", u32::from(ch)),
            2 => format!("%{:02X}", u32::from(ch)),
            3 => format!("\\u{:04x}", u32::from(ch)),
            _ => ch.to_string(),
        };
        address.chars().zip(ways).map(spell).collect()
    })
}

/// A context on the left and on the right that cannot go on an address.
fn border() -> impl Strategy<Value = &'static str> {
    const BORDERS: [&str; 22] = [
        " ", "\n", "\r\n", "\t", "<", ">", "\"", "(", ")", "[", "]", ",", ";", "&nbsp;", "&lt;", "&gt;", "%20", "%22",
        "\\n", "\\\"", "\\u003e", "｜",
    ];
    prop::sample::select(&BORDERS[..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_fast_extractor_agrees_with_the_slow_one(
        fragments in prop::collection::vec(fragment(), 0..24),
        html in any::<bool>(),
    ) {
        let document = fragments.concat();
        let media = if html { Media::Html } else { Media::Text };
        prop_assert_eq!(fast(&document, media), naive::addresses(&document, media), "{:?}", document.escape_ascii().to_string());
    }

    #[test]
    fn an_address_is_found_once_in_any_context(
        address in spelled("ann.lee@mail.a.org"),
        (before, after) in ("[a-z <]{0,12}", "[a-z >]{0,12}"),
        (left, right) in (border(), border()),
    ) {
        let document = format!("{before}{left}{address}{right}{after}");
        let found = fast(document.as_bytes(), Media::Html);
        prop_assert_eq!(found.len(), 1, "{}", &document);
        prop_assert_eq!(found[0].address.as_str(), "ann.lee@mail.a.org");
        let start = before.len() + left.len();
        prop_assert_eq!(&found[0].span, &(start..start + address.len()));
    }

    #[test]
    fn any_position_in_a_long_document_is_searched(offset in 0..40_000_usize) {
        let mut document = vec![b' '; 40_100];
        document[offset..offset + 14].copy_from_slice(b"ann&#64;a.org ");
        let found = fast(&document, Media::Html);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].span.start, offset);
    }
}
