//! Creates the members of a layer's tar as files, and its whiteouts as overlayfs wants them.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_storage::tree::{Destination, Refused, Replace, Target};
use hull_sys::tree::{Created, Metadata, Policy, create_file};
use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps};
use tar::EntryType;

use super::whiteout::hidden_by;
use crate::error::{Error, IoContext, Result};
use crate::left_out::LeftOut;
use crate::members::{Member, Members, relative, shown};

/// What is known of a layer after its archive has been unpacked.
#[derive(Debug)]
pub(crate) struct Applied {
    /// Directories that members lie in and the archive does not list. They get the metadata that they have in the layers
    /// below.
    pub implied: BTreeSet<PathBuf>,
    pub has_end_marker: bool,
    /// Paths that hide something of the layers below.
    pub whiteouts: Vec<PathBuf>,
    /// Bytes in all files; unknown if one has replaced another.
    pub bytes: Option<u64>,
    pub left_out: LeftOut,
}

/// Unpacks a tar into an empty directory, and reads the stream to its end.
pub(crate) fn apply(stream: impl BufRead, target: &Path) -> Result<Applied> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top =
        rustix::fs::open(target, flags, Mode::empty()).context(|| format!("open {}", target.display()))?;
    let mut destination = Destination::new(top, false);
    // The root of the layer itself is implied until the archive lists it.
    destination.implied().insert(PathBuf::new());
    let mut layer = Layer {
        destination,
        policy: LayerPolicy { rootless: hull_sys::id_map::in_user_namespace(), foreign: Cell::new(0) },
        times: BTreeMap::new(),
        hidden: BTreeSet::new(),
        whiteouts: Vec::new(),
        bytes: Some(0),
        devices: BTreeSet::new(),
    };
    let mut members = Members::new(stream);
    let mut empty = true;
    while let Some(member) = members.next_member()? {
        layer.member(&member, &mut members)?;
        empty = false;
    }
    if empty && !members.has_end_marker() {
        return Err(Error::Damaged("it is empty".into()));
    }
    members.drain()?;
    layer.finish()?;
    let Layer { mut destination, policy, whiteouts, bytes, devices, .. } = layer;
    let implied = std::mem::take(destination.implied());
    let left_out =
        LeftOut { owners: policy.foreign.get(), devices: devices.into_iter().collect(), end: false };
    Ok(Applied { implied, has_end_marker: members.has_end_marker(), whiteouts, bytes, left_out })
}

struct Layer {
    destination: Destination,
    policy: LayerPolicy,
    /// The times of directories, set at the end: every file that is created in a directory changes its time.
    times: BTreeMap<PathBuf, Timespec>,
    /// Hidden by `.wh.`, applied at the end: a whiteout is about the layers below, so a file of the same name in
    /// this layer stays, whichever of the two comes first in the archive.
    hidden: BTreeSet<PathBuf>,
    whiteouts: Vec<PathBuf>,
    bytes: Option<u64>,
    /// Nodes that the user namespace cannot make.
    devices: BTreeSet<PathBuf>,
}

/// What an image may set, and what it does without.
struct LayerPolicy {
    /// In a user namespace devices cannot be made, and overlay keeps its marks in user.* attributes.
    rootless: bool,
    /// How many files have an owner whose id the user namespace does not map.
    foreign: Cell<u64>,
}

impl Policy for LayerPolicy {
    /// Such a file belongs to the user.
    fn ignores_owner(&self, error: Errno) -> bool {
        let is_foreign = self.rootless && matches!(error, Errno::EINVAL | Errno::EPERM);
        self.foreign.set(self.foreign.get() + u64::from(is_foreign));
        is_foreign
    }

    /// Some file systems refuse user.* attributes. Other engines ignore that error, and images are made with those
    /// engines.
    fn ignores_attribute(&self, name: &CStr, error: Errno) -> bool {
        error == Errno::EPERM && (self.rootless || name.to_bytes().starts_with(b"user."))
    }
}

impl Layer {
    fn member<R: BufRead>(&mut self, member: &Member, members: &mut Members<R>) -> Result<()> {
        let path = relative(&member.path)?;
        let inside_whiteout =
            path.parent().is_some_and(|parent| parent.iter().any(|name| hidden_by(name).is_some()));
        if inside_whiteout {
            return Err(member.refused("it lies in a whiteout"));
        }
        if let Some(hidden) = path.file_name().and_then(hidden_by) {
            return self.whiteout(member, &path, hidden);
        }
        if path.as_os_str().is_empty() && member.kind != EntryType::Directory {
            return Err(member.refused("the root of a layer is a directory"));
        }
        let target = self.find(&path)?;
        self.put(&target, path, member, members)
    }

    fn put<R: BufRead>(
        &mut self,
        target: &Target,
        path: PathBuf,
        member: &Member,
        members: &mut Members<R>,
    ) -> Result<()> {
        match member.kind {
            EntryType::Directory => self.directory(target, &path)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let file = self.file(target, member, members)?;
                self.count(member.size);
                let created = Created::Open(file.as_fd());
                return self.set_metadata(created, member, Some(times(modified(member))));
            }
            // A hard link has the metadata of its file.
            EntryType::Link => return self.hard_link(target, member, &path),
            EntryType::Symlink => {
                self.create(
                    target,
                    || format!("link {} to {}", member.shown(), shown(&member.link)),
                    |directory, name| rustix::fs::symlinkat(&member.link, directory, name),
                )?;
                self.count(member.link.as_os_str().len() as u64);
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                if !self.node(target, member, &path)? {
                    return Ok(());
                }
            }
            other => return Err(member.refused(format!("it is of an unknown type, {:#x}", other.as_byte()))),
        }
        let is_directory = member.kind == EntryType::Directory;
        let created = Created::Named {
            directory: target.directory.as_fd(),
            name: &target.name,
            is_symlink: member.kind == EntryType::Symlink,
        };
        self.set_metadata(created, member, (!is_directory).then(|| times(modified(member))))?;
        if is_directory {
            self.times.insert(path, modified(member));
        }
        Ok(())
    }

    fn count(&mut self, bytes: u64) {
        self.bytes = self.bytes.and_then(|sum| sum.checked_add(bytes));
    }

    fn find(&mut self, path: &Path) -> Result<Target> {
        self.destination.target(path).map_err(|errno| {
            let why = match errno {
                Errno::ELOOP | Errno::EXDEV => "a symlink stands in its path",
                Errno::ENOTDIR => "a file stands in its path",
                errno => errno.desc(),
            };
            Error::Refused { member: shown(path), why: why.to_owned() }
        })
    }

    /// Creates an entry; one that has its name goes.
    fn create<T>(
        &mut self,
        target: &Target,
        step: impl FnOnce() -> String,
        make: impl Fn(BorrowedFd<'_>, &OsStr) -> rustix::io::Result<T>,
    ) -> Result<T> {
        match target.create(Replace::Trees, make) {
            Ok((made, replaced)) => {
                self.bytes = self.bytes.filter(|_| !replaced);
                Ok(made)
            }
            Err(Refused::Failed(error)) => Err(error).context(step),
            // Nothing is mounted in a layer that is being unpacked, and directories are replaced.
            Err(Refused::MountPoint | Refused::Directory) => Err(Errno::EBUSY).context(step),
        }
    }

    /// Returns the file open, so that nothing that is set on it needs a path.
    fn file<R: BufRead>(
        &mut self,
        target: &Target,
        member: &Member,
        members: &mut Members<R>,
    ) -> Result<File> {
        let mut file = self.create(target, || format!("create {}", member.shown()), create_file)?;
        members.copy_to(member, &mut file)?;
        Ok(file)
    }

    fn directory(&mut self, target: &Target, path: &Path) -> Result<()> {
        self.destination.implied().remove(path);
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        self.create(
            target,
            || format!("create the directory {}", shown(path)),
            |directory, name| match rustix::fs::mkdirat(directory, name, Mode::RWXU) {
                // A directory that is listed twice, or was implied before, keeps its content.
                Err(rustix::io::Errno::EXIST) if target.is_directory() => Ok(()),
                made => made,
            },
        )
    }

    fn hard_link(&mut self, target: &Target, member: &Member, path: &Path) -> Result<()> {
        let linked_path = relative(&member.link)?;
        if self.devices.contains(&linked_path) {
            self.devices.insert(path.to_owned());
            return Ok(());
        }
        let refused =
            |why: &str| member.refused(format!("it is a hard link to {}: {why}", shown(&linked_path)));
        let linked = self.destination.open(&linked_path).map_err(|errno| match errno {
            // image-spec, layer.md: a layer is complete in itself, its hard links included.
            Errno::ENOENT => refused("there is no such file in this layer"),
            Errno::ELOOP | Errno::ENOTDIR => refused("no directory of this layer leads there"),
            errno => refused(errno.desc()),
        })?;
        let found = rustix::fs::fstat(&linked).context(|| format!("look at {}", shown(&linked_path)))?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            return Err(refused("a directory has one name only"));
        }
        // The name is a link to the file already: replacing it could remove the file.
        if target.stat().is_some_and(|there| (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino)) {
            return Ok(());
        }
        let from = hull_sys::fs::fd_path(&linked);
        self.create(
            target,
            || format!("link {} to {}", shown(path), shown(&linked_path)),
            |directory, name| {
                rustix::fs::linkat(rustix::fs::CWD, &from, directory, name, AtFlags::SYMLINK_FOLLOW)
            },
        )
    }

    /// `false` if the node is left out, because a user namespace cannot make it.
    fn node(&mut self, target: &Target, member: &Member, path: &Path) -> Result<bool> {
        let kind = match member.kind {
            EntryType::Fifo => FileType::Fifo,
            EntryType::Block => FileType::BlockDevice,
            _ => FileType::CharacterDevice,
        };
        let device = match kind {
            FileType::Fifo => 0,
            _ => rustix::fs::makedev(member.device.0, member.device.1),
        };
        let rootless = self.policy.rootless;
        let made = self.create(
            target,
            || format!("make the device {}", shown(path)),
            |directory, name| match rustix::fs::mknodat(directory, name, kind, Mode::RUSR, device) {
                Err(rustix::io::Errno::PERM) if rootless => Ok(false),
                made => made.map(|()| true),
            },
        )?;
        // A user namespace makes no devices (mknod(2)), and opens none of those that are in its files: docker and podman
        // leave them out there, too.
        if !made {
            self.devices.insert(path.to_owned());
        }
        Ok(made)
    }

    fn whiteout(&mut self, member: &Member, path: &Path, hidden: &OsStr) -> Result<()> {
        let parent = path.parent().unwrap_or(Path::new(""));
        match hidden.as_bytes() {
            b".wh..opq" => {
                let target = self.find(path)?;
                self.set_opaque(target.directory.as_fd())
            }
            b"" | b"." | b".." => Err(member.refused("it hides nothing")),
            // What aufs kept for itself; engines pass it over.
            name if name.starts_with(b".wh.") => Ok(()),
            _ => {
                self.hidden.insert(parent.join(hidden));
                Ok(())
            }
        }
    }

    /// Marks a directory through which nothing of the layers below shows: overlayfs.rst, "whiteouts and opaque
    /// directories".
    fn set_opaque(&self, directory: BorrowedFd<'_>) -> Result<()> {
        let name = if self.policy.rootless { c"user.overlay.opaque" } else { c"trusted.overlay.opaque" };
        let path = Path::new(&hull_sys::fs::fd_path(directory)).join(".");
        hull_sys::fs::set_xattr_at(&path, name, b"y").context(|| "mark a directory opaque".into())
    }

    fn hide(&mut self, path: &Path) -> Result<()> {
        // Some tools list what was in a directory that is a file or a symlink in this layer. That hides it already.
        let parent = path.parent().unwrap_or(Path::new(""));
        let opened = self.destination.open_directory(parent, OFlags::PATH);
        if matches!(opened, Err(Errno::ENOTDIR | Errno::ELOOP)) {
            return Ok(());
        }
        let target = self.find(path)?;
        match target.stat() {
            Some(_) if target.is_directory() => {
                let directory = self.destination.open(path).context(|| format!("open {}", shown(path)))?;
                // The directory was removed and created again: nothing of the one below is left.
                self.destination.implied().remove(path);
                self.set_opaque(directory.as_fd())
            }
            // A file hides what is below it in any case.
            Some(_) => Ok(()),
            None => {
                self.whiteouts.push(path.to_owned());
                let (kind, device) = (FileType::CharacterDevice, rustix::fs::makedev(0, 0));
                rustix::fs::mknodat(&*target.directory, &target.name, kind, Mode::empty(), device)
                    .context(|| format!("make a whiteout of {}", shown(path)))
            }
        }
    }

    fn set_metadata(&self, created: Created<'_>, member: &Member, times: Option<Timestamps>) -> Result<()> {
        let Member { uid, gid, mode, attributes, .. } = member;
        let metadata = Metadata { uid: *uid, gid: *gid, mode: *mode, attributes, times };
        created
            .set(&metadata, &self.policy)
            .context(|| format!("set owner, mode and attributes of {}", member.shown()))
    }

    fn finish(&mut self) -> Result<()> {
        for path in std::mem::take(&mut self.hidden) {
            self.hide(&path)?;
        }
        for (path, time) in self.times.iter().rev() {
            // A later member may have replaced the directory.
            if let Ok(directory) = self.destination.open(path) {
                let here = hull_sys::fs::fd_path(directory.as_fd());
                let _ = rustix::fs::utimensat(rustix::fs::CWD, here, &times(*time), AtFlags::empty());
            }
        }
        Ok(())
    }
}

fn modified(member: &Member) -> Timespec {
    Timespec { tv_sec: member.modified.0, tv_nsec: member.modified.1 }
}

fn times(time: Timespec) -> Timestamps {
    Timestamps { last_access: time, last_modification: time }
}
