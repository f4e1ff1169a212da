//! Which links a document holds, and that skimming it loses none.

use super::*;

fn links(html: &str) -> Vec<String> {
    let mut urls = Vec::new();
    scan(html.as_bytes(), &Url::parse("https://a.org/dir/page.html").unwrap(), None, |link| {
        urls.push(link.as_str().to_owned());
    });
    urls
}

#[test]
fn every_element_that_links() {
    let html = r#"<a href="x.html#part">x</a><AREA HREF='/y'><iframe src=z></iframe><frame src="//b.org/f">
        <link rel="stylesheet" href="s.css"><link rel="alternate stylesheet" href="t.css"><link rel="Next up" href="n">
        <link rel=canonical href=c><meta http-equiv=Refresh content="5; URL='r.html'">"#;
    let expected = ["https://a.org/dir/x.html", "https://a.org/y", "https://a.org/dir/z", "https://b.org/f"];
    assert_eq!(links(html)[..4], expected);
    assert_eq!(links(html)[4..], ["https://a.org/dir/n", "https://a.org/dir/c", "https://a.org/dir/r.html"]);
}

#[test]
fn references_in_attributes_are_decoded() {
    assert_eq!(links("<a href='?a=1&amp;b=2'>"), ["https://a.org/dir/page.html?a=1&b=2"]);
    assert_eq!(links("<a href='&#x2f;q'>"), ["https://a.org/q"]);
}

#[test]
fn the_first_base_counts() {
    let html = "<base target=x><base href='https://c.org/d/'><base href='https://e.org/'><a href=f>";
    assert_eq!(links(html), ["https://c.org/d/f"]);
}

#[test]
fn users_and_passwords_of_links_are_left_out() {
    let html = "<a href='http://info@b.org'><a href='https://ann:x@a.org:8080/y'><base href='//bob@c.org/'><a href=z>";
    assert_eq!(links(html), ["http://b.org/", "https://a.org:8080/y", "https://c.org/z"]);
}

#[test]
fn only_the_web_is_followed() {
    let html = "<a href='mailto:ann@a.org'><a href='javascript:x()'><a href='ftp://a.org/'><a href='http://[bad'><a>";
    assert_eq!(links(html), Vec::<String>::new());
}

#[test]
fn markup_in_scripts_and_comments_is_none() {
    let html = "<script>'<a href=s>'</script><!-- <a href=c> --><title><a href=t></title><a href=real>";
    assert_eq!(links(html), ["https://a.org/dir/real"]);
}

#[test]
fn what_a_reader_without_scripts_sees() {
    let html = "<noscript><a href='a?x=1&amp;y'>a</a><script>'<a href=s>'</script></noscript><a href=b>\
        <noscript><p><noscript><a href=c></noscript><noscript><meta http-equiv=refresh content='0;url=d'>";
    let expected = ["a?x=1&y", "b", "d"].map(|link| format!("https://a.org/dir/{link}"));
    assert_eq!(links(html), expected);
}

#[test]
fn an_element_of_xml_that_its_own_tag_closes_holds_nothing() {
    let xhtml = "<?xml version='1.0'?><html><script src='a.js'/><a href=b>b</a><noscript/><title/><a href='&#99;'>";
    assert_eq!(links(xhtml), ["https://a.org/dir/b", "https://a.org/dir/c"]);
    let picture = "<svg><title/><style/><script><!--<script/></script>--></script></svg><a href=b><script/><a href=no>";
    assert_eq!(links(picture), ["https://a.org/dir/b"]);
    assert_eq!(links("<svg/><math></math><style/><a href=no>"), Vec::<String>::new());
}

#[test]
fn a_repeated_attribute_does_not_count() {
    assert_eq!(links("<a href=first href=second>"), ["https://a.org/dir/first"]);
}

#[test]
fn queries_are_in_the_charset_of_the_page_and_paths_in_utf8() {
    let base = Url::parse("https://a.org/").unwrap();
    let link_in = |charset: &[u8], link: &str| {
        let mut found = Vec::new();
        let page = format!("<a href='{link}'>");
        scan(page.as_bytes(), &base, Encoding::for_label(charset), |link| found.push(link.as_str().to_owned()));
        found.concat()
    };
    for (charset, link, url) in [
        ("utf-8", "/\u{fc}?q=\u{fc}", "/%C3%BC?q=%C3%BC"),
        ("latin1", "/\u{fc}?q=\u{fc}#\u{fc}", "/%C3%BC?q=%FC"),
        ("latin1", "/?q=&uuml;&amp;b", "/?q=%FC&b"),
        ("latin1", "/?q=b&a=/%e4", "/?q=b&a=/%e4"),
        ("shift_jis", "/?q=\u{30bd}", "/?q=%83\\"),
        ("windows-1251", "?q=\u{431}\u{fc}&amp;c", "/?q=%E1%26%23252%3B&c"),
    ] {
        assert_eq!(link_in(charset.as_bytes(), link), format!("https://a.org{url}"), "{charset} {link}");
    }
}

#[test]
fn links_are_bounded_in_length() {
    let long = format!("<a href='{}'>", "x".repeat(MAX_LINK_LENGTH));
    assert_eq!(links(&long), Vec::<String>::new());
}

const PIECES: [&str; 77] = [
    "<",
    ">",
    "/",
    "=",
    "'",
    "\"",
    " ",
    "\n",
    "\0",
    "!",
    "-",
    "--",
    "-->",
    "--!>",
    "<!--",
    "<!",
    "<?",
    "<!-->",
    "<!--->",
    "<![CDATA[",
    "]]>",
    "</",
    "</a>",
    "</ a>",
    "<a href=x>",
    "<A HREF='/y'>",
    "<a href=\"q?a=1&amp;b\"",
    "<abbr ",
    "<a",
    "<a/href=z>",
    "<a href>",
    "<a href=>",
    "<a =href=x>",
    "<a x='>' href=b>",
    "<p class=\"<a href=n>\">",
    "<br/>",
    "<title>",
    "</title>",
    "<TITLE x='>'>",
    "</title",
    "<script>",
    "</script>",
    "</script ",
    "<script",
    "<style>",
    "</style/>",
    "<textarea>",
    "</textarea>",
    "<iframe src=f>",
    "</iframe>",
    "<noscript>",
    "</noscript>",
    "<plaintext>",
    "<base href='/d/'>",
    "<meta http-equiv=refresh content='0;url=m'>",
    "<link rel=next href=l>",
    "&lt;",
    "text",
    "href=w",
    "<xmp>",
    "</xmp>",
    "\u{e9}",
    "\r\n",
    "<a href='q\rr'>",
    "<a HREF = /d/e.html >",
    "<a class=b href=\"/d/../e?f=/..\"id>",
    "<a href=/&amp;>",
    "<meta content='url=/g' http-equiv=refresh>",
    "<svg>",
    "</svg>",
    "<math/>",
    "<Svg a=b/>",
    "<style/>",
    "<title a='b' / >",
    "<noscript/>",
    "<script src=\"x\"/>",
    "<iframe src='g'/>",
];

proptest::proptest! {
    #[test]
    fn a_link_is_what_the_url_parser_makes_of_it(
        link in "(/|http:|HTTPS:|mailto:|X-1[.]y[+]z:|ftp:|[0-9a]{0,2}:)?[a-z./~?=,+%#A:\\\\ -]{0,12}",
    ) {
        let base = Url::parse("https://ann@a.org:81/dir/page.html?q").unwrap();
        let mut found = Vec::new();
        scan(format!("<a href='{link}'>").as_bytes(), &base, None, |link| found.push(link.as_str().to_owned()));
        let expected = base.join(link.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && !link.is_empty());
        let expected = expected.map(|mut url| {
            url.set_fragment(None);
            leave_user_out(&mut url);
            String::from(url)
        });
        proptest::prop_assert_eq!(found, Vec::from_iter(expected));
    }

    #[test]
    fn skimming_loses_no_link(
        xml in proptest::bool::weighted(0.2),
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..24),
    ) {
        let html = [if xml { "<?xml version='1.0'?>" } else { "" }, &pieces.concat()].concat();
        let mut whole: Vec<String> = Vec::new();
        scan_whole(html.as_bytes(), &Url::parse("https://a.org/dir/page.html").unwrap(), None, |link| whole.push(link.as_str().to_owned()));
        proptest::prop_assert_eq!(links(&html), whole, "{}", html);
    }
}
