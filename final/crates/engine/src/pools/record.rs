//! The record of a pool.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hull_storage::file;
use hull_storage::pools::image::FileSystem;
use hull_storage::process_id::ProcessId;
use hull_storage::root::Root;
use serde::{Deserialize, Serialize};

use crate::error::{Detail, Error, Result};
use crate::records::time::Timestamp;

const FORMAT: u32 = 1;

/// The pool that is always there: the data root itself.
pub const DEFAULT: &str = "default";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// A directory of any file system.
    Dir,
    /// A directory of a btrfs.
    Btrfs,
    /// A file with a file system of its own.
    Image,
}

impl Driver {
    pub fn name(self) -> &'static str {
        match self {
            Self::Dir => "dir",
            Self::Btrfs => "btrfs",
            Self::Image => "image",
        }
    }

    pub(super) fn parse(name: &str) -> Result<Self> {
        match name {
            "dir" => Ok(Self::Dir),
            "btrfs" => Ok(Self::Btrfs),
            "image" => Ok(Self::Image),
            _ => Err(Error::Invalid {
                what: format!("storage driver {name:?}"),
                why: "hull has dir, btrfs and image (a file with xfs or btrfs in it)".into(),
            }),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pool {
    format: u32,
    /// The mark in the pool's directory has the same id.
    pub id: String,
    pub name: String,
    pub driver: Driver,
    #[serde(default)]
    pub description: String,
    /// LXD's keys, as they were given.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    pub created: Timestamp,
    /// The directory, or the image file.
    pub source: PathBuf,
    /// The file system in an image file. `None` for the other drivers.
    #[serde(default)]
    pub file_system: Option<FileSystem>,
    /// The source was made with the pool, and is removed with it.
    #[serde(default)]
    pub(super) owns_source: bool,
    /// The command that is making or removing the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) in_work: Option<ProcessId>,
}

impl Pool {
    pub(super) fn new(
        name: &str,
        driver: Driver,
        config: BTreeMap<String, String>,
        source: PathBuf,
    ) -> Result<Self> {
        Ok(Self {
            format: FORMAT,
            id: crate::records::ids::random_id()?,
            name: name.to_owned(),
            driver,
            description: String::new(),
            config,
            created: Timestamp::now(),
            source,
            file_system: None,
            owns_source: false,
            in_work: None,
        })
    }

    /// The data root as a pool.
    fn default_of(root: &Root) -> Result<Self> {
        let pool = Self::new(DEFAULT, Driver::Dir, BTreeMap::new(), root.data().to_owned())?;
        Ok(Self { description: "hull's data root".into(), ..pool })
    }

    pub fn is_default(&self) -> bool {
        self.name == DEFAULT
    }

    /// LXD's word for its state.
    pub fn status(&self) -> &'static str {
        if self.in_work.is_some() { "Pending" } else { "Created" }
    }
}

fn directory(root: &Root) -> PathBuf {
    root.data().join("pools")
}

/// The path of a pool for which no source was given.
pub(super) fn own_source(root: &Root, name: &str) -> Result<PathBuf> {
    hull_storage::directory::make_dirs(&directory(root), 0o711)?;
    Ok(directory(root).join(name))
}

fn path(root: &Root, name: &str) -> PathBuf {
    directory(root).join(format!("{name}.json"))
}

pub(super) fn store(root: &Root, pool: &Pool) -> Result<()> {
    hull_storage::directory::make_dirs(&directory(root), 0o711)?;
    Ok(file::write_json_atomic(&path(root, &pool.name), pool)?)
}

pub(super) fn remove(root: &Root, name: &str) -> Result<()> {
    Ok(file::remove(&path(root, name))?)
}

/// The pool of this name, whatever its state is.
pub(super) fn load(root: &Root, name: &str) -> Result<Option<Pool>> {
    if !hull_storage::names::is_valid_short(name) {
        return Ok(None);
    }
    if name == DEFAULT {
        return Pool::default_of(root).map(Some);
    }
    let path = path(root, name);
    match file::read_json::<Pool>(&path)? {
        Some(pool) if pool.format > FORMAT => {
            Err(hull_storage::Error::NewerFormat { path, found: pool.format, known: FORMAT }.into())
        }
        pool => Ok(pool),
    }
}

/// The pool of this name. A pool that is being made or removed counts as missing.
pub(crate) fn find(root: &Root, name: &str) -> Result<Pool> {
    let pool = load(root, name)?.filter(|pool| pool.in_work.is_none());
    pool.ok_or_else(|| Error::NoSuchPool(name.to_owned()))
}

/// The names of all pools but the default one, sorted.
pub(super) fn names(root: &Root) -> Result<Vec<String>> {
    if !directory(root).exists() {
        return Ok(vec![]);
    }
    let files = hull_storage::directory::names_in(&directory(root))?;
    Ok(files.iter().filter_map(|name| name.strip_suffix(".json")).map(str::to_owned).collect())
}

impl Error {
    /// The error of a command that has written to a storage pool. If there was no room, it names the pool: what is in the
    /// way is there, and not in hull's root.
    pub(crate) fn in_pool(self, pool: &str) -> Self {
        let is_full = match &self {
            Self::Io { source, .. } => {
                matches!(hull_sys::errno_of(source), Some(libc::ENOSPC | libc::EDQUOT))
            }
            error => error.detail() == Some(Detail::DiskFull),
        };
        match is_full && pool != DEFAULT {
            true => Self::PoolFull { pool: pool.to_owned(), source: Box::new(self) },
            false => self,
        }
    }
}
