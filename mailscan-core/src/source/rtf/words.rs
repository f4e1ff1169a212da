//! Control words of RTF (version 1.9.1), as far as they matter for what the text is, and the charsets that they name.

use encoding_rs::{
    BIG5, EUC_KR, Encoding, GBK, MACINTOSH, SHIFT_JIS, WINDOWS_874, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252,
    WINDOWS_1253, WINDOWS_1254, WINDOWS_1255, WINDOWS_1256, WINDOWS_1257, WINDOWS_1258,
};

use crate::extract::charset::of_label;

/// What a group is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Text,
    /// What comes behind its paragraph.
    Aside,
    /// The table of fonts.
    Fonts,
    /// What is not read.
    Nothing,
}

/// What a control word does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It begins such a part, also where it may be ignored.
    Part(Of),
    /// It begins one of what comes behind the paragraph, in which each group is a text of its own.
    List,
    Character(char),
    /// It ends a paragraph, a line or a cell.
    End,
    /// What follows was deleted, unless its number is 0.
    Deleted,
    /// The character with its number.
    Unicode,
    /// How many characters stand in for one of these.
    Fallback,
    Binary,
    CodePage,
    Macintosh,
    Font,
    /// What follows looks as at first.
    Plain,
    /// The charset of a font.
    Charset,
    /// What follows stands in a tag of HTML as well, unless its number is 0.
    Double,
    Other,
}

/// What the word with this name does.
pub(super) fn of(name: &[u8]) -> Word {
    match name {
        b"par" | b"line" | b"sect" | b"page" | b"column" | b"row" | b"cell" | b"nestrow" | b"nestcell"
        | b"softline" | b"softpage" => Word::End,
        b"u" => Word::Unicode,
        b"uc" => Word::Fallback,
        b"f" => Word::Font,
        b"plain" => Word::Plain,
        b"tab" => Word::Character('\t'),
        b"emspace" | b"enspace" | b"qmspace" => Word::Character(' '),
        b"emdash" => Word::Character('\u{2014}'),
        b"endash" => Word::Character('\u{2013}'),
        b"lquote" => Word::Character('\u{2018}'),
        b"rquote" => Word::Character('\u{2019}'),
        b"ldblquote" => Word::Character('\u{201c}'),
        b"rdblquote" => Word::Character('\u{201d}'),
        b"bullet" => Word::Character('\u{2022}'),
        b"deleted" => Word::Deleted,
        b"bin" => Word::Binary,
        b"ansicpg" => Word::CodePage,
        b"mac" => Word::Macintosh,
        b"fcharset" => Word::Charset,
        b"htmlrtf" => Word::Double,
        b"htmltag" => Word::Part(Of::Text),
        b"docvar" => Word::List,
        b"fonttbl" => Word::Part(Of::Fonts),
        _ if ASIDE.contains(&name) => Word::Part(Of::Aside),
        _ if NOTHING.contains(&name) => Word::Part(Of::Nothing),
        _ => Word::Other,
    }
}

/// What is read and no part of the paragraph that it stands in: what a field does, notes and comments, heads and feet of pages, text
/// boxes, fields of forms, what an index or a table of contents says, and what the document says of itself.
const ASIDE: [&[u8]; 46] = [
    b"fldinst",
    b"footnote",
    b"annotation",
    b"atnauthor",
    b"header",
    b"headerl",
    b"headerr",
    b"headerf",
    b"footer",
    b"footerl",
    b"footerr",
    b"footerf",
    b"shpinst",
    b"shptxt",
    b"dptxbxtext",
    b"xe",
    b"rxe",
    b"tc",
    b"tcn",
    b"sv",
    b"hl",
    b"hlsrc",
    b"hlloc",
    b"do",
    b"formfield",
    b"ffname",
    b"ffdeftext",
    b"ffentrytext",
    b"ffhelptext",
    b"ffstattext",
    b"ffl",
    b"info",
    b"title",
    b"subject",
    b"author",
    b"operator",
    b"keywords",
    b"comment",
    b"doccomm",
    b"company",
    b"manager",
    b"category",
    b"hlinkbase",
    b"userprops",
    b"staticval",
    b"linkval",
];

/// What is not read though no program may ignore it, and the second of what is there twice.
const NOTHING: [&[u8]; 8] =
    [b"colortbl", b"stylesheet", b"pict", b"shprslt", b"sn", b"filetbl", b"objdata", b"themedata"];

/// How many bytes follow of anything.
pub(super) fn length_of(number: Option<i32>) -> Option<u64> {
    number.and_then(|number| u64::try_from(number).ok()).filter(|length| *length > 0)
}

/// The encoding of a code page of Windows.
pub(super) fn code_page(number: i32) -> Option<&'static Encoding> {
    match number {
        10_000 => Some(MACINTOSH),
        _ => ["windows-", "cp", "ibm"].iter().find_map(|name| of_label(format!("{name}{number}").as_bytes())),
    }
}

/// The encoding of a charset of fonts; `None` for that of the document, and those of symbols.
pub(super) fn charset(number: i32) -> Option<&'static Encoding> {
    Some(match number {
        0 => WINDOWS_1252,
        77 => MACINTOSH,
        128 => SHIFT_JIS,
        129 => EUC_KR,
        134 => GBK,
        136 => BIG5,
        161 => WINDOWS_1253,
        162 => WINDOWS_1254,
        163 => WINDOWS_1258,
        177 => WINDOWS_1255,
        178 => WINDOWS_1256,
        186 => WINDOWS_1257,
        204 => WINDOWS_1251,
        222 => WINDOWS_874,
        238 => WINDOWS_1250,
        _ => return None,
    })
}
