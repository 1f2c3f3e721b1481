//! Where a container's own files are: what it has changed, and what its snapshots keep.
//!
//! ```text
//! containers/<id>/upper              the first layer of a container           (below the data root, or a storage pool)
//!                 work
//!                 private/<n>/upper  later layers: a snapshot of a stopped container leaves the present one as it is,
//!                             work   and the container goes on in a new, empty one
//!                 subvolumes/<n>     instead of layers, where a root is a subvolume of btrfs
//! ```
//! No directory ever moves. The record names the present one and those below it, so one rename of `container.json` takes
//! a snapshot and restores it. What neither the record nor a snapshot names is removed.

use std::path::{Path, PathBuf};

use hull_storage::root::Root;
use hull_storage::writable_layer::WritableLayer;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// A container's own files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Writable {
    /// The storage pool. `None`: the data root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<InPool>,
    pub files: Files,
}

/// A storage pool, as the containers in it know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InPool {
    pub name: String,
    /// The pool's directory, which has a directory `containers` as the data root has. Where the container has a size of its own and no
    /// subvolume, it is the mounted image with its files.
    pub directory: PathBuf,
    /// The size of the container's files, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// How the files are kept. Directories are named by numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Files {
    /// Layers of an overlay over the image's.
    Layers {
        /// The one that the container writes to. 0 is the first.
        present: u32,
        /// Those below it, the newest first. Nobody writes to them.
        private: Vec<u32>,
    },
    /// A subvolume of btrfs with the image's files and the container's, without an overlay.
    Subvolume { present: u32 },
}

impl Default for Files {
    fn default() -> Self {
        Self::Layers { present: 0, private: vec![] }
    }
}

impl Files {
    /// The directories that these files are in, the newest first.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        match self {
            Self::Layers { present, private } => [&[*present], private.as_slice()].concat(),
            Self::Subvolume { present } => vec![*present],
        }
    }

    pub(crate) fn top(&self) -> u32 {
        match self {
            Self::Layers { present, .. } | Self::Subvolume { present } => *present,
        }
    }
}

impl Writable {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The directory of the container with this id that has its files.
    pub(crate) fn home(&self, root: &Root, id: &str) -> PathBuf {
        match &self.pool {
            Some(pool) => pool.directory.join("containers").join(id),
            None => root.container_dir(id),
        }
    }

    /// What the container writes to. `None` where its root is no overlay.
    pub(crate) fn present(&self, home: &Path) -> Option<WritableLayer> {
        match &self.files {
            Files::Layers { present, .. } => Some(layer(home, *present)),
            Files::Subvolume { .. } => None,
        }
    }

    /// The container's layers below the present one, the newest first.
    pub(crate) fn private(&self, home: &Path) -> Vec<WritableLayer> {
        match &self.files {
            Files::Layers { private, .. } => private.iter().map(|number| layer(home, *number)).collect(),
            Files::Subvolume { .. } => vec![],
        }
    }

    /// Bytes in all files that the container has changed. In a subvolume they cannot be told from the image's.
    pub(crate) fn size(&self, home: &Path) -> Result<u64> {
        if let Some(subvolume) = self.subvolume(home) {
            return Ok(hull_storage::tree::disk_usage(&subvolume)?);
        }
        let layers = self.present(home).into_iter().chain(self.private(home));
        Ok(layers.map(|layer| layer.size()).sum::<std::result::Result<u64, _>>()?)
    }

    /// The subvolume that is the container's root, where it is one.
    pub(crate) fn subvolume(&self, home: &Path) -> Option<PathBuf> {
        match &self.files {
            Files::Subvolume { present } => Some(home.join("subvolumes").join(present.to_string())),
            Files::Layers { .. } => None,
        }
    }
}

impl Writable {
    /// The files of a snapshot of this container, as its record has them, in the place where the container is. It may have been moved since.
    pub(crate) fn of_snapshot(&self, kept: &Files) -> Self {
        let files = match (&self.files, kept) {
            (Files::Subvolume { .. }, Files::Layers { present, .. }) => {
                Files::Subvolume { present: *present }
            }
            (Files::Layers { .. }, Files::Subvolume { present }) => {
                Files::Layers { present: *present, private: vec![] }
            }
            (_, kept) => kept.clone(),
        };
        Self { pool: self.pool.clone(), files }
    }
}

/// The layer with this number.
pub(crate) fn layer(home: &Path, number: u32) -> WritableLayer {
    match number {
        0 => WritableLayer::of(home),
        number => WritableLayer::of(&private_dir(home).join(number.to_string())),
    }
}

/// The directory of all layers but the first.
pub(crate) fn private_dir(home: &Path) -> PathBuf {
    home.join("private")
}

/// The directory in which the first start of a container leaves its mark: the kernel's work directory of the first layer, or,
/// where the files are elsewhere, an empty one with the same name.
pub(crate) fn start_mark(root: &Root, id: &str) -> WritableLayer {
    WritableLayer::of(&root.container_dir(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_the_field_has_its_files_where_they_always_were() {
        let writable: Writable = serde_json::from_str("{}").unwrap();
        assert!(writable.is_default());
        let home = Path::new("/data/containers/one");
        assert_eq!(writable.present(home).unwrap().upper(), home.join("upper"));
        assert!(writable.private(home).is_empty() && writable.subvolume(home).is_none());
    }

    #[test]
    fn layers_have_the_order_of_the_record() {
        let files = Files::Layers { present: 3, private: vec![2, 0] };
        let writable = Writable { pool: None, files };
        let home = Path::new("/h");
        assert_eq!(writable.present(home).unwrap().work(), Path::new("/h/private/3/work"));
        let uppers: Vec<PathBuf> =
            writable.private(home).iter().map(|layer| layer.upper().to_owned()).collect();
        assert_eq!(uppers, [Path::new("/h/private/2/upper"), Path::new("/h/upper")]);
    }
}
