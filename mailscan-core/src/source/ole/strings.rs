//! What looks like text in bytes of which nothing is known: runs of printable characters, of one byte each or in UTF-16.
//!
//! Each run becomes a line, so that nothing in between is glued to an address. Programs write the length of a string before
//! it, and such a length may look like a character: it is told by being the length of what follows.

/// Runs of fewer characters hold no address.
const SHORTEST: usize = 6;

/// Adds what looks like text, a line for each run.
pub(super) fn add(bytes: &[u8], text: &mut String) {
    let mut rest = bytes;
    while let Some(start) = rest.iter().position(|byte| is_printable(*byte)) {
        rest = &rest[start..];
        let wide = wide_run(rest);
        if wide > 1 {
            add_run(rest[..2 * wide].iter().copied().step_by(2), text);
            rest = &rest[2 * wide..];
            continue;
        }
        let narrow = narrow_run(rest);
        let narrow = narrow - usize::from(goes_on_wide(rest, narrow));
        add_run(rest[..narrow].iter().copied(), text);
        rest = &rest[narrow.max(1)..];
    }
}

/// Whether the last byte of an 8-bit run, of this length, is rather the first character of a wide one. Both a string that
/// ends with a zero and a text that goes on in UTF-16 look so; the first ends within a word, the second begins one.
fn goes_on_wide(bytes: &[u8], length: usize) -> bool {
    let Some(before) = length.checked_sub(2) else { return false };
    (before == 0 || !bytes[before].is_ascii_alphanumeric()) && wide_run(&bytes[before + 1..]) > 1
}

/// How many printable characters of one byte each stand at the beginning. Letters beyond ASCII are such behind others:
/// pictures would be full of text if they always were.
fn narrow_run(bytes: &[u8]) -> usize {
    let is_in_word = |at: usize| {
        let before = at.checked_sub(1).is_some_and(|before| bytes[before].is_ascii_alphanumeric());
        before && bytes.get(at + 1).is_some_and(|byte| is_ascii(*byte))
    };
    let is_text = |at: &usize| is_ascii(bytes[*at]) || is_printable(bytes[*at]) && is_in_word(*at);
    (0..bytes.len()).take_while(is_text).count()
}

/// How many printable characters in UTF-16 stand at the beginning.
fn wide_run(bytes: &[u8]) -> usize {
    bytes.chunks_exact(2).take_while(|pair| is_printable(pair[0]) && pair[1] == 0).count()
}

/// ASCII, and letters of western Europe.
fn is_printable(byte: u8) -> bool {
    is_ascii(byte) || byte >= 0xc0
}

fn is_ascii(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t')
}

/// Adds a run as a line, or as several where it is strings with their lengths.
fn add_run(run: impl ExactSizeIterator<Item = u8> + Clone, text: &mut String) {
    if run.len() < SHORTEST {
        return;
    }
    let is_counted = is_counted(run.clone());
    let mut left = if is_counted { 0 } else { usize::MAX };
    for byte in run {
        if left == 0 {
            left = usize::from(byte);
            text.push('\n');
        } else {
            left -= 1;
            text.push(char::from(byte));
        }
    }
    text.push('\n');
}

/// Whether a run is nothing but strings, each with its length before it.
fn is_counted(mut run: impl ExactSizeIterator<Item = u8>) -> bool {
    while let Some(length) = run.next() {
        let length = usize::from(length);
        if length > run.len() {
            return false;
        }
        // Stands at the last character of the string.
        run.nth(length - 1);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut text = String::new();
        add(bytes, &mut text);
        text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn runs_are_lines() {
        let counted = |text: &str| [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
        let long = "someone.with.a.long.name@some.example.org";
        let wide_count = |text: &str| [wide(&char::from(text.len() as u8).to_string()), wide(text)].concat();
        for (bytes, expected) in [
            (b"\x01ann@a.org\x02ben@b.org\xff\0".to_vec(), vec!["ann@a.org", "ben@b.org"]),
            ([b"\0\0".to_vec(), wide("ann@a.org"), b"\0\0\x05".to_vec()].concat(), vec!["ann@a.org"]),
            // The end of a string, and a wide one right behind it.
            ([b"ann@a.org\0".to_vec(), wide("ben@b.org")].concat(), vec!["ann@a.org", "ben@b.org"]),
            ([b"\x01ann@a.org\0\0\0".to_vec(), wide("ben@b.org")].concat(), vec!["ann@a.org", "ben@b.org"]),
            // A byte that is no part of what follows.
            ([b"\x01*".to_vec(), wide("ann@a.org")].concat(), vec!["ann@a.org"]),
            ([b"write to ".to_vec(), wide("ann@a.org")].concat(), vec!["write to ", "ann@a.org"]),
            (counted(long), vec![long]),
            ([counted(long), counted(long)].concat(), vec![long, long]),
            (wide_count(long), vec![long]),
            ([wide_count(long), wide_count(long)].concat(), vec![long, long]),
            (wide("j\u{fc}rgen@a.org"), vec!["j\u{fc}rgen@a.org"]),
            (b"J\xfcrgen ann@a.org".to_vec(), vec!["J\u{fc}rgen ann@a.org"]),
            (b"a\0b\0".to_vec(), vec![]),
            (b"".to_vec(), vec![]),
        ] {
            assert_eq!(lines(&bytes), expected, "{bytes:?}");
        }
    }
}
