//! Characters of texts in these files, in both ways that they are written: one byte each, or UTF-16.
//!
//! Whoever knows where a text stands takes it from here, without the signs that programs leave between the words.

use encoding_rs::WINDOWS_1252;

/// A hyphen at which no line breaks, and one that shows only where a line does.
const FIRM_HYPHEN: char = '\u{1e}';
const SOFT_HYPHENS: [char; 2] = ['\u{1f}', '\u{ad}'];

/// Adds a text in UTF-16, of which the last byte may be missing.
pub(super) fn add_wide(bytes: &[u8], text: &mut String) {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    for character in char::decode_utf16(units) {
        add(character.unwrap_or(char::REPLACEMENT_CHARACTER), text);
    }
}

/// Adds a text of one byte for each character, as western Windows has them. Addresses are the same in all others.
pub(super) fn add_narrow(bytes: &[u8], text: &mut String) {
    let (decoded, _) = WINDOWS_1252.decode_without_bom_handling(bytes);
    decoded.chars().for_each(|character| add(character, text));
}

/// Adds a character as a reader sees it. What is no sign borders an address, as the marks of fields and of notes do.
fn add(character: char, text: &mut String) {
    match character {
        FIRM_HYPHEN => text.push('-'),
        soft if SOFT_HYPHENS.contains(&soft) => {}
        '\t' | '\n' => text.push(character),
        // Ends of lines, of pages, of columns, of cells of tables.
        '\u{7}' | '\u{b}'..='\u{e}' => text.push('\n'),
        control if control.is_control() => text.push(' '),
        sign => text.push(sign),
    }
}
