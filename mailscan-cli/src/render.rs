//! How things are said: on a terminal, in lines, in CSV and in JSON.

pub(crate) mod chart;
pub(crate) mod job;
pub(crate) mod lists;
pub(crate) mod progress;
pub(crate) mod summary;
pub(crate) mod table;

use std::fmt::{Arguments, Write};

use mailscan_core::class::LeftOut;

/// Writes to standard error, or to nobody where that cannot be written (a terminal that is gone, a log on a full disk): what is
/// told there is no reason to end what is told of.
pub(crate) fn tell(text: Arguments<'_>) {
    // In one piece, so that it stays together with what other processes write there.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), text.to_string().as_bytes());
}

/// The text with its control characters made visible, so that what was scraped cannot command a terminal.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        // Directional marks reorder the line they stand in, which hides as well as a control character does.
        if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            let _ = write!(safe, "{}", c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// A number with its thousands parted.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things, in the plural unless it is one.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// What was left out by class; `None` when that is nothing.
pub(crate) fn left_out(counts: &LeftOut) -> Option<String> {
    let by_class = |(class, count)| format!("{} {class}", grouped(count));
    let classes: Vec<String> = counts.iter().map(by_class).collect();
    (!classes.is_empty()).then(|| format!("left out: {}", classes.join(", ")))
}

/// A size for people.
pub(crate) fn bytes(size: u64) -> String {
    match size {
        0..1_000 => format!("{size} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", size as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", size as f64 / 1e6),
        _ => format!("{:.2} GB", size as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(escape("a\u{1b}[31mb\r\n"), "a\\u{1b}[31mb\\u{d}\\u{a}");
        assert_eq!(escape("bücher \u{202e}x"), "bücher \\u{202e}x");
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!((grouped(0).as_str(), grouped(999).as_str()), ("0", "999"));
        assert_eq!((grouped(1_000).as_str(), grouped(1_234_567).as_str()), ("1,000", "1,234,567"));
        assert_eq!(counted(1, "file", "files"), "1 file");
        assert_eq!(bytes(1_500), "1.5 kB");
    }
}
