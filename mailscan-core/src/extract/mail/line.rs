//! Lines: cuts a document that comes in pieces into its lines, wherever the pieces end.
//!
//! A line ends with LF, CRLF or a lone CR. A longer one than [`LONGEST`] comes in parts, cut where no code of
//! quoted-printable stands; where they are cut depends on the line alone.

use std::ops::Range;

/// The longest part of a line, in bytes.
const LONGEST: usize = 64 << 10;

/// A line, or a part of a very long one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The number of its first byte in the document.
    pub(super) start: usize,
    /// Its bytes, with what ends it.
    pub(super) bytes: &'a [u8],
    /// Whether it begins here.
    pub(super) begins: bool,
    /// Whether it ends here.
    pub(super) ends: bool,
}

impl<'a> Line<'a> {
    /// The bytes without the line's end.
    pub(super) fn content(self) -> &'a [u8] {
        let bytes = self.bytes.strip_suffix(b"\n").unwrap_or(self.bytes);
        bytes.strip_suffix(b"\r").unwrap_or(bytes)
    }

    /// The line without the mark that a text in UTF-8 may begin with.
    pub(super) fn without_mark(self) -> Self {
        let bytes = self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(self.bytes);
        Self { start: self.start + self.bytes.len() - bytes.len(), bytes, ..self }
    }

    /// The part of it in this range of its bytes, as one that neither begins nor ends a line.
    pub(super) fn part(self, range: Range<usize>) -> Self {
        Self { start: self.start + range.start, bytes: &self.bytes[range], begins: false, ends: false }
    }
}

/// What is left of the pieces so far.
#[derive(Debug)]
pub(super) struct Lines {
    /// The bytes of a line that has not ended yet.
    held: Vec<u8>,
    /// The number of the first of these.
    start: usize,
    /// Whether the next line begins with these.
    begins: bool,
}

impl Lines {
    pub(super) fn new(start: usize) -> Self {
        Self { held: Vec::new(), start, begins: true }
    }

    /// The number of the byte that comes next.
    pub(super) fn position(&self) -> usize {
        self.start + self.held.len()
    }

    /// Calls `each` with every line that ends in `piece`.
    pub(super) fn feed(&mut self, piece: &[u8], mut each: impl FnMut(Line<'_>)) {
        let mut rest = piece;
        if !self.held.is_empty() {
            rest = self.finish_held(rest, &mut each);
        }
        // A CR at the end of the piece may be half of a CRLF.
        while let Some(end) = end_of_line(rest) {
            let (line, after) = rest.split_at(end);
            self.give(line, true, &mut each);
            rest = after;
        }
        self.held.extend_from_slice(rest);
        self.give_full(&mut each);
    }

    /// Calls `each` with the last line, if it has no end.
    pub(super) fn end(&mut self, mut each: impl FnMut(Line<'_>)) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.give(&held, true, &mut each);
        }
    }

    /// Adds to the held line what belongs to it, and answers with what does not.
    fn finish_held<'a>(&mut self, piece: &'a [u8], each: &mut impl FnMut(Line<'_>)) -> &'a [u8] {
        if piece.is_empty() {
            return piece;
        }
        let ended = if self.held.ends_with(b"\r") { Some(usize::from(piece[0] == b'\n')) } else { end_of_line(piece) };
        let Some(end) = ended else { return piece_into(&mut self.held, piece) };
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(&piece[..end]);
        self.give(&held, true, each);
        held.clear();
        self.held = held;
        &piece[end..]
    }

    /// Gives the beginning of a held line that has grown too long.
    fn give_full(&mut self, each: &mut impl FnMut(Line<'_>)) {
        if self.held.len() > LONGEST {
            let mut held = std::mem::take(&mut self.held);
            let given = self.give(&held, false, each);
            held.drain(..given);
            self.held = held;
        }
    }

    /// Gives a line in parts that are not too long, and answers how many bytes it gave: all, where it `ends`.
    fn give(&mut self, line: &[u8], ends: bool, each: &mut impl FnMut(Line<'_>)) -> usize {
        let mut rest = line;
        while rest.len() > LONGEST {
            // `=40` and `=\r\n` must come whole.
            let code = rest[LONGEST - 2..LONGEST].iter().position(|byte| *byte == b'=');
            let (part, after) = rest.split_at(code.map_or(LONGEST, |code| LONGEST - 2 + code));
            self.give_part(part, false, each);
            rest = after;
        }
        if ends {
            self.give_part(rest, true, each);
            rest = &[];
        }
        line.len() - rest.len()
    }

    fn give_part(&mut self, bytes: &[u8], ends: bool, each: &mut impl FnMut(Line<'_>)) {
        each(Line { start: self.start, bytes, begins: self.begins, ends });
        self.start += bytes.len();
        self.begins = ends;
    }
}

/// Holds the whole piece and leaves nothing of it.
fn piece_into<'a>(held: &mut Vec<u8>, piece: &'a [u8]) -> &'a [u8] {
    held.extend_from_slice(piece);
    &[]
}

/// The length of the first line, with its end, if it is certain where that is.
fn end_of_line(bytes: &[u8]) -> Option<usize> {
    let at = memchr::memchr2(b'\n', b'\r', bytes)?;
    match (bytes[at], bytes.get(at + 1)) {
        (b'\n', _) => Some(at + 1),
        (_, Some(b'\n')) => Some(at + 2),
        (_, Some(_)) => Some(at + 1),
        (_, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<(usize, Vec<u8>, bool, bool)> {
        let (mut lines, mut given) = (Lines::new(0), Vec::new());
        let mut each = |line: Line<'_>| given.push((line.start, line.bytes.to_vec(), line.begins, line.ends));
        for piece in pieces {
            lines.feed(piece, &mut each);
        }
        lines.end(&mut each);
        given
    }

    #[test]
    fn every_line_end_in_every_piece() {
        let text = b"one\ntwo\r\nthree\rfour\r\r\n\n\rend";
        let whole = lines(&[text]);
        let contents: Vec<&[u8]> = whole.iter().map(|(_, bytes, ..)| bytes.as_slice()).collect();
        let expected: [&[u8]; 9] = [b"one\n", b"two\r\n", b"three\r", b"four\r", b"\r\n", b"\n", b"\r", b"end", b""];
        assert_eq!(contents, expected[..8]);
        for cut in 0..=text.len() {
            assert_eq!(lines(&[&text[..cut], &text[cut..]]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(lines(&bytes), whole);
    }

    #[test]
    fn a_long_line_comes_in_the_same_parts_from_any_pieces() {
        let mut text = vec![b'a'; 3 * LONGEST];
        text[LONGEST - 1] = b'=';
        text.extend_from_slice(b"\r\nnext");
        let whole = lines(&[&text]);
        assert_eq!(whole[0].1.len(), LONGEST - 1);
        assert!(whole[0].2 && !whole[0].3 && !whole[1].2);
        assert!(whole.iter().all(|(_, bytes, ..)| bytes.len() <= LONGEST));
        for size in [1, 7, 1_000, LONGEST - 1, LONGEST, LONGEST + 1, 2 * LONGEST] {
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(lines(&pieces), whole, "pieces of {size}");
        }
    }
}
