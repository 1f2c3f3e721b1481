//! What a verb works on: a project of files, or what the labels of containers, networks and volumes tell of one.

use std::collections::BTreeMap;

use hull_composefile::model::Project;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::labels;
use crate::observe::{Container, Observed};
use crate::plan::{Condition, Dependency, Wanted, graph_of};

/// A project, as far as it need be known to stop and start its containers.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    pub name: String,
    pub services: BTreeMap<String, Wanted>,
    /// Services of the files that are left out.
    pub disabled: Vec<String>,
    /// The key and the name of each network that is the project's.
    pub networks: Vec<(String, String)>,
    pub volumes: Vec<(String, String)>,
    /// The files say all this, so a name that is not among these is an error.
    pub of_files: bool,
}

impl Scope {
    pub fn of_files(project: &Project) -> Result<Self> {
        let mut services = BTreeMap::new();
        for (name, service) in &project.services {
            services.insert(name.clone(), Wanted::of(service)?);
        }
        let networks = project.networks.iter().filter(|(_, network)| !network.external);
        let volumes = project.volumes.iter().filter(|(_, volume)| !volume.external);
        Ok(Self {
            name: project.name.clone(),
            services,
            disabled: project.disabled_services.keys().cloned().collect(),
            networks: networks.map(|(key, network)| (key.clone(), network.name.clone())).collect(),
            volumes: volumes.map(|(key, volume)| (key.clone(), volume.name.clone())).collect(),
            of_files: true,
        })
    }

    /// A project whose files are not at hand.
    pub fn of_labels(name: &str, observed: &Observed) -> Self {
        let mut services: BTreeMap<String, Wanted> = BTreeMap::new();
        for container in observed.containers.iter().filter(|one| !one.one_off) {
            let service = services.entry(container.service.clone()).or_default();
            service.scale += 1;
            service.image.clone_from(&container.image);
            if service.depends_on.is_empty() {
                service.depends_on = dependencies(container);
            }
        }
        let key = |label: Option<&str>| label.unwrap_or_default().to_owned();
        let networks = observed.networks_of(name).map(|one| &one.object);
        Self {
            name: name.to_owned(),
            services,
            disabled: vec![],
            networks: networks.map(|one| (key(one.label(labels::NETWORK)), one.name.clone())).collect(),
            volumes: observed
                .volumes_of(name)
                .map(|one| (key(one.label(labels::VOLUME)), one.name.clone()))
                .collect(),
            of_files: false,
        }
    }

    pub fn graph(&self) -> Result<Graph> {
        graph_of(&self.services)
    }

    /// The named services. Without files, a name may be that of a service whose containers are gone: it is left out.
    pub fn select(&self, names: &[String]) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for name in names {
            match self.services.contains_key(name) {
                true => found.push(name.clone()),
                false if self.of_files => return Err(Error::Invalid(format!("no such service: {name}"))),
                false => {}
            }
        }
        Ok(found)
    }

    /// Whether a container's service is one of the project's, or the container is a one-off one that has not ended.
    pub fn is_orphan(&self, container: &Container) -> bool {
        let is_known =
            self.services.contains_key(&container.service) || self.disabled.contains(&container.service);
        match container.one_off {
            true => container.has_ended(),
            false => !is_known,
        }
    }
}

/// What a container's label tells: `db:service_healthy:true,cache:service_started:false`. Older labels have less.
fn dependencies(container: &Container) -> BTreeMap<String, Dependency> {
    let text = container.label(labels::DEPENDS_ON).unwrap_or_default();
    let dependency = |one: &str| {
        let mut parts = one.split(':');
        let name = parts.next()?;
        let condition =
            parts.next().map_or(Condition::RunningOrHealthy, |text| text.parse().unwrap_or_default());
        let restart = parts.next() != Some("false");
        Some((name.to_owned(), Dependency { condition, restart, required: false }))
    };
    text.split(',').filter(|one| !one.is_empty()).filter_map(dependency).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_a_label() {
        let mut container = crate::plan::tests::container("shop-web-1", "web", 1);
        let label = "db:service_healthy:true,cache:service_started:false,old";
        container.labels.insert(labels::DEPENDS_ON.into(), label.into());
        let found = dependencies(&container);
        let shown: Vec<_> = found
            .iter()
            .map(|(name, one)| (name.as_str(), one.condition, one.restart, one.required))
            .collect();
        let expected = [
            ("cache", Condition::Started, false, false),
            ("db", Condition::Healthy, true, false),
            ("old", Condition::RunningOrHealthy, true, false),
        ];
        assert_eq!(shown, expected);
        let scope =
            Scope::of_labels("shop", &Observed { containers: vec![container], ..Observed::default() });
        assert_eq!((scope.services["web"].scale, scope.select(&["gone".into()]).unwrap().len()), (1, 0));
    }
}
