//! In which charset a body is written: by its mark, its head, its own words, or its bytes.

use bytes::Bytes;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8};

use crate::extract::{Media, charset};
use crate::source::content_type::ContentType;
use crate::source::declared;

/// How far back the end of a cut text is looked for: more than an address takes, also with every character escaped.
const LONGEST_WORD: usize = 4_096;

/// How much of a body that says nothing of its charset tells which one it is in.
const TELLING: usize = 64 << 10;

/// The body in UTF-8, without its byte order mark: by that mark, its head, its own words, or its bytes. A body that is UTF-8
/// already is not copied, whatever it says it is, and one that is mail stays as it is: its parts have charsets of their own.
///
/// `top` is the top-level domain that it comes from, in lower case, which tells between charsets that look alike. The name is that
/// of the charset in which queries of links in it are asked, where that is not UTF-8.
pub(crate) fn to_utf8(
    body: Bytes,
    content_type: &ContentType,
    media: Media,
    top: Option<&str>,
) -> (Bytes, Option<&'static str>) {
    if media == Media::Mail {
        return (body, None);
    }
    if let Some((encoding, mark)) = Encoding::for_bom(&body) {
        return (decode(body.slice(mark..), encoding), None);
    }
    let in_document = || if media == Media::Html { declared::in_document(&body) } else { None };
    match content_type.charset().or_else(in_document).or_else(|| of_bytes(&body, media, top)) {
        Some(encoding) if !charset::is_as_it_is(&body, encoding) => (decode(body, encoding), of_queries(encoding)),
        // What its links hold may still be written in references.
        Some(encoding) if encoding != UTF_8 && body.is_ascii() => (body, of_queries(encoding)),
        _ => (body, None),
    }
}

/// The charset of queries in a page of this one (WHATWG Encoding, "get an output encoding"); `None` for UTF-8.
fn of_queries(encoding: &'static Encoding) -> Option<&'static str> {
    Some(encoding.output_encoding()).filter(|encoding| *encoding != UTF_8).map(Encoding::name)
}

/// The charset that only the bytes tell; `None` for UTF-8, and for text in one byte a character, which is read as it is:
/// which one it is in changes no address in ASCII. A page is decoded all the same, for its links.
fn of_bytes(body: &[u8], media: Media, top: Option<&str>) -> Option<&'static Encoding> {
    if let Some(utf16) = Some(body).filter(|body| charset::holds_zeros(body)).and_then(charset::utf16_of) {
        return Some(utf16);
    }
    if let Some(iso_2022) = charset::iso_2022_of(&body[..body.len().min(TELLING)]) {
        return Some(iso_2022);
    }
    if charset::is_utf8(body) {
        return None;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    // Little of it may be beyond ASCII, and all of that far behind.
    let first = body.iter().position(|byte| !byte.is_ascii()).unwrap_or_default().saturating_sub(8);
    let telling = &body[first..body.len().min(first + TELLING)];
    detector.feed(telling, telling.len() + first == body.len());
    let guess = detector.guess(top.map(str::as_bytes), Utf8Detection::Deny);
    (media == Media::Html || !guess.is_single_byte()).then_some(guess)
}

fn decode(body: Bytes, encoding: &'static Encoding) -> Bytes {
    if encoding == UTF_8 {
        return body;
    }
    let (text, _) = encoding.decode_without_bom_handling(&body);
    match text {
        std::borrow::Cow::Borrowed(text) if text.len() == body.len() => body,
        text => Bytes::from(text.into_owned()),
    }
}

/// A text that was cut anywhere, or is longer than `cap`, cut back to where no address can stand: an address that lost
/// its end would be read as another one. Where there is no such place, what an address takes is cut off.
pub(crate) fn cut(text: &Bytes, cap: usize) -> Bytes {
    let end = text.len().min(cap);
    let tail = end.saturating_sub(LONGEST_WORD);
    // A semicolon may end a character reference, which reads the same without it.
    let is_gap = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'<' | b'>' | b'"' | b'\'' | b',');
    let gap = text[tail..end].iter().rposition(is_gap).map_or(tail, |at| tail + at);
    text.slice(..gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &'static [u8], content_type: &str, media: Media) -> String {
        let (bytes, _) = to_utf8(Bytes::from_static(body), &ContentType::parse(content_type), media, None);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn mark_beats_head_beats_meta_beats_guess() {
        assert_eq!(text(b"\xff\xfea\0@\0", "text/plain; charset=utf-8", Media::Text), "a@");
        assert_eq!(text(b"b\xfccher", "text/html; charset=\"iso-8859-1\"", Media::Html), "bücher");
        assert_eq!(text(b"<meta charset='koi8-r'>\xc1", "text/html", Media::Html), "<meta charset='koi8-r'>а");
        assert_eq!(text("bücher".as_bytes(), "text/plain", Media::Text), "bücher");
        assert_eq!(text(b"<p>b\xfccher", "text/html", Media::Html), "<p>bücher", "as a link would hold it");
        assert_eq!(text(b"b\xfccher", "text/plain", Media::Text), "b\u{fffd}cher", "as it is");
    }

    #[test]
    fn queries_are_in_the_charset_of_their_page() {
        let charset = |body: &'static [u8], content_type: &str| {
            to_utf8(Bytes::from_static(body), &ContentType::parse(content_type), Media::Html, None).1
        };
        assert_eq!(charset(b"b\xfccher", "text/html; charset=iso-8859-1"), Some("windows-1252"));
        assert_eq!(charset(b"b&uuml;cher", "text/html; charset=iso-8859-1"), Some("windows-1252"));
        assert_eq!(charset(b"<meta charset=koi8-r>\xc1", "text/html"), Some("KOI8-R"));
        assert_eq!(charset(b"<p>b\xfccher", "text/html"), Some("windows-1252"), "as its bytes tell");
        // Whatever it is called, its links are those that are written there.
        assert_eq!(charset("b\u{fc}cher".as_bytes(), "text/html; charset=iso-8859-1"), None);
        for (body, content_type) in [
            (&b"a"[..], "text/html"),
            (b"a", "text/html; charset=utf-8"),
            (b"\xff\xfea\0", "text/html; charset=iso-8859-1"),
            (b"a\0b\0c\0d\0", "text/html; charset=utf-16le"),
        ] {
            assert_eq!(charset(body, content_type), None, "{body:?}");
        }
    }

    #[test]
    fn a_mark_is_no_part_of_the_text() {
        assert_eq!(text(b"\xef\xbb\xbfann@a.org", "text/plain", Media::Text), "ann@a.org");
        assert_eq!(text(b"\xfe\xff\0a", "text/html", Media::Html), "a");
    }

    #[test]
    fn documents_name_their_charset_in_several_ways() {
        let xml = b"<?xml version='1.0' encoding='koi8-r'?><a>\xc1</a>";
        assert!(text(xml, "application/rss+xml", Media::Html).ends_with("<a>\u{430}</a>"));
        let later = b"<script charset>x</script><meta http-equiv=x content='text/html; charset=koi8-r'>\xc1";
        assert!(text(later, "text/html", Media::Html).ends_with('\u{430}'));
        let utf16 = "<meta charset=utf-16>b\u{fc}".as_bytes();
        assert!(text(utf16, "text/html", Media::Html).ends_with("b\u{fc}"));
    }

    #[test]
    fn charsets_that_nobody_reads_do_not_swallow_the_text() {
        assert_eq!(text(b"ann@a.org", "text/plain; charset=iso-2022-kr", Media::Text), "ann@a.org");
        assert_eq!(text(b"ann@a.org", "text/plain; charset=no-such", Media::Text), "ann@a.org");
    }

    #[test]
    fn a_text_in_utf8_is_read_as_that_whatever_it_is_called() {
        let page = "<p>\u{201c}ann@a.org\u{201d} \u{3008}x\u{3009}\u{ff1a}carl@c.org";
        for kind in ["text/html; charset=iso-8859-1", "text/html; charset=windows-1251", "text/html"] {
            assert_eq!(text(page.as_bytes(), kind, Media::Html), page, "{kind}");
        }
    }

    #[test]
    fn a_charset_that_nothing_names_is_told_by_the_bytes() {
        let japanese = "電子メールはこちらへどうぞ。担当者のアドレスann@a.org、またはソcarl@c.orgまで。";
        let chinese = "欢迎访问我们的网站，联系邮箱ann@a.org，电话请在工作时间拨打。";
        for (words, encoding) in [
            (japanese, encoding_rs::SHIFT_JIS),
            (japanese, encoding_rs::EUC_JP),
            (japanese, encoding_rs::ISO_2022_JP),
            (chinese, encoding_rs::GBK),
        ] {
            let body: &[u8] = Vec::leak(encoding.encode(words).0.into_owned());
            for (kind, media) in [("text/plain", Media::Text), ("text/html", Media::Html)] {
                assert_eq!(text(body, kind, media), words, "{} as {kind}", encoding.name());
            }
        }
        let utf16: Vec<u8> = "Write to ann@a.org".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(text(Vec::leak(utf16), "text/html", Media::Html), "Write to ann@a.org");
    }

    #[test]
    fn a_cut_character_does_not_change_the_guess() {
        assert_eq!(text(b"b\xc3\xbccher \xc3", "text/plain", Media::Text), "b\u{fc}cher \u{fffd}");
    }

    #[test]
    fn a_cut_text_ends_where_no_address_stands() {
        let cut = |text: &'static str, cap| cut(&Bytes::from_static(text.as_bytes()), cap);
        assert_eq!(cut("to ann@example.co", 99), "to");
        assert_eq!(cut("<p>ann@example.com</p>", 17), "<p");
        assert_eq!(cut("[\"bob@b.org\",\"annie@aa.community\"]", 24), "[\"bob@b.org\",");
        assert_eq!(cut("nogap", 3), "");
    }
}
