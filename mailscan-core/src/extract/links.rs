//! Links: what an HTML document refers to that a crawl may follow.
//!
//! The document is skimmed ([`super::skim`]). Tags that say what they say as it stands are read in place
//! ([`super::attributes`]), and the tokenizer of `html5gum` reads and decodes the others; this module picks the elements
//! that link to documents and makes their URLs absolute. Whether a link is followed is the engine's business.

use std::borrow::Cow;
use std::cell::Cell;
use std::convert::Infallible;

use encoding_rs::Encoding;
use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Emitter, ForwardingEmitter, Span, State, Tokenizer, naive_next_state};
use url::{Position, Url};

use super::MAX_LINK_LENGTH;
use super::attributes::Attributes;
use super::refresh;
use super::skim::{Foreign, Markup, skim};

/// A link, absolute and without its fragment.
#[derive(Clone, Debug)]
pub(crate) enum Link<'a> {
    /// To another path of the document's own origin, as [`Url`] writes it.
    Path(&'a str),
    /// To anywhere.
    Url(Url),
}

impl Link<'_> {
    /// The URL as text.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Path(url) => url,
            Self::Url(url) => url.as_str(),
        }
    }

    /// The URL; `None` never happens.
    pub(super) fn into_url(self) -> Option<Url> {
        match self {
            Self::Path(url) => Url::parse(url).ok(),
            Self::Url(url) => Some(url),
        }
    }
}

/// How a document is parted into what matters of it.
type Part = for<'a> fn(&'a [u8], &mut dyn FnMut(Markup<'a>));

/// Hands every link of `document`, which was written in `charset` where that is not UTF-8, to `found`, which bounds how many it
/// keeps.
pub(super) fn scan(document: &[u8], base: &Url, charset: Option<&'static Encoding>, found: impl FnMut(Link<'_>)) {
    scan_by(document, skim, (base, charset), found);
}

/// The same with every tag tokenized: the reference that skimming is held to.
#[cfg(any(test, feature = "oracle"))]
pub(super) fn scan_whole(document: &[u8], base: &Url, charset: Option<&'static Encoding>, found: impl FnMut(Link<'_>)) {
    scan_by(document, |document, take| take(Markup::Rest(document, Foreign::of(document))), (base, charset), found);
}

fn scan_by(
    document: &[u8],
    part: Part,
    (base, charset): (&Url, Option<&'static Encoding>),
    found: impl FnMut(Link<'_>),
) {
    let mut base = base.clone();
    leave_user_out(&mut base);
    let mut reader = LinkReader {
        part,
        own_base: false,
        origin: base[..Position::BeforePath].to_owned(),
        base,
        charset,
        path: String::new(),
        tag: Tag::default(),
        attribute: Attribute::Other,
        inside_noscript: false,
        noscript: None,
        found,
    };
    reader.read(document);
}

/// The elements that matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Element {
    #[default]
    Other,
    Anchor,
    Link,
    Frame,
    Base,
    Meta,
    NoScript,
}

impl Element {
    fn named(name: &[u8]) -> Self {
        match name {
            b"a" | b"area" => Self::Anchor,
            b"link" => Self::Link,
            b"iframe" | b"frame" => Self::Frame,
            b"base" => Self::Base,
            b"meta" => Self::Meta,
            b"noscript" => Self::NoScript,
            _ => Self::Other,
        }
    }
}

/// The attributes of elements that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attribute {
    Other,
    Href,
    Src,
    Content,
    Rel,
    HttpEquiv,
}

impl Attribute {
    fn named(name: &[u8]) -> Self {
        let known: [(&[u8], Self); 5] = [
            (b"href", Self::Href),
            (b"src", Self::Src),
            (b"content", Self::Content),
            (b"rel", Self::Rel),
            (b"http-equiv", Self::HttpEquiv),
        ];
        known.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map_or(Self::Other, |(_, known)| known)
    }
}

/// The start tag being read. A repeated attribute does not count, as in HTML.
#[derive(Debug, Default)]
struct Tag<'a> {
    element: Element,
    target: Option<Cow<'a, [u8]>>,
    relation: Option<Cow<'a, [u8]>>,
    directive: Option<Cow<'a, [u8]>>,
}

impl<'a> Tag<'a> {
    fn new(element: Element) -> Self {
        Self { element, ..Self::default() }
    }

    fn keep(&mut self, attribute: Attribute, value: Cow<'a, [u8]>) {
        let slot = match (self.element, attribute) {
            (Element::Anchor | Element::Link | Element::Base, Attribute::Href) => &mut self.target,
            (Element::Frame, Attribute::Src) | (Element::Meta, Attribute::Content) => &mut self.target,
            (Element::Link, Attribute::Rel) => &mut self.relation,
            (Element::Meta, Attribute::HttpEquiv) => &mut self.directive,
            _ => return,
        };
        slot.get_or_insert(value);
    }

    /// What the tag links to, as written.
    fn link(&self) -> Option<&[u8]> {
        let target = self.target.as_deref()?;
        match self.element {
            Element::Anchor | Element::Frame => Some(target),
            Element::Link => leads_to_documents(self.relation.as_deref()?).then_some(target),
            Element::Meta if self.directive.as_deref()?.eq_ignore_ascii_case(b"refresh") => refresh::target(target),
            _ => None,
        }
    }
}

/// An over-long value, cut one byte past the limit, which is enough to refuse it later.
fn cut(value: &[u8]) -> &[u8] {
    &value[..value.len().min(MAX_LINK_LENGTH + 1)]
}

/// Whether a `rel` names a document rather than a style, an icon or a hint.
fn leads_to_documents(relation: &[u8]) -> bool {
    let known: [&[u8]; 3] = [b"next", b"alternate", b"canonical"];
    let mut words = relation.split(u8::is_ascii_whitespace);
    let style = relation.split(u8::is_ascii_whitespace).any(|word| word.eq_ignore_ascii_case(b"stylesheet"));
    !style && words.any(|word| known.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// An emitter that has the tokenizer read on as `next` says after a tag.
struct Switching<'a, E> {
    inner: E,
    next: &'a Cell<Option<State>>,
}

impl<E: Emitter> ForwardingEmitter for Switching<'_, E> {
    type Token = E::Token;

    fn inner(&mut self) -> &mut impl Emitter<Token = Self::Token> {
        &mut self.inner
    }

    fn emit_current_tag(&mut self) -> Option<State> {
        self.inner.emit_current_tag().or(self.next.take())
    }
}

struct LinkReader<F> {
    part: Part,
    base: Url,
    charset: Option<&'static Encoding>,
    own_base: bool,
    /// What stands before the path of the document's URL.
    origin: String,
    /// A URL that begins with it.
    path: String,
    /// The tag that the tokenizer reads, and the attribute.
    tag: Tag<'static>,
    attribute: Attribute,
    /// One `noscript` stands in another only as text: read anew for each, a page of nothing but opening tags would cost the
    /// square of its length.
    inside_noscript: bool,
    /// What the tokenizer has read of the `noscript` that it is in. To a reader without scripts it is markup like any
    /// other, which the tokenizer takes for text.
    noscript: Option<Vec<u8>>,
    found: F,
}

impl<F: FnMut(Link<'_>)> LinkReader<F> {
    fn read(&mut self, document: &[u8]) {
        (self.part)(document, &mut |markup| match markup {
            Markup::Tag { name, tag } if Attributes::are_plain(tag) => self.read_plain(name, tag),
            Markup::Tag { tag, .. } => self.tokenize(tag, Foreign::default()),
            Markup::NoScript(inside) => self.read_noscript(inside),
            Markup::Rest(rest, foreign) => {
                self.tokenize(rest, foreign);
                // One that is not closed goes on to the end.
                self.leave_noscript();
            }
        });
    }

    fn read_plain(&mut self, name: &'static [u8], tag: &[u8]) {
        let mut read = Tag::new(Element::named(name));
        for (attribute, value) in Attributes::of(tag) {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                read.keep(Attribute::named(attribute), Cow::Borrowed(cut(value)));
            }
        }
        self.close(&read);
    }

    fn tokenize(&mut self, document: &[u8], mut foreign: Foreign) {
        let (next, mut name) = (Cell::new(None), Vec::new());
        let events = |event: CallbackEvent<'_>, _: Span<()>| {
            match &event {
                CallbackEvent::OpenStartTag { name: opened } => {
                    name.clear();
                    name.extend_from_slice(opened);
                }
                CallbackEvent::CloseStartTag { self_closing } => {
                    if !foreign.start(&name, *self_closing) {
                        // The insides of scripts, styles and titles are no markup.
                        next.set(naive_next_state(&name));
                    } else if self.tag.element == Element::NoScript {
                        // There is nothing in one that its own tag closes.
                        self.tag.element = Element::Other;
                    }
                }
                CallbackEvent::EndTag { name } => foreign.end(name),
                _ => {}
            }
            self.event(&event);
            None::<Infallible>
        };
        let emitter = Switching { inner: CallbackEmitter::new(events), next: &next };
        let Ok(()) = Tokenizer::new_with_emitter(document, emitter).finish();
    }

    fn event(&mut self, event: &CallbackEvent<'_>) {
        match event {
            CallbackEvent::OpenStartTag { name } => self.tag = Tag::new(Element::named(name)),
            CallbackEvent::AttributeName { name } if self.tag.element != Element::Other => {
                self.attribute = Attribute::named(name);
            }
            CallbackEvent::AttributeValue { value } if self.tag.element != Element::Other => {
                self.tag.keep(self.attribute, Cow::Owned(cut(value).to_vec()));
            }
            CallbackEvent::CloseStartTag { .. } => {
                let tag = std::mem::take(&mut self.tag);
                self.close(&tag);
            }
            CallbackEvent::String { value } => {
                if let Some(inside) = &mut self.noscript {
                    inside.extend_from_slice(value);
                }
            }
            CallbackEvent::EndTag { name: b"noscript" } => self.leave_noscript(),
            _ => {}
        }
    }

    fn close(&mut self, tag: &Tag<'_>) {
        if tag.element == Element::Base {
            self.rebase(tag);
        } else if tag.element == Element::NoScript {
            self.noscript = Some(Vec::new());
        } else if let Some(link) = tag.link() {
            self.follow(link);
        }
    }

    /// Reads what the tokenizer has read of a `noscript`, once.
    fn leave_noscript(&mut self) {
        if let Some(inside) = self.noscript.take() {
            self.read_noscript(&inside);
        }
    }

    fn read_noscript(&mut self, inside: &[u8]) {
        if !self.inside_noscript {
            self.inside_noscript = true;
            self.read(inside);
            self.inside_noscript = false;
        }
    }

    /// The first `<base>` with an address counts.
    fn rebase(&mut self, tag: &Tag<'_>) {
        let Some(base) = tag.target.as_deref().and_then(|target| self.resolve(target)) else { return };
        if !self.own_base {
            self.base = base;
            self.own_base = true;
        }
    }

    fn follow(&mut self, link: &[u8]) {
        if leads_elsewhere(link) {
            return;
        }
        if self.own_base || !is_path(link) || self.origin.len() + link.len() > MAX_LINK_LENGTH {
            if let Some(url) = self.resolve(link) {
                (self.found)(Link::Url(url));
            }
            return;
        }
        let mut path = std::mem::take(&mut self.path);
        path.clone_from(&self.origin);
        path.extend(link.iter().map(|byte| char::from(*byte)));
        (self.found)(Link::Path(&path));
        self.path = path;
    }

    fn resolve(&self, link: &[u8]) -> Option<Url> {
        let text = std::str::from_utf8(link).ok().filter(|text| text.len() <= MAX_LINK_LENGTH)?;
        let url = match self.charset {
            Some(charset) if !text.is_ascii() => join_in(charset, &self.base, text.trim()),
            _ => self.base.join(text.trim()),
        };
        let mut url = url.ok()?;
        url.set_fragment(None);
        leave_user_out(&mut url);
        let fit = matches!(url.scheme(), "http" | "https") && url.as_str().len() <= MAX_LINK_LENGTH;
        (fit && url.has_host()).then_some(url)
    }
}

/// The URL of a link in a page of this charset: its query is in it, and all else in UTF-8 (WHATWG URL, "encoding").
fn join_in(charset: &'static Encoding, base: &Url, link: &str) -> Result<Url, url::ParseError> {
    Url::options().base_url(Some(base)).encoding_override(Some(&|query| encode(charset, query))).parse(link)
}

/// A query in a charset. What that does not hold is sent as a reference to the character, as browsers do.
fn encode<'a>(charset: &'static Encoding, query: &'a str) -> Cow<'a, [u8]> {
    let (encoded, _, lacks_some) = charset.encode(query);
    if !lacks_some {
        return encoded;
    }
    let mut encoded = Vec::new();
    for character in query.chars() {
        let mut room = [0; 4];
        match charset.encode(character.encode_utf8(&mut room)) {
            (bytes, _, false) => encoded.extend_from_slice(&bytes),
            (_, _, true) => encoded.extend(format!("%26%23{}%3B", u32::from(character)).bytes()),
        }
    }
    Cow::Owned(encoded)
}

/// What is written as a user is most often an address without its `mailto:`, and never sent.
fn leave_user_out(url: &mut Url) {
    if !url.username().is_empty() || url.password().is_some() {
        // They fail where there can be none.
        let _ = (url.set_username(""), url.set_password(None));
    }
}

/// Whether a link begins with the scheme of something that is no document of the web, such as `mailto:`.
fn leads_elsewhere(link: &[u8]) -> bool {
    let colon = link.iter().position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'-' | b'.'));
    colon.is_some_and(|colon| {
        let scheme = &link[..colon];
        link[colon] == b':'
            && scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && !scheme.eq_ignore_ascii_case(b"http")
            && !scheme.eq_ignore_ascii_case(b"https")
    })
}

/// Whether a link is a path that is part of its URL as it stands: it begins at the root, goes to no parent, and has no sign
/// that the URL standard would encode, or read otherwise, in a path or a query.
fn is_path(link: &[u8]) -> bool {
    let plain = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~' | b'?' | b'=' | b',' | b'+')
    };
    let begins = link.starts_with(b"/") && !link.starts_with(b"//");
    begins && link.iter().all(plain) && !link.windows(2).any(|pair| pair == b"/.")
}

#[cfg(test)]
mod tests;
