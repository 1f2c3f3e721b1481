//! Mappings and lists of strings, each with the syntaxes that Compose has for it.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use super::object::{Decode, Print, serialize, wrong_kind};
use crate::path::Path;
use crate::print::{Form, Tree};
use crate::{Node, Result, Value};

macro_rules! map {
    ($(#[$about:meta])* $name:ident, $value:ty) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $name(pub BTreeMap<String, $value>);

        impl Deref for $name {
            type Target = BTreeMap<String, $value>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.0
            }
        }

        impl FromIterator<(String, $value)> for $name {
            fn from_iter<T: IntoIterator<Item = (String, $value)>>(entries: T) -> Self {
                Self(entries.into_iter().collect())
            }
        }
    };
}

macro_rules! print_as_mapping {
    ($name:ident) => {
        impl Print for $name {
            fn tree(&self, form: Form) -> Tree {
                self.0.tree(form)
            }

            fn is_empty(&self, _: Form) -> bool {
                self.0.is_empty()
            }
        }

        serialize!($name);
    };
}

map! {
    /// `KEY=VALUE` or `KEY: value`. A key without a value has an empty one.
    Mapping, String
}
map! {
    /// Labels: as `Mapping`.
    Labels, String
}
map! {
    /// Options of a driver: a mapping only, whose values may be any scalar.
    Options, String
}
map! {
    /// `KEY=VALUE`. A key without a value (`KEY`) has `None`, one with an empty value (`KEY=`) an empty string.
    MappingWithEquals, Option<String>
}
map! {
    /// Options that may be repeated.
    MultiOptions, Vec<String>
}
map! {
    /// The addresses of a host name: `host=address`, `host:address`, or `host: [address, …]`.
    HostsList, Vec<String>
}
print_as_mapping!(Mapping);
print_as_mapping!(Labels);
print_as_mapping!(Options);
print_as_mapping!(MappingWithEquals);
print_as_mapping!(MultiOptions);

impl Decode for Mapping {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        pairs(node, path).map(Self)
    }
}

impl Decode for Labels {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        pairs(node, path).map(Self)
    }
}

impl Decode for Options {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        let Value::Mapping(_) = node.value else { return Err(wrong_kind(node, path, "a mapping")) };
        pairs(node, path).map(Self)
    }
}

fn pairs(node: &Node, path: &Path<'_>) -> Result<BTreeMap<String, String>> {
    let pairs = MappingWithEquals::decode_any(node, path)?;
    Ok(pairs.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect())
}

impl MappingWithEquals {
    fn decode_any(node: &Node, path: &Path<'_>) -> Result<BTreeMap<String, Option<String>>> {
        match &node.value {
            Value::Mapping(entries) => {
                let one = |(key, entry): (&String, &crate::Entry)| {
                    let value = match entry.node.value {
                        Value::Null => None,
                        _ => Some(text(&entry.node, &path.key(key))?),
                    };
                    Ok((key.clone(), value))
                };
                entries.iter().map(one).collect()
            }
            Value::Sequence(entries) => {
                let one = |(index, entry): (usize, &Node)| {
                    let text = text(entry, &path.index(index))?;
                    Ok(match text.split_once('=') {
                        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                        None => (text, None),
                    })
                };
                entries.iter().enumerate().map(one).collect()
            }
            _ => Err(wrong_kind(node, path, "a mapping or a list")),
        }
    }
}

impl Decode for MappingWithEquals {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        let pairs = Self::decode_any(node, path)?;
        // In a list only: `KEY =value`, where the space is a slip. In a mapping YAML itself takes it away.
        let spaced = |key: &&String| key.ends_with(char::is_whitespace);
        match (&node.value, pairs.keys().find(spaced)) {
            (Value::Sequence(_), Some(key)) => Err(path
                .error(node, format_args!("the variable {key:?} has a space before the ="))
                .hint("remove the space")),
            _ => Ok(Self(pairs)),
        }
    }
}

impl Decode for MultiOptions {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        let Value::Mapping(entries) = &node.value else { return Err(wrong_kind(node, path, "a mapping")) };
        let one =
            |(key, entry): (&String, &crate::Entry)| Ok((key.clone(), texts(&entry.node, &path.key(key))?));
        entries.iter().map(one).collect()
    }
}

/// One scalar, or a list of scalars.
fn texts(node: &Node, path: &Path<'_>) -> Result<Vec<String>> {
    match &node.value {
        Value::Sequence(entries) => {
            entries.iter().enumerate().map(|(index, entry)| text(entry, &path.index(index))).collect()
        }
        _ => Ok(vec![text(node, path)?]),
    }
}

/// Any scalar as Go's `fmt.Sprint` prints it.
pub(crate) fn text(node: &Node, path: &Path<'_>) -> Result<String> {
    match &node.value {
        Value::Null => Ok(String::new()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Integer(value) => Ok(value.to_string()),
        Value::Float(value) => Ok(crate::float::general(*value)),
        Value::String(value) => Ok(value.clone()),
        Value::Sequence(_) | Value::Mapping(_) => {
            Err(wrong_kind(node, path, "a string, a number or a boolean"))
        }
    }
}

impl HostsList {
    /// `host=address` of each, sorted.
    pub fn lines(&self, separator: char) -> Vec<String> {
        let of_host = |(host, addresses): (&String, &Vec<String>)| {
            addresses.iter().map(|address| format!("{host}{separator}{address}")).collect::<Vec<_>>()
        };
        let mut lines: Vec<_> = self.iter().flat_map(of_host).collect();
        lines.sort();
        lines
    }
}

impl Print for HostsList {
    fn tree(&self, form: Form) -> Tree {
        self.lines('=').tree(form)
    }

    fn is_empty(&self, _: Form) -> bool {
        self.0.is_empty()
    }
}

serialize!(HostsList);

impl Decode for HostsList {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        let mut list = Self::default();
        match &node.value {
            Value::Mapping(entries) => {
                for (host, entry) in entries {
                    list.insert(host.clone(), texts(&entry.node, &path.key(host))?);
                }
            }
            Value::Sequence(entries) => {
                for (index, entry) in entries.iter().enumerate() {
                    let path = path.index(index);
                    let line = text(entry, &path)?;
                    let Some((host, addresses)) = line.split_once('=').or_else(|| line.split_once(':'))
                    else {
                        return Err(path
                            .error(entry, format_args!("{line:?} has no address"))
                            .hint("write host=address"));
                    };
                    list.entry(host.to_owned()).or_default().extend(addresses.split(',').map(str::to_owned));
                }
            }
            _ => return Err(wrong_kind(node, path, "a mapping or a list")),
        }
        if let Some(host) = list.keys().find(|host| host.is_empty() || host.contains([':', '='])) {
            return Err(path.error(node, format_args!("{host:?} is not a host name")));
        }
        for address in list.values_mut().flatten() {
            let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            if let Some(bare) = bare.filter(|bare| !bare.is_empty()) {
                *address = bare.to_owned();
            }
        }
        Ok(list)
    }
}

/// One string, or a list of strings (and of numbers, where Compose allows them).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StringList(pub Vec<String>);

impl Deref for StringList {
    type Target = Vec<String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for StringList {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Print for StringList {
    fn tree(&self, form: Form) -> Tree {
        self.0.tree(form)
    }

    fn is_empty(&self, _: Form) -> bool {
        self.0.is_empty()
    }
}

serialize!(StringList);

impl Decode for StringList {
    fn decode(node: &Node, path: &Path<'_>) -> Result<Self> {
        texts(node, path).map(Self)
    }
}
