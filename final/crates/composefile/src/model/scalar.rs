//! The scalars of the model: how Compose reads them from the scalars of YAML, and what counts as empty.

use super::object::{Decode, Print, wrong_kind};
use crate::path::Path;
use crate::print::{Form, Tree};
use crate::{Node, Result, Value};

impl Print for bool {
    fn tree(&self, _: Form) -> Tree {
        Tree::Bool(*self)
    }

    fn is_empty(&self, _: Form) -> bool {
        !self
    }
}

impl Decode for bool {
    /// A string is a boolean too, with the words of YAML 1.1.
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        match &node.value {
            Value::Bool(value) => Ok(*value),
            Value::String(text) => match text.to_lowercase().as_str() {
                "true" | "y" | "yes" | "on" => Ok(true),
                "false" | "n" | "no" | "off" => Ok(false),
                _ => Err(path.error(node, format_args!("{text:?} is not a boolean: write true or false"))),
            },
            _ => Err(wrong_kind(node, path, "a boolean")),
        }
    }
}

impl Print for String {
    fn tree(&self, _: Form) -> Tree {
        Tree::String(self.clone())
    }

    fn is_empty(&self, _: Form) -> bool {
        self.is_empty()
    }
}

impl Decode for String {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        match &node.value {
            Value::String(text) => Ok(text.clone()),
            Value::Integer(value) => Ok(value.to_string()),
            _ => Err(wrong_kind(node, path, "a string").hint("put it in quotes")),
        }
    }
}

impl Print for f32 {
    fn tree(&self, _: Form) -> Tree {
        Tree::Single(*self)
    }

    fn is_empty(&self, _: Form) -> bool {
        *self == 0.0
    }
}

impl Decode for f32 {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        match &node.value {
            Value::Integer(value) => Ok(*value as f32),
            Value::Float(value) => Ok(*value as f32),
            Value::String(text) => text.parse().map_err(|_| not_a_number(node, path, text)),
            _ => Err(wrong_kind(node, path, "a number")),
        }
    }
}

pub(super) fn not_a_number(node: &Node, path: &Path<'_>, text: &str) -> crate::Error {
    path.error(node, format_args!("{text:?} is not a number"))
}

macro_rules! integer {
    ($($type:ty),*) => {$(
        impl Print for $type {
            fn tree(&self, _: Form) -> Tree {
                Tree::Integer(*self as i64)
            }

            fn is_empty(&self, _: Form) -> bool {
                *self == 0
            }
        }

        impl Decode for $type {
            fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
                // Compose takes texts for signed numbers only: `mode: "0440"` would be decimal.
                if Self::MIN == 0 && matches!(node.value, Value::String(_)) {
                    return Err(wrong_kind(node, path, "a number").hint("write it without quotes"));
                }
                let number = integer(node, path)?;
                let range = || format!("{number} is not between {} and {}", Self::MIN, Self::MAX);
                Self::try_from(number).map_err(|_| path.error(node, range()))
            }
        }
    )*};
}

integer!(i64, u64, u32, u16);

fn integer(node: &Node, path: &Path<'_>) -> Result<i64> {
    match &node.value {
        Value::Integer(value) => Ok(*value),
        // Compose cuts the fraction off.
        Value::Float(value) => Ok(*value as i64),
        Value::String(text) => text.parse().map_err(|_| not_a_number(node, path, text)),
        _ => Err(wrong_kind(node, path, "a number")),
    }
}
