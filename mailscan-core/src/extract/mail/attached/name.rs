//! The name of what is attached, as its header has it: plain, in encoded words (RFC 2047) or in parts (RFC 2231).

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::super::decoded::Decoded;
use super::super::field;
use super::super::line::Line;
use super::super::words::Words;
use crate::extract::charset;

/// The fields that name a part, the better one first, and how they call the name.
const NAMES: [(&[u8], &[u8]); 2] = [(b"content-disposition", b"filename"), (b"content-type", b"name")];
/// The most parts of a name.
const MOST_PARTS: usize = 100;

/// The name in a header of these fields.
pub(super) fn of(fields: impl Iterator<Item = Vec<u8>>) -> Option<String> {
    let mut names = [None, None];
    for field in fields {
        for (name, (of, parameter)) in names.iter_mut().zip(NAMES) {
            if field::name_of(&field).is_some_and(|found| found.eq_ignore_ascii_case(of)) {
                *name = parameter_of(&field, parameter).or(name.take());
            }
        }
    }
    let [disposition, kind] = names;
    disposition.or(kind)
}

/// The value of a parameter, however it is written.
fn parameter_of(field: &[u8], name: &[u8]) -> Option<String> {
    let (mut plain, mut parts) = (None, Vec::new());
    for (found, value) in field::parameters(field) {
        let Some((begin, rest)) = found.split_at_checked(name.len()) else { continue };
        if !begin.eq_ignore_ascii_case(name) || value.is_empty() {
            continue;
        }
        match rest {
            b"" => plain = Some(value),
            [b'*', number @ ..] if parts.len() < MOST_PARTS => {
                let digits = number.strip_suffix(b"*").unwrap_or(number);
                let is_coded = digits.len() < number.len() || number.is_empty();
                let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                parts.push((number.unwrap_or(0_u32), is_coded, value));
            }
            _ => {}
        }
    }
    parts.sort_by_key(|(number, ..)| *number);
    if parts.is_empty() { plain.map(|value| words(&value)) } else { Some(joined(&parts)) }
}

/// A value with encoded words, which should not stand in parameters and do.
fn words(value: &[u8]) -> String {
    let mut text = Decoded::default();
    Words::default().line(Line { start: 0, bytes: value, begins: true, ends: true }, &mut text);
    String::from_utf8_lossy(&text.bytes).into_owned()
}

/// The parts of a value, of which the first says the charset: `utf-8'de'B%C3%BCro`.
fn joined(parts: &[(u32, bool, Vec<u8>)]) -> String {
    let (mut bytes, mut encoding) = (Vec::new(), None);
    for (index, (_, is_coded, value)) in parts.iter().enumerate() {
        let mut value = value.as_slice();
        if *is_coded && index == 0 {
            let mut fields = value.splitn(3, |byte| *byte == b'\'');
            if let (Some(label), Some(_), Some(rest)) = (fields.next(), fields.next(), fields.next()) {
                (encoding, value) = (charset::of_label(label), rest);
            }
        }
        match is_coded {
            true => bytes.extend_from_slice(&Cow::from(percent_decode(value))),
            false => bytes.extend_from_slice(value),
        }
    }
    String::from_utf8_lossy(&charset::to_utf8(&bytes, encoding)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(field: &str) -> String {
        of([field.as_bytes().to_vec()].into_iter()).unwrap_or_default()
    }

    #[test]
    fn names_in_every_spelling() {
        for (field, expected) in [
            ("Content-Type: application/pdf; name=\"a b.pdf\"", "a b.pdf"),
            ("content-disposition:attachment;FileName=a.pdf", "a.pdf"),
            ("Content-Type: application/pdf; name=\"=?utf-8?Q?B=C3=BCro.pdf?=\"", "Büro.pdf"),
            ("Content-Type: application/pdf; name=\"=?iso-8859-1?B?QvxybyA=?= =?utf-8?B?YS5wZGY=?=\"", "Büro a.pdf"),
            ("Content-Disposition: attachment; filename*=UTF-8''B%C3%BCro.pdf; filename=B_ro.pdf", "Büro.pdf"),
            ("Content-Disposition: x; filename*1*=%FCro.; filename*0*=iso-8859-1'de'B; filename*2=\"pdf\"", "Büro.pdf"),
            ("Content-Disposition: x; filename*0=\"a%20b\"; filename*1=\".pdf\"", "a%20b.pdf"),
            ("Content-Disposition: attachment; filename=", ""),
            ("Content-Type: application/pdf", ""),
            ("Subject: x; name=a", ""),
        ] {
            assert_eq!(name(field), expected, "{field}");
        }
        let fields =
            ["Content-Type: x; name=b.pdf", "Content-Disposition: x; filename=a.pdf", "Content-Disposition: x"];
        assert_eq!(of(fields.map(|field| field.as_bytes().to_vec()).into_iter()).as_deref(), Some("a.pdf"));
    }
}
