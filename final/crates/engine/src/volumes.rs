//! Volumes, and which containers use them.

use std::collections::BTreeMap;

use hull_docker::filters::volume::VolumeFilters;
use hull_docker::wire;
use hull_storage::Error as StorageError;
use hull_storage::volumes::{Volume, Volumes};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::records::pruned::Pruned;
use crate::records::record::Record;

/// docker's label of a volume that nobody has named.
const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// Which volumes containers use.
#[derive(Debug, Default)]
pub struct UsedVolumes {
    /// For each volume, how many mounts of containers it is.
    pub counts: BTreeMap<String, i64>,
    /// The errors of containers whose records cannot be read: they may use any volume.
    pub unknown: Vec<Error>,
}

/// The options of `volume create`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeOptions {
    pub name: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// Of the driver `local`.
    pub driver_options: BTreeMap<String, String>,
}

impl Engine {
    pub fn volumes(&self) -> Volumes {
        Volumes::new(self.root())
    }

    /// The volumes that fit. While the record of a container is damaged every volume counts as used, and the errors of such
    /// records are returned too.
    pub fn fitting_volumes(&self, filters: &VolumeFilters) -> Result<(Vec<Volume>, Vec<Error>)> {
        let mut volumes = self.volumes().list()?;
        let mut unknown = Vec::new();
        if let Some(wanted) = filters.dangling() {
            let used = self.used_volumes()?;
            unknown = used.unknown;
            let is_used = |name: &str| !unknown.is_empty() || used.counts.contains_key(name);
            volumes.retain(|volume| is_used(&volume.name) != wanted);
        }
        volumes.retain(|volume| filters.fit(&volume.name, &volume.labels));
        Ok((volumes, unknown))
    }

    pub fn inspect_volume(&self, name: &str) -> Result<wire::volume::Volume> {
        Ok(describe_volume(self.volumes().get(name)?))
    }

    /// Creates a volume; without a name, one that is named by a random id.
    pub fn create_volume(&self, options: &VolumeOptions) -> Result<Volume> {
        let (name, anonymous) = match &options.name {
            Some(name) => (name.clone(), false),
            None => (crate::records::ids::random_id()?, true),
        };
        self.ensure_volume(&name, (&options.labels, &options.driver_options), anonymous)
    }

    /// Creates a volume, or returns that of this name.
    pub(crate) fn ensure_volume(
        &self,
        name: &str,
        (labels, driver_options): (&BTreeMap<String, String>, &BTreeMap<String, String>),
        anonymous: bool,
    ) -> Result<Volume> {
        let is_new = self.volumes().find(name)?.is_none();
        let mut labels = labels.clone();
        if anonymous {
            labels.insert(ANONYMOUS.into(), String::new());
        }
        let volume = self.volumes().create(name, &labels, driver_options, anonymous)?;
        if is_new {
            Event::volume(name, "create").emit(self);
        }
        Ok(volume)
    }

    /// Removes a volume unless a container uses it.
    pub fn remove_volume(&self, name: &str) -> Result<()> {
        let _lock = self.lock_unused()?;
        self.remove_volume_of_container(name, "")
    }

    /// Without the lock, which has to be taken before any container's: the caller holds the lock of the container with this
    /// id, whose own use does not count.
    pub(crate) fn remove_volume_of_container(&self, name: &str, id: &str) -> Result<()> {
        let mut users = Vec::new();
        self.each_record(|record| {
            let uses = || record.mounts.iter().any(|mount| mount.name.as_deref() == Some(name));
            if record.id != id && uses() {
                users.push(record.name.clone());
            }
        })?;
        self.volumes().remove(name, &users)?;
        Event::volume(name, "destroy").emit(self);
        Ok(())
    }

    /// The volumes that containers use, stopped ones too.
    pub fn used_volumes(&self) -> Result<UsedVolumes> {
        let mut used = UsedVolumes::default();
        for id in self.ids()? {
            match Record::load(self.root(), &id) {
                Ok(record) => {
                    for name in record.mounts.iter().filter_map(|mount| mount.name.clone()) {
                        *used.counts.entry(name).or_default() += 1;
                    }
                }
                // A container that is being removed uses nothing.
                Err(Error::NoSuchContainer(_)) => {}
                Err(error) => {
                    let names = hull_storage::names::of_container(self.root(), &id).unwrap_or_default();
                    let name = names.into_iter().next().unwrap_or(id);
                    used.unknown.push(error.for_container(&name));
                }
            }
        }
        Ok(used)
    }

    /// Removes the anonymous volumes that no container uses, or with `all` named ones too, if they fit. While the record of
    /// a container is damaged nothing is removed, because that container may use any of them.
    pub fn prune_volumes(&self, all: bool, fits: &dyn Fn(&Volume) -> bool) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        let used = self.used_volumes()?;
        if !used.unknown.is_empty() {
            used.unknown.into_iter().for_each(|error| pruned.errors.note(Err(error.keeps_volumes())));
            return Ok(pruned);
        }
        let unused = self.volumes().unused(all, |name| used.counts.contains_key(name))?;
        // As in dockerd, a volume with options stays: what it mounts may be elsewhere.
        for volume in unused.into_iter().filter(|volume| volume.options.is_empty()).filter(fits) {
            let size = self.volumes().size(&volume.name);
            let removed =
                size.map_err(Into::into).and_then(|bytes| self.remove_volume(&volume.name).map(|()| bytes));
            match removed {
                Ok(bytes) => {
                    pruned.bytes += bytes;
                    pruned.volumes.push(volume.name);
                }
                // Another command has removed it since the listing, or a container has taken it.
                Err(Error::Storage(StorageError::NoSuchVolume(_) | StorageError::VolumeInUse { .. })) => {}
                Err(error) => pruned.errors.note(Err(error)),
            }
        }
        Event::prune("volume", pruned.bytes).emit(self);
        Ok(pruned)
    }

    fn each_record(&self, mut look: impl FnMut(&Record)) -> Result<()> {
        for id in self.ids()? {
            // A container that is being removed uses nothing.
            if let Ok(record) = Record::load(self.root(), &id) {
                look(&record);
            }
        }
        Ok(())
    }
}

/// docker's layout of a volume.
pub fn describe_volume(volume: Volume) -> wire::volume::Volume {
    wire::volume::Volume {
        created_at: humantime::format_rfc3339_seconds(volume.created()).to_string(),
        driver: "local".into(),
        labels: volume.labels,
        mountpoint: volume.mountpoint.display().to_string(),
        name: volume.name,
        options: volume.options,
        scope: "local".into(),
        usage_data: None,
    }
}
