//! Tables from the codes of a font to characters (CMaps; ISO 32000-1, sections 9.7.5 and 9.10.3).
//!
//! Takes the text of a table and gives what it says of codes: how long they are, which text they stand for, and which glyph. Ranges
//! stay ranges, so that a table of a few bytes cannot become a large one.

use super::lexer::{Item, Lexer};
use super::object::Object;
use super::work::Work;

/// The most entries that are kept of one table, and of texts the most bytes of one.
const MOST_ENTRIES: usize = 1 << 16;
const LONGEST_TEXT: usize = 64;

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CMap {
    /// The lengths that codes may have, by their first and last.
    pub(super) lengths: Vec<CodeSpace>,
    /// In the order of their first codes.
    texts: Vec<Texts>,
    glyphs: Vec<Glyphs>,
}

/// Codes of one length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CodeSpace {
    pub(super) length: usize,
    pub(super) first: u32,
    pub(super) last: u32,
}

/// Codes in a row whose texts differ by their last character.
#[derive(Clone, Debug, PartialEq)]
struct Texts {
    first: u32,
    last: u32,
    /// In UTF-16.
    text: Vec<u16>,
}

/// Codes in a row whose glyphs are in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Glyphs {
    first: u32,
    last: u32,
    glyph: u32,
}

impl CMap {
    /// Reads a table.
    pub(super) fn parse(text: &[u8], work: &Work) -> Self {
        let mut this = Self::default();
        let mut lexer = Lexer::new(text, 0);
        let mut operands = Vec::new();
        while let Some(item) = lexer.next() {
            match item {
                Item::Object(object) if operands.len() < MOST_ENTRIES => operands.push(object),
                Item::Object(_) => {}
                Item::Word(word) => {
                    this.take(word, &operands);
                    operands.clear();
                }
            }
        }
        work.spend(text.len());
        this.texts.sort_by_key(|texts| texts.first);
        this.glyphs.sort_by_key(|glyphs| glyphs.first);
        this
    }

    /// How many entries it takes memory for.
    pub(super) fn len(&self) -> usize {
        self.texts.len() + self.glyphs.len() + self.lengths.len()
    }

    /// The text of a code.
    pub(super) fn text(&self, code: u32) -> Option<String> {
        let end = self.texts.partition_point(|texts| texts.first <= code);
        // Ranges may lie in each other; a look at a few is enough for those that do.
        let texts = self.texts[..end].iter().rev().take(4).find(|texts| code <= texts.last)?;
        let mut text = texts.text.clone();
        let last = text.last_mut()?;
        *last = last.wrapping_add(u16::try_from(code - texts.first).ok()?);
        Some(String::from_utf16_lossy(&text))
    }

    /// The glyph of a code.
    pub(super) fn glyph(&self, code: u32) -> Option<u32> {
        let end = self.glyphs.partition_point(|glyphs| glyphs.first <= code);
        let glyphs = self.glyphs[..end].last().filter(|glyphs| code <= glyphs.last)?;
        glyphs.glyph.checked_add(code - glyphs.first)
    }

    /// Takes the entries that an operator ends.
    fn take(&mut self, operator: &[u8], entries: &[Object]) {
        if self.len() >= MOST_ENTRIES {
            return;
        }
        match operator {
            b"endcodespacerange" => {
                for pair in entries.chunks_exact(2) {
                    let (Some(first), Some(last)) = (pair[0].string(), pair[1].string()) else { continue };
                    if (1..=4).contains(&first.len()) && self.lengths.len() < 64 {
                        self.lengths.push(CodeSpace { length: first.len(), first: code(first), last: code(last) });
                    }
                }
            }
            b"endbfchar" => {
                for pair in entries.chunks_exact(2) {
                    let first = pair[0].string().map(code);
                    self.add(first, first, &pair[1]);
                }
            }
            b"endbfrange" => {
                for range in entries.chunks_exact(3) {
                    let (first, last) = (range[0].string().map(code), range[1].string().map(code));
                    match (&range[2], first) {
                        (Object::Array(texts), Some(first)) => {
                            for (code, text) in (first..=last.unwrap_or(first)).zip(texts) {
                                self.add(Some(code), Some(code), text);
                            }
                        }
                        (text, _) => self.add(first, last, text),
                    }
                }
            }
            b"endcidchar" => {
                for pair in entries.chunks_exact(2) {
                    let first = pair[0].string().map(code);
                    self.add_glyphs(first, first, &pair[1]);
                }
            }
            b"endcidrange" => {
                for range in entries.chunks_exact(3) {
                    self.add_glyphs(range[0].string().map(code), range[1].string().map(code), &range[2]);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, first: Option<u32>, last: Option<u32>, text: &Object) {
        let (Some((first, last)), Some(text)) = (first.zip(last), text.string()) else { return };
        if text.len() <= LONGEST_TEXT && self.texts.len() < MOST_ENTRIES {
            let text = match text {
                [byte] => vec![u16::from(*byte)],
                text => text.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect(),
            };
            self.texts.push(Texts { first, last, text });
        }
    }

    fn add_glyphs(&mut self, first: Option<u32>, last: Option<u32>, glyph: &Object) {
        let glyph = glyph.count().and_then(|glyph| u32::try_from(glyph).ok());
        if let (Some((first, last)), Some(glyph)) = (first.zip(last), glyph)
            && self.glyphs.len() < MOST_ENTRIES
        {
            self.glyphs.push(Glyphs { first, last, glyph });
        }
    }
}

/// A code by its bytes.
pub(super) fn code(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |code, byte| code << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cmap(text: &str) -> CMap {
        CMap::parse(text.as_bytes(), &Work::new(0, None))
    }

    #[test]
    fn characters_and_ranges_have_their_texts() {
        let table = cmap(
            "1 begincodespacerange <00> <FFFF> endcodespacerange\n\
             2 beginbfchar <01> <0040> <0002> <006600660069> endbfchar\n\
             3 beginbfrange <0003><0005><0061> <0010> <0012> [<0078> <00790079> <007A>] <20> <2f> <41> endbfrange",
        );
        let text = |code| table.text(code);
        assert_eq!(text(1).as_deref(), Some("@"));
        assert_eq!(text(2).as_deref(), Some("ffi"));
        assert_eq!((text(3).as_deref(), text(5).as_deref(), text(6)), (Some("a"), Some("c"), None));
        assert_eq!((text(0x11).as_deref(), text(0x12).as_deref()), (Some("yy"), Some("z")));
        assert_eq!((text(0x21).as_deref(), text(0)), (Some("B"), None));
        assert_eq!(table.lengths, [CodeSpace { length: 1, first: 0, last: 0xffff }]);
    }

    #[test]
    fn ranges_stay_small_and_surrogates_whole() {
        let table = cmap("beginbfrange <00000000> <FFFFFFFF> <0041> endbfrange beginbfchar <01> <D83DDE00> endbfchar");
        assert_eq!((table.len(), table.text(1).as_deref()), (2, Some("\u{1f600}")));
        assert_eq!(table.text(u32::MAX), None);
        let many = format!("beginbfchar {} endbfchar", "<01> <0041> ".repeat(200_000));
        assert!(cmap(&many).len() <= MOST_ENTRIES);
    }

    #[test]
    fn glyphs_are_in_a_row() {
        let table = cmap("begincidrange <20> <7e> 1 endcidrange begincidchar <81> 700 endcidchar");
        assert_eq!((table.glyph(0x22), table.glyph(0x81), table.glyph(0x82)), (Some(3), Some(700), None));
    }
}
