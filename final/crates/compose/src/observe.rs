//! What the engine has of a project, found by labels.
//!
//! A container belongs to a project by the labels that it was created with. Those of its image do not count: an image
//! that was committed from a project's container has that project's labels, too.

use std::collections::BTreeMap;
use std::time::SystemTime;

use hull_engine::{Engine, HealthStatus, NetworkRecord, Status, Summary};
use hull_storage::volumes::Volume;

use crate::error::{Context, Result};
use crate::labels;

/// What the engine has.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The project's containers, by service and number.
    pub containers: Vec<Container>,
    /// All networks of the engine: one that has the wanted name may be another project's.
    pub networks: Vec<Network>,
    /// All volumes of the engine.
    pub volumes: Vec<Object>,
}

/// A container of a project.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub service: String,
    /// `None` for one-off containers.
    pub number: Option<u32>,
    /// It was made by `run`.
    pub one_off: bool,
    pub status: Status,
    /// A command has begun to stop it, and may have been killed.
    pub is_stopping: bool,
    pub health: Option<HealthStatus>,
    pub exit_code: Option<u8>,
    pub created: SystemTime,
    /// The image's name as it was given.
    pub image: String,
    pub image_id: String,
    /// Those that it was created with.
    pub labels: BTreeMap<String, String>,
    /// The ids of the networks to which it is connected at present.
    pub networks: Vec<String>,
    /// The names of its volumes, and the sources of its bind mounts.
    pub mounts: Vec<String>,
}

/// A network, or a volume, of the engine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// It was made for one container, which named no volume.
    pub anonymous: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Network {
    pub id: String,
    pub object: Object,
}

impl Container {
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    pub fn is_running(&self) -> bool {
        self.status == Status::Running && !self.is_stopping
    }

    /// It has run, and does not run any more.
    pub fn has_ended(&self) -> bool {
        matches!(self.status, Status::Exited | Status::Dead)
    }

    /// `None` for a container of no project. `config-hash` is required, because Compose requires it.
    pub fn of(summary: &Summary) -> Option<Self> {
        let own = &summary.own_labels;
        own.get(labels::PROJECT)?;
        own.get(labels::CONFIG_HASH)?;
        let number = own.get(labels::CONTAINER_NUMBER).and_then(|number| number.parse().ok());
        Some(Self {
            id: summary.id.clone(),
            name: summary.name.clone(),
            service: own.get(labels::SERVICE).cloned().unwrap_or_default(),
            number,
            one_off: own.get(labels::ONE_OFF).is_some_and(|value| value == "True"),
            status: summary.status,
            is_stopping: summary.is_stopping,
            health: summary.health,
            exit_code: summary.exit_code,
            created: summary.created,
            image: summary.image.clone(),
            image_id: summary.image_id.clone(),
            labels: own.clone(),
            networks: summary.network_ids.clone(),
            mounts: summary.mounts.clone(),
        })
    }
}

impl Object {
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    fn is_of(&self, project: &str) -> bool {
        self.label(labels::PROJECT) == Some(project)
    }
}

impl From<NetworkRecord> for Network {
    fn from(network: NetworkRecord) -> Self {
        let object = Object { name: network.name, labels: network.labels, anonymous: false };
        Self { id: network.id, object }
    }
}

impl From<Volume> for Object {
    fn from(volume: Volume) -> Self {
        Self { name: volume.name, labels: volume.labels, anonymous: volume.anonymous }
    }
}

impl Observed {
    /// The containers of a service, without those of `run`.
    pub fn of_service<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Container> {
        self.containers.iter().filter(move |one| one.service == service && !one.one_off)
    }

    pub fn network(&self, name: &str) -> Option<&Network> {
        self.networks.iter().find(|network| network.object.name == name)
    }

    pub fn volume(&self, name: &str) -> Option<&Object> {
        self.volumes.iter().find(|volume| volume.name == name)
    }

    /// The networks that belong to the project.
    pub fn networks_of<'a>(&'a self, project: &'a str) -> impl Iterator<Item = &'a Network> {
        self.networks.iter().filter(move |network| network.object.is_of(project))
    }

    /// The volumes that belong to the project.
    pub fn volumes_of<'a>(&'a self, project: &'a str) -> impl Iterator<Item = &'a Object> {
        self.volumes.iter().filter(move |volume| volume.is_of(project))
    }
}

/// Looks at everything that a plan needs.
pub fn observe(engine: &Engine, project: &str) -> Result<Observed> {
    let networks = engine.networks().context(|| "list the networks".into())?;
    let volumes = engine.volumes().list().map_err(hull_engine::Error::from);
    let volumes = volumes.context(|| "list the volumes".into())?;
    Ok(Observed {
        containers: containers(engine, project)?,
        networks: networks.into_iter().map(Network::from).collect(),
        volumes: volumes.into_iter().map(Object::from).collect(),
    })
}

/// The project's containers, by service and number.
pub fn containers(engine: &Engine, project: &str) -> Result<Vec<Container>> {
    let all = engine.list().context(|| "list the containers".into())?;
    let is_ours = |one: &Container| one.label(labels::PROJECT) == Some(project);
    let mut containers: Vec<Container> = all.iter().filter_map(Container::of).filter(is_ours).collect();
    containers.sort_by(|a, b| (&a.service, a.number, &a.name).cmp(&(&b.service, b.number, &b.name)));
    Ok(containers)
}
