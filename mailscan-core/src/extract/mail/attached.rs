//! What is attached to mail in base64 and is no text: found in the pieces of a document, and handed over decoded.
//!
//! Takes each piece before it is searched. Only a field that says base64 makes it look at a header, so that mail without any
//! costs one search for two digits; and whatever a stranger wrote, it looks at a line a bounded number of times. The first bytes
//! of a part are shown to a [`Keeper`], and all of those that it wants are handed to it, in constant memory, and blanked where
//! they stand: whoever searches the piece meets nothing that is read elsewhere, and all else in its place. Which mail a part
//! belongs to only matters for when the parts of one message are all there.

mod name;

use super::base64::{self, Stream};
use super::boundary;
use super::field::{self, Fields};

/// How much of a header is looked at, on either side of the field that says base64.
const HEADER: usize = 16 << 10;
/// The longest line that may begin a message.
const FROM_LINE: usize = 512;
/// How much of a piece's end is searched for a place to cut.
const TAIL: usize = if cfg!(test) { 1 << 10 } else { 64 << 10 };
/// How many digits show what a part is.
const START: usize = 1 << 10;

/// Who keeps what is attached.
pub(crate) trait Keeper {
    /// Whether a part that is called so, if it says that, and begins with these bytes is wanted.
    fn begin(&mut self, name: Option<String>, start: &[u8]) -> bool;

    /// Takes more of the part that was wanted last.
    fn add(&mut self, bytes: &[u8]);

    /// Hears that there is no more of it.
    fn end(&mut self);

    /// Whether anything is kept, for which the end of its message matters.
    fn holds_any(&self) -> bool;
}

/// How much of a piece is to be searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) length: usize,
    /// Whether a message ends there of which something is kept.
    pub(crate) ends_message: bool,
}

/// Where in a document the search for parts is.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    state: State,
    /// Whether what comes next stands behind an empty line.
    is_apart: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Outside,
    /// Behind a header that says base64, with the name of the part.
    Before(Option<String>),
    /// Within a part that is wanted.
    Within(Stream),
}

impl Finder {
    /// Reads a piece, which goes on where the last one was cut; answers how much of it is to be searched.
    pub(crate) fn read(&mut self, piece: &mut [u8], is_last: bool, keeper: &mut impl Keeper) -> Given {
        let end = if is_last { piece.len() } else { cut(piece) };
        let (mut at, mut next_message) = (0, None);
        while at < end {
            at = match std::mem::take(&mut self.state) {
                State::Outside => {
                    let stop = match keeper.holds_any() {
                        // Right behind a part in base64 no empty line is asked for.
                        true if at > 0 && begins_message(&piece[..end], at) => at,
                        true => *next_message.get_or_insert_with(|| self.end_of_message(&piece[..end], at)),
                        false => end,
                    };
                    let next = self.find_header(&piece[..stop], at);
                    if next == stop && stop < end {
                        self.is_apart = true;
                        return Given { length: stop, ends_message: true };
                    }
                    next
                }
                State::Before(name) => self.begin(name, &piece[..end], at, keeper),
                State::Within(stream) => self.go_on(stream, &mut piece[..end], at, keeper),
            };
        }
        self.is_apart = ends_apart(&piece[..end]);
        if is_last && let State::Within(stream) = std::mem::take(&mut self.state) {
            stream.end(|bytes| keeper.add(bytes));
            keeper.end();
        }
        Given { length: end, ends_message: is_last && keeper.holds_any() }
    }

    /// Where the next message begins, in a file of many, or the end.
    fn end_of_message(&self, piece: &[u8], at: usize) -> usize {
        let is_apart = |place| if place == 0 { self.is_apart } else { ends_apart(&piece[..place]) };
        let mut places = memchr::memmem::find_iter(&piece[at..], b"From ").map(|place| at + place);
        places.find(|place| is_apart(*place) && begins_message(piece, *place)).unwrap_or(piece.len())
    }

    /// Goes on to the end of the next header that says base64, or of the piece.
    fn find_header(&mut self, piece: &[u8], at: usize) -> usize {
        // What stands before it is in no such header.
        let mut judged = at;
        for digits in memchr::memmem::find_iter(&piece[at..], b"64").map(|place| at + place) {
            let is_word = piece[at..digits].last_chunk::<4>().is_some_and(|word| word.eq_ignore_ascii_case(b"base"));
            if !is_word || digits < judged {
                continue;
            }
            match Header::around(piece, at, digits) {
                Ok(header) => {
                    self.state = State::Before(name::of(header.fields()));
                    return header.end;
                }
                Err(end) => judged = end,
            }
        }
        piece.len()
    }

    /// Looks at the beginning of a part.
    fn begin(&mut self, name: Option<String>, piece: &[u8], at: usize, keeper: &mut impl Keeper) -> usize {
        let blanks = piece[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if at + blanks == piece.len() {
            self.state = State::Before(name);
            return piece.len();
        }
        let text = &piece[at + blanks..piece.len().min(at + blanks + START)];
        let text = &text[..length_of_part(text)];
        let mut start = Vec::new();
        let mut stream = Stream::default();
        stream.read(text, |bytes| start.extend_from_slice(bytes));
        stream.end(|bytes| start.extend_from_slice(bytes));
        if !start.is_empty() && keeper.begin(name, &start) {
            self.state = State::Within(Stream::default());
        }
        at + blanks
    }

    /// Takes what there is of a part.
    fn go_on(&mut self, mut stream: Stream, piece: &mut [u8], at: usize, keeper: &mut impl Keeper) -> usize {
        let end = at + length_of_part(&piece[at..]);
        let part = &mut piece[at..end];
        stream.read(part, |bytes| keeper.add(bytes));
        part.iter_mut().for_each(|byte| *byte = if matches!(byte, b'\r' | b'\n') { *byte } else { b' ' });
        if end == piece.len() {
            self.state = State::Within(stream);
        } else {
            stream.end(|bytes| keeper.add(bytes));
            keeper.end();
            self.is_apart = true;
        }
        end
    }
}

/// A header in a piece.
struct Header<'a> {
    piece: &'a [u8],
    begin: usize,
    end: usize,
}

impl<'a> Header<'a> {
    /// The header around a word, if that is its way to say how what follows is encoded and its end is there.
    ///
    /// # Errors
    /// Up to where it is known that there is none: no word before that needs to be looked at.
    fn around(piece: &'a [u8], least: usize, word: usize) -> Result<Self, usize> {
        let is_coding = |name: &[u8]| name.eq_ignore_ascii_case(b"content-transfer-encoding");
        let field = line_at(piece, least, word)
            .and_then(|line| fields_before(piece, least, line).find(|line| !goes_on(&piece[*line..])))
            .filter(|field| field::name_of(&piece[*field..word]).is_some_and(is_coding))
            .ok_or_else(|| end_of_field(piece, word))?;
        let begin = fields_before(piece, least, field).last().unwrap_or(field);
        let most = piece.len().min(word + HEADER);
        let (mut fields, mut at) = (Fields::default(), begin);
        for line in piece[begin..most].split_inclusive(|byte| *byte == b'\n') {
            let content = line.trim_ascii_end();
            let end = if !line.ends_with(b"\n") {
                break;
            } else if content.is_empty() {
                Some(at + line.len())
            } else if goes_on(line) {
                fields.go_on(content);
                None
            } else if field::name_of(content).is_some() {
                fields.begin(content);
                None
            } else {
                // The empty line behind it is missing.
                Some(at)
            };
            match end {
                Some(end) if fields.says_base64() => return Ok(Self { piece, begin, end }),
                Some(end) => return Err(end.max(word)),
                None => at += line.len(),
            }
        }
        Err(most)
    }

    /// Its fields, each with the lines that go on with it.
    fn fields(&self) -> impl Iterator<Item = Vec<u8>> + use<'_> {
        let mut lines = self.piece[self.begin..self.end].split(|byte| *byte == b'\n').peekable();
        std::iter::from_fn(move || {
            let mut field = lines.next()?.to_vec();
            while let Some(more) = lines.next_if(|line| goes_on(line)) {
                field.truncate(field.trim_ascii_end().len());
                field.extend_from_slice(more);
            }
            Some(field)
        })
    }
}

/// The places of lines of a header from this one on towards its beginning, which is not before `least`.
fn fields_before(piece: &[u8], least: usize, line: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(line), move |line| {
        let before = line_at(piece, least, line.checked_sub(1).filter(|end| *end >= least)?)?;
        let content = piece[before..*line].trim_ascii_end();
        let is_field = goes_on(content) || field::name_of(content).is_some();
        (is_field && !content.starts_with(b"--")).then_some(before)
    })
    .take_while(move |place| place + HEADER > line)
}

/// Where the line begins in which a byte stands; `None` where that is too far away to be one of a header.
fn line_at(piece: &[u8], least: usize, byte: usize) -> Option<usize> {
    let from = least.max(byte.saturating_sub(HEADER));
    match memchr::memrchr(b'\n', &piece[from..byte]) {
        Some(end) => Some(from + end + 1),
        None => (from == least).then_some(least),
    }
}

/// Where the field ends in which a byte stands, with the lines that go on with it.
fn end_of_field(piece: &[u8], byte: usize) -> usize {
    let mut ends = memchr::memchr_iter(b'\n', &piece[byte..]).map(|end| byte + end + 1);
    ends.find(|end| !goes_on(&piece[*end..])).unwrap_or(piece.len())
}

/// Whether a message begins here, in a file of many, where that may be.
fn begins_message(piece: &[u8], at: usize) -> bool {
    if !begins_line(piece, at) || !piece[at..].starts_with(b"From ") {
        return false;
    }
    let line = &piece[at..piece.len().min(at + FROM_LINE)];
    let line = memchr::memchr(b'\n', line).map_or(line, |length| &line[..length]);
    boundary::is_from_line(line.trim_ascii_end())
}

fn goes_on(line: &[u8]) -> bool {
    line.starts_with(b" ") || line.starts_with(b"\t")
}

fn begins_line(piece: &[u8], at: usize) -> bool {
    at == 0 || piece[at - 1] == b'\n'
}

/// Whether these bytes end with an empty line.
fn ends_apart(bytes: &[u8]) -> bool {
    bytes.ends_with(b"\n\n") || bytes.ends_with(b"\n\r\n")
}

/// How many bytes here are lines of base64.
fn length_of_part(text: &[u8]) -> usize {
    let is_part = |bytes: &[u8]| bytes.iter().fold(true, |all, byte| all & is_of_part(*byte));
    let chunks = text.chunks(256).take_while(|chunk| is_part(chunk)).map(<[u8]>::len).sum::<usize>();
    match text[chunks..].iter().position(|byte| !is_of_part(*byte)) {
        None => text.len(),
        // The line in which anything else stands is none.
        Some(other) => memchr::memrchr(b'\n', &text[..chunks + other]).map_or(0, |end| end + 1),
    }
}

fn is_of_part(byte: u8) -> bool {
    base64::is_digit(byte) | matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Where a piece is cut, so that no header is: behind the last empty line, or else before the fields that it ends with and the
/// boundary before them, or at least behind a line.
fn cut(piece: &[u8]) -> usize {
    let tail = piece.len().saturating_sub(TAIL);
    let ends = || memchr::memrchr_iter(b'\n', &piece[tail..]).map(|end| tail + end + 1);
    if let Some(apart) = ends().find(|end| ends_apart(&piece[..*end])) {
        return apart;
    }
    let is_of_header =
        |line: &[u8]| goes_on(line) || boundary::after_hyphens(line).is_some() || field::name_of(line).is_some();
    let begins = ends().skip(1).chain([tail]);
    let before = ends().zip(begins).find(|(end, begin)| !is_of_header(&piece[*begin..*end]));
    before.map(|(end, _)| end).or_else(|| ends().next()).unwrap_or(piece.len())
}

#[cfg(test)]
mod tests;
