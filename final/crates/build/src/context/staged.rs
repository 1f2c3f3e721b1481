//! Trees that are made for one build: downloads, unpacked archives, checkouts.
//!
//! ```text
//! <data>/build/contexts/.staging-<process>-<n>/tree   gone with the process that made it, at the latest in the next build
//! ```

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;

use hull_storage::root::Root;
use hull_storage::staging::{self, Staging};

use super::{Keeper, Tree};
use crate::Result;
use crate::error::IoContext;

/// Where downloads are kept, beneath the data directory.
pub(super) const DOWNLOADS: &str = "build/downloads";

/// Files and directories of an archive.
const MOST_MEMBERS: u64 = 2_000_000;

/// A directory for one build.
#[derive(Debug)]
pub(super) struct Staged {
    staging: Staging,
}

impl Staged {
    pub fn new(root: &Root) -> Result<Self> {
        let parent = contexts(root);
        hull_storage::directory::make_dirs(&parent, 0o710)?;
        Ok(Self { staging: Staging::new(&parent)? })
    }

    /// A directory beside the tree, for what the tree is made of.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.staging.path().join(name)
    }

    /// Where the tree is made.
    pub fn tree(&self) -> PathBuf {
        self.beside("tree")
    }

    pub fn make_tree(&self) -> Result<PathBuf> {
        let path = self.tree();
        hull_storage::directory::make_dirs(&path, 0o755)?;
        Ok(path)
    }

    /// The tree, which is removed when it is dropped.
    pub fn into_tree(self, name: &str, has_local_owners: bool) -> Result<Tree> {
        let tree = Tree::open(&self.tree(), name)?;
        Ok(Tree { has_local_owners, keeper: Keeper::Staging(self.staging), ..tree })
    }
}

/// Unpacks an archive. The files have the owners that it says.
pub(super) fn unpack(root: &Root, archive: impl Read, name: &str) -> Result<Tree> {
    let staged = Staged::new(root)?;
    let path = staged.make_tree()?;
    let opened = File::open(&path).context(|| format!("open {}", path.display()))?;
    hull_engine::unpack_archive(archive, opened.into(), name, MOST_MEMBERS)?;
    staged.into_tree(name, false)
}

/// A tree with nothing in it.
pub(super) fn empty(root: &Root, name: &str) -> Result<Tree> {
    let staged = Staged::new(root)?;
    staged.make_tree()?;
    staged.into_tree(name, false)
}

/// Removes what killed builds have left.
pub fn collect(root: &Root) -> Result<()> {
    for parent in [contexts(root), root.data().join(DOWNLOADS)] {
        if fs::symlink_metadata(&parent).is_ok() {
            staging::collect(&parent)?;
        }
    }
    Ok(())
}

fn contexts(root: &Root) -> PathBuf {
    root.data().join("build/contexts")
}
