//! The pages of a file, in their order, and the text of each.
//!
//! Takes the tree of pages (ISO 32000-1, section 7.7.3) as far as it holds, and gives of a page what its content shows and what its
//! annotations say: where links lead, notes, what fields of forms hold. Each of these is a line of its own.

use std::collections::HashSet;

use super::content::{Drawing, LONGEST_CONTENT, Memory};
use super::document::Document;
use super::object::{Dictionary, Object, Reference};
use super::strings;

/// The most pages of a file.
const MOST_PAGES: usize = 1 << 16;
/// The most annotations of a page.
const MOST_ANNOTATIONS: usize = 1 << 14;
/// How many of those that a field is part of are asked for its name and value.
const MOST_PARENTS: usize = 4;

/// A page that was found.
#[derive(Debug)]
pub(super) struct Found {
    number: Reference,
    /// Which of the resources that its parents have are its own.
    inherited: Option<usize>,
}

/// Finds the pages of files.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) pages: Vec<Found>,
    /// The resources of nodes, which the pages below them inherit.
    resources: Vec<Object>,
    /// Whether there is a page that the tree names and the file does not hold.
    is_broken: bool,
}

impl Tree {
    /// The pages of a file: those of its tree, and where that is broken all others that there are.
    pub(super) fn of(document: &Document<'_>) -> Self {
        let mut this = Self::default();
        let mut seen = HashSet::new();
        let catalog = document.dictionary(&document.trailer, "Root");
        match catalog.as_ref().and_then(|catalog| catalog.get("Pages")).and_then(Object::reference) {
            Some(root) => this.walk(document, root, &mut seen),
            None => this.is_broken = true,
        }
        if this.is_broken || this.pages.is_empty() {
            document.note("its list of pages is missing or damaged");
            this.find_others(document, &mut seen);
        }
        this
    }

    fn walk(&mut self, document: &Document<'_>, root: Reference, seen: &mut HashSet<Reference>) {
        let mut waiting = vec![(root, None)];
        while let Some((number, inherited)) = waiting.pop() {
            if !seen.insert(number) || document.work.is_over() {
                continue;
            }
            let node = document.object(number);
            let Some(Object::Dictionary(mut node)) = node else {
                self.is_broken = true;
                continue;
            };
            let Some(kids) = document.find(&node, "Kids").map(std::borrow::Cow::into_owned) else {
                self.add(document, number, inherited);
                continue;
            };
            let inherited = node.remove("Resources").map_or(inherited, |resources| {
                self.resources.push(resources);
                Some(self.resources.len() - 1)
            });
            let kids = kids.array().unwrap_or_default().iter().rev().filter_map(Object::reference);
            waiting.extend(kids.map(|kid| (kid, inherited)));
        }
    }

    fn find_others(&mut self, document: &Document<'_>, seen: &mut HashSet<Reference>) {
        for number in document.numbers() {
            let is_page = || {
                document
                    .object(number)
                    .is_some_and(|object| object.dictionary().is_some_and(|page| page.says("Type", "Page")))
            };
            if !document.work.is_over() && !seen.contains(&number) && is_page() {
                seen.insert(number);
                self.add(document, number, None);
            }
        }
    }

    fn add(&mut self, document: &Document<'_>, number: Reference, inherited: Option<usize>) {
        if self.pages.len() == MOST_PAGES {
            document.note("it has more than 65,536 pages");
        } else {
            self.pages.push(Found { number, inherited });
        }
    }

    /// The text of a page, of which at most so many bytes are taken.
    pub(super) fn text(&self, page: &Found, document: &Document<'_>, memory: &mut Memory, most: usize) -> String {
        let Some(Object::Dictionary(dictionary)) = document.object(page.number) else { return String::new() };
        let inherited = page.inherited.and_then(|index| self.resources.get(index));
        let resources = dictionary.get("Resources").or(inherited).map(|resources| document.resolve(resources));
        let resources = resources.as_deref().and_then(Object::dictionary).cloned().unwrap_or_default();
        let mut drawing = Drawing::new(document, memory, most);
        drawing.page(&content(document, &dictionary), &resources);
        annotations(document, &dictionary, &mut drawing);
        if drawing.layout.is_full {
            document.note("it holds more text than is taken of one file");
        }
        drawing.layout.into_text()
    }
}

/// The content of a page, which may be in parts that are one program.
fn content(document: &Document<'_>, page: &Dictionary) -> Vec<u8> {
    let Some(contents) = document.find(page, "Contents") else { return Vec::new() };
    let mut content = Vec::new();
    for part in contents.array().unwrap_or(std::slice::from_ref(&*contents)) {
        let part = document.resolve(part);
        let Some(stream) = part.stream() else { continue };
        let decoded = document.decode(stream, LONGEST_CONTENT - content.len());
        if decoded.is_part {
            document.note("the content of a page is damaged or too large");
        }
        content.extend_from_slice(&decoded.bytes);
        if content.len() >= LONGEST_CONTENT {
            break;
        }
        content.push(b'\n');
    }
    content
}

fn annotations(document: &Document<'_>, page: &Dictionary, drawing: &mut Drawing<'_, '_>) {
    let annotations = document.find(page, "Annots");
    for annotation in annotations.as_deref().and_then(Object::array).unwrap_or_default().iter().take(MOST_ANNOTATIONS) {
        if document.work.is_over() {
            return;
        }
        if let Some(annotation) = document.resolve(annotation).dictionary() {
            for text in said(document, annotation) {
                drawing.layout.line(&text);
            }
            // What a stamp or a field shows may stand nowhere else.
            let looks = document.dictionary(annotation, "AP");
            if let Some(look) = looks.as_ref().and_then(|looks| looks.get("N")) {
                drawing.appearance(look);
            }
        }
    }
}

/// What an annotation says.
fn said(document: &Document<'_>, annotation: &Dictionary) -> Vec<String> {
    let string =
        |of: &Dictionary, name: &str| document.find(of, name).and_then(|object| object.string().map(strings::text));
    let mut said = Vec::new();
    if let Some(action) = document.dictionary(annotation, "A") {
        said.extend(string(&action, "URI"));
    }
    said.extend(string(annotation, "Contents"));
    let mut field = Some(annotation.clone());
    for _ in 0..MOST_PARENTS {
        let Some(part) = field else { break };
        said.extend(string(&part, "T"));
        said.extend(string(&part, "V"));
        field = document.dictionary(&part, "Parent");
    }
    said.retain(|text| !text.trim().is_empty());
    said
}
