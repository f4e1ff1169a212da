//! The attributes of a start tag, as the HTML standard's tokenizer reads them (section 13.2.5.32 and those after it).
//!
//! For tags that say what they say as it stands: `links.rs` hands over a tag found by skimming, and takes one with
//! character references, with NUL or with carriage returns to a whole tokenizer instead.

use super::skim::is_space;

/// The attributes of one tag, as written: names in any case, repeated ones too.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    /// What is not read yet, from where an attribute may begin.
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Those of a whole start tag, from its `<` to its `>`.
    pub(super) fn of(tag: &'a [u8]) -> Self {
        let named = tag.iter().position(|byte| is_space(*byte) || matches!(byte, b'/' | b'>'));
        Self { rest: tag.get(named.unwrap_or(tag.len())..).unwrap_or_default() }
    }

    /// Whether a tag says what it says as it stands, so that its attributes can be read here.
    pub(super) fn are_plain(tag: &[u8]) -> bool {
        memchr::memchr3(b'&', b'\0', b'\r', tag).is_none()
    }

    fn skip_space(&mut self) {
        self.rest = &self.rest[self.rest.iter().take_while(|byte| is_space(**byte)).count()..];
    }

    /// Takes so many bytes, or what is left.
    fn split(&mut self, at: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(at.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn take_until(&mut self, ends: impl Fn(u8) -> bool) -> &'a [u8] {
        self.split(self.rest.iter().position(|byte| ends(*byte)).unwrap_or(self.rest.len()))
    }

    /// The value, behind the `=`.
    fn value(&mut self) -> &'a [u8] {
        self.skip_space();
        match self.rest.first() {
            Some(quote @ (b'"' | b'\'')) => {
                self.split(1);
                let value = self.split(memchr::memchr(*quote, self.rest).unwrap_or(self.rest.len()));
                self.split(1);
                value
            }
            _ => self.take_until(|byte| is_space(byte) || byte == b'>'),
        }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    /// The next name with its value, where it has one.
    fn next(&mut self) -> Option<Self::Item> {
        self.take_until(|byte| !is_space(byte) && byte != b'/');
        if matches!(self.rest, [] | [b'>', ..]) {
            return None;
        }
        // A `=` that begins a name is part of it.
        let begin = self.rest;
        let first = usize::from(begin[0] == b'=');
        self.split(first);
        let length = first + self.take_until(|byte| is_space(byte) || matches!(byte, b'/' | b'>' | b'=')).len();
        self.skip_space();
        let value = self.rest.starts_with(b"=").then(|| {
            self.split(1);
            self.value()
        });
        Some((&begin[..length], value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_written() {
        let read = |tag: &str| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let all = Attributes::of(tag.as_bytes()).map(|(name, value)| match value {
                Some(value) => format!("{}={}", text(name), text(value)),
                None => text(name),
            });
            all.collect::<Vec<_>>().join("|")
        };
        for (tag, expected) in [
            ("<a>", ""),
            ("<a/>", ""),
            ("<a href=x>", "href=x"),
            ("<A\nHREF = 'x y' b>", "HREF=x y|b"),
            ("<a/href=\"x>y\"c=d/e>", "href=x>y|c=d/e"),
            ("<a =href=x>", "=href=x"),
            ("<a x= >", "x="),
            ("<a x=''/y / z>", "x=|y|z"),
            ("<a x'=y\"z>", "x'=y\"z"),
        ] {
            assert_eq!(read(tag), expected, "{tag}");
        }
    }
}
