//! Networks and volumes.

use hull_composefile::model::Project;
use hull_engine::{NetworkOptions, VolumeOptions};

use super::Apply;
use crate::convert;
use crate::error::{Context, Error, Result};
use crate::plan::{Plan, ResourceAction, ResourcePlan};
use crate::progress::{self, Event};

impl Apply<'_> {
    /// Makes the networks and volumes that are missing. Those that were made are removed again if one fails.
    ///
    /// Returns the networks that were made.
    pub fn make_resources(&mut self, plan: &Plan) -> Result<Vec<String>> {
        let mut made = Vec::new();
        // One that is replaced is gone by now.
        let is_new = |one: &&ResourcePlan| !matches!(one.action, ResourceAction::Keep(_));
        for network in plan.networks.iter().filter(is_new) {
            if let Err(error) = self.make_network(network) {
                return Err(self.undo_networks(made, error));
            }
            made.push(network.name.clone());
        }
        for volume in plan.volumes.iter().filter(is_new) {
            // A volume that was made stays: it is empty, and its name is the project's.
            if let Err(error) = self.make_volume(volume) {
                return Err(self.undo_networks(made, error));
            }
        }
        Ok(made)
    }

    fn make_network(&mut self, planned: &ResourcePlan) -> Result<()> {
        let id = progress::network(&planned.name);
        self.progress.event(Event::working(&id, "Creating"));
        if !self.dry_run {
            let made = network_options(self.files()?, planned).and_then(|options| {
                match self.engine.create_network(&options) {
                    // Another command has made it meanwhile.
                    Err(hull_engine::Error::NetworkExists(_)) => Ok(()),
                    made => made.map(drop).context(|| format!("failed to create network {}", planned.name)),
                }
            });
            if let Err(error) = made {
                self.progress.event(Event::error(&id, "Error"));
                return Err(error);
            }
        }
        self.progress.event(Event::done(&id, "Created"));
        Ok(())
    }

    fn make_volume(&mut self, planned: &ResourcePlan) -> Result<()> {
        let id = progress::volume(&planned.name);
        self.progress.event(Event::working(&id, "Creating"));
        if !self.dry_run {
            let made = volume_options(self.files()?, planned).and_then(|options| {
                self.engine
                    .create_volume(&options)
                    .map(drop)
                    .context(|| format!("create volume {}", planned.name))
            });
            if let Err(error) = made {
                self.progress.event(Event::error(&id, "Error"));
                return Err(error);
            }
        }
        self.progress.event(Event::done(&id, "Created"));
        Ok(())
    }

    /// Removes networks that were made in vain.
    pub fn undo_networks(&mut self, made: Vec<String>, error: Error) -> Error {
        let mut errors = vec![error];
        for name in made.into_iter().filter(|_| !self.dry_run) {
            let removed = self.engine.remove_network(&name);
            errors.extend(removed.context(|| format!("remove network {name}")).err());
        }
        Error::all(errors)
    }
}

fn network_options(project: &Project, planned: &ResourcePlan) -> Result<NetworkOptions> {
    let missing = || Error::Invalid(format!("there is no network {:?} in the project", planned.key));
    let network = project.networks.get(&planned.key).ok_or_else(missing)?;
    let request = convert::network_request(project, &planned.key, network);
    NetworkOptions::try_from(request).context(|| format!("network {}", planned.key))
}

fn volume_options(project: &Project, planned: &ResourcePlan) -> Result<VolumeOptions> {
    let missing = || Error::Invalid(format!("there is no volume {:?} in the project", planned.key));
    let volume = project.volumes.get(&planned.key).ok_or_else(missing)?;
    let request = convert::volume_request(project, &planned.key, volume);
    VolumeOptions::try_from(request).context(|| format!("volume {}", planned.key))
}
