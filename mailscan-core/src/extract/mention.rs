//! The mention: an address where it stands, before anything is copied.
//!
//! The scan gives mentions, and most of them are of addresses that whoever asked has met before: these are told by their
//! bytes, and only of the others an [`Address`] is made.

use std::ops::Range;

use super::{Finding, Form};
use crate::address::Address;
use crate::class::Classes;

/// An address in a document that is at hand.
#[derive(Clone, Debug)]
pub struct Mention<'a> {
    text: Text<'a>,
    /// Where it stands, as in [`Finding::span`].
    pub span: Range<usize>,
    /// How it was written.
    pub form: Form,
    /// The classes that only its place shows, as in [`Finding::marks`].
    pub marks: Classes,
}

/// The normalised address.
#[derive(Clone, Debug)]
enum Text<'a> {
    /// As it stands in the document.
    InPlace {
        /// ASCII without A-labels, in lower case after the `@`, within the limits of lengths.
        text: &'a [u8],
        /// Where the `@` is.
        at: usize,
    },
    /// Made of what was written otherwise.
    Made(Address),
}

impl<'a> Mention<'a> {
    /// The mention of what stands normalised at `start` in the document: ASCII without A-labels, in lower case after its
    /// `@` at `at`, within the limits of lengths.
    pub(super) fn in_place(document: &'a [u8], span: Range<usize>, at: usize) -> Self {
        let text = Text::InPlace { text: &document[span.clone()], at: at - span.start };
        Self { text, span, form: Form::Plain, marks: Classes::NONE }
    }

    /// The normalised address, as [`Address::as_str`] gives it.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.text {
            Text::InPlace { text, .. } => text,
            Text::Made(address) => address.as_str().as_bytes(),
        }
    }

    /// The finding that can be kept.
    pub fn into_finding(self) -> Finding {
        let address = match self.text {
            Text::InPlace { text, at } => Address::from_normal(text, at),
            Text::Made(address) => address,
        };
        Finding { address, span: self.span, form: self.form, marks: self.marks }
    }
}

impl From<Finding> for Mention<'_> {
    fn from(Finding { address, span, form, marks }: Finding) -> Self {
        Self { text: Text::Made(address), span, form, marks }
    }
}
