//! Charsets: which one bytes are written in, and what they say in UTF-8.
//!
//! The sources decode whole documents; the parts of mail, each in a charset of its own, are decoded here.

use std::borrow::Cow;
use std::ops::Range;

use encoding_rs::{BIG5, EUC_KR, Encoding, GBK, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE};

/// How much of a text is looked at to see whether it is UTF-16.
const LOOK: usize = 1 << 10;
/// How much of a text is searched for zero bytes.
#[cfg(any(feature = "http", feature = "files"))]
const START: usize = 4 << 10;

/// The encoding of a label of the Encoding standard, or of one that mail programs of Windows write beside it.
pub(crate) fn of_label(label: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_label(label).or_else(|| {
        let label = label.trim_ascii().to_ascii_lowercase();
        Some(match label.as_slice() {
            b"cp932" | b"ms932" | b"windows-932" | b"sjis-win" => SHIFT_JIS,
            b"cp950" | b"ms950" | b"windows-950" | b"big5-eten" => BIG5,
            b"cp936" | b"ms936" | b"windows-936" => GBK,
            b"cp949" | b"ms949" | b"uhc" => EUC_KR,
            b"cp65001" | b"utf8mb4" => UTF_8,
            _ => return None,
        })
    })
}

/// Whether the bytes are best read as they are, though they are declared to be in `encoding`: because that is UTF-8,
/// because they are ASCII, or because they are UTF-8 after all, which is next to impossible by chance.
pub(crate) fn is_as_it_is(bytes: &[u8], encoding: &'static Encoding) -> bool {
    if encoding == UTF_8 {
        return true;
    }
    if bytes.is_ascii() {
        return encoding.is_ascii_compatible()
            || (encoding != UTF_16LE && encoding != UTF_16BE && !bytes.contains(&0x1b));
    }
    encoding.is_single_byte() && is_utf8(bytes)
}

/// Whether bytes are UTF-8; the last character may be missing a part.
pub(crate) fn is_utf8(bytes: &[u8]) -> bool {
    // Whole documents are checked, for which the standard library takes several times as long.
    simdutf8::compat::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true)
}

/// The bytes in UTF-8.
pub(crate) fn to_utf8<'a>(bytes: &'a [u8], encoding: Option<&'static Encoding>) -> Cow<'a, [u8]> {
    let Some(encoding) = encoding.filter(|encoding| !is_as_it_is(bytes, encoding)) else { return Cow::Borrowed(bytes) };
    match encoding.decode_without_bom_handling(bytes).0 {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// The same character by character: calls `each` with a character, or a run of ASCII, and the bytes that it was.
pub(crate) fn characters(bytes: &[u8], encoding: &'static Encoding, mut each: impl FnMut(&str, Range<usize>)) {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut room = [0; 32];
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        if from == at && encoding.is_ascii_compatible() {
            let length = Encoding::ascii_valid_up_to(&bytes[at..]);
            if let Ok(ascii) = std::str::from_utf8(&bytes[at..at + length])
                && length > 0
            {
                each(ascii, at..at + length);
                (from, at) = (at + length, at + length);
                continue;
            }
        }
        let (_, read, written, _) = decoder.decode_to_utf8(&bytes[at..=at], &mut room, false);
        at += read;
        if written > 0 {
            each(std::str::from_utf8(&room[..written]).unwrap_or_default(), from..at);
            from = at;
        }
    }
    let (_, _, written, _) = decoder.decode_to_utf8(&[], &mut room, true);
    if written > 0 {
        each(std::str::from_utf8(&room[..written]).unwrap_or_default(), from..at);
    }
}

/// Whether a text begins with zero bytes among others, which only UTF-16 has.
#[cfg(any(feature = "http", feature = "files"))]
pub(crate) fn holds_zeros(start: &[u8]) -> bool {
    memchr::memchr(0, &start[..start.len().min(START)]).is_some()
}

/// ISO-2022-JP, where a text that begins so switches to its characters: nothing else holds these escapes.
#[cfg(any(feature = "http", feature = "files"))]
pub(crate) fn iso_2022_of(start: &[u8]) -> Option<&'static Encoding> {
    let switches = |at: usize| matches!(start.get(at + 2), Some(b'B' | b'@'));
    memchr::memmem::find(start, b"\x1b$").is_some_and(switches).then_some(encoding_rs::ISO_2022_JP)
}

/// The UTF-16 that a text begins with, by its mark or by its zero bytes: text in it is full of characters of which one
/// byte is zero, and hardly ever the other. Text in another script than Latin has fewer of these, and no character that is
/// none of text.
pub(crate) fn utf16_of(start: &[u8]) -> Option<&'static Encoding> {
    match start {
        [0xff, 0xfe, ..] => return Some(UTF_16LE),
        [0xfe, 0xff, ..] => return Some(UTF_16BE),
        _ => {}
    }
    let start = &start[..start.len().min(LOOK) & !1];
    let pairs = start.len() / 2;
    let zeros = |first: usize| start.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    let (high, low) = (zeros(0), zeros(1));
    // A NUL character, or text where most is beyond Latin, is rare enough.
    match (pairs >= 2, high * 2 > pairs && low * 16 <= pairs, low * 2 > pairs && high * 16 <= pairs) {
        (true, true, _) => Some(UTF_16BE),
        (true, _, true) => Some(UTF_16LE),
        _ => {
            let (big, little) = (is_utf16_text(start, u16::from_be_bytes), is_utf16_text(start, u16::from_le_bytes));
            let few = |zeros: usize| zeros * 16 <= pairs;
            match (big && few(low) && high > low, little && few(high) && low > high) {
                (true, false) => Some(UTF_16BE),
                (false, true) => Some(UTF_16LE),
                _ => None,
            }
        }
    }
}

/// Whether the pairs of bytes are characters of text in any script, but for a few.
fn is_utf16_text(start: &[u8], unit: fn([u8; 2]) -> u16) -> bool {
    /// Fewer characters may be anything.
    const LEAST: usize = 16;
    let (mut words, mut others) = (0, 0);
    for ch in char::decode_utf16(start.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]))) {
        match ch {
            Ok(ch) if ch.is_control() && !matches!(ch, '\t' | '\n' | '\r') => return false,
            Ok(ch) if ch.is_alphanumeric() || ch.is_whitespace() || is_punctuation(ch) => words += 1,
            _ => others += 1,
        }
    }
    words >= LEAST && others * 16 <= words
}

/// Whether the character is punctuation of ASCII or of the blocks that scripts share.
fn is_punctuation(ch: char) -> bool {
    ch.is_ascii_punctuation()
        || matches!(ch, '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ffef}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_what_decoding_the_whole_gives() {
        let bytes: Vec<u8> = (0..=255_u8).chain((0..=255).rev()).chain(*b"a\x1b$B0\x1b(B\xfc\xa1\xa1@\xe4").collect();
        for encoding in [
            encoding_rs::WINDOWS_1252,
            encoding_rs::GBK,
            encoding_rs::GB18030,
            encoding_rs::BIG5,
            encoding_rs::SHIFT_JIS,
            encoding_rs::EUC_JP,
            encoding_rs::EUC_KR,
            encoding_rs::ISO_2022_JP,
            UTF_16LE,
            UTF_16BE,
            UTF_8,
        ] {
            let (mut text, mut last) = (String::new(), 0);
            characters(&bytes, encoding, |characters, range| {
                assert!(range.start == last || text.is_empty(), "{range:?} after {last}");
                last = range.end;
                text.push_str(characters);
            });
            assert_eq!(text, encoding.decode_without_bom_handling(&bytes).0, "{}", encoding.name());
        }
    }

    #[test]
    fn utf16_is_told_from_text_and_from_anything_else() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        assert_eq!(utf16_of(&utf16("ann@a.org")), Some(UTF_16LE));
        assert_eq!(utf16_of(&[&[0], utf16("Jürgen, jürgen@a.org").as_slice()].concat()), Some(UTF_16BE));
        assert_eq!(utf16_of(b"\xff\xfe"), Some(UTF_16LE));
        let cyrillic = utf16("Пишите нам по адресу почта@пример.рф, мы ответим.");
        assert_eq!(utf16_of(&cyrillic), Some(UTF_16LE));
        let swapped: Vec<u8> = cyrillic.chunks_exact(2).flat_map(|pair| [pair[1], pair[0]]).collect();
        assert_eq!(utf16_of(&swapped), Some(UTF_16BE));
        assert_eq!(utf16_of(&utf16("请联系我们的办公室：\n邮箱 ann@a.org，一切顺利。")), Some(UTF_16LE));
        let table: Vec<u8> = (1_u16..400).map(|number| number * 7).flat_map(u16::to_le_bytes).collect();
        assert_eq!(utf16_of(&table), None, "numbers");
        for none in [&b""[..], b"a\0", b"ann@a.org", b"\0\0\0\0\0\0", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0"] {
            assert_eq!(utf16_of(none), None, "{none:?}");
        }
    }
}
