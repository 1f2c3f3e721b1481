//! A request's query: `name=value` pairs, read as dockerd reads them.

use std::collections::BTreeMap;
use std::num::IntErrorKind;

use serde::Deserialize;

use crate::failure::{Failure, Result};

/// Decoded pairs, in the client's order. Of a name that is given twice, dockerd takes the first value.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

/// `filters` is a map from a key to its values: a list, or as older clients send it, a map of values to `true`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    List(Vec<String>),
    Set(BTreeMap<String, bool>),
}

impl Query {
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(decoded.collect())
    }

    /// The first value that is not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.first(name).filter(|value| !value.is_empty())
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// All values, in the client's order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// True unless the value is missing, empty or one of dockerd's words for false.
    pub fn flag(&self, name: &str) -> bool {
        self.flag_or(name, false)
    }

    /// The same, with a value for a flag that is not given.
    pub fn flag_or(&self, name: &str, default: bool) -> bool {
        match self.first(name) {
            None => default,
            Some(value) => {
                let value = value.trim().to_ascii_lowercase();
                !["", "0", "no", "false", "none"].contains(&value.as_str())
            }
        }
    }

    /// A number, or `None` if it is missing or empty. dockerd's status for anything else is 500.
    pub fn number(&self, name: &str) -> Result<Option<i64>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let why = |error: std::num::ParseIntError| {
            let why = match error.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            Failure::new(500, format!("strconv.Atoi: parsing {text:?}: {why}"))
        };
        text.parse().map(Some).map_err(why)
    }

    /// The filters of `filters`, each as `KEY=VALUE`, which is what [`hull_docker::filters`] reads.
    pub fn filters(&self) -> Result<Vec<String>> {
        let Some(text) = self.text("filters") else { return Ok(vec![]) };
        let filters: Option<BTreeMap<String, Values>> =
            serde_json::from_str(text).map_err(|_| Failure::invalid("invalid filter"))?;
        let texts = filters.into_iter().flatten().flat_map(|(key, values)| {
            let values = match values {
                Values::List(values) => values,
                Values::Set(values) => values.into_keys().collect(),
            };
            values.into_iter().map(move |value| format!("{key}={value}"))
        });
        Ok(texts.collect())
    }
}

/// `application/x-www-form-urlencoded`: a space may be a plus sign. Bytes that are not UTF-8 are replaced.
fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_dockers() {
        let query = Query::parse("a=1&b=True&c=False&d=0&e=no&f=&g=none&h=yes&i");
        let set: Vec<&str> = "abcdefghij".split("").filter(|name| query.flag(name)).collect();
        assert_eq!(set, ["a", "b", "h"]);
        assert!(query.flag_or("j", true) && !query.flag_or("c", true));
    }

    #[test]
    fn filters_are_lists_or_sets() {
        let filters = |json: &str| Query::parse(&format!("filters={}", json.replace('"', "%22"))).filters();
        assert_eq!(filters(r#"{"label":["a=b","c"]}"#).unwrap(), ["label=a=b", "label=c"]);
        assert_eq!(filters(r#"{"name":{"x":true}}"#).unwrap(), ["name=x"]);
        assert!(filters(r#"{"name":3}"#).is_err() && filters("x").is_err());
    }
}
