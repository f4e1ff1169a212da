//! The programs that draw pages (ISO 32000-1, sections 8 and 9), of which only what shows text is carried out.
//!
//! Takes the content of a page and what it calls by name, and tells `layout.rs` which letters stand where. Forms that are drawn
//! within are carried out where they are; one that has shown no text is not looked at again, since the logo of a
//! letter is on each of its pages.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::document::Document;
use super::font::Font;
use super::layout::{Layout, Place, Point};
use super::lexer::{Item, Lexer, is_blank};
use super::object::{Dictionary, Object, Reference};

/// How deep forms may be drawn in each other.
const MOST_FORMS: usize = 8;
/// How much of the content of a page or of a form is read.
pub(super) const LONGEST_CONTENT: usize = 16 << 20;
/// The most saved states, and operands of an operator.
const MOST_SAVED: usize = 256;
const MOST_OPERANDS: usize = 64;
/// How much fonts may hold that are kept for the next page, in entries.
const MOST_KEPT: usize = 1 << 18;
/// What a call costs at least, in bytes.
const CALL: usize = 1 << 10;

/// What is kept from one page to the next.
#[derive(Debug, Default)]
pub(super) struct Memory {
    fonts: HashMap<Reference, Rc<Font>>,
    /// How much the fonts hold.
    held: usize,
    /// Forms that show no text.
    silent: HashSet<Reference>,
    /// Letters that were read, and those that could not be.
    pub(super) read: u64,
    pub(super) unread: u64,
}

/// Carries out what draws a page.
#[derive(Debug)]
pub(super) struct Drawing<'d, 'a> {
    document: &'d Document<'a>,
    memory: &'d mut Memory,
    pub(super) layout: Layout,
    /// The forms that are being drawn.
    forms: Vec<Reference>,
    /// Letters shown so far, whether or not they could be read.
    shown: u64,
}

/// A change of coordinates: a b c d e f.
#[derive(Clone, Copy, Debug)]
struct Matrix([f64; 6]);

impl Matrix {
    const NONE: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    fn of(objects: &[Object]) -> Option<Self> {
        let mut matrix = [0.0; 6];
        for (to, object) in matrix.iter_mut().zip(objects.get(..6)?) {
            *to = object.number()?;
        }
        Some(Self(matrix))
    }

    /// This one, and then another.
    fn then(self, other: Self) -> Self {
        let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (self.0, other.0);
        Self([a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + l])
    }

    fn shifted(self, x: f64, y: f64) -> Self {
        Self([1.0, 0.0, 0.0, 1.0, x, y]).then(self)
    }

    /// A place in the other coordinates.
    fn place(self, x: f64, y: f64) -> Point {
        let Point { x, y } = self.turn(x, y);
        Point { x: x + self.0[4], y: y + self.0[5] }
    }

    /// A direction in the other coordinates.
    fn turn(self, x: f64, y: f64) -> Point {
        let [a, b, c, d, ..] = self.0;
        Point { x: a * x + c * y, y: b * x + d * y }
    }
}

/// What text is shown by. The last of it that `q` saved comes back with `Q`.
#[derive(Clone, Debug)]
struct State {
    page: Matrix,
    font: Option<Rc<Font>>,
    size: f64,
    between_letters: f64,
    between_words: f64,
    stretch: f64,
    leading: f64,
    rise: f64,
}

/// The state of one content.
struct Run<'r> {
    state: State,
    saved: Vec<State>,
    text: Matrix,
    line: Matrix,
    /// Where a line that is drawn begins, and the last one.
    pen: Point,
    stroke: Option<(Point, Point)>,
    resources: &'r Dictionary,
    fonts: Dictionary,
    /// Fonts of this content by their names, so that each is looked up once.
    named: HashMap<Vec<u8>, Rc<Font>>,
    forms: Option<Dictionary>,
}

impl<'d, 'a> Drawing<'d, 'a> {
    pub(super) fn new(document: &'d Document<'a>, memory: &'d mut Memory, most: usize) -> Self {
        Self { document, memory, layout: Layout::new(most), forms: Vec::new(), shown: 0 }
    }

    /// Draws a page.
    pub(super) fn page(&mut self, content: &[u8], resources: &Dictionary) {
        self.content(content, resources, Matrix::NONE);
    }

    /// Draws the appearance of something on a page.
    pub(super) fn appearance(&mut self, form: &Object) {
        self.form(form, &Dictionary::default(), Matrix::NONE);
    }

    fn content(&mut self, content: &[u8], resources: &Dictionary, page: Matrix) {
        let state = State {
            page,
            font: None,
            size: 0.0,
            between_letters: 0.0,
            between_words: 0.0,
            stretch: 1.0,
            leading: 0.0,
            rise: 0.0,
        };
        let mut run = Run {
            state,
            saved: Vec::new(),
            text: Matrix::NONE,
            line: Matrix::NONE,
            pen: Point::default(),
            stroke: None,
            resources,
            fonts: self.document.dictionary(resources, "Font").unwrap_or_default(),
            named: HashMap::new(),
            forms: None,
        };
        let mut lexer = Lexer::new(content, 0);
        let (mut operands, mut from) = (Vec::new(), 0);
        while let Some(item) = lexer.next() {
            match item {
                Item::Object(object) if operands.len() < MOST_OPERANDS => operands.push(object),
                Item::Object(_) => {}
                Item::Word(b"BI") => {
                    skip_picture(&mut lexer, content);
                    operands.clear();
                }
                Item::Word(word) => {
                    self.operator(word, &operands, &mut run);
                    operands.clear();
                }
            }
            if !self.document.work.spend(lexer.at - from) || self.layout.is_full {
                return;
            }
            from = lexer.at;
        }
    }

    fn operator(&mut self, operator: &[u8], operands: &[Object], run: &mut Run<'_>) {
        let number = |at: usize| operands.get(at).and_then(Object::number).unwrap_or_default();
        let state = &mut run.state;
        match operator {
            b"q" if run.saved.len() < MOST_SAVED => run.saved.push(state.clone()),
            b"Q" => {
                if let Some(saved) = run.saved.pop() {
                    *state = saved;
                }
            }
            b"cm" => {
                if let Some(matrix) = Matrix::of(operands) {
                    state.page = matrix.then(state.page);
                }
            }
            b"m" => run.pen = state.page.place(number(0), number(1)),
            b"l" => run.stroke = Some((run.pen, state.page.place(number(0), number(1)))),
            b"re" => {
                let middle = number(1) + number(3) / 2.0;
                let to = state.page.place(number(0) + number(2), middle);
                run.stroke = Some((state.page.place(number(0), middle), to));
            }
            b"S" | b"f" => {
                if let Some((from, to)) = run.stroke.take() {
                    self.layout.stroke(from, to);
                }
            }
            b"BT" => (run.text, run.line) = (Matrix::NONE, Matrix::NONE),
            b"Tf" => {
                state.size = number(1);
                let font = operands.first().and_then(Object::name).map(|name| self.font(name, run));
                run.state.font = font;
            }
            b"Tc" => state.between_letters = number(0),
            b"Tw" => state.between_words = number(0),
            b"Tz" => state.stretch = number(0) / 100.0,
            b"TL" => state.leading = number(0),
            b"Ts" => state.rise = number(0),
            b"Td" => run.move_line(number(0), number(1)),
            b"TD" => {
                state.leading = -number(1);
                run.move_line(number(0), number(1));
            }
            b"T*" => run.next_line(),
            b"Tm" => {
                if let Some(matrix) = Matrix::of(operands) {
                    (run.text, run.line) = (matrix, matrix);
                }
            }
            b"Tj" => self.show(operands.first(), run),
            b"'" => {
                run.next_line();
                self.show(operands.first(), run);
            }
            b"\"" => {
                (state.between_words, state.between_letters) = (number(0), number(1));
                run.next_line();
                self.show(operands.get(2), run);
            }
            b"TJ" => {
                for object in operands.first().and_then(Object::array).unwrap_or_default() {
                    match object.number() {
                        Some(back) => {
                            let is_vertical = run.state.font.as_ref().is_some_and(|font| font.is_vertical);
                            run.forward(-back / 1_000.0 * run.state.size, is_vertical);
                        }
                        None => self.show(Some(object), run),
                    }
                }
            }
            b"Do" => self.call(operands.first().and_then(Object::name), run),
            _ => {}
        }
    }

    /// The font of a name.
    fn font(&mut self, name: &[u8], run: &mut Run<'_>) -> Rc<Font> {
        if let Some(font) = run.named.get(name) {
            return Rc::clone(font);
        }
        // Where a file is cut off its fonts may be lost; most of their letters are ASCII.
        let object = run.fonts.named(name).unwrap_or(&Object::Other);
        let number = object.reference();
        let kept = number.and_then(|number| self.memory.fonts.get(&number));
        let font = match kept {
            Some(font) => Rc::clone(font),
            None => {
                let font = self.document.resolve(object);
                let font = Rc::new(Font::new(self.document, font.dictionary().unwrap_or(&Dictionary::default())));
                self.document.work.spend(font.len());
                if let Some(number) = number {
                    self.memory.keep(number, &font);
                }
                font
            }
        };
        if run.named.len() < MOST_SAVED {
            run.named.insert(name.to_vec(), Rc::clone(&font));
        }
        font
    }

    /// Shows a string.
    fn show(&mut self, string: Option<&Object>, run: &mut Run<'_>) {
        let Some(mut rest) = string.and_then(Object::string).filter(|string| !string.is_empty()) else { return };
        let Some(font) = run.state.font.clone() else { return };
        self.layout.begin(&run.place(font.is_vertical));
        let State { size, between_letters, between_words, .. } = run.state;
        let mut is_guess = false;
        while !rest.is_empty() {
            let glyph = font.first(rest);
            match &glyph.text {
                Some(text) => {
                    self.layout.push(text);
                    self.memory.read += 1;
                }
                None => {
                    self.layout.push("\u{fffd}");
                    self.memory.unread += 1;
                }
            }
            self.shown += 1;
            is_guess |= glyph.is_guess;
            run.forward(glyph.width * size, font.is_vertical);
            let is_space = rest[..glyph.length] == *b" ";
            rest = &rest[glyph.length..];
            // Some producers make the gap between two words of the distance between letters.
            let is_apart = between_letters != 0.0;
            if is_apart || rest.is_empty() {
                self.layout.end(run.place(font.is_vertical), is_guess);
            }
            run.forward(between_letters + if is_space { between_words } else { 0.0 }, font.is_vertical);
            if is_apart && !rest.is_empty() {
                self.layout.begin(&run.place(font.is_vertical));
            }
        }
    }

    /// Draws what stands under a name.
    fn call(&mut self, name: Option<&[u8]>, run: &mut Run<'_>) {
        let document = self.document;
        let forms = run.forms.get_or_insert_with(|| document.dictionary(run.resources, "XObject").unwrap_or_default());
        if let Some(form) = name.and_then(|name| forms.named(name)) {
            self.form(form, run.resources, run.state.page);
        }
    }

    fn form(&mut self, form: &Object, resources: &Dictionary, page: Matrix) {
        let number = form.reference();
        let is_known =
            number.is_some_and(|number| self.memory.silent.contains(&number) || self.forms.contains(&number));
        if is_known || self.forms.len() == MOST_FORMS || !self.document.work.spend(CALL) {
            return;
        }
        let object = self.document.resolve(form);
        let Some(stream) = object.stream() else { return };
        let shown = self.shown;
        if !stream.head.says("Subtype", "Image") {
            self.forms.push(number.unwrap_or_default());
            let content = self.document.decode(stream, LONGEST_CONTENT);
            if content.is_part {
                self.document.note("the content of a form is damaged or too large");
            }
            let matrix = self.document.find(&stream.head, "Matrix");
            let matrix = matrix.as_deref().and_then(Object::array).and_then(Matrix::of).unwrap_or(Matrix::NONE);
            let own = self.document.dictionary(&stream.head, "Resources");
            self.content(&content.bytes, own.as_ref().unwrap_or(resources), matrix.then(page));
            self.forms.pop();
        }
        // One that was left out because it is being drawn further up may show something elsewhere.
        if let Some(number) = number
            && self.shown == shown
            && self.forms.is_empty()
            && !self.document.work.is_over()
        {
            self.memory.silent.insert(number);
        }
    }
}

impl Memory {
    fn keep(&mut self, number: Reference, font: &Rc<Font>) {
        self.held += font.len();
        if self.held > MOST_KEPT {
            self.fonts.clear();
            self.held = font.len();
        }
        self.fonts.insert(number, Rc::clone(font));
    }
}

impl Run<'_> {
    fn move_line(&mut self, x: f64, y: f64) {
        self.line = self.line.shifted(x, y);
        self.text = self.line;
    }

    fn next_line(&mut self) {
        self.move_line(0.0, -self.state.leading);
    }

    /// Goes on along the line.
    fn forward(&mut self, by: f64, is_vertical: bool) {
        let (x, y) = if is_vertical { (0.0, -by) } else { (by * self.state.stretch, 0.0) };
        self.text = self.text.shifted(x, y);
    }

    /// Where the next letter stands.
    fn place(&self, is_vertical: bool) -> Place {
        let State { size, stretch, rise, page, .. } = self.state;
        let whole = self.text.then(page);
        let (along, up) = match is_vertical {
            true => (whole.turn(0.0, -size), whole.turn(size, 0.0)),
            false => (whole.turn(size * stretch, 0.0), whole.turn(0.0, size)),
        };
        let shift = whole.turn(0.0, rise);
        Place { at: Point { x: whole.0[4] + shift.x, y: whole.0[5] + shift.y }, along, size: up.x.hypot(up.y) }
    }
}

/// Passes over a picture that stands in the content (8.9.7): its bytes may look like anything.
fn skip_picture(lexer: &mut Lexer<'_>, content: &[u8]) {
    loop {
        match lexer.next() {
            Some(Item::Word(b"ID")) => break,
            // What is no picture is the program again.
            Some(Item::Word(b"EI" | b"ET" | b"Q")) | None => return,
            Some(_) => {}
        }
    }
    let begin = lexer.at;
    let is_end = |at: &usize| {
        let before = content.get(at.wrapping_sub(1)).is_none_or(|byte| is_blank(*byte));
        // Behind the end comes a program, which is text.
        let behind = content.get(at + 2..(at + 12).min(content.len())).unwrap_or_default();
        before
            && behind.first().is_none_or(|byte| is_blank(*byte))
            && behind.iter().all(|byte| byte.is_ascii() && (*byte >= b' ' || is_blank(*byte)))
    };
    let end =
        memchr::memmem::find_iter(content.get(begin..).unwrap_or_default(), b"EI").map(|at| begin + at).find(is_end);
    lexer.at = end.map_or(content.len(), |end| end + 2);
}
