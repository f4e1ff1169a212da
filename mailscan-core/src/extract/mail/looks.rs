//! The looks of mail: whether a document that says nothing of itself is a message, or a file of many.

use super::{boundary, field, records};

/// The fields that only mail has.
const STRONG: [&[u8]; 9] = [
    b"return-path",
    b"received",
    b"delivered-to",
    b"message-id",
    b"mime-version",
    b"in-reply-to",
    b"dkim-signature",
    b"envelope-to",
    b"x-mozilla-status",
];
/// The fields that mail has and other texts may have too.
const WEAK: [&[u8]; 8] = [b"from", b"to", b"cc", b"subject", b"date", b"reply-to", b"sender", b"content-type"];

/// Whether a document that begins so is mail: its first line begins a message in a file of many, or a calendar or address
/// book, or it begins with a header in which one field is of mail alone and another of mail too, or four of mail.
pub(crate) fn is_mail(start: &[u8]) -> bool {
    let mut lines = start.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).peekable();
    if lines.next_if(|line| boundary::is_from_line(line)).is_some() {
        return lines.next().is_some_and(|line| field::name_of(line).is_some());
    }
    if lines.peek().is_some_and(|line| line.starts_with(b"BEGIN:V") && records::begin(line)) {
        return true;
    }
    let (mut strong, mut weak) = (0, 0);
    for line in lines {
        let Some(name) = field::name_of(line) else {
            // What goes on a field says nothing; anything else ends the header.
            if line.starts_with(b" ") || line.starts_with(b"\t") {
                continue;
            }
            break;
        };
        let is = |known: &[&[u8]]| known.iter().any(|known| name.eq_ignore_ascii_case(known));
        strong += usize::from(is(&STRONG));
        weak += usize::from(is(&WEAK));
        if (strong > 0 && strong + weak > 1) || weak > 3 {
            return true;
        }
    }
    false
}
