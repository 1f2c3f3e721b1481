//! What a service asks for and does not get, because one machine has nothing like it: Compose ignores it as well.

use hull_composefile::model::{Deploy, Project, Service};

use super::files;
use crate::Result;

/// What is said of a service that is created: the keys that have no effect.
pub fn ignored(project: &Project, service: &Service) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    if service.credential_spec.is_some() {
        keys.push("credential_spec");
    }
    if let Some(deploy) = &service.deploy {
        keys.extend(of_a_cluster(deploy));
    }
    let name = &service.name;
    let mut warnings: Vec<String> = keys
        .into_iter()
        .map(|key| format!("services.{name}.{key} has no effect on one machine: it is ignored"))
        .collect();
    for (index, volume) in service.volumes.iter().enumerate() {
        let options = [
            (volume.bind.is_some(), "bind"),
            (volume.volume.is_some(), "volume"),
            (volume.tmpfs.is_some(), "tmpfs"),
            (volume.image.is_some(), "image"),
        ];
        for (_, option) in options.into_iter().filter(|(is_set, option)| *is_set && *option != volume.kind) {
            warnings.push(format!(
                "services.{name}.volumes[{index}]: mount of type `{}` should not define `{option}` option",
                volume.kind
            ));
        }
    }
    warnings.extend(files::warnings(project, service)?);
    Ok(warnings)
}

fn of_a_cluster(deploy: &Deploy) -> impl Iterator<Item = &'static str> {
    let placement = &deploy.placement;
    let reserved = deploy.resources.reservations.as_ref();
    let policy = deploy.restart_policy.as_ref();
    let keys = [
        (deploy.mode == "global", "deploy.mode"),
        (deploy.update_config.is_some(), "deploy.update_config"),
        (deploy.rollback_config.is_some(), "deploy.rollback_config"),
        (!deploy.labels.is_empty(), "deploy.labels"),
        (!deploy.endpoint_mode.is_empty(), "deploy.endpoint_mode"),
        (
            !placement.constraints.is_empty()
                || !placement.preferences.is_empty()
                || placement.max_replicas != 0,
            "deploy.placement",
        ),
        (reserved.is_some_and(|reserved| reserved.cpus.0 != 0.0), "deploy.resources.reservations.cpus"),
        (
            reserved.is_some_and(|reserved| !reserved.generic_resources.is_empty()),
            "deploy.resources.reservations.generic_resources",
        ),
        (policy.is_some_and(|policy| policy.delay.is_some()), "deploy.restart_policy.delay"),
        (policy.is_some_and(|policy| policy.window.is_some()), "deploy.restart_policy.window"),
    ];
    keys.into_iter().filter(|(is_set, _)| *is_set).map(|(_, key)| key)
}
