//! Rules about a typed project: what a service names is there, what it says twice is the same, and its parts fit together.

use std::collections::BTreeMap;

use crate::model::{Project, Service};
use crate::{Error, Result};

/// Checks the active services. Where `scale` and `deploy.replicas` may both be given, the first fills the second in.
pub fn check(project: &mut Project) -> Result<()> {
    for service in project.services.values_mut() {
        if let (Some(scale), Some(deploy)) = (service.scale, &mut service.deploy)
            && deploy.replicas.is_none()
        {
            deploy.replicas = Some(scale);
        }
    }
    for service in project.services.values() {
        let rules = Rules { project, service };
        rules.image()?;
        rules.build()?;
        rules.networks()?;
        rules.healthcheck()?;
        rules.dependencies()?;
        rules.files()?;
        rules.scale()?;
        rules.limits()?;
        rules.watch()?;
        rules.mounts()?;
    }
    for (name, secret) in &project.secrets {
        if !secret.external && secret.file.is_empty() && secret.environment.is_empty() {
            let error = project.error(&["secrets", name], "has no content");
            return Err(error.hint("add file or environment"));
        }
    }
    cycles(project)
}

/// No two services may have the same `container_name`.
pub fn container_names(project: &Project) -> Result<()> {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for service in project.services.values().filter(|service| !service.container_name.is_empty()) {
        if let Some(other) = known.insert(&service.container_name, &service.name) {
            let name = &service.name;
            let own = &service.container_name;
            let why = format!("{own:?} is the name of the container of service {other:?} too");
            return Err(project.error(&["services", name, "container_name"], why));
        }
    }
    Ok(())
}

struct Rules<'a> {
    project: &'a Project,
    service: &'a Service,
}

impl Rules<'_> {
    fn error(&self, path: &[&str], why: impl std::fmt::Display) -> Error {
        let mut whole = vec!["services", &self.service.name];
        whole.extend(path);
        self.project.error(&whole, why)
    }

    fn image(&self) -> Result<()> {
        let service = self.service;
        if service.build.is_none() && service.image.is_empty() && service.provider.is_none() {
            return Err(self
                .error(&[], "has neither an image nor a build context")
                .hint("add image: or build:"));
        }
        Ok(())
    }

    fn build(&self) -> Result<()> {
        let Some(build) = &self.service.build else { return Ok(()) };
        if !build.dockerfile_inline.is_empty() && !build.dockerfile.is_empty() {
            return Err(
                self.error(&["build", "dockerfile"], "dockerfile and dockerfile_inline exclude each other")
            );
        }
        for (name, context) in build.additional_contexts.iter() {
            let Some(target) = context.strip_prefix("service:") else { continue };
            let why = match self.project.services.get(target) {
                None => format!("there is no service {target:?}"),
                Some(target) if target.build.is_none() => format!("service {:?} is not built", target.name),
                Some(_) => continue,
            };
            return Err(self.error(&["build", "additional_contexts", name], why));
        }
        let platform = &self.service.platform;
        if !build.platforms.is_empty() && !platform.is_empty() && !build.platforms.contains(platform) {
            let why = format!("does not include the platform of the service, {platform:?}");
            return Err(self.error(&["build", "platforms"], why));
        }
        for (index, secret) in build.secrets.iter().enumerate() {
            if !self.project.secrets.contains_key(&secret.source) {
                let path = ["build", "secrets", &index.to_string()];
                return Err(self.undefined(&path, "secret", &secret.source, self.project.secrets.keys()));
            }
        }
        Ok(())
    }

    fn networks(&self) -> Result<()> {
        let service = self.service;
        if !service.network_mode.is_empty() && !service.networks.is_empty() {
            return Err(self.error(&["network_mode"], "network_mode and networks exclude each other"));
        }
        for network in service.networks.keys() {
            if !self.project.networks.contains_key(network) {
                let known = self.project.networks.keys();
                return Err(self.undefined(&["networks", network], "network", network, known));
            }
        }
        match service.network_mode.strip_prefix("service:") {
            Some(other) if !self.project.services.contains_key(other) => {
                Err(self.undefined(&["network_mode"], "service", other, self.project.services.keys()))
            }
            _ => Ok(()),
        }
    }

    fn undefined<'b>(
        &self,
        path: &[&str],
        kind: &str,
        name: &str,
        known: impl Iterator<Item = &'b String>,
    ) -> Error {
        let error = self.error(path, format_args!("there is no {kind} {name:?}"));
        let error = error.did_you_mean(name, known.map(String::as_str));
        if kind == "service" { error } else { error.hint(format!("add it to the {kind}s at the top level")) }
    }

    fn healthcheck(&self) -> Result<()> {
        let first = self.service.healthcheck.as_ref().and_then(|check| check.test.first());
        match first.map(String::as_str) {
            None | Some("CMD" | "CMD-SHELL" | "NONE") => Ok(()),
            Some(other) => Err(self
                .error(&["healthcheck", "test"], format_args!("begins with {other:?}"))
                .hint("a list begins with CMD, CMD-SHELL or NONE")),
        }
    }

    fn dependencies(&self) -> Result<()> {
        for (name, dependency) in &self.service.depends_on {
            if self.project.services.contains_key(name) {
                continue;
            }
            let path = ["depends_on", name];
            match self.project.disabled_services.get(name) {
                Some(_) if !dependency.required => {}
                Some(disabled) => {
                    let why = format!("service {name:?} is not enabled");
                    let hint = format!("enable its profile: {}", disabled.profiles.join(", "));
                    return Err(self.error(&path, why).hint(hint));
                }
                None => return Err(self.undefined(&path, "service", name, self.project.services.keys())),
            }
        }
        Ok(())
    }

    fn files(&self) -> Result<()> {
        let (project, service) = (self.project, self.service);
        for (index, volume) in service.volumes.iter().enumerate() {
            let is_named = volume.kind == "volume" && !volume.source.is_empty();
            if is_named && !project.volumes.contains_key(&volume.source) {
                let path = ["volumes", &index.to_string()];
                return Err(self.undefined(&path, "volume", &volume.source, project.volumes.keys()));
            }
        }
        for (index, config) in service.configs.iter().enumerate() {
            if !project.configs.contains_key(&config.source) {
                let path = ["configs", &index.to_string()];
                return Err(self.undefined(&path, "config", &config.source, project.configs.keys()));
            }
        }
        for model in service.models.keys() {
            if !project.models.contains_key(model) {
                return Err(self.undefined(&["models", model], "model", model, project.models.keys()));
            }
        }
        for (index, secret) in service.secrets.iter().enumerate() {
            if !project.secrets.contains_key(&secret.source) {
                let path = ["secrets", &index.to_string()];
                return Err(self.undefined(&path, "secret", &secret.source, project.secrets.keys()));
            }
        }
        Ok(())
    }

    fn scale(&self) -> Result<()> {
        let service = self.service;
        let replicas = service.deploy.as_ref().and_then(|deploy| deploy.replicas);
        if let (Some(scale), Some(replicas)) = (service.scale, replicas)
            && scale != replicas
        {
            return Err(
                self.error(&["scale"], format_args!("differs from deploy.replicas, which is {replicas}"))
            );
        }
        for (path, count) in [(&["scale"][..], service.scale), (&["deploy", "replicas"], replicas)] {
            if count.is_some_and(|count| count < 0) {
                return Err(self.error(path, "must not be negative"));
            }
        }
        if service.scale() > 1 && !service.container_name.is_empty() {
            let key = if service.scale.is_some() { "scale" } else { "deploy.replicas" };
            let why =
                format!("with {key}, the containers cannot all have the name {:?}", service.container_name);
            return Err(self.error(&["container_name"], why));
        }
        Ok(())
    }

    /// The limits of `deploy.resources` and their older names must not differ.
    fn limits(&self) -> Result<()> {
        let service = self.service;
        let Some(resources) = service.deploy.as_ref().map(|deploy| &deploy.resources) else { return Ok(()) };
        let limits = resources.limits.as_ref();
        let reserved = resources.reservations.as_ref();
        let differs = |own: i64, other: Option<i64>| own != 0 && other.is_some_and(|other| other != own);
        let rules = [
            (
                service.cpus != 0.0 && limits.is_some_and(|limits| limits.cpus.0 != service.cpus),
                "cpus",
                "limits.cpus",
            ),
            (
                differs(service.mem_limit.0, limits.map(|limits| limits.memory.0)),
                "mem_limit",
                "limits.memory",
            ),
            (
                differs(service.mem_reservation.0, reserved.map(|reserved| reserved.memory.0)),
                "mem_reservation",
                "reservations.memory",
            ),
            (differs(service.pids_limit, limits.map(|limits| limits.pids)), "pids_limit", "limits.pids"),
        ];
        match rules.iter().find(|(differs, ..)| *differs) {
            Some((_, key, other)) => Err(self
                .error(&[key], format_args!("differs from deploy.resources.{other}"))
                .hint("keep one of the two")),
            None => Ok(()),
        }
    }

    fn watch(&self) -> Result<()> {
        let triggers = self.service.develop.iter().flat_map(|develop| &develop.watch);
        for (index, trigger) in triggers.enumerate() {
            if trigger.target.is_empty() && !matches!(trigger.action.as_str(), "rebuild" | "restart") {
                let path = ["develop", "watch", &index.to_string()];
                return Err(self.error(&path, format_args!("the action {} needs a target", trigger.action)));
            }
        }
        Ok(())
    }

    /// Two mounts at one place.
    fn mounts(&self) -> Result<()> {
        let mut known: BTreeMap<&str, String> = BTreeMap::new();
        let tmpfs =
            self.service.tmpfs.iter().map(|text| ("tmpfs", text.split(':').next().unwrap_or_default()));
        let volumes = self.service.volumes.iter().map(|volume| ("volumes", volume.target.as_str()));
        for (key, index, target) in
            tmpfs.enumerate().chain(volumes.enumerate()).map(|(index, (key, target))| (key, index, target))
        {
            let index = index.to_string();
            if let Some(other) = known.insert(target, format!("{key}[{index}]")) {
                return Err(
                    self.error(&[key, &index], format_args!("{other} is mounted at {target} already"))
                );
            }
        }
        Ok(())
    }
}

/// A service that has to wait for itself never starts.
fn cycles(project: &Project) -> Result<()> {
    let mut search = Search { project, way: Vec::new(), known: BTreeMap::new() };
    for name in project.services.keys() {
        search.enter(name)?;
        while let Some((name, rest)) = search.way.last_mut() {
            match rest.pop() {
                Some(next) => search.enter(next)?,
                None => {
                    search.known.insert(*name, State::Done);
                    search.way.pop();
                }
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum State {
    OnTheWay,
    Done,
}

/// A search in depth without recursion: a chain of dependencies may be long.
struct Search<'a> {
    project: &'a Project,
    /// The services from the first one on, each with the dependencies that are still to be looked at.
    way: Vec<(&'a str, Vec<&'a String>)>,
    known: BTreeMap<&'a str, State>,
}

impl<'a> Search<'a> {
    fn enter(&mut self, name: &'a str) -> Result<()> {
        match self.known.get(name) {
            Some(State::Done) => return Ok(()),
            Some(State::OnTheWay) => return Err(self.circle(name)),
            None => {}
        }
        if let Some(service) = self.project.services.get(name) {
            self.known.insert(name, State::OnTheWay);
            self.way.push((name, service.depends_on.keys().rev().collect()));
        }
        Ok(())
    }

    fn circle(&self, name: &str) -> Error {
        let names = self.way.iter().map(|(name, _)| *name).skip_while(|other| *other != name);
        let names: Vec<_> = names.chain([name]).collect();
        let last = names[names.len() - 2];
        Error::new(format!("services depend on each other in a circle: {}", names.join(" -> ")))
            .at(self.project.place(&["services", last, "depends_on", name]))
    }
}

#[cfg(test)]
mod tests;
