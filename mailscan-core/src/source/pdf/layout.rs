//! From letters at places to lines of text: where a word ends and where a line does.
//!
//! Takes each run of letters with the place where it begins, in the order in which the page draws them. A file need not hold a
//! single space: producers place words, and some every letter, so the gap between two runs decides. It is measured in
//! sizes of their font and along their line, whatever way the page is turned.

/// The gap between two words: spaces are a quarter of the size and more, and squeezed to no less than a sixth; kerning is less than
/// a tenth.
const WORD: f64 = 0.15;
/// The same where a width is not known but guessed.
const WORD_OF_GUESS: f64 = 0.6;
/// How far back a run may begin and go on with the word before. What goes back further is drawn over it, or elsewhere.
const BACK: f64 = 0.4;
/// How wide gaps may be that stand between all letters of a word, by how much they differ at most, and how many of them make it
/// sure that they are such: two can be those of words of one letter.
const SPACED: f64 = 1.0;
const UNEVEN: f64 = 0.04;
const SURELY: usize = 3;
/// How far off the line a run may be and belong to it.
const OFF_LINE: f64 = 0.45;
/// How far below a line the next one is at most.
const MOST_LEADING: f64 = 2.5;
/// A letter that is off the line and of another size by these, such as the number of a footnote, is no part of a word.
const RAISED: f64 = 0.12;
const OTHER_SIZE: f64 = 0.15;

/// How long a line is that stands for an underscore, where a font has none: TeX draws one of 0.3.
const UNDERSCORE: std::ops::Range<f64> = 0.2..0.7;

/// A place on the page.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Where a run begins, or one ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) at: Point,
    /// How far a letter of the width of its size goes along the line, and in which direction.
    pub(super) along: Point,
    /// The size of the font across the line.
    pub(super) size: f64,
}

/// The text of a page so far.
#[derive(Debug, Default)]
pub(super) struct Layout {
    text: String,
    ended: Option<(Place, bool)>,
    most: usize,
    /// Gaps in a row that are equally wide, and between which one letter stands.
    row: Row,
    /// The last line that was drawn since the last run.
    stroke: Option<(Point, Point)>,
    /// The letters since the last gap.
    letters: usize,
    /// Whether there was more than is taken.
    pub(super) is_full: bool,
}

/// Equal gaps in a row.
#[derive(Debug, Default)]
struct Row {
    gap: f64,
    /// Where the first of them are in the text.
    parts: Vec<usize>,
}

impl Layout {
    /// A page of which at most so many bytes are taken.
    pub(super) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// Begins a run.
    pub(super) fn begin(&mut self, place: &Place) {
        let stroke = self.stroke.take();
        let Some((before, is_guess)) = self.ended.take() else { return };
        match between(&before, place, is_guess) {
            Between::Nothing => return,
            Between::Words(gap) if stroke.is_some_and(|stroke| is_underscore(stroke, &before, gap)) => self.push("_"),
            Between::Words(gap) => self.gap(gap),
            Between::Lines(is_next) => {
                self.row = Row::default();
                if !is_next || !self.is_cut() {
                    self.part('\n');
                }
            }
        }
        self.letters = 0;
    }

    /// Takes a gap, which is one between words unless all letters have it.
    fn gap(&mut self, gap: f64) {
        let goes_on = self.letters == 1 && (self.row.gap - gap).abs() < UNEVEN && gap < SPACED;
        if !goes_on {
            self.row = Row { gap, parts: Vec::new() };
        }
        if self.row.parts.len() == SURELY {
            return;
        }
        let end = self.text.len();
        self.part(' ');
        if self.text.len() > end {
            self.row.parts.push(end);
        }
        if self.row.parts.len() == SURELY {
            for part in self.row.parts.iter().rev() {
                self.text.remove(*part);
            }
        }
    }

    /// Whether the line ends within a word, at the hyphen that is a part of it: programs break addresses there, and keep it.
    fn is_cut(&self) -> bool {
        let mut characters = self.text.chars().rev();
        characters.next() == Some('-') && characters.next().is_some_and(char::is_alphanumeric)
    }

    /// Takes what a code stands for.
    pub(super) fn push(&mut self, text: &str) {
        if self.text.len() + text.len() > self.most {
            self.is_full = true;
            return;
        }
        self.letters += 1;
        for character in text.chars() {
            self.push_character(character);
        }
    }

    fn push_character(&mut self, character: char) {
        match character {
            // Glyphs that stand for several letters, and hyphens by names that addresses do not have. Fonts have one glyph
            // for all hyphens, and some tables call it by any of these.
            '\u{fb00}' => self.text.push_str("ff"),
            '\u{fb01}' => self.text.push_str("fi"),
            '\u{fb02}' => self.text.push_str("fl"),
            '\u{fb03}' => self.text.push_str("ffi"),
            '\u{fb04}' => self.text.push_str("ffl"),
            '\u{fb05}' | '\u{fb06}' => self.text.push_str("st"),
            '\u{ad}' | '\u{2010}' | '\u{2011}' => self.text.push('-'),
            character if character.is_control() || character == '\u{a0}' => self.part(' '),
            character => self.text.push(character),
        }
    }

    /// Ends a run.
    pub(super) fn end(&mut self, place: Place, is_guess: bool) {
        self.ended = Some((place, is_guess));
    }

    /// Takes a line that is drawn, not written.
    pub(super) fn stroke(&mut self, from: Point, to: Point) {
        self.stroke = Some((from, to));
    }

    /// Takes a line that is drawn nowhere.
    pub(super) fn line(&mut self, text: &str) {
        self.ended = None;
        self.part('\n');
        self.push(text);
        self.part('\n');
    }

    fn part(&mut self, separator: char) {
        match self.text.chars().last() {
            None | Some('\n') => {}
            Some(' ') if separator == ' ' => {}
            _ if self.text.len() < self.most => self.text.push(separator),
            _ => self.is_full = true,
        }
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// What stands between two runs.
#[derive(Debug, PartialEq)]
enum Between {
    Nothing,
    /// How wide.
    Words(f64),
    /// Whether it is the line below.
    Lines(bool),
}

fn between(before: &Place, next: &Place, is_guess: bool) -> Between {
    let em = before.along.x.hypot(before.along.y).max(f64::MIN_POSITIVE);
    let (along, next_em) = (before.along, next.along.x.hypot(next.along.y).max(f64::MIN_POSITIVE));
    let (x, y) = (next.at.x - before.at.x, next.at.y - before.at.y);
    // Along the line and across it.
    let gap = (x * along.x + y * along.y) / em;
    let across = (y * along.x - x * along.y) / em;
    let off = across.abs();
    let turned = (next.along.x * along.x + next.along.y * along.y) / em / next_em;
    let size = before.size.min(next.size).max(f64::MIN_POSITIVE);
    let other_size = (before.size - next.size).abs() > OTHER_SIZE * before.size.max(next.size);
    let gap = gap / em.max(next_em);
    let word = if is_guess { WORD_OF_GUESS } else { WORD };
    // What cannot be compared, as some numbers cannot, is another line.
    let is_near = turned > 0.9 && off <= OFF_LINE * size && gap >= -BACK - if is_guess { 1.0 } else { 0.0 };
    match () {
        () if !is_near => Between::Lines(turned > 0.9 && (OFF_LINE * size..MOST_LEADING * size).contains(&-across)),
        () if gap > word || (other_size && off > RAISED * size) => Between::Words(gap),
        () => Between::Nothing,
    }
}

/// Whether a line that is drawn in a gap is the underscore that two runs have between them: it fills the gap, at their foot.
fn is_underscore((from, to): (Point, Point), before: &Place, gap: f64) -> bool {
    let along = before.along;
    let em = (along.x * along.x + along.y * along.y).max(f64::MIN_POSITIVE);
    let [from, to] = [from, to].map(|point| (point.x - before.at.x, point.y - before.at.y));
    let far = |(x, y): (f64, f64)| (x * along.x + y * along.y) / em;
    let up = |(x, y): (f64, f64)| (y * along.x - x * along.y) / em;
    UNDERSCORE.contains(&(far(to) - far(from)))
        && (-0.1..0.2).contains(&far(from))
        && (-0.1..0.2).contains(&(gap - far(to)))
        && [from, to].iter().all(|point| (-0.4..0.05).contains(&up(*point)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(x: f64, y: f64, size: f64) -> Place {
        Place { at: Point { x, y }, along: Point { x: size, y: 0.0 }, size }
    }

    /// The text of two runs of which the first ends at 0, 0 with size 10.
    fn text(next: &Place) -> String {
        let mut layout = Layout::new(1_000);
        layout.begin(&place(-40.0, 0.0, 10.0));
        layout.push("ann@a");
        layout.end(place(0.0, 0.0, 10.0), false);
        layout.begin(next);
        layout.push(".org");
        layout.into_text()
    }

    #[test]
    fn gaps_part_words_and_moves_part_lines() {
        for (x, y, size, expected) in [
            (0.0, 0.0, 10.0, "ann@a.org"),
            (0.8, 0.2, 10.0, "ann@a.org"),
            (-1.5, 0.0, 10.0, "ann@a.org"),
            (2.0, 0.0, 10.0, "ann@a .org"),
            (0.0, 3.0, 6.0, "ann@a\n.org"),
            (0.0, 2.5, 6.0, "ann@a .org"),
            (0.0, 2.0, 10.0, "ann@a.org"),
            (0.0, -12.0, 10.0, "ann@a\n.org"),
            (-40.0, 0.0, 10.0, "ann@a\n.org"),
            (f64::NAN, 0.0, 10.0, "ann@a\n.org"),
        ] {
            assert_eq!(text(&place(x, y, size)), expected, "{x} {y} {size}");
        }
        let turned = Place { along: Point { x: 0.0, y: 10.0 }, ..place(0.0, 0.0, 10.0) };
        assert_eq!(text(&turned), "ann@a\n.org");
    }

    #[test]
    fn spaced_letters_are_a_word_and_short_words_are_not() {
        let spaced = |gaps: &[f64]| {
            let (mut layout, mut x) = (Layout::new(1_000), 0.0);
            for (letter, gap) in "a@b.org".chars().zip(gaps) {
                layout.begin(&place(x, 0.0, 10.0));
                layout.push(&letter.to_string());
                layout.end(place(x + 5.0, 0.0, 10.0), false);
                x += 5.0 + gap;
            }
            layout.into_text()
        };
        assert_eq!(spaced(&[2.0, 2.0, 2.0, 2.1, 2.0, 2.0, 2.0]), "a@b.org");
        assert_eq!(spaced(&[2.0, 2.0, 2.0, 6.0, 2.0, 2.0, 2.0]), "a@b. o r g");
        assert_eq!(spaced(&[3.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0]), "a @ b.org");
    }

    #[test]
    fn a_word_that_is_cut_at_its_hyphen_is_one() {
        for (text, y, expected) in [
            ("the ann-", -12.0, "the ann-lee@a.org"),
            ("the -", -12.0, "the -\nlee@a.org"),
            ("the ann-", -50.0, "the ann-\nlee@a.org"),
            ("the ann-", 12.0, "the ann-\nlee@a.org"),
        ] {
            let mut layout = Layout::new(1_000);
            layout.begin(&place(0.0, 0.0, 10.0));
            layout.push(text);
            layout.end(place(40.0, 0.0, 10.0), false);
            layout.begin(&place(0.0, y, 10.0));
            layout.push("lee@a.org");
            assert_eq!(layout.into_text(), expected);
        }
    }

    #[test]
    fn a_line_that_fills_a_gap_at_its_foot_is_an_underscore() {
        let drawn = |from: f64, to: f64, y: f64, next: f64| {
            let mut layout = Layout::new(1_000);
            layout.begin(&place(-20.0, 0.0, 10.0));
            layout.push("ann");
            layout.end(place(0.0, 0.0, 10.0), false);
            layout.stroke(Point { x: from, y }, Point { x: to, y });
            layout.begin(&place(next, 0.0, 10.0));
            layout.push("lee@a.org");
            layout.into_text()
        };
        assert_eq!(drawn(0.6, 3.6, 0.0, 3.6), "ann_lee@a.org");
        assert_eq!(drawn(0.6, 3.6, 9.0, 3.6), "ann lee@a.org", "above");
        assert_eq!(drawn(-20.0, 20.0, -1.0, 3.6), "ann lee@a.org", "below words");
        assert_eq!(drawn(0.0, 40.0, 0.0, 40.0), "ann lee@a.org", "to be filled in");
    }

    #[test]
    fn letters_are_those_of_addresses() {
        let mut layout = Layout::new(100);
        layout.push("o\u{fb03}ce@a\u{ad}b.org\u{a0}\0x");
        assert_eq!(layout.into_text(), "office@a-b.org x");
    }

    #[test]
    fn a_page_is_bounded() {
        let mut layout = Layout::new(10);
        layout.push("123456");
        layout.push("123456");
        layout.line("12");
        assert!(layout.is_full);
        assert!(layout.into_text().len() <= 10);
    }
}
