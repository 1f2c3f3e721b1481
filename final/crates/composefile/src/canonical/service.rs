//! The attributes of a service that have short syntaxes.

use super::*;

pub(super) fn transform(
    service: &mut Node,
    path: &Path<'_>,
    unreadable: Unreadable,
    ports_left: &mut usize,
    warn: &mut Warn<'_>,
) -> Result<()> {
    child(service, "build", path, |node, path| build(node, path, unreadable))?;
    child(service, "depends_on", path, depends_on)?;
    child(service, "env_file", path, env_file)?;
    child(service, "label_file", path, string_or_list)?;
    child(service, "dns", path, dns)?;
    child(service, "extends", path, |node, _| wrap_string(node, "service"))?;
    child(service, "gpus", path, gpus)?;
    for key in ["networks", "models"] {
        child(service, key, path, names_to_mapping)?;
    }
    each_below(service, "volumes", path, |node, path| volume::transform(node, path, unreadable, warn))?;
    each_below(service, "devices", path, |node, path| device(node, path, unreadable))?;
    for key in ["secrets", "configs"] {
        each_below(service, key, path, |node, _| wrap_string(node, "source"))?;
    }
    child(service, "ports", path, |node, path| port::transform(node, path, unreadable, ports_left))?;
    each_below(service, "ulimits", path, ulimit)?;
    child(service, "develop", path, |develop, path| {
        each_below(develop, "watch", path, |trigger, path| {
            child(trigger, "ignore", path, string_or_list)?;
            child(trigger, "include", path, string_or_list)
        })
    })
}

fn build(build: &mut Node, path: &Path<'_>, unreadable: Unreadable) -> Result<()> {
    wrap_string(build, "context")?;
    each_below(build, "secrets", path, |node, _| wrap_string(node, "source"))?;
    for key in ["provenance", "sbom"] {
        child(build, key, path, |node, path| {
            node.value = string(crate::model::text(node, path)?);
            Ok(())
        })?;
    }
    child(build, "additional_contexts", path, |node, path| additional_contexts(node, path, unreadable))?;
    child(build, "ssh", path, ssh)?;
    each_below(build, "ulimits", path, ulimit)
}

fn wrap_string(node: &mut Node, key: &str) -> Result<()> {
    if let Value::String(_) = node.value {
        wrap(node, key);
    }
    Ok(())
}

fn string_or_list(node: &mut Node, _: &Path<'_>) -> Result<()> {
    if let Value::String(_) = node.value {
        let item = node.clone();
        node.value = Value::Sequence(vec![item]);
    }
    Ok(())
}

/// A server that is empty is none: `dns: ${DNS-}`.
fn dns(node: &mut Node, path: &Path<'_>) -> Result<()> {
    string_or_list(node, path)?;
    if let Value::Sequence(items) = &mut node.value {
        items.retain(|item| item.value != Value::Null && item.value != string(""));
    }
    Ok(())
}

/// A list of names becomes a mapping of the names to `null`.
fn names_to_mapping(node: &mut Node, path: &Path<'_>) -> Result<()> {
    list_to_mapping(node, path, |_| Value::Null)
}

fn list_to_mapping(node: &mut Node, path: &Path<'_>, value: fn(Place) -> Value) -> Result<()> {
    let Value::Sequence(items) = &node.value else { return Ok(()) };
    let one = |(index, item): (usize, &Node)| {
        let Value::String(name) = &item.value else {
            return Err(wrong_kind(item, &path.index(index), "a string"));
        };
        let node = Node { value: value(item.place), place: item.place, tag: None };
        Ok((name.clone(), Entry { key: item.place, node }))
    };
    node.value = Value::Mapping(items.iter().enumerate().map(one).collect::<Result<_>>()?);
    Ok(())
}

fn depends_on(node: &mut Node, path: &Path<'_>) -> Result<()> {
    let started =
        |place| mapping(place, [("condition", string("service_started")), ("required", Value::Bool(true))]);
    list_to_mapping(node, path, started)?;
    each_item(node, path, |dependency, path| {
        if !matches!(dependency.value, Value::Mapping(_)) {
            return Err(wrong_kind(dependency, path, "a mapping"));
        }
        default(dependency, "condition", string("service_started"));
        default(dependency, "required", Value::Bool(true));
        Ok(())
    })
}

fn env_file(node: &mut Node, path: &Path<'_>) -> Result<()> {
    string_or_list(node, path)?;
    each_item(node, path, |file, _| {
        wrap_string(file, "path")?;
        default(file, "required", Value::Bool(true));
        Ok(())
    })
}

/// `all` is one request for all GPUs.
fn gpus(node: &mut Node, _: &Path<'_>) -> Result<()> {
    if let Value::String(_) = node.value {
        let place = node.place;
        let all = Node { value: mapping(place, [("count", string("all"))]), place, tag: None };
        node.value = Value::Sequence(vec![all]);
    }
    Ok(())
}

/// `SOURCE[:TARGET[:PERMISSIONS]]`.
fn device(node: &mut Node, path: &Path<'_>, unreadable: Unreadable) -> Result<()> {
    let Value::String(text) = &node.value else { return Ok(()) };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, permissions) = match parts[..] {
        [source] => (source, "", "rwm"),
        [source, target] => (source, target, "rwm"),
        [source, target, permissions] => (source, target, permissions),
        _ if unreadable == Unreadable::Kept => ("", "", "rwm"),
        _ => {
            return Err(path
                .error(node, format_args!("{text:?} has too many colons"))
                .hint("write source, target and permissions as a mapping"));
        }
    };
    let target = if target.is_empty() { source } else { target };
    let fields = [("source", source), ("target", target), ("permissions", permissions)];
    node.value = mapping(node.place, fields.map(|(key, text)| (key, string(text))));
    Ok(())
}

fn ulimit(node: &mut Node, path: &Path<'_>) -> Result<()> {
    match node.value {
        Value::Mapping(_) | Value::Integer(_) => Ok(()),
        _ => Err(wrong_kind(node, path, "a whole number without a point, or a mapping with soft and hard")),
    }
}

fn additional_contexts(node: &mut Node, path: &Path<'_>, unreadable: Unreadable) -> Result<()> {
    let Value::Sequence(items) = &node.value else { return Ok(()) };
    let mut entries = Mapping::new();
    for (index, item) in items.iter().enumerate() {
        let text = crate::model::text(item, &path.index(index))?;
        match text.split_once('=') {
            Some((name, context)) => {
                let node = Node { value: string(context), place: item.place, tag: None };
                entries.insert(name.to_owned(), Entry { key: item.place, node });
            }
            None if unreadable == Unreadable::Kept => return Ok(()),
            None => {
                let why = format!("{text:?} has no context");
                return Err(path.index(index).error(item, why).hint("write name=context"));
            }
        }
    }
    node.value = Value::Mapping(entries);
    Ok(())
}

/// `default`, or `ID=PATH`.
fn ssh(node: &mut Node, path: &Path<'_>) -> Result<()> {
    let Value::Sequence(items) = &node.value else { return Ok(()) };
    let mut keys = Mapping::new();
    for (index, item) in items.iter().enumerate() {
        let text = crate::model::text(item, &path.index(index))?;
        let (id, value) = match text.split_once('=') {
            Some((id, key)) => (id, string(key)),
            None if text == "default" => ("default", Value::Null),
            None => {
                let why = format!("{text:?} has no path");
                return Err(path.index(index).error(item, why).hint("write default, or id=path"));
            }
        };
        keys.insert(
            id.to_owned(),
            Entry { key: item.place, node: Node { value, place: item.place, tag: None } },
        );
    }
    node.value = Value::Mapping(keys);
    Ok(())
}

/// Adds a key that is missing.
pub(super) fn default(node: &mut Node, key: &str, value: Value) {
    let place = node.place;
    if let Value::Mapping(entries) = &mut node.value
        && !entries.contains_key(key)
    {
        entries.insert(key.to_owned(), Entry { key: place, node: Node { value, place, tag: None } });
    }
}
