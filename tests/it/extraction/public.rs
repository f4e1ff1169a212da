//! The public accuracy sets of `tests/data/extract`, read as its `SOURCES.md` says.
//!
//! No filter is on: these sets ask for unknown domains and literals as well. Every case in which the extractor differs from a set is listed with its reason. The list is exact: a new difference
//! fails the test, and so does one that is no more.

use std::collections::BTreeSet;

use mailscan_core::extract::{Media, addresses};

/// What a set says of a text.
enum Expected {
    /// Exactly these addresses, in order.
    Exactly(Vec<String>),
    /// Anything but the whole text.
    NotWhole,
}

struct Case {
    text: String,
    expected: Expected,
}

fn found(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    addresses(text.as_bytes(), Media::Text, |finding| found.push(text[finding.span].to_owned()));
    found
}

/// The differences must be those listed, each a text and the reason why we differ.
fn check(cases: &[Case], listed: &[(&str, &str)]) {
    let differs = |case: &&Case| match &case.expected {
        Expected::Exactly(expected) => found(&case.text) != *expected,
        Expected::NotWhole => found(&case.text).contains(&case.text),
    };
    let differences: BTreeSet<&str> = cases.iter().filter(differs).map(|case| &*case.text).collect();
    let listed: BTreeSet<&str> = listed.iter().map(|(text, _)| *text).collect();
    let new: Vec<_> = differences.difference(&listed).map(|text| (text, found(text))).collect();
    let gone: Vec<_> = listed.difference(&differences).collect();
    assert!(new.is_empty() && gone.is_empty(), "differences not listed: {new:#?}; listed, but none: {gone:#?}");
}

#[test]
fn is_email() {
    let xml = include_str!("../../data/extract/isemail-tests.xml");
    let cases: Vec<Case> = xml.split("<test id=").skip(1).filter_map(is_email_case).collect();
    assert_eq!(cases.len(), 93, "every case with an address of the three categories");
    check(&cases, &[]);
}

fn is_email_case(test: &str) -> Option<Case> {
    let field = |name: &str| {
        let (_, rest) = test.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0)
    };
    let text = unescaped(field("address")?);
    let expected = match field("category")? {
        "ISEMAIL_VALID_CATEGORY" | "ISEMAIL_RFC5321" => Expected::Exactly(vec![text.clone()]),
        "ISEMAIL_ERR" => Expected::NotWhole,
        _ => return None,
    };
    Some(Case { text, expected })
}

/// The text of an XML element; the set writes control characters as their pictures.
fn unescaped(xml: &str) -> String {
    let mut text = xml.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    for control in 0..0x20_u8 {
        let picture = 0x2400 + u32::from(control);
        text = text.replace(&format!("&#x{picture:04X};"), &char::from(control).to_string());
    }
    text.replace("&#xA9;", "©").replace("&amp;", "&")
}

#[test]
fn linkify_it() {
    let links = include_str!("../../data/extract/linkify-it-links.txt");
    let mut cases = Vec::new();
    for block in links.split("\n\n") {
        let mut lines = block.lines().filter(|line| !line.is_empty() && !line.starts_with('%'));
        let Some(text) = lines.next().filter(|text| text.contains('@')) else { continue };
        let link = lines.next().unwrap_or(text);
        let address =
            link.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("mailto:")).map_or(link, |_| &link[7..]);
        let expected = if address.contains('@') && !address.contains("//") { vec![address.to_owned()] } else { vec![] };
        cases.push(Case { text: text.to_owned(), expected: Expected::Exactly(expected) });
    }
    let none = include_str!("../../data/extract/linkify-it-not-links.txt");
    for text in none.lines().filter(|line| line.contains('@') && !line.starts_with('%')) {
        cases.push(Case { text: text.to_owned(), expected: Expected::Exactly(vec![]) });
    }
    assert_eq!(cases.len(), 27, "every case with an at-sign");
    let differences = [
        (
            "[https](https://www.ibm.com)[mailto](mailto:someone@ibm.com) % should not catch as auth (before @ in big link)",
            "the set names only the first link of the line, and the address is there",
        ),
        (
            "foo@bar     % Should be at second level domain & with correct tld",
            "with the filters off a single label is a domain wherever it stands",
        ),
    ];
    check(&cases, &differences);
}

#[test]
fn github_flavored_markdown() {
    let table = include_str!("../../data/extract/gfm-autolink-email.tsv");
    let case = |line: &str| {
        let (text, expected) = line.split_once('\t').expect("two columns");
        let expected = expected.split(',').filter(|address| !address.is_empty()).map(str::to_owned).collect();
        Case { text: text.to_owned(), expected: Expected::Exactly(expected) }
    };
    let cases: Vec<Case> = table.lines().skip(1).map(case).collect();
    assert_eq!(cases.len(), 6);
    check(&cases, &[]);
}
