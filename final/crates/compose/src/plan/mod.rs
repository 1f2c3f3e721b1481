//! What has to be done so that the engine has what a project asks for. Nothing here asks an engine anything.
//!
//! ```text
//! wanted     a service, as far as a plan depends on it
//! converge   the containers of the services         resources  networks and volumes
//! ```
//!
//! The rules are those of Docker Compose 2.40 (`pkg/compose/convergence.go`), so that either changes nothing that the other
//! has made.

mod converge;
mod resources;
#[cfg(test)]
pub(crate) mod tests;
mod wanted;

use std::collections::BTreeMap;

pub use wanted::{Condition, Dependency, Wanted, WantedNetwork, WantedProject, WantedVolume, dependencies};

use crate::error::Result;
use crate::graph::Graph;
use crate::observe::{Container, Observed};

/// When a container is replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recreate {
    /// If it is not what the files say.
    #[default]
    Diverged,
    /// `--force-recreate`
    Always,
    /// `--no-recreate`
    Never,
}

#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// The services that were named; all of them if none was.
    pub services: Vec<String>,
    pub recreate: Recreate,
    /// The same for services that are there only because others depend on them.
    pub recreate_dependencies: Recreate,
    pub remove_orphans: bool,
    /// The volumes that may be made again though their data is lost.
    pub recreate_volumes: Vec<String>,
}

/// Why a container does not stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    Forced,
    /// The hash of its service has changed.
    Definition,
    /// The image's name refers to another image than before.
    Image {
        before: Option<String>,
        now: Option<String>,
    },
    /// It is not connected to a network of its service.
    Network(String),
    /// It does not mount a volume of its service.
    Volume(String),
    /// It shares something of a container of this service, which is replaced.
    Shares(String),
    /// There are more containers than the service is to have.
    Surplus,
    /// An earlier command was ended before it could remove it.
    Replaced,
    /// Its service is not in the files.
    Orphan,
}

/// A container that is replaced by a new one with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Replace {
    pub container: Container,
    pub number: u32,
    /// The name that the new one gets in the end.
    pub name: String,
    pub why: Reason,
}

/// The containers of a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServicePlan {
    pub service: String,
    /// Those that stay, by number.
    pub keep: Vec<Container>,
    /// Of those that stay: the names that an earlier command was ended before it could give.
    pub rename: Vec<(Container, String)>,
    pub replace: Vec<Replace>,
    /// Numbers and names of new ones.
    pub create: Vec<(u32, String)>,
    pub remove: Vec<(Container, Reason)>,
}

/// What is done about a network or a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceAction {
    /// It is there. A network has this id, and a volume this name.
    Keep(String),
    Create,
    /// It was made from another definition. Its services are stopped before it is replaced.
    Replace,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourcePlan {
    /// The key in the file.
    pub key: String,
    pub name: String,
    pub action: ResourceAction,
    /// The services that use it.
    pub users: Vec<String>,
}

/// Everything that `up` does before it starts anything.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub networks: Vec<ResourcePlan>,
    pub volumes: Vec<ResourcePlan>,
    /// Each after those that it depends on.
    pub services: Vec<ServicePlan>,
    /// Services that are stopped before their dependency is replaced (`restart: true`).
    pub stop: Vec<String>,
    /// Containers whose service is not in the files. They are removed only if that was asked for.
    pub orphans: Vec<Container>,
    pub remove_orphans: bool,
    pub warnings: Vec<String>,
    /// Volumes that differ from the files and stay as they are, because their data would be lost.
    pub diverged_volumes: Vec<String>,
}

/// Plans what `up` and `create` do.
pub fn plan(wanted: &WantedProject<'_>, observed: &Observed, options: &PlanOptions) -> Result<Plan> {
    let graph = wanted.graph()?;
    let mut plan = Plan { remove_orphans: options.remove_orphans, ..Plan::default() };
    resources::networks(wanted, observed, &mut plan)?;
    resources::volumes(wanted, observed, options, &mut plan)?;
    plan.orphans = orphans(wanted, observed);
    converge::services(wanted, observed, options, &graph, &mut plan)?;
    Ok(plan)
}

/// One-off containers count once they have ended.
fn orphans(wanted: &WantedProject<'_>, observed: &Observed) -> Vec<Container> {
    let is_known =
        |name: &str| wanted.services.contains_key(name) || wanted.disabled.iter().any(|one| one == name);
    let is_orphan = |one: &&Container| match one.one_off {
        true => one.has_ended(),
        false => !is_known(&one.service),
    };
    observed.containers.iter().filter(is_orphan).cloned().collect()
}

impl Plan {
    pub fn service(&self, name: &str) -> Option<&ServicePlan> {
        self.services.iter().find(|service| service.service == name)
    }

    /// Whether nothing of the engine changes, apart from what is started.
    pub fn is_empty(&self) -> bool {
        let keeps = |one: &ResourcePlan| matches!(one.action, ResourceAction::Keep(_));
        self.networks.iter().chain(&self.volumes).all(keeps)
            && self.services.iter().all(ServicePlan::is_empty)
            && (self.orphans.is_empty() || !self.remove_orphans)
    }
}

impl ServicePlan {
    pub fn is_empty(&self) -> bool {
        self.rename.is_empty() && self.replace.is_empty() && self.create.is_empty() && self.remove.is_empty()
    }

    /// The names that its containers have in the end, by number.
    pub fn names(&self) -> Vec<String> {
        let kept = self.keep.iter().map(|one| {
            let renamed = self.rename.iter().find(|(other, _)| other.id == one.id);
            (one.number, renamed.map_or(&one.name, |(_, name)| name).clone())
        });
        let replaced = self.replace.iter().map(|one| (Some(one.number), one.name.clone()));
        let created = self.create.iter().map(|(number, name)| (Some(*number), name.clone()));
        let mut all: Vec<_> = kept.chain(replaced).chain(created).collect();
        all.sort();
        all.into_iter().map(|(_, name)| name).collect()
    }
}

/// The hash of a service whose references to other services are the ids of their containers.
pub type Hash<'a> = dyn Fn(&str, &BTreeMap<String, String>) -> Result<String> + 'a;

/// The order in which services start.
pub fn graph_of(services: &BTreeMap<String, Wanted>) -> Result<Graph> {
    let edges =
        services.iter().map(|(name, service)| (name.clone(), service.depends_on.keys().cloned().collect()));
    Graph::new(&edges.collect())
}
