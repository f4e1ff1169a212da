//! A JSON object from outside, taken apart field by field: every name is known, every value is looked at, and all that is
//! wrong is told at once. Pure.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use hyper::StatusCode;
use mailscan_core::job::seconds;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::problem::{Fault, Problem};

/// The most faults that are told.
const MAX_FAULTS: usize = 100;
/// The longest name of a field that is told, in characters.
const MAX_NAME: usize = 100;

/// The fields of an object that nobody has asked for yet.
#[derive(Debug)]
pub(crate) struct Fields {
    left: Map<String, Value>,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl Fields {
    /// The fields of a body; none of an empty one. One that is given twice is a fault of that field.
    ///
    /// # Errors
    /// 400 when the body is no JSON object; it names the field in which the reading ended, if it was in one.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let text = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
        let mut object = Object::default();
        let mut reader = serde_json::Deserializer::from_slice(text);
        if let Err(error) = (&mut object).deserialize(&mut reader).and_then(|()| reader.end()) {
            let detail = format!("the body cannot be read as a JSON object: {error}");
            return Err(match object.reading.filter(|name| name.chars().count() <= MAX_NAME) {
                Some(name) => Problem::field(name, detail),
                None => Problem::new(StatusCode::BAD_REQUEST, detail),
            });
        }
        let mut fields = Self { left: object.fields, known: Vec::new(), faults: Vec::new() };
        for name in object.twice {
            let detail = format!("the field `{name}` is given twice");
            fields.fault(name, detail);
        }
        Ok(fields)
    }

    /// Notes what is wrong with a field.
    pub(crate) fn fault(&mut self, field: impl Into<std::borrow::Cow<'static, str>>, detail: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Fault { field: field.into(), detail: detail.into() });
        }
    }

    /// Whether something is wrong with a field or a part of it.
    pub(crate) fn is_faulty(&self, name: &str) -> bool {
        self.faults
            .iter()
            .any(|fault| fault.field.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('[')))
    }

    /// The value of a field; `null` is the same as nothing.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.left.remove(name).filter(|value| !value.is_null())
    }

    /// A value that `read` understands, which is `expected`.
    fn read<T>(
        &mut self,
        name: &'static str,
        expected: impl fmt::Display,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(name)?;
        let read = read(value);
        if read.is_none() {
            self.fault(name, format!("`{name}` is not {expected}"));
        }
        read
    }

    /// A whole number.
    pub(crate) fn number(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(name, expected, |value| whole(&value).filter(|number| range.contains(number)))
    }

    /// A whole number of 32 bits, from 1.
    pub(crate) fn count(&mut self, name: &'static str, most: u32) -> Option<u32> {
        self.number(name, 1..=u64::from(most)).and_then(|number| u32::try_from(number).ok())
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.read(name, "true or false", |value| value.as_bool())
    }

    /// A time in seconds.
    pub(crate) fn seconds(&mut self, name: &'static str) -> Option<Duration> {
        let number = self.read(name, "a number of seconds", |value| value.as_f64())?;
        seconds(number).map_err(|why| self.fault(name, format!("`{name}`: {why}"))).ok()
    }

    /// A text of 1 to so many characters.
    pub(crate) fn text(&mut self, name: &'static str, most: usize) -> Option<String> {
        self.read(name, format!("a text of 1 to {most} characters"), |value| text(value, most))
    }

    /// Up to so many texts, each of 1 to so many characters.
    pub(crate) fn texts(&mut self, name: &'static str, most: usize, longest: usize) -> Vec<String> {
        let items = self.read(name, format!("a list of up to {most} texts"), |value| items(value, most));
        let mut texts = Vec::new();
        for (n, item) in items.unwrap_or_default().into_iter().enumerate() {
            match text(item, longest) {
                Some(text) => texts.push(text),
                None => {
                    let field = format!("{name}[{n}]");
                    self.fault(field.clone(), format!("`{field}` is not a text of 1 to {longest} characters"));
                    // Places after this one keep their numbers.
                    texts.push(String::new());
                }
            }
        }
        texts
    }

    /// Up to so many whole numbers, each of which some row may have.
    pub(crate) fn numbers(&mut self, name: &'static str, most: usize) -> Vec<u64> {
        let number = |value: &Value| whole(value).filter(|number| i64::try_from(*number).is_ok());
        let numbers = |value| items(value, most)?.iter().map(number).collect();
        self.read(name, format!("a list of up to {most} whole numbers"), numbers).unwrap_or_default()
    }

    /// The names that were asked for.
    #[cfg(test)]
    pub(crate) fn known(&self) -> &[&'static str] {
        &self.known
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// 400 with everything that is wrong: fields that nobody asked for, and all faults noted.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        let known =
            if self.known.is_empty() { "send none".to_owned() } else { format!("use {}", self.known.join(", ")) };
        for name in std::mem::take(&mut self.left).into_iter().map(|(name, _)| name).take(MAX_FAULTS) {
            let detail = format!("there is no field `{name}`: {known}");
            self.fault(name, detail);
        }
        if self.faults.is_empty() { Ok(()) } else { Err(self.faults.into()) }
    }
}

fn text(value: Value, most: usize) -> Option<String> {
    let Value::String(text) = value else { return None };
    (!text.trim().is_empty() && text.chars().count() <= most).then_some(text)
}

fn items(value: Value, most: usize) -> Option<Vec<Value>> {
    let Value::Array(items) = value else { return None };
    (items.len() <= most).then_some(items)
}

/// A whole number, also when it is written as `1.0`.
fn whole(value: &Value) -> Option<u64> {
    let exact = |float: f64| (float.fract() == 0.0 && (0.0..9e15).contains(&float)).then_some(float as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(exact))
}

/// An object as far as it is read.
#[derive(Debug, Default)]
struct Object {
    fields: Map<String, Value>,
    /// The field whose value is being read, or was the last to be.
    reading: Option<String>,
    /// Fields that were given more than once.
    twice: Vec<String>,
}

impl<'de> DeserializeSeed<'de> for &mut Object {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Object {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(name) = entries.next_key::<String>()? {
            self.reading = Some(name.clone());
            let value = entries.next_value()?;
            if self.fields.insert(name.clone(), value).is_some()
                && self.twice.len() < MAX_FAULTS
                && !self.twice.contains(&name)
            {
                self.twice.push(name);
            }
        }
        self.reading = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(body: &str, read: impl FnOnce(&mut Fields)) -> Vec<(String, String)> {
        let mut fields = Fields::parse(body.as_bytes()).unwrap();
        read(&mut fields);
        let problem = fields.finish().unwrap_err();
        let body: Value = serde_json::from_slice(&problem.body()).unwrap();
        let fault = |fault: &Value| {
            let text = |name: &str| fault[name].as_str().unwrap().to_owned();
            (text("field"), text("detail"))
        };
        body["errors"].as_array().unwrap().iter().map(fault).collect()
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_by_name() {
        let found = faults(r#"{"a": 0, "b": "1", "c": ["x", 7, ""], "d": -1, "e": 1}"#, |fields| {
            assert_eq!(fields.number("a", 1..=9), None);
            assert_eq!(fields.flag("b"), None);
            assert_eq!(fields.texts("c", 9, 9).len(), 3);
            assert_eq!(fields.seconds("d"), None);
        });
        let names: Vec<_> = found.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(names, ["a", "b", "c[1]", "c[2]", "d", "e"]);
        assert!(found[0].1.contains("from 1 to 9") && found[5].1.contains("use a, b, c, d"), "{found:?}");
    }

    #[test]
    fn where_no_field_is_known_none_is_to_be_sent() {
        let found = faults(r#"{"reason": "x"}"#, |_| {});
        assert_eq!(found, [("reason".to_owned(), "there is no field `reason`: send none".to_owned())]);
    }

    #[test]
    fn what_is_right_comes_through() {
        let mut fields = Fields::parse(br#"{"a": 3.0, "b": null, "c": ["x"], "d": 0.5, "e": [1, 2]}"#).unwrap();
        assert_eq!((fields.number("a", 0..=9), fields.flag("b")), (Some(3), None));
        assert_eq!((fields.texts("c", 1, 1), fields.numbers("e", 2)), (vec!["x".to_owned()], vec![1, 2]));
        assert_eq!(fields.seconds("d"), Some(Duration::from_millis(500)));
        fields.finish().unwrap();
        assert!(Fields::parse(b" ").unwrap().finish().is_ok());
    }

    #[test]
    fn only_an_object_is_read() {
        for body in ["[]", "1", "{", "{} x", "\u{ff}"] {
            let problem = Fields::parse(body.as_bytes()).unwrap_err();
            assert!(!String::from_utf8(problem.body()).unwrap().contains("\"field\""), "{body}");
        }
    }

    #[test]
    fn the_field_is_named_in_which_the_reading_ends() {
        for body in [r#"{"a": 1, "b": x}"#, r#"{"a": 1, "b": 1x}"#, r#"{"b": [1, "#, r#"{"b": "x"#, r#"{"b"}"#] {
            let problem = Fields::parse(body.as_bytes()).unwrap_err();
            let body: Value = serde_json::from_slice(&problem.body()).unwrap();
            assert_eq!(body["field"], "b", "{body}");
        }
        assert_eq!(
            faults(r#"{"a": 1, "b": 1, "a": 2, "a": 3}"#, |fields| {
                assert_eq!((fields.number("a", 1..=9), fields.number("b", 1..=9)), (Some(3), Some(1)));
            }),
            [("a".to_owned(), "the field `a` is given twice".to_owned())]
        );
    }
}
