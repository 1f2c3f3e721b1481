//! Unpacked layers: `layers/<chain-id>/diff`, unpacked once and shared by all containers whose image has the layer. The
//! file `size` beside it has the number of bytes in its files, counted while they were unpacked: counting them
//! afterwards takes as long as writing them.
//!
//! An unprivileged user without subordinate ids has one id, which owns every file. Layers unpacked that way are kept in
//! `layers-one-id`. Once the user has subordinate ids, images are unpacked again, and the layers of existing containers
//! do not change.
//!
//! A layer directory under its chain ID is complete and on the disk, and does not change until it is removed whole; the
//! layer of a build's step may not be on the disk yet ([`crate::step_layer`]). So readers need no lock, and if two commands unpack the same layer at once, they only do the work twice.

use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::directory::make_dirs;
use crate::error::{Error, IoContext, Result};
use crate::root::Root;
use crate::staging::{self, Staging};
use crate::tree::disk_usage;
use crate::unsynced::is_stale;

pub(crate) const SIZE: &str = "size";

/// The layers of one root.
#[derive(Debug, Clone)]
pub struct LayerStore {
    dir: PathBuf,
}

/// A layer being unpacked. Dropped without being published, it is removed.
#[derive(Debug)]
pub struct StagedLayer {
    staging: Staging,
    diff: PathBuf,
    target: PathBuf,
}

impl LayerStore {
    pub fn new(root: &Root) -> Self {
        Self { dir: root.layers_dir() }
    }

    /// The root's layer store and, if there is one, the store from when the user had one id. Unused layers are
    /// collected from both.
    pub fn all(root: &Root) -> Vec<Self> {
        let other = root.one_id_layers_dir();
        let own = Self::new(root);
        let left = Some(other).filter(|dir| *dir != own.dir && dir.is_dir()).map(|dir| Self { dir });
        [own].into_iter().chain(left).collect()
    }

    /// The directory of the layer's files, whether it exists or not. The chain ID is that of the OCI image
    /// specification, with or without `sha256:`.
    pub fn path(&self, chain_id: &str) -> PathBuf {
        self.layer_dir(chain_id).join("diff")
    }

    /// Whether the layer is there, and not one that a crash may have damaged: [`crate::step_layer`].
    pub fn has(&self, chain_id: &str) -> bool {
        self.path(chain_id).is_dir() && !is_stale(&self.layer_dir(chain_id))
    }

    /// Creates the staging directory of a layer, to be filled at [`StagedLayer::diff`].
    pub fn begin(&self, chain_id: &str) -> Result<StagedLayer> {
        let target = self.layer_dir(chain_id);
        if !is_hex(plain(chain_id)) {
            return Err(Error::Refused { path: target, why: "a chain ID is a sha256 digest".into() });
        }
        let staging = Staging::new(&self.dir)?;
        let diff = staging.path().join("diff");
        // If an image has this layer only, this becomes the root directory of its containers.
        make_dirs(&diff, 0o755)?;
        Ok(StagedLayer { staging, diff, target })
    }

    /// Makes layers visible, after one sync for all of them. Unpacking writes very many small files, and flushing them
    /// one by one takes many times as long.
    pub fn publish(&self, layers: Vec<StagedLayer>) -> Result<()> {
        if layers.is_empty() {
            return Ok(());
        }
        let context = || format!("sync {}", self.dir.display());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(&self.dir, flags, Mode::empty()).context(context)?;
        rustix::fs::syncfs(&dir).context(context)?;
        for layer in layers {
            if is_stale(&layer.target) {
                staging::remove_whole(&layer.target)?;
            }
            // If another command has published the same layer, its copy is used.
            layer.staging.publish(&layer.target)?;
        }
        rustix::fs::fsync(&dir).context(context)
    }

    /// The chain IDs of all layers, in hex, sorted.
    pub fn list(&self) -> Result<Vec<String>> {
        Ok(crate::directory::names_in(&self.dir)?.into_iter().filter(|name| is_hex(name)).collect())
    }

    /// Bytes in the layer's files.
    pub fn size(&self, chain_id: &str) -> Result<u64> {
        let counted = std::fs::read_to_string(self.layer_dir(chain_id).join(SIZE));
        match counted.ok().and_then(|bytes| bytes.parse().ok()) {
            Some(bytes) => Ok(bytes),
            None => disk_usage(&self.path(chain_id)),
        }
    }

    /// Removes a layer. A missing layer is not an error. The caller has to know that no container and no image needs
    /// it.
    pub fn remove(&self, chain_id: &str) -> Result<()> {
        staging::remove_whole(&self.layer_dir(chain_id))
    }

    /// Removes layers that killed commands have left partly unpacked or partly removed.
    pub fn collect(&self) -> Result<()> {
        staging::collect(&self.dir)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn layer_dir(&self, chain_id: &str) -> PathBuf {
        self.dir.join(plain(chain_id))
    }
}

impl StagedLayer {
    /// The directory to unpack into: empty, mode 0755.
    pub fn diff(&self) -> &Path {
        &self.diff
    }

    /// Notes how many bytes were unpacked.
    pub fn set_size(&self, bytes: u64) -> Result<()> {
        let path = self.staging.path().join(SIZE);
        std::fs::write(&path, bytes.to_string()).context(|| format!("write {}", path.display()))
    }

    /// Publishes this layer alone; see [`LayerStore::publish`].
    pub fn publish(self, store: &LayerStore) -> Result<()> {
        store.publish(vec![self])
    }
}

fn plain(chain_id: &str) -> &str {
    chain_id.strip_prefix("sha256:").unwrap_or(chain_id)
}

fn is_hex(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::fs;

    fn store(scratch: &Scratch) -> LayerStore {
        let root = Root::open(&scratch.path().join("data"), &scratch.path().join("run")).unwrap();
        LayerStore::new(&root)
    }

    #[test]
    fn a_layer_is_not_there_until_it_is_published() {
        let scratch = Scratch::new();
        let store = store(&scratch);
        let chain = format!("sha256:{}", "ab".repeat(32));
        let layer = store.begin(&chain).unwrap();
        fs::write(layer.diff().join("file"), "12345").unwrap();
        assert!(!store.has(&chain) && store.list().unwrap().is_empty());
        layer.publish(&store).unwrap();
        assert!(store.has(&chain));
        assert_eq!(store.list().unwrap(), ["ab".repeat(32)]);
        assert_eq!(store.size(&chain).unwrap(), 5);
        let counted = store.begin(&"cd".repeat(32)).unwrap();
        counted.set_size(123).unwrap();
        counted.publish(&store).unwrap();
        assert_eq!(store.size(&"cd".repeat(32)).unwrap(), 123);
        store.remove(&"cd".repeat(32)).unwrap();
        store.remove(&chain).unwrap();
        store.remove(&chain).unwrap();
        assert_eq!(fs::read_dir(&store.dir).unwrap().count(), 0);
    }

    #[test]
    fn a_layer_that_is_given_up_leaves_nothing() {
        let scratch = Scratch::new();
        let store = store(&scratch);
        drop(store.begin(&"0".repeat(64)).unwrap());
        assert_eq!(fs::read_dir(&store.dir).unwrap().count(), 0);
    }

    #[test]
    fn a_layer_that_was_published_meanwhile_is_kept() {
        let scratch = Scratch::new();
        let store = store(&scratch);
        let chain = "1".repeat(64);
        let (one, two) = (store.begin(&chain).unwrap(), store.begin(&chain).unwrap());
        fs::write(one.diff().join("file"), "one").unwrap();
        fs::write(two.diff().join("file"), "two").unwrap();
        store.publish(vec![one, two]).unwrap();
        assert_eq!(fs::read_to_string(store.path(&chain).join("file")).unwrap(), "one");
        assert_eq!(fs::read_dir(&store.dir).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let scratch = Scratch::new();
        let store = store(&scratch);
        for bad in ["", "..", "sha256:../../etc", &"g".repeat(64), &"a".repeat(63)] {
            assert!(store.begin(bad).is_err(), "{bad}");
        }
    }
}
