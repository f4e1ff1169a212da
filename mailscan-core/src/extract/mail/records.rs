//! Records: calendars (RFC 5545), address books (RFC 6350) and directories (RFC 2849), in files and in parts of mail.
//!
//! Takes their text and gives it with its long lines whole again, which their writers fold wherever a line is full.

use super::super::Form;
use super::decoded::Decoded;
use super::map::Step;

/// Whether a line begins records: those of a calendar (RFC 5545), an address book (RFC 6350) or a directory (RFC 2849).
pub(super) fn begin(line: &[u8]) -> bool {
    let begins = |mark: &[u8]| line.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark));
    let line = line.trim_ascii_end();
    [&b"BEGIN:VCALENDAR"[..], b"BEGIN:VCARD"].iter().any(|mark| begins(mark) && line.len() == mark.len())
        || begins(b"dn:")
        || line == b"version: 1"
}

/// Where the last line begins that goes on none before it: no address crosses to it. `allowed` has a say in what may stand
/// before.
pub(super) fn last_line(text: &[u8], allowed: impl Fn(&[u8]) -> bool) -> Option<usize> {
    let begins = |at: &usize| text.get(*at).is_some_and(|next| !matches!(next, b' ' | b'\t'));
    memchr::memrchr_iter(b'\n', text).map(|end| end + 1).find(|at| begins(at) && allowed(&text[..*at]))
}

/// A text of records with its long lines whole again, and a map that leads back to their places among these.
pub(super) fn unfold(text: &[u8]) -> Decoded {
    let mut unfolded = Decoded::default();
    let mut from = 0;
    let mut copy = |range: std::ops::Range<usize>| unfolded.coded(&text[range.clone()], range, Step::Same, Form::Plain);
    for end in memchr::memchr_iter(b'\n', text) {
        if matches!(text.get(end + 1), Some(b' ' | b'\t')) {
            copy(from..end - usize::from(text[from..end].ends_with(b"\r")));
            from = end + 2;
        }
    }
    copy(from..text.len());
    unfolded
}
