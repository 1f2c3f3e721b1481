//! What a document says without words: names, the default network, dependencies that other attributes imply.

use std::collections::BTreeMap;

use crate::model::SECRET_CONTENT;
use crate::path::{Path, clean};
use crate::{Entry, Mapping, Node, Place, Result, Value, model};

type Environment = BTreeMap<String, String>;

/// Gives variables without a value the environment's: `environment: [NAME]`, and secrets and configs that name a variable.
pub fn resolve_environment(document: &mut Node, environment: &Environment) {
    for service in values_of(document, "services") {
        let Some(Value::Sequence(items)) = get_mut(service, "environment").map(|node| &mut node.value) else {
            continue;
        };
        for item in items {
            let Value::String(name) = &mut item.value else { continue };
            if let Some(value) = environment.get(name) {
                *name = format!("{name}={value}");
            }
        }
    }
    for (kind, key) in [("secrets", SECRET_CONTENT), ("configs", "content")] {
        for file in values_of(document, kind) {
            let Some(Value::String(name)) = get_mut(file, "environment").map(|node| &node.value) else {
                continue;
            };
            if let Some(content) = environment.get(name) {
                insert(file, key, Value::String(content.clone()));
            }
        }
    }
}

/// Adds what follows from a document in the canonical form. `name` is the project's.
pub fn normalise(document: &mut Node, name: &str, environment: &Environment) -> Result<()> {
    insert(document, "name", Value::String(name.to_owned()));
    default_network(document);
    let services = Path::ROOT.key("services");
    if let Some(entries) = get_mut(document, "services").and_then(entries_of) {
        for (name, entry) in entries {
            service(&mut entry.node, &services.key(name), environment)?;
        }
    }
    for kind in ["networks", "volumes", "configs", "secrets"] {
        if let Some(entries) = get_mut(document, kind).and_then(entries_of) {
            entries.iter_mut().for_each(|(key, entry)| set_name(&mut entry.node, key, name));
        }
    }
    Ok(())
}

/// A service that names no network is in the default one, which there is only if a service is in it.
fn default_network(document: &mut Node) {
    let mut is_used = false;
    for service in values_of(document, "services") {
        if has(service, "provider") || has(service, "network_mode") {
            continue;
        }
        match get_mut(service, "networks").and_then(entries_of) {
            Some(networks) if !networks.is_empty() => is_used |= networks.contains_key("default"),
            _ => {
                let place = service.place;
                let none = Node { value: Value::Null, place, tag: None };
                let only = Mapping::from([("default".to_owned(), Entry { key: place, node: none })]);
                insert(service, "networks", Value::Mapping(only));
                is_used = true;
            }
        }
    }
    if !is_used {
        return;
    }
    match get_mut(document, "networks") {
        Some(networks) if matches!(networks.value, Value::Mapping(_)) => {
            if !has(networks, "default") {
                insert(networks, "default", Value::Null);
            }
        }
        _ => {
            let place = document.place;
            let none = Node { value: Value::Null, place, tag: None };
            let only = Mapping::from([("default".to_owned(), Entry { key: place, node: none })]);
            insert(document, "networks", Value::Mapping(only));
        }
    }
}

fn service(service: &mut Node, path: &Path<'_>, environment: &Environment) -> Result<()> {
    if let Some(Value::String(policy)) = get_mut(service, "pull_policy").map(|node| &mut node.value)
        && policy == "if_not_present"
    {
        *policy = "missing".into();
    }
    if let Some(build) = get_mut(service, "build") {
        if !has_value(build, "context") {
            insert(build, "context", Value::String(".".into()));
        }
        if !has_value(build, "dockerfile") && !has_value(build, "dockerfile_inline") {
            insert(build, "dockerfile", Value::String("Dockerfile".into()));
        }
        if let Some(arguments) = get_mut(build, "args") {
            resolve(arguments, environment, Unresolved::Dropped);
        }
    }
    if let Some(variables) = get_mut(service, "environment") {
        resolve(variables, environment, Unresolved::Kept);
    }
    clean_targets(service, path)?;
    implied_dependencies(service);
    Ok(())
}

#[derive(PartialEq)]
enum Unresolved {
    Kept,
    Dropped,
}

fn resolve(node: &mut Node, environment: &Environment, unresolved: Unresolved) {
    match &mut node.value {
        Value::Sequence(items) => items.retain_mut(|item| match &mut item.value {
            Value::String(name) if !name.contains('=') => match environment.get(name) {
                Some(value) => {
                    *name = format!("{name}={value}");
                    true
                }
                None => unresolved == Unresolved::Kept,
            },
            _ => true,
        }),
        Value::Mapping(entries) => {
            entries.retain(|name, entry| match (&entry.node.value, environment.get(name)) {
                (Value::Null, Some(value)) => {
                    entry.node.value = Value::String(value.clone());
                    true
                }
                (Value::Null, None) => unresolved == Unresolved::Kept,
                _ => true,
            })
        }
        _ => {}
    }
}

fn clean_targets(service: &mut Node, path: &Path<'_>) -> Result<()> {
    let volumes_path = path.key("volumes");
    let Some(Value::Sequence(volumes)) = get_mut(service, "volumes").map(|node| &mut node.value) else {
        return Ok(());
    };
    for (index, volume) in volumes.iter_mut().enumerate() {
        // A short syntax that nobody could read stays a text.
        let Value::Mapping(_) = volume.value else { continue };
        let place = volume.place;
        match get_mut(volume, "target").map(|node| &mut node.value) {
            Some(Value::String(target)) => *target = clean(target),
            _ => {
                let why = format!("{}: the key \"target\" is missing", volumes_path.index(index));
                return Err(crate::Error::new(why).at(place));
            }
        }
    }
    Ok(())
}

/// Links, shared namespaces and `volumes_from` imply that another service is started before.
fn implied_dependencies(service: &mut Node) {
    let mut implied: Vec<(String, bool, Place)> = Vec::new();
    for link in texts_of(service, "links") {
        let (name, place) = link;
        let name = match name.split(':').collect::<Vec<_>>()[..] {
            [name, _alias] => name.to_owned(),
            _ => name,
        };
        implied.push((name, true, place));
    }
    for namespace in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        let Some(node) = get_mut(service, namespace) else { continue };
        if let Value::String(text) = &node.value
            && let Some(shared) = text.strip_prefix("service:")
        {
            implied.push((shared.to_owned(), true, node.place));
        }
    }
    for (source, place) in texts_of(service, "volumes_from") {
        if !source.starts_with("container:") {
            let name = source.split(':').next().unwrap_or_default();
            implied.push((name.to_owned(), false, place));
        }
    }
    if implied.is_empty() {
        return;
    }
    let place = service.place;
    if !has(service, "depends_on") {
        insert(service, "depends_on", Value::Mapping(Mapping::new()));
    }
    let Some(dependencies) = get_mut(service, "depends_on").and_then(entries_of) else { return };
    for (name, restart, own) in implied {
        let place = if own == Place::default() { place } else { own };
        let field = |value| Entry { key: place, node: Node { value, place, tag: None } };
        let fields = Mapping::from([
            ("condition".to_owned(), field(Value::String("service_started".into()))),
            ("restart".to_owned(), field(Value::Bool(restart))),
            ("required".to_owned(), field(Value::Bool(true))),
        ]);
        dependencies.entry(name).or_insert_with(|| field(Value::Mapping(fields)));
    }
}

/// A resource without a name of its own is named by its key, and by the project if it is the project's.
fn set_name(resource: &mut Node, key: &str, project: &str) {
    if resource.value == Value::Null {
        resource.value = Value::Mapping(Mapping::new());
    }
    if has_value(resource, "name") {
        return;
    }
    let is_external = get_mut(resource, "external").is_some_and(|node| match &node.value {
        Value::Bool(external) => *external,
        // The words that Go's `strconv.ParseBool` takes for true.
        Value::String(text) => ["1", "t", "T", "true", "TRUE", "True"].contains(&text.as_str()),
        Value::Integer(number) => *number == 1,
        _ => false,
    });
    let name = if is_external { key.to_owned() } else { format!("{project}_{key}") };
    insert(resource, "name", Value::String(name));
}

fn texts_of(node: &mut Node, key: &str) -> Vec<(String, Place)> {
    let Some(Value::Sequence(items)) = get_mut(node, key).map(|node| &node.value) else { return Vec::new() };
    let text = |item: &Node| model::text(item, &Path::ROOT).ok().map(|text| (text, item.place));
    items.iter().filter_map(text).collect()
}

fn get_mut<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    entries_of(node)?.get_mut(key).map(|entry| &mut entry.node)
}

fn entries_of(node: &mut Node) -> Option<&mut Mapping> {
    match &mut node.value {
        Value::Mapping(entries) => Some(entries),
        _ => None,
    }
}

fn values_of<'a>(document: &'a mut Node, key: &str) -> impl Iterator<Item = &'a mut Node> {
    let entries = get_mut(document, key).and_then(entries_of);
    entries.into_iter().flat_map(|entries| entries.values_mut().map(|entry| &mut entry.node))
}

fn has(node: &mut Node, key: &str) -> bool {
    get_mut(node, key).is_some()
}

fn has_value(node: &mut Node, key: &str) -> bool {
    get_mut(node, key).is_some_and(|node| node.value != Value::Null)
}

/// Sets a key. The new value stands where the mapping does.
fn insert(node: &mut Node, key: &str, value: Value) {
    let place = node.place;
    if let Some(entries) = entries_of(node) {
        let entry = entries
            .entry(key.to_owned())
            .or_insert_with(|| Entry { key: place, node: Node { value: Value::Null, place, tag: None } });
        entry.node.value = value;
        entry.node.tag = None;
    }
}

#[cfg(test)]
mod tests;
