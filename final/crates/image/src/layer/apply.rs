//! Members of a tar become files: owner, mode, times, attributes, links, devices, whiteouts.
//!
//! The `tar` crate reads headers and extensions; nothing is created by it, because it would drop ownership and turn
//! devices into files, and because whiteouts are ours to know.

use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use tar::{Archive, Entry, EntryType};

use super::place::{Place, find, open, relative, whiteout};
use crate::error::{Context, Error, Result};

/// Unpacks a tar into an empty directory.
pub(crate) fn apply(stream: impl Read, target: &Path) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top =
        rustix::fs::open(target, flags, Mode::empty()).context(|| format!("open {}", target.display()))?;
    let rootless = hull_sys::process::in_user_namespace();
    let mut layer = Layer { top, rootless, directories: Vec::new() };
    let mut archive = Archive::new(stream);
    let mut members = 0_u64;
    for entry in archive.entries().map_err(damaged)? {
        layer.member(&mut entry.map_err(damaged)?)?;
        members += 1;
    }
    if members == 0 {
        return Err(Error::Damaged("it is empty, or not a tar".into()));
    }
    layer.finish()
}

fn damaged(error: std::io::Error) -> Error {
    Error::Damaged(format!("not a tar, or cut short: {error}"))
}

struct Layer {
    top: OwnedFd,
    /// In a user namespace devices cannot be made, and overlay keeps its marks in user.* attributes.
    rootless: bool,
    /// Their times are set at the end: every file made in them changes them.
    directories: Vec<(PathBuf, Timespec)>,
}

impl Layer {
    fn member<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<()> {
        let shown = entry.path().map_err(damaged)?.into_owned();
        let path = relative(&shown)?;
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader) {
            return Ok(());
        }
        let place = find(&self.top, &path)?;
        if let Some(hidden) = whiteout(&place.name) {
            return self.whiteout(&place, hidden);
        }
        match kind {
            EntryType::Directory => self.directory(&place, &path)?,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(&place, entry, &shown)?
            }
            EntryType::Link => return self.hard_link(&place, entry),
            EntryType::Symlink => symlink(&place, entry)?,
            EntryType::Char | EntryType::Block | EntryType::Fifo => self.node(&place, entry, kind)?,
            other => {
                let why = format!("it is of an unknown type, {:#x}", other.as_byte());
                return Err(Error::Refused { member: shown.display().to_string(), why });
            }
        }
        self.metadata(&place, &path, entry)
    }

    fn directory(&self, place: &Place, path: &Path) -> Result<()> {
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        place.clear(true)?;
        match rustix::fs::mkdirat(&place.directory, &place.name, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
            Err(errno) => Err(errno).context(|| format!("create the directory {}", path.display())),
        }
    }

    fn file<R: Read>(&self, place: &Place, entry: &mut Entry<'_, R>, shown: &Path) -> Result<()> {
        place.clear(false)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&place.directory, &place.name, flags, Mode::RWXU);
        let mut file = std::fs::File::from(opened.context(|| format!("create {}", shown.display()))?);
        let expected = entry.size();
        let written = std::io::copy(entry, &mut file).map_err(|source| match source.raw_os_error() {
            Some(_) => Error::Io { action: format!("write {}", shown.display()), source },
            None => damaged(source),
        })?;
        if written != expected && !entry.header().entry_type().is_gnu_sparse() {
            return Err(Error::Damaged(format!("{} is cut short", shown.display())));
        }
        Ok(())
    }

    fn hard_link<R: Read>(&self, place: &Place, entry: &Entry<'_, R>) -> Result<()> {
        let target = entry.link_name().map_err(damaged)?.unwrap_or_default().into_owned();
        let target = relative(&target)?;
        let linked = open(&self.top, &target).map_err(|errno| Error::Refused {
            member: Path::new(&place.name).display().to_string(),
            why: format!("it is a hard link to {}: {}", target.display(), errno.desc()),
        })?;
        place.clear(false)?;
        let from = hull_sys::fs::fd_path(&linked);
        rustix::fs::linkat(rustix::fs::CWD, from, &place.directory, &place.name, AtFlags::SYMLINK_FOLLOW)
            .context(|| format!("link to {}", target.display()))
    }

    fn node<R: Read>(&self, place: &Place, entry: &Entry<'_, R>, kind: EntryType) -> Result<()> {
        let header = entry.header();
        let number =
            |value: std::io::Result<Option<u32>>| value.map_err(damaged).map(|value| value.unwrap_or(0));
        let device = rustix::fs::makedev(number(header.device_major())?, number(header.device_minor())?);
        let kind = match kind {
            EntryType::Fifo => FileType::Fifo,
            EntryType::Block => FileType::BlockDevice,
            _ => FileType::CharacterDevice,
        };
        place.clear(false)?;
        let step = || format!("make the device {}", Path::new(&place.name).display());
        rustix::fs::mknodat(&place.directory, &place.name, kind, Mode::from_raw_mode(0o600), device)
            .context(step)
    }

    /// Overlay's own marks: a character device 0:0, and an attribute for "nothing below shows through".
    fn whiteout(&self, place: &Place, hidden: &std::ffi::OsStr) -> Result<()> {
        if hidden == ".wh..opq" {
            let name = if self.rootless { c"user.overlay.opaque" } else { c"trusted.overlay.opaque" };
            let path = hull_sys::fs::fd_path(&place.directory);
            return hull_sys::fs::set_xattr_at(Path::new(&path).join(".").as_path(), name, b"y")
                .context(|| "mark a directory opaque".into());
        }
        if hidden.is_empty() || hidden == "." || hidden == ".." {
            return Err(Error::Refused { member: ".wh.".into(), why: "it hides nothing".into() });
        }
        let place = Place {
            directory: place.directory.try_clone().context(|| "copy a descriptor".into())?,
            name: hidden.to_owned(),
        };
        place.clear(false)?;
        let device = rustix::fs::makedev(0, 0);
        let mode = Mode::empty();
        rustix::fs::mknodat(&place.directory, &place.name, FileType::CharacterDevice, mode, device)
            .context(|| "make a whiteout".into())
    }

    fn metadata<R: Read>(&mut self, place: &Place, path: &Path, entry: &mut Entry<'_, R>) -> Result<()> {
        let shown = || format!("set owner and mode of {}", path.display());
        let extensions = attributes(entry)?;
        let header = entry.header();
        let id = |value: std::io::Result<u64>| value.map_err(damaged).map(|id| id as u32);
        let (uid, gid) = (id(header.uid())?, id(header.gid())?);
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        match rustix::fs::chownat(&place.directory, &place.name, owner.0, owner.1, flags) {
            // An id that the user namespace does not map: the file is its user's.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::PERM) if self.rootless => {}
            result => result.context(shown)?,
        }
        let kind = header.entry_type();
        if !kind.is_symlink() {
            // After the owner: chown(2) takes set-user-ID bits away.
            let mode = Mode::from_raw_mode(header.mode().map_err(damaged)? & 0o7777);
            rustix::fs::chmodat(&place.directory, &place.name, mode, AtFlags::empty()).context(shown)?;
        }
        for (name, value) in extensions {
            match hull_sys::fs::set_xattr_at(&place.path(), &name, &value) {
                Err(nix::errno::Errno::EPERM) if self.rootless => {}
                result => result.context(shown)?,
            }
        }
        let time = Timespec { tv_sec: header.mtime().map_err(damaged)? as i64, tv_nsec: 0 };
        if kind.is_dir() {
            self.directories.push((path.to_owned(), time));
            return Ok(());
        }
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(&place.directory, &place.name, &times, flags).context(shown)
    }

    fn finish(self) -> Result<()> {
        for (path, time) in self.directories.iter().rev() {
            let times = Timestamps { last_access: *time, last_modification: *time };
            // A later member may have replaced or hidden it.
            if let Ok(directory) = open(&self.top, path) {
                let here = hull_sys::fs::fd_path(directory.as_fd());
                let _ = rustix::fs::utimensat(rustix::fs::CWD, here, &times, AtFlags::empty());
            }
        }
        Ok(())
    }
}

fn symlink<R: Read>(place: &Place, entry: &Entry<'_, R>) -> Result<()> {
    let target = entry.link_name().map_err(damaged)?.unwrap_or_default().into_owned();
    place.clear(false)?;
    rustix::fs::symlinkat(&target, &place.directory, &place.name)
        .context(|| format!("link {} to {}", Path::new(&place.name).display(), target.display()))
}

/// Extended attributes, in PAX records that GNU tar and Go write as `SCHILY.xattr.`.
fn attributes<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<(CString, Vec<u8>)>> {
    let Some(extensions) = entry.pax_extensions().map_err(damaged)? else { return Ok(vec![]) };
    let mut attributes = Vec::new();
    for extension in extensions {
        let extension = extension.map_err(damaged)?;
        if let Some(name) = extension.key_bytes().strip_prefix(b"SCHILY.xattr.") {
            // The marks of overlay itself are not an image's to set.
            if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
                continue;
            }
            let name = CString::new(name)
                .map_err(|_| Error::Damaged("an attribute's name has a zero byte".into()))?;
            attributes.push((name, extension.value_bytes().to_vec()));
        }
    }
    Ok(attributes)
}
