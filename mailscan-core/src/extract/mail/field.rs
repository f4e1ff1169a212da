//! Fields: what a header says of the body after it: its type, charset, boundary and transfer encoding.

use encoding_rs::Encoding;

use super::super::charset;

/// The most bytes that are kept of a field.
const LONGEST: usize = 4 << 10;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Identity,
    QuotedPrintable,
    Base64,
}

/// What is to be read after a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Parts, between lines with this boundary.
    Parts(Vec<u8>),
    /// Another message.
    Message,
    /// Text, or what is no text.
    Leaf(Leaf),
}

/// A body that holds no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) coding: Coding,
    /// HTML or XML.
    pub(super) markup: bool,
    /// Whether the type says that it is text.
    pub(super) text: bool,
    pub(super) charset: Option<&'static Encoding>,
    /// Records, of which a long line is folded into several.
    pub(super) folded: bool,
}

impl Leaf {
    /// Text of which nothing is known.
    pub(super) fn unknown() -> Self {
        Self { coding: Coding::Identity, markup: false, text: true, charset: None, folded: false }
    }

    /// Records, such as a calendar's.
    pub(super) fn records() -> Self {
        Self { folded: true, ..Self::unknown() }
    }
}

/// The fields of a header that matter.
#[derive(Debug, Default)]
pub(super) struct Fields {
    kind: Option<Vec<u8>>,
    coding: Option<Vec<u8>>,
    last: Option<Last>,
}

/// Which field the next line may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Other,
    Kind,
    Coding,
}

impl Fields {
    /// Notes a line that begins a field.
    pub(super) fn begin(&mut self, content: &[u8]) {
        let is = |name: &[u8]| name_of(content).is_some_and(|found| found.eq_ignore_ascii_case(name));
        let last = if is(b"content-type") {
            Last::Kind
        } else if is(b"content-transfer-encoding") {
            Last::Coding
        } else {
            Last::Other
        };
        self.last = Some(last);
        let value = content.iter().position(|byte| *byte == b':').map_or(content, |colon| &content[colon + 1..]);
        // Of several fields of one name the last one counts.
        match last {
            Last::Other => {}
            Last::Kind => self.kind = None,
            Last::Coding => self.coding = None,
        }
        self.go_on(value);
    }

    /// Whether there was any.
    pub(super) fn is_begun(&self) -> bool {
        self.last.is_some()
    }

    /// Notes a line that goes on with the last field.
    pub(super) fn go_on(&mut self, content: &[u8]) {
        let field = match self.last {
            None | Some(Last::Other) => return,
            Some(Last::Kind) => self.kind.get_or_insert_default(),
            Some(Last::Coding) => self.coding.get_or_insert_default(),
        };
        let room = LONGEST.saturating_sub(field.len());
        field.extend_from_slice(&content[..content.len().min(room)]);
    }

    /// What the fields say.
    pub(super) fn body(&self) -> Body {
        let field = self.kind.as_deref().unwrap_or_default();
        let essence = essence(field);
        let (kind, subtype) = essence.split_once('/').unwrap_or((&essence, ""));
        let coding = self.coding();
        match (kind, subtype) {
            ("multipart", _) => {
                return parameter(field, b"boundary").map_or(Body::Leaf(Leaf::unknown()), Body::Parts);
            }
            ("message", "rfc822" | "global" | "news") | ("text", "rfc822-headers") if coding == Coding::Identity => {
                return Body::Message;
            }
            _ => {}
        }
        let markup = matches!(subtype, "html" | "xml") || subtype.ends_with("+xml");
        let text = markup || matches!(kind, "text" | "message" | "") || subtype.ends_with("json");
        let charset = parameter(field, b"charset").and_then(|label| charset::of_label(&label));
        let charset = charset.filter(|encoding| *encoding != encoding_rs::REPLACEMENT);
        let folded = matches!((kind, subtype), ("text", "calendar" | "vcard" | "x-vcard" | "directory"));
        Body::Leaf(Leaf { coding, markup, text, charset, folded })
    }

    /// Whether they say that the body is in base64.
    #[cfg(feature = "files")]
    pub(super) fn says_base64(&self) -> bool {
        self.coding() == Coding::Base64
    }

    fn coding(&self) -> Coding {
        let name = self.coding.as_deref().unwrap_or_default().to_ascii_lowercase();
        let has = |part: &[u8]| memchr::memmem::find(&name, part).is_some();
        if has(b"quoted-printable") {
            Coding::QuotedPrintable
        } else if has(b"base64") {
            Coding::Base64
        } else {
            Coding::Identity
        }
    }
}

/// The name of the field that a line begins with; `None` where it begins none.
pub(super) fn name_of(content: &[u8]) -> Option<&[u8]> {
    /// The longest name in use has about 40 characters.
    const LONGEST_NAME: usize = 80;
    let colon = content.iter().take(LONGEST_NAME).position(|byte| *byte == b':')?;
    let name = content[..colon].trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(name)
}

/// The type and subtype, in lower case.
fn essence(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == b';').unwrap_or(field.len());
    let end = field[..end].iter().position(|byte| *byte == b'(').unwrap_or(end);
    String::from_utf8_lossy(field[..end].trim_ascii()).to_ascii_lowercase()
}

/// The value of a parameter of this lower-case name, without its quotes.
fn parameter(field: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    // RFC 2231 numbers and marks names: `boundary*0`, `charset*`.
    let is_called = |found: &[u8]| {
        let star = found.iter().position(|byte| *byte == b'*').unwrap_or(found.len());
        found[..star].eq_ignore_ascii_case(name)
    };
    parameters(field).find(|(found, value)| is_called(found) && !value.is_empty()).map(|(_, value)| value)
}

/// The parameters of a field, each with its name as it is written and its value without quotes.
pub(super) fn parameters(field: &[u8]) -> impl Iterator<Item = (&[u8], Vec<u8>)> {
    let begin = field.iter().position(|byte| *byte == b';').unwrap_or(field.len());
    let mut rest = &field[begin..];
    std::iter::from_fn(move || {
        let after = rest.strip_prefix(b";")?;
        let equals = after.iter().position(|byte| matches!(byte, b'=' | b';'))?;
        let found = after[..equals].trim_ascii();
        let (value, then) = match after[equals] {
            b'=' => value(after[equals + 1..].trim_ascii_start()),
            _ => (Vec::new(), &after[equals..]),
        };
        rest = then;
        Some((found, value))
    })
}

/// The value that begins here, and the rest from the next semicolon on.
fn value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut value = Vec::new();
    let mut at = 0;
    if text.first() == Some(&b'"') {
        at = 1;
        while let Some(byte) = text.get(at).filter(|byte| **byte != b'"') {
            at += usize::from(*byte == b'\\');
            value.extend(text.get(at));
            at += 1;
        }
    }
    let end = text[at.min(text.len())..].iter().position(|byte| *byte == b';').map_or(text.len(), |end| at + end);
    if at == 0 {
        let token = &text[..end];
        // A comment, or a fold, ends what stands without quotes.
        let token = token.split(|byte| byte.is_ascii_whitespace() || *byte == b'(').next().unwrap_or_default();
        value.extend_from_slice(token);
    }
    (value, &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(header: &str) -> Body {
        let mut fields = Fields::default();
        for line in header.lines() {
            if line.starts_with([' ', '\t']) { fields.go_on(line.as_bytes()) } else { fields.begin(line.as_bytes()) }
        }
        fields.body()
    }

    fn parts(boundary: &str) -> Body {
        Body::Parts(boundary.as_bytes().to_vec())
    }

    #[test]
    fn boundaries_in_every_spelling() {
        assert_eq!(body("Content-Type: multipart/mixed; boundary=abc"), parts("abc"));
        assert_eq!(
            body("content-type:MULTIPART/mixed;charset=x;\n\tBoundary = \"a b;c\\\"d\" ; x=y"),
            parts("a b;c\"d")
        );
        assert_eq!(body("Content-Type: multipart/mixed; boundary=abc (comment)"), parts("abc"));
        assert_eq!(body("Content-Type: multipart/mixed;; boundary=\"abc"), parts("abc"));
        assert_eq!(body("Content-Type: multipart/mixed; boundary*0=abc"), parts("abc"));
        for none in ["Content-Type: multipart/mixed", "Content-Type: multipart/mixed; boundary=", ""] {
            assert_eq!(body(none), Body::Leaf(Leaf::unknown()), "{none}");
        }
    }

    #[test]
    fn types_charsets_and_encodings() {
        let Body::Leaf(leaf) =
            body("Content-Transfer-Encoding: Quoted-Printable\nContent-Type: text/html; charset=\"KOI8-R\"")
        else {
            panic!("a leaf")
        };
        assert_eq!((leaf.coding, leaf.markup, leaf.text), (Coding::QuotedPrintable, true, true));
        assert_eq!(leaf.charset, Some(encoding_rs::KOI8_R));
        assert_eq!(body("Content-Type: message/rfc822"), Body::Message);
        assert!(matches!(
            body("Content-Type: image/png\nContent-Transfer-Encoding:\n base64"),
            Body::Leaf(Leaf { coding: Coding::Base64, text: false, .. })
        ));
    }

    #[test]
    fn what_begins_a_field() {
        assert_eq!(name_of(b"Subject: x"), Some(&b"Subject"[..]));
        assert_eq!(name_of(b"Subject : x"), Some(&b"Subject"[..]));
        for none in ["", ":", " Subject: x", "no field", "two words: x", "ann@a.org"] {
            assert_eq!(name_of(none.as_bytes()), None, "{none}");
        }
    }
}
