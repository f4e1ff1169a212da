//! What comes out of what: tables of texts by theme. `~` in front of a case reads it as HTML.

mod neighbours;

use super::{Finding, Form, MAX_LINKS, Media, addresses, links};
use crate::class::{ClassFilter, Classes};

fn findings(text: &str) -> Vec<Finding> {
    let (media, text) = text.strip_prefix('~').map_or((Media::Text, text), |html| (Media::Html, html));
    let mut found = Vec::new();
    addresses(text.as_bytes(), media, |finding| found.push(finding));
    found
}

fn found(text: &str) -> Vec<(String, String, Form)> {
    let written = text.strip_prefix('~').unwrap_or(text);
    let parts = |finding: Finding| {
        (finding.address.as_str().to_owned(), written[finding.span.clone()].to_owned(), finding.form)
    };
    findings(text).into_iter().map(parts).collect()
}

/// Every text must give exactly these addresses, parted by spaces, in this order; only what has no class that is left
/// out, but for placeholders.
fn check(cases: &[(&str, &str)]) {
    let placeholders = ClassFilter::parse("placeholder").unwrap();
    let kept = |finding: &Finding| placeholders.left_out(finding.classes()).is_none();
    check_kept(cases, kept);
}

/// The same with every filter off.
fn check_all(cases: &[(&str, &str)]) {
    check_kept(cases, |_| true);
}

fn check_kept(cases: &[(&str, &str)], kept: impl Fn(&Finding) -> bool) {
    let mut wrong = Vec::new();
    for (text, expected) in cases {
        let found = findings(text).into_iter().filter(&kept);
        let got: Vec<String> = found.map(|finding| finding.address.as_str().to_owned()).collect();
        if got.join(" ") != *expected {
            wrong.push(format!("{text:?}: expected `{expected}`, found `{}`", got.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn credentials_are_none_however_their_url_is_written() {
    check(&[
        (r#"{"dsn":"postgres:\/\/app:s3cret@db.corp.de:5432\/x"}"#, ""),
        ("~<a href=\"/go?u=https%3A%2F%2Fapp%3As3cret%40corp.de%2F\">", ""),
        (r#""https:\u002F\u002Fuser:pw@corp.de""#, ""),
        ("~https&#x3A;&#x2F;&#x2F;user:pw@corp.de", ""),
        (r#"{"r":"git+ssh:\/\/git@github.com\/a\/b","d":"deploy@host.de:\/srv\/x"}"#, ""),
        ("https://usér:pw@corp.de/", ""),
        ("smtp://bob@corp.de:pw@smtp.corp.de:587", ""),
        ("https://corp.de,info@corp.de", "info@corp.de"),
        (r#"{"u":"https:\/\/corp.de\/","m":"info@corp.de"}"#, "info@corp.de"),
    ]);
}

#[test]
fn an_escaped_apostrophe_is_part_of_a_name() {
    check(&[
        ("~<input value='sean.o&#39;neil@corp.de'>", "sean.o'neil@corp.de"),
        (r"x={email:'o\'neil@corp.de'}", "o'neil@corp.de"),
        (r"x={email:'o\u0027neil@corp.de'}", "o'neil@corp.de"),
        ("b'ann@a.org'", "ann@a.org"),
    ]);
}

#[test]
fn scripts_with_marks_are_whole() {
    check(&[
        ("info@ที่อยู่.ไทย", "info@xn--o3cw6a5aw1gd.xn--o3cw4h"),
        ("ผู้ใช้@corp.de", "ผู้ใช้@corp.de"),
        ("မြန်မာ@corp.de", "မြန်မာ@corp.de"),
        ("ខ្មែរ@corp.de", "ខ្មែរ@corp.de"),
        ("✉\u{fe0f}ann@a.org", "ann@a.org"),
    ]);
}

#[test]
fn a_letter_of_an_undeclared_charset_does_not_cut_an_address() {
    let read = |text: &[u8]| {
        let mut found = Vec::new();
        addresses(text, Media::Text, |finding| found.push(finding.address.as_str().to_owned()));
        found.join(" ")
    };
    assert_eq!(read(b"M\xfcller;j\xfcrgen@corp.de\r\n"), "jürgen@corp.de");
    assert_eq!(read(b"j\xfcrgen@m\xfcnchen.de \xfcber@corp.de"), "jürgen@xn--mnchen-3ya.de über@corp.de");
    assert_eq!(read(b"\0\xe4ann@a.org\xff\xfebob@a.org"), "ann@a.org bob@a.org", "bytes of a program");
}

#[test]
fn plain_addresses_and_their_neighbours() {
    check(&[
        ("ann@a.org", "ann@a.org"),
        ("Write to ann@a.org.", "ann@a.org"),
        ("Write to ann@a.org, bob@b.org; cy@c.org!", "ann@a.org bob@b.org cy@c.org"),
        ("<ann@a.org>", "ann@a.org"),
        (
            "\"ann@a.org\",'bob@b.org',(cy@c.org)[dan@d.org]{eve@e.org}",
            "ann@a.org bob@b.org cy@c.org dan@d.org eve@e.org",
        ),
        ("ann@a.org\r\nbob@b.org\tcy@c.org|dan@d.org", "ann@a.org bob@b.org cy@c.org dan@d.org"),
        ("first.last+tag@sub.a-b.co.uk", "first.last+tag@sub.a-b.co.uk"),
        ("Ann.O'Neil@A.ORG", "Ann.O'Neil@a.org"),
        (
            "192.168.1.1@gmail.com 1@a.org _x@a.org +491234@sms.de",
            "192.168.1.1@gmail.com 1@a.org _x@a.org +491234@sms.de",
        ),
        ("R&D@a.org", "R&D@a.org"),
        ("mailto:ann@a.org?subject=x", "ann@a.org"),
        ("MAILTO:ANN@A.ORG", "ANN@a.org"),
        ("email=ann@a.org&x=1", "ann@a.org"),
        ("?a=1&ann@a.org", "ann@a.org"),
        ("path/ann@a.org/x", "ann@a.org"),
        ("ann@a.org--", "ann@a.org"),
        ("...ann@a.org...", "ann@a.org"),
        ("see...ann@a.org", "ann@a.org"),
        ("-ann@a.org", "ann@a.org"),
        ("ann@a.org.Please", "ann@a.org"),
        ("ann@a.orgPhone E<lt>bob@b.orgE<gt>", "ann@a.org bob@b.org"),
        ("ann@sub.a.co.JP", "ann@sub.a.co.jp"),
        ("ann@a.org:secret ann@a.org: yes", "ann@a.org ann@a.org"),
        ("ann@Mail.A.Org", "ann@mail.a.org"),
        ("ann@mail.example", "ann@mail.example"),
        ("//ann@a.org", "ann@a.org"),
    ]);
}

#[test]
fn quoting_markup_and_code() {
    check(&[
        ("*ann@a.org* _bob@b.org_ **cy@c.org** `dan@d.org`", "ann@a.org bob@b.org cy@c.org dan@d.org"),
        ("b'ann@a.org'", "ann@a.org"),
        ("'mailto:'+'ann@a.org'", "ann@a.org"),
        ("''ann@a.org''", "ann@a.org"),
        ("mailto:${user}@a.org", ""),
        ("[ann@a.org](mailto:ann@a.org)", "ann@a.org ann@a.org"),
        ("~<a href=mailto:ann@a.org>ann@a.org</a>", "ann@a.org ann@a.org"),
        ("~<!-- ann@a.org --><b>bob@b.org</b>", "ann@a.org bob@b.org"),
        ("<customer/department=shipping@a.org>", "customer/department=shipping@a.org"),
        ("mailto:!def!xyz%abc@a.org", "!def!xyz%abc@a.org"),
        ("key=customer/department=shipping@a.org", "shipping@a.org"),
    ]);
}

#[test]
fn character_references() {
    let all: String = "ann@a.org".chars().map(|ch| format!("&#{};", u32::from(ch))).collect();
    let hexadecimal: String = "ann@a.org".chars().map(|ch| format!("&#x{:X};", u32::from(ch))).collect();
    check(&[
        ("~ann&#64;a.org", "ann@a.org"),
        ("~ann&#064a.org", "ann@a.org"),
        ("~ann&#x40;a&#46;org", "ann@a.org"),
        ("~ann&commat;a&period;org", "ann@a.org"),
        (&format!("~{all}"), "ann@a.org"),
        (&format!("~mailto:{hexadecimal}?x"), "ann@a.org"),
        (&format!("~{}", all.replace(';', "")), "ann@a.org"),
        ("~&lt;ann@a.org&gt;", "ann@a.org"),
        ("~&nbsp;ann@a.org&nbsp;", "ann@a.org"),
        ("~&quot;ann@a.org&quot;", "ann@a.org"),
        ("~r&amp;d@a.org", "r&d@a.org"),
        ("~j&uuml;rgen@b&uuml;cher.de", "jürgen@xn--bcher-kva.de"),
        ("ann&#64;a.org", "ann@a.org"),
        ("&lt;ann@a.org&gt;", "ann@a.org"),
    ]);
}

#[test]
fn percent_encoding() {
    check(&[
        ("mailto:ann%40a.org", "ann@a.org"),
        ("~<a href='mailto:ann&#37;&#52;&#48;a&#46;org'>", "ann@a.org"),
        ("~ann&#37;40a.org", "ann@a.org"),
        ("q=%22ann%40a.org%22", "ann@a.org"),
        ("%22ann@a.org", "ann@a.org"),
        ("%20ann@a.org", "ann@a.org"),
        ("mailto:x%3Cann%40a.org%3E", "ann@a.org"),
        ("to=ann%2Btag%40a.org", "ann+tag@a.org"),
        ("mailto:ann+tag%40a.org", "ann+tag@a.org"),
        ("?q=contact+ann%40a.org", "ann@a.org"),
        ("j%C3%BCrgen%40a.org", "jürgen@a.org"),
        ("mailto:ann@a.org?cc=bob%40b.org,cy%40c.org%2Cdan@d.org", "ann@a.org bob@b.org cy@c.org dan@d.org"),
    ]);
}

#[test]
fn escapes_of_json_and_javascript() {
    check(&[
        // Manuals: roff writes fonts and the hyphen so.
        (r"\fIann@a.org\fR, \fBbob@b.org\fP", "ann@a.org bob@b.org"),
        (
            r"(ilya@math.ohio\-state.edu) bug\-tie\-refhash@rt.cpan.org",
            "ilya@math.ohio-state.edu bug-tie-refhash@rt.cpan.org",
        ),
        (r#"{"m":"\nann@a.org\r\nbob@b.org"}"#, "ann@a.org bob@b.org"),
        (r#""\"ann@a.org\"""#, "ann@a.org"),
        (r"\u003cann@a.org\u003e", "ann@a.org"),
        (r"ann\u0040a.org", "ann@a.org"),
        (r"ann\x40a.org", "ann@a.org"),
        (r"\\nann@a.org\\n", "ann@a.org"),
        (r"\tann@a.org", "ann@a.org"),
        (r"https:\/\/x.org\/ann@a.org\/", "ann@a.org"),
    ]);
}

#[test]
fn international_addresses() {
    check(&[
        ("jürgen@bücher.de", "jürgen@xn--bcher-kva.de"),
        ("用户@例子.中国", "用户@xn--fsqu00a.xn--fiqs8s"),
        ("почта@пример.рф", "почта@xn--e1afmkfd.xn--p1ai"),
        ("联系ann@a.org请", "ann@a.org"),
        (".联系ann@a.org", "ann@a.org"),
        ("联系ann@a.org或bob@b.org。", "ann@a.org bob@b.org"),
        ("<a href=mailto:ann@a.com>联系ann@a.com和bob@b.com</a>", "ann@a.com ann@a.com bob@b.com"),
        ("連絡はann@a.co.jpとbob@b.co.jpまで", "ann@a.co.jp bob@b.co.jp"),
        ("ติดต่อann@a.co.thหรือbob@b.co.th", "ann@a.co.th bob@b.co.th"),
        ("ann@a.org@或bob@b.org ann@a.org或bob@ ann@a.org或@b.org", "bob@b.org ann@a.org ann@a.org"),
        ("｜test@google.com｜bar", "test@google.com"),
        ("「ann@a.org」。", "ann@a.org"),
        ("ann@a.org⁵, bob@b.org⁶ cy@c.org½", "ann@a.org bob@b.org cy@c.org"),
        ("①ann@a.org②bob@b.org ❶cy@c.org ㈱dan@d.org Ⅷ.eve@e.org", "ann@a.org bob@b.org cy@c.org dan@d.org"),
        ("ann@xn--bcher-kva.de", "ann@xn--bcher-kva.de"),
    ]);
}

#[test]
fn what_is_no_address() {
    check(&[
        ("logo@2x.png logo-579@2x.png icon@3x.webp icon@2x.ai icon@3x.md a@1.5x.mov backup@home.zip", ""),
        ("https://user@host.org/ https://user:secret@host.org:80/ ssh://git@host.org/x", ""),
        ("git@github.com:owner/name.git ann@host.org:/srv ann@host.org:~x", ""),
        ("lodash@4.17.21 @scope/pkg@1.2.3 jquery@3.6.0.min.js module@2.rs", ""),
        ("@media @ann@mastodon.social ann@host ann@a.nosuchtld ann@1.2.3.4", ""),
        ("ann@a.org@b.org ann@a.org@", ""),
        ("ann@-a.org ann@a-.org ann@a..org ann.@a.org ann@.org ann@ @a.org", ""),
        ("john..doe@a.org \"quoted\"@a.org \"ann\".lee@a.org", ""),
        (".ann@a.org ..ann@a.org ann@a.org..com \"ann@a.org\"@b.org", ""),
        ("ann@a.org-", ""),
        ("ann@a.org_x ann@a_b.org", ""),
        ("test.example@http://vk.com https://www.google.ru/maps/@59.9,30.3,15z", ""),
        ("pixel-1-web-@host", ""),
    ]);
}

#[test]
fn endings_that_are_countries_too() {
    check(&[
        ("ann@a.rs ann@firma.pl ann@x.md ann@a.sh", "ann@a.rs ann@firma.pl ann@x.md ann@a.sh"),
        ("mailto://ann@a.org", "ann@a.org"),
    ]);
}

#[test]
fn lengths_of_rfc_5321() {
    let (fits, long) = ("a".repeat(64), "a".repeat(65));
    let domain = format!("{}.org", "d".repeat(63));
    check(&[
        (&format!("{fits}@a.org"), &format!("{fits}@a.org")),
        (&format!("{long}@a.org"), ""),
        (&format!("a@{domain}"), &format!("a@{domain}")),
        (&format!("a@d{domain}"), ""),
        (&format!("a@{}org", "dd.".repeat(90)), ""),
    ]);
}

#[test]
fn spans_cover_what_was_written() {
    let one = |text: &str| found(text).remove(0);
    assert_eq!(
        one("~x &#97;nn&#64;a.org."),
        ("ann@a.org".into(), "&#97;nn&#64;a.org".into(), Form::CharacterReference)
    );
    assert_eq!(one("=ann%40a.org%20"), ("ann@a.org".into(), "ann%40a.org".into(), Form::PercentEncoded));
    assert_eq!(one(r"\nann\u0040a.org\n"), ("ann@a.org".into(), r"ann\u0040a.org".into(), Form::Escaped));
    assert_eq!(one("联系ann@a.org请"), ("ann@a.org".into(), "ann@a.org".into(), Form::Plain));
}

#[test]
fn what_is_no_address_whatever_is_included() {
    check_all(&[
        ("logo@2x.png pixel@3x.webp photo@home.jpeg style@main.css icon@2x.ai a@1.5x.mov getty@tty1.service", ""),
        ("lodash@4.17.21 jquery@3.6.0.min.js @types/node@20.x pkg@1.2.3-beta.1 react@18 a/checkout@v4 a/b@main", ""),
        ("golang.org/x/mod@v0.0.0-20200101-abcdef x@v1.2.3+incompatible x@latest npm@next", ""),
        ("https://user@host/ https://user:secret@host.lan/x ftp://ann@a.org/ redis://:pw@cache:6379 s3://k@b", ""),
        ("https://0123456789abcdef0123456789abcdef@o123.ingest.sentry.io/1", ""),
        ("git@github.com:owner/name git@host:path ann@host:/srv root@host:~# ann@a.org:~/x", ""),
        ("@Override @ann @ann@mastodon.social @media{} \"@type\":\"Person\" \"@scope/pkg.js\" @a.b", ""),
        ("hello@mail+xyz.example ann@a_b.org ann@a.b_ x_y@a.b_c ann@a.b- ann@-a.b ann@a..b ann@b@c d@e@f.org", ""),
        ("test@[1.2.3 test@[1.2.3.4].org test@[1.2.3.256] test@[x] test@[] test@1.2.3 test@1.2.3.4.5", ""),
        ("ann@a .org 你好@张三 &ann@ x@é", ""),
        ("image:tag@sha256:0a1b print(a@b.c(d)) x=foo@bar(1) $obj->@* s@x$y", ""),
    ]);
}

#[test]
fn what_comes_back_when_it_is_asked_for() {
    check_all(&[
        ("foo@bar.baz", "foo@bar.baz"),
        ("mail root@host, ann@localhost.", "root@host ann@localhost"),
        ("a.b-c_d@a.b. x@y.lan", "a.b-c_d@a.b x@y.lan"),
        ("test@io", "test@io"),
        ("a@b", "a@b"),
        ("mailto:foo@bar <foo@bar>", "foo@bar foo@bar"),
        ("test@[255.255.255.255]", "test@[255.255.255.255]"),
        ("<ann@[IPv6:2001:DB8::1]>, root@192.168.1.1:", "ann@[IPv6:2001:db8::1] root@192.168.1.1"),
        ("`ann@localhost` \"ann@localhost\"", "ann@localhost ann@localhost"),
        ("Message-ID: <1.2@x.org>\nReferences: <3@x.org>\n\t<4@x.org>", "1.2@x.org 3@x.org 4@x.org"),
    ]);
}

#[test]
fn findings_are_marked_by_their_place() {
    let cases = [
        ("Message-ID: <1@a.org>", "message_id"),
        ("References: <1@a.org>\r\n\t<2@a.org>", "message_id message_id"),
        ("~<p>In-Reply-To: &lt;1@a.org&gt; <img src='cid:part@a.org'>", "message_id message_id"),
        ("From: Ann <ann@a.org>\nTo: <bob@b.org>", " "),
        ("ann@a.nosuch ann@localhost", "unknown_domain placeholder,unknown_domain"),
        ("info@example.org ann@[192.0.2.1]", "placeholder,role literal"),
    ];
    for (text, expected) in cases {
        let classes: Vec<Classes> = findings(text).iter().map(Finding::classes).collect();
        let names: Vec<String> = classes.iter().map(ToString::to_string).collect();
        assert_eq!(names.join(" "), expected, "{text}");
    }
}

#[test]
fn what_only_its_context_shows() {
    check(&[
        (r#""ann lee"@a.org"#, r#""ann lee"@a.org"#),
        ("x\r\n\"ann@b\"@a.org\r\nbob@b.org", "\"ann@b\"@a.org bob@b.org"),
        (r#"<"ann"@a.org>, mailto:"a\"b"@a.org?x <a."b.c".d@a.org>"#, r#""ann"@a.org "a\"b"@a.org a."b.c".d@a.org"#),
        ("mailto:%22not%40me%22@a.org", "\"not@me\"@a.org"),
        (r#"see "ann lee"@a.org or "x"@a.org"#, ""),
        (r#"x = "ann".lee@a.org"#, ""),
        ("\"\"@a.org", "\"\"@a.org"),
        ("~<a href='mailto:\"x y\"@a&#46;org'>", "\"x y\"@a.org"),
        ("\"ann@a.org", "ann@a.org"),
        ("\"ann\"bob@a.org\njust\"not\"right@a.org", ""),
        ("\"Ann\",\"x\"bob@a.org\nx=\"y\"cy@c.org", "bob@a.org cy@c.org"),
        ("!def!xyz%abc@a.org", "!def!xyz%abc@a.org"),
        (
            "customer/department=shipping@a.org\nuser%host@a.org\n$A12345@a.org",
            "customer/department=shipping@a.org user%host@a.org $A12345@a.org",
        ),
        ("#ann@a.org\n*ann@a.org\n~ann@a.org\n|ann@a.org", "ann@a.org ann@a.org ann@a.org ann@a.org"),
        ("MAIL=ann@a.org\na|ann@a.org\n/srv/ann@a.org\n{x}ann@a.org", "ann@a.org ann@a.org ann@a.org ann@a.org"),
        ("!def!xyz@a.org and more", "xyz@a.org"),
    ]);
}

#[test]
fn wiki_markup_tables_and_lists() {
    check(&[
        ("[[mailto:ann@a.org|Ann]] [mailto:bob@b.org Bob] {{cy@c.org}}", "ann@a.org bob@b.org cy@c.org"),
        ("| ann@a.org |bob@b.org| cy@c.org|", "ann@a.org bob@b.org cy@c.org"),
        ("a;ann@a.org;b\r\n\"Bob\",\"bob@b.org\",1\r\nx\tcy@c.org\ty\r\n", "ann@a.org bob@b.org cy@c.org"),
        (r#"{"a":"ann@a.org","b":["bob@b.org"],cy@c.org:1}"#, "ann@a.org bob@b.org cy@c.org"),
        ("ann@a.org\rbob@b.org\n\rcy@c.org\r\n\r\n", "ann@a.org bob@b.org cy@c.org"),
        (
            "* ann@a.org\n- bob@b.org\n1. cy@c.org\n> dan@d.org\n>>eve@e.org",
            "ann@a.org bob@b.org cy@c.org dan@d.org eve@e.org",
        ),
        (
            "ann@a.org's «bob@b.org» “cy@c.org” …dan@d.org… eve@e.org—x",
            "ann@a.org bob@b.org cy@c.org dan@d.org eve@e.org",
        ),
        ("ann@a.org/bob@b.org|cy@c.org;dan@d.org,eve@e.org", "ann@a.org bob@b.org cy@c.org dan@d.org eve@e.org"),
    ]);
}

#[test]
fn mailto_with_all_its_fields() {
    check(&[
        (
            "mailto:ann@a.org,bob@b.org?cc=cy@c.org&bcc=dan%40d.org,eve@e.org&subject=x",
            "ann@a.org bob@b.org cy@c.org dan@d.org eve@e.org",
        ),
        ("~<a href='mailto:?to=ann@a.org&amp;cc=bob%40b.org'>", "ann@a.org bob@b.org"),
        ("mailto:ann%2Btag@a.org;bob%40b.org", "ann+tag@a.org bob@b.org"),
        ("mailto: ann@a.org MailTo:bob@b.org", "ann@a.org bob@b.org"),
    ]);
}

#[test]
fn rare_spellings() {
    check_all(&[
        // The first one's domain is not the other one's local part too.
        ("za&#64;b.org&ann@a.org", "za@b.org"),
        ("a%p=?x?ann@a.org", "a%p=?x?ann@a.org"),
        // A quote before a name.
        (r#"mailto:"x y"@host <"x">@id"#, ""),
    ]);
    check(&[
        (r"ann\u{40}a.org \u{61}nn@b.org ann\u{000040}c.org", "ann@a.org ann@b.org ann@c.org"),
        ("~ann&#0064;a.org ann&#x040;b.org ann&#X40c.org", "ann@a.org ann@b.org"),
        ("~ann&#64x.org ann&#64.org ann&#641.org ann&commat.org", "ann@x.org"),
    ]);
}

#[test]
fn references_without_their_semicolon() {
    check(&[
        ("~<p>&copybob@corp.de</p>", "bob@corp.de"),
        ("~<p>j&uumlrgen@b&uumlcher.de</p>", "jürgen@xn--bcher-kva.de"),
        ("~<a href='/x?a=1&copy@b.de'>&amp ann@corp.de</a>", "ann@corp.de"),
        ("~<a href='/?mail=r&copyright@corp.de'>", "copyright@corp.de"),
        ("~<b title='ann@corp.de&raquo'>", "ann@corp.de"),
        ("~ann&#000000000000064;a.org bob&#x0000000000040;b.org", "ann@a.org bob@b.org"),
    ]);
}

#[test]
fn the_examples_of_rfc_6068() {
    check(&[
        ("<mailto:%22oh%5C%5Cno%22@corp.de>", r#""oh\\no"@corp.de"#),
        (r"<mailto:%22%5C%5C%5C%22it's%5C%20ugly%5C%5C%5C%22%22@corp.de>", r#""\\\"it's\ ugly\\\""@corp.de"#),
        ("<mailto:gorby%25kremvax@corp.com>", "gorby%kremvax@corp.com"),
        ("<mailto:unlikely%3Faddress@corp.com?blat=foop>", "unlikely?address@corp.com"),
        ("<mailto:Mike%26family@corp.org>", "Mike&family@corp.org"),
        ("<mailto:?to=joe@corp.com&cc=bob@corp.com&body=hello>", "joe@corp.com bob@corp.com"),
        ("<mailto:user@%E7%B4%8D%E8%B1%86.corp.org?subject=Test>", "user@xn--99zt52a.corp.org"),
        ("mailto:x@a.org?cc=ann+tag%40a.org&bcc=bob%2Btag%40b.org", "x@a.org ann+tag@a.org bob+tag@b.org"),
        ("~<a href=\"mailto:?to=ann+tag%40a.org\">", "ann+tag@a.org"),
    ]);
}

#[test]
fn brackets_that_are_written_in_codes() {
    check(&[
        ("~&lt;a/b@corp.de&gt;", "a/b@corp.de"),
        ("~to &lt;a/b@corp.de&gt;, <b>&lt;c=d@corp.de&gt;", "a/b@corp.de c=d@corp.de"),
        (r#""\u003ca/b@corp.de\u003e""#, "a/b@corp.de"),
        ("?x=%3Ca/b%40corp.de%3E", "a/b@corp.de"),
        ("<a?b@corp.de>", "a?b@corp.de"),
        ("~&lt;a/b@corp.de", "b@corp.de"),
        (r#"~&lt;"a b"@corp.de&gt;"#, r#""a b"@corp.de"#),
    ]);
}

#[test]
fn signs_behind_a_backslash() {
    check(&[
        (r"first\_last@corp.de", "first_last@corp.de"),
        (r"ann\@corp.de, ann\+tag\@corp\.de", "ann@corp.de ann+tag@corp.de"),
        (r"/^ann\.lee@corp\.de$/", "ann.lee@corp.de"),
        (r#"{"re":"ann\\.lee\\@corp\\.de"}"#, "ann.lee@corp.de"),
        (r#"{"json":"{\"m\":\"ann\\u0040corp.de\\u003cbob\\u0040corp.de\"}"}"#, "ann@corp.de bob@corp.de"),
        (r"\\\\u003cann\\\\u0040corp.de", "ann@corp.de"),
        (r"CORP\user.name@corp.de", "user.name@corp.de"),
        (r"\makeatletter\@ifnext", ""),
    ]);
}

#[test]
fn apostrophes_that_are_doubled_or_follow() {
    check(&[
        ("insert into t values ('sean','sean.o''neil@corp.de');", "sean.o'neil@corp.de"),
        ("VALUES(1,'o''neil@corp.de','x')", "o'neil@corp.de"),
        ("''ann@a.org''", "ann@a.org"),
        ("text''ann@corp.de''", "ann@corp.de"),
        (&format!("('{}ann@corp.de')", "a''".repeat(40)), "ann@corp.de"),
        ("o'neil@corp.de's mail", "o'neil@corp.de"),
        ("print 'ann@corp.de'", "ann@corp.de"),
        ("b'ann@corp.de'", "ann@corp.de"),
    ]);
}

#[test]
fn joiners_at_the_ends() {
    check(&[
        ("ann@corp.de\u{200c} \u{200d}bob@corp.de\u{200d}", "ann@corp.de bob@corp.de"),
        ("\u{200d}.ann@a.org", ""),
    ]);
}

#[test]
fn templates_and_returned_mail() {
    check(&[
        ("%s@corp.de %d@corp.de printf('%s@corp.de')", ""),
        ("bounce+ann=corp.de@list.org", "bounce+ann=corp.de@list.org"),
        ("<bounces-ann=corp.de@list.org>", "bounces-ann=corp.de@list.org"),
        ("Return-Path: bounces-ann.lee=mail.corp.de@list.org", "bounces-ann.lee=mail.corp.de@list.org"),
        ("MAIL=ann@corp.de x=ann.lee@corp.de", "ann@corp.de ann.lee@corp.de"),
        ("a=%40ann@corp.de", ""),
        ("to=x@a.org&cc=y@b.org", "x@a.org y@b.org"),
    ]);
}

#[test]
fn names_of_files_under_suffixes_in_use() {
    check(&[("ann@24.com.pl", "ann@24.com.pl"), ("icon@2.rs backup@home.zip", "")]);
    check_all(&[("backup@home.zip ann@24.pl", "backup@home.zip ann@24.pl")]);
}

#[test]
fn ids_of_messages_without_brackets() {
    let cases = [
        (r#"{"messageId":"1@a.org"}"#, "message_id"),
        (r#"{"messageId": "<1@a.org>", "x": 1}"#, "message_id"),
        (r#"{"message-id":["1@a.org"],"to":"x@a.org"}"#, " "),
    ];
    for (text, expected) in cases {
        let names: Vec<String> = findings(text).iter().map(|finding| finding.classes().to_string()).collect();
        assert_eq!(names.join(" "), expected, "{text}");
    }
}

#[test]
fn soft_breaks_part_nothing() {
    check(&[
        ("ann.\u{ad}lee@acme.org", "ann.lee@acme.org"),
        ("~ann-<wbr>lee@acme.org", "ann-lee@acme.org"),
        ("~<p>ann_<WBR/>lee@acme.org</p>", "ann_lee@acme.org"),
        ("~ann&shy;lee@acme.org", "annlee@acme.org"),
        ("~ann.&#8203;lee@acme.org", "ann.lee@acme.org"),
        ("~a<wbr>n<wbr>n@acme.org", "ann@acme.org"),
        ("~lee@acme.com&shy;.au", "lee@acme.com.au"),
        ("~lee@acme.co<wbr>m.au, bob@<wbr />b.org", "lee@acme.com.au bob@b.org"),
        ("~ann<wbr>@acme.org", "ann@acme.org"),
        ("ann\u{200b}@acme.org bob@\u{2060}b.org", "ann@acme.org bob@b.org"),
        ("an\u{200c}n\u{200c}@acme.org bob@b\u{200d}.org", "ann@acme.org bob@b.org"),
        ("~ann<wbr>&#64;<wbr>acme&shy;.org", "ann@acme.org"),
        ("~lee@sub<wbr>.acme.org lee@acme.<wbr>co.uk", "lee@sub.acme.org lee@acme.co.uk"),
        ("~<a href='mailto:ann@acme.org'>ann@<wbr>acme.org<wbr></a>", "ann@acme.org ann@acme.org"),
        ("~&lt;ann@acme.org<wbr>&gt; <wbr>bob@b.org", "ann@acme.org bob@b.org"),
        // What stands beside the `@` does not make it a code.
        ("%C3%BC@<wbr>ann.org", ""),
        // A space of no width parts words.
        ("write\u{200b}ann@acme.org\u{200b}today", "ann@acme.org"),
        // Where there is no markup, a tag is a text like any other.
        ("ann-<wbr>lee@acme.org", "lee@acme.org"),
    ]);
    let [finding] = &found("~to ann-<wbr>lee@acme&shy;.org.")[..] else { panic!("one") };
    let expected = ("ann-lee@acme.org".to_owned(), "ann-<wbr>lee@acme&shy;.org".to_owned(), Form::CharacterReference);
    assert_eq!(*finding, expected);
}

#[test]
fn mailto_behind_what_a_form_puts_before_every_link() {
    check(&[
        ("~<a href=\"http://mailto:ann@acme.org\">", "ann@acme.org"),
        ("~<a href=\"https://MAILTO:ann@acme.org\">", "ann@acme.org"),
        ("~<a href=\"http://mailto%3Aann@acme.org\">", "ann@acme.org"),
        ("mailto:http://ann@acme.org", "ann@acme.org"),
        ("http://mailtoo:ann@acme.org/", ""),
    ]);
}

#[test]
fn links_are_bounded_in_number() {
    let (page, base) = ("<a href=x>".repeat(MAX_LINKS + 5), url::Url::parse("https://a.org/").unwrap());
    let mut count = 0;
    links(page.as_bytes(), &base, |_| count += 1);
    assert_eq!(count, MAX_LINKS);
}
