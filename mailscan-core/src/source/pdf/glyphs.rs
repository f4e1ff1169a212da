//! The names of glyphs, as fonts without a table of characters call them (Adobe Glyph List).
//!
//! Only those that can stand in an address or right beside one are here: ASCII, the letters of Latin scripts, and ligatures.

/// Names of more than one letter, in their order, and what they stand for.
const NAMES: [(&str, &str); 218] = [
    ("AE", "\u{c6}"),
    ("Aacute", "\u{c1}"),
    ("Abreve", "\u{102}"),
    ("Acircumflex", "\u{c2}"),
    ("Adieresis", "\u{c4}"),
    ("Agrave", "\u{c0}"),
    ("Aogonek", "\u{104}"),
    ("Aring", "\u{c5}"),
    ("Atilde", "\u{c3}"),
    ("Cacute", "\u{106}"),
    ("Ccaron", "\u{10c}"),
    ("Ccedilla", "\u{c7}"),
    ("Dcaron", "\u{10e}"),
    ("Dcroat", "\u{110}"),
    ("Eacute", "\u{c9}"),
    ("Ecaron", "\u{11a}"),
    ("Ecircumflex", "\u{ca}"),
    ("Edieresis", "\u{cb}"),
    ("Egrave", "\u{c8}"),
    ("Eogonek", "\u{118}"),
    ("Eth", "\u{d0}"),
    ("Euro", "\u{20ac}"),
    ("Gbreve", "\u{11e}"),
    ("Iacute", "\u{cd}"),
    ("Icircumflex", "\u{ce}"),
    ("Idieresis", "\u{cf}"),
    ("Idotaccent", "\u{130}"),
    ("Igrave", "\u{cc}"),
    ("Lslash", "\u{141}"),
    ("Nacute", "\u{143}"),
    ("Ncaron", "\u{147}"),
    ("Ntilde", "\u{d1}"),
    ("OE", "\u{152}"),
    ("Oacute", "\u{d3}"),
    ("Ocircumflex", "\u{d4}"),
    ("Odieresis", "\u{d6}"),
    ("Ograve", "\u{d2}"),
    ("Oslash", "\u{d8}"),
    ("Otilde", "\u{d5}"),
    ("Rcaron", "\u{158}"),
    ("Sacute", "\u{15a}"),
    ("Scaron", "\u{160}"),
    ("Scedilla", "\u{15e}"),
    ("Thorn", "\u{de}"),
    ("Uacute", "\u{da}"),
    ("Ucircumflex", "\u{db}"),
    ("Udieresis", "\u{dc}"),
    ("Ugrave", "\u{d9}"),
    ("Uring", "\u{16e}"),
    ("Yacute", "\u{dd}"),
    ("Ydieresis", "\u{178}"),
    ("Zacute", "\u{179}"),
    ("Zcaron", "\u{17d}"),
    ("Zdotaccent", "\u{17b}"),
    ("aacute", "\u{e1}"),
    ("abreve", "\u{103}"),
    ("acircumflex", "\u{e2}"),
    ("acute", "\u{b4}"),
    ("adieresis", "\u{e4}"),
    ("ae", "\u{e6}"),
    ("agrave", "\u{e0}"),
    ("ampersand", "&"),
    ("aogonek", "\u{105}"),
    ("aring", "\u{e5}"),
    ("asciicircum", "^"),
    ("asciitilde", "~"),
    ("asterisk", "*"),
    ("at", "@"),
    ("atilde", "\u{e3}"),
    ("backslash", "\\"),
    ("bar", "|"),
    ("braceleft", "{"),
    ("braceright", "}"),
    ("bracketleft", "["),
    ("bracketright", "]"),
    ("brokenbar", "\u{a6}"),
    ("bullet", "\u{2022}"),
    ("cacute", "\u{107}"),
    ("ccaron", "\u{10d}"),
    ("ccedilla", "\u{e7}"),
    ("cedilla", "\u{b8}"),
    ("cent", "\u{a2}"),
    ("circumflex", "\u{2c6}"),
    ("colon", ":"),
    ("comma", ","),
    ("commat", "@"),
    ("copyright", "\u{a9}"),
    ("currency", "\u{a4}"),
    ("dagger", "\u{2020}"),
    ("daggerdbl", "\u{2021}"),
    ("dcaron", "\u{10f}"),
    ("dcroat", "\u{111}"),
    ("degree", "\u{b0}"),
    ("dieresis", "\u{a8}"),
    ("divide", "\u{f7}"),
    ("dollar", "$"),
    ("dotlessi", "\u{131}"),
    ("eacute", "\u{e9}"),
    ("ecaron", "\u{11b}"),
    ("ecircumflex", "\u{ea}"),
    ("edieresis", "\u{eb}"),
    ("egrave", "\u{e8}"),
    ("eight", "8"),
    ("ellipsis", "\u{2026}"),
    ("emdash", "\u{2014}"),
    ("endash", "\u{2013}"),
    ("eogonek", "\u{119}"),
    ("equal", "="),
    ("eth", "\u{f0}"),
    ("exclam", "!"),
    ("exclamdown", "\u{a1}"),
    ("ff", "ff"),
    ("ffi", "ffi"),
    ("ffl", "ffl"),
    ("fi", "fi"),
    ("five", "5"),
    ("fl", "fl"),
    ("florin", "\u{192}"),
    ("four", "4"),
    ("fraction", "\u{2044}"),
    ("gbreve", "\u{11f}"),
    ("germandbls", "\u{df}"),
    ("grave", "`"),
    ("greater", ">"),
    ("guillemotleft", "\u{ab}"),
    ("guillemotright", "\u{bb}"),
    ("guilsinglleft", "\u{2039}"),
    ("guilsinglright", "\u{203a}"),
    ("hyphen", "-"),
    ("hyphenminus", "-"),
    ("iacute", "\u{ed}"),
    ("icircumflex", "\u{ee}"),
    ("idieresis", "\u{ef}"),
    ("igrave", "\u{ec}"),
    ("less", "<"),
    ("logicalnot", "\u{ac}"),
    ("lscript", "l"),
    ("lslash", "\u{142}"),
    ("macron", "\u{af}"),
    ("middot", "\u{b7}"),
    ("minus", "-"),
    ("mu", "\u{b5}"),
    ("multiply", "\u{d7}"),
    ("nacute", "\u{144}"),
    ("nbspace", " "),
    ("ncaron", "\u{148}"),
    ("nine", "9"),
    ("nonbreakingspace", " "),
    ("ntilde", "\u{f1}"),
    ("numbersign", "#"),
    ("oacute", "\u{f3}"),
    ("ocircumflex", "\u{f4}"),
    ("odieresis", "\u{f6}"),
    ("oe", "\u{153}"),
    ("ograve", "\u{f2}"),
    ("one", "1"),
    ("onehalf", "\u{bd}"),
    ("onequarter", "\u{bc}"),
    ("onesuperior", "\u{b9}"),
    ("ordfeminine", "\u{aa}"),
    ("ordmasculine", "\u{ba}"),
    ("oslash", "\u{f8}"),
    ("otilde", "\u{f5}"),
    ("paragraph", "\u{b6}"),
    ("parenleft", "("),
    ("parenright", ")"),
    ("percent", "%"),
    ("period", "."),
    ("periodcentered", "\u{b7}"),
    ("perthousand", "\u{2030}"),
    ("plus", "+"),
    ("plusminus", "\u{b1}"),
    ("question", "?"),
    ("questiondown", "\u{bf}"),
    ("quotedbl", "\""),
    ("quotedblbase", "\u{201e}"),
    ("quotedblleft", "\u{201c}"),
    ("quotedblright", "\u{201d}"),
    ("quoteleft", "\u{2018}"),
    ("quoteright", "\u{2019}"),
    ("quotesinglbase", "\u{201a}"),
    ("quotesingle", "'"),
    ("rcaron", "\u{159}"),
    ("registered", "\u{ae}"),
    ("sacute", "\u{15b}"),
    ("scaron", "\u{161}"),
    ("scedilla", "\u{15f}"),
    ("section", "\u{a7}"),
    ("semicolon", ";"),
    ("seven", "7"),
    ("sfthyphen", "-"),
    ("sharp_s", "\u{df}"),
    ("six", "6"),
    ("slash", "/"),
    ("space", " "),
    ("sterling", "\u{a3}"),
    ("thorn", "\u{fe}"),
    ("three", "3"),
    ("threequarters", "\u{be}"),
    ("threesuperior", "\u{b3}"),
    ("tilde", "\u{2dc}"),
    ("trademark", "\u{2122}"),
    ("two", "2"),
    ("twosuperior", "\u{b2}"),
    ("uacute", "\u{fa}"),
    ("ucircumflex", "\u{fb}"),
    ("udieresis", "\u{fc}"),
    ("ugrave", "\u{f9}"),
    ("underbar", "_"),
    ("underscore", "_"),
    ("uring", "\u{16f}"),
    ("yacute", "\u{fd}"),
    ("ydieresis", "\u{ff}"),
    ("yen", "\u{a5}"),
    ("zacute", "\u{17a}"),
    ("zcaron", "\u{17e}"),
    ("zdotaccent", "\u{17c}"),
    ("zero", "0"),
];

/// The most parts of a name that are looked at.
const MOST_PARTS: usize = 8;

/// What the glyph of a name stands for.
pub(super) fn text(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    // Behind a full stop stands a way to draw it, such as a small capital.
    let name = name.split_once('.').map_or(name, |(name, _)| name);
    let mut text = String::new();
    for part in name.split('_').take(MOST_PARTS) {
        text.push_str(&part_text(part)?);
    }
    Some(text).filter(|text| !text.is_empty())
}

fn part_text(name: &str) -> Option<String> {
    if name.len() == 1 {
        return Some(name.to_owned());
    }
    if let Ok(found) = NAMES.binary_search_by_key(&name, |(name, _)| name) {
        return Some(NAMES[found].1.to_owned());
    }
    let digits = name.strip_prefix("uni").filter(|digits| digits.len() >= 4 && digits.len().is_multiple_of(4));
    if let Some(digits) = digits.filter(|digits| digits.is_ascii()) {
        let units: Vec<u16> =
            (0..digits.len() / 4).filter_map(|at| u16::from_str_radix(&digits[at * 4..at * 4 + 4], 16).ok()).collect();
        return String::from_utf16(&units).ok();
    }
    let digits = name.strip_prefix('u').filter(|digits| (4..=6).contains(&digits.len()))?;
    u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_text() {
        assert!(NAMES.is_sorted());
        for (name, expected) in [
            ("at", "@"),
            ("period", "."),
            ("hyphen", "-"),
            ("underscore", "_"),
            ("plus", "+"),
            ("a", "a"),
            ("seven", "7"),
            ("uni0040", "@"),
            ("uni00660069", "fi"),
            ("u1F600", "\u{1f600}"),
            ("ffi", "ffi"),
            ("f_f_i", "ffi"),
            ("a.sc", "a"),
            ("udieresis", "\u{fc}"),
        ] {
            assert_eq!(text(name.as_bytes()).as_deref(), Some(expected), "{name}");
        }
        for name in ["", ".notdef", "g17", "uniD800", "uni004\u{e9}", "union", "u110000"] {
            assert_eq!(text(name.as_bytes()), None, "{name}");
        }
        assert_eq!(text(b"\xff"), None);
    }
}
