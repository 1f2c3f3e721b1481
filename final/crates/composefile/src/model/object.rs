//! How the types of the model are read from a `Node` and printed: once for all of them.

use std::collections::BTreeMap;

use crate::path::Path;
use crate::print::{Form, Tree};
use crate::{Node, Result, Value};

/// Fields whose names begin with `x-`.
pub type Extensions = BTreeMap<String, Node>;

pub trait Print {
    fn tree(&self, form: Form) -> Tree;

    /// Whether a field with this value is left out (Go's `omitempty`).
    fn is_empty(&self, form: Form) -> bool;
}

/// Reading a node in the canonical form. `null` never gets here: it leaves a field as it is by default.
pub trait Decode: Sized {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self>;
}

/// The value of a key, or the default where the key is missing or `null`.
pub(super) fn field<T: Decode + Default>(node: &Node, key: &'static str, path: &Path<'_>) -> Result<T> {
    match &node.value {
        Value::Mapping(entries) => {
            entries.get(key).map_or_else(|| Ok(T::default()), |entry| or_default(&entry.node, &path.key(key)))
        }
        _ => Err(path.error(node, format_args!("must be a mapping, but it is {}", kind(node)))),
    }
}

pub(super) fn or_default<T: Decode + Default>(node: &Node, path: &Path<'_>) -> Result<T> {
    if node.value == Value::Null { Ok(T::default()) } else { T::decode(node, path) }
}

pub(super) fn extensions(node: &Node) -> Extensions {
    let Value::Mapping(entries) = &node.value else { return Extensions::new() };
    let own = entries.iter().filter(|(key, _)| key.starts_with("x-"));
    own.map(|(key, entry)| (key.clone(), entry.node.clone())).collect()
}

/// What a value is, for errors.
pub fn kind(node: &Node) -> &'static str {
    match node.value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::String(_) => "a string",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a mapping",
    }
}

pub(super) fn wrong_kind(node: &Node, path: &Path<'_>, wanted: &str) -> crate::Error {
    path.error(node, format_args!("must be {wanted}, but it is {}", kind(node)))
}

/// Defines a struct with its fields in the order in which Go prints them, each with its key. `always` keeps a field
/// that is empty, `without_extensions` is for the objects that have none, and `plus` holds what is never printed.
macro_rules! object {
    (
        $(#[$about:meta])*
        pub struct $name:ident $($mark:ident)? {
            $( $(#[$doc:meta])* $field:ident: $type:ty = $key:literal $($keep:ident)?, )*
        }
        $( plus { $( $(#[$hidden_doc:meta])* $hidden:ident: $hidden_type:ty, )* } )?
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $( $(#[$doc])* pub $field: $type, )*
            $( $( $(#[$hidden_doc])* pub $hidden: $hidden_type, )* )?
            pub extensions: $crate::model::Extensions,
        }

        impl $crate::model::Decode for $name {
            fn decode(node: &$crate::Node, path: &$crate::path::Path<'_>) -> $crate::Result<Self> {
                const MARKS: &[&str] = &[$(stringify!($mark))?];
                Ok(Self {
                    $( $field: $crate::model::object::field(node, $key, path)?, )*
                    $( $( $hidden: Default::default(), )* )?
                    extensions: match MARKS.is_empty() {
                        true => $crate::model::object::extensions(node),
                        false => Default::default(),
                    },
                })
            }
        }

        impl $crate::model::Print for $name {
            fn tree(&self, form: $crate::print::Form) -> $crate::print::Tree {
                let mut fields = Vec::new();
                $(
                    const _: &[&str] = &[$(stringify!($keep))?];
                    if !<[&str]>::is_empty(&[$(stringify!($keep))?])
                        || !$crate::model::Print::is_empty(&self.$field, form)
                    {
                        fields.push(($key.to_owned(), $crate::model::Print::tree(&self.$field, form)));
                    }
                )*
                if form == $crate::print::Form::Yaml {
                    fields.extend($crate::print::Tree::extensions(&self.extensions, form));
                }
                $crate::print::Tree::Mapping(fields)
            }

            // Go's JSON has no empty struct, its YAML has.
            fn is_empty(&self, form: $crate::print::Form) -> bool {
                form == $crate::print::Form::Yaml && *self == Self::default()
            }
        }

        $crate::model::object::serialize!($name);
    };
}

/// The JSON of Go's `json.Marshal`, but for the escapes and the digits, which are the serializer's.
macro_rules! serialize {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
                serde::Serialize::serialize(&$crate::model::Print::tree(self, $crate::print::Form::Json), to)
            }
        }
    };
}

pub(super) use {object, serialize};

impl<T: Print> Print for Option<T> {
    fn tree(&self, form: Form) -> Tree {
        self.as_ref().map_or(Tree::Null, |value| value.tree(form))
    }

    fn is_empty(&self, _: Form) -> bool {
        self.is_none()
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        if node.value == Value::Null { Ok(None) } else { T::decode(node, path).map(Some) }
    }
}

impl<T: Print> Print for Vec<T> {
    fn tree(&self, form: Form) -> Tree {
        Tree::Sequence(self.iter().map(|value| value.tree(form)).collect())
    }

    fn is_empty(&self, _: Form) -> bool {
        self.is_empty()
    }
}

impl<T: Decode + Default> Decode for Vec<T> {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        let Value::Sequence(entries) = &node.value else { return Err(wrong_kind(node, path, "a list")) };
        entries.iter().enumerate().map(|(index, entry)| or_default(entry, &path.index(index))).collect()
    }
}

impl<T: Print> Print for BTreeMap<String, T> {
    fn tree(&self, form: Form) -> Tree {
        Tree::map(self.iter().map(|(key, value)| (key.clone(), value.tree(form))), form)
    }

    fn is_empty(&self, _: Form) -> bool {
        self.is_empty()
    }
}

impl<T: Decode + Default> Decode for BTreeMap<String, T> {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        let Value::Mapping(entries) = &node.value else { return Err(wrong_kind(node, path, "a mapping")) };
        let one = |(key, entry): (&String, &crate::Entry)| {
            Ok((key.clone(), or_default(&entry.node, &path.key(key))?))
        };
        entries.iter().map(one).collect()
    }
}
