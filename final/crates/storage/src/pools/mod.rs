//! Storage pools: places other than the data root for the files of containers, and for volumes.
//!
//! ```text
//! image       a file with a file system in it, on a loop device, whose size is a limit
//! subvolume   btrfs: a container's root is a snapshot of its image's files, without an overlay
//! ```
//!
//! ```text
//! <pool>/hull-pool.json        which pool this is, so that an empty mount point is not taken for the pool
//!        containers/<id>/      what <data>/containers/<id>/ has for a container of the data root
//!        volumes/<name>/       as in <data>/volumes/
//!        images/<key>/root     on btrfs: an image's files; the roots of containers are snapshots of them
//! ```

pub mod image;
pub mod subvolume;

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::directory::{make_dirs, names_in};
use crate::error::{Error, IoContext, Result};
use crate::file;

const MARK: &str = "hull-pool.json";

/// What a pool keeps a container's files in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The upper directory of an overlay.
    Layers,
    /// A subvolume of btrfs.
    Subvolumes,
}

/// The directory of a pool, mounted if it is a file system of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolDir {
    path: PathBuf,
}

/// Content of `hull-pool.json`.
#[derive(Serialize, Deserialize)]
struct Mark {
    id: String,
}

impl PoolDir {
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes the directories of a new pool. The pool's directory must be empty, except for what mkfs has made.
    pub fn make(&self, id: &str) -> Result<()> {
        make_dirs(&self.path, 0o711)?;
        let others = names_in(&self.path)?.into_iter().find(|name| name != "lost+found");
        if let Some(other) = others {
            let why = format!("a pool's directory has to be empty, and this one has {other} in it");
            return Err(Error::Refused { path: self.path.clone(), why });
        }
        // The root user of a container, whose id is mapped, has to pass through these directories. Nobody has to list
        // them.
        [self.containers(), self.volumes(), self.images()]
            .iter()
            .try_for_each(|dir| make_dirs(dir, 0o711))?;
        file::write_json_atomic(&self.path.join(MARK), &Mark { id: id.to_owned() })
    }

    /// Whether the directory is that of the pool with this id, and not an empty mount point of a disk that is missing.
    pub fn is_of(&self, id: &str) -> Result<bool> {
        let mark = file::read_json::<Mark>(&self.path.join(MARK))?;
        Ok(mark.is_some_and(|mark| mark.id == id))
    }

    /// Removes what [`Self::make`] has made, and whatever is in it. The directory itself stays.
    pub fn clear(&self) -> Result<()> {
        for dir in [self.containers(), self.volumes(), self.images()] {
            subvolume::remove_all(&dir)?;
        }
        file::remove(&self.path.join(MARK))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn containers(&self) -> PathBuf {
        self.path.join("containers")
    }

    pub fn volumes(&self) -> PathBuf {
        self.path.join("volumes")
    }

    pub fn images(&self) -> PathBuf {
        self.path.join("images")
    }

    pub fn layout(&self) -> Result<Layout> {
        let opened = open_directory(&self.path)?;
        Ok(if hull_sys::btrfs::is_btrfs(&opened) { Layout::Subvolumes } else { Layout::Layers })
    }

    /// How full the pool's file system is.
    pub fn space(&self) -> Result<Space> {
        let stat = rustix::fs::statvfs(&self.path).context(|| format!("look at {}", self.path.display()))?;
        let total = stat.f_blocks.saturating_mul(stat.f_frsize);
        let used = stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(stat.f_frsize);
        Ok(Space {
            total,
            used,
            inodes: stat.f_files,
            inodes_used: stat.f_files.saturating_sub(stat.f_ffree),
        })
    }
}

/// How full a file system is. btrfs has no fixed number of inodes and says 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub total: u64,
    pub used: u64,
    pub inodes: u64,
    pub inodes_used: u64,
}

pub(crate) fn open_directory(path: &Path) -> Result<File> {
    let context = || format!("open {}", path.display());
    let opened = File::open(path).context(context)?;
    match opened.metadata().context(context)?.is_dir() {
        true => Ok(opened),
        false => Err(Error::Refused { path: path.to_owned(), why: "it is no directory".into() }),
    }
}
