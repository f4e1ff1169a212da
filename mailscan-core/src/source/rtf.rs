//! RTF: the text of documents that word processors exchange, and of messages in which Outlook keeps fonts.
//!
//! Takes any reader and gives a reader of the text in UTF-8, in constant memory. The runs of a paragraph are one text, so that an
//! address of which a letter is bold is whole. What stands within a paragraph and is no part of it (what a field does, such as where a
//! link leads, notes, comments, text boxes, what was deleted) comes behind it, on lines of its own, as in `file/runs.rs`. Pictures,
//! tables of fonts and styles, and what a program may ignore (`{\*\...}`), but for some, are no text. `parser.rs` reads the groups, and
//! `words.rs` knows the words.

mod parser;
mod words;

use std::io::{ErrorKind, Read, Result};

use self::parser::Parser;
use crate::extract::Media;

/// What such a file begins with, and what tells that a message was HTML before.
const MAGIC: &[u8] = b"{\\rtf";
const OF_HTML: &[u8] = b"\\fromhtml1";
/// How far into a file that is told.
const START: usize = 512;
/// How much is read at a time.
const CHUNK: usize = 32 << 10;

/// Whether a file begins so.
pub(crate) fn begins(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// How to read the text of a file that begins so.
pub(crate) fn media(start: &[u8]) -> Media {
    if memchr::memmem::find(&start[..start.len().min(START)], OF_HTML).is_some() { Media::Html } else { Media::Text }
}

/// The text of a whole file.
pub(crate) fn text(bytes: &[u8]) -> Vec<u8> {
    let mut parser = Parser::new();
    parser.push(bytes);
    parser.end();
    parser.out
}

/// A reader of the text.
pub(crate) struct Rtf<R> {
    reader: R,
    input: Vec<u8>,
    parser: Parser,
    given: usize,
    ended: bool,
}

impl<R: Read> Rtf<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, input: vec![0; CHUNK], parser: Parser::new(), given: 0, ended: false }
    }
}

impl<R: Read> Read for Rtf<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.given == self.parser.out.len() && !self.ended {
            self.parser.out.clear();
            self.given = 0;
            match self.reader.read(&mut self.input) {
                Ok(0) => {
                    self.ended = true;
                    self.parser.end();
                }
                Ok(count) => self.parser.push(&self.input[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let rest = &self.parser.out[self.given..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
