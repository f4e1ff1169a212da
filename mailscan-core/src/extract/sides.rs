//! The sides of an `@`: how far what may be its local part and its domain reach, told for all their bytes at once.
//!
//! Takes the position of a raw `@` and answers for the shape that most addresses have, which is short, lower case in its
//! domain, and without a sign that any rule of the grammar looks at twice. It says nothing of any other;
//! [`super::plain`] then goes over the bytes one by one.

use fearless_simd::prelude::*;
use fearless_simd::{Simd, u8x32};

/// How many bytes of each side are looked at.
const WIDTH: usize = 32;

/// Two sides of the usual shape.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sides {
    /// How many bytes before the `@` are letters, digits, `.`, `-`, `_` and `+`: some, no dot at an end or beside
    /// another, and a letter or a digit first.
    pub(super) local: usize,
    /// How many bytes after the `@` are labels of lower-case letters, digits and lone hyphens, at least two, the first
    /// of them beginning with a letter.
    pub(super) domain: usize,
    /// How many bytes after the `@` the last label begins.
    pub(super) top: usize,
}

impl Sides {
    /// The sides of the `@` at `at`, where they have the usual shape and end well within the document.
    #[inline(always)]
    pub(super) fn of<S: Simd>(simd: S, document: &[u8], at: usize) -> Option<Self> {
        let left = document.get(..at)?.last_chunk()?;
        let right = document.get(at + 1..)?.first_chunk()?;
        let (local, domain) = (Signs::of(simd, left), Signs::of(simd, right));
        let (domain, top) = domain.domain_length()?;
        Some(Self { local: local.local_length()?, domain, top })
    }
}

/// What each of the bytes is, a bit each, the lowest for the first.
struct Signs {
    lower: u32,
    upper: u32,
    digit: u32,
    dot: u32,
    hyphen: u32,
    /// `_` or `+`.
    other: u32,
}

impl Signs {
    #[inline(always)]
    fn of<S: Simd>(simd: S, bytes: &[u8; WIDTH]) -> Self {
        let bytes = u8x32::from_slice(simd, bytes);
        Self {
            lower: within(bytes, b'a', 26),
            upper: within(bytes, b'A', 26),
            digit: within(bytes, b'0', 10),
            dot: are(bytes, b'.'),
            hyphen: are(bytes, b'-'),
            other: are(bytes, b'_') | are(bytes, b'+'),
        }
    }

    /// The length of the local part at the end of the bytes.
    #[inline(always)]
    fn local_length(&self) -> Option<usize> {
        let word = self.lower | self.upper | self.digit;
        let length = (word | self.dot | self.hyphen | self.other).leading_ones();
        let first = 1_u32.checked_shl(u32::BITS.checked_sub(length)?)?;
        let dots = self.dot & first.wrapping_neg();
        let well_formed = word & first != 0 && dots & (dots << 1) == 0 && dots.leading_zeros() > 0;
        // Where all of the bytes are part of it, so may be the one before.
        (well_formed && (length as usize) < WIDTH).then_some(length as usize)
    }

    /// The length of the domain at the beginning of the bytes, and where its last label begins.
    #[inline(always)]
    fn domain_length(&self) -> Option<(usize, usize)> {
        let length = (self.lower | self.upper | self.digit | self.dot | self.hyphen).trailing_ones();
        let run = 1_u32.checked_shl(length)? - 1;
        let (dots, signs) = (self.dot & run, (self.dot | self.hyphen) & run);
        let ends_with_sign = signs & !(run >> 1) != 0;
        let well_formed = self.upper & run == 0 && signs & (signs >> 1) == 0 && self.lower & 1 == 1 && !ends_with_sign;
        (well_formed && dots != 0).then_some((length as usize, (u32::BITS - dots.leading_zeros()) as usize))
    }
}

/// Which bytes are one of the `count` from `first` on.
#[inline(always)]
fn within<S: Simd>(bytes: u8x32<S>, first: u8, count: u8) -> u32 {
    // A byte below the first wraps around to far above the last.
    (bytes - first).simd_lt(count).to_bitmask() as u32
}

/// Which bytes are this sign.
#[inline(always)]
fn are<S: Simd>(bytes: u8x32<S>, sign: u8) -> u32 {
    bytes.simd_eq(sign).to_bitmask() as u32
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    fn of(document: &[u8], at: usize) -> Option<Sides> {
        dispatch!(Level::new(), simd => Sides::of(simd, document, at))
    }

    /// The sides of the last `@` of the text in a document of nothing but `#`.
    fn sides(text: &str) -> Option<(&str, &str, &str)> {
        let around = "#".repeat(2 * WIDTH);
        let document = format!("{around}{text}{around}");
        let at = text.rfind('@').unwrap();
        let Sides { local, domain, top } = of(document.as_bytes(), around.len() + at)?;
        Some((&text[at - local..at], &text[at + 1..at + 1 + domain], &text[at + 1 + top..at + 1 + domain]))
    }

    #[test]
    fn the_usual_shape() {
        assert_eq!(sides("ann@a.org"), Some(("ann", "a.org", "org")));
        assert_eq!(sides(" Ann.L-e_e+1@m-1.a.co.uk>"), Some(("Ann.L-e_e+1", "m-1.a.co.uk", "uk")));
        assert_eq!(sides("1@a.b"), Some(("1", "a.b", "b")));
        let (local, domain) = ("a".repeat(WIDTH - 1), format!("{}.org", "b".repeat(WIDTH - 5)));
        let longest = format!("{local}@{domain}");
        assert_eq!(sides(&longest), Some((&*local, &*domain, "org")));
    }

    #[test]
    fn any_other_is_left() {
        let others = "@a.org ann.@a.org .ann@a.org -ann@a.org +ann@a.org _ann@a.org a..b@a.org ann@ ann@a ann@.org \
                      ann@a..org ann@a.-b.org ann@a-.org ann@a--b.org ann@a.org. ann@a.org- ann@-a.org ann@1.org \
                      ann@A.org ann@a.Org aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@a.org ann@bbbbbbbbbbbbbbbbbbbbbbbbbbbb.org";
        for other in others.split_whitespace() {
            assert_eq!(sides(other), None, "{other}");
        }
        assert_eq!(of(b"ann@a.org", 3), None, "at the ends of a document");
    }
}
