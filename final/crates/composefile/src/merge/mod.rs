//! How a file overrides the files before it, and a service what it extends.
//!
//! ```text
//! text    mappings and lists that become each other
//! unique  an item of a list replaces the earlier one with the same key
//! ```
//!
//! The rules are the specification's (Merge and override): mappings are merged, lists appended, anything else replaced. Some
//! attributes have rules of their own.

#[cfg(test)]
mod tests;
mod text;
mod unique;

use std::collections::HashSet;
use std::collections::btree_map::Entry as Slot;

use hull_yaml::tree::{Entry, Mapping, Node, Place, Value};

use crate::path::Path;
use crate::{Error, Result};
pub(crate) use text::shown;
pub(crate) use unique::unique;

/// How many pools of a network are compared with each other.
const POOLS: usize = 256;

type Rule = fn(Node, Node, &Path<'_>) -> Result<Node>;

const RULES: &[(&str, Rule)] = &[
    ("networks.*.ipam.config", merge_pools),
    ("networks.*.labels", append_texts),
    ("volumes.*.labels", append_texts),
    ("services.*.annotations", append_texts),
    ("services.*.build", merge_build),
    ("services.*.build.args", append_texts),
    ("services.*.build.additional_contexts", append_texts),
    ("services.*.build.extra_hosts", append_new_texts),
    ("services.*.build.labels", append_texts),
    ("services.*.command", replace),
    ("services.*.depends_on", merge_dependencies),
    ("services.*.deploy.labels", append_texts),
    ("services.*.dns", append_texts),
    ("services.*.dns_opt", append_texts),
    ("services.*.dns_search", append_texts),
    ("services.*.entrypoint", replace),
    ("services.*.env_file", append_texts),
    ("services.*.label_file", append_texts),
    ("services.*.environment", append_texts),
    ("services.*.extra_hosts", append_new_texts),
    ("services.*.healthcheck.test", replace),
    ("services.*.labels", append_texts),
    ("services.*.volumes.*.volume.labels", append_texts),
    ("services.*.logging", merge_logging),
    ("services.*.models", merge_names),
    ("services.*.networks", merge_names),
    ("services.*.sysctls", append_texts),
    ("services.*.tmpfs", append_texts),
    ("services.*.ulimits.*", replace),
];

/// What `base` becomes when `over` overrides it.
pub(crate) fn merge(base: Node, over: Node, path: &Path<'_>) -> Result<Node> {
    if let Some((_, rule)) = RULES.iter().find(|(pattern, _)| path.is(pattern)) {
        return rule(base, over, path);
    }
    match (base.value, over.value) {
        (value, Value::Null) => Ok(Node { value, place: base.place, tag: base.tag }),
        (Value::Mapping(mut entries), Value::Mapping(others)) => {
            merge_entries(&mut entries, others, path)?;
            Ok(Node { value: Value::Mapping(entries), place: base.place, tag: None })
        }
        (Value::Sequence(mut items), Value::Sequence(others)) => {
            items.extend(others);
            Ok(Node { value: Value::Sequence(items), place: base.place, tag: None })
        }
        (Value::Mapping(_) | Value::Sequence(_), _) => Err(Error::new(format!("cannot override {path}"))
            .at(over.place)
            .hint("use the syntax that the earlier file has, or !override")),
        (_, value) => Ok(Node { value, place: over.place, tag: over.tag }),
    }
}

fn merge_entries(entries: &mut Mapping, others: Mapping, path: &Path<'_>) -> Result<()> {
    for (key, other) in others {
        let path = path.key(&key);
        match entries.entry(key.clone()) {
            Slot::Vacant(slot) => drop(slot.insert(other)),
            Slot::Occupied(mut slot) => {
                let base = std::mem::replace(
                    &mut slot.get_mut().node,
                    Node { value: Value::Null, place: other.node.place, tag: None },
                );
                slot.get_mut().node = merge(base, other.node, &path)?;
            }
        }
    }
    Ok(())
}

fn merge_mappings(mut base: Mapping, over: Mapping, at: &Node, path: &Path<'_>) -> Result<Node> {
    merge_entries(&mut base, over, path)?;
    Ok(Node { value: Value::Mapping(base), place: at.place, tag: None })
}

fn replace(_: Node, over: Node, _: &Path<'_>) -> Result<Node> {
    Ok(over)
}

fn append_texts(base: Node, over: Node, _: &Path<'_>) -> Result<Node> {
    let place = base.place;
    let mut items = text::into_items(base);
    items.extend(text::into_items(over));
    Ok(Node { value: Value::Sequence(items), place, tag: None })
}

/// As [`append_texts`], without what is there already.
fn append_new_texts(base: Node, over: Node, _: &Path<'_>) -> Result<Node> {
    let place = base.place;
    let mut items = text::into_items(base);
    let known: HashSet<String> = items.iter().map(|item| shown(&item.value)).collect();
    items.extend(text::into_items(over).into_iter().filter(|item| !known.contains(&shown(&item.value))));
    Ok(Node { value: Value::Sequence(items), place, tag: None })
}

/// A text is the context.
fn merge_build(base: Node, over: Node, path: &Path<'_>) -> Result<Node> {
    let at = base.clone();
    let mapping = |node: Node| match node.value {
        Value::String(_) => Mapping::from([("context".to_owned(), Entry { key: node.place, node })]),
        Value::Mapping(entries) => entries,
        _ => Mapping::new(),
    };
    merge_mappings(mapping(base), mapping(over), &at, path)
}

/// A name in a list is a service that must have started.
fn merge_dependencies(base: Node, over: Node, path: &Path<'_>) -> Result<Node> {
    let at = base.clone();
    let condition = |name: &Node| {
        let entry = |value| Entry { key: name.place, node: Node { value, place: name.place, tag: None } };
        Value::Mapping(Mapping::from([
            ("condition".to_owned(), entry(Value::String("service_started".into()))),
            ("required".to_owned(), entry(Value::Bool(true))),
        ]))
    };
    let base = text::into_entries(base, path, condition)?;
    merge_mappings(base, text::into_entries(over, path, condition)?, &at, path)
}

/// A name in a list is one without options.
fn merge_names(base: Node, over: Node, path: &Path<'_>) -> Result<Node> {
    let at = base.clone();
    let base = text::into_entries(base, path, |_| Value::Null)?;
    merge_mappings(base, text::into_entries(over, path, |_| Value::Null)?, &at, path)
}

/// Options are those of a driver: another driver does not get them.
fn merge_logging(base: Node, over: Node, path: &Path<'_>) -> Result<Node> {
    let driver = |node: &Node| match &node.value {
        Value::Mapping(entries) => entries.get("driver").map(|entry| entry.node.value.clone()),
        _ => None,
    };
    match (driver(&base), driver(&over)) {
        (Some(one), Some(other)) if one != other => Ok(over),
        _ => {
            let at = base.clone();
            match (base.value, over.value) {
                (Value::Mapping(base), Value::Mapping(over)) => merge_mappings(base, over, &at, path),
                (value, Value::Null) => Ok(Node { value, ..at }),
                (Value::Null, value) => Ok(Node { value, place: over.place, tag: None }),
                _ => Err(Error::new(format!("cannot override {path}")).at(over.place)),
            }
        }
    }
}

/// Pools are told apart by their subnets. The order and what happens with more than one of them are Compose's.
fn merge_pools(base: Node, over: Node, path: &Path<'_>) -> Result<Node> {
    let place = base.place;
    let wrong = |node: &Node| {
        Error::new(format!("{path}: unexpected type {}", crate::model::kind(node))).at(node.place)
    };
    let list = |node: Node| match node.value {
        Value::Sequence(items) => Ok(items),
        value => Err(wrong(&Node { value, ..node })),
    };
    let (base, over) = (list(base)?, list(over)?);
    if base.len().max(over.len()) > POOLS {
        return Err(Error::new(format!("{path}: a network has no more than {POOLS} pools")).at(place));
    }
    let entries = |node: Node| text::into_entries(node, path, |_| Value::Null);
    let places: Vec<Place> = base.iter().map(|pool| pool.place).collect();
    let mut base = base.into_iter().map(entries).collect::<Result<Vec<_>>>()?;
    let over_places: Vec<Place> = over.iter().map(|pool| pool.place).collect();
    let over = over.into_iter().map(entries).collect::<Result<Vec<_>>>()?;
    // Compose keeps references in its list, so a pool of the base that changes later changes in the list too.
    let mut list: Vec<Pool> = Vec::new();
    for index in 0..base.len() {
        for (other, entries) in over.iter().enumerate() {
            let is_known = |list: &[Pool], base: &[Mapping], pool: &Mapping| {
                list.iter().position(|known| subnet(known.of(base, &over)) == subnet(pool))
            };
            if subnet(entries) != subnet(&base[index]) && is_known(&list, &base, entries).is_none() {
                list.push(Pool::Over(other));
                continue;
            }
            merge_entries(&mut base[index], entries.clone(), path)?;
            match is_known(&list, &base, &base[index]) {
                Some(position) => list[position] = Pool::Base(index),
                None => list.push(Pool::Base(index)),
            }
        }
    }
    let items = list.into_iter().map(|pool| {
        let place = match pool {
            Pool::Base(index) => places[index],
            Pool::Over(index) => over_places[index],
        };
        Node { value: Value::Mapping(pool.of(&base, &over).clone()), place, tag: None }
    });
    Ok(Node { value: Value::Sequence(items.collect()), place, tag: None })
}

/// A pool of the base, which the override may have changed, or one of the override.
#[derive(Debug, Clone, Copy)]
enum Pool {
    Base(usize),
    Over(usize),
}

impl Pool {
    fn of<'a>(self, base: &'a [Mapping], over: &'a [Mapping]) -> &'a Mapping {
        match self {
            Self::Base(index) => &base[index],
            Self::Over(index) => &over[index],
        }
    }
}

fn subnet(pool: &Mapping) -> Option<&Value> {
    pool.get("subnet").map(|entry| &entry.node.value)
}
