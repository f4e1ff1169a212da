//! The text of PDF files (ISO 32000): of each page, and of what the file says of itself.
//!
//! Takes the bytes of a file, from a disk, an archive or a server, and gives its text, to be searched as any other. Everything in
//! it is hostile: what is done for a file is counted and bounded (`work.rs`), and so is what is held of it. What is
//! damaged gives what can be read of it, and one line that says what is wrong.
//!
//! `lexer.rs` makes objects of bytes, `document.rs` finds them and what their streams say (`filter.rs`), `page.rs` finds the
//! pages, `content.rs` carries out what draws them with their fonts (`font.rs`, `cmap.rs`, `glyphs.rs`, `standard.rs`), and
//! `layout.rs` makes lines of what stands where. Pictures are not looked at, nor is what a program in a file would do.

mod cmap;
mod content;
mod crypt;
mod document;
mod filter;
mod font;
mod glyphs;
mod information;
mod layout;
mod lexer;
mod object;
mod page;
mod room;
mod standard;
mod strings;
mod work;

use std::time::Instant;

use content::Memory;
use document::Document;
use page::Tree;
pub(crate) use room::Room;
use work::Work;

/// What a PDF begins with.
pub(crate) const MAGIC: &[u8] = b"%PDF-";
/// The most bytes of a file that is read.
#[cfg(feature = "files")]
pub(crate) const LARGEST: usize = 64 << 20;
/// The most text that is taken of a page, and of a file.
const MOST_OF_PAGE: usize = 4 << 20;
const MOST_TEXT: usize = 16 << 20;

/// What is read of a file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Pdf {
    /// What it says of itself.
    pub(crate) information: String,
    /// The text of each page.
    pub(crate) pages: Vec<String>,
    /// What kind of file it is, if that is one that is not read.
    pub(crate) unread: Option<&'static str>,
    /// What is wrong with it, beside that.
    pub(crate) problem: Option<&'static str>,
}

/// The kinds that are not read.
#[cfg(feature = "files")]
pub(crate) const TOO_LARGE: &str = "pdf of more than 64 MiB";
const ENCRYPTED: &str = "encrypted pdf";
const NO_PDF: &str = "damaged pdf";
const NO_TEXT: &str = "pdf without text";

/// What a page is called within its file, by its number from 1 on (RFC 8118, section 3).
pub(crate) fn name_of_page(number: usize) -> String {
    format!("page={number}")
}

/// Reads a file, up to the deadline if there is one.
pub(crate) fn read(bytes: &[u8], deadline: Option<Instant>) -> Pdf {
    let document = Document::new(bytes, Work::new(bytes.len(), deadline));
    if document.is_locked() {
        return Pdf { unread: Some(ENCRYPTED), ..Pdf::default() };
    }
    if document.is_empty() {
        return Pdf { unread: Some(NO_PDF), problem: document.work.problem(), ..Pdf::default() };
    }
    let information = information::text(&document);
    let tree = Tree::of(&document);
    let (mut memory, mut pages, mut left) = (Memory::default(), Vec::new(), MOST_TEXT);
    for page in &tree.pages {
        if document.work.is_over() || left == 0 {
            break;
        }
        let text = tree.text(page, &document, &mut memory, left.min(MOST_OF_PAGE));
        left -= text.len().min(left);
        pages.push(text);
    }
    if memory.unread > memory.read / 8 && memory.read > 0 {
        document.note("some of its fonts do not tell which letters they show");
    }
    let is_silent = memory.read == 0 && document.problem().is_none();
    Pdf { information, pages, unread: is_silent.then_some(NO_TEXT), problem: document.problem() }
}

#[cfg(test)]
mod tests;
