//! Where COPY, ADD and bind mounts take files from.
//!
//! ```text
//! directory  the build context on this machine, with its .dockerignore
//! source     contexts of every kind    staged   unpacked archives    download  by http, https    git, git_url  checkouts
//! child      work that needs threads   oci_layout  an image in a directory
//! contents   the digest of what COPY reads, and what has changed   stat_cache, hash   without reading it all again
//! lookup     finds a source of COPY, with symlinks and wildcards     walk   visits what is beneath it     entry   one file
//! ```
//!
//! Nothing in a tree is trusted: it may be a checkout of a stranger's repository, or the files of an image. Everything is
//! looked up beneath the root by descriptor, and a symlink leads out of no tree.

mod child;
mod contents;
mod directory;
mod download;
mod entry;
mod git;
mod git_url;
mod hash;
mod lookup;
mod oci_layout;
mod source;
mod staged;
mod stat_cache;
#[cfg(test)]
mod tests;
mod walk;

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use hull_image::Digest;
use hull_image::registry::AccessOptions;
use hull_storage::overlay::LayersView;
use hull_storage::root::Root;
use hull_storage::staging::Staging;
use nix::errno::Errno;
use rustix::fs::{FileType, Mode, OFlags};

use crate::error::IoContext;
use crate::patterns::Patterns;
use crate::{Error, Result};

pub use contents::{Change, Contents, Listing, What, changes, measure};
pub use directory::open_directory;
pub use download::{Kept, kept as downloads};
pub use entry::{Attribute, Entry};
pub use git_url::GitUrl;
pub use oci_layout::load_layout;
pub use source::{Loaded, fetch, fetch_dockerfile, is_remote, load, read_dockerfile};
pub use staged::collect;
pub use stat_cache::StatCache;
pub use walk::Walk;

/// A tree of files to take from: the build context, a stage, an image, a git checkout, a download.
#[derive(Debug)]
pub struct Tree {
    /// The root directory. Everything is looked up beneath it.
    pub root: OwnedFd,
    /// What `.dockerignore` leaves out.
    pub ignore: Patterns,
    /// For errors: `the build context`, `stage "build"`.
    pub name: String,
    /// A path of the root for what needs one (a bind mount), if it has one.
    pub path: Option<PathBuf>,
    /// The owners mean nothing in an image, because they are users of this machine: COPY and ADD give everything to root.
    /// True for directories and checkouts, false for the files of images and for archives.
    pub has_local_owners: bool,
    /// What keeps the tree there: a mount that has no mount point, or a directory that is removed with the tree.
    pub keeper: Keeper,
}

/// How sources on other machines are reached.
#[derive(Debug, Clone, Default)]
pub struct Remote {
    pub registry: AccessOptions,
    /// Whether a redirect may lead to this machine or its link.
    pub trusts_redirects: bool,
    /// The socket of the agent with the user's keys, for git by ssh.
    pub ssh_agent: Option<PathBuf>,
}

/// A source of ADD that was fetched.
#[derive(Debug)]
pub struct Fetched {
    pub tree: Tree,
    /// The path in the tree that is added: a file's name, or everything.
    pub source: String,
    /// Of everything that the step's result depends on.
    pub digest: Digest,
    /// What was found, for `--why`: the file's digest, the commit.
    pub what: String,
}

/// What a tree is part of, and what ends with it.
#[derive(Debug, Default)]
pub enum Keeper {
    /// It was there before.
    #[default]
    Others,
    Layers(LayersView),
    Staging(Staging),
}

impl Tree {
    /// The whole tree at `path`.
    pub fn open(path: &Path, name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty());
        let root = opened.map_err(|error| cannot_open(Errno::from_raw(error.raw_os_error()), path, &name))?;
        Ok(Self {
            root,
            ignore: Patterns::default(),
            name,
            path: Some(path.to_owned()),
            has_local_owners: false,
            keeper: Keeper::Others,
        })
    }

    /// The files of layers, lowest first, as a container would see them. The tree has no path until
    /// [`Self::attach`] gives it one.
    pub fn of_layers(root: &Root, layers: &[PathBuf], name: impl Into<String>) -> Result<Self> {
        let layers: Vec<PathBuf> = layers.iter().rev().cloned().collect();
        let view = LayersView::mount(&layers, &root.run().join("build/empty"))?;
        let name = name.into();
        let opened = rustix::fs::openat(
            &view,
            ".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let root = opened.context(|| format!("open the files of {name}"))?;
        Ok(Self {
            root,
            ignore: Patterns::default(),
            name,
            path: None,
            has_local_owners: false,
            keeper: Keeper::Layers(view),
        })
    }

    /// Gives a tree of layers a path, in the mount namespace of the caller, which must be its own: the mount stays until
    /// the namespace ends.
    pub fn attach(&mut self, point: &Path) -> Result<&Path> {
        if let (None, Keeper::Layers(view)) = (&self.path, &self.keeper) {
            view.attach(point)?;
            self.path = Some(point.to_owned());
        }
        self.path.as_deref().ok_or_else(|| Error::Unsupported(format!("{} cannot be mounted", self.name)))
    }

    /// The content of a file, also of one that `.dockerignore` leaves out: a Dockerfile, an ignore file. `None` if it does
    /// not exist. Symlinks lead to files of the tree only.
    ///
    /// # Errors
    ///
    /// If it is no regular file, or has more than `limit` bytes.
    pub fn read_file(&self, path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
        let action = || format!("read {} in {}", path.display(), self.name);
        // Opened without reading, because opening a FIFO waits and opening a device has effects.
        let found = match hull_sys::fs::open_in_root(&self.root, path, OFlags::PATH) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            found => found.context(action)?,
        };
        let stat = rustix::fs::fstat(&found).context(action)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            let what = format!("file {}", path.display());
            return Err(Error::Invalid { what, why: format!("it is not a regular file of {}", self.name) });
        }
        let link = hull_sys::fs::fd_path(&found);
        let file = File::from(
            rustix::fs::open(link, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).context(action)?,
        );
        let mut content = Vec::new();
        file.take(limit + 1).read_to_end(&mut content).context(action)?;
        if content.len() as u64 > limit {
            let what = format!("file {}", path.display());
            return Err(Error::Invalid { what, why: format!("it has more than {limit} bytes") });
        }
        Ok(Some(content))
    }
}

fn cannot_open(error: Errno, path: &Path, name: &str) -> Error {
    let shown = path.display().to_string();
    let what =
        if name == shown { format!("the build context {shown}") } else { format!("{name} at {shown}") };
    match error {
        Errno::ENOTDIR => {
            Error::Syntax(format!("{what} is a file, and it must be a directory; -f names a Dockerfile"))
        }
        error => Error::Io { action: format!("open {what}"), source: error.into() },
    }
}
