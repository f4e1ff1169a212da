//! Bare references: the names that HTML lets stand without a semicolon, from before there was a rule.
//!
//! Takes the bytes from a `&` on. In text such a name counts whatever follows; in the value of an attribute, where `&`
//! parts the fields of a query, only before what can go on no name (WHATWG HTML, section 13.2.5.73).

/// How far back the beginning of a tag is looked for.
const LONGEST_TAG: usize = 1 << 10;

/// The names, sorted.
const NAMES: [&str; 106] = [
    "AElig", "AMP", "Aacute", "Acirc", "Agrave", "Aring", "Atilde", "Auml", "COPY", "Ccedil", "ETH", "Eacute", "Ecirc",
    "Egrave", "Euml", "GT", "Iacute", "Icirc", "Igrave", "Iuml", "LT", "Ntilde", "Oacute", "Ocirc", "Ograve", "Oslash",
    "Otilde", "Ouml", "QUOT", "REG", "THORN", "Uacute", "Ucirc", "Ugrave", "Uuml", "Yacute", "aacute", "acirc",
    "acute", "aelig", "agrave", "amp", "aring", "atilde", "auml", "brvbar", "ccedil", "cedil", "cent", "copy",
    "curren", "deg", "divide", "eacute", "ecirc", "egrave", "eth", "euml", "frac12", "frac14", "frac34", "gt",
    "iacute", "icirc", "iexcl", "igrave", "iquest", "iuml", "laquo", "lt", "macr", "micro", "middot", "nbsp", "not",
    "ntilde", "oacute", "ocirc", "ograve", "ordf", "ordm", "oslash", "otilde", "ouml", "para", "plusmn", "pound",
    "quot", "raquo", "reg", "sect", "shy", "sup1", "sup2", "sup3", "szlig", "thorn", "times", "uacute", "ucirc",
    "ugrave", "uml", "uuml", "yacute", "yen", "yuml",
];

/// The longest of them.
const LONGEST: usize = 6;

/// The character that the longest such name at the beginning of `bytes` stands for, and the length of the reference;
/// `in_tag` says whether that is in a tag.
pub(super) fn reference(bytes: &[u8], in_tag: impl FnOnce() -> bool) -> Option<(char, usize)> {
    let letters = bytes[1..].iter().take(LONGEST).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let name = std::str::from_utf8(&bytes[1..=letters]).ok()?;
    let length = (2..=letters).rev().find(|length| NAMES.binary_search(&&name[..*length]).is_ok())?;
    let goes_on = bytes.get(length + 1).is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'=');
    if goes_on && in_tag() {
        return None;
    }
    let known = &name.as_bytes()[..length];
    let found = html_escape::NAMED_ENTITIES.binary_search_by(|(name, _)| (*name).cmp(known)).ok()?;
    Some((html_escape::NAMED_ENTITIES[found].1.chars().next()?, length + 1))
}

/// Whether what follows these bytes stands in a tag.
pub(super) fn is_in_tag(before: &[u8]) -> bool {
    let near = &before[before.len().saturating_sub(LONGEST_TAG)..];
    memchr::memrchr2(b'<', b'>', near).is_some_and(|at| near[at] == b'<')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_and_found() {
        assert!(NAMES.is_sorted());
        for name in NAMES {
            assert!(name.len() <= LONGEST, "{name}");
            let whole = format!("&{name};");
            let character = html_escape::decode_html_entities(&whole);
            let found = reference(format!("&{name}").as_bytes(), || true);
            assert_eq!(found, character.chars().next().map(|ch| (ch, name.len() + 1)), "{name}");
        }
    }

    #[test]
    fn in_a_tag_a_name_that_goes_on_is_none() {
        assert_eq!(reference(b"&copyright", || true), None);
        assert_eq!(reference(b"&copy=1", || true), None);
        assert_eq!(reference(b"&copyright", || false), Some(('\u{a9}', 5)));
        assert_eq!(reference(b"&notin", || false), Some(('\u{ac}', 4)));
        assert_eq!(reference(b"&co", || false), None);
        assert!(is_in_tag(b"<a href='") && !is_in_tag(b"<a>") && !is_in_tag(b""));
    }
}
