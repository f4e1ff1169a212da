//! The map: from decoded text back to the document it was decoded from.
//!
//! A text is a row of runs, each with where it came from and how its bytes relate to those of the document. Positions
//! in the text count from the beginning of the part, so that cutting off what was searched changes none.

use std::ops::Range;

use super::super::Form;

/// How the bytes of a run relate to those of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// One to one.
    Same,
    /// Three from four characters of base64, beginning with a whole group.
    Base64,
    /// All of them from all of those.
    Whole,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    text: usize,
    source: usize,
    source_end: usize,
    step: Step,
    form: Form,
}

impl Run {
    fn start_of(&self, text: usize) -> usize {
        let index = text - self.text;
        match self.step {
            Step::Same => self.source + index,
            Step::Base64 => self.source + index / 3 * 4 + index % 3,
            Step::Whole => self.source,
        }
    }

    /// The byte after the last from which the byte at `text` was decoded.
    fn end_of(&self, text: usize) -> usize {
        match self.step {
            Step::Same => self.start_of(text) + 1,
            Step::Base64 => (self.start_of(text) + 2).min(self.source_end),
            Step::Whole => self.source_end,
        }
    }
}

/// The runs of a text.
#[derive(Debug, Default)]
pub(super) struct Map {
    runs: Vec<Run>,
}

impl Map {
    /// The text from the position `text` on comes from `source`.
    pub(super) fn add(&mut self, text: usize, source: Range<usize>, step: Step, form: Form) {
        if let Some(last) = self.runs.last_mut()
            && (step, form, last.step, last.form) == (Step::Same, last.form, Step::Same, form)
            && last.source_end == source.start
            && last.start_of(text) == source.start
        {
            last.source_end = source.end;
            return;
        }
        self.runs.push(Run { text, source: source.start, source_end: source.end, step, form });
    }

    /// Adds the runs of another text, which follows at the position `text`.
    pub(super) fn append(&mut self, text: usize, other: &Self) {
        self.runs.extend(other.runs.iter().map(|run| Run { text: run.text + text, ..*run }));
    }

    /// Where the text in `range`, which is not empty, came from, and how it was written: by the first run that is not
    /// plain, or as `torn` where it is plain and stands in pieces.
    pub(super) fn source(&self, range: Range<usize>, torn: Form) -> (Range<usize>, Form) {
        let (first, last) = (self.at(range.start), self.at(range.end - 1));
        let (Some(begin), Some(end)) = (self.runs.get(first), self.runs.get(last)) else { return (range, Form::Plain) };
        let source = begin.start_of(range.start)..end.end_of(range.end - 1);
        let coded = self.runs[first..=last].iter().map(|run| run.form).find(|form| *form != Form::Plain);
        let form = coded.unwrap_or(if source.len() == range.len() { Form::Plain } else { torn });
        (source, form)
    }

    /// Forgets the runs that end before the position `text`.
    pub(super) fn forget(&mut self, text: usize) {
        let first = self.at(text);
        self.runs.drain(..first);
    }

    pub(super) fn clear(&mut self) {
        self.runs.clear();
    }

    /// The number of the run at a position.
    fn at(&self, text: usize) -> usize {
        self.runs.partition_point(|run| run.text <= text).saturating_sub(1)
    }
}
