//! Networks and volumes: which are there, which are made, and which are made again.

use super::{Plan, PlanOptions, ResourceAction, ResourcePlan, WantedNetwork, WantedProject, WantedVolume};
use crate::error::{Error, Result};
use crate::labels;
use crate::observe::{Object, Observed};

pub(super) fn networks(wanted: &WantedProject<'_>, observed: &Observed, plan: &mut Plan) -> Result<()> {
    for (key, network) in &wanted.networks {
        let action = match network.external {
            true => external_network(network, observed)?,
            false => own_network(wanted, key, network, observed, plan)?,
        };
        let users = wanted.services.iter().filter(|(_, service)| service.networks.contains(key));
        let users = users.map(|(name, _)| name.clone()).collect();
        plan.networks.push(ResourcePlan { key: key.clone(), name: network.name.clone(), action, users });
    }
    Ok(())
}

/// An external network is named by its name or its id. `bridge`, `host` and `none` are always there.
fn external_network(network: &WantedNetwork, observed: &Observed) -> Result<ResourceAction> {
    let by_name = observed.network(&network.name);
    let found = by_name.or_else(|| observed.networks.iter().find(|one| one.id == network.name));
    match found {
        Some(found) => Ok(ResourceAction::Keep(found.id.clone())),
        None if ["bridge", "host", "none"].contains(&&*network.name) => {
            Ok(ResourceAction::Keep(network.name.clone()))
        }
        None => {
            let name = &network.name;
            let why = format!("network {name} declared as external, but could not be found");
            Err(absent(why, format!("make it with `hull network create {name}`, or remove `external: true`")))
        }
    }
}

fn absent(why: String, hint: String) -> Error {
    hull_composefile::Error::new(why).hint(hint).into()
}

fn own_network(
    wanted: &WantedProject<'_>,
    key: &str,
    network: &WantedNetwork,
    observed: &Observed,
    plan: &mut Plan,
) -> Result<ResourceAction> {
    let Some(found) = observed.network(&network.name) else { return Ok(ResourceAction::Create) };
    let name = &network.name;
    let hint = "Set `external: true` to use an existing network";
    match found.object.label(labels::PROJECT) {
        None => {
            let text = format!("a network with name {name} exists but was not created by compose.\n{hint}");
            plan.warnings.push(text);
        }
        Some(project) if project != wanted.name => plan.warnings.push(format!(
            "a network with name {name} exists but was not created for project {:?}.\n{hint}",
            wanted.name
        )),
        Some(_) => {}
    }
    let label = found.object.label(labels::NETWORK).unwrap_or_default();
    if label != key {
        return Err(Error::Invalid(format!(
            "network {name} was found but has incorrect label {} set to {label:?} (expected: {key:?})",
            labels::NETWORK
        )));
    }
    // An older Compose has written no hash.
    match found.object.label(labels::CONFIG_HASH).unwrap_or_default() {
        hash if hash.is_empty() || hash == network.hash => Ok(ResourceAction::Keep(found.id.clone())),
        _ => Ok(ResourceAction::Replace),
    }
}

pub(super) fn volumes(
    wanted: &WantedProject<'_>,
    observed: &Observed,
    options: &PlanOptions,
    plan: &mut Plan,
) -> Result<()> {
    for (key, volume) in &wanted.volumes {
        let action = match (observed.volume(&volume.name), volume.external) {
            (None, true) => {
                let name = &volume.name;
                let why = format!("external volume {name:?} not found");
                return Err(absent(
                    why,
                    format!("make it with `hull volume create {name}`, or remove `external: true`"),
                ));
            }
            (None, false) => ResourceAction::Create,
            (Some(found), true) => ResourceAction::Keep(found.name.clone()),
            (Some(found), false) => own_volume(wanted, volume, found, options, plan),
        };
        let users = wanted.services.iter().filter(|(_, service)| service.volumes.contains(key));
        let users = users.map(|(name, _)| name.clone()).collect();
        plan.volumes.push(ResourcePlan { key: key.clone(), name: volume.name.clone(), action, users });
    }
    Ok(())
}

fn own_volume(
    wanted: &WantedProject<'_>,
    volume: &WantedVolume,
    found: &Object,
    options: &PlanOptions,
    plan: &mut Plan,
) -> ResourceAction {
    let name = &volume.name;
    let hint = "Use `external: true` to use an existing volume";
    match found.label(labels::PROJECT) {
        None => plan
            .warnings
            .push(format!("volume {name:?} already exists but was not created by Docker Compose. {hint}")),
        Some(project) if project != wanted.name => plan.warnings.push(format!(
            "volume {name:?} already exists but was created for project {project:?} (expected {:?}). {hint}",
            wanted.name
        )),
        Some(_) => {}
    }
    match found.label(labels::CONFIG_HASH) {
        Some(hash) if hash != volume.hash && options.recreate_volumes.contains(name) => {
            ResourceAction::Replace
        }
        Some(hash) if hash != volume.hash => {
            plan.diverged_volumes.push(name.clone());
            ResourceAction::Keep(name.clone())
        }
        _ => ResourceAction::Keep(name.clone()),
    }
}
