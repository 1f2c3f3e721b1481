//! Lists of texts and mappings, which many attributes accept both.

use hull_yaml::tree::{Entry, Mapping, Node, TIMESTAMP, Value};

use crate::path::Path;
use crate::{Error, Result, float};

/// The items of a list. A mapping becomes `key=value`, in the order of the texts.
pub(super) fn into_items(node: Node) -> Vec<Node> {
    let place = node.place;
    let tag = node.tag;
    match node.value {
        Value::Sequence(items) => items,
        value @ Value::String(_) => vec![Node { value, place, tag }],
        Value::Mapping(entries) => {
            let mut items: Vec<_> = entries.into_iter().flat_map(|(key, entry)| pairs(&key, entry)).collect();
            items.sort_by_cached_key(|item| match &item.value {
                Value::String(text) => text.clone(),
                _ => String::new(),
            });
            items
        }
        _ => Vec::new(),
    }
}

fn pairs(key: &str, entry: Entry) -> Vec<Node> {
    let place = entry.key;
    let pair = |text| Node { value: Value::String(text), place, tag: None };
    match entry.node.value {
        Value::Null => vec![pair(key.to_owned())],
        Value::Sequence(items) => {
            items.iter().map(|item| pair(format!("{key}={}", shown(&item.value)))).collect()
        }
        Value::String(text) if entry.node.tag.as_deref() == Some(TIMESTAMP) => {
            vec![pair(format!("{key}={}", time(&text)))]
        }
        value => vec![pair(format!("{key}={}", shown(&value)))],
    }
}

/// A time as Go's `%v` prints it: `2001-12-14T21:59:43Z` is `2001-12-14 21:59:43 +0000 UTC`.
fn time(text: &str) -> String {
    let Some((date, time)) = text.split_once('T') else { return text.to_owned() };
    match (time.strip_suffix('Z'), time.rfind(['+', '-'])) {
        (Some(time), _) => format!("{date} {time} +0000 UTC"),
        (None, Some(at)) => {
            let (time, zone) = time.split_at(at);
            let zone = zone.replace(':', "");
            format!("{date} {time} {zone} {zone}")
        }
        (None, None) => text.to_owned(),
    }
}

/// A value as Go's `%v` prints it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => float::general(*value),
        Value::String(text) => text.clone(),
        Value::Sequence(items) => {
            let items: Vec<_> = items.iter().map(|item| shown(&item.value)).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Mapping(entries) => {
            let entries = entries.iter().map(|(key, entry)| format!("{key}:{}", shown(&entry.node.value)));
            format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
        }
    }
}

/// The entries of a mapping. An item of a list becomes a key with `value`.
pub(super) fn into_entries(node: Node, path: &Path<'_>, value: impl Fn(&Node) -> Value) -> Result<Mapping> {
    match node.value {
        Value::Mapping(entries) => Ok(entries),
        Value::Sequence(items) => {
            let entry = |(index, item): (usize, Node)| match &item.value {
                Value::String(key) => {
                    let node = Node { value: value(&item), place: item.place, tag: None };
                    Ok((key.clone(), Entry { key: item.place, node }))
                }
                _ => Err(Error::new(format!("{} must be a string", path.index(index))).at(item.place)),
            };
            items.into_iter().enumerate().map(entry).collect()
        }
        _ => Ok(Mapping::new()),
    }
}
