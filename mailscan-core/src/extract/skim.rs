//! Skimming: the few tags of an HTML document that matter to its links.
//!
//! Takes a document and hands over those tags in their order: most of a page is text and tags that link to nothing. Where
//! tags and comments end is decided as the HTML standard's tokenizer does (section 13.2.5); what a tag says is left to the
//! reader.

use memchr::memmem;

/// A part of a document that matters to its links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Markup<'a> {
    /// A start tag with all of its signs, and its name in lower case.
    Tag { name: &'static [u8], tag: &'a [u8] },
    /// What stands in a `noscript`, up to its end tag or the end of the document.
    NoScript(&'a [u8]),
    /// Everything from here on, where only a whole tokenizer tells what is markup.
    Rest(&'a [u8], Foreign),
}

/// Whether markup stands where a start tag that ends in `/>` closes its element too: in XML, and in the pictures and
/// formulas of HTML. Anywhere else such a slash says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Foreign {
    xml: bool,
    /// How many pictures and formulas are open.
    open: usize,
}

impl Foreign {
    /// At the beginning of a document.
    pub(super) fn of(document: &[u8]) -> Self {
        let text = document.strip_prefix("\u{feff}".as_bytes()).unwrap_or(document);
        Self { xml: text.trim_ascii_start().starts_with(b"<?xml"), open: 0 }
    }

    /// Passes a start tag, with or without a slash at its end; answers whether it closes its element.
    pub(super) fn start(&mut self, name: &[u8], slash: bool) -> bool {
        if Self::is_entered_by(name) && !slash {
            self.open += 1;
        }
        slash && (self.xml || self.open > 0)
    }

    /// Passes an end tag.
    pub(super) fn end(&mut self, name: &[u8]) {
        if Self::is_entered_by(name) {
            self.open = self.open.saturating_sub(1);
        }
    }

    fn is_entered_by(name: &[u8]) -> bool {
        matches!(name, b"svg" | b"math")
    }
}

/// What a start tag means to whoever looks for links.
#[derive(Clone, Copy, Default)]
struct Meaning {
    /// Its name, where the tag itself matters.
    kept: Option<&'static [u8]>,
    /// Its name, where what stands behind it is no markup, up to its end tag.
    opaque: Option<&'static [u8]>,
}

impl Meaning {
    /// The longest name that has one, in bytes.
    const LONGEST: usize = 9;

    fn of(name: &[u8]) -> Self {
        let kept = |name| Self { kept: Some(name), opaque: None };
        let opaque = |name| Self { kept: None, opaque: Some(name) };
        match name {
            b"a" => kept(b"a"),
            b"area" => kept(b"area"),
            b"base" => kept(b"base"),
            b"frame" => kept(b"frame"),
            b"link" => kept(b"link"),
            b"meta" => kept(b"meta"),
            b"iframe" => Self { kept: Some(b"iframe"), opaque: Some(b"iframe") },
            b"noembed" => opaque(b"noembed"),
            b"noframes" => opaque(b"noframes"),
            b"noscript" => opaque(b"noscript"),
            b"script" => opaque(b"script"),
            b"style" => opaque(b"style"),
            b"textarea" => opaque(b"textarea"),
            b"title" => opaque(b"title"),
            b"xmp" => opaque(b"xmp"),
            _ => Self::default(),
        }
    }
}

/// Hands over what matters of a document, in order.
pub(super) fn skim<'a>(document: &'a [u8], take: &mut dyn FnMut(Markup<'a>)) {
    let (mut at, mut foreign) = (0, Foreign::of(document));
    while let Some(open) = memchr::memchr(b'<', &document[at..]).map(|open| at + open) {
        let Some(end) = markup(document, open, &mut foreign, take) else { break };
        at = end;
    }
}

/// Reads the markup, or the text, that begins with the `<` at `open`; answers where it ends, if it does.
fn markup<'a>(
    document: &'a [u8],
    open: usize,
    foreign: &mut Foreign,
    take: &mut dyn FnMut(Markup<'a>),
) -> Option<usize> {
    match document.get(open + 1..)? {
        [b'!', b'-', b'-', ..] => comment_end(document, open + 4),
        [b'!' | b'?', ..] => after(document, open, b'>'),
        [b'/', first, ..] if first.is_ascii_alphabetic() => {
            let (end, _) = tag_end(document, open + 2)?;
            // Most pages have many end tags, and few of them a picture.
            if foreign.open > 0 {
                foreign.end(lower_name(&document[open + 2..end], &mut [0; Meaning::LONGEST]));
            }
            Some(end)
        }
        [b'/', _, ..] => after(document, open, b'>'),
        [first, ..] if first.is_ascii_alphabetic() => start_tag(document, open, foreign, take),
        _ => Some(open + 1),
    }
}

/// Reads a start tag, and what it makes opaque.
fn start_tag<'a>(
    document: &'a [u8],
    open: usize,
    foreign: &mut Foreign,
    take: &mut dyn FnMut(Markup<'a>),
) -> Option<usize> {
    let (end, slash) = tag_end(document, open + 1)?;
    let mut lower = [0; Meaning::LONGEST];
    let name = lower_name(&document[open + 1..end], &mut lower);
    let closed = foreign.start(name, slash);
    if name == b"plaintext" && !closed {
        return None;
    }
    let Meaning { kept, opaque } = Meaning::of(name);
    if let Some(name) = kept {
        take(Markup::Tag { name, tag: &document[open..end] });
    }
    let Some(name) = opaque.filter(|_| !closed) else { return Some(end) };
    let close = closing(document, end, name);
    let inside = &document[end..close.unwrap_or(document.len())];
    if name == b"noscript" {
        take(Markup::NoScript(inside));
    }
    if name == b"script" && is_escaped(inside) {
        // What ends such a script takes more states than are told here.
        take(Markup::Rest(&document[open..], *foreign));
        return None;
    }
    // Without its end, the element goes on to that of the document.
    close
}

/// The name of the tag that is given without its `<`, in lower case; nothing for one that is too long to matter.
fn lower_name<'l>(tag: &[u8], lower: &'l mut [u8; Meaning::LONGEST]) -> &'l [u8] {
    for (at, byte) in tag.iter().enumerate() {
        if ends_name(*byte) {
            return &lower[..at];
        }
        let Some(place) = lower.get_mut(at) else { break };
        *place = byte.to_ascii_lowercase();
    }
    b""
}

/// Whether a script opens another one in a comment, whose end tag then is not its own.
fn is_escaped(script: &[u8]) -> bool {
    memmem::find(script, b"<!--").is_some_and(|comment| {
        let rest = &script[comment..];
        memchr::memchr_iter(b'<', rest).any(|at| is_named(rest, at + 1, b"script"))
    })
}

/// Where the end tag of this name begins.
fn closing(document: &[u8], from: usize, name: &[u8]) -> Option<usize> {
    memmem::find_iter(&document[from..], b"</").map(|at| from + at).find(|at| is_named(document, at + 2, name))
}

/// Whether the name of the tag that begins at `at` is this one, in lower case here and in any case there.
fn is_named(document: &[u8], at: usize, name: &[u8]) -> bool {
    let end = at + name.len();
    document.get(at..end).is_some_and(|written| written.eq_ignore_ascii_case(name))
        && document.get(end).is_some_and(|next| ends_name(*next))
}

/// Whether the byte ends the name of a tag.
fn ends_name(byte: u8) -> bool {
    is_space(byte) || matches!(byte, b'/' | b'>')
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

fn after(document: &[u8], from: usize, sign: u8) -> Option<usize> {
    memchr::memchr(sign, &document[from..]).map(|at| from + at + 1)
}

/// The end of the comment whose text begins at `text`.
fn comment_end(document: &[u8], text: usize) -> Option<usize> {
    let rest = &document[text..];
    if rest.starts_with(b">") || rest.starts_with(b"->") {
        return after(document, text, b'>');
    }
    let ends = |at: &usize| rest[..*at].ends_with(b"--") || rest[..*at].ends_with(b"--!");
    memchr::memchr_iter(b'>', rest).find(ends).map(|at| text + at + 1)
}

/// The end of the tag whose name begins at `name`, and whether a slash is before its last sign.
fn tag_end(document: &[u8], name: usize) -> Option<(usize, bool)> {
    let mut at = name;
    let mut state = State::Name;
    loop {
        let byte = *document.get(at)?;
        at += 1;
        state = match (state, byte) {
            (State::Value, b'"' | b'\'') => {
                at = after(document, at, byte)?;
                State::Between
            }
            (_, b'>') => return Some((at, matches!(state, State::Slash))),
            (State::Value, _) if is_space(byte) => State::Value,
            (State::Value | State::Unquoted, _) if !is_space(byte) => State::Unquoted,
            (State::Attribute | State::Behind, b'=') => State::Value,
            (State::Attribute | State::Behind, _) if is_space(byte) => State::Behind,
            (State::Name, _) if !is_space(byte) && byte != b'/' => State::Name,
            (_, b'/') => State::Slash,
            (_, _) if is_space(byte) => State::Between,
            _ => State::Attribute,
        };
    }
}

/// Where in a tag a byte stands.
#[derive(Clone, Copy)]
enum State {
    /// In the tag's name.
    Name,
    /// Where an attribute may begin.
    Between,
    /// The same, directly behind a slash.
    Slash,
    /// In the name of an attribute.
    Attribute,
    /// In the space behind one.
    Behind,
    /// Where a value has to begin.
    Value,
    /// In a value without quotes.
    Unquoted,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skimmed(document: &str) -> Vec<String> {
        let mut kept = Vec::new();
        skim(document.as_bytes(), &mut |markup| {
            let (Markup::Tag { tag: bytes, .. } | Markup::NoScript(bytes) | Markup::Rest(bytes, _)) = markup;
            kept.push(String::from_utf8(bytes.to_vec()).unwrap());
        });
        kept
    }

    #[test]
    fn tags_that_link_are_kept_as_they_are() {
        let page = "<!doctype html><html><head><title>a <a href=x></title><BASE href='/b'></head>\
                    <p class='<a href=no>'>text <A\nHREF=\"a>b\" >link</A> <abbr href=x> <!-- <a href=no> --> 1 < 2 <img alt=it's><a href=y>";
        assert_eq!(skimmed(page), ["<BASE href='/b'>", "<A\nHREF=\"a>b\" >", "<a href=y>"]);
    }

    #[test]
    fn insides_that_are_no_markup_are_passed_over() {
        assert_eq!(skimmed("<script>'<a href=x>'</script ><a href=y>"), ["<a href=y>"]);
        assert_eq!(skimmed("<iframe src=x><a href=no></iframe><a href=y>"), ["<iframe src=x>", "<a href=y>"]);
        assert_eq!(skimmed("<noscript><a href=x></noscript>"), ["<a href=x>"]);
        assert_eq!(skimmed("<NoScript >a"), ["a"]);
        assert!(skimmed("<textarea><a href=x>").is_empty());
        let escaped = "<script><!-- <script> </script> --></script><a href=y>";
        assert_eq!(skimmed(escaped), [escaped]);
    }
}
