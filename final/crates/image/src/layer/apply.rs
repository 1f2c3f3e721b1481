//! Members of a tar become files: owner, mode, times, attributes, links, devices, whiteouts.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::BufRead;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};
use tar::EntryType;

use super::place::{LastDirectory, Place, find, is_in_the_way, open, open_directory, stat, whiteout};
use crate::error::{Error, IoContext, Result};
use crate::left_out::LeftOut;
use crate::members::{Member, Members, relative, shown};

/// What the archive left open.
#[derive(Debug)]
pub(crate) struct Applied {
    /// Directories that members lie in and the archive does not list: they are like those in the layers below.
    pub implied: BTreeSet<PathBuf>,
    pub has_end_marker: bool,
    /// Of what lies in the layers below.
    pub whiteouts: Vec<PathBuf>,
    /// In all files; not known where one has replaced another.
    pub bytes: Option<u64>,
    pub left_out: LeftOut,
}

/// Unpacks a tar into an empty directory, and reads the stream to its end.
pub(crate) fn apply(stream: impl BufRead, target: &Path) -> Result<Applied> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top =
        rustix::fs::open(target, flags, Mode::empty()).context(|| format!("open {}", target.display()))?;
    let mut layer = Layer {
        top,
        rootless: hull_sys::id_map::in_user_namespace(),
        last: None,
        times: BTreeMap::new(),
        // The root of the layer itself, until it is listed.
        implied: BTreeSet::from([PathBuf::new()]),
        hidden: BTreeSet::new(),
        whiteouts: Vec::new(),
        bytes: Some(0),
        foreign: Cell::new(0),
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
    let Layer { implied, whiteouts, bytes, foreign, devices, .. } = layer;
    let left_out = LeftOut { owners: foreign.get(), devices: devices.into_iter().collect(), end: false };
    Ok(Applied { implied, has_end_marker: members.has_end_marker(), whiteouts, bytes, left_out })
}

struct Layer {
    top: OwnedFd,
    /// In a user namespace devices cannot be made, and overlay keeps its marks in user.* attributes.
    rootless: bool,
    last: LastDirectory,
    /// Of directories, set at the end: every file made in them changes them.
    times: BTreeMap<PathBuf, Timespec>,
    implied: BTreeSet<PathBuf>,
    /// Hidden by `.wh.`, applied at the end: a whiteout is about the layers below, so a file of the same name in
    /// this layer stays, whichever of the two comes first in the archive.
    hidden: BTreeSet<PathBuf>,
    whiteouts: Vec<PathBuf>,
    bytes: Option<u64>,
    /// Files whose owner is no id of the user namespace.
    foreign: Cell<u64>,
    /// Nodes that the user namespace cannot make.
    devices: BTreeSet<PathBuf>,
}

impl Layer {
    fn member<R: BufRead>(&mut self, member: &Member, members: &mut Members<R>) -> Result<()> {
        let path = relative(&member.path)?;
        let inside_whiteout =
            path.parent().is_some_and(|parent| parent.iter().any(|name| whiteout(name).is_some()));
        if inside_whiteout {
            return Err(member.refused("it lies in a whiteout"));
        }
        if let Some(hidden) = path.file_name().and_then(whiteout) {
            return self.whiteout(member, &path, hidden);
        }
        if path.as_os_str().is_empty() && member.kind != EntryType::Directory {
            return Err(member.refused("the root of a layer is a directory"));
        }
        let place = self.find(&path)?;
        self.put(&place, path, member, members)?;
        if place.replaced.get() {
            self.bytes = None;
        }
        Ok(())
    }

    fn put<R: BufRead>(
        &mut self,
        place: &Place,
        path: PathBuf,
        member: &Member,
        members: &mut Members<R>,
    ) -> Result<()> {
        match member.kind {
            EntryType::Directory => self.directory(place, &path)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let file = file(place, member, members)?;
                self.count(member.size);
                return self.file_metadata(place, &file, member);
            }
            // Owner, mode and times are the file's, and it has them.
            EntryType::Link => return self.hard_link(place, member, &path),
            EntryType::Symlink => {
                symlink(place, member)?;
                self.count(member.link.as_os_str().len() as u64);
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                if !self.node(place, member, &path)? {
                    return Ok(());
                }
            }
            other => return Err(member.refused(format!("it is of an unknown type, {:#x}", other.as_byte()))),
        }
        self.metadata(place, member, path)
    }

    fn count(&mut self, bytes: u64) {
        self.bytes = self.bytes.and_then(|sum| sum.checked_add(bytes));
    }

    fn find(&mut self, path: &Path) -> Result<Place> {
        find(&self.top, path, &mut self.last, &mut self.implied)
    }

    fn directory(&mut self, place: &Place, path: &Path) -> Result<()> {
        self.implied.remove(path);
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        let is_directory = |there: Stat| FileType::from_raw_mode(there.st_mode) == FileType::Directory;
        place.make(
            || format!("create the directory {}", shown(path)),
            |directory, name| match rustix::fs::mkdirat(directory, name, Mode::RWXU) {
                // Listed twice, or implied before: what is in it stays.
                Err(rustix::io::Errno::EXIST) if stat(place).is_some_and(is_directory) => Ok(()),
                made => made,
            },
        )
    }

    fn hard_link(&mut self, place: &Place, member: &Member, path: &Path) -> Result<()> {
        let target = relative(&member.link)?;
        if self.devices.contains(&target) {
            self.devices.insert(path.to_owned());
            return Ok(());
        }
        let refused = |why: &str| member.refused(format!("it is a hard link to {}: {why}", shown(&target)));
        let linked = open(&self.top, &target).map_err(|errno| match errno {
            // image-spec, layer.md: a layer stands for itself, its links included.
            Errno::ENOENT => refused("there is no such file in this layer"),
            Errno::ELOOP | Errno::ENOTDIR => refused("no directory of this layer leads there"),
            errno => refused(errno.desc()),
        })?;
        let found = rustix::fs::fstat(&linked).context(|| format!("look at {}", shown(&target)))?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            return Err(refused("a directory has one name only"));
        }
        // Making room would take the file itself away.
        if stat(place).is_some_and(|there| (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino)) {
            return Ok(());
        }
        let from = hull_sys::fs::fd_path(&linked);
        place.make(
            || format!("link {} to {}", shown(path), shown(&target)),
            |directory, name| {
                rustix::fs::linkat(rustix::fs::CWD, &from, directory, name, AtFlags::SYMLINK_FOLLOW)
            },
        )
    }

    /// `false` when there is nothing to make here.
    fn node(&mut self, place: &Place, member: &Member, path: &Path) -> Result<bool> {
        let kind = match member.kind {
            EntryType::Fifo => FileType::Fifo,
            EntryType::Block => FileType::BlockDevice,
            _ => FileType::CharacterDevice,
        };
        let device = match kind {
            FileType::Fifo => 0,
            _ => rustix::fs::makedev(member.device.0, member.device.1),
        };
        let made = place.make(
            || format!("make the device {}", shown(path)),
            |directory, name| match rustix::fs::mknodat(directory, name, kind, Mode::RUSR, device) {
                Err(rustix::io::Errno::PERM) if self.rootless => Ok(false),
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
                let place = self.find(path)?;
                self.opaque(&place.directory)
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

    /// Nothing of the layers below shows through the directory: overlayfs.rst, "whiteouts and opaque directories".
    fn opaque(&self, directory: &OwnedFd) -> Result<()> {
        let name = if self.rootless { c"user.overlay.opaque" } else { c"trusted.overlay.opaque" };
        let path = Path::new(&hull_sys::fs::fd_path(directory)).join(".");
        hull_sys::fs::set_xattr_at(&path, name, b"y").context(|| "mark a directory opaque".into())
    }

    fn hide(&mut self, path: &Path) -> Result<()> {
        // A directory that became a file or a link: some tools list what was in it. It is out of sight anyway.
        if open_directory(&self.top, path.parent().unwrap_or(Path::new(""))).is_err_and(is_in_the_way) {
            return Ok(());
        }
        let place = self.find(path)?;
        match stat(&place) {
            Some(there) if FileType::from_raw_mode(there.st_mode) == FileType::Directory => {
                let directory = open(&self.top, path).context(|| format!("open {}", shown(path)))?;
                // It was removed and made anew: nothing of the one below is left.
                self.implied.remove(path);
                self.opaque(&directory)
            }
            // A file hides what is below it anyway.
            Some(_) => Ok(()),
            None => {
                self.whiteouts.push(path.to_owned());
                let (kind, device) = (FileType::CharacterDevice, rustix::fs::makedev(0, 0));
                rustix::fs::mknodat(&*place.directory, &place.name, kind, Mode::empty(), device)
                    .context(|| format!("make a whiteout of {}", shown(path)))
            }
        }
    }

    /// As [`Self::metadata`], without a look for the name at each step.
    fn file_metadata(&self, place: &Place, file: &File, member: &Member) -> Result<()> {
        let context = || format!("set owner and mode of {}", member.shown());
        let (uid, gid) = (Uid::from_raw(member.uid), Gid::from_raw(member.gid));
        self.owned(rustix::fs::fchown(file, Some(uid), Some(gid))).context(context)?;
        // After the owner: chown(2) takes set-user-ID bits and file capabilities away.
        rustix::fs::fchmod(file, Mode::from_raw_mode(member.mode)).context(context)?;
        self.attributes(place, member)?;
        rustix::fs::futimens(file, &times(modified(member))).context(context)
    }

    fn owned(&self, result: rustix::io::Result<()>) -> rustix::io::Result<()> {
        match result {
            // An id that the user namespace does not map: the file is its user's.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::PERM) if self.rootless => {
                self.foreign.set(self.foreign.get() + 1);
                Ok(())
            }
            result => result,
        }
    }

    fn metadata(&mut self, place: &Place, member: &Member, path: PathBuf) -> Result<()> {
        let context = || format!("set owner and mode of {}", member.shown());
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let (uid, gid) = (Uid::from_raw(member.uid), Gid::from_raw(member.gid));
        let owned = rustix::fs::chownat(&*place.directory, &place.name, Some(uid), Some(gid), flags);
        self.owned(owned).context(context)?;
        if member.kind != EntryType::Symlink {
            let mode = Mode::from_raw_mode(member.mode);
            rustix::fs::chmodat(&*place.directory, &place.name, mode, AtFlags::empty()).context(context)?;
        }
        self.attributes(place, member)?;
        if member.kind == EntryType::Directory {
            self.times.insert(path, modified(member));
            return Ok(());
        }
        rustix::fs::utimensat(&*place.directory, &place.name, &times(modified(member)), flags)
            .context(context)
    }

    fn attributes(&self, place: &Place, member: &Member) -> Result<()> {
        for (name, value) in &member.attributes {
            let bytes = name.to_bytes();
            // The marks of overlay are not an image's to set, and a label says where a file is rather than what.
            let foreign = bytes.starts_with(b"trusted.overlay.") || bytes.starts_with(b"user.overlay.");
            if foreign || bytes == b"security.selinux" {
                continue;
            }
            match hull_sys::fs::set_xattr_at(&place.path(), name, value) {
                // The file system has none. Engines go on, and so do images that were made with them.
                Err(Errno::ENOTSUP) => {}
                Err(Errno::EPERM) if self.rootless || bytes.starts_with(b"user.") => {}
                result => result.context(|| {
                    format!("set the attribute {} of {}", name.to_string_lossy(), member.shown())
                })?,
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        for path in std::mem::take(&mut self.hidden) {
            self.hide(&path)?;
        }
        for (path, time) in self.times.iter().rev() {
            // A later member may have replaced it.
            if let Ok(directory) = open(&self.top, path) {
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

/// Hands the file on, open: what is set on it needs no path.
fn file<R: BufRead>(place: &Place, member: &Member, members: &mut Members<R>) -> Result<File> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = place.make(
        || format!("create {}", member.shown()),
        |directory, name| rustix::fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR),
    )?;
    let mut file = File::from(opened);
    members.copy_to(member, &mut file)?;
    Ok(file)
}

fn symlink(place: &Place, member: &Member) -> Result<()> {
    place.make(
        || format!("link {} to {}", member.shown(), shown(&member.link)),
        |directory, name| rustix::fs::symlinkat(&member.link, directory, name),
    )
}
