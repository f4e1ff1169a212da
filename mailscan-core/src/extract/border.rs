//! Borders: where a text that is searched part by part may be cut.
//!
//! Whoever reads a document in pieces asks here for the last place in it that no address can cross.

/// Where to cut `bytes` so that no address is cut in two: after the last ASCII white space or control character of the
/// last `tail` bytes. Where there is none, beside the last angle bracket or quote there, else after the last other byte
/// that can stand in no address; where there is none of these either, at the end: a run that long is no address.
///
/// The answer is from 1 to the length, or 0 for no bytes.
pub(crate) fn last(bytes: &[u8], tail: usize) -> usize {
    let floor = bytes.len().saturating_sub(tail);
    let tail = &bytes[floor..];
    let last = |matches: fn(u8) -> bool| tail.iter().rposition(|byte| matches(*byte)).map(|at| floor + at);
    if let Some(space) = last(|byte| byte <= b' ') {
        return space + 1;
    }
    // What an opening bracket or quote begins belongs to it; what they close is over.
    if let Some(sign) = last(|byte| matches!(byte, b'<' | b'>' | b'"')) {
        return if bytes[sign] == b'>' || sign == 0 { sign + 1 } else { sign };
    }
    if let Some(sign) =
        last(|byte| byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"@.+-_%&#;\\/:'=".contains(&byte))
    {
        return sign + 1;
    }
    bytes.len()
}
