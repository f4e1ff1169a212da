//! The strings that people read: titles, notes, what stands in forms (ISO 32000-1, section 7.9.2.2).

/// The text of a string: UTF-16 or UTF-8 by its mark, else PDFDocEncoding, which is read as windows-1252: they differ in no
/// character that an address has.
pub(super) fn text(string: &[u8]) -> String {
    let (text, _, _) = match string {
        [0xfe, 0xff, rest @ ..] => encoding_rs::UTF_16BE.decode(rest),
        [0xff, 0xfe, rest @ ..] => encoding_rs::UTF_16LE.decode(rest),
        [0xef, 0xbb, 0xbf, rest @ ..] => encoding_rs::UTF_8.decode(rest),
        other => encoding_rs::WINDOWS_1252.decode(other),
    };
    text.into_owned()
}

/// The text of metadata, which are XML in UTF-8 unless a mark says otherwise.
pub(super) fn text_of_metadata(xml: &[u8]) -> String {
    encoding_rs::UTF_8.decode(xml).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_the_charset() {
        for string in [&b"ann@a.org"[..], b"\xfe\xff\0a\0n\0n\0@\0a\0.\0o\0r\0g", b"\xef\xbb\xbfann@a.org"] {
            assert_eq!(text(string), "ann@a.org");
        }
        assert_eq!(text(b"\xff\xfea\0"), "a");
        assert_eq!(text(b"J\xfcrgen"), "J\u{fc}rgen");
    }
}
