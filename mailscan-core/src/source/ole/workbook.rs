//! The text of Excel's workbooks (MS-XLS, and BIFF5 before it): cells, comments, links, headers and footers.
//!
//! Takes the stream of the workbook, which is records one after the other. The table of strings, comments and headers are
//! decoded; numbers are passed over; any other record is searched for what looks like text, on its own.

mod strings_table;

use strings_table::Continued;

use super::text::{add_narrow, add_wide};
use super::{Outcome, short, strings};

/// What is not read.
const ENCRYPTED: &str = "encrypted xls";
/// What is wrong with a workbook.
const DAMAGED: &str = "the strings of the Excel workbook are damaged, so only what looks like text was read of them";

/// The length of the head of a record: kind and length.
const HEAD: usize = 4;
/// The version of a workbook whose strings say how they are written.
const BIFF8: u16 = 0x0600;

/// Kinds of records.
mod kind {
    pub(super) const BEGIN: u16 = 0x0809;
    pub(super) const HEADER: u16 = 0x14;
    pub(super) const FOOTER: u16 = 0x15;
    pub(super) const ENCRYPTED: u16 = 0x2f;
    pub(super) const CONTINUE: u16 = 0x3c;
    pub(super) const STRINGS: u16 = 0xfc;
    pub(super) const COMMENT: u16 = 0x01b6;
    /// Numbers, blanks, formats, and where things are.
    pub(super) const WITHOUT_TEXT: [u16; 12] =
        [0x203, 0x27e, 0xbd, 0xbe, 0x201, 0xe0, 0xff, 0xfd, 0x20b, 0xd7, 0x208, 0x205];
}

/// Where a comment says how many characters it has.
const COMMENT_LENGTH: usize = 10;

/// Adds the text of a workbook.
pub(super) fn read(stream: &[u8], text: &mut String) -> Outcome {
    let (mut records, mut outcome) = (Records(stream), Outcome::Read);
    let mut says_how = true;
    while let Some((kind, record)) = records.next() {
        let mut is_whole = true;
        match kind {
            kind::ENCRYPTED => return Outcome::Unread(ENCRYPTED),
            kind::BEGIN => says_how = short(record, 0) == Some(BIFF8),
            kind::STRINGS => is_whole = strings_table::add(records.continued(record), text),
            kind::COMMENT if says_how => {
                let count = short(record, COMMENT_LENGTH).unwrap_or_default();
                is_whole = Continued::behind(records.continued(record)).add_comment(usize::from(count), text);
            }
            kind::HEADER | kind::FOOTER => add_header(record, says_how, text),
            without if kind::WITHOUT_TEXT.contains(&without) => {}
            _ => strings::add(record, text),
        }
        if !is_whole {
            outcome = Outcome::Problem(DAMAGED);
        }
    }
    outcome
}

/// The records of a stream.
struct Records<'a>(&'a [u8]);

impl<'a> Records<'a> {
    /// The next record: its kind and its bytes, as far as they are there.
    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let (kind, length) = (short(self.0, 0)?, short(self.0, 2)?);
        let within = &self.0[HEAD..];
        let (record, behind) = within.split_at(within.len().min(usize::from(length)));
        self.0 = behind;
        Some((kind, record))
    }

    /// A record and those that go on with it, which are passed by.
    fn continued(&mut self, first: &'a [u8]) -> Vec<&'a [u8]> {
        let mut all = vec![first];
        while short(self.0, 0) == Some(kind::CONTINUE)
            && let Some((_, more)) = self.next()
        {
            all.push(more);
        }
        all
    }
}

/// Adds a header or a footer of printed pages, without the codes that say where and how it is printed.
fn add_header(record: &[u8], says_how: bool, text: &mut String) {
    let mut line = String::new();
    match (record, says_how) {
        ([_, _, 0, narrow @ ..], true) => add_narrow(narrow, &mut line),
        ([_, _, _, wide @ ..], true) => add_wide(wide, &mut line),
        ([_, narrow @ ..], false) => add_narrow(narrow, &mut line),
        _ => {}
    }
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '&' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('&') => text.push('&'),
            Some('"') => {
                characters.by_ref().find(|character| *character == '"');
                text.push(' ');
            }
            Some(digit) if digit.is_ascii_digit() => {
                while characters.next_if(char::is_ascii_digit).is_some() {}
                text.push(' ');
            }
            _ => text.push(' '),
        }
    }
    text.push('\n');
}
