//! Creates entries in a directory that hostile processes may be changing: processes of the container, or an earlier
//! member of the same tar.
//!
//! Every step is relative to an open directory beneath the top. A file that has the entry's name is unlinked and
//! created again (`O_EXCL`), never written through; owner, mode and times are set on the descriptor of what was
//! created.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use hull_storage::tree::{Destination, Refused, Replace, Target};
use hull_sys::sparse::HoleWriter;
use hull_sys::tree::{Created, Metadata, Policy, create_file, hold};
use nix::errno::Errno;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, Timestamps};

use super::entry::{Content, Entry, Kind, Sink, copy_exactly, shown};
use super::ids::ContainerIds;
use crate::error::{Error, IoContext, Result};

/// The owner of the copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Set(u32, u32),
    /// `-a`: as at the source, or not at all.
    Keep,
    /// As a tar says. If the user namespace does not map that id, the file belongs to the user.
    KeepIfMapped,
}

/// Which of a file's privileges are copied. A set-ID bit or a capability was granted by the owner at the source; under
/// another owner it would grant the rights of somebody who never agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Privileges {
    /// None: the file comes out of a container, and nobody vouches for it.
    Dropped,
    /// Set-ID bits, file capabilities and the mode of devices, as docker does for what its user copies into a
    /// container.
    Kept,
    /// ACLs as well: the users they name are the same at both ends.
    WithAcls,
}

/// Which metadata is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub owner: Owner,
    pub privileges: Privileges,
    /// Directories that existed before get the metadata of the source's as well.
    pub existing_directories: bool,
    /// Members of a tar may lie behind a symlink that stays beneath the destination (`lib` → `usr/lib`).
    pub through_symlinks: bool,
    /// What an entry of another type than the one before replaces.
    pub replaces: Replace,
}

impl Policy for Rules {
    fn sets_attribute(&self, name: &std::ffi::CStr) -> bool {
        match self.privileges {
            Privileges::WithAcls => true,
            Privileges::Kept if name == c"security.capability" => true,
            _ => name.to_bytes().starts_with(b"user."),
        }
    }

    /// EINVAL: not an id of this user namespace; chown(2).
    fn ignores_owner(&self, error: Errno) -> bool {
        self.owner == Owner::KeepIfMapped && error == Errno::EINVAL
    }

    fn owner_error(&self, uid: u32, gid: u32, error: Errno) -> io::Error {
        match error {
            Errno::EINVAL => {
                io::Error::other(format!("the owner {uid}:{gid} does not exist in this user namespace"))
            }
            error => error.into(),
        }
    }

    /// EPERM: a user namespace may not set it.
    fn ignores_attribute(&self, _name: &std::ffi::CStr, error: Errno) -> bool {
        error == Errno::EPERM && hull_sys::id_map::in_user_namespace()
    }
}

pub(super) struct Extractor {
    destination: Destination,
    identity: (u64, u64),
    rules: Rules,
    /// Of the files that are created.
    ids: ContainerIds,
    /// The name of the destination in errors.
    shown: String,
    /// Directories whose metadata is set at the end, because writing into them needs permission and changes their
    /// times.
    directories: Vec<Entry>,
    /// Directories that this extractor created as entries.
    created: HashSet<PathBuf>,
}

impl Extractor {
    pub(super) fn new(top: OwnedFd, shown: &str, rules: Rules) -> Result<Self> {
        let stat = rustix::fs::fstat(&top).context(|| format!("look at {shown}"))?;
        Ok(Self {
            destination: Destination::new(top, rules.through_symlinks),
            identity: (stat.st_dev, stat.st_ino),
            rules,
            ids: ContainerIds::default(),
            shown: shown.to_owned(),
            directories: Vec::new(),
            created: HashSet::new(),
        })
    }

    pub(super) fn with_ids(self, ids: ContainerIds) -> Self {
        Self { ids, ..self }
    }

    /// Sets owner, mode and times of the directories, the deepest ones first.
    pub(super) fn finish(self) -> Result<()> {
        for entry in self.directories.iter().rev() {
            let opened = self.destination.open_directory(&entry.path, OFlags::RDONLY);
            let opened = opened.context(|| self.writing(entry))?;
            self.set_metadata(Created::Open(opened.as_fd()), entry).context(|| self.writing(entry))?;
        }
        Ok(())
    }

    fn writing(&self, entry: &Entry) -> String {
        format!("copy {} to {}", shown(&entry.path), self.shown)
    }

    fn target(&mut self, entry: &Entry) -> Result<Target> {
        match self.destination.target(&entry.path) {
            Err(Errno::ELOOP | Errno::EXDEV | Errno::ENOTDIR) => {
                Err(self.refused(entry, "something that is not a directory stands in its path"))
            }
            target => target.context(|| self.writing(entry)),
        }
    }

    fn refused(&self, entry: &Entry, why: &str) -> Error {
        let what = format!("destination {} in {}", shown(&entry.path), self.shown);
        Error::Invalid { what, why: why.into() }
    }

    fn directory(&mut self, entry: &Entry) -> Result<()> {
        if !entry.path.as_os_str().is_empty() {
            let target = self.target(entry)?;
            match rustix::fs::mkdirat(&*target.directory, &target.name, Mode::RWXU) {
                Ok(()) => drop(self.created.insert(entry.path.clone())),
                Err(rustix::io::Errno::EXIST) if target.is_directory() => {}
                Err(rustix::io::Errno::EXIST) if self.rules.replaces == Replace::Files => {
                    return Err(self.refused(entry, "cannot overwrite a non-directory with a directory"));
                }
                Err(rustix::io::Errno::EXIST) => {
                    self.create(&target, entry, |directory, name| {
                        rustix::fs::mkdirat(directory, name, Mode::RWXU)
                    })?;
                    self.created.insert(entry.path.clone());
                }
                Err(errno) => return Err(errno).context(|| self.writing(entry)),
            }
        }
        let is_new = self.created.contains(&entry.path) || self.destination.implied().contains(&entry.path);
        if self.rules.existing_directories || is_new {
            let (path, attributes) = (entry.path.clone(), entry.attributes.clone());
            self.directories.push(Entry { path, kind: Kind::Directory, attributes, ..*entry });
        }
        Ok(())
    }

    /// Creates anything but a directory in the place of anything but a directory.
    fn create<T>(
        &self,
        target: &Target,
        entry: &Entry,
        make: impl Fn(BorrowedFd<'_>, &std::ffi::OsStr) -> rustix::io::Result<T>,
    ) -> Result<T> {
        let created = target.create(self.rules.replaces, make);
        created.map(|(made, _)| made).map_err(|refused| self.not_created(entry, refused))
    }

    fn not_created(&self, entry: &Entry, refused: Refused) -> Error {
        match refused {
            Refused::MountPoint => {
                self.refused(entry, "something is mounted there, so it cannot be replaced")
            }
            Refused::Directory => self.refused(entry, "cannot overwrite a directory with a non-directory"),
            Refused::Failed(source) => Error::Io { action: self.writing(entry), source },
        }
    }

    fn file(&mut self, entry: &Entry, size: u64, content: Content<'_>) -> Result<()> {
        self.create_filled(entry, |file| match content {
            Content::File(from) => hull_sys::fs::copy_content(from, file),
            Content::Stream(from) => {
                // A tar records no holes that are read here, so blocks of zeros become holes.
                let mut file = HoleWriter::new(&*file);
                copy_exactly(from, &mut file, size).and_then(|()| io::Write::flush(&mut file))
            }
            Content::None => Ok(()),
        })
    }

    /// Creates a regular file with the content of a stream whose length is not known.
    pub(super) fn put_stream(&mut self, entry: &Entry, from: &mut dyn io::Read) -> Result<()> {
        self.create_filled(entry, |file| io::copy(from, file).map(drop))
    }

    fn create_filled(&mut self, entry: &Entry, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
        let target = self.target(entry)?;
        let mut file = self.create(&target, entry, create_file)?;
        fill(&mut file)
            .and_then(|()| self.set_metadata(Created::Open(file.as_fd()), entry))
            .inspect_err(|_| {
                // Half a file is worse than none.
                let _ = rustix::fs::unlinkat(&*target.directory, &target.name, AtFlags::empty());
            })
            .context(|| self.writing(entry))
    }

    fn symlink(&mut self, entry: &Entry, points_to: &Path) -> Result<()> {
        let target = self.target(entry)?;
        self.create(&target, entry, |directory, name| rustix::fs::symlinkat(points_to, directory, name))?;
        self.set_metadata_of_node(&target, entry, FileType::Symlink, 0).context(|| self.writing(entry))
    }

    fn node(&mut self, entry: &Entry, kind: FileType, device: u64) -> Result<()> {
        let target = self.target(entry)?;
        let mode = Mode::RUSR | Mode::WUSR;
        self.create(&target, entry, |directory, name| {
            rustix::fs::mknodat(directory, name, kind, mode, device)
        })?;
        self.set_metadata_of_node(&target, entry, kind, device).context(|| self.writing(entry))
    }

    fn set_metadata_of_node(
        &self,
        target: &Target,
        entry: &Entry,
        kind: FileType,
        device: u64,
    ) -> io::Result<()> {
        let (directory, name) = (target.directory.as_fd(), target.name.as_os_str());
        let created = hold(directory, name, kind, device)?;
        let is_symlink = kind == FileType::Symlink;
        self.set_metadata(Created::Held { entry: created.as_fd(), directory, name, is_symlink }, entry)
    }

    fn set_metadata(&self, created: Created<'_>, entry: &Entry) -> io::Result<()> {
        let (uid, gid) = match self.rules.owner {
            Owner::Set(uid, gid) => (uid, gid),
            Owner::Keep | Owner::KeepIfMapped => (entry.uid, entry.gid),
        };
        let (uid, gid) = match (self.ids.outside(uid, gid), self.ids.creator()) {
            (Some(ids), _) => ids,
            (None, Some(root)) if self.rules.owner == Owner::KeepIfMapped => root,
            (None, _) => return Err(self.rules.owner_error(uid, gid, Errno::EINVAL)),
        };
        let translated = self.ids.attributes_outside(&entry.attributes);
        let times = Timestamps { last_access: entry.modified, last_modification: entry.modified };
        let metadata = Metadata {
            uid,
            gid,
            mode: self.mode(entry),
            attributes: translated.as_deref().unwrap_or(&entry.attributes),
            times: Some(times),
        };
        created.set(&metadata, &self.rules)
    }

    fn mode(&self, entry: &Entry) -> u32 {
        let dropped = self.rules.privileges == Privileges::Dropped;
        match entry.kind {
            Kind::Node { kind: FileType::Fifo, .. } => entry.mode & 0o777,
            // A process that may open a device has access to the hardware.
            Kind::Node { .. } if dropped => entry.mode & 0o600,
            Kind::Node { .. } => entry.mode & 0o777,
            _ if dropped => entry.mode & 0o1777,
            _ => entry.mode,
        }
    }
}

impl Sink for Extractor {
    fn put(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        match &entry.kind {
            Kind::Directory => self.directory(entry),
            Kind::File { size } => self.file(entry, *size, content),
            Kind::Symlink(target) => self.symlink(entry, target),
            Kind::Node { kind, device } => self.node(entry, *kind, *device),
            Kind::HardLink(target) => match self.link(entry, target)? {
                true => Ok(()),
                false => Err(self.refused(entry, &format!("it cannot be a link to {}", shown(target)))),
            },
        }
    }

    fn link(&mut self, entry: &Entry, target: &Path) -> Result<bool> {
        let at = self.target(entry)?;
        let linked = self.destination.open(target).context(|| format!("link to {}", shown(target)))?;
        // By the descriptor's link: the file that was found, whatever its name means by now.
        let from = hull_sys::fs::fd_path(&linked);
        let linked = at.create(self.rules.replaces, |directory, name| {
            match rustix::fs::linkat(CWD, &from, directory, name, AtFlags::SYMLINK_FOLLOW) {
                Ok(()) => Ok(true),
                // Another file system, a directory, too many links.
                Err(rustix::io::Errno::XDEV | rustix::io::Errno::PERM | rustix::io::Errno::MLINK) => {
                    Ok(false)
                }
                Err(error) => Err(error),
            }
        });
        linked.map(|(linked, _)| linked).map_err(|refused| self.not_created(entry, refused))
    }

    fn is_destination(&self, stat: &Stat) -> bool {
        (stat.st_dev, stat.st_ino) == self.identity
    }
}
