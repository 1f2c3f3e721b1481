//! Files of a container: `cp`, `export`, `diff` and `commit`.
//!
//! ```text
//! path    docker's rules about names          root   the container's root directory, running or stopped
//! view    finding what an argument names      entry  what takes a file on its way
//! tree    a directory → entries               extractor  entries → a directory
//! unpack  members     → entries               (entries → a tar: hull_image::packing)
//! diff    changed files of a container        commit   the changes → a layer of an image
//! volume  a volume as a tar, and back
//! layer   an upper directory → the tar of a layer
//! export  all of a container as a tar          ids    the ids of files in a user namespace
//! archive docker's API: a path's status, tars out and in
//! backup  the archive of a container with its snapshots
//! changes the own layers of a container as one layer
//! file    LXD's `file`: push, pull, delete       mounted  `file mount`
//! image   an image as LXD's archives
//! merged  the files of an image without a container, into a directory or a tar
//! ```
//! The container is hostile and may be running: it changes its files while they are copied. What keeps it inside:
//!
//! * Its paths resolve from the descriptor of its root (`RESOLVE_IN_ROOT`); from there on there are only descriptors.
//! * A file is always created as a new one. Nothing is written through a symlink, or into an existing file.
//! * Devices, FIFOs and sockets are not opened. No file of the container is executed or loaded, so owners are numbers
//!   and not names.
//! * Files that leave the container lose set-ID bits, file capabilities and access to devices, unless `-a` is given.
//!   docker keeps them. A copy by root may then turn a program of the container into one that runs as root on the host.

mod archive;
pub(crate) mod backup;
mod changes;
mod commit;
mod diff;
mod entry;
mod export;
mod extractor;
mod file;
mod ids;
mod image;
pub(crate) mod layer;
mod merged;
mod mounted;
mod path;
mod root;
#[cfg(test)]
mod tests;
mod tree;
mod unpack;
mod view;
mod volume;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

pub use archive::ArchiveOptions;
pub use commit::{CommitOptions, Freezable};
pub use diff::Change;
pub use file::{DeleteOptions, PullOptions, PullTarget, PushOptions, PushSource};
pub use layer::pack as pack_layer;
pub use merged::LayersToExport;
pub use mounted::MountedFiles;

use hull_image::Bounded;
use hull_image::members::Members;
use hull_image::packing::Packer;
use hull_storage::tree::Replace;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use entry::finish;
use extractor::{Extractor, Owner, Privileges, Rules};
use path::{Found, landing};
use root::ContainerRoot;
use tree::Scope;
use view::{Destination, View};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// `-a`: keep owners and ACLs, and set-ID bits of files that leave the container. Otherwise the copies belong to
    /// root in the container, and to the caller on the host.
    pub archive: bool,
    /// `-L`: copy the target of a symlink and not the symlink.
    pub follow_link: bool,
}

/// The source of files for a container.
pub enum CopySource<'a> {
    Host(&'a Path),
    Tar(&'a mut dyn io::Read),
}

/// The destination of a container's files.
pub enum CopyTarget<'a> {
    Host(&'a Path),
    Tar(&'a mut dyn io::Write),
}

impl Engine {
    /// Copies from a container.
    ///
    /// The calling process mounts a stopped container in a new mount namespace, in which it stays, so it should end
    /// afterwards.
    pub fn copy_out(&self, name: &str, path: &Path, to: CopyTarget<'_>, options: CopyOptions) -> Result<()> {
        self.in_container(name, path, Some("archive-path"), |view, path| copy_out(view, path, to, options))
    }

    /// Copies into a container. What [`Self::copy_out`] says about a stopped one is true here too.
    pub fn copy_in(&self, from: CopySource<'_>, name: &str, path: &Path, options: CopyOptions) -> Result<()> {
        self.in_container(name, path, Some("extract-to-dir"), |view, path| copy_in(view, path, from, options))
    }

    /// Calls `work` with the container's files. `action` is the event of what it does.
    fn in_container<T>(
        &self,
        name: &str,
        path: &Path,
        action: Option<&str>,
        work: impl FnOnce(&View, &Path) -> Result<T>,
    ) -> Result<T> {
        if path.as_os_str().is_empty() {
            return Err(invalid(&format!("path of container {name}"), "it is empty"));
        }
        let record = self.find(name)?;
        let (root, guard) = ContainerRoot::open(self, &record)?;
        let is_running = guard.ended().is_some();
        let view = View::container(root, name)
            .with_ids(guard.ids(&record))
            .of_running(is_running)
            .with_mounts(guard.mounts());
        let done = work(&view, path)?;
        // After the copy: if that failed, its error says more than that the container has ended.
        guard.finish()?;
        if let Some(action) = action {
            Event::container(&record, action).emit(self);
        }
        Ok(done)
    }
}

fn copy_out(container: &View, path: &Path, to: CopyTarget<'_>, options: CopyOptions) -> Result<()> {
    let to = match to {
        CopyTarget::Host(to) => to,
        CopyTarget::Tar(to) => return send_tar(container, path, to, options),
    };
    let caller = Owner::Set(rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    copy_tree((container, path), (&View::host()?, to), (caller, Privileges::Dropped), options)
}

fn copy_in(container: &View, path: &Path, from: CopySource<'_>, options: CopyOptions) -> Result<()> {
    let from = match from {
        CopySource::Host(from) => from,
        CopySource::Tar(from) => return receive_tar(from, container, path, options),
    };
    copy_tree((&View::host()?, from), (container, path), (Owner::Set(0, 0), Privileges::Kept), options)
}

/// Without `-a`, the copies have the owner and privileges that are given.
fn copy_tree(
    from: (&View, &Path),
    to: (&View, &Path),
    plain: (Owner, Privileges),
    options: CopyOptions,
) -> Result<()> {
    let source = from.0.source(from.1, options.follow_link)?;
    let Destination { found, directory, split, shown } = to.0.destination(to.1)?;
    let landing = landing(&source.split, source.is_directory, &split, found)
        .map_err(|why| invalid(&format!("destination {shown}"), why))?;
    let (owner, privileges) = if options.archive { (Owner::Keep, Privileges::WithAcls) } else { plain };
    let rules = Rules {
        owner,
        privileges,
        existing_directories: options.archive,
        through_symlinks: false,
        replaces: Replace::Files,
    };
    let shown = if landing.inside { shown } else { to.0.shown(&split.parent) };
    to.0.as_creator(|| {
        let mut extractor = Extractor::new(directory, &shown, rules)?.with_ids(to.0.ids.clone());
        tree::send(&source, &landing.name, Scope::Everything, &mut extractor)?;
        extractor.finish()
    })
}

fn send_tar(container: &View, path: &Path, to: impl io::Write, options: CopyOptions) -> Result<()> {
    let source = container.source(path, options.follow_link)?;
    let name = match &source.split.name {
        Some(name) if !source.split.contents => PathBuf::from(name),
        _ => PathBuf::new(),
    };
    let mut packer = Packer::new(to);
    let sent = tree::send(&source, &name, Scope::Everything, &mut packer).and_then(|()| finish(packer));
    match sent {
        // The reader needs no more, as in `hull cp box:/etc - | tar t | head`.
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        sent => sent,
    }
}

fn receive_tar(from: impl io::Read, container: &View, path: &Path, options: CopyOptions) -> Result<()> {
    let Destination { found, directory, shown, .. } = container.destination(path)?;
    if found != Found::Directory {
        return Err(invalid(&format!("destination {shown}"), "it must be a directory"));
    }
    // The members of a tar have owners of their own.
    let rules = Rules {
        owner: Owner::KeepIfMapped,
        privileges: Privileges::WithAcls,
        existing_directories: options.archive,
        through_symlinks: true,
        replaces: Replace::Files,
    };
    container.as_creator(|| {
        let mut extractor = Extractor::new(directory, &shown, rules)?.with_ids(container.ids.clone());
        unpack::unpack(from, &mut extractor)?;
        extractor.finish()
    })
}

/// Unpacks a stranger's archive, plain or compressed, into a directory: owners, modes, set-ID bits and times are those of
/// the archive. `shown` is the directory's name in errors.
///
/// # Errors
///
/// If it is a decompression bomb, has more than `most` members, or leads out of the directory.
pub fn unpack_archive(stream: impl io::Read, directory: OwnedFd, shown: &str, most: u64) -> Result<()> {
    const BUFFER: usize = 128 * 1024;
    let rules = Rules {
        owner: Owner::KeepIfMapped,
        privileges: Privileges::Kept,
        existing_directories: true,
        through_symlinks: true,
        replaces: Replace::Files,
    };
    let mut extractor = Extractor::new(directory, shown, rules)?;
    let bounded = Bounded::new(io::BufReader::with_capacity(BUFFER, stream))?;
    let members = Members::new(io::BufReader::with_capacity(BUFFER, bounded));
    unpack::unpack_members(members, most, &mut extractor)?;
    extractor.finish()
}

fn invalid(what: &str, why: &str) -> Error {
    Error::Invalid { what: what.into(), why: why.into() }
}
