//! From bytes to objects and words (ISO 32000-1, section 7.2): the same for a file, for what stands in its streams, for the
//! programs that draw pages and for tables of characters.
//!
//! Lenient, as producers are careless: what is none of the syntax is passed over. Every call goes on by a byte at least, and
//! how deep and how many objects are made is bounded, since two bytes of an array would become forty of memory.

use super::object::{Dictionary, Object};

/// How deep arrays and dictionaries may stand in each other.
const DEPTH: usize = 48;
/// How many objects one object may hold. The longest honest ones are tables of widths.
const MOST_OBJECTS: usize = 1 << 19;

/// What stands next.
#[derive(Debug, PartialEq)]
pub(super) enum Item<'a> {
    Object(Object),
    /// A word that is no object, such as an operator.
    Word(&'a [u8]),
}

/// A place in bytes.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    /// How many objects may still be made of the one that is read.
    left: usize,
}

/// Why an array or a dictionary ended.
enum Ended {
    Closed,
    /// At a word that stands in none, or where nothing is left: the rest is another object's.
    Broken,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at: at.min(bytes.len()), left: MOST_OBJECTS }
    }

    /// What stands next; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Item<'a>> {
        self.left = MOST_OBJECTS;
        self.item(0)
    }

    /// The object that stands here, and a reference as one.
    pub(super) fn object(&mut self) -> Option<Object> {
        let Item::Object(object) = self.next()? else { return None };
        let Object::Integer(number) = object else { return Some(object) };
        let behind = self.at;
        match u32::try_from(number) {
            Ok(number) if self.is_reference() => Some(Object::Reference(number)),
            _ => {
                self.at = behind;
                Some(Object::Integer(number))
            }
        }
    }

    /// Whether a number that was read was the first part of a reference; passes over the rest of that.
    fn is_reference(&mut self) -> bool {
        self.skip_blanks();
        if !self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            return false;
        }
        self.number();
        self.skip_blanks();
        self.bytes.get(self.at) == Some(&b'R') && self.word() == b"R"
    }

    /// What stands next, in `depth` others.
    fn item(&mut self, depth: usize) -> Option<Item<'a>> {
        loop {
            self.skip_blanks();
            let byte = *self.bytes.get(self.at)?;
            self.left = self.left.checked_sub(1)?;
            let object = match byte {
                b'(' => Object::String(self.literal()),
                b'<' if self.bytes.get(self.at + 1) == Some(&b'<') => {
                    self.at += 2;
                    Object::Dictionary(self.dictionary(depth)?)
                }
                b'<' => Object::String(self.hexadecimal()),
                b'/' => Object::Name(self.name()),
                b'[' => {
                    self.at += 1;
                    Object::Array(self.array(depth)?)
                }
                b'0'..=b'9' | b'+' | b'-' | b'.' => self.number(),
                // The ends of arrays and dictionaries are words to whoever reads these.
                b']' => return Some(Item::Word(self.take(1))),
                b'>' if self.bytes.get(self.at + 1) == Some(&b'>') => return Some(Item::Word(self.take(2))),
                b'>' | b')' | b'{' | b'}' => {
                    self.at += 1;
                    continue;
                }
                _ => match self.word() {
                    b"null" | b"true" => Object::Other,
                    b"false" => Object::False,
                    word => return Some(Item::Word(word)),
                },
            };
            return Some(Item::Object(object));
        }
    }

    fn array(&mut self, depth: usize) -> Option<Vec<Object>> {
        let (array, _) = self.objects(depth, b"]")?;
        Some(array)
    }

    fn dictionary(&mut self, depth: usize) -> Option<Dictionary> {
        let (objects, _) = self.objects(depth, b">>")?;
        let mut dictionary = Dictionary::default();
        let mut objects = objects.into_iter().peekable();
        while let Some(object) = objects.next() {
            // What should be a name and is none is passed over, so that one slip costs one entry.
            if let Object::Name(name) = object
                && let Some(value) = objects.next()
            {
                dictionary.insert(name, value);
            }
        }
        Some(dictionary)
    }

    /// Objects up to the word that closes them, with their references.
    fn objects(&mut self, depth: usize, close: &[u8]) -> Option<(Vec<Object>, Ended)> {
        if depth == DEPTH {
            return None;
        }
        let mut objects = Vec::new();
        loop {
            let before = self.at;
            match self.item(depth + 1) {
                Some(Item::Object(object)) => objects.push(object),
                Some(Item::Word(word)) if word == close => return Some((objects, Ended::Closed)),
                Some(Item::Word(b"R")) => {
                    if let [.., Object::Integer(number), Object::Integer(_)] = objects[..] {
                        objects.truncate(objects.len() - 2);
                        objects.push(u32::try_from(number).map_or(Object::Other, Object::Reference));
                    }
                }
                Some(Item::Word(b"obj" | b"endobj" | b"stream" | b"endstream" | b"xref" | b"trailer")) => {
                    self.at = before;
                    return Some((objects, Ended::Broken));
                }
                Some(Item::Word(_)) => {}
                None if self.left == 0 || self.at < self.bytes.len() => return None,
                None => return Some((objects, Ended::Broken)),
            }
        }
    }

    /// Passes over white space and comments.
    pub(super) fn skip_blanks(&mut self) {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'%' => {
                    let line = &self.bytes[self.at..];
                    self.at += memchr::memchr2(b'\n', b'\r', line).unwrap_or(line.len());
                }
                byte if is_blank(*byte) => self.at += 1,
                _ => return,
            }
        }
    }

    /// Whether this word stands next, which is passed over then.
    pub(super) fn next_is(&mut self, word: &[u8]) -> bool {
        self.skip_blanks();
        let is_next = self.bytes[self.at..].starts_with(word);
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        taken
    }

    fn word(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| is_blank(*byte) || is_delimiter(*byte)).unwrap_or(rest.len());
        self.take(length.max(1))
    }

    fn number(&mut self) -> Object {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.'));
        let text = self.take(length.unwrap_or(rest.len()));
        let is_negative = text.first() == Some(&b'-');
        let digits = text.trim_start_with(|byte| matches!(byte, b'+' | b'-'));
        let (mut whole, mut part, mut scale, mut is_real) = (0_f64, 0_f64, 1_f64, false);
        for byte in digits {
            match byte {
                b'.' if is_real => break,
                b'.' => is_real = true,
                // Some producers write a sign within a number, behind which nothing counts.
                b'+' | b'-' => break,
                digit if is_real => {
                    scale /= 10.0;
                    part += f64::from(digit - b'0') * scale;
                }
                digit => whole = whole * 10.0 + f64::from(digit - b'0'),
            }
        }
        let value = if is_negative { -(whole + part) } else { whole + part };
        // Beyond what a number can hold exactly it is no whole one to anybody.
        if is_real || value.abs() > 9e15 { Object::Real(value) } else { Object::Integer(value as i64) }
    }

    fn name(&mut self) -> Vec<u8> {
        self.at += 1;
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| is_blank(*byte) || is_delimiter(*byte)).unwrap_or(rest.len());
        let text = self.take(length);
        let mut name = Vec::with_capacity(text.len());
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            let code = match (byte, text.get(at + 1), text.get(at + 2)) {
                (b'#', Some(high), Some(low)) => hex(*high).zip(hex(*low)),
                _ => None,
            };
            name.push(code.map_or(*byte, |(high, low)| high << 4 | low));
            at += if code.is_some() { 3 } else { 1 };
        }
        name
    }

    fn hexadecimal(&mut self) -> Vec<u8> {
        self.at += 1;
        let rest = &self.bytes[self.at..];
        let length = memchr::memchr(b'>', rest).unwrap_or(rest.len());
        let digits: Vec<u8> = rest[..length].iter().filter_map(|byte| hex(*byte)).collect();
        self.at += (length + 1).min(rest.len());
        digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).unwrap_or(&0)).collect()
    }

    fn literal(&mut self) -> Vec<u8> {
        self.at += 1;
        let (mut text, mut open) = (Vec::new(), 1);
        while let Some(byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'(' => open += 1,
                b')' if open == 1 => break,
                b')' => open -= 1,
                b'\\' => {
                    self.escape(&mut text);
                    continue;
                }
                _ => {}
            }
            text.push(*byte);
        }
        text
    }

    /// What stands behind a backslash.
    fn escape(&mut self, text: &mut Vec<u8>) {
        let Some(byte) = self.bytes.get(self.at) else { return };
        self.at += 1;
        text.push(match byte {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            // A line that goes on.
            b'\r' => {
                self.at += usize::from(self.bytes.get(self.at) == Some(&b'\n'));
                return;
            }
            b'\n' => return,
            b'0'..=b'7' => {
                let mut code = u32::from(byte - b'0');
                for _ in 0..2 {
                    let Some(digit @ b'0'..=b'7') = self.bytes.get(self.at) else { break };
                    code = code * 8 + u32::from(digit - b'0');
                    self.at += 1;
                }
                // What is too large for a byte loses its upper bits, says the standard.
                (code & 0xff) as u8
            }
            other => *other,
        });
    }
}

/// The part of a slice behind the bytes that a test holds for.
trait TrimStart {
    fn trim_start_with(&self, test: impl Fn(u8) -> bool) -> &[u8];
}

impl TrimStart for [u8] {
    fn trim_start_with(&self, test: impl Fn(u8) -> bool) -> &[u8] {
        let begin = self.iter().position(|byte| !test(*byte)).unwrap_or(self.len());
        &self[begin..]
    }
}

/// White space (7.2.2).
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 12 | b'\r' | b' ')
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

/// What a hexadecimal digit stands for.
pub(super) fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Option<Object> {
        Lexer::new(text.as_bytes(), 0).object()
    }

    fn string(text: &str) -> Vec<u8> {
        object(text).unwrap().string().unwrap().to_vec()
    }

    #[test]
    fn every_kind_of_object_is_read() {
        assert_eq!(object(" % a comment\n-12 "), Some(Object::Integer(-12)));
        assert_eq!(object("12 0 R"), Some(Object::Reference(12)));
        assert_eq!(object("12 0 obj"), Some(Object::Integer(12)));
        assert_eq!(object("-.5"), Some(Object::Real(-0.5)));
        assert_eq!(object("--5"), Some(Object::Integer(-5)));
        assert!(matches!(object("99999999999999999999"), Some(Object::Real(_))));
        assert_eq!(object("/A#42#zz"), Some(Object::Name(b"AB#zz".to_vec())));
        assert_eq!(string("(a(b)\\)\\101\\n\\\nc\\8)"), b"a(b))A\nc8");
        assert_eq!(string("<61 6 2 3>"), b"ab0");
        let array = object("[1 2 0 R (x) null true]").unwrap();
        let expected =
            [Object::Integer(1), Object::Reference(2), Object::String(b"x".to_vec()), Object::Other, Object::Other];
        assert_eq!(array.array(), Some(&expected[..]));
        let dictionary = object("<</A/B/C[<<>>]/D 3 0 R>>").unwrap();
        let dictionary = dictionary.dictionary().unwrap();
        assert!(dictionary.says("A", "B") && dictionary.get("D").unwrap().reference() == Some(3));
    }

    #[test]
    fn what_is_broken_ends_where_another_object_begins() {
        let text = b"[1 (a) endobj";
        let mut lexer = Lexer::new(text, 0);
        assert_eq!(lexer.object().unwrap().array().unwrap().len(), 2);
        assert_eq!(lexer.next(), Some(Item::Word(b"endobj")));
        assert_eq!(object(""), None);
        assert_eq!(string("(never closed"), b"never closed");
        assert_eq!(string("<6"), b"\x60");
    }

    #[test]
    fn depth_and_number_of_objects_are_bounded() {
        assert_eq!(object(&"[".repeat(100_000)), None);
        assert_eq!(object(&"<<".repeat(100_000)), None);
        assert!(object(&format!("[{}]", "1 ".repeat(100_000))).is_some());
        assert_eq!(object(&format!("[{}]", "1 ".repeat(MOST_OBJECTS + 1))), None);
    }

    #[test]
    fn words_stand_between_objects() {
        let mut lexer = Lexer::new(b"BT/F1 9 Tf[(a)-250(b)]TJ T* ET", 0);
        let mut words = Vec::new();
        while let Some(item) = lexer.next() {
            if let Item::Word(word) = item {
                words.push(word);
            }
        }
        assert_eq!(words, [&b"BT"[..], b"Tf", b"TJ", b"T*", b"ET"]);
    }
}
