//! Strings that go on from one record of a workbook to the next: the table of the strings of all cells, and comments.
//!
//! Takes a record and those that go on with it. A string says how long it is and whether it is UTF-16, and where it is broken by
//! the end of a record it says the latter again; what else belongs to it, such as its fonts, is broken anywhere.

use super::super::text::{add_narrow, add_wide};
use super::super::{length_at, short, strings};

/// How a string is written.
mod flag {
    pub(super) const IS_WIDE: u8 = 0x01;
    /// Whether it is followed by how its sounds are written, and by its fonts.
    pub(super) const HAS_SOUNDS: u8 = 0x04;
    pub(super) const HAS_FONTS: u8 = 0x08;
}

/// How long what says where a font begins is.
const FONT: usize = 4;
/// Where the strings of the table begin.
const TABLE_HEAD: usize = 8;

/// Adds the strings of a table, each as a line; whether it was whole. What is left of one that is damaged is added as what looks
/// like text.
pub(super) fn add(records: Vec<&[u8]>, text: &mut String) -> bool {
    let mut table = Continued { records, record: 0, at: TABLE_HEAD };
    let count = table.records.first().and_then(|head| length_at(head, 4)).unwrap_or_default();
    for _ in 0..count {
        let (record, at) = (table.record, table.at);
        if table.add_string(text).is_none() {
            text.push('\n');
            for (number, rest) in table.records.iter().enumerate().skip(record) {
                strings::add(rest.get(if number == record { at } else { 0 }..).unwrap_or_default(), text);
            }
            return false;
        }
        text.push('\n');
    }
    true
}

/// Records that are read as one.
pub(super) struct Continued<'a> {
    records: Vec<&'a [u8]>,
    /// Which of them is read, and where.
    record: usize,
    at: usize,
}

impl<'a> Continued<'a> {
    /// Those behind the first.
    pub(super) fn behind(records: Vec<&'a [u8]>) -> Self {
        Self { records, record: 1, at: 0 }
    }

    /// What is left of the record that is read.
    fn rest(&self) -> &'a [u8] {
        self.records.get(self.record).and_then(|record| record.get(self.at..)).unwrap_or_default()
    }

    /// Goes on to the next record where this one has ended; `None` at the end of all.
    fn turn(&mut self) -> Option<()> {
        while self.rest().is_empty() {
            if self.record >= self.records.len() {
                return None;
            }
            (self.record, self.at) = (self.record + 1, 0);
        }
        Some(())
    }

    /// A byte, which may be the first of the next record.
    fn byte(&mut self) -> Option<u8> {
        self.turn()?;
        let byte = *self.rest().first()?;
        self.at += 1;
        Some(byte)
    }

    /// Bytes that no end of a record parts from each other.
    fn whole<T>(&mut self, length: usize, read: impl FnOnce(&[u8], usize) -> Option<T>) -> Option<T> {
        self.turn()?;
        let value = read(self.rest(), 0)?;
        self.at += length;
        Some(value)
    }

    /// Passes by bytes that may go on in the next records.
    fn pass(&mut self, mut length: usize) -> Option<()> {
        while length > 0 {
            self.turn()?;
            let here = self.rest().len().min(length);
            (self.at, length) = (self.at + here, length - here);
        }
        Some(())
    }

    /// Adds a string of the table; `None` where it is damaged.
    fn add_string(&mut self, text: &mut String) -> Option<()> {
        let count = self.whole(2, short)?;
        let flags = self.byte()?;
        let fonts = if flags & flag::HAS_FONTS != 0 { self.whole(2, short)? } else { 0 };
        let sounds = if flags & flag::HAS_SOUNDS != 0 { self.whole(4, length_at)? } else { 0 };
        self.add_characters(usize::from(count), flags, text)?;
        self.pass(usize::from(fonts) * FONT)?;
        self.pass(sounds)
    }

    /// Adds so many characters. Where a record ends among them, the next begins with how they are written there.
    fn add_characters(&mut self, mut count: usize, mut flags: u8, text: &mut String) -> Option<()> {
        while count > 0 {
            if self.rest().is_empty() {
                flags = self.byte()?;
            }
            let is_wide = flags & flag::IS_WIDE != 0;
            let width = if is_wide { 2 } else { 1 };
            let rest = self.rest();
            let characters = count.min(rest.len() / width);
            let bytes = &rest[..characters * width];
            if is_wide {
                add_wide(bytes, text);
            } else {
                add_narrow(bytes, text);
            }
            self.at += bytes.len();
            count -= characters;
            if characters == 0 && !rest.is_empty() {
                return None;
            }
        }
        Some(())
    }

    /// Adds a comment of so many characters; whether it was whole.
    pub(super) fn add_comment(&mut self, count: usize, text: &mut String) -> bool {
        let is_whole = count == 0 || self.byte().is_some_and(|flags| self.add_characters(count, flags, text).is_some());
        text.push('\n');
        is_whole
    }
}
