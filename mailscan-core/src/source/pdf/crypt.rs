//! Encrypted files.
//!
//! Until their keys are made, nothing of them is read.

use std::borrow::Cow;

use super::object::{Dictionary, Object, Reference};

/// What opens the strings and streams of a file.
#[derive(Debug)]
pub(super) struct Key {}

impl Key {
    /// The key of a file that may be read without a password.
    pub(super) fn of_nobody(_: &Dictionary, _: &[u8]) -> Option<Self> {
        None
    }

    pub(super) fn open_strings(&self, _: &mut Object, _: (Reference, u16)) {}

    pub(super) fn open<'b>(&self, raw: &'b [u8], _: (Reference, u16), _: &Dictionary) -> Cow<'b, [u8]> {
        Cow::Borrowed(raw)
    }
}
