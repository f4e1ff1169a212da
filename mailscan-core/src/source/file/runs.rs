//! Documents of offices in XML: the text of a paragraph is one, however many runs it is written in.
//!
//! Takes a reader of a document's XML, such as `word/document.xml`, and gives a reader of the same text without the tags between the
//! runs of a paragraph: offices begin a run wherever a letter is bold or was written later, so addresses stand in several. What
//! parts texts (paragraphs, cells, line breaks) becomes a line break. What stands between runs and is no part of their text comes
//! behind the paragraph: what was deleted, the instructions of fields, and tags that may hold an address, such as links.

use std::io::{ErrorKind, Read, Result};

/// How much is read at a time.
const CHUNK: usize = 64 << 10;
/// How far into a document its first element is looked for.
const START: usize = 4 << 10;
/// The longest tag, and the most that is kept for the end of a paragraph.
const LONGEST: usize = 64 << 10;

/// The first elements of documents whose text is in runs: of Word (today's and that of 2003), Excel, PowerPoint, OpenDocument.
const ROOTS: [&[u8]; 22] = [
    b"w:document",
    b"w:hdr",
    b"w:ftr",
    b"w:footnotes",
    b"w:endnotes",
    b"w:comments",
    b"w:wordDocument",
    b"w:glossaryDocument",
    b"pkg:package",
    b"sst",
    b"worksheet",
    b"comments",
    b"p:sld",
    b"p:sldLayout",
    b"p:sldMaster",
    b"p:notes",
    b"p:notesMaster",
    b"p:cmLst",
    b"office:document",
    b"office:document-content",
    b"office:document-styles",
    b"office:document-meta",
];

/// How the namespaces of the formats begin that are of today's Office.
const OPEN_XML: &[u8] = b"http://schemas.openxmlformats.org/";

/// What parts texts, by names without their prefix.
const BREAKS: [&[u8]; 26] = [
    b"p",
    b"h",
    b"tab",
    b"br",
    b"cr",
    b"line-break",
    b"tc",
    b"tr",
    b"c",
    b"row",
    b"si",
    b"is",
    b"rPh",
    b"table-cell",
    b"list-item",
    b"txbxContent",
    b"footnote",
    b"endnote",
    b"note",
    b"annotation",
    b"comment",
    b"author",
    b"creator",
    b"date",
    b"moveFrom",
    b"moveTo",
];

/// Whether a document that begins so has its text in runs.
pub(super) fn are_in(start: &[u8]) -> bool {
    let start = &start[..start.len().min(START)];
    let Some(element) = first_element(start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start)) else { return false };
    let end = element.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'));
    let (name, rest) = element.split_at(end.unwrap_or(element.len()));
    // Many have an element of this name.
    let is_of_office = || name != b"comments" || memchr::memmem::find(rest, OPEN_XML).is_some();
    end.is_some() && ROOTS.contains(&name) && is_of_office()
}

/// What stands behind the `<` of the first element: after a declaration, comments and white space.
fn first_element(start: &[u8]) -> Option<&[u8]> {
    let mut rest = start.trim_ascii_start();
    loop {
        let end: &[u8] = match rest {
            [b'<', b'?', ..] => b"?>",
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            [b'<', b'!', ..] => b">",
            [b'<', element @ ..] => return Some(element),
            _ => return None,
        };
        let at = memchr::memmem::find(rest, end)?;
        rest = rest[at + end.len()..].trim_ascii_start();
    }
}

/// A reader of the texts.
pub(super) struct Runs<R> {
    reader: R,
    input: Vec<u8>,
    texts: Texts,
    given: usize,
    ended: bool,
}

impl<R: Read> Runs<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, input: vec![0; CHUNK], texts: Texts::default(), given: 0, ended: false }
    }
}

impl<R: Read> Read for Runs<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.given == self.texts.out.len() && !self.ended {
            self.texts.out.clear();
            self.given = 0;
            match self.reader.read(&mut self.input) {
                Ok(0) => {
                    self.ended = true;
                    self.texts.end();
                }
                Ok(count) => self.texts.push(&self.input[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let rest = &self.texts.out[self.given..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}

/// Whose text it is that comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Of {
    #[default]
    Paragraph,
    Deleted,
    Field,
}

/// What is made of the XML so far.
#[derive(Debug, Default)]
struct Texts {
    out: Vec<u8>,
    of: Of,
    /// What a tag holds until its end, which is no sign in quotes.
    tag: Option<Vec<u8>>,
    quote: Option<u8>,
    /// What comes behind the paragraph.
    deleted: Vec<u8>,
    field: Vec<u8>,
    tags: Vec<u8>,
}

impl Texts {
    fn push(&mut self, mut xml: &[u8]) {
        while !xml.is_empty() {
            if self.tag.is_some() {
                xml = self.push_tag(xml);
                continue;
            }
            let end = memchr::memchr(b'<', xml).unwrap_or(xml.len());
            self.text(&xml[..end]);
            xml = &xml[end..];
            if !xml.is_empty() {
                (self.tag, xml) = (Some(Vec::new()), &xml[1..]);
            }
        }
    }

    fn text(&mut self, text: &[u8]) {
        let kept = match self.of {
            Of::Paragraph => return self.out.extend_from_slice(text),
            Of::Deleted => &mut self.deleted,
            Of::Field => &mut self.field,
        };
        kept.extend_from_slice(text);
        if kept.len() > LONGEST {
            self.part();
        }
    }

    /// Takes more of a tag; answers what stands behind it.
    fn push_tag<'a>(&mut self, xml: &'a [u8]) -> &'a [u8] {
        let Some(mut tag) = self.tag.take() else { return xml };
        for (at, byte) in xml.iter().enumerate() {
            // A comment may hold anything.
            let is_markup = tag.starts_with(b"!") || tag.starts_with(b"?");
            match self.quote {
                Some(quote) if *byte == quote => self.quote = None,
                Some(_) => {}
                None if matches!(byte, b'"' | b'\'') && !is_markup => self.quote = Some(*byte),
                None if *byte == b'>' && is_whole(&tag) => {
                    self.tag(&tag);
                    return &xml[at + 1..];
                }
                None => {}
            }
            tag.push(*byte);
            if tag.len() > LONGEST {
                // None that any office writes.
                self.quote = None;
                self.keep_tag(&tag);
                self.part();
                return &xml[at + 1..];
            }
        }
        self.tag = Some(tag);
        &[]
    }

    /// What a tag means for the text.
    fn tag(&mut self, tag: &[u8]) {
        if let Some(text) = tag.strip_prefix(b"![CDATA[") {
            return self.text(text.strip_suffix(b"]]").unwrap_or(text));
        }
        let closes = tag.starts_with(b"/");
        let name = tag.strip_prefix(b"/").unwrap_or(tag);
        let end = name.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'/').unwrap_or(name.len());
        let name = &name[..end];
        let local = memchr::memchr(b':', name).map_or(name, |at| &name[at + 1..]);
        let opens = !closes && !tag.ends_with(b"/");
        match local {
            b"delText" => self.of = if opens { Of::Deleted } else { Of::Paragraph },
            b"instrText" | b"delInstrText" => self.of = if opens { Of::Field } else { Of::Paragraph },
            // The end of the instruction of a field.
            b"fldChar" => {
                let end = std::mem::take(&mut self.field);
                self.keep(&[&end]);
            }
            b"noBreakHyphen" => self.text(b"-"),
            b"s" if name.starts_with(b"text:") => self.text(b" "),
            _ if BREAKS.contains(&local) => self.part(),
            _ => {}
        }
        if memchr::memchr3(b'@', b'&', b'%', tag).is_some() {
            self.keep_tag(tag);
        }
    }

    fn keep_tag(&mut self, tag: &[u8]) {
        self.keep(&[b"<", tag, b">"]);
    }

    /// Keeps something for the end of the paragraph, on a line of its own.
    fn keep(&mut self, parts: &[&[u8]]) {
        let before = self.tags.len();
        parts.iter().for_each(|part| self.tags.extend_from_slice(part));
        if self.tags.len() > before {
            self.tags.push(b'\n');
        }
        if self.tags.len() > LONGEST {
            self.part();
        }
    }

    /// Ends a paragraph, with what belongs behind it.
    fn part(&mut self) {
        self.out.push(b'\n');
        for kept in [&mut self.deleted, &mut self.field, &mut self.tags] {
            if !kept.is_empty() {
                self.out.append(kept);
                self.out.push(b'\n');
            }
        }
    }

    /// Ends the document, which may be in the middle of anything.
    fn end(&mut self) {
        if let Some(tag) = self.tag.take() {
            self.keep_tag(&tag);
        }
        self.part();
    }
}

/// Whether what stands before a `>` is all of a tag.
fn is_whole(tag: &[u8]) -> bool {
    match tag {
        [b'!', b'-', b'-', rest @ ..] => rest.ends_with(b"--"),
        [b'!', b'[', ..] => tag.ends_with(b"]]"),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::extract::{Media, addresses};

    fn read(xml: &str) -> String {
        let mut text = String::new();
        Runs::new(xml.as_bytes()).read_to_string(&mut text).unwrap();
        text
    }

    fn found(xml: &str) -> Vec<String> {
        let (text, mut found) = (read(xml), Vec::new());
        addresses(text.as_bytes(), Media::Html, |finding| found.push(finding.address.as_str().to_owned()));
        found
    }

    #[test]
    fn documents_are_told_by_their_first_element() {
        for document in [
            "<?xml version=\"1.0\"?>\r\n<w:document xmlns:w=\"x\">",
            "<office:document-content>",
            "<!-- x --><sst count=\"3\">",
        ] {
            assert!(are_in(document.as_bytes()), "{document}");
        }
        for other in [
            "<html><p>",
            "<comments>",
            "<w>",
            "",
            "<sst",
            "<sstable>",
            "<a:b w:document=\"\">",
            "Subject: how to read <w:document in docx\n",
            "<html><w:document>",
        ] {
            assert!(!are_in(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn runs_of_a_paragraph_are_one_text() {
        let word = "<w:p><w:r><w:t>bob.</w:t></w:r><w:proofErr w:type=\"x\"/><w:r><w:t>miller</w:t></w:r>\
            <w:r><w:rPr><w:b/></w:rPr><w:t>@acme</w:t><w:noBreakHyphen/><w:softHyphen/><w:t>corp.org</w:t></w:r></w:p>";
        assert_eq!(found(word), ["bob.miller@acme-corp.org"]);
        let sheet = "<si><r><t>bob.</t></r><r><rPr><b/></rPr><t>lee@acme.org</t></r></si><si><t>x</t></si>";
        assert_eq!(found(sheet), ["bob.lee@acme.org"]);
        let slide = "<a:p><a:r><a:t>cy</a:t></a:r><a:r><a:rPr b=\"1\"/><a:t>@acme.org</a:t></a:r></a:p>";
        assert_eq!(found(slide), ["cy@acme.org"]);
        let open = "<text:p>dan<text:span a=\"b\">@ac</text:span>me.org</text:p>";
        assert_eq!(found(open), ["dan@acme.org"]);
    }

    #[test]
    fn what_parts_texts_parts_addresses() {
        for between in
            ["</w:p><w:p>", "<w:br/>", "<w:tab/>", "</w:tc><w:tc>", "<text:line-break/>", "<text:s/>", "</si><si>"]
        {
            assert_eq!(found(&format!("<w:t>ann@a.org{between}ben@b.org")), ["ann@a.org", "ben@b.org"], "{between}");
        }
    }

    #[test]
    fn what_is_no_part_of_the_text_comes_behind_it() {
        let changed = "<w:p><w:r><w:delText>ann</w:delText></w:r><w:r><w:t>bob</w:t></w:r><w:r><w:delText>@old.org</w:delText></w:r>\
            <w:r><w:t>@new.org</w:t></w:r></w:p>";
        assert_eq!(found(changed), ["bob@new.org", "ann@old.org"]);
        let field = "<w:p><w:t>to </w:t><w:fldChar w:t=\"begin\"/><w:instrText> HYPERLINK \"mailto:cy</w:instrText>\
            <w:instrText>@c.org\"</w:instrText><w:fldChar w:t=\"separate\"/><w:t>da</w:t><w:t>n@d.org</w:t></w:p>";
        assert_eq!(found(field), ["dan@d.org", "cy@c.org"]);
        let link = "<text:p>eve<text:a xlink:href=\"mailto:fay@f.org\">@e.org</text:a></text:p>";
        assert_eq!(found(link), ["eve@e.org", "fay@f.org"]);
        assert_eq!(found("<w:p><w:t>a<!-- > x@x.org --><![CDATA[<b@b.org>]]></w:t></w:p>")[0], "b@b.org");
    }

    #[test]
    fn what_comes_behind_a_paragraph_without_an_end_has_a_bound() {
        let field = format!("<w:instrText>{}</w:instrText><w:fldChar/>", "x".repeat(LONGEST / 2));
        let mut texts = Texts::default();
        (0..100).for_each(|_| texts.push(field.as_bytes()));
        assert!(texts.tags.len() <= LONGEST && texts.out.len() > 40 * LONGEST);
    }

    #[test]
    fn a_document_that_breaks_off_is_read_to_its_end() {
        assert_eq!(found("<w:p><w:t>ann@a.org</w:t><w:hyperlink x=\"mailto:ben@b.org"), ["ann@a.org", "ben@b.org"]);
        let long = format!("<w:p x=\"{}\"><w:t>ann@a.org", "y".repeat(3 * LONGEST));
        assert!(found(&long).contains(&"ann@a.org".to_owned()));
    }

    proptest! {
        #[test]
        fn how_much_is_read_at_a_time_changes_nothing(xml in "([<>\"'a@.;&/!\\[\\]-]|<w:p>|</w:t>|<w:delText>|<!--|-->){0,60}", step in 1..9_usize) {
            let mut texts = Texts::default();
            xml.as_bytes().chunks(step).for_each(|part| texts.push(part));
            texts.end();
            prop_assert_eq!(String::from_utf8(texts.out).unwrap(), read(&xml));
        }
    }
}
