//! Fonts, of which only two things count: which text a code stands for, and how wide it is.
//!
//! Takes the dictionary of a font (ISO 32000-1, sections 9.6 to 9.10). What its table of characters says counts first, then its
//! names of glyphs, then the encoding, which is ASCII in all that matters. A font that tells nothing of its letters is
//! none that can be read, and its codes are counted as such (`content.rs`).

use encoding_rs::Encoding;

use super::cmap::{CMap, CodeSpace, code};
use super::document::Document;
use super::object::{Dictionary, Object, Stream};
use super::{glyphs, standard};

/// How much is read of a table of characters, and of the program of a font.
const LONGEST_TABLE: usize = 4 << 20;
const LONGEST_PROGRAM: usize = 64 << 10;
/// The most widths that are kept of one font.
const MOST_WIDTHS: usize = 1 << 17;
/// The width of a letter of which nothing is known, in thousandths of its size.
const GUESSED: f64 = 500.0;

/// A font.
#[derive(Debug)]
pub(super) struct Font {
    codes: Codes,
    table: CMap,
    widths: Widths,
    /// What a unit of its widths is of its size.
    unit: f64,
    /// Whether its lines go down.
    pub(super) is_vertical: bool,
}

/// How its codes are told from each other, and what they stand for without a table.
#[derive(Debug)]
enum Codes {
    /// One byte each.
    Simple(Box<[Option<String>]>),
    /// As its encoding says: one that is part of the file, or two bytes each.
    Composite(CMap),
    /// As in a charset.
    Charset(&'static Encoding),
}

/// How wide its glyphs are.
#[derive(Debug)]
enum Widths {
    Simple {
        first: u32,
        widths: Vec<f32>,
        other: Option<f64>,
    },
    /// By ranges of glyphs, in their order.
    Composite {
        ranges: Vec<(u32, u32, f32)>,
        other: f64,
    },
    /// Those of the standard font of this name.
    Standard(Vec<u8>),
}

/// A code of a string.
#[derive(Debug, PartialEq)]
pub(super) struct Glyph {
    /// How many bytes it has.
    pub(super) length: usize,
    /// What it stands for, where that is told.
    pub(super) text: Option<String>,
    /// How far it goes, in units of the font's size.
    pub(super) width: f64,
    /// Whether that is only a guess.
    pub(super) is_guess: bool,
}

impl Font {
    /// Reads a font.
    pub(super) fn new(document: &Document<'_>, font: &Dictionary) -> Self {
        let table = match document.find(font, "ToUnicode").as_deref() {
            Some(Object::Stream(stream)) => table(document, stream),
            _ => CMap::default(),
        };
        if font.says("Subtype", "Type0") {
            return Self::composite(document, font, table);
        }
        let unit = match document.find(font, "FontMatrix").as_deref().and_then(Object::array) {
            Some([x, ..]) if font.says("Subtype", "Type3") => x.number().unwrap_or(0.001),
            _ => 0.001,
        };
        Self {
            codes: Codes::Simple(simple_codes(document, font)),
            table,
            widths: simple_widths(document, font),
            unit,
            is_vertical: false,
        }
    }

    fn composite(document: &Document<'_>, font: &Dictionary, table: CMap) -> Self {
        let (codes, is_vertical) = match document.find(font, "Encoding").as_deref() {
            Some(Object::Stream(stream)) => (
                Codes::Composite(self::table(document, stream)),
                stream.head.get("WMode").and_then(Object::count) == Some(1),
            ),
            Some(Object::Name(name)) => {
                let codes = charset(name).map_or_else(|| Codes::Composite(CMap::default()), Codes::Charset);
                (codes, name.ends_with(b"-V"))
            }
            _ => (Codes::Composite(CMap::default()), false),
        };
        let descendant = document.find(font, "DescendantFonts");
        let descendant = descendant.as_deref().and_then(Object::array).and_then(<[_]>::first);
        let descendant = descendant.map(|descendant| document.resolve(descendant));
        let widths = composite_widths(document, descendant.as_deref().and_then(Object::dictionary));
        Self { codes, table, widths, unit: 0.001, is_vertical }
    }

    /// How many entries it takes memory for.
    pub(super) fn len(&self) -> usize {
        let widths = match &self.widths {
            Widths::Simple { widths, .. } => widths.len(),
            Widths::Composite { ranges, .. } => ranges.len(),
            Widths::Standard(_) => 0,
        };
        let codes = match &self.codes {
            Codes::Simple(codes) => codes.len(),
            Codes::Composite(cmap) => cmap.len(),
            Codes::Charset(_) => 0,
        };
        widths + codes + self.table.len()
    }

    /// The first code of a string that is not empty.
    pub(super) fn first(&self, string: &[u8]) -> Glyph {
        let length = self.length(string).clamp(1, string.len().max(1));
        let bytes = string.get(..length).unwrap_or_default();
        let code = code(bytes);
        let text = self.table.text(code).or_else(|| match &self.codes {
            Codes::Simple(texts) => texts.get(code as usize)?.clone(),
            Codes::Composite(_) => None,
            Codes::Charset(encoding) => Some(encoding.decode_without_bom_handling(bytes).0.into_owned()),
        });
        let width = if self.is_vertical { Some(1_000.0) } else { self.width(code, length, text.as_deref()) };
        Glyph { length, width: width.unwrap_or(GUESSED) * self.unit, is_guess: width.is_none(), text }
    }

    /// How long the first code is.
    fn length(&self, string: &[u8]) -> usize {
        match &self.codes {
            Codes::Simple(_) => 1,
            Codes::Composite(cmap) if cmap.lengths.is_empty() => 2,
            Codes::Composite(cmap) => {
                let is_in = |space: &&CodeSpace| {
                    string.get(..space.length).is_some_and(|bytes| (space.first..=space.last).contains(&code(bytes)))
                };
                let shortest = || cmap.lengths.iter().map(|space| space.length).min().unwrap_or(1);
                cmap.lengths.iter().find(is_in).map_or_else(shortest, |space| space.length)
            }
            Codes::Charset(encoding) if *encoding == encoding_rs::UTF_16BE => 2,
            // The first byte of two is beyond ASCII in all of them; those of half-width Katakana stand alone.
            Codes::Charset(encoding) => match string.first() {
                Some(0..=0x80) => 1,
                Some(0xa1..=0xdf) if *encoding == encoding_rs::SHIFT_JIS => 1,
                _ => 2,
            },
        }
    }

    fn width(&self, code: u32, length: usize, text: Option<&str>) -> Option<f64> {
        match &self.widths {
            Widths::Simple { first, widths, other } => {
                let width = code.checked_sub(*first).and_then(|index| widths.get(index as usize));
                width.map(|width| f64::from(*width)).or(*other)
            }
            Widths::Composite { ranges, other } => {
                let glyph = match &self.codes {
                    Codes::Composite(cmap) => cmap.glyph(code).unwrap_or(code),
                    Codes::Charset(_) => return (length > 1).then_some(*other),
                    Codes::Simple(_) => code,
                };
                let end = ranges.partition_point(|(first, ..)| *first <= glyph);
                let range = ranges[..end].last().filter(|(_, last, _)| glyph <= *last);
                Some(range.map_or(*other, |(.., width)| f64::from(*width)))
            }
            Widths::Standard(name) => standard::width(name, text?.chars().next()?),
        }
    }
}

/// Reads a table, and the one that it goes on from.
fn table(document: &Document<'_>, stream: &Stream) -> CMap {
    CMap::parse(&document.decode(stream, LONGEST_TABLE).bytes, &document.work)
}

/// The charset that the encoding of a name is one of (table 118), for those that are no order of glyphs.
fn charset(name: &[u8]) -> Option<&'static Encoding> {
    let name = std::str::from_utf8(name).ok()?;
    let is = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if name.starts_with("Uni") {
        return is(&["UCS2", "UTF16"]).then_some(encoding_rs::UTF_16BE);
    }
    match () {
        () if is(&["RKSJ"]) => Some(encoding_rs::SHIFT_JIS),
        () if is(&["GBK", "GB-EUC", "GBpc"]) => Some(encoding_rs::GBK),
        () if is(&["B5", "HKscs"]) => Some(encoding_rs::BIG5),
        () if is(&["KSC"]) => Some(encoding_rs::EUC_KR),
        () => None,
    }
}

/// The ligatures of TeX's own encodings (OT1 and T1), where ASCII has no letters.
const TEX_LIGATURES: [(usize, &str); 10] = [
    (11, "ff"),
    (12, "fi"),
    (13, "fl"),
    (14, "ffi"),
    (15, "ffl"),
    (27, "ff"),
    (28, "fi"),
    (29, "fl"),
    (30, "ffi"),
    (31, "ffl"),
];

/// What each code of a font of single bytes stands for.
fn simple_codes(document: &Document<'_>, font: &Dictionary) -> Box<[Option<String>]> {
    let encoding = document.find(font, "Encoding");
    let named = match encoding.as_deref() {
        Some(Object::Name(name)) => Some(name.clone()),
        Some(Object::Dictionary(dictionary)) => {
            dictionary.get("BaseEncoding").and_then(Object::name).map(<[u8]>::to_vec)
        }
        _ => None,
    };
    let charset = match named.as_deref() {
        Some(b"MacRomanEncoding") => encoding_rs::MACINTOSH,
        _ => encoding_rs::WINDOWS_1252,
    };
    let mut texts: Vec<Option<String>> = (0..=u8::MAX)
        .map(|code| {
            let (text, _) = charset.decode_without_bom_handling(std::slice::from_ref(&code));
            (code >= 0x20 && code != 0x7f).then(|| text.into_owned())
        })
        .collect();
    if named.is_none() {
        // The ligatures of StandardEncoding, which is what such a font has where its program says nothing else.
        (texts[0xae], texts[0xaf]) = (Some("fi".to_owned()), Some("fl".to_owned()));
        builtin(document, font, &mut texts);
    }
    let differences =
        encoding.as_deref().and_then(Object::dictionary).and_then(|own| document.find(own, "Differences"));
    let names = || named_codes(differences.as_deref().and_then(Object::array).unwrap_or_default());
    // The bitmaps of TeX are called by their codes, and stand where ASCII has them.
    let is_by_code = |(code, name): (usize, &[u8])| {
        name == b".notdef" || name.strip_prefix(b"a").is_some_and(|rest| rest == code.to_string().as_bytes())
    };
    if font.says("Subtype", "Type3") && names().all(is_by_code) {
        for (code, ligature) in TEX_LIGATURES {
            texts[code] = Some(ligature.to_owned());
        }
        return texts.into();
    }
    for (code, name) in names() {
        if let Some(text) = texts.get_mut(code) {
            *text = glyphs::text(name);
        }
    }
    texts.into()
}

/// The names of glyphs in a list of differences, each with its code.
fn named_codes(differences: &[Object]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut next = 0_usize;
    differences.iter().filter_map(move |object| match object {
        Object::Name(name) => {
            let code = next;
            next = next.saturating_add(1);
            Some((code, &name[..]))
        }
        other => {
            next = other.count().unwrap_or(next);
            None
        }
    })
}

/// The encoding that stands in the program of a Type 1 font: `dup 64 /at put`.
fn builtin(document: &Document<'_>, font: &Dictionary, texts: &mut [Option<String>]) {
    let Some(descriptor) = document.dictionary(font, "FontDescriptor") else { return };
    let Some(program) = document.find(&descriptor, "FontFile") else { return };
    let Some(program) = program.stream() else { return };
    let program = document.decode(program, LONGEST_PROGRAM).bytes;
    let clear = memchr::memmem::find(&program, b"eexec").unwrap_or(program.len());
    let Some(begin) = memchr::memmem::find(&program[..clear], b"/Encoding") else { return };
    let mut words = program[begin..clear].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        match word {
            b"dup" => {
                let code = words.next().and_then(|code| std::str::from_utf8(code).ok()?.parse::<usize>().ok());
                let name = words.next().and_then(|name| name.strip_prefix(b"/"));
                if let Some((code, name)) = code.zip(name)
                    && let Some(text) = texts.get_mut(code)
                {
                    *text = glyphs::text(name);
                }
            }
            b"def" | b"readonly" => return,
            _ => {}
        }
    }
}

fn simple_widths(document: &Document<'_>, font: &Dictionary) -> Widths {
    let base = document.find(font, "BaseFont").and_then(|name| name.name().map(<[u8]>::to_vec)).unwrap_or_default();
    let widths = document.find(font, "Widths");
    let Some(widths) = widths.as_deref().and_then(Object::array) else { return Widths::Standard(base) };
    let first = document.find(font, "FirstChar").and_then(|first| first.count()).unwrap_or_default();
    let widths = widths.iter().take(256).map(|width| document.resolve(width).number().unwrap_or_default() as f32);
    let descriptor = document.dictionary(font, "FontDescriptor").unwrap_or_default();
    let other = document.find(&descriptor, "MissingWidth").and_then(|width| width.number());
    Widths::Simple { first: u32::try_from(first).unwrap_or_default(), widths: widths.collect(), other }
}

/// The widths of glyphs (9.7.4.3): `first [width ...]` and `first last width`.
fn composite_widths(document: &Document<'_>, font: Option<&Dictionary>) -> Widths {
    let other = font.and_then(|font| document.find(font, "DW")).and_then(|width| width.number()).unwrap_or(1_000.0);
    let widths = font.and_then(|font| document.find(font, "W"));
    let mut rest = widths.as_deref().and_then(Object::array).unwrap_or_default();
    let mut ranges = Vec::new();
    let glyph = |object: &Object| object.count().and_then(|glyph| u32::try_from(glyph).ok());
    while let [first, second, behind @ ..] = rest {
        let Some(first) = glyph(first) else {
            rest = &rest[1..];
            continue;
        };
        match (&*document.resolve(second), behind) {
            (Object::Array(widths), _) => {
                let each = (first..).zip(widths).take(MOST_WIDTHS.saturating_sub(ranges.len()));
                ranges.extend(each.map(|(glyph, width)| (glyph, glyph, width.number().unwrap_or(other) as f32)));
                rest = behind;
            }
            (last, [width, behind @ ..]) => {
                if let (Some(last), Some(width)) = (glyph(last), width.number())
                    && ranges.len() < MOST_WIDTHS
                {
                    ranges.push((first, last, width as f32));
                }
                rest = behind;
            }
            _ => break,
        }
    }
    ranges.sort_by_key(|(first, ..)| *first);
    Widths::Composite { ranges, other }
}
