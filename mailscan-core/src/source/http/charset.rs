//! In which charset a body is written: by its mark, its head, its own words, or its bytes.

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use crate::extract::{Media, charset};
use crate::source::content_type::ContentType;
use crate::source::declared;

/// How far back the end of a cut text is looked for: more than an address takes, also with every character escaped.
const LONGEST_WORD: usize = 4_096;

/// The body in UTF-8, without its byte order mark: by that mark, its head, its own words, as UTF-8 where it is that, else
/// as windows-1252. A body that is UTF-8 already is not copied, and one that is mail stays as it is: its parts have
/// charsets of their own.
pub(crate) fn to_utf8(body: Bytes, content_type: &ContentType, media: Media) -> Bytes {
    if media == Media::Mail {
        return body;
    }
    if let Some((encoding, mark)) = Encoding::for_bom(&body) {
        return decode(body.slice(mark..), encoding);
    }
    let declared = content_type.charset();
    let encoding = declared.or_else(|| if media == Media::Html { declared::in_document(&body) } else { None });
    let guess = || if charset::is_utf8(&body) { UTF_8 } else { WINDOWS_1252 };
    let encoding = encoding.unwrap_or_else(guess);
    decode(body, encoding)
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
/// its end would be read as another one.
pub(crate) fn cut(text: &Bytes, cap: usize) -> Bytes {
    let end = text.len().min(cap);
    let tail = end.saturating_sub(LONGEST_WORD);
    let is_gap = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'<' | b'>');
    let gap = text[tail..end].iter().rposition(is_gap).map_or(end, |at| tail + at);
    text.slice(..gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &'static [u8], content_type: &str, media: Media) -> String {
        let bytes = to_utf8(Bytes::from_static(body), &ContentType::parse(content_type), media);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn mark_beats_head_beats_meta_beats_guess() {
        assert_eq!(text(b"\xff\xfea\0@\0", "text/plain; charset=utf-8", Media::Text), "a@");
        assert_eq!(text(b"b\xfccher", "text/html; charset=\"iso-8859-1\"", Media::Html), "bücher");
        assert_eq!(text(b"<meta charset='koi8-r'>\xc1", "text/html", Media::Html), "<meta charset='koi8-r'>а");
        assert_eq!(text("bücher".as_bytes(), "text/plain", Media::Text), "bücher");
        assert_eq!(text(b"b\xfccher", "text/plain", Media::Text), "bücher");
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
    fn a_cut_character_does_not_change_the_guess() {
        assert_eq!(text(b"b\xc3\xbccher \xc3", "text/plain", Media::Text), "b\u{fc}cher \u{fffd}");
    }

    #[test]
    fn a_cut_text_ends_where_no_address_stands() {
        let cut = |text: &'static str, cap| cut(&Bytes::from_static(text.as_bytes()), cap);
        assert_eq!(cut("to ann@example.co", 99), "to");
        assert_eq!(cut("<p>ann@example.com</p>", 17), "<p");
        assert_eq!(cut("nogap", 3), "nog");
    }
}
