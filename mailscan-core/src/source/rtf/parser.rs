//! The groups of RTF, byte by byte: which characters are the text, and what comes behind its paragraphs.
//!
//! Takes a file in pieces of any size and adds to what is read of it. Everything in it is hostile: groups, fonts, words and what is
//! held of a paragraph have bounds.

use std::collections::BTreeMap;

use encoding_rs::{Encoding, WINDOWS_1252};

use super::words::{self, Of, Word};

/// How much is held of what comes behind a paragraph, and of characters that are not decoded yet.
pub(super) const LONGEST: usize = 64 << 10;
pub(super) const MOST_RAW: usize = 4 << 10;
/// The most groups in each other that are told apart, and the most fonts.
pub(super) const DEEPEST: usize = 1_000;
pub(super) const MOST_FONTS: usize = 4_096;
/// The longest name of a control word, and the most digits of its number.
const LONGEST_WORD: usize = 32;
const MOST_DIGITS: usize = 9;

/// What the next byte belongs to.
#[derive(Debug, Default)]
enum State {
    #[default]
    Text,
    /// Behind a backslash.
    Escape,
    /// In a control word, and its number.
    Word(Vec<u8>, Vec<u8>),
    /// In the two digits of a character, with the first of them.
    Code(Option<u8>),
    /// In so many bytes of anything.
    Binary(u64),
}

/// What holds until a group ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    of: Of,
    /// What characters are encoded in.
    encoding: &'static Encoding,
    /// How many characters stand behind one in Unicode, for whoever cannot read that.
    fallback: usize,
    /// Whether it only shows what stands in tags of HTML as well.
    is_double: bool,
    /// Whether nothing of it has come yet, or only that it may be ignored.
    is_new: bool,
    is_ignorable: bool,
    /// Whether it stands on lines of its own behind the paragraph.
    is_apart: bool,
    /// Whether each group in it does.
    is_list: bool,
    /// Whether it was a part of the text before what was deleted.
    is_deleted: bool,
}

/// What is made of a file so far.
#[derive(Debug)]
pub(super) struct Parser {
    pub(super) out: Vec<u8>,
    /// What comes behind the paragraph.
    pub(super) aside: Vec<u8>,
    /// Characters of the group that are not decoded yet.
    pub(super) raw: Vec<u8>,
    state: State,
    group: Group,
    pub(super) outer: Vec<Group>,
    /// How many groups are open beyond those that are told apart.
    deeper: u64,
    /// How many characters are still to be passed over.
    skip: usize,
    /// The first half of a character in UTF-16.
    half: Option<u32>,
    default: &'static Encoding,
    pub(super) fonts: BTreeMap<i32, &'static Encoding>,
    /// The font of which the table tells.
    font: i32,
}

impl Parser {
    pub(super) fn new() -> Self {
        let group = Group {
            of: Of::Text,
            encoding: WINDOWS_1252,
            fallback: 1,
            is_double: false,
            is_new: false,
            is_ignorable: false,
            is_apart: false,
            is_list: false,
            is_deleted: false,
        };
        Self {
            out: Vec::new(),
            aside: Vec::new(),
            raw: Vec::new(),
            state: State::Text,
            group,
            outer: Vec::new(),
            deeper: 0,
            skip: 0,
            half: None,
            default: WINDOWS_1252,
            fonts: BTreeMap::new(),
            font: 0,
        }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while let Some((byte, rest)) = bytes.split_first() {
            bytes = rest;
            match self.state {
                State::Binary(left) => {
                    let more = usize::try_from(left - 1).unwrap_or(usize::MAX).min(rest.len());
                    bytes = &rest[more..];
                    let left = left - 1 - more as u64;
                    self.state = if left == 0 { State::Text } else { State::Binary(left) };
                }
                // Pictures are long.
                State::Text if self.group.of == Of::Nothing && !matches!(byte, b'\\' | b'{' | b'}') => {
                    bytes = &rest[memchr::memchr3(b'\\', b'{', b'}', rest).unwrap_or(rest.len())..];
                }
                _ => self.byte(*byte),
            }
        }
    }

    fn byte(&mut self, byte: u8) {
        match std::mem::take(&mut self.state) {
            State::Text | State::Binary(_) => match byte {
                b'\\' => self.state = State::Escape,
                b'{' => self.open(),
                b'}' => self.close(),
                b'\r' | b'\n' | 0 => {}
                _ => self.character_of(byte),
            },
            State::Escape if byte.is_ascii_alphabetic() => self.state = State::Word(vec![byte], Vec::new()),
            State::Escape if byte == b'\'' => self.state = State::Code(None),
            State::Escape => self.sign(byte),
            State::Code(first) => match (first, char::from(byte).to_digit(16)) {
                (None, Some(_)) => self.state = State::Code(Some(byte)),
                (Some(first), Some(low)) => {
                    let high = char::from(first).to_digit(16).unwrap_or_default();
                    self.character_of((high << 4 | low) as u8);
                }
                // None after all.
                (_, None) => self.byte(byte),
            },
            State::Word(mut name, mut number) => match byte {
                b'a'..=b'z' | b'A'..=b'Z' if number.is_empty() && name.len() < LONGEST_WORD => {
                    name.push(byte);
                    self.state = State::Word(name, number);
                }
                b'-' if number.is_empty() => self.state = State::Word(name, vec![byte]),
                b'0'..=b'9' if number.len() <= MOST_DIGITS => {
                    number.push(byte);
                    self.state = State::Word(name, number);
                }
                _ => self.end_of_word(&name, &number, byte),
            },
        }
    }

    /// A control word, and the byte behind it.
    fn end_of_word(&mut self, name: &[u8], number: &[u8], byte: u8) {
        self.word(name, std::str::from_utf8(number).ok().and_then(|number| number.parse().ok()));
        if number == b"-" {
            // Of no number.
            self.byte(b'-');
        }
        match self.state {
            // A space belongs to the word.
            _ if byte == b' ' && number != b"-" => {}
            State::Binary(left) => self.state = if left > 1 { State::Binary(left - 1) } else { State::Text },
            _ => self.byte(byte),
        }
    }

    /// A sign behind a backslash.
    fn sign(&mut self, sign: u8) {
        match sign {
            b'\\' | b'{' | b'}' => self.character_of(sign),
            b'*' => self.group.is_ignorable = self.group.is_new,
            b'~' => self.character(' '),
            b'_' => self.character('-'),
            b'\r' | b'\n' => self.part(),
            // Where a word may be parted, and the like.
            _ => {}
        }
    }

    fn open(&mut self) {
        self.skip = 0;
        if self.outer.len() == DEEPEST {
            self.deeper += 1;
            return;
        }
        let is_apart = self.group.is_list;
        if is_apart {
            self.flush();
            self.end_line_aside();
        }
        self.outer.push(self.group);
        self.group = Group { is_new: true, is_ignorable: false, is_apart, is_list: false, ..self.group };
    }

    fn close(&mut self) {
        self.skip = 0;
        if self.deeper > 0 {
            self.deeper -= 1;
        } else if let Some(outer) = self.outer.pop() {
            if self.group.is_apart {
                self.flush();
                self.end_line_aside();
            }
            self.change(Group { is_new: false, ..outer });
        }
    }

    /// Goes on in another group, or in this one as it is now.
    fn change(&mut self, group: Group) {
        if self.group.of != group.of || self.group.encoding != group.encoding {
            self.flush();
        }
        self.group = group;
    }

    fn word(&mut self, name: &[u8], number: Option<i32>) {
        let (is_new, is_ignorable) = (self.group.is_new, self.group.is_ignorable);
        self.group.is_new = false;
        let word = words::of(name);
        match word {
            Word::Part(of) => self.begin(of),
            Word::List => {
                self.begin(Of::Aside);
                self.group.is_list = self.group.of == Of::Aside;
            }
            Word::Binary => {
                if is_new && is_ignorable {
                    self.begin(Of::Nothing);
                }
                self.state = words::length_of(number).map_or(State::Text, State::Binary);
            }
            _ if is_new && is_ignorable => self.begin(Of::Nothing),
            Word::Character(character) => self.character(character),
            Word::End => self.part(),
            Word::Deleted if number == Some(0) => self.end_deleted(),
            Word::Deleted if self.group.of == Of::Text => {
                self.begin(Of::Aside);
                self.group.is_deleted = true;
            }
            Word::Unicode => number.into_iter().for_each(|number| self.unicode(number)),
            Word::Fallback => self.group.fallback = usize::try_from(number.unwrap_or(1)).unwrap_or_default().min(64),
            Word::CodePage => self.set_default(number.and_then(words::code_page)),
            Word::Macintosh => self.set_default(Some(encoding_rs::MACINTOSH)),
            Word::Font if self.group.of == Of::Fonts => self.font = number.unwrap_or_default(),
            Word::Font => {
                let font = self.fonts.get(&number.unwrap_or_default()).copied();
                self.change(Group { encoding: font.unwrap_or(self.default), ..self.group });
            }
            Word::Plain => self.change(Group { encoding: self.default, ..self.group }),
            Word::Charset if self.fonts.len() < MOST_FONTS => {
                if let Some(encoding) = number.and_then(words::charset) {
                    self.fonts.insert(self.font, encoding);
                }
            }
            Word::Double => {
                self.flush();
                self.group.is_double = number != Some(0);
            }
            Word::Deleted | Word::Charset | Word::Other => {}
        }
    }

    /// Reads the group as a part of this kind. What is in one that is not read is not read either.
    fn begin(&mut self, of: Of) {
        match (self.group.of, of) {
            (Of::Nothing | Of::Fonts, _) => {}
            // A tag stands in the text, wherever that is.
            (_, Of::Text) => {}
            (_, Of::Aside) => {
                self.flush();
                self.end_line_aside();
                self.group = Group { of: Of::Aside, is_apart: true, is_deleted: false, ..self.group };
            }
            (_, of) => self.change(Group { of, ..self.group }),
        }
    }

    /// Goes on with the text behind what was deleted.
    fn end_deleted(&mut self) {
        if self.group.is_deleted && self.group.of == Of::Aside {
            self.flush();
            self.end_line_aside();
            self.group = Group { of: Of::Text, is_apart: false, is_deleted: false, ..self.group };
        }
    }

    /// What comes behind the paragraph stands on lines of its own.
    fn end_line_aside(&mut self) {
        if !self.aside.is_empty() && !self.aside.ends_with(b"\n") {
            self.aside.push(b'\n');
        }
    }

    fn set_default(&mut self, encoding: Option<&'static Encoding>) {
        if let Some(encoding) = encoding {
            self.default = encoding;
            self.change(Group { encoding, ..self.group });
        }
    }

    /// Whether what comes is no text, or stands for a character that was read.
    fn is_passed(&mut self) -> bool {
        self.group.is_new = false;
        let is_skipped = self.skip > 0;
        self.skip -= usize::from(is_skipped);
        is_skipped || self.group.is_double || matches!(self.group.of, Of::Nothing | Of::Fonts)
    }

    /// A character of the charset, or a part of one.
    fn character_of(&mut self, byte: u8) {
        if self.is_passed() {
            return;
        }
        self.raw.push(byte);
        // A character of several bytes is not cut at white space.
        if self.raw.len() > MOST_RAW && (byte <= b' ' || self.raw.len() > 2 * MOST_RAW) {
            self.flush();
        }
    }

    fn character(&mut self, character: char) {
        if self.is_passed() {
            return;
        }
        self.flush();
        let text = self.text();
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn unicode(&mut self, number: i32) {
        // Numbers of 16 bits are written with their sign.
        let unit = if (-0x8000..0).contains(&number) { number + 0x1_0000 } else { number };
        let unit = u32::try_from(unit).unwrap_or_default();
        self.skip = 0;
        match (self.half.take(), unit) {
            (_, 0xd800..=0xdbff) => self.half = Some(unit),
            (Some(half), 0xdc00..=0xdfff) => {
                let whole = 0x1_0000 + ((half - 0xd800) << 10) + (unit - 0xdc00);
                self.character(char::from_u32(whole).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            _ => self.character(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
        self.skip = self.group.fallback;
    }

    /// Where the text of the group goes.
    fn text(&mut self) -> &mut Vec<u8> {
        if self.group.of == Of::Aside { &mut self.aside } else { &mut self.out }
    }

    /// Decodes what was not yet.
    fn flush(&mut self) {
        if !self.raw.is_empty() {
            let raw = std::mem::take(&mut self.raw);
            let encoding = self.group.encoding;
            // Some programs write UTF-8, whatever they say.
            let text = match std::str::from_utf8(&raw) {
                Ok(text) if encoding.is_single_byte() => text.into(),
                _ => encoding.decode_without_bom_handling(&raw).0,
            };
            self.text().extend_from_slice(text.as_bytes());
            self.raw = raw;
            self.raw.clear();
        }
        if self.aside.len() > LONGEST {
            self.end_paragraph();
        }
    }

    /// Ends a paragraph, or a line.
    fn part(&mut self) {
        self.skip = 0;
        if self.is_passed() {
            return;
        }
        self.flush();
        match self.group.of {
            Of::Aside => self.aside.push(b'\n'),
            _ => self.end_paragraph(),
        }
    }

    /// Ends a paragraph of the text, with what belongs behind it.
    fn end_paragraph(&mut self) {
        self.out.push(b'\n');
        if !self.aside.is_empty() {
            self.out.append(&mut self.aside);
            self.out.push(b'\n');
        }
    }

    /// Ends the file, which may be in the middle of anything.
    pub(super) fn end(&mut self) {
        self.flush();
        self.end_paragraph();
    }
}
