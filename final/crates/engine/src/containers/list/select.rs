//! The filters of the list.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hull_docker::filters::container::{Container, ContainerFilters};
use hull_image::Digest;
use hull_network::ports::Port;

use super::Summary;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::health::HealthStatus;
use crate::records::state::Status;

/// Filters, with the containers and images that they name resolved.
#[derive(Debug)]
pub struct Selection {
    filters: ContainerFilters,
    /// When the container that `before` or `since` names was created.
    before: Vec<SystemTime>,
    since: Vec<SystemTime>,
    /// `None` matches any.
    ancestors: Option<Vec<Ancestor>>,
}

/// The image that the name refers to at the moment.
#[derive(Debug)]
struct Ancestor {
    id: String,
    /// Its highest layer. An image that is based on it has this layer and more.
    top: Option<String>,
}

impl Engine {
    /// Looks up what filters name. `all` is the whole list.
    pub fn select(&self, filters: ContainerFilters, all: &[Summary]) -> Result<Selection> {
        let created = |name: &str| {
            let named = |one: &&Summary| one.name == name.trim_start_matches('/') || one.id.starts_with(name);
            let one = all.iter().find(named).ok_or_else(|| Error::NoSuchContainer(name.to_owned()))?;
            Ok(one.created)
        };
        // As in docker, an image that does not exist has no containers.
        let known = filters.ancestors().filter_map(|name| self.images().identity(name).ok());
        let ancestor = |(id, top): (Digest, Option<Digest>)| Ancestor {
            id: id.to_string(),
            top: top.map(|top| top.hex().to_owned()),
        };
        let ancestors = filters.ancestors().next().is_some().then(|| known.map(ancestor).collect());
        let before = filters.before().map(created).collect::<Result<_>>()?;
        let since = filters.since().map(created).collect::<Result<_>>()?;
        Ok(Selection { before, since, ancestors, filters })
    }
}

impl Selection {
    /// Whether the filters select states, so that stopped containers are shown without `--all`.
    pub fn says_states(&self) -> bool {
        self.filters.say_states()
    }

    pub fn fits(&self, one: &Summary) -> bool {
        let mounts: Vec<&str> = one.mounts.iter().chain(&one.mount_points).map(String::as_str).collect();
        let inside = |port: &Port| (port.number, port.transport.name());
        let published: Vec<_> =
            one.published.iter().map(|port| (port.host.port(), port.container.transport.name())).collect();
        let exposed = one.exposed.iter().chain(one.published.iter().map(|port| &port.container));
        let exposed: Vec<_> = exposed.map(inside).collect();
        self.filters.fit(Container {
            id: &one.id,
            name: &one.name,
            labels: &one.labels,
            state: one.status.as_str(),
            health: one.health.map_or("none", HealthStatus::as_str),
            exit_code: one.exit_code.filter(|_| one.status == Status::Exited),
            mounts: &mounts,
            networks: &one.networks,
            network_ids: &one.network_ids,
            published: &published,
            exposed: &exposed,
        }) && self.before.iter().all(|bound| one.created < *bound)
            && self.since.iter().all(|bound| one.created > *bound)
            && self.ancestors.as_ref().is_none_or(|all| all.iter().any(|ancestor| ancestor.is_of(one)))
    }
}

impl Ancestor {
    fn is_of(&self, one: &Summary) -> bool {
        let is_layer = |layer: &PathBuf| {
            let chain = layer.parent().and_then(Path::file_name).and_then(OsStr::to_str);
            chain.is_some() && chain == self.top.as_deref()
        };
        // An image with the same layers is not based on it.
        let below = one.layers.split_last().map_or(&[][..], |(_, below)| below);
        one.image_id == self.id || below.iter().any(is_layer)
    }
}
