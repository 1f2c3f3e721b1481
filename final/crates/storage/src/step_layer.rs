//! The layer that a step of a build makes: its files and its blob, the tar with their content.
//!
//! ```text
//! layers/<chain-id>/diff       the files, as in every layer
//!                   blob       the tar; while it exists, the build cache needs the layer
//!                   unsynced   the boot in which the layer was made, until it is on the disk
//! ```
//!
//! A build makes many layers, and flushing each to the disk takes longer than making it. So a step's layer is visible
//! before it is on the disk. If the machine crashes, the layer is as good as missing: its `unsynced` names another boot.
//! An image is published after one sync, and then [`LayerStore::note_synced`] removes that file.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::boot::boot_id;
use crate::directory::make_dirs;
use crate::error::{IoContext, Result};
use crate::file;
use crate::layers::{LayerStore, SIZE};
use crate::lock;
use crate::staging::{self, Staging};
use crate::unsynced::{UNSYNCED, is_stale};

const BLOB: &str = "blob";

/// A step's layer while it is made. Dropped without being published, it is removed.
#[derive(Debug)]
pub struct StepLayer {
    staging: Staging,
    diff: PathBuf,
}

impl LayerStore {
    /// Creates the staging directory of a step's layer. Its chain ID is known when its tar is written.
    pub fn begin_step(&self) -> Result<StepLayer> {
        let staging = Staging::new(self.dir())?;
        let diff = staging.path().join("diff");
        make_dirs(&diff, 0o755)?;
        Ok(StepLayer { staging, diff })
    }

    /// The blob of a step's layer.
    pub fn step_blob(&self, chain_id: &str) -> PathBuf {
        self.layer_dir(chain_id).join(BLOB)
    }

    /// Whether the build cache needs the layer.
    pub fn is_of_step(&self, chain_id: &str) -> bool {
        self.step_blob(chain_id).exists()
    }

    /// Lets garbage collection remove the layer if no image and no container needs it: the build cache does not.
    pub fn release_step(&self, chain_id: &str) -> Result<()> {
        file::remove(&self.step_blob(chain_id))
    }

    /// Notes that these layers are on the disk. The caller has synced the file system.
    pub fn note_synced<'a>(&self, chain_ids: impl Iterator<Item = &'a str>) -> Result<()> {
        chain_ids.into_iter().try_for_each(|id| file::remove(&self.layer_dir(id).join(UNSYNCED)))
    }
}

impl StepLayer {
    /// The layer's files: empty at first, mode 0755.
    pub fn diff(&self) -> &Path {
        &self.diff
    }

    /// Where the layer's tar is written. Nothing is there at first.
    pub fn blob(&self) -> PathBuf {
        self.staging.path().join(BLOB)
    }

    /// Takes a container's upper directory as the layer's files. It must be on the same file system.
    pub fn adopt(&self, upper: &Path) -> Result<()> {
        fs::rename(upper, &self.diff).context(|| format!("move {}", upper.display()))
    }

    /// Makes the layer visible under its chain ID, with the bytes in its files. If another build has published the same
    /// layer, that one stays.
    pub fn publish(self, store: &LayerStore, chain_id: &str, bytes: u64) -> Result<()> {
        let write = |name, content: &str| {
            let path = self.staging.path().join(name);
            fs::write(&path, content).context(|| format!("write {}", path.display()))
        };
        write(SIZE, &bytes.to_string())?;
        write(UNSYNCED, boot_id()?)?;
        let (target, blob) = (store.layer_dir(chain_id), self.blob());
        let _held = loop {
            if is_stale(&target) {
                staging::remove_whole(&target)?;
            }
            // Garbage collection removes a layer without a blob that nobody holds.
            match lock::hold(&store.path(chain_id))? {
                Some(held) => break held,
                None if store.has(chain_id) => {}
                None => return self.staging.publish(&target).map(|_| ()),
            }
        };
        // It came with an image and has no blob yet: link(2) leaves an existing one as it is.
        match fs::hard_link(&blob, target.join(BLOB)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(error).context(|| format!("add a blob to {}", target.display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::Root;
    use crate::testing::Scratch;

    fn publish(store: &LayerStore, chain: &str, content: &str) {
        let layer = store.begin_step().unwrap();
        fs::write(layer.diff().join("file"), content).unwrap();
        fs::write(layer.blob(), "tar").unwrap();
        layer.publish(store, chain, content.len() as u64).unwrap();
    }

    #[test]
    fn a_layer_of_an_earlier_boot_is_missing_unless_it_was_synced() {
        let scratch = Scratch::new();
        let root = Root::open(&scratch.path().join("data"), &scratch.path().join("run")).unwrap();
        let store = LayerStore::new(&root);
        let chain = "ab".repeat(32);
        publish(&store, &chain, "one");
        assert!(store.has(&chain) && store.is_of_step(&chain) && store.size(&chain).unwrap() == 3);
        publish(&store, &chain, "two");
        assert_eq!(fs::read_to_string(store.path(&chain).join("file")).unwrap(), "one");
        fs::write(store.path(&chain).with_file_name(UNSYNCED), "another boot").unwrap();
        assert!(!store.has(&chain));
        publish(&store, &chain, "three");
        assert_eq!(fs::read_to_string(store.path(&chain).join("file")).unwrap(), "three");
        store.note_synced([chain.as_str()].into_iter()).unwrap();
        store.release_step(&chain).unwrap();
        assert!(store.has(&chain) && !store.is_of_step(&chain));
    }

    #[test]
    fn a_layer_that_came_with_an_image_gets_a_blob() {
        let scratch = Scratch::new();
        let root = Root::open(&scratch.path().join("data"), &scratch.path().join("run")).unwrap();
        let store = LayerStore::new(&root);
        let chain = "cd".repeat(32);
        store.begin(&chain).unwrap().publish(&store).unwrap();
        assert!(!store.is_of_step(&chain));
        publish(&store, &chain, "one");
        assert!(store.is_of_step(&chain));
        assert_eq!(fs::read_dir(store.dir()).unwrap().count(), 1);
    }
}
