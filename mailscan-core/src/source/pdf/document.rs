//! A file as its objects: where each of them stands, and what streams say.
//!
//! Takes the bytes of a file. Tables of references are often wrong, and lost where a file is cut off, so none is read: the
//! file is gone through once for whatever begins an object, streams passed over, and of an object that is there twice the
//! last counts, as those that were changed are appended. An object is parsed when it is asked for and kept by nobody here.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use memchr::memmem;

use super::crypt::Key;
use super::filter::{Decoded, Filter, MOST_FILTERS, Predictor};
use super::lexer::{Item, Lexer, is_blank};
use super::object::{Dictionary, Object, Reference, Stream};
use super::work::Work;

/// The most objects that are told apart.
const MOST_OBJECTS: usize = 1 << 20;
/// How much of streams of objects is kept decoded, beside as much as the file is long.
const KEPT: usize = 8 << 20;
/// How many references are followed, one to the next.
const MOST_HOPS: usize = 8;
/// The most places before its name that the number of an object takes.
const LONGEST_NUMBER: usize = 32;

/// A file.
#[derive(Debug)]
pub(super) struct Document<'a> {
    bytes: &'a [u8],
    pub(super) work: Work,
    places: HashMap<Reference, Place>,
    /// Streams of objects, decoded.
    opened: Vec<Vec<u8>>,
    /// What stands at the end of the file; of several ends, what the last says of each name.
    pub(super) trailer: Dictionary,
    key: Option<Key>,
    first_problem: Cell<Option<&'static str>>,
    ends: RefCell<HashMap<usize, usize>>,
}

/// Where an object stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Where what is behind its name begins, or where it stands in a stream of objects.
    at: usize,
    /// Which of the streams that is.
    stream: Option<u32>,
    generation: u16,
}

impl<'a> Document<'a> {
    /// Finds the objects of a file.
    pub(super) fn new(bytes: &'a [u8], work: Work) -> Self {
        let mut this = Self {
            bytes,
            work,
            places: HashMap::new(),
            opened: Vec::new(),
            trailer: Dictionary::default(),
            key: None,
            first_problem: Cell::new(None),
            ends: RefCell::default(),
        };
        let streams = this.find_objects();
        if let Some(encryption) = this.trailer.get("Encrypt") {
            let encryption = this.resolve(encryption).into_owned();
            let id = this.trailer.get("ID").map(|id| this.resolve(id));
            let id = id.as_deref().and_then(Object::array).and_then(<[_]>::first).and_then(Object::string);
            this.key =
                encryption.dictionary().and_then(|encryption| Key::of_nobody(encryption, id.unwrap_or_default()));
        }
        if !this.is_locked() {
            this.open_streams(streams);
        }
        this
    }

    /// Whether it can only be read with a password.
    pub(super) fn is_locked(&self) -> bool {
        self.trailer.get("Encrypt").is_some() && self.key.is_none()
    }

    /// Whether there is any object in it.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The numbers of all objects, in their order.
    pub(super) fn numbers(&self) -> Vec<Reference> {
        let mut numbers: Vec<_> = self.places.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// Notes that something cannot be read. The first of these is told.
    pub(super) fn note(&self, problem: &'static str) {
        self.first_problem.set(self.first_problem.get().or(Some(problem)));
    }

    /// What is to be told of the file.
    pub(super) fn problem(&self) -> Option<&'static str> {
        self.work.problem().or(self.first_problem.get())
    }

    /// Goes through the file for its objects; answers those that are streams of others, in their order.
    fn find_objects(&mut self) -> Vec<(Stream, usize)> {
        let (names, trailers) = (memmem::Finder::new("obj"), memmem::Finder::new("trailer"));
        let mut streams = Vec::new();
        let mut next_trailer = 0;
        let mut at = 0;
        while let Some(name) = names.find(&self.bytes[at..]).map(|found| at + found) {
            next_trailer = next_trailer.max(at);
            while let Some(found) = trailers.find(&self.bytes[next_trailer.min(name)..name]) {
                next_trailer = next_trailer.min(name) + found + "trailer".len();
                self.read_trailer(next_trailer);
                if self.work.is_over() {
                    return streams;
                }
            }
            next_trailer = name;
            let behind = name + "obj".len();
            if !self.work.spend((behind - at) / 8 + 8) {
                return streams;
            }
            at = behind;
            let Some((number, generation)) = number_before(&self.bytes[..name]) else { continue };
            if self.places.len() == MOST_OBJECTS && !self.places.contains_key(&number) {
                self.note("it has more than a million objects");
                continue;
            }
            self.places.insert(number, Place { at: behind, stream: None, generation });
            let (object, end) = self.parse(behind, number);
            self.work.spend(end - behind);
            let Some(Object::Stream(stream)) = object else { continue };
            // The bytes of a stream may hold anything, such as another file.
            at = self.raw_end(&stream, false);
            if stream.head.says("Type", "XRef") {
                self.end_with(&stream.head);
            } else if stream.head.says("Type", "ObjStm") {
                streams.push((stream, behind));
            }
        }
        let tail = next_trailer.max(at).min(self.bytes.len());
        for found in trailers.find_iter(&self.bytes[tail..]).take(16) {
            self.read_trailer(tail + found + "trailer".len());
        }
        streams
    }

    fn read_trailer(&mut self, at: usize) {
        let mut lexer = Lexer::new(self.bytes, at);
        let object = lexer.object();
        self.work.spend(lexer.at - at);
        if let Some(dictionary) = object.as_ref().and_then(Object::dictionary) {
            self.end_with(dictionary);
        }
    }

    /// Takes what an end of the file says: there may be several, each of which counts for what it names.
    fn end_with(&mut self, end: &Dictionary) {
        for name in ["Root", "Info", "Encrypt", "ID"] {
            if let Some(object) = end.get(name) {
                self.trailer.insert(name.as_bytes().to_vec(), object.clone());
            }
        }
    }

    /// The object behind its name, and where it ends.
    fn parse(&self, at: usize, number: Reference) -> (Option<Object>, usize) {
        let mut lexer = Lexer::new(self.bytes, at);
        let object = match lexer.object() {
            Some(Object::Dictionary(head)) => {
                let end = lexer.at;
                if lexer.next_is(b"stream") {
                    // Behind a line feed, with or without a carriage return.
                    let rest = &self.bytes[lexer.at..];
                    let line = if rest.starts_with(b"\r\n") {
                        2
                    } else {
                        usize::from(rest.starts_with(b"\n") || rest.starts_with(b"\r"))
                    };
                    Some(Object::Stream(Stream { head, at: lexer.at + line, number }))
                } else {
                    lexer.at = end;
                    Some(Object::Dictionary(head))
                }
            }
            other => other,
        };
        (object, lexer.at)
    }

    /// The object of this number.
    pub(super) fn object(&self, number: Reference) -> Option<Object> {
        let place = self.places.get(&number)?;
        let Some(stream) = place.stream else {
            let (object, end) = self.parse(place.at, number);
            let goes_on = self.work.spend(end - place.at + 16);
            let mut object = object.filter(|_| goes_on)?;
            if let Some(key) = &self.key {
                key.open_strings(&mut object, (number, place.generation));
            }
            return Some(object);
        };
        let bytes = self.opened.get(stream as usize)?;
        let mut lexer = Lexer::new(bytes, place.at);
        let object = lexer.object();
        let goes_on = self.work.spend(lexer.at.saturating_sub(place.at) + 16);
        object.filter(|_| goes_on)
    }

    /// What an object is, or what it refers to.
    pub(super) fn resolve<'o>(&self, object: &'o Object) -> Cow<'o, Object> {
        let mut object = Cow::Borrowed(object);
        for _ in 0..MOST_HOPS {
            let Object::Reference(number) = *object else { return object };
            object = Cow::Owned(self.object(number).unwrap_or(Object::Other));
        }
        Cow::Owned(Object::Other)
    }

    /// What stands under a name, or what that refers to.
    pub(super) fn find<'o>(&self, dictionary: &'o Dictionary, name: &str) -> Option<Cow<'o, Object>> {
        dictionary.get(name).map(|object| self.resolve(object))
    }

    /// A dictionary under a name.
    pub(super) fn dictionary(&self, of: &Dictionary, name: &str) -> Option<Dictionary> {
        match self.find(of, name)?.into_owned() {
            Object::Dictionary(dictionary) | Object::Stream(Stream { head: dictionary, .. }) => Some(dictionary),
            _ => None,
        }
    }

    /// What a stream says, up to `most` bytes; nothing where it can be no text.
    pub(super) fn decode(&self, stream: &Stream, most: usize) -> Decoded {
        let Some(filters) = self.filters(&stream.head) else { return Decoded::default() };
        let raw = &self.bytes[stream.at.min(self.bytes.len())..self.raw_end(stream, true)];
        // Opening it goes through each byte.
        let per_byte = if self.key.is_some() { 1 } else { 8 };
        self.work.spend(raw.len() / per_byte + 256);
        let mut bytes = match (&self.key, self.places.get(&stream.number)) {
            (Some(key), Some(place)) => key.open(raw, (stream.number, place.generation), &stream.head),
            _ => Cow::Borrowed(raw),
        };
        let mut is_part = false;
        for filter in filters {
            let decoded = filter.undo(&bytes, most, &self.work);
            is_part |= decoded.is_part;
            bytes = Cow::Owned(decoded.bytes);
        }
        is_part |= bytes.len() > most;
        let mut bytes = bytes.into_owned();
        bytes.truncate(most);
        Decoded { bytes, is_part }
    }

    /// Where the bytes of a stream end. What it says of its length is believed where an end stands there.
    fn raw_end(&self, stream: &Stream, follows: bool) -> usize {
        const END: &[u8] = b"endstream";
        let begin = stream.at.min(self.bytes.len());
        let length = match stream.head.get("Length") {
            // While objects are looked for, another one cannot be.
            Some(Object::Reference(_)) if !follows => None,
            Some(length) => self.resolve(length).count(),
            None => None,
        };
        let said = length.and_then(|length| begin.checked_add(length)).filter(|end| {
            let rest = self.bytes.get(*end..).unwrap_or_default();
            let blanks = rest.iter().take(3).take_while(|byte| is_blank(**byte)).count();
            rest[blanks.min(rest.len())..].starts_with(END)
        });
        if let Some(end) = said {
            return end;
        }
        if let Some(end) = self.ends.borrow().get(&begin) {
            return *end;
        }
        let found = memmem::find(&self.bytes[begin..], END);
        if found.is_none() {
            self.note("it ends within one of its streams");
        }
        let end = found.map_or(self.bytes.len(), |found| begin + found);
        self.work.spend((end - begin) / 8);
        self.ends.borrow_mut().insert(begin, end);
        end
    }

    /// The filters of a stream, in the order in which they are undone; `None` where text cannot be behind them.
    fn filters(&self, head: &Dictionary) -> Option<Vec<Filter>> {
        let either = |name, short| self.find(head, name).or_else(|| self.find(head, short));
        let named = either("Filter", "F");
        let settings = either("DecodeParms", "DP");
        let list = |object: &Object| match object {
            Object::Array(array) => array.clone(),
            Object::Other => Vec::new(),
            other => vec![other.clone()],
        };
        let named = named.as_deref().map(list).unwrap_or_default();
        let settings = settings.as_deref().map(list).unwrap_or_default();
        if named.len() > MOST_FILTERS {
            self.note("more than three filters lie over a stream");
            return None;
        }
        let mut filters = Vec::new();
        for (index, name) in named.iter().enumerate() {
            let settings = settings.get(index).map(|settings| self.resolve(settings));
            let settings = settings.as_deref().and_then(Object::dictionary);
            let number = |name| settings.and_then(|settings| self.find(settings, name)?.count());
            let predictor =
                || predictor(number("Predictor"), number("Colors"), number("BitsPerComponent"), number("Columns"));
            filters.push(match self.resolve(name).name()? {
                b"FlateDecode" | b"Fl" => Filter::Flate(predictor()),
                b"LZWDecode" | b"LZW" => Filter::Lzw(predictor(), number("EarlyChange") != Some(0)),
                b"ASCIIHexDecode" | b"AHx" => Filter::AsciiHex,
                b"ASCII85Decode" | b"A85" => Filter::Ascii85,
                b"RunLengthDecode" | b"RL" => Filter::RunLength,
                b"Crypt" => Filter::None,
                _ => return None,
            });
        }
        Some(filters)
    }

    /// Finds the objects that stand in streams.
    fn open_streams(&mut self, streams: Vec<(Stream, usize)>) {
        let mut left = KEPT.saturating_add(self.bytes.len());
        // When each object was defined: by where it stands, or the stream that it stands in.
        let mut defined: HashMap<Reference, usize> = HashMap::new();
        for (stream, position) in streams {
            // One that was replaced holds what was, too.
            if self.places.get(&stream.number).is_none_or(|place| place.at != position) {
                continue;
            }
            let decoded = self.decode(&stream, left);
            if decoded.is_part {
                self.note("a stream of objects is damaged or too large");
            }
            left -= decoded.bytes.len();
            let Ok(index) = u32::try_from(self.opened.len()) else { return };
            for (number, at) in self.numbers_in(&stream.head, &decoded.bytes) {
                let before = match self.places.get(&number) {
                    Some(Place { at, stream: None, .. }) => Some(*at),
                    Some(_) => defined.get(&number).copied(),
                    None if self.places.len() >= MOST_OBJECTS => Some(usize::MAX),
                    None => None,
                };
                if before.is_none_or(|before| before < position) {
                    self.places.insert(number, Place { at, stream: Some(index), generation: 0 });
                    defined.insert(number, position);
                }
            }
            self.opened.push(decoded.bytes);
            if self.work.is_over() || left == 0 {
                return;
            }
        }
    }

    /// The objects in a stream, and where they stand in it.
    fn numbers_in(&self, head: &Dictionary, bytes: &[u8]) -> Vec<(Reference, usize)> {
        let number = |name| self.find(head, name).and_then(|object| object.count());
        let (Some(count), Some(first)) = (number("N"), number("First")) else { return Vec::new() };
        let mut lexer = Lexer::new(&bytes[..first.min(bytes.len())], 0);
        let mut found = Vec::new();
        for _ in 0..count.min(MOST_OBJECTS) {
            let (Some(Item::Object(number)), Some(Item::Object(at))) = (lexer.next(), lexer.next()) else { break };
            let number = number.count().and_then(|number| Reference::try_from(number).ok());
            let at = at.count().and_then(|at| first.checked_add(at));
            found.extend(number.zip(at));
        }
        self.work.spend(lexer.at);
        found
    }
}

/// The number and the generation that stand before the word `obj`.
fn number_before(bytes: &[u8]) -> Option<(Reference, u16)> {
    let bytes = &bytes[bytes.len().saturating_sub(LONGEST_NUMBER)..];
    let part = |bytes: &[u8]| {
        let end = bytes.iter().rposition(|byte| !is_blank(*byte))? + 1;
        let begin = bytes[..end].iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |before| before + 1);
        Some((std::str::from_utf8(&bytes[begin..end]).ok()?.parse::<u64>().ok()?, begin))
    };
    let (generation, begin) = part(bytes)?;
    // A blank stands between the two.
    bytes.get(begin.checked_sub(1)?).filter(|byte| is_blank(**byte))?;
    let (number, _) = part(&bytes[..begin])?;
    Some((Reference::try_from(number).ok()?, u16::try_from(generation).unwrap_or_default()))
}

/// The predictor by the entries of a filter's settings (table 8).
fn predictor(kind: Option<usize>, colors: Option<usize>, bits: Option<usize>, columns: Option<usize>) -> Predictor {
    let bits = colors.unwrap_or(1).saturating_mul(bits.unwrap_or(8));
    let row = bits.saturating_mul(columns.unwrap_or(1)).div_ceil(8).min(usize::MAX - 1);
    let back = bits.div_ceil(8).max(1);
    match kind {
        Some(2) => Predictor::Tiff { row, back },
        Some(10..) => Predictor::Png { row, back },
        _ => Predictor::None,
    }
}
