//! Where a container's own files are: those that it has changed, and those that its snapshots keep.
//!
//! ```text
//! containers/<id>/upper              the first layer of a container           (below the data root, or a storage pool)
//!                 work
//!                 private/<n>/upper  later layers: after a snapshot of a stopped container the present layer stays as it is,
//!                             work   and the container writes to a new, empty one
//!                 subvolumes/<n>     instead of layers, if the root is a subvolume of btrfs
//! ```
//! These directories are never renamed within a pool. The record names the present layer and those below it, so a
//! snapshot is taken or restored by replacing `container.json`, in a single rename(2). Layers that neither the record
//! nor a snapshot names are removed.

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
    /// The pool's directory, which has a directory `containers`, as the data root has. For a container with a size and
    /// without a subvolume it is instead the mount point of the image with the container's files.
    pub directory: PathBuf,
    /// The size of the container's files, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// How the files are kept. Layers and subvolumes are named by numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Files {
    /// Layers of an overlay over the image's.
    Layers {
        /// The layer that the container writes to. 0 is the first layer.
        present: u32,
        /// The layers below it, the newest first. Nobody writes to them.
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
    /// The numbers of the layers, the newest first, or of the subvolume.
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

    /// The name of the storage pool. That of the data root is `default`, as in LXD.
    pub(crate) fn pool_name(&self) -> &str {
        self.pool.as_ref().map_or("default", |pool| &pool.name)
    }

    /// The directory with the files of the container `id`.
    pub(crate) fn home(&self, root: &Root, id: &str) -> PathBuf {
        match &self.pool {
            Some(pool) => pool.directory.join("containers").join(id),
            None => root.container_dir(id),
        }
    }

    /// The layer that the container writes to. `None` if its root is no overlay.
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

    /// The bytes in all files that the container has changed. For a subvolume the bytes in all of its files: those of
    /// the image cannot be told from the container's.
    pub(crate) fn size(&self, home: &Path) -> Result<u64> {
        if let Some(subvolume) = self.subvolume(home) {
            return Ok(hull_storage::tree::disk_usage(&subvolume)?);
        }
        let layers = self.present(home).into_iter().chain(self.private(home));
        Ok(layers.map(|layer| layer.size()).sum::<std::result::Result<u64, _>>()?)
    }

    /// The subvolume that is the container's root. `None` if the root is an overlay.
    pub(crate) fn subvolume(&self, home: &Path) -> Option<PathBuf> {
        match &self.files {
            Files::Subvolume { present } => Some(home.join("subvolumes").join(present.to_string())),
            Files::Layers { .. } => None,
        }
    }
}

impl Writable {
    /// The files of a snapshot of this container. `kept` is their description in the snapshot's record. The container
    /// may have been moved to another pool since, where they have another form.
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

/// The layer whose work directory says that the container was started. It is in the container's directory below the
/// data root, even if the container's files are in a pool.
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
