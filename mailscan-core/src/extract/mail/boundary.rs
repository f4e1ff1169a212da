//! Boundaries: which lines part a message from the next, and the parts of a message from each other.

/// The most multiparts that may be open inside each other.
const DEEPEST: usize = 32;
/// The longest boundary. The standard allows 70 characters.
const LONGEST: usize = 256;

/// The boundaries of the multiparts that are open, the innermost last.
#[derive(Debug, Default)]
pub(super) struct Boundaries {
    open: Vec<Vec<u8>>,
}

/// What a boundary line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// A part begins.
    Next,
    /// The multipart ends.
    Close,
}

impl Boundaries {
    /// Opens a multipart, unless its boundary is none or there are too many already.
    pub(super) fn open(&mut self, boundary: &[u8]) {
        if !boundary.is_empty() && boundary.len() <= LONGEST && self.open.len() < DEEPEST {
            self.open.push(boundary.to_vec());
        }
    }

    /// Whether a line is the boundary of an open multipart. Those inside it are closed, and so is it itself where the
    /// line says so.
    pub(super) fn parting(&mut self, content: &[u8]) -> Option<Parting> {
        let rest = after_hyphens(content)?;
        for index in (0..self.open.len()).rev() {
            let parting = match rest.strip_prefix(self.open[index].as_slice()) {
                Some(after) if after.trim_ascii().is_empty() => Parting::Next,
                Some(after) if after.starts_with(b"--") => Parting::Close,
                _ => continue,
            };
            self.open.truncate(index + usize::from(parting == Parting::Next));
            return Some(parting);
        }
        None
    }

    /// Closes all.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}

/// What stands after the two hyphens that begin every boundary line.
pub(super) fn after_hyphens(content: &[u8]) -> Option<&[u8]> {
    content.strip_prefix(b"--")
}

/// Whether a line is one that begins a message in a file of many: `From ann@a.org Sat Jan  3 01:05:34 1996`.
pub(super) fn is_from_line(content: &[u8]) -> bool {
    let Some(rest) = content.strip_prefix(b"From ").filter(|rest| rest.len() < 512) else { return false };
    let words = || rest.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    words().any(is_time) && words().any(is_year)
}

/// `1:05`, `01:05` or `01:05:34`.
fn is_time(word: &[u8]) -> bool {
    let mut parts = word.split(|byte| *byte == b':');
    let number = |part: &[u8]| matches!(part.len(), 1 | 2) && part.iter().all(u8::is_ascii_digit);
    parts.clone().count() >= 2 && parts.all(number)
}

fn is_year(word: &[u8]) -> bool {
    word.len() == 4 && (word.starts_with(b"19") || word.starts_with(b"20")) && word.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_begins_a_message() {
        for line in [
            "From ann@a.org Sat Jan  3 01:05:34 1996",
            "From - Mon Mar 14 9:26:53 2022",
            "From ???@??? Tue Aug 02 11:22:33 2005 +0200",
            "From MAILER-DAEMON Fri Jul  8 12:08 2011",
        ] {
            assert!(is_from_line(line.as_bytes()), "{line}");
        }
        for line in
            ["From here on", "From: ann@a.org", ">From x Sat Jan  3 01:05:34 1996", "From 1:2 to 1999a", "From "]
        {
            assert!(!is_from_line(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn the_outer_boundary_closes_what_is_inside() {
        let mut boundaries = Boundaries::default();
        boundaries.open(b"outer");
        boundaries.open(b"inner");
        assert_eq!(boundaries.parting(b"--innermost"), None);
        assert_eq!(boundaries.parting(b"--inner  "), Some(Parting::Next));
        assert_eq!(boundaries.parting(b"--outer"), Some(Parting::Next));
        assert_eq!(boundaries.parting(b"--inner"), None);
        assert_eq!(boundaries.parting(b"--outer--"), Some(Parting::Close));
        assert_eq!(boundaries.parting(b"--outer"), None);
    }

    #[test]
    fn there_is_a_bound_to_what_is_kept() {
        let mut boundaries = Boundaries::default();
        for number in 0..10_000 {
            boundaries.open(format!("b{number}").as_bytes());
            boundaries.open(&[b'x'; LONGEST + 1]);
        }
        assert_eq!(boundaries.open.len(), DEEPEST);
    }
}
