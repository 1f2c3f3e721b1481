//! What is printed. Unlike a `Node`, a mapping has an order here: that of the fields in Compose's own types.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

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
    String(String),
    Sequence(Vec<Tree>),
    Mapping(Vec<(String, Tree)>),
}

impl From<&Node> for Tree {
    fn from(node: &Node) -> Self {
        match &node.value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Integer(value) => Self::Integer(*value),
            Value::Float(value) => Self::Double(*value),
            Value::String(value) => Self::String(value.clone()),
            Value::Sequence(entries) => Self::Sequence(entries.iter().map(Self::from).collect()),
            Value::Mapping(entries) => {
                let entries = entries.iter().map(|(key, entry)| (key.clone(), Self::from(&entry.node)));
                Self::Mapping(entries.collect())
            }
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
            Self::String(value) => to.serialize_str(value),
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
