//! The values of templates: JSON, with the information that Go has from its types.

use std::borrow::Cow;

use hull_docker::fields;
use serde_json::Value;

use super::format;
use super::json::{describe, sorted};

/// The kind of Go type that an object stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Struct,
    /// A struct whose `Config` is a map, while the `Config` of a container is a struct.
    LogConfig,
    Map,
}

impl Shape {
    /// The shape of the value under `key` in an object of this shape.
    fn under(self, key: &str) -> Self {
        match (self, key) {
            // The keys of a map are data: a network may be called "Options".
            (Self::Map, _) => Self::Struct,
            (Self::LogConfig, "Config") => Self::Map,
            (_, "LogConfig") => Self::LogConfig,
            (_, key) if fields::MAPS.contains(&key) => Self::Map,
            _ => Self::Struct,
        }
    }
}

/// A value in a template: borrowed from the data or made by a function.
#[derive(Debug, Clone)]
pub(super) struct Item<'d> {
    value: Cow<'d, Value>,
    shape: Shape,
}

impl<'d> From<&'d Value> for Item<'d> {
    fn from(value: &'d Value) -> Self {
        Self { value: Cow::Borrowed(value), shape: Shape::Struct }
    }
}

impl From<Value> for Item<'_> {
    fn from(value: Value) -> Self {
        Self { value: Cow::Owned(value), shape: Shape::Struct }
    }
}

impl<'d> Item<'d> {
    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// The value of `.name`. `parent` is this value's expression in the template, for errors.
    pub(super) fn field(self, name: &str, parent: &str) -> Result<Item<'d>, String> {
        let keys: Vec<&str> = match self.value() {
            Value::Object(map) if map.contains_key(name) => return Ok(self.key(name)),
            Value::Object(_) if self.shape == Shape::Map => return Ok(Value::Null.into()),
            Value::Object(map) if fields::key(name).is_some_and(|key| map.contains_key(key)) => {
                return Ok(self.key(fields::key(name).unwrap_or(name)));
            }
            Value::Object(_) if fields::is_optional(name) => return Ok(Value::Null.into()),
            Value::Object(map) => map.keys().map(String::as_str).collect(),
            Value::Null => return Err(format!("{parent} is null and has no field {name:?}")),
            value => return Err(format!("{parent} is {} and has no field {name:?}", describe(value))),
        };
        if keys.is_empty() {
            return Err(format!("no field {name:?} here; the object is empty"));
        }
        Err(format!("no field {name:?} here; fields are: {}", keys.join(", ")))
    }

    /// The value of an object's `key`, or null.
    pub(super) fn key(self, key: &str) -> Item<'d> {
        let value = match self.value {
            Cow::Borrowed(value) => value.get(key).map(Cow::Borrowed),
            Cow::Owned(mut value) => value.get_mut(key).map(|value| Cow::Owned(value.take())),
        };
        Item { value: value.unwrap_or(Cow::Owned(Value::Null)), shape: self.shape.under(key) }
    }

    /// The element of an array at `at`.
    pub(super) fn element(self, at: usize) -> Option<Item<'d>> {
        let value = match self.value {
            Cow::Borrowed(value) => value.get(at).map(Cow::Borrowed),
            Cow::Owned(mut value) => value.get_mut(at).map(|value| Cow::Owned(value.take())),
        };
        Some(Item { value: value?, shape: Shape::Struct })
    }

    /// The keys and values of an array or object, in the order in which Go ranges over them.
    pub(super) fn entries(self) -> Result<Vec<(Value, Item<'d>)>, String> {
        let shape = self.shape;
        let of_map = |key: &str, value| (Value::from(key), Item { value, shape: shape.under(key) });
        Ok(match self.value {
            Cow::Borrowed(Value::Array(array)) => numbered(array.iter().map(Item::from)),
            Cow::Owned(Value::Array(array)) => numbered(array.into_iter().map(Item::from)),
            Cow::Borrowed(Value::Object(map)) => {
                sorted(map).into_iter().map(|(key, value)| of_map(key, Cow::Borrowed(value))).collect()
            }
            Cow::Owned(Value::Object(mut map)) => {
                map.sort_keys();
                map.into_iter().map(|(key, value)| of_map(&key, Cow::Owned(value))).collect()
            }
            // In Go a list that was never made (nil) counts as an empty one.
            Cow::Borrowed(Value::Null) | Cow::Owned(Value::Null) => Vec::new(),
            value => return Err(format!("cannot range over {}", describe(&value))),
        })
    }

    /// Whether it is true for `if`.
    pub(super) fn truth(&self) -> bool {
        match self.value() {
            Value::Null => false,
            Value::Bool(bool) => *bool,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(array) => !array.is_empty(),
            Value::Object(map) => !map.is_empty(),
        }
    }

    /// The text that `{{.}}` prints.
    pub(super) fn print(&self) -> String {
        match self.value() {
            Value::Null => "<no value>".to_owned(),
            value => format::plain(value),
        }
    }
}

fn numbered<'d>(items: impl Iterator<Item = Item<'d>>) -> Vec<(Value, Item<'d>)> {
    items.enumerate().map(|(at, item)| (Value::from(at), item)).collect()
}
