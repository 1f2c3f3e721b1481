//! `rmi` and `image prune`, and the garbage collection behind them.

use std::collections::{HashMap, HashSet};

use hull_storage::layers::LayerStore;

use crate::catalog::{Catalog, Change, Line};
use crate::config::{Descriptor, ImageConfig, Index, Manifest};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::reference::Reference;
use crate::store::{Images, chain_ids, lock_unused};

/// What `rmi` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    Untagged(String),
    Deleted(String),
}

#[derive(Debug, Clone, Default)]
pub struct PrunedImages {
    /// For each image its names, and then its id.
    pub removed: Vec<Removed>,
    /// Bytes of the layers that no other image has.
    pub bytes: u64,
}

impl PrunedImages {
    /// Whether the image of this id is gone.
    pub fn has_deleted(&self, id: &str) -> bool {
        self.removed.iter().any(|removed| matches!(removed, Removed::Deleted(gone) if gone == id))
    }

    /// docker's lines.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.removed.iter().map(|removed| match removed {
            Removed::Untagged(name) => format!("untagged: {name}"),
            Removed::Deleted(id) => format!("deleted: {id}"),
        })
    }
}

/// Removes names one after the other.
struct Removal<'a> {
    change: Change<'a>,
    /// For each image id, how many names are left.
    names: HashMap<String, usize>,
    force: bool,
    /// The name of a container that uses the image.
    used_by: &'a dyn Fn(&Digest) -> Option<String>,
}

impl Images {
    /// Removes names. An image goes with its last name, or by id. `used_by` names a container that uses it. Returns one
    /// result for each name. All removals are one change of the catalog, followed by one garbage collection.
    pub fn remove(
        &self,
        names: &[String],
        force: bool,
        used_by: &dyn Fn(&Digest) -> Option<String>,
    ) -> Result<Vec<Result<Vec<Removed>>>> {
        let change = self.change()?;
        let mut left = HashMap::new();
        for line in change.catalog.lines().filter(|line| line.name().is_some()) {
            *left.entry(line.id().to_owned()).or_default() += 1;
        }
        let mut removal = Removal { change, names: left, force, used_by };
        let outcomes: Vec<_> = names.iter().map(|name| removal.remove(name)).collect();
        removal.change.finish()?;
        let is_deletion = |removed: &Removed| matches!(removed, Removed::Deleted(_));
        if outcomes.iter().flatten().flatten().any(is_deletion) {
            self.collect()?;
        }
        Ok(outcomes)
    }

    /// Removes images without a name, or with `all` all that no container uses, and then the blobs and layers that no
    /// image needs.
    pub fn prune(&self, all: bool, in_use: &dyn Fn(&Digest) -> bool) -> Result<PrunedImages> {
        let mut pruned = PrunedImages::default();
        let mut change = self.change()?;
        let (mut gone, mut freed, mut kept) = (HashSet::new(), HashSet::new(), HashSet::new());
        for record in self.list()? {
            if (all || record.names.is_empty()) && !in_use(&record.id) {
                gone.insert(record.id.to_string());
                pruned.removed.extend(record.names.into_iter().map(Removed::Untagged));
                pruned.removed.push(Removed::Deleted(record.id.to_string()));
                freed.extend(record.layers);
            } else {
                kept.extend(record.layers);
            }
        }
        // A layer that was never unpacked, or is gone, takes no space.
        let sizes = freed.difference(&kept).map(|layer| self.layers().size(layer.hex()).unwrap_or(0));
        pruned.bytes += sizes.sum::<u64>();
        change.catalog.retain(|line| !gone.contains(line.id()));
        change.finish()?;
        self.collect()?;
        pruned.bytes += self.collect_downloads(true)?;
        Ok(pruned)
    }

    /// Removes these names of an image, or all of its names. The image itself is kept.
    pub fn untag(&self, name: &str, names: &[Reference]) -> Result<Vec<String>> {
        let mut change = self.change()?;
        let catalog = &mut change.catalog;
        let Some(id) = catalog.find(name).map(|line| line.id().to_owned()) else {
            return Err(Error::NoSuchImage { name: name.into(), nearest: catalog.nearest(name) });
        };
        let of_it = |name: &str| catalog.named(name).is_some_and(|line| line.id() == id);
        let going: Vec<String> = match names {
            [] => names_of(catalog, &id),
            names => names.iter().map(Reference::canonical).collect(),
        };
        if let Some(other) = going.iter().find(|going| !of_it(going)) {
            return Err(Error::Invalid {
                what: format!("name {other}"),
                why: format!("it is not one of {name}'s"),
            });
        }
        for name in &going {
            let entry = catalog.named(name).map(Line::entry).transpose()?;
            catalog.remove_name(name);
            // The catalog adds an unnamed entry only if no other name is left.
            entry.map_or(Ok(()), |entry| catalog.set(entry, None))?;
        }
        change.finish()?;
        Ok(going.iter().map(|name| familiar(name)).collect())
    }

    /// The entries of one image: one for each name, and for each compression of its layers.
    pub(crate) fn entries_of(&self, id: &Digest) -> Result<Vec<Descriptor>> {
        let id = id.to_string();
        self.catalog()?.lines().filter(|line| line.id() == id).map(Line::entry).collect()
    }

    /// Collects garbage: removes blobs and layers that no image needs, and the remains of killed commands.
    pub fn collect(&self) -> Result<()> {
        // Images are published under this lock, so an image's blobs are never seen without its entry.
        let change = self.change()?;
        for directory in [self.root().image_names_dir(), self.root().unnamed_images_dir()] {
            hull_storage::file::collect(&directory)?;
        }
        let needed = self.needed(&change.catalog)?;
        if let Some(blobs) = needed.blobs {
            self.collect_blobs(&blobs)?;
        }
        for layers in LayerStore::all(self.root()) {
            if let Some(needed) = &needed.layers {
                let unused = |chain: &String| !needed.contains(chain) && !layers.is_of_step(chain);
                for chain in layers.list()?.into_iter().filter(unused) {
                    // A build that has just made the same layer has given it a blob before it let go of it.
                    if let Some(_taken) = lock_unused(&layers.path(&chain))
                        && !layers.is_of_step(&chain)
                    {
                        layers.remove(&chain)?;
                    }
                }
            }
            layers.collect()?;
        }
        self.collect_downloads(false)?;
        change.finish()
    }

    fn needed(&self, catalog: &Catalog) -> Result<Needed> {
        let (mut blobs, mut layers) = (HashSet::new(), HashSet::new());
        let (mut all_blobs, mut all_layers) = (catalog.damaged().is_empty(), catalog.damaged().is_empty());
        // Two names may share a manifest, and only one of them may stand for an index.
        for index in catalog.lines().filter_map(Line::index) {
            all_blobs &=
                Digest::parse(index).and_then(|index| self.blobs_of_index(&index, &mut blobs)).is_ok();
        }
        let mut seen = HashSet::new();
        for line in catalog.lines().filter(|line| seen.insert(line.digest())) {
            let entry = line.entry()?;
            blobs.insert(entry.digest.hex().to_owned());
            let config = match self.read_json::<Manifest>(&entry.digest) {
                Ok(manifest) => {
                    blobs.extend(manifest.layers.iter().map(|layer| layer.digest.hex().to_owned()));
                    Some(manifest.config.digest)
                }
                Err(_) => {
                    all_blobs = false;
                    Digest::parse(line.id()).ok().filter(|id| *id != entry.digest)
                }
            };
            blobs.extend(config.iter().map(|config| config.hex().to_owned()));
            match config.map(|config| self.read_json::<ImageConfig>(&config)) {
                Some(Ok(config)) => {
                    layers.extend(chain_ids(&config).into_iter().map(|id| id.hex().to_owned()));
                }
                _ => all_layers = false,
            }
        }
        Ok(Needed { blobs: all_blobs.then_some(blobs), layers: all_layers.then_some(layers) })
    }

    /// Adds the blobs of all platforms. Their unpacked layers are not needed: containers use those of one platform.
    fn blobs_of_index(&self, digest: &Digest, blobs: &mut HashSet<String>) -> Result<()> {
        blobs.insert(digest.hex().to_owned());
        for entry in self.read_json::<Index>(digest)?.manifests {
            let manifest: Manifest = self.read_json(&entry.digest)?;
            let all = manifest.layers.iter().chain([&manifest.config, &entry]);
            blobs.extend(all.map(|blob| blob.digest.hex().to_owned()));
        }
        Ok(())
    }

    fn collect_blobs(&self, needed: &HashSet<String>) -> Result<()> {
        let directory = self.root().blobs_dir();
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let unused = name.to_str().is_some_and(|name| name.len() == 64 && !needed.contains(name));
            // A pull holds the blobs of its image until it is published.
            if unused && let Some(_taken) = lock_unused(&entry.path()) {
                hull_storage::file::remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// The digests that images need, in hex. `None` if a damaged image hides what it needs. Then nothing of that kind is
/// removed, because the image may be repaired and a container may use its layers.
struct Needed {
    blobs: Option<HashSet<String>>,
    layers: Option<HashSet<String>>,
}

impl Removal<'_> {
    fn remove(&mut self, name: &str) -> Result<Vec<Removed>> {
        let catalog = &mut self.change.catalog;
        let canonical = Reference::parse(name).map(|reference| reference.canonical()).ok();
        let Some(line) = catalog.find(name) else {
            if catalog.forget_damaged(canonical.as_deref().unwrap_or(name)) || catalog.forget_damaged(name) {
                return Ok(vec![Removed::Untagged(name.into())]);
            }
            return Err(Error::NoSuchImage { name: name.into(), nearest: catalog.nearest(name) });
        };
        let (id, entry) = (line.id().to_owned(), line.entry()?);
        let left = self.names.get(&id).copied().unwrap_or(0);
        let going = match canonical.filter(|canonical| catalog.named(canonical).is_some()) {
            Some(name) => vec![name],
            None => names_of(catalog, &id),
        };
        if going.len() > 1 && !self.force {
            return Err(Error::Invalid {
                what: format!("removal of {name}"),
                why: format!("it has several names: {}; use -f", going.join(", ")),
            });
        }
        let last = going.len() == left;
        let container = if last { (self.used_by)(&Digest::parse(&id)?) } else { None };
        if let Some(container) = container.clone().filter(|_| !self.force) {
            return Err(Error::InUse { name: name.into(), container });
        }
        going.iter().for_each(|name| catalog.remove_name(name));
        self.names.insert(id.clone(), left - going.len());
        if last {
            catalog.remove_unnamed(&id);
        }
        let mut removed: Vec<Removed> = going.iter().map(|name| Removed::Untagged(familiar(name))).collect();
        match container {
            Some(_) => catalog.set(entry, None)?,
            None if last => removed.push(Removed::Deleted(id)),
            None => {}
        }
        Ok(removed)
    }
}

fn names_of(catalog: &Catalog, id: &str) -> Vec<String> {
    let of_it = catalog.lines().filter(|line| line.id() == id);
    of_it.filter_map(|line| line.name().map(str::to_owned)).collect()
}

fn familiar(name: &str) -> String {
    Reference::parse(name).map_or(name.into(), |parsed| parsed.familiar())
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

    fn remove(
        store: &Store,
        name: &str,
        force: bool,
        used_by: &dyn Fn(&Digest) -> Option<String>,
    ) -> Result<Vec<Removed>> {
        store.images.remove(&[name.to_owned()], force, used_by)?.remove(0)
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
        assert_eq!(pruned.lines().collect::<Vec<_>>(), [format!("deleted: {first}")]);
        assert_eq!((pruned.has_deleted(&first.to_string()), pruned.bytes), (true, 1));
        assert_eq!(names(&store), [["x:latest"]]);
        assert_eq!(store.left().len(), 4, "manifest, configuration, layer, and the layer unpacked");
    }

    #[test]
    fn an_image_goes_with_its_last_name() {
        let store = Store::new();
        let id = imported(&store, "x", "1");
        store.images.tag("x", &Reference::parse("y:2").unwrap()).unwrap();
        assert_eq!(names(&store), [["x:latest", "y:2"]]);
        let error = remove(&store, id.short(), false, &unused).unwrap_err().to_string();
        assert!(error.contains("several names"), "{error}");
        let removed = remove(&store, "x", false, &unused).unwrap();
        assert_eq!(removed, [Removed::Untagged("x:latest".into())]);
        let error = remove(&store, "y:2", false, &|_| Some("box".into())).unwrap_err();
        assert!(matches!(error, Error::InUse { .. }), "{error}");
        let removed = remove(&store, "y:2", false, &unused).unwrap();
        assert_eq!(removed, [Removed::Untagged("y:2".into()), Removed::Deleted(id.to_string())]);
        assert_eq!(store.left(), [""; 0]);
    }

    #[test]
    fn an_image_that_a_container_stands_on_loses_its_name_only() {
        let store = Store::new();
        let id = imported(&store, "x", "1");
        let removed = remove(&store, "x", true, &|_| Some("box".into())).unwrap();
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
        assert!(matches!(error, Error::NoSuchImage { nearest: Some(nearest), .. } if nearest == "debian:12"));
    }
}
