//! `rmi` and `image prune`, and the sweep behind them.

use std::collections::HashSet;

use crate::config::Descriptor;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::reference::Reference;
use crate::store::{Images, chain_ids};

/// What `rmi` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    Untagged(String),
    Deleted(String),
}

#[derive(Debug, Clone, Default)]
pub struct PrunedImages {
    pub deleted: Vec<String>,
    pub bytes: u64,
}

impl Images {
    /// Takes a name away; with the last one, or by id, the image goes. `used_by` names a container that needs it.
    pub fn remove(
        &self,
        name: &str,
        force: bool,
        used_by: &dyn Fn(&Digest) -> Option<String>,
    ) -> Result<Vec<Removed>> {
        let entry = self.find(name)?;
        let id = self.id_of(&entry)?;
        let same = self.entries_of(&id)?;
        let names: Vec<String> = same.iter().filter_map(|entry| entry.name().map(str::to_owned)).collect();
        let canonical = Reference::parse(name).map(|reference| reference.canonical()).ok();
        let by_name = canonical.filter(|canonical| names.contains(canonical));
        let going: Vec<String> = match &by_name {
            Some(name) => vec![name.clone()],
            None if names.len() > 1 && !force => {
                return Err(Error::Invalid {
                    what: format!("removal of {name}"),
                    why: format!("it has several names: {}; use -f", names.join(", ")),
                });
            }
            None => names.clone(),
        };
        let last = going.len() == names.len();
        if last && let Some(container) = used_by(&id).filter(|_| !force) {
            return Err(Error::InUse { name: name.into(), container });
        }
        let keep_for_container = last && used_by(&id).is_some();
        self.change_index(|index| {
            let goes = |other: &Descriptor| {
                let same = same.iter().any(|same| same.digest == other.digest);
                same && other.name().is_none_or(|name| going.iter().any(|going| going == name))
            };
            index.manifests.retain(|other| !goes(other));
            if keep_for_container {
                index.set(entry.clone(), None);
            }
        })?;
        let familiar =
            |name: &String| Reference::parse(name).map_or(name.clone(), |parsed| parsed.familiar());
        let mut removed: Vec<Removed> = going.iter().map(|name| Removed::Untagged(familiar(name))).collect();
        if last && !keep_for_container {
            self.collect()?;
            removed.push(Removed::Deleted(id.to_string()));
        }
        Ok(removed)
    }

    /// Removes images without a name, or with `all` every one that no container uses, and what no image needs.
    pub fn prune(&self, all: bool, in_use: &dyn Fn(&Digest) -> bool) -> Result<PrunedImages> {
        let mut pruned = PrunedImages::default();
        for record in self.list()? {
            if (all || record.names.is_empty()) && !in_use(&record.id) {
                let same = self.entries_of(&record.id)?;
                self.change_index(|index| {
                    index.manifests.retain(|entry| !same.iter().any(|same| same.digest == entry.digest));
                })?;
                pruned.deleted.push(record.id.to_string());
                pruned.bytes += record.size;
            }
        }
        self.collect()?;
        Ok(pruned)
    }

    /// What the index says of one image: an entry for each name, and for each way its layers are packed.
    pub(crate) fn entries_of(&self, id: &Digest) -> Result<Vec<Descriptor>> {
        let entries = self.index()?.manifests.into_iter();
        let of = |entry: Descriptor| match self.id_of(&entry) {
            Ok(found) => (found == *id).then_some(Ok(entry)),
            Err(error) => Some(Err(error)),
        };
        entries.filter_map(of).collect()
    }

    /// Removes blobs and layers that no manifest of the index refers to, and what killed commands left.
    pub fn collect(&self) -> Result<()> {
        // An image becomes visible under this lock, blobs and name together: none is seen without the other.
        let _lock = self.lock()?;
        let (mut blobs, mut chains) = (HashSet::new(), HashSet::new());
        for entry in self.index()?.manifests {
            let (manifest, config) = self.documents(&entry)?;
            chains.extend(chain_ids(&config).into_iter().map(|id| id.hex().to_owned()));
            blobs.extend(manifest.layers.iter().map(|layer| layer.digest.hex().to_owned()));
            blobs.extend([entry.digest.hex().to_owned(), manifest.config.digest.hex().to_owned()]);
        }
        let directory = self.root().blobs_dir();
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.len() == 64 && !blobs.contains(name)) {
                hull_storage::file::remove(&entry.path())?;
            }
        }
        let layers = self.layers();
        for chain in layers.list()?.into_iter().filter(|chain| !chains.contains(chain)) {
            layers.remove(&chain)?;
        }
        Ok(layers.collect()?)
    }
}
