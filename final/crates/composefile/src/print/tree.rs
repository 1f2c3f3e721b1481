//! What is printed. Unlike a `Node`, a mapping has an order here: that of the fields in Compose's own types.

use std::collections::BTreeMap;

use hull_yaml::tree::{TIMESTAMP, UNSIGNED};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::order;
use crate::{Node, Value};

/// The two forms differ in what they leave out and in the names of some keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Without extensions. The hash of a service is computed from it.
    Json,
    /// With the extensions of each object after its own fields.
    Yaml,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Integer(i64),
    /// Go prints a `float32` with the digits that tell it from its neighbours of 32 bits: `0.1`.
    Single(f32),
    Double(f64),
    /// Above `i64::MAX`.
    Unsigned(u64),
    /// A date or a time as Go prints it. YAML has no quotes around it.
    Timestamp(String),
    String(String),
    Sequence(Vec<Tree>),
    Mapping(Vec<(String, Tree)>),
}

impl Tree {
    /// The mapping of a Go map, whose keys are sorted: by their bytes in JSON, as they are in `entries`, and in a natural
    /// order in YAML.
    pub fn map(entries: impl IntoIterator<Item = (String, Self)>, form: Form) -> Self {
        let entries: Vec<_> = entries.into_iter().collect();
        Self::Mapping(if form == Form::Yaml { order::sorted(entries) } else { entries })
    }

    /// The fields of an object whose names begin with `x-`.
    pub fn extensions(extensions: &BTreeMap<String, Node>, form: Form) -> Vec<(String, Self)> {
        let entries = extensions.iter().map(|(key, node)| (key.clone(), Self::of(node, form))).collect();
        if form == Form::Yaml { order::sorted(entries) } else { entries }
    }

    /// The extensions of an object, and documents that were not decoded.
    pub fn of(node: &Node, form: Form) -> Self {
        match &node.value {
            // Go's loader leaves no empty list, and its JSON has `null` for none.
            Value::Sequence(items) if items.is_empty() && form == Form::Json => Self::Null,
            Value::Sequence(items) => Self::Sequence(items.iter().map(|item| Self::of(item, form)).collect()),
            Value::Mapping(entries) => {
                Self::map(entries.iter().map(|(key, entry)| (key.clone(), Self::of(&entry.node, form))), form)
            }
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Integer(value) => Self::Integer(*value),
            Value::Float(value) => Self::Double(*value),
            Value::String(value) if node.has_tag(TIMESTAMP) => Self::Timestamp(value.clone()),
            Value::String(value) => match value.parse() {
                Ok(number) if node.has_tag(UNSIGNED) => Self::Unsigned(number),
                _ => Self::String(value.clone()),
            },
        }
    }
}

impl Tree {
    /// Whether there is a number in it that JSON does not have: an infinite one, or none.
    pub fn has_number_outside_json(&self) -> bool {
        match self {
            Self::Double(value) => !value.is_finite(),
            Self::Sequence(items) => items.iter().any(Self::has_number_outside_json),
            Self::Mapping(entries) => entries.iter().any(|(_, value)| value.has_number_outside_json()),
            _ => false,
        }
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Integer(value) => to.serialize_i64(*value),
            Self::Single(value) => to.serialize_f32(*value),
            Self::Double(value) => to.serialize_f64(*value),
            Self::Unsigned(value) => to.serialize_u64(*value),
            Self::Timestamp(value) | Self::String(value) => to.serialize_str(value),
            Self::Sequence(entries) => {
                let mut sequence = to.serialize_seq(Some(entries.len()))?;
                entries.iter().try_for_each(|entry| sequence.serialize_element(entry))?;
                sequence.end()
            }
            Self::Mapping(entries) => {
                let mut mapping = to.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| mapping.serialize_entry(key, value))?;
                mapping.end()
            }
        }
    }
}
