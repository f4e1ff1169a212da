//! The front of a run: codes that end in letters or digits and run into the address behind them.
//!
//! Takes the place where a run of characters of a local part begins and answers how much of it belongs to what stands
//! before: a colour of a terminal, a font of a manual, or LaTeX's `\verb+`. The byte before settles nearly every run.

/// The longest row of numbers in the code of a colour that is gone back over.
const LONGEST_NUMBERS: usize = 24;

/// How the escape is written that begins the code of a colour.
const ESCAPES: [&[u8]; 9] = [b"\x1b", b"^[", br"\e", br"\E", br"\033", br"\x1b", br"\x1B", br"\u001b", br"\u001B"];

/// How many bytes at the front of the run from `start` on, all of them letters, digits and `+`, are no part of it.
#[inline]
pub(super) fn length(document: &[u8], start: usize) -> usize {
    let (before, run) = document.split_at(start);
    match before.last() {
        Some(b'[' | b';' | b'?') if is_in_colour(before) => colour_length(run),
        Some(b'(') if before.ends_with(br"\f(") => font_length(run),
        Some(b'\\') if run.starts_with(b"verb+") => b"verb+".len(),
        _ => 0,
    }
}

/// Whether the end of `before` is the code of a colour up to one of its numbers: `ESC [ 1 ;`.
fn is_in_colour(before: &[u8]) -> bool {
    let numbers = before.iter().rev().take(LONGEST_NUMBERS);
    let numbers = numbers.take_while(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b'?')).count();
    let opening = before[..before.len() - numbers].strip_suffix(b"[");
    opening.is_some_and(|opening| ESCAPES.iter().any(|escape| opening.ends_with(escape)))
}

/// The last number of the code with the letter that ends it.
fn colour_length(run: &[u8]) -> usize {
    let digits = run.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if run.get(digits).is_some_and(u8::is_ascii_alphabetic) { digits + 1 } else { 0 }
}

/// The two signs of a font, of which none is small: `\f(CW`. In JSON a form feed is written so far, and then a word.
fn font_length(run: &[u8]) -> usize {
    let sign = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    if run.get(..2).is_some_and(|font| font.iter().all(sign)) { 2 } else { 0 }
}
