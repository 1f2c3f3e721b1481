//! What `up` would change, and why: which attribute of a service differs from what its container was made from.
//!
//! The hash in a container's label tells only that something differs. hull therefore keeps the definition of which it is
//! the hash with the container. Of a container that another program has made, there is no more to say than that it differs.

use std::collections::BTreeMap;

use hull_composefile::hash;
use hull_composefile::model::Project;
use hull_engine::Engine;
use serde::Serialize;
use serde_json::Value;

use crate::convert;
use crate::error::{Context, Error, Result};
use crate::observe::{Container, Observed};
use crate::plan::{Plan, PlanOptions, Reason, ResourceAction, ResourcePlan, ServicePlan};
use crate::references;
use crate::up::plan_up;

/// Something that `up` would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `container`, `network` or `volume`.
    pub kind: &'static str,
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// `create`, `recreate`, `remove`, `rename`, `start` or `restart`.
    pub action: &'static str,
    pub why: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

/// A value that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attribute {
    /// `environment.LEVEL`, `ports[0].published`.
    pub path: String,
    /// `null` where it was not there.
    pub before: Value,
    pub after: Value,
}

/// What `up` would change.
pub fn diff(engine: &Engine, project: &Project, options: &PlanOptions) -> Result<Vec<Change>> {
    let (plan, observed) = plan_up(engine, project, options)?;
    let mut changes = Vec::new();
    for network in &plan.networks {
        changes.extend(of_network(engine, project, network)?);
    }
    for volume in &plan.volumes {
        changes.extend(of_volume(engine, project, volume, &plan)?);
    }
    if plan.remove_orphans {
        changes.extend(plan.orphans.iter().map(|one| of_container(one, "remove", why(&Reason::Orphan))));
    }
    for service in &plan.services {
        changes.extend(of_service(engine, project, service, &plan, &observed)?);
    }
    Ok(changes)
}

fn of_container(container: &Container, action: &'static str, why: String) -> Change {
    Change {
        kind: "container",
        name: container.name.clone(),
        service: container.service.clone(),
        action,
        why,
        attributes: vec![],
    }
}

fn of_service(
    engine: &Engine,
    project: &Project,
    planned: &ServicePlan,
    plan: &Plan,
    observed: &Observed,
) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for (container, reason) in &planned.remove {
        changes.push(of_container(container, "remove", why(reason)));
    }
    for replace in &planned.replace {
        let mut change = of_container(&replace.container, "recreate", why(&replace.why));
        if replace.why == Reason::Definition {
            let attributes = definitions(engine, project, plan, observed, &replace.container)?;
            (change.attributes, change.why) = match attributes {
                Some(attributes) => (attributes, change.why),
                None => (vec![], "its definition differs from the one in its label".into()),
            };
        }
        changes.push(change);
    }
    for (_, name) in &planned.create {
        let (name, service) = (name.clone(), planned.service.clone());
        let why = "there is no such container".to_owned();
        changes.push(Change { kind: "container", name, service, action: "create", why, attributes: vec![] });
    }
    for (container, name) in &planned.rename {
        let why = format!("an earlier command was ended before it could name it {name}");
        changes.push(of_container(container, "rename", why));
    }
    for container in &planned.keep {
        if !container.is_running() {
            let why = format!("it is {}", container.status.as_str());
            changes.push(of_container(container, "start", why));
        } else if plan.stop.contains(&planned.service) {
            let why = "a service that it depends on is recreated".to_owned();
            changes.push(of_container(container, "restart", why));
        }
    }
    Ok(changes)
}

fn why(reason: &Reason) -> String {
    let id = |id: &Option<String>| id.as_deref().map_or("none".to_owned(), short);
    match reason {
        Reason::Forced => "that was asked for".into(),
        Reason::Definition => "its definition differs".into(),
        Reason::Image { before, now } => format!("its image was {} and is {}", id(before), id(now)),
        Reason::Network(key) => format!("it is not connected to the network {key}"),
        Reason::Volume(key) => format!("it does not have the volume {key}"),
        Reason::Shares(service) => format!("it shares something of {service}, which is recreated"),
        Reason::Surplus => "the service is to have fewer containers".into(),
        Reason::Replaced => "an earlier command has replaced it".into(),
        Reason::Orphan => "its service is not in the files".into(),
    }
}

fn short(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).collect()
}

/// The attributes that differ. `None` if it is not known what the container was made from.
fn definitions(
    engine: &Engine,
    project: &Project,
    plan: &Plan,
    observed: &Observed,
    container: &Container,
) -> Result<Option<Vec<Attribute>>> {
    let missing = || Error::Invalid(format!("no such service: {}", container.service));
    let service = project.services.get(&container.service).ok_or_else(missing)?;
    let known = engine.definition(&container.id).context(|| format!("container {}", container.name))?;
    let Some(before) = known.and_then(|text| serde_json::from_str::<Value>(&text).ok()) else {
        return Ok(None);
    };
    let mut ids = BTreeMap::new();
    for other in references::of(service) {
        let kept =
            plan.service(&other).and_then(|other| other.keep.iter().min_by_key(|one| one.name.clone()));
        let first = || observed.of_service(&other).min_by_key(|one| one.name.clone());
        ids.extend(kept.or_else(first).map(|one| (other.clone(), one.id.clone())));
    }
    let after = hash::definition(&references::resolve(service, &ids));
    let after = serde_json::from_str(&after).unwrap_or(Value::Null);
    let mut attributes = Vec::new();
    compare(String::new(), &before, &after, &mut attributes);
    Ok(Some(attributes))
}

fn of_network(engine: &Engine, project: &Project, planned: &ResourcePlan) -> Result<Option<Change>> {
    let change = |action, why: &str, attributes| {
        let (name, why) = (planned.name.clone(), why.to_owned());
        Some(Change { kind: "network", name, service: String::new(), action, why, attributes })
    };
    match (&planned.action, project.networks.get(&planned.key)) {
        (ResourceAction::Keep(_), _) => Ok(None),
        (ResourceAction::Replace, Some(network)) => {
            let found = engine.inspect_network(&planned.name).context(|| planned.name.clone())?;
            let asked = convert::network_request(project, &planned.key, network);
            let driver = |driver: &str| if driver.is_empty() { "bridge" } else { driver }.to_owned();
            // The subnets that the engine has chosen are no difference.
            let has_pools = !asked.ipam.config.is_empty();
            let before = serde_json::json!({
                "driver": driver(&found.driver), "driver_opts": found.options, "internal": found.internal,
                "attachable": found.attachable, "enable_ipv6": found.enable_ipv6,
                "ipam": if has_pools { serde_json::json!(found.ipam.config) } else { Value::Null },
                "labels": own_labels(&found.labels),
            });
            let after = serde_json::json!({
                "driver": driver(&asked.driver), "driver_opts": asked.options, "internal": asked.internal,
                "attachable": asked.attachable, "enable_ipv6": asked.enable_ipv6.unwrap_or(false),
                "ipam": if has_pools { serde_json::json!(asked.ipam.config) } else { Value::Null },
                "labels": own_labels(&asked.labels),
            });
            let mut attributes = Vec::new();
            compare(String::new(), &before, &after, &mut attributes);
            Ok(change("recreate", "its definition differs", attributes))
        }
        _ => Ok(change("create", "there is no such network", vec![])),
    }
}

fn of_volume(
    engine: &Engine,
    project: &Project,
    planned: &ResourcePlan,
    plan: &Plan,
) -> Result<Option<Change>> {
    let is_diverged = plan.diverged_volumes.contains(&planned.name);
    let change = |action, why: &str, attributes| {
        let (name, why) = (planned.name.clone(), why.to_owned());
        Some(Change { kind: "volume", name, service: String::new(), action, why, attributes })
    };
    match (&planned.action, project.volumes.get(&planned.key)) {
        (ResourceAction::Create, _) => Ok(change("create", "there is no such volume", vec![])),
        (_, Some(volume)) if is_diverged => {
            let found = engine.inspect_volume(&planned.name).context(|| planned.name.clone())?;
            let asked = convert::volume_request(project, &planned.key, volume);
            let before =
                serde_json::json!({"driver_opts": found.options, "labels": own_labels(&found.labels)});
            let after =
                serde_json::json!({"driver_opts": asked.driver_opts, "labels": own_labels(&asked.labels)});
            let mut attributes = Vec::new();
            compare(String::new(), &before, &after, &mut attributes);
            Ok(change(
                "recreate",
                "its definition differs; up asks first, because its data would be lost",
                attributes,
            ))
        }
        _ => Ok(None),
    }
}

/// Labels without those that Compose adds.
fn own_labels(all: &BTreeMap<String, String>) -> BTreeMap<&String, &String> {
    all.iter().filter(|(key, _)| !key.starts_with("com.docker.compose.")).collect()
}

/// Adds what differs between two values at `path`.
fn compare(path: String, before: &Value, after: &Value, found: &mut Vec<Attribute>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(old), Value::Object(new)) => {
            let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let value = |of: &serde_json::Map<String, Value>| of.get(key).cloned().unwrap_or(Value::Null);
                compare(below, &value(old), &value(new), found);
            }
        }
        (Value::Null, Value::Object(_)) => compare(path, &Value::Object(Default::default()), after, found),
        (Value::Object(_), Value::Null) => compare(path, before, &Value::Object(Default::default()), found),
        // A list of the same length differs in elements, and another one as a whole.
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                compare(format!("{path}[{index}]"), old, new, found);
            }
        }
        _ => found.push(Attribute { path, before: before.clone(), after: after.clone() }),
    }
}

/// The changes as text, for people.
pub fn text(changes: &[Change]) -> String {
    let mut lines = Vec::new();
    for change in changes {
        lines.push(format!("{} {}: {}, because {}", change.kind, change.name, change.action, change.why));
        for attribute in &change.attributes {
            let shown =
                |value: &Value| if value.is_null() { "nothing".to_owned() } else { value.to_string() };
            lines.push(format!(
                "    {}: {} → {}",
                attribute.path,
                shown(&attribute.before),
                shown(&attribute.after)
            ));
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_attribute_that_differs_is_named() {
        let before = json!({"environment": {"A": "1", "B": "2"}, "command": ["a", "b"], "ports": [1], "same": {"x": 1}});
        let after = json!({"environment": {"A": "1", "C": "2"}, "command": ["a", "c"], "ports": [1, 2], "same": {"x": 1}});
        let mut found = Vec::new();
        compare(String::new(), &before, &after, &mut found);
        let shown: Vec<String> =
            found.iter().map(|one| format!("{} {} {}", one.path, one.before, one.after)).collect();
        assert_eq!(
            shown,
            [
                r#"command[1] "b" "c""#,
                r#"environment.B "2" null"#,
                r#"environment.C null "2""#,
                "ports [1] [1,2]"
            ]
        );
    }
}
