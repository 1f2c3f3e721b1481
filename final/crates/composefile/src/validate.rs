//! Rules about the keys of one object that the schema cannot say, on a merged document in the canonical form.

use std::net::IpAddr;

use crate::path::Path;
use crate::{Mapping, Node, Result, Value};

pub fn check(document: &Node) -> Result<()> {
    let root = Path::ROOT;
    each(document, "volumes", &root, external)?;
    each(document, "configs", &root, |node, path| sources(node, path, &["file", "environment", "content"]))?;
    each(document, "secrets", &root, |node, path| sources(node, path, &["file", "environment"]))?;
    each(document, "services", &root, |service, path| {
        each(service, "ports", path, host_ip)?;
        each(service, "gpus", path, device_request)?;
        if let Some((develop, path)) = child(service, "develop", path) {
            each(develop, "watch", &path, |trigger, path| match child(trigger, "path", path) {
                Some((node, path)) if node.value == Value::String(String::new()) => {
                    Err(path.error(node, "must not be empty"))
                }
                _ => Ok(()),
            })?;
        }
        let Some((deploy, path)) = child(service, "deploy", path) else { return Ok(()) };
        let Some((resources, path)) = child(deploy, "resources", &path) else { return Ok(()) };
        let Some((reservations, path)) = child(resources, "reservations", &path) else { return Ok(()) };
        each(reservations, "devices", &path, device_request)
    })
}

fn entries(node: &Node) -> Option<&Mapping> {
    match &node.value {
        Value::Mapping(entries) => Some(entries),
        _ => None,
    }
}

fn child<'a, 'b>(node: &'a Node, key: &'b str, path: &'b Path<'b>) -> Option<(&'a Node, Path<'b>)> {
    Some((&entries(node)?.get(key)?.node, path.key(key)))
}

fn each(
    node: &Node,
    key: &str,
    path: &Path<'_>,
    mut check: impl FnMut(&Node, &Path<'_>) -> Result<()>,
) -> Result<()> {
    let Some((node, path)) = child(node, key, path) else { return Ok(()) };
    match &node.value {
        Value::Mapping(entries) => {
            entries.iter().try_for_each(|(key, entry)| check(&entry.node, &path.key(key)))
        }
        Value::Sequence(items) => {
            items.iter().enumerate().try_for_each(|(index, item)| check(item, &path.index(index)))
        }
        _ => Ok(()),
    }
}

/// An external volume exists already: only its name may be given.
fn external(volume: &Node, path: &Path<'_>) -> Result<()> {
    let Some(entries) = entries(volume) else { return Ok(()) };
    if entries.get("external").is_none_or(|entry| entry.node.value != Value::Bool(true)) {
        return Ok(());
    }
    let other = entries
        .iter()
        .find(|(key, _)| !matches!(key.as_str(), "name" | "external") && !key.starts_with("x-"));
    match other {
        Some((key, entry)) => {
            Err(crate::Error::new(format!("{path}: external and {key:?} exclude each other"))
                .at(entry.key)
                .hint("an external volume is made by something else: remove one of the two"))
        }
        None => Ok(()),
    }
}

/// A config or a secret has one source of its content.
fn sources(file: &Node, path: &Path<'_>, keys: &[&str]) -> Result<()> {
    let Some(entries) = entries(file) else { return Ok(()) };
    let mut used = keys.iter().filter(|key| entries.contains_key(**key));
    match (used.next(), used.next()) {
        (Some(one), Some(other)) => {
            let place = entries.get(*other).map_or(file.place, |entry| entry.key);
            Err(crate::Error::new(format!("{path}: {one} and {other} exclude each other")).at(place))
        }
        (None, _) if !entries.contains_key("driver") && !entries.contains_key("external") => Err(path
            .error(file, format_args!("has no content"))
            .hint(format!("add one of: {}", keys.join(", ")))),
        _ => Ok(()),
    }
}

fn host_ip(port: &Node, path: &Path<'_>) -> Result<()> {
    match child(port, "host_ip", path) {
        Some((node, path)) => match &node.value {
            Value::String(text) if text.parse::<IpAddr>().is_err() => {
                Err(path.error(node, format_args!("{text:?} is no IP address")))
            }
            _ => Ok(()),
        },
        None => Ok(()),
    }
}

fn device_request(request: &Node, path: &Path<'_>) -> Result<()> {
    match (child(request, "count", path), child(request, "device_ids", path)) {
        (Some(_), Some((node, _))) => Err(path.error(node, "count and device_ids exclude each other")),
        _ => Ok(()),
    }
}
