//! Records: calendars (RFC 5545), address books (RFC 6350) and directories (RFC 2849), in files and in parts of mail.
//!
//! Takes their text and gives it with its long lines whole again, which their writers fold wherever a line is full, and
//! with what they encode decoded.

mod encoded;

use self::encoded::Encoded;
use super::super::Form;
use super::decoded::Decoded;
use super::line::Line;
use super::map::Step;
use super::quoted;

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

/// A text of records with its long lines whole again, what is in quoted-printable or base64 decoded, and a map that leads
/// back to their places among these.
pub(super) fn unfold(text: &[u8]) -> Decoded {
    let mut unfolded = Decoded::default();
    let (mut goes_on, mut quoted) = (Goes::No, false);
    let (mut encoded, mut value) = (Encoded::default(), None);
    let mut start = 0;
    while start < text.len() {
        let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |end| start + end + 1);
        // A fold is a line's end with the white space behind it.
        let from = start + usize::from(goes_on == Goes::Folded);
        let line = Line { start: from, bytes: &text[from..end], begins: goes_on == Goes::No, ends: true };
        let content = line.part(0..line.content().len());
        if line.begins {
            (quoted, value) = (is_quoted(content.bytes), encoded::value_of(content.bytes));
        }
        goes_on = if quoted && quoted::soft_break(content.bytes).is_some() {
            Goes::Softly
        } else if matches!(text.get(end), Some(b' ' | b'\t')) {
            Goes::Folded
        } else {
            Goes::No
        };
        let value_start = value.map(|value| if line.begins { value } else { 0 });
        let line = if goes_on == Goes::Folded { content } else { line };
        if let Some(value) = value_start {
            encoded.line(line, value);
            if goes_on == Goes::No {
                encoded.end(line, &mut unfolded);
            }
        } else if quoted {
            quoted::line(line, &mut unfolded);
        } else {
            escapes(line, &mut unfolded);
        }
        start = end;
    }
    unfolded
}

/// Whether and how a line goes on with the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goes {
    No,
    Folded,
    /// By a soft break of quoted-printable.
    Softly,
}

/// Whether the line says of its value that it is in quoted-printable, as vCard 2.1 does.
fn is_quoted(line: &[u8]) -> bool {
    const NAME: &[u8] = b"quoted-printable";
    let name = &line[..memchr::memchr(b':', line).unwrap_or(0)];
    let parameters = memchr::memchr(b';', name).map_or(&[][..], |parameters| &name[parameters..]);
    parameters.windows(NAME.len()).any(|word| word.eq_ignore_ascii_case(NAME))
}

/// Adds a line with its `\N`, which parts lines as `\n` does (RFC 5545, section 3.3.11) and is an escape nowhere else.
fn escapes(line: Line<'_>, text: &mut Decoded) {
    let (mut from, mut at) = (0, 0);
    while let Some(escape) = memchr::memchr(b'\\', &line.bytes[at..]).map(|escape| at + escape) {
        at = line.bytes.len().min(escape + 2);
        if line.bytes[escape..at].ends_with(b"N") {
            text.same(line.part(from..escape), Form::Plain);
            text.coded(b"\n", line.start + escape..line.start + at, Step::Whole, Form::Plain);
            from = at;
        }
    }
    text.same(line.part(from..line.bytes.len()), Form::Plain);
}
