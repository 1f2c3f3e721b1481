//! The containers of each service: which stay, which are replaced, which are made, which go.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Plan, PlanOptions, Reason, Recreate, Replace, ResourceAction, ServicePlan, Wanted, WantedProject,
};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::labels;
use crate::names;
use crate::observe::{Container, Observed};

/// What is known while services are planned, each after its dependencies.
struct Converge<'a> {
    wanted: &'a WantedProject<'a>,
    observed: &'a Observed,
    options: &'a PlanOptions,
    plan: &'a mut Plan,
    /// For each service, the container that others refer to: `None` if it is made only when the plan is carried out.
    referents: BTreeMap<String, Option<String>>,
}

pub(super) fn services(
    wanted: &WantedProject<'_>,
    observed: &Observed,
    options: &PlanOptions,
    graph: &Graph,
    plan: &mut Plan,
) -> Result<()> {
    let mut converge = Converge { wanted, observed, options, plan, referents: BTreeMap::new() };
    for node in graph.order() {
        let name = graph.name(node);
        if let Some(service) = wanted.services.get(name).filter(|service| !service.is_provided) {
            let planned = converge.service(name, service)?;
            converge.referents.insert(name.to_owned(), referent(&planned));
            converge.plan.services.push(planned);
        }
    }
    converge.plan.stop = restarted(wanted, converge.plan);
    Ok(())
}

/// The container that other services refer to is the first by name, as in Compose.
fn referent(planned: &ServicePlan) -> Option<String> {
    let first = planned.names().into_iter().min()?;
    let renamed = planned.rename.iter().find(|(_, name)| *name == first).map(|(one, _)| one);
    let kept = || planned.keep.iter().find(|one| one.name == first);
    renamed.or_else(kept).map(|one| one.id.clone())
}

/// The services that depend with `restart: true` on one whose containers are replaced.
fn restarted(wanted: &WantedProject<'_>, plan: &Plan) -> Vec<String> {
    let replaced: BTreeSet<&str> =
        plan.services.iter().filter(|one| !one.replace.is_empty()).map(|one| one.service.as_str()).collect();
    let restarts = |service: &Wanted| {
        service.depends_on.iter().any(|(on, dependency)| dependency.restart && replaced.contains(on.as_str()))
    };
    let restarted = wanted.services.iter().filter(|(_, service)| restarts(service));
    restarted.map(|(name, _)| name.clone()).collect()
}

impl Converge<'_> {
    fn service(&self, name: &str, service: &Wanted) -> Result<ServicePlan> {
        if let (true, Some(own)) = (service.scale > 1, &service.container_name) {
            return Err(Error::Invalid(format!(
                "WARNING: The {name:?} service is using the custom container name {own:?}. Docker requires each \
                 container to have a unique name. Remove the custom name to scale the service"
            )));
        }
        let policy =
            match self.options.services.is_empty() || self.options.services.iter().any(|one| one == name) {
                true => self.options.recreate,
                false => self.options.recreate_dependencies,
            };
        let hash = self.hash(name, service)?;
        let mut planned = ServicePlan { service: name.to_owned(), ..ServicePlan::default() };
        let mut judged = Vec::new();
        for container in self.observed.of_service(name) {
            let why = self.why_replace(service, container, &hash, policy);
            judged.push((container.clone(), why));
        }
        let highest = judged.iter().filter_map(|(one, _)| one.number).max().unwrap_or(0);
        let actual = judged.len();
        let mut chosen = one_for_each_number(judged, &mut planned.remove);
        let duplicates = actual - chosen.len();
        // Those that can stay come first, and lower numbers before higher ones, so that the others go.
        chosen.sort_by_key(|(one, why)| (why.is_some(), one.number.unwrap_or(u32::MAX)));
        let wanted = service.scale as usize;
        for (container, why) in chosen.drain(wanted.min(chosen.len())..) {
            planned.remove.push((container, why.unwrap_or(Reason::Surplus)));
        }
        for (container, why) in chosen {
            let number = container.number.unwrap_or(highest + 1);
            let own = self.name(name, service, number);
            match why {
                Some(why) => planned.replace.push(Replace { container, number, name: own, why }),
                None => {
                    if names::of_replacement(&container.name).is_some() {
                        planned.rename.push((container.clone(), own));
                    }
                    planned.keep.push(container);
                }
            }
        }
        let missing = wanted.saturating_sub(actual - duplicates);
        let numbers = (highest + 1..).take(missing);
        planned.create = numbers.map(|number| (number, self.name(name, service, number))).collect();
        Ok(planned)
    }

    fn name(&self, service_name: &str, service: &Wanted, number: u32) -> String {
        let own = service.container_name.clone();
        own.unwrap_or_else(|| {
            names::container(&self.wanted.name, service_name, number, self.wanted.separator)
        })
    }

    /// `None` if the hash is known only when the containers are made that the service refers to.
    fn hash(&self, name: &str, service: &Wanted) -> Result<Option<String>> {
        let mut references = BTreeMap::new();
        for other in &service.references {
            match self.referents.get(other) {
                Some(Some(id)) => references.insert(other.clone(), id.clone()),
                _ => return Ok(None),
            };
        }
        (self.wanted.hash)(name, &references).map(Some)
    }

    fn why_replace(
        &self,
        service: &Wanted,
        container: &Container,
        hash: &Option<String>,
        policy: Recreate,
    ) -> Option<Reason> {
        match policy {
            Recreate::Never => return None,
            Recreate::Always => return Some(Reason::Forced),
            Recreate::Diverged => {}
        }
        let Some(hash) = hash else {
            let unknown = |other: &&String| !matches!(self.referents.get(*other), Some(Some(_)));
            let other = service.references.iter().find(unknown).cloned().unwrap_or_default();
            return Some(Reason::Shares(other));
        };
        if container.label(labels::CONFIG_HASH) != Some(hash) {
            return Some(Reason::Definition);
        }
        let (before, now) = (container.label(labels::IMAGE), service.image_id.as_deref());
        if before.unwrap_or_default() != now.unwrap_or_default() {
            return Some(Reason::Image { before: before.map(str::to_owned), now: now.map(str::to_owned) });
        }
        self.missing_network(service, container).or_else(|| self.missing_volume(service, container))
    }

    /// The containers of a network that is made again are stopped, and are connected to the new one when they start.
    fn missing_network(&self, service: &Wanted, container: &Container) -> Option<Reason> {
        let is_replaced = |key: &String| {
            self.plan.networks.iter().any(|one| one.key == *key && one.action == ResourceAction::Replace)
        };
        if !container.is_running() || service.networks.iter().any(is_replaced) {
            return None;
        }
        let is_connected = |key: &&String| {
            let network = self.plan.networks.iter().find(|one| one.key == **key);
            network.is_none_or(|network| match &network.action {
                // These have no record, and no id.
                ResourceAction::Keep(id) if ["host", "none"].contains(&id.as_str()) => true,
                ResourceAction::Keep(id) => container.networks.contains(id),
                ResourceAction::Create | ResourceAction::Replace => false,
            })
        };
        let missing = service.networks.iter().find(|key| !is_connected(key))?;
        Some(Reason::Network(missing.clone()))
    }

    fn missing_volume(&self, service: &Wanted, container: &Container) -> Option<Reason> {
        let is_mounted = |key: &&String| {
            let volume = self.plan.volumes.iter().find(|one| one.key == **key);
            // The containers of a volume that is made again are removed with it.
            volume.is_none_or(|one| {
                one.action != ResourceAction::Replace && container.mounts.contains(&one.name)
            })
        };
        let missing = service.volumes.iter().find(|key| !is_mounted(key))?;
        Some(Reason::Volume(missing.clone()))
    }
}

type Judged = (Container, Option<Reason>);

/// A command that was ended between the creation of a container and the removal of the one that it replaces has left two
/// with one number. One that can stay wins. Of two that are both replaced, the newer one wins: it has the older one's
/// volumes, and a name that does not stand in the way of another replacement's.
fn one_for_each_number(mut judged: Vec<Judged>, remove: &mut Vec<(Container, Reason)>) -> Vec<Judged> {
    judged.sort_by_key(|(one, why)| {
        let is_new = names::of_replacement(&one.name).is_some();
        (one.number, why.is_some(), is_new != why.is_some(), std::cmp::Reverse(one.created))
    });
    let mut chosen: Vec<Judged> = Vec::new();
    for (one, why) in judged {
        match chosen.last() {
            Some((last, _)) if last.number == one.number && one.number.is_some() => {
                remove.push((one, Reason::Replaced));
            }
            _ => chosen.push((one, why)),
        }
    }
    chosen
}
