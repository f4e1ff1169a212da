//! The parameters of a request: each at most once, each with a name that is known. Pure.

use std::borrow::Cow;
use std::str::FromStr;

use hyper::StatusCode;

use crate::problem::Problem;

/// The query of a request, taken apart.
#[derive(Debug)]
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub(crate) fn parse(text: Option<&'a str>) -> Self {
        Self(url::form_urlencoded::parse(text.unwrap_or_default().as_bytes()).collect())
    }

    /// Refuses every parameter but these.
    pub(crate) fn only(&self, known: impl Iterator<Item = &'static str> + Clone) -> Result<(), Problem> {
        let unknown = |(name, _): &&(Cow<'a, str>, Cow<'a, str>)| !known.clone().any(|own| own == name);
        let Some((name, _)) = self.0.iter().find(unknown) else { return Ok(()) };
        let known: Vec<_> = known.collect();
        let mend = if known.is_empty() { "leave it out".to_owned() } else { format!("use {}", known.join(", ")) };
        Err(Problem::new(StatusCode::BAD_REQUEST, format!("there is no parameter `{name}` here: {mend}")))
    }

    /// The value of a parameter that is given once or not at all.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_ref());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Problem::field(name, format!("`{name}` is given twice: give it once"))),
        }
    }

    /// A number that may be left out.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, Problem> {
        self.text(name)?.map(|text| number(name, text)).transpose()
    }

    /// A number that may not be left out.
    pub(crate) fn required(&self, name: &'static str) -> Result<u64, Problem> {
        let missing = || Problem::field(name, format!("`{name}` is missing: give a whole number"));
        self.number(name)?.ok_or_else(missing)
    }
}

/// A whole number in plain digits.
pub(crate) fn number(name: &'static str, text: &str) -> Result<u64, Problem> {
    let wrong = || Problem::field(name, format!("`{name}` is not a whole number from 0 to {}", u64::MAX));
    // `from_str` alone would take a sign.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { u64::from_str(text).map_err(|_| wrong()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain_digits() {
        assert_eq!(number("n", "18446744073709551615"), Ok(u64::MAX));
        for wrong in ["", "-1", "+1", "1e3", " 1", "18446744073709551616", "0x1"] {
            assert!(number("n", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_parameter_is_known_and_given_once() {
        let query = Query::parse(Some("a=1&b=x%20y&b=z"));
        assert_eq!(query.number("a"), Ok(Some(1)));
        assert_eq!(query.number("c"), Ok(None));
        assert!(query.text("b").is_err() && query.required("c").is_err());
        assert!(query.only(["a", "b"].into_iter()).is_ok() && query.only(["a"].into_iter()).is_err());
    }
}
