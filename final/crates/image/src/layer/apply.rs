//! Members of a tar become files: owner, mode, times, attributes, links, devices, whiteouts.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use tar::EntryType;

use super::place::{Place, find, open, stat, whiteout};
use crate::error::{Context, Error, Result};
use crate::members::{Member, Members, relative, shown};

/// What the archive left open.
#[derive(Debug)]
pub(crate) struct Applied {
    /// Directories that members lie in and the archive does not list: they are like those in the layers below.
    pub implied: BTreeSet<PathBuf>,
    pub has_end_marker: bool,
}

/// Unpacks a tar into an empty directory, and reads the stream to its end.
pub(crate) fn apply(stream: impl Read, target: &Path) -> Result<Applied> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top =
        rustix::fs::open(target, flags, Mode::empty()).context(|| format!("open {}", target.display()))?;
    let mut layer = Layer {
        top,
        rootless: hull_sys::process::in_user_namespace(),
        times: BTreeMap::new(),
        // The root of the layer itself, until it is listed.
        implied: BTreeSet::from([PathBuf::new()]),
        hidden: BTreeSet::new(),
    };
    let mut members = Members::new(stream);
    let mut empty = true;
    while let Some(member) = members.next()? {
        layer.member(&member, &mut members)?;
        empty = false;
    }
    if empty && !members.has_end_marker() {
        return Err(Error::Damaged("it is empty".into()));
    }
    members.drain()?;
    layer.finish()?;
    Ok(Applied { implied: layer.implied, has_end_marker: members.has_end_marker() })
}

struct Layer {
    top: OwnedFd,
    /// In a user namespace devices cannot be made, and overlay keeps its marks in user.* attributes.
    rootless: bool,
    /// Of directories, set at the end: every file made in them changes them.
    times: BTreeMap<PathBuf, Timespec>,
    implied: BTreeSet<PathBuf>,
    /// Hidden by `.wh.`, applied at the end: a whiteout is about the layers below, so a file of the same name in
    /// this layer stays, whichever of the two comes first in the archive.
    hidden: BTreeSet<PathBuf>,
}

impl Layer {
    fn member<R: Read>(&mut self, member: &Member, members: &mut Members<R>) -> Result<()> {
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
        let place = find(&self.top, &path, &mut self.implied)?;
        match member.kind {
            EntryType::Directory => self.directory(&place, &path)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                file(&place, member, members)?
            }
            // Owner, mode and times are the file's, and it has them.
            EntryType::Link => return self.hard_link(&place, member, &path),
            EntryType::Symlink => symlink(&place, member)?,
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                if !self.node(&place, member, &path)? {
                    return Ok(());
                }
            }
            other => return Err(member.refused(format!("it is of an unknown type, {:#x}", other.as_byte()))),
        }
        self.metadata(&place, member, path)
    }

    fn directory(&mut self, place: &Place, path: &Path) -> Result<()> {
        self.implied.remove(path);
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        place.clear(true)?;
        match rustix::fs::mkdirat(&place.directory, &place.name, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(errno) => Err(errno).context(|| format!("create the directory {}", shown(path))),
        }
    }

    fn hard_link(&self, place: &Place, member: &Member, path: &Path) -> Result<()> {
        let target = relative(&member.link)?;
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
        // Clearing the place would take the file itself away.
        if stat(place).is_some_and(|there| (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino)) {
            return Ok(());
        }
        place.clear(false)?;
        let from = hull_sys::fs::fd_path(&linked);
        rustix::fs::linkat(rustix::fs::CWD, from, &place.directory, &place.name, AtFlags::SYMLINK_FOLLOW)
            .context(|| format!("link {} to {}", shown(path), shown(&target)))
    }

    /// `false` when there is nothing to make here.
    fn node(&self, place: &Place, member: &Member, path: &Path) -> Result<bool> {
        let kind = match member.kind {
            EntryType::Fifo => FileType::Fifo,
            EntryType::Block => FileType::BlockDevice,
            _ => FileType::CharacterDevice,
        };
        let device = match kind {
            FileType::Fifo => 0,
            _ => rustix::fs::makedev(member.device.0, member.device.1),
        };
        place.clear(false)?;
        match rustix::fs::mknodat(&place.directory, &place.name, kind, Mode::RUSR, device) {
            Ok(()) => Ok(true),
            // A user namespace makes no devices, mknod(2). Those in /dev are not missed: a container gets a /dev of
            // its own. Elsewhere something may depend on one, and half an image is worse than none.
            Err(rustix::io::Errno::PERM) if self.rootless && path.starts_with("dev") => Ok(false),
            Err(rustix::io::Errno::PERM) if self.rootless => {
                Err(member.refused("it is a device, and an ordinary user can make none"))
            }
            Err(errno) => Err(errno).context(|| format!("make the device {}", shown(path))),
        }
    }

    fn whiteout(&mut self, member: &Member, path: &Path, hidden: &OsStr) -> Result<()> {
        let parent = path.parent().unwrap_or(Path::new(""));
        match hidden.as_bytes() {
            b".wh..opq" => {
                let place = find(&self.top, path, &mut self.implied)?;
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
        let place = find(&self.top, path, &mut self.implied)?;
        match stat(&place) {
            Some(there) if FileType::from_raw_mode(there.st_mode) == FileType::Directory => {
                let directory = open(&self.top, path).context(|| format!("open {}", shown(path)))?;
                self.opaque(&directory)
            }
            // A file hides what is below it anyway.
            Some(_) => Ok(()),
            None => {
                let (kind, device) = (FileType::CharacterDevice, rustix::fs::makedev(0, 0));
                rustix::fs::mknodat(&place.directory, &place.name, kind, Mode::empty(), device)
                    .context(|| format!("make a whiteout of {}", shown(path)))
            }
        }
    }

    fn metadata(&mut self, place: &Place, member: &Member, path: PathBuf) -> Result<()> {
        let context = || format!("set owner and mode of {}", member.shown());
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let (uid, gid) = (Uid::from_raw(member.uid), Gid::from_raw(member.gid));
        match rustix::fs::chownat(&place.directory, &place.name, Some(uid), Some(gid), flags) {
            // An id that the user namespace does not map: the file is its user's.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::PERM) if self.rootless => {}
            result => result.context(context)?,
        }
        if member.kind != EntryType::Symlink {
            // After the owner: chown(2) takes set-user-ID bits and file capabilities away.
            let mode = Mode::from_raw_mode(member.mode);
            rustix::fs::chmodat(&place.directory, &place.name, mode, AtFlags::empty()).context(context)?;
        }
        self.attributes(place, member)?;
        let time = Timespec { tv_sec: member.modified.0, tv_nsec: member.modified.1 };
        if member.kind == EntryType::Directory {
            self.times.insert(path, time);
            return Ok(());
        }
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(&place.directory, &place.name, &times, flags).context(context)
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
            let times = Timestamps { last_access: *time, last_modification: *time };
            // A later member may have replaced it.
            if let Ok(directory) = open(&self.top, path) {
                let here = hull_sys::fs::fd_path(directory.as_fd());
                let _ = rustix::fs::utimensat(rustix::fs::CWD, here, &times, AtFlags::empty());
            }
        }
        Ok(())
    }
}

fn file<R: Read>(place: &Place, member: &Member, members: &mut Members<R>) -> Result<()> {
    place.clear(false)?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(&place.directory, &place.name, flags, Mode::RUSR | Mode::WUSR);
    let mut file = std::fs::File::from(opened.context(|| format!("create {}", member.shown()))?);
    members.copy_to(member, &mut file)
}

fn symlink(place: &Place, member: &Member) -> Result<()> {
    place.clear(false)?;
    rustix::fs::symlinkat(&member.link, &place.directory, &place.name)
        .context(|| format!("link {} to {}", member.shown(), shown(&member.link)))
}
