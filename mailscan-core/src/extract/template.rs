//! Templates: what something else is put in place of, or what stands for many texts, before an `@`.
//!
//! Looks at the document around a candidate. The conversions of `printf`, variables of shells and Perl, and classes of
//! regular expressions end in letters, which look like a local part or the beginning of one.

/// The longest name in a template.
const LONGEST_NAME: usize = 64;

/// Whether the local part from `start` to `at` is part of a template: `%s@a.org`, `user%02d@a.org`, `%(name)s@a.org`,
/// `$name@a.org`, `\w+@a.org`.
pub(super) fn is_one(document: &[u8], start: usize, at: usize) -> bool {
    let (before, local) = (&document[..start], &document[start..at]);
    let here = match before.last() {
        Some(b')') => is_named_conversion(before, local),
        Some(b'$') => is_variable(before, local),
        Some(b'\\') => is_class(local),
        _ => false,
    };
    here || has_conversion(document, start, at)
}

/// `%(name)s` of Python.
fn is_named_conversion(before: &[u8], local: &[u8]) -> bool {
    let near = &before[before.len().saturating_sub(LONGEST_NAME)..before.len() - 1];
    let name = near.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    local == b"s" && near[..near.len() - name].ends_with(b"%(")
}

/// `$name`, `$USER`, `$first.$last`. Behind a letter the sign is part of a word.
fn is_variable(before: &[u8], local: &[u8]) -> bool {
    let name = local.iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'_').count();
    let whole = local.get(name).is_none_or(|next| b".+-".contains(next));
    let dollar = &before[..before.len() - 1];
    whole && name > 0 && !dollar.last().is_some_and(u8::is_ascii_alphanumeric) && !is_formula(dollar)
}

/// Whether the end of the bytes is a formula of LaTeX but for the sign that closes it: `$<`, `$^{1}`.
fn is_formula(before: &[u8]) -> bool {
    let near = &before[before.len().saturating_sub(LONGEST_NAME)..];
    let opening = memchr::memrchr2(b'$', b'\n', near).filter(|opening| near[*opening] == b'$');
    opening.is_some_and(|opening| near.get(opening + 1).is_some_and(|first| b"^_\\<>{*".contains(first)))
}

/// `\w+` and its like.
fn is_class(local: &[u8]) -> bool {
    matches!(local, [b'w' | b'W' | b'd' | b'D' | b's' | b'S', b'+', ..])
}

/// Whether a conversion of `printf` ends within the local part, where it ends or a sign follows.
fn has_conversion(document: &[u8], start: usize, at: usize) -> bool {
    /// The most digits of a width.
    const WIDTH: usize = 3;
    let from = start.saturating_sub(WIDTH + 1);
    let near = &document[from..at];
    memchr::memchr_iter(b'%', near).any(|sign| {
        let rest = &near[sign + 1..];
        let width = rest.iter().take(WIDTH).take_while(|byte| byte.is_ascii_digit()).count();
        let within = from + sign + 1 + width >= start;
        let converts = matches!(rest.get(width), Some(b's' | b'd' | b'i' | b'u' | b'x' | b'v' | b'q'));
        within && converts && rest.get(width + 1).is_none_or(|next| b"._+-".contains(next))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the part of the text from the `|` to the `@` is one's.
    fn template(text: &str) -> bool {
        let start = text.find('|').unwrap();
        let text = text.replacen('|', "", 1);
        is_one(text.as_bytes(), start, text.find('@').unwrap())
    }

    #[test]
    fn templates() {
        for text in [
            "%|s@",
            "%|d@",
            "%0|2d@",
            "%02|d@",
            "|user%d@",
            "|user%03d@",
            "|s%s@",
            "%|s.lee@",
            "|ann-%s@",
            "%(name)|s@",
            "$|name@",
            "\"$|USER@",
            "$|userName@",
            "$first.$|last@",
            "$(host)$|name@",
            "$|user.name@",
            "\\|w+@",
            "(\\|S+@",
            "\\|d+-compute@",
        ] {
            assert!(template(text), "{text}");
        }
    }

    #[test]
    fn names_are_none() {
        for text in [
            "|ann@",
            "%20|ann@",
            "%2|5ann@",
            "|gorby%kremvax@",
            "|user%host@",
            "|ann%2Btag@",
            "|ann%2dlee@",
            "$|A12345@",
            "US$|ann@",
            "$<$|ann@",
            "$^{1}$|ann@",
            "$^{\\ast}$|ann.lee@",
            "CORP\\|w@",
            "CORP\\|sales@",
            "(x)|s@",
            "100%|",
            "|@",
        ] {
            assert!(!template(&format!("{text}@")), "{text}");
        }
    }
}
