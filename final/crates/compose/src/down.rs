//! `down`: stops and removes a project's containers, and then its networks, and volumes and images if asked to.

use std::collections::BTreeSet;

use hull_engine::Error as EngineError;
use hull_image::Error as ImageError;
use hull_image::reference::Reference;
use hull_storage::Error as StorageError;

use crate::apply::{Apply, Stop, Then};
use crate::error::{Context, Error, Result};
use crate::labels;
use crate::observe::{Container, Observed, observe};
use crate::progress::{self, Event};
use crate::scope::Scope;

#[derive(Debug, Clone, Default)]
pub struct DownOptions {
    /// Only these, and those that depend on them; all if there are none.
    pub services: Vec<String>,
    pub remove_orphans: bool,
    /// The project's volumes, and the anonymous volumes of its containers.
    pub volumes: bool,
    pub images: Option<WhichImages>,
}

/// `--rmi`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichImages {
    All,
    /// Those that were built and have no name but the one of their service.
    Local,
}

impl Apply<'_> {
    /// Removes the project. Goes on past errors and returns them all.
    pub fn down(&mut self, scope: &Scope, options: &DownOptions) -> Result<()> {
        let _turn = self.turn(&scope.name)?;
        let observed = &observe(self.engine, &scope.name)?;
        let services = scope.select(&options.services)?;
        if !options.services.is_empty() && services.is_empty() {
            let text =
                format!("Any of the services {:?} not running in project {:?}", options.services, scope.name);
            self.warn(&text);
            return Ok(());
        }
        let graph = scope.graph()?;
        let nodes: Vec<usize> = services.iter().filter_map(|name| graph.find(name)).collect();
        let selected: Option<BTreeSet<&str>> = (!nodes.is_empty())
            .then(|| graph.with_dependents(&nodes).into_iter().map(|node| graph.name(node)).collect());
        let is_chosen = |one: &&Container| match scope.is_orphan(one) {
            true => options.remove_orphans,
            false => {
                !one.one_off && selected.as_ref().is_none_or(|names| names.contains(one.service.as_str()))
            }
        };
        let chosen: Vec<&Container> = observed.containers.iter().filter(is_chosen).collect();
        let has_own = observed.containers.iter().any(|one| !one.one_off || options.remove_orphans);
        if !has_own && scope.networks.is_empty() && (!options.volumes || scope.volumes.is_empty()) {
            self.warn(&format!("No resource found to remove for project {:?}.", scope.name));
        }
        let stop = |one: &&Container| Stop {
            service: one.service.clone(),
            id: one.id.clone(),
            name: one.name.clone(),
            then: Then::Remove { volumes: options.volumes },
        };
        let stops: Vec<Stop> = chosen.iter().map(stop).collect();
        let mut errors: Vec<Error> = self.stop(&graph, &stops).err().into_iter().collect();
        for (key, name) in &scope.networks {
            errors.extend(self.remove_network(&scope.name, key, name, observed).err());
        }
        if let Some(which) = options.images {
            errors.extend(self.remove_images(scope, which, options.remove_orphans).err());
        }
        if options.volumes {
            for (_, name) in &scope.volumes {
                errors.extend(self.remove_volume(name, observed).err());
            }
            errors.extend(self.remove_anonymous(&chosen, observed).err());
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::all(errors)) }
    }

    fn remove_network(&mut self, project: &str, key: &str, name: &str, observed: &Observed) -> Result<()> {
        let mut own =
            observed.networks_of(project).filter(|one| one.object.label(labels::NETWORK) == Some(key));
        if !own.any(|one| one.object.name == name) {
            return Ok(());
        }
        let id = progress::network(name);
        self.progress.event(Event::working(&id, "Removing"));
        let removed = if self.dry_run { Ok(name.to_owned()) } else { self.engine.remove_network(name) };
        match removed {
            Ok(_) => self.progress.event(Event::done(&id, "Removed")),
            Err(EngineError::NetworkInUse { .. }) => {
                self.progress.event(Event::warning(&id, "Resource is still in use"));
            }
            Err(EngineError::NoSuchNetwork(_)) => {
                self.progress.event(Event::warning(&id, "No resource found to remove"));
            }
            Err(error) => {
                self.progress.event(Event::error(&id, "Error"));
                return Err(error).context(|| format!("failed to remove network {name}"));
            }
        }
        Ok(())
    }

    fn remove_images(&mut self, scope: &Scope, which: WhichImages, orphans: bool) -> Result<()> {
        let all =
            self.engine.images().list().map_err(EngineError::from).context(|| "list the images".into())?;
        let mut names: BTreeSet<String> = BTreeSet::new();
        for (name, service) in &scope.services {
            match service.image.as_str() {
                "" => drop(names.insert(format!("{}-{name}", scope.name))),
                image if which == WhichImages::All => drop(names.insert(image.to_owned())),
                _ => {}
            }
        }
        names.retain(|name| self.engine.images().identity(name).is_ok());
        for image in all {
            let label = |key: &str| image.labels.get(key).map(String::as_str);
            let is_known = label(labels::SERVICE).is_some_and(|name| scope.services.contains_key(name));
            if label(labels::PROJECT) == Some(&scope.name) && (is_known || orphans) {
                names.extend(image.names.first().cloned());
            }
        }
        let familiar = |name: String| Reference::parse(&name).map_or(name, |reference| reference.familiar());
        let names: BTreeSet<String> = names.into_iter().map(familiar).collect();
        let mut errors = Vec::new();
        for name in names {
            let id = format!("Image {name}");
            self.progress.event(Event::working(&id, "Removing"));
            let removed = match self.dry_run {
                true => Ok(()),
                false => match self.engine.remove_images(std::slice::from_ref(&name), false) {
                    Ok(mut removed) => {
                        removed.pop().map_or(Ok(()), |one| one.map(drop).map_err(EngineError::from))
                    }
                    Err(error) => Err(error),
                },
            };
            match removed {
                Ok(()) => self.progress.event(Event::done(&id, "Removed")),
                Err(EngineError::Image(ImageError::InUse { .. })) => {
                    self.progress.event(Event::warning(&id, "Resource is still in use"));
                }
                Err(error) if error.is_no_such_image() => {
                    self.progress.event(Event::done(&id, "Warning: No resource found to remove"));
                }
                Err(error) => errors.push(Error::Engine { what: id, source: Box::new(error) }),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::all(errors)) }
    }

    fn remove_volume(&mut self, name: &str, observed: &Observed) -> Result<()> {
        if observed.volume(name).is_none() {
            return Ok(());
        }
        let id = progress::volume(name);
        self.progress.event(Event::working(&id, "Removing"));
        match if self.dry_run { Ok(()) } else { self.engine.remove_volume(name) } {
            Ok(()) => self.progress.event(Event::done(&id, "Removed")),
            Err(EngineError::Storage(StorageError::VolumeInUse { .. })) => {
                self.progress.event(Event::warning(&id, "Resource is still in use"));
            }
            Err(EngineError::Storage(StorageError::NoSuchVolume(_))) => {
                self.progress.event(Event::done(&id, "Warning: No resource found to remove"));
            }
            Err(error) => return Err(error).context(|| format!("remove volume {name}")),
        }
        Ok(())
    }

    /// A container that was recreated has the anonymous volumes of the one before it by their names, so they do not go with
    /// it.
    fn remove_anonymous(&mut self, removed: &[&Container], observed: &Observed) -> Result<()> {
        let mounted: BTreeSet<&str> =
            removed.iter().flat_map(|one| &one.mounts).map(String::as_str).collect();
        let anonymous =
            observed.volumes.iter().filter(|one| one.anonymous && mounted.contains(one.name.as_str()));
        let mut errors = Vec::new();
        for volume in anonymous.filter(|_| !self.dry_run) {
            match self.engine.remove_volume(&volume.name) {
                Ok(())
                | Err(EngineError::Storage(
                    StorageError::VolumeInUse { .. } | StorageError::NoSuchVolume(_),
                )) => {}
                removed => errors.extend(removed.context(|| format!("remove volume {}", volume.name)).err()),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::all(errors)) }
    }
}
