//! What stands beside an address and is no part of it, and what is one though it does not look so.

use super::{Media, addresses, check};

#[test]
fn what_follows_a_domain_without_a_space() {
    check(&[
        ("info@acme.hu-n, ann@gmail.com-ra.", "info@acme.hu ann@gmail.com"),
        ("max@web.de-Adresse cy@acme.fi-osoite", "max@web.de cy@acme.fi"),
        ("info@acme.ruТел. 12 ann@acme.comاتصل", "info@acme.ru ann@acme.com"),
        ("bob@acme.co.ilטלפון cy@acme.grΤηλ", "bob@acme.co.il cy@acme.gr"),
        ("info@acme.ruиbob@acme.ru", "info@acme.ru bob@acme.ru"),
        ("ann@acme.com0171 123456 bob@acme.de0171-123", "ann@acme.com bob@acme.de"),
        ("dan@foo.co-bar.de eve@xn--e1afmkfd.xn--p1ai", "dan@foo.co-bar.de eve@xn--e1afmkfd.xn--p1ai"),
        ("почта@пример.рф ann@acme.ru-", "почта@xn--e1afmkfd.xn--p1ai ann@acme.ru"),
        ("root@web.dev-main root@host.us-east-1 song@x.mp3 run@x.ps1 sum@x.md5 root@node.eu1", ""),
        (
            "git@github.com-work:owner/name ann@host.de-old:/srv ann@host.de-old:x.git bob@acme.de-alt: ja",
            "bob@acme.de",
        ),
    ]);
    let read = |text: &[u8]| {
        let mut found = Vec::new();
        addresses(text, Media::Text, |finding| found.push(finding.address.as_str().to_owned()));
        found.join(" ")
    };
    assert_eq!(read(b"\x16\x0einfo@oribi.nl0\x82\x01\x22"), "info@oribi.nl", "a certificate");
}

#[test]
fn words_of_other_scripts_before_an_address() {
    check(&[
        ("ניתן לפנות ל-info@acme.co.il בـinfo@acme.com", "info@acme.co.il info@acme.com"),
        ("بـinfo@acme.com إلىinfo@acme.com", "info@acme.com info@acme.com"),
        ("Почтаinfo@acme.ru эл.почта-info@acme.ru почта_ann.lee@acme.ru", "info@acme.ru info@acme.ru ann.lee@acme.ru"),
        (
            "ईमेलinfo@acme.in Ηλ.info@acme.gr Էլinfo@acme.am მეილიinfo@acme.ge",
            "info@acme.in info@acme.gr info@acme.am info@acme.ge",
        ),
        ("почта@acme.ru почта2@acme.ru infoпочта@acme.ru", "почта@acme.ru почта2@acme.ru infoпочта@acme.ru"),
        ("jürgen@acme.de åsa.lee@acme.se łukasz-k@acme.pl", "jürgen@acme.de åsa.lee@acme.se łukasz-k@acme.pl"),
        ("<почтаinfo@acme.ru> mailto:почтаinfo@acme.ru", "почтаinfo@acme.ru почтаinfo@acme.ru"),
    ]);
}

#[test]
fn templates_and_patterns() {
    check(&[
        (r"/^\w+@acme.org$/ \S+@acme.org (\\d+@acme\.org)", ""),
        ("\"user%d@acme.org\" s%s@appspot.gserviceaccount.com user%02d@acme.org %02d@acme.org", ""),
        ("\"$USER@acme.org\" $userName@acme.org $first.$last@acme.org", ""),
        (
            "CORP\\sales@acme.org gorby%kremvax@acme.org a $<$fay@acme.org$>$",
            "sales@acme.org gorby%kremvax@acme.org fay@acme.org",
        ),
        ("this@User.name super@Foo.bar", ""),
        ("this@acme.org super@acme.org", "this@acme.org super@acme.org"),
    ]);
}

#[test]
fn services_of_kerberos_are_machines() {
    for (text, expected) in [
        ("HTTP/web.corp.com@CORP.COM", "machine"),
        ("klist: host/web.corp.com@CORP.COM, cifs/fs.corp.com@CORP.COM", "machine machine"),
        ("HTTP/web.corp.com@corp.com /web.corp.com@CORP.COM ann/ann.lee@CORP.COM", "  "),
    ] {
        let classes: Vec<String> = super::findings(text).iter().map(|finding| finding.classes().to_string()).collect();
        assert_eq!(classes.join(" "), expected, "{text}");
    }
}

#[test]
fn colours_of_terminals_run_into_addresses() {
    check(&[
        ("\x1b[33mann@acme.org\x1b[0m", "ann@acme.org"),
        ("x \x1b[01;31m\x1b[Kbob@acme.org\x1b[m\x1b[K y", "bob@acme.org"),
        ("\x1b[1;31mann@acme.org \x1b[?25hcy@acme.org", "ann@acme.org cy@acme.org"),
        (r#"{"log":"\u001b[33mann@acme.org\u001b[0m"}"#, "ann@acme.org"),
        (r"echo -e '\033[33mann@acme.org\e[0m \x1b[1;4mbob@acme.org'", "ann@acme.org bob@acme.org"),
        ("\x1b[38;5;208mann.lee@acme.org", "ann.lee@acme.org"),
        ("~<pre>\x1b[1;33mann@acme.org</pre>", "ann@acme.org"),
        ("[33mann@acme.org] a[1;2bob@acme.org [Kcy@acme.org]", "33mann@acme.org 2bob@acme.org Kcy@acme.org"),
        ("\x1b[33m@acme.org \x1b[33@acme.org", "33@acme.org"),
    ]);
}

#[test]
fn fonts_and_breaks_of_manuals() {
    check(&[
        (r"\f5bob@acme.org\fR \f(CWann@acme.org\fR \f[CR]cy@acme.org\f[]", "bob@acme.org ann@acme.org cy@acme.org"),
        (
            r"bug\-groff@\:gnu.org, g.branden@\:gmail\:.com dan@mail.\:acme.org",
            "bug-groff@gnu.org g.branden@gmail.com dan@mail.acme.org",
        ),
        (
            r"ann@acme.org\:bob@b.org X;Y=mailto\:ann@acme.org\:8080 https\:\/\/ann\:pw@acme.org a@bar\: b@\:",
            "ann@acme.org bob@b.org ann@acme.org",
        ),
        (r#""\f(ann@acme.org)""#, "ann@acme.org"),
        (r"f(CWann@acme.org) CORP\frank@acme.org", "CWann@acme.org frank@acme.org"),
    ]);
}

#[test]
fn verbatim_text_of_latex() {
    check(&[
        (r"\verb+dan@acme.org+ \verb|ann@acme.org| \verb*+bob@acme.org+", "dan@acme.org ann@acme.org bob@acme.org"),
        ("verb+dan@acme.org", "verb+dan@acme.org"),
        (r"\verb+%40a.org \verb+&#64;a.org \verb+@a.org", ""),
    ]);
}

#[test]
fn an_at_sign_that_is_doubled() {
    check(&[
        ("@email{bug-hello@@gnu.org} <ann@@acme.org>", "bug-hello@gnu.org ann@acme.org"),
        ("~<a href=\"mailto:info@@acme.org\">", "info@acme.org"),
        ("ann@@@acme.org @@acme.org ann@@ ann@acme.org@@b.org @ann@@acme.org", ""),
        ("ann@acme.org@或bob@b.org", "bob@b.org"),
    ]);
    super::check_all(&[
        ("memcpy@@GLIBC_2.14 foo@@LIB_1 self@@count x@@y.z ann@@localhost ann@@[192.0.2.1]", ""),
        ("\"a@@b\"@acme.org", "\"a@@b\"@acme.org"),
    ]);
    let [(_, written, form)] = &super::found("to ann@@acme.org.")[..] else { panic!("one") };
    assert_eq!((written.as_str(), *form), ("ann@@acme.org", super::Form::Escaped));
}

#[test]
fn hyphens_of_typography() {
    check(&[
        ("~info@foo&#8209;bar.de karl&#8209;heinz@acme.de", "info@foo-bar.de karl-heinz@acme.de"),
        ("info@foo\u{2011}bar.de karl\u{2010}heinz@acme.de", "info@foo-bar.de karl-heinz@acme.de"),
        ("~k&#97;&#8209;&#98;@acme.de", "ka-b@acme.de"),
        (
            "\u{2011}ann@acme.org\u{2010} bob@acme.org\u{2011}, cy@acme.hu\u{2011}n",
            "ann@acme.org bob@acme.org cy@acme.hu",
        ),
        ("ann\u{2011}@acme.org", ""),
        // Dashes part words.
        ("karl\u{2013}heinz@acme.de ann@acme.de\u{2014}bob@b.de", "heinz@acme.de ann@acme.de bob@b.de"),
    ]);
}

#[test]
fn references_in_text_and_in_references() {
    check(&[
        (r#"{"rendered":"<p>&#97;nn@acme.org j&#252;rgen@acme.org"}"#, "ann@acme.org jürgen@acme.org"),
        (
            "john&#46;doe@acme.org &#97;&#110;&#110;@acme.org o&#39;neil@acme.org",
            "john.doe@acme.org ann@acme.org o'neil@acme.org",
        ),
        ("&#60;ann@acme.org&#62; &#39;bob@acme.org&#39; x;cy@acme.org", "ann@acme.org bob@acme.org cy@acme.org"),
        ("&amp;#097;&amp;#110;&amp;#110;&amp;#064;acme.org", "ann@acme.org"),
        ("~<content>&amp;#097;&amp;#110;&amp;#x6e;&amp;#064;acme&amp;#046;org</content>", "ann@acme.org"),
        (r#"{"m":"ann\u0026#64;acme.org","n":"\u0026#98;ob@acme.org"}"#, "ann@acme.org bob@acme.org"),
        ("~r&amp;d@acme.org ann&amp;#64 &amp;#64;acme.org", "r&d@acme.org"),
        ("a=1&amp;#12;x &amp;#;ann@acme.org", "ann@acme.org"),
    ]);
}
