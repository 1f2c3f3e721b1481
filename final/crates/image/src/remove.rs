//! `rmi` and `image prune`, and the sweep behind them.

use std::collections::HashSet;

use hull_storage::layers::LayerStore;

use crate::config::Descriptor;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::reference::Reference;
use crate::store::{Images, chain_ids, take_unused};

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
        pruned.bytes += self.collect_downloads(true)?;
        Ok(pruned)
    }

    /// Takes these names away, or all that an image has. It stays without one.
    pub fn untag(&self, name: &str, names: &[Reference]) -> Result<Vec<String>> {
        let id = self.id_of(&self.find(name)?)?;
        let same = self.entries_of(&id)?;
        let own: Vec<&str> = same.iter().filter_map(Descriptor::name).collect();
        let going: Vec<String> = match names {
            [] => own.iter().map(|name| (*name).to_owned()).collect(),
            names => names.iter().map(Reference::canonical).collect(),
        };
        if let Some(other) = going.iter().find(|going| !own.contains(&going.as_str())) {
            return Err(Error::Invalid {
                what: format!("name {other}"),
                why: format!("it is not one of {name}'s"),
            });
        }
        self.change_index(|index| {
            index
                .manifests
                .retain(|entry| !entry.name().is_some_and(|name| going.iter().any(|going| going == name)));
            for entry in same {
                // Unless another of its names is left.
                index.set(entry, None);
            }
        })?;
        let familiar =
            |name: &String| Reference::parse(name).map_or(name.clone(), |parsed| parsed.familiar());
        Ok(going.iter().map(familiar).collect())
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
            let unused = name.to_str().is_some_and(|name| name.len() == 64 && !blobs.contains(name));
            // A pull may have it in hand for an image that is not there yet.
            if unused && let Some(_taken) = take_unused(&entry.path()) {
                hull_storage::file::remove(&entry.path())?;
            }
        }
        self.collect_downloads(false)?;
        for layers in LayerStore::all(self.root()) {
            for chain in layers.list()?.into_iter().filter(|chain| !chains.contains(chain)) {
                if let Some(_taken) = take_unused(&layers.path(&chain)) {
                    layers.remove(&chain)?;
                }
            }
            layers.collect()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{ImportOptions, import};
    use crate::testing::{Store, Tar};

    fn imported(store: &Store, name: &str, content: &str) -> Digest {
        let tar = Tar::default().file("x", content).end();
        let created = Some("2024-01-01T00:00:00Z".into());
        let options = ImportOptions { created, ..ImportOptions::default() };
        import(&store.images, tar.as_slice(), Some(&Reference::parse(name).unwrap()), options).unwrap()
    }

    fn names(store: &Store) -> Vec<Vec<String>> {
        let mut names: Vec<_> = store.images.list().unwrap().into_iter().map(|record| record.names).collect();
        names.iter_mut().for_each(|names| names.sort());
        names.sort();
        names
    }

    fn unused(_: &Digest) -> Option<String> {
        None
    }

    #[test]
    fn an_image_stays_without_a_name_when_another_one_takes_it() {
        let store = Store::new();
        let first = imported(&store, "x", "1");
        imported(&store, "x", "1");
        assert_eq!(names(&store), [["x:latest"]], "the same image again is one image");
        imported(&store, "x", "2");
        assert_eq!(names(&store), [vec![], vec!["x:latest".to_string()]]);
        assert!(store.images.resolve(first.short()).is_ok());
        let pruned = store.images.prune(false, &|_| false).unwrap();
        assert_eq!((pruned.deleted, pruned.bytes), (vec![first.to_string()], 1));
        assert_eq!(names(&store), [["x:latest"]]);
        assert_eq!(store.left().len(), 4, "manifest, configuration, layer, and the layer unpacked");
    }

    #[test]
    fn an_image_goes_with_its_last_name() {
        let store = Store::new();
        let id = imported(&store, "x", "1");
        store.images.tag("x", &Reference::parse("y:2").unwrap()).unwrap();
        assert_eq!(names(&store), [["x:latest", "y:2"]]);
        let error = store.images.remove(id.short(), false, &unused).unwrap_err().to_string();
        assert!(error.contains("several names"), "{error}");
        let removed = store.images.remove("x", false, &unused).unwrap();
        assert_eq!(removed, [Removed::Untagged("x:latest".into())]);
        let error = store.images.remove("y:2", false, &|_| Some("box".into())).unwrap_err();
        assert!(matches!(error, Error::InUse { .. }), "{error}");
        let removed = store.images.remove("y:2", false, &unused).unwrap();
        assert_eq!(removed, [Removed::Untagged("y:2".into()), Removed::Deleted(id.to_string())]);
        assert_eq!(store.left(), [""; 0]);
    }

    #[test]
    fn an_image_that_a_container_stands_on_loses_its_name_only() {
        let store = Store::new();
        let id = imported(&store, "x", "1");
        let removed = store.images.remove("x", true, &|_| Some("box".into())).unwrap();
        assert_eq!(removed, [Removed::Untagged("x:latest".into())]);
        assert_eq!(names(&store), [[""; 0]]);
        assert!(store.images.resolve(id.short()).is_ok());
    }

    #[test]
    fn a_layer_that_is_gone_is_unpacked_again() {
        let store = Store::new();
        imported(&store, "x", "1");
        let layers = store.images.layers();
        layers.remove(&layers.list().unwrap()[0]).unwrap();
        let image = store.images.resolve("x").unwrap();
        assert_eq!(std::fs::read_to_string(image.layer_dirs[0].join("x")).unwrap(), "1");
    }

    #[test]
    fn a_name_that_is_not_here_brings_one_that_is_near() {
        let store = Store::new();
        imported(&store, "debian:12", "1");
        let error = store.images.resolve("debain:12").unwrap_err();
        assert_eq!(error.hint().unwrap(), "did you mean debian:12?");
    }
}
