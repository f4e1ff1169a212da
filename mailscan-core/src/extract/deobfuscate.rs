//! Deobfuscation: addresses that a writer hid from collectors, for auditing documents that one holds.
//!
//! Takes a document's bytes and answers with the addresses that [`super::addresses`] finds and those that are spelled
//! out (`ann at example dot org`), cut by comments or hidden elements, or encoded by Cloudflare's e-mail protection.
//! No crawl uses it: there, a writer's wish to hide an address is respected.

mod cloudflare;
mod spelled;
mod visible;

use std::collections::BTreeMap;

use super::{Finding, Form, Media, scan};
use crate::address::Address;
use crate::class::Classes;

/// Hands every address of `document`, hidden ones included, to `found`, in the order in which they stand.
pub(super) fn scan(document: &[u8], media: Media, found: impl FnMut(Finding)) {
    let mut findings = Vec::new();
    scan::scan(document, media, |mention| findings.push(mention.into_finding()));
    let visible = visible::Text::of(document, media);
    scan::scan(&visible.bytes, Media::Text, |mention| findings.extend(visible.locate(mention.into_finding())));
    spelled::scan(&visible.bytes, |finding| findings.extend(visible.locate(finding)));
    cloudflare::scan(document, |finding| findings.push(finding));
    apart(findings).into_values().for_each(found);
}

/// The findings that share no text, by where they begin.
///
/// Of readings that overlap, the one that takes in more is right: the other stops where something hides the rest. Of equal
/// ones the first, which knows best how the address was written.
fn apart(mut findings: Vec<Finding>) -> BTreeMap<usize, Finding> {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.span.len()));
    let mut kept: BTreeMap<usize, Finding> = BTreeMap::new();
    for finding in findings {
        // Those that are kept are apart, so that the last one before its end tells.
        let overlaps =
            |(_, other): (_, &Finding)| other.span.start < finding.span.end && finding.span.start < other.span.end;
        let before = kept.range(..finding.span.end).next_back();
        if !before.is_some_and(overlaps) {
            kept.insert(finding.span.start, finding);
        }
    }
    kept
}

/// The finding of a hidden address, if its parts make one.
fn finding(local: &str, domain: &str, span: std::ops::Range<usize>) -> Option<Finding> {
    Some(Finding { address: Address::new(local, domain)?, span, form: Form::Deobfuscated, marks: Classes::NONE })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Vec<String> {
        let (media, text) = text.strip_prefix('~').map_or((Media::Text, text), |html| (Media::Html, html));
        let mut found = Vec::new();
        scan(text.as_bytes(), media, |finding| found.push(finding.address.as_str().to_owned()));
        found
    }

    /// Every text must give exactly these addresses, parted by spaces, in this order.
    fn check(cases: &[(&str, &str)]) {
        let wrong: Vec<String> = cases
            .iter()
            .filter(|(text, expected)| found(text).join(" ") != *expected)
            .map(|(text, expected)| format!("{text:?}: expected `{expected}`, found `{}`", found(text).join(" ")))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn spelled_out() {
        check(&[
            ("write to ann at a dot org.", "ann@a.org"),
            ("ann AT a DOT org", "ann@a.org"),
            ("annATaDOTorg", "ann@a.org"),
            ("ann [at] a [dot] org", "ann@a.org"),
            ("ann[at]a.org, bob(at)b.org; cy{at}c.org", "ann@a.org bob@b.org cy@c.org"),
            ("ann (AT) mail (DOT) a (DOT) co (DOT) uk!", "ann@mail.a.co.uk"),
            ("ann <at> a <dot> org", "ann@a.org"),
            ("first dot last at a dot org", "first.last@a.org"),
            ("first[dot]last[at]a.org", "first.last@a.org"),
            ("first.last at a dot org", "first.last@a.org"),
            ("ann-at-a-dot-org ann_at_a_dot_org", "ann@a.org ann@a.org"),
            ("ann (ät) a (punkt) de", "ann@a.de"),
            ("ann arobase a point fr", "ann@a.fr"),
            ("ann @ a . org", "ann@a.org"),
            ("ann [@] a [.] org", "ann@a.org"),
            ("ann\u{ff20}a.org", "ann@a.org"),
            ("ann (a) a.org", "ann@a.org"),
            ("E-Mail: ann at a dot org\nTel.: 1", "ann@a.org"),
            ("ann at a dot org and bob at b dot org", "ann@a.org bob@b.org"),
            ("ann@a dot org", "ann@a.org"),
            ("ann at a dot org. Please call", "ann@a.org"),
            ("jürgen at bücher dot de", "jürgen@xn--bcher-kva.de"),
            (&format!("ann [at] a.org dot {}", "ü".repeat(40)), "ann@a.org"),
        ]);
    }

    #[test]
    fn prose_is_none() {
        check(&[
            ("meet me at example.org tomorrow", ""),
            ("look at the dot com bubble", ""),
            ("at a dot org", ""),
            ("ann at a dot nosuchtld", ""),
            ("point at dot", ""),
            ("(at) a.org", ""),
            ("f(a) a.org", ""),
            ("array[a] b.c", ""),
            ("at at at dot dot dot", ""),
            ("what at home", ""),
        ]);
    }

    #[test]
    fn plain_ones_come_too_and_in_order() {
        // The reading in the middle overlaps both others.
        check(&[("ann@host dot a.orgs.bob@b.org", "ann@host a.orgs.bob@b.org")]);
        check(&[("ann@a.org at once dot com, bob@b.org at c dot org", "ann@a.org bob@b.org")]);
        check(&[("ann@a.org, bob at b dot org, cy@c.org", "ann@a.org bob@b.org cy@c.org")]);
        check(&[("~ann&#64;a.org<!-- ann@a.org -->", "ann@a.org ann@a.org")]);
    }

    #[test]
    fn cut_by_comments_and_hidden_elements() {
        check(&[
            ("~ann<!-- no spam -->@<!-- please -->a<!-- -->.org", "ann@a.org"),
            ("~ann@a.co<!-- -->m", "ann@a.com"),
            ("~ann<span style=\"display: none\">no@spam.org</span>@a.org", "ann@a.org"),
            ("~ann<b hidden>x</b>@a<wbr>.org", "ann@a.org"),
            ("~ann<b>@</b>a.org", "ann@a.org"),
            ("~<b>ann</b>@a.org, bob@<i>b.org</i>", "ann@a.org bob@b.org"),
            ("~ann <i>at</i> a <i>dot</i> org", "ann@a.org"),
            ("~ann&nbsp;&#40;at&#41;&nbsp;a&nbsp;&#40;dot&#41;&nbsp;org", "ann@a.org"),
            ("~<td>ann@a.org</td><td>bob</td>", "ann@a.org"),
            ("~<b>Contact</b>ann@a.org", "ann@a.org"),
            ("~<a href='mailto:ann@a.org'>x</a>", "ann@a.org"),
        ]);
    }

    #[test]
    fn protected_by_cloudflare() {
        let (key, address) = (0x5a_u8, "ann@a.org");
        let code: String =
            std::iter::once(key).chain(address.bytes().map(|byte| byte ^ key)).map(|b| format!("{b:02x}")).collect();
        check(&[
            (&format!("~<a class=\"__cf_email__\" data-cfemail=\"{code}\">[email&#160;protected]</a>"), address),
            (&format!("~<a href=\"/cdn-cgi/l/email-protection#{code}\">"), address),
            (&format!("~<a data-cfemail='{}'>", &code[..7]), ""),
            ("~<a data-cfemail=\"zz\"> data-cfemail=", ""),
        ]);
    }

    proptest! {
        #[test]
        fn any_mixture_is_read_in_order_and_loses_nothing_plain(
            pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..24),
            html in any::<bool>(),
        ) {
            let document = pieces.concat();
            let media = if html { Media::Html } else { Media::Text };
            let (mut last, mut hidden) = (0, Vec::new());
            scan(document.as_bytes(), media, |finding| hidden.push(finding));
            for finding in &hidden {
                prop_assert!(last <= finding.span.start && finding.span.end <= document.len());
                last = finding.span.end;
            }
            let mut plain = Vec::new();
            scan::scan(document.as_bytes(), media, |mention| plain.push(mention.span));
            for span in plain {
                prop_assert!(hidden.iter().any(|wide| wide.span.start < span.end && span.start < wide.span.end));
            }
        }
    }

    /// Pieces of which trouble is made.
    const PIECES: [&str; 40] = [
        "ann",
        "a",
        "org",
        "com",
        "a.org",
        "@",
        "@",
        " ",
        "  ",
        "\n",
        ".",
        " . ",
        " at ",
        " at ",
        " dot ",
        " dot ",
        "[at]",
        "(dot)",
        "AT",
        "DOT",
        "<at>",
        "<dot>",
        "-at-",
        "_dot_",
        "ät",
        "(ät)",
        "\u{a0}",
        "<!-- ",
        " -->",
        "<b>",
        "</b>",
        "<td>",
        "<span style='display:none'>",
        "</span>",
        "<wbr>",
        "&#64;",
        "&nbsp;",
        "&shy;",
        "the",
        "data-cfemail=\"5a5b",
    ];

    #[test]
    fn spans_cover_all_that_was_written() {
        let text = "to ann [at]\u{a0}a<!-- x -->.org!";
        let mut spans = Vec::new();
        scan(text.as_bytes(), Media::Html, |finding| spans.push(text[finding.span].to_owned()));
        assert_eq!(spans, ["ann [at]\u{a0}a<!-- x -->.org"]);
    }
}
