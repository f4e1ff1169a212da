//! The objects that a PDF is made of (ISO 32000-1, section 7.3).
//!
//! `lexer.rs` makes them, `document.rs` finds them by their numbers; everybody else looks into them. A reference stays one
//! until somebody asks the document for what it refers to.

use std::collections::BTreeMap;

/// An object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Object {
    /// Null and true, and whatever was not understood: nothing that is read depends on them.
    Other,
    False,
    Integer(i64),
    Real(f64),
    String(Vec<u8>),
    Name(Vec<u8>),
    Array(Vec<Object>),
    Dictionary(Dictionary),
    Stream(Stream),
    Reference(Reference),
}

/// The number by which an object is called.
pub(super) type Reference = u32;

/// A stream: what it says of its bytes, and where these begin in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stream {
    pub(super) head: Dictionary,
    pub(super) at: usize,
    /// The object that it is.
    pub(super) number: Reference,
}

/// Objects by their names, which are ordered, so that no choice of names makes looking one up slow.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Dictionary(BTreeMap<Vec<u8>, Object>);

impl Object {
    /// A number as it is written.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(integer) => Some(*integer as f64),
            Self::Real(real) => Some(*real),
            _ => None,
        }
    }

    /// A whole number that counts something.
    pub(super) fn count(&self) -> Option<usize> {
        match self {
            Self::Integer(integer) => usize::try_from(*integer).ok(),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> Option<&[u8]> {
        match self {
            Self::Name(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn string(&self) -> Option<&[u8]> {
        match self {
            Self::String(string) => Some(string),
            _ => None,
        }
    }

    pub(super) fn array(&self) -> Option<&[Object]> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// A dictionary, or that of a stream.
    pub(super) fn dictionary(&self) -> Option<&Dictionary> {
        match self {
            Self::Dictionary(dictionary) | Self::Stream(Stream { head: dictionary, .. }) => Some(dictionary),
            _ => None,
        }
    }

    pub(super) fn stream(&self) -> Option<&Stream> {
        match self {
            Self::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    pub(super) fn reference(&self) -> Option<Reference> {
        match self {
            Self::Reference(number) => Some(*number),
            _ => None,
        }
    }
}

impl Dictionary {
    /// What stands under a name, as it stands.
    pub(super) fn get(&self, name: &str) -> Option<&Object> {
        self.0.get(name.as_bytes())
    }

    /// The same by a name that the file gave.
    pub(super) fn named(&self, name: &[u8]) -> Option<&Object> {
        self.0.get(name)
    }

    /// Whether the name stands under `key`, and not behind a reference, as it does for `Type` and the like.
    pub(super) fn says(&self, key: &str, name: &str) -> bool {
        self.get(key).and_then(Object::name) == Some(name.as_bytes())
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Object> {
        self.0.remove(name.as_bytes())
    }

    pub(super) fn insert(&mut self, name: Vec<u8>, object: Object) {
        self.0.insert(name, object);
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Object> {
        self.0.values_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &Object)> {
        self.0.iter().map(|(name, object)| (&name[..], object))
    }
}
