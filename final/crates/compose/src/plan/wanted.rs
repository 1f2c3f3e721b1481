//! A project, as far as a plan depends on it.

use std::collections::BTreeMap;

use hull_composefile::hash;
use hull_composefile::model::{Project, Service};

use super::{Hash, graph_of};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::references;

/// What has to hold of a dependency before a service starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    #[default]
    Started,
    Healthy,
    /// It has ended with 0.
    Completed,
    /// It is healthy, or runs if it has no health check: what `--wait` waits for.
    RunningOrHealthy,
}

impl Condition {
    /// The specification's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "service_started",
            Self::Healthy => "service_healthy",
            Self::Completed => "service_completed_successfully",
            Self::RunningOrHealthy => "running_or_healthy",
        }
    }
}

impl std::str::FromStr for Condition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "" | "service_started" => Ok(Self::Started),
            "service_healthy" => Ok(Self::Healthy),
            "service_completed_successfully" => Ok(Self::Completed),
            "running_or_healthy" => Ok(Self::RunningOrHealthy),
            other => Err(Error::Invalid(format!("unsupported depends_on condition: {other}"))),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    pub condition: Condition,
    /// The dependent restarts when the dependency is replaced or restarted by a command.
    pub restart: bool,
    /// Without it the dependent starts even if the dependency does not.
    pub required: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub scale: u32,
    pub container_name: Option<String>,
    pub depends_on: BTreeMap<String, Dependency>,
    /// The services whose container's id is a part of the definition: `network_mode: service:NAME` and its like.
    pub references: Vec<String>,
    /// The id of the image, if the engine has it.
    pub image_id: Option<String>,
    /// The keys of its networks.
    pub networks: Vec<String>,
    /// The keys of the volumes that it mounts.
    pub volumes: Vec<String>,
    /// The name of its image. Empty if it has none but the one that is built for it.
    pub image: String,
    /// It is run by another program, and has no container.
    pub is_provided: bool,
}

impl Wanted {
    pub fn of(service: &Service) -> Result<Self> {
        let scale = u32::try_from(service.scale())
            .map_err(|_| Error::Invalid(format!("service {}: the scale is below zero", service.name)))?;
        let named =
            |one: &&hull_composefile::model::ServiceVolume| one.kind == "volume" && !one.source.is_empty();
        Ok(Self {
            scale,
            container_name: Some(service.container_name.clone()).filter(|name| !name.is_empty()),
            depends_on: dependencies(service)?,
            references: references::of(service),
            image: service.image.clone(),
            image_id: None,
            networks: service.networks.keys().cloned().collect(),
            volumes: service.volumes.iter().filter(named).map(|one| one.source.clone()).collect(),
            is_provided: service.provider.is_some(),
        })
    }
}

/// What a service depends on.
pub fn dependencies(service: &Service) -> Result<BTreeMap<String, Dependency>> {
    let dependency = |(name, one): (&String, &hull_composefile::model::Dependency)| {
        let condition = one.condition.parse()?;
        Ok((name.clone(), Dependency { condition, restart: one.restart, required: one.required }))
    };
    service.depends_on.iter().map(dependency).collect()
}

#[derive(Debug, Clone, Default)]
pub struct WantedNetwork {
    pub name: String,
    pub external: bool,
    pub hash: String,
}

#[derive(Debug, Clone, Default)]
pub struct WantedVolume {
    pub name: String,
    pub external: bool,
    pub hash: String,
}

pub struct WantedProject<'a> {
    pub name: String,
    /// Between the parts of the names of its containers.
    pub separator: char,
    pub services: BTreeMap<String, Wanted>,
    /// Services of the files that are left out.
    pub disabled: Vec<String>,
    pub networks: BTreeMap<String, WantedNetwork>,
    pub volumes: BTreeMap<String, WantedVolume>,
    pub hash: &'a Hash<'a>,
}

impl<'a> WantedProject<'a> {
    /// `image_id` gives the id of an image that the engine has.
    pub fn of(
        project: &Project,
        image_id: &dyn Fn(&str, &Service) -> Option<String>,
        hash: &'a Hash<'a>,
    ) -> Result<Self> {
        let mut services = BTreeMap::new();
        for (name, service) in &project.services {
            services
                .insert(name.clone(), Wanted { image_id: image_id(name, service), ..Wanted::of(service)? });
        }
        let network = |(key, network): (&String, &hull_composefile::model::Network)| {
            let (name, external) = (network.name.clone(), network.external);
            (key.clone(), WantedNetwork { name, external, hash: hash::network(network) })
        };
        let volume = |(key, volume): (&String, &hull_composefile::model::Volume)| {
            let (name, external) = (volume.name.clone(), volume.external);
            (key.clone(), WantedVolume { name, external, hash: hash::volume(volume) })
        };
        Ok(Self {
            name: project.name.clone(),
            separator: project.separator,
            services,
            disabled: project.disabled_services.keys().cloned().collect(),
            networks: project.networks.iter().map(network).collect(),
            volumes: project.volumes.iter().map(volume).collect(),
            hash,
        })
    }

    /// The order of the services. A dependency that is required and missing is an error.
    pub fn graph(&self) -> Result<Graph> {
        for (name, service) in &self.services {
            let is_missing = |on: &&String| !self.services.contains_key(*on);
            let required = service.depends_on.iter().filter(|(_, dependency)| dependency.required);
            if let Some(missing) = required.map(|(on, _)| on).find(is_missing) {
                return Err(Error::Invalid(match self.disabled.contains(missing) {
                    true => format!("service {missing} is required by {name} but is disabled"),
                    false => format!("service {name:?} depends on undefined service {missing:?}"),
                }));
            }
        }
        graph_of(&self.services)
    }
}
