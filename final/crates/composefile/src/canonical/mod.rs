//! The canonical form: every short syntax becomes its long one
//! (<https://github.com/compose-spec/compose-spec/blob/main/spec.md>).
//!
//! ```text
//! port      "8080:80/udp"                volume    "./data:/data:ro"
//! service   the attributes of a service that have short syntaxes
//! defaults  values of attributes that are missing
//! ```

mod defaults;
mod port;
mod service;
mod volume;

use crate::model::kind;
use crate::path::Path;
use crate::{Entry, Error, Mapping, Node, Place, Result, Value, Warn};

pub use defaults::set_defaults;

/// What a text that cannot be read is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    Refused,
    /// It stays as it is: it may have variables that nobody has replaced.
    Kept,
}

/// Brings a document, or what an override adds to one, into the canonical form. What has it already stays as it is.
pub fn transform(document: &mut Node, unreadable: Unreadable, warn: &mut Warn<'_>) -> Result<()> {
    let root = Path::ROOT;
    let mut ports_left = port::MOST;
    each_below(document, "services", &root, |service, path| {
        service::transform(service, path, unreadable, &mut ports_left, warn)
    })?;
    for kind in ["volumes", "networks", "secrets", "configs"] {
        each_below(document, kind, &root, |resource, path| external(resource, path, warn))?;
    }
    child(document, "include", &root, |includes, path| {
        each_item(includes, path, |include, _| {
            if let Value::String(_) = include.value {
                wrap(include, "path");
            }
            Ok(())
        })
    })
}

/// `external: { name: … }` is the old form of `external: true` and `name`.
fn external(resource: &mut Node, path: &Path<'_>, warn: &mut Warn<'_>) -> Result<()> {
    let Value::Mapping(entries) = &mut resource.value else { return Ok(()) };
    let Some(external) = entries.get_mut("external") else { return Ok(()) };
    let Value::Mapping(old) = &mut external.node.value else { return Ok(()) };
    let name = old.remove("name");
    let place = external.node.place;
    external.node.value = Value::Bool(true);
    let Some(name) = name else { return Ok(()) };
    warn(format!("{path}: external.name is deprecated. Please set name and external: true"), place);
    match entries.get("name") {
        Some(own) if own.node.value != name.node.value => {
            Err(path.key("name").error(&own.node, "differs from external.name").hint("keep only name"))
        }
        Some(_) => Ok(()),
        None => {
            entries.insert("name".into(), name);
            Ok(())
        }
    }
}

/// Runs a function on the value of a key, if it is there and not `null`.
fn child(
    node: &mut Node,
    key: &str,
    path: &Path<'_>,
    mut change: impl FnMut(&mut Node, &Path<'_>) -> Result<()>,
) -> Result<()> {
    let Value::Mapping(entries) = &mut node.value else { return Ok(()) };
    match entries.get_mut(key) {
        Some(entry) if entry.node.value != Value::Null => change(&mut entry.node, &path.key(key)),
        _ => Ok(()),
    }
}

/// Runs a function on each entry of a sequence or a mapping.
fn each_item(
    node: &mut Node,
    path: &Path<'_>,
    mut change: impl FnMut(&mut Node, &Path<'_>) -> Result<()>,
) -> Result<()> {
    match &mut node.value {
        Value::Sequence(items) => {
            items.iter_mut().enumerate().try_for_each(|(index, item)| change(item, &path.index(index)))
        }
        Value::Mapping(entries) => {
            entries.iter_mut().try_for_each(|(key, entry)| change(&mut entry.node, &path.key(key)))
        }
        _ => Ok(()),
    }
}

fn each_below(
    node: &mut Node,
    key: &str,
    path: &Path<'_>,
    mut change: impl FnMut(&mut Node, &Path<'_>) -> Result<()>,
) -> Result<()> {
    child(node, key, path, |node, path| each_item(node, path, &mut change))
}

/// `value` becomes `{ key: value }`.
fn wrap(node: &mut Node, key: &str) {
    let place = node.place;
    let inner = std::mem::replace(node, Node { value: Value::Null, place, tag: None });
    node.value = mapping(place, [(key, inner.value)]);
}

/// A mapping whose keys and values all have the place of the short syntax.
fn mapping<'a>(place: Place, entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let entry = |(key, value): (&str, Value)| {
        (key.to_owned(), Entry { key: place, node: Node { value, place, tag: None } })
    };
    Value::Mapping(entries.into_iter().map(entry).collect::<Mapping>())
}

fn string(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

fn wrong_kind(node: &Node, path: &Path<'_>, wanted: &str) -> Error {
    path.error(node, format_args!("must be {wanted}, but it is {}", kind(node)))
}
