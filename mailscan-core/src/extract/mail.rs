//! Mail: a message (RFC 5322, MIME) or a file of many (mbox), read line by line.
//!
//! Takes the bytes of a document in pieces of any size and hands out the addresses in it, where they stand in the
//! document as given. Every line goes to the text it belongs to ([`message`]): a header, unfolded and with its encoded
//! words decoded, or a body, decoded from quoted-printable or base64 and from its charset. These texts are then searched
//! like any other ([`text`]). What a line is depends on whole lines alone, never on where pieces end, so that reading a
//! stream finds what reading the whole would.
//!
//! Broken mail is the rule. A line that its part's encoding cannot hold is read as it is; parts and messages that
//! nobody declared are told by their looks; nothing that is written plainly is lost to a wrong declaration.
//!
//! Memory is bounded by one block of text, one line and the boundaries of nested parts.

#[cfg(feature = "files")]
mod attached;
mod base64;
mod boundary;
mod decoded;
mod field;
mod line;
#[cfg(any(feature = "http", feature = "files"))]
mod looks;
mod map;
mod message;
mod quoted;
mod records;
#[cfg(test)]
mod tests;
mod text;
mod undeclared;
mod words;

#[cfg(feature = "files")]
pub(crate) use self::attached::{Finder, Given, Keeper};
use self::line::Lines;
#[cfg(any(feature = "http", feature = "files"))]
pub(crate) use self::looks::is_mail;
use self::message::Message;
use super::{Finding, Search};

/// Who is told of findings; their spans count from the document's first byte.
pub(super) type Found<'a> = dyn FnMut(Finding) + 'a;

/// Hands every address of the whole `document` to `found`, as `search` finds it in each text.
pub(super) fn addresses(document: &[u8], search: Search, mut found: impl FnMut(Finding)) {
    let mut reader = Reader::new(0, search);
    reader.read(document, &mut found);
    reader.end(&mut found);
}

/// Reads one document, piece by piece.
#[derive(Debug)]
pub(super) struct Reader {
    lines: Lines,
    message: Message,
}

impl Reader {
    /// A reader of a document of which the first byte has the number `offset`.
    pub(super) fn new(offset: usize, search: Search) -> Self {
        Self { lines: Lines::new(offset), message: Message::new(search) }
    }

    /// The number of the byte that comes next.
    pub(super) fn position(&self) -> usize {
        self.lines.position()
    }

    /// Reads on.
    pub(super) fn read(&mut self, piece: &[u8], found: &mut Found<'_>) {
        let message = &mut self.message;
        self.lines.feed(piece, |line| message.line(line, found));
    }

    /// Reads what was held back for what might have followed.
    pub(super) fn end(mut self, found: &mut Found<'_>) {
        let message = &mut self.message;
        self.lines.end(|line| message.line(line, found));
        self.message.end(found);
    }
}
