//! Directories of a stack of layers, merged as overlayfs merges them (overlayfs.rst), without mounting anything.
//!
//! A [`View`] holds descriptors. One name is looked up at a time and no symlink is followed by the kernel, so nothing that
//! changes meanwhile leads out of the root. [`resolve`] follows symlinks by their text.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use hull_image::members::shown;
use hull_image::packing::{Entry, Kind};
use hull_sys::tree::describes_content;
use nix::errno::Errno;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use super::open::modified;
use crate::Result;
use crate::error::IoContext;

/// path_resolution(7): the kernel's own limit.
const MOST_SYMLINKS: usize = 40;

/// A directory.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// The layers' directories of this name, the highest first. Never empty.
    directories: Vec<Rc<OwnedFd>>,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Directory(View),
    Symlink(PathBuf),
    /// A file, a device, a FIFO or a socket, and the directory that it is in.
    Other(Rc<OwnedFd>),
}

impl View {
    /// The root of a stack of layers, lowest first. `None` if there are no layers.
    pub(super) fn of_layers(layers: &[PathBuf]) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |layer: &PathBuf| Ok(Rc::new(rustix::fs::open(layer, flags, Mode::empty())?));
        let directories = layers.iter().rev().map(open).collect::<io::Result<Vec<_>>>()?;
        Ok((!directories.is_empty()).then_some(Self { directories }))
    }

    /// The directory as an entry of a layer: what overlayfs copies up.
    pub(super) fn as_entry(&self, path: &Path) -> Result<Entry> {
        let reading = || format!("read /{} in the layers below", shown(path));
        let stat = rustix::fs::fstat(&*self.directories[0]).context(reading)?;
        let mut attributes = hull_sys::fs::xattrs(&*self.directories[0]).context(reading)?;
        attributes.retain(|(name, _)| describes_content(name.to_bytes()));
        Ok(Entry {
            path: path.to_owned(),
            kind: Kind::Directory,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: stat.st_mode & 0o7777,
            modified: modified(&stat),
            attributes,
        })
    }

    /// Looks up one name.
    pub(super) fn entry(&self, name: &OsStr) -> io::Result<Option<Found>> {
        let mut merged = Vec::new();
        for directory in &self.directories {
            let stat = match rustix::fs::statat(&**directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(rustix::io::Errno::NOENT) => continue,
                stat => stat?,
            };
            let kind = FileType::from_raw_mode(stat.st_mode);
            match kind {
                FileType::Directory => {
                    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let opened = rustix::fs::openat(&**directory, name, flags, Mode::empty())?;
                    let ends = is_opaque(&opened)?;
                    merged.push(Rc::new(opened));
                    if ends {
                        break;
                    }
                }
                // What is below a file shows through no directory above it.
                _ if !merged.is_empty() => break,
                FileType::CharacterDevice if stat.st_rdev == 0 => return Ok(None),
                FileType::Symlink => {
                    let target = rustix::fs::readlinkat(&**directory, name, Vec::new())?;
                    return Ok(Some(Found::Symlink(OsString::from_vec(target.into_bytes()).into())));
                }
                _ => return Ok(Some(Found::Other(Rc::clone(directory)))),
            }
        }
        let found = Self { directories: merged };
        Ok((!found.directories.is_empty()).then_some(Found::Directory(found)))
    }
}

fn is_opaque(directory: &OwnedFd) -> io::Result<bool> {
    let marks = [c"trusted.overlay.opaque", c"user.overlay.opaque"];
    Ok(hull_sys::fs::xattrs(directory)?.iter().any(|(name, _)| marks.contains(&name.as_c_str())))
}

/// A path without symlinks, and what is there.
#[derive(Debug)]
pub(super) struct Resolved {
    /// Relative to the root; empty for the root.
    pub path: PathBuf,
    /// What is there; no symlink.
    pub found: Option<Found>,
}

/// Follows the symlinks of a path inside of the root. As in docker, a name that does not exist is kept, and so is what
/// comes after it.
pub(super) fn resolve(root: &View, path: &Path) -> io::Result<Resolved> {
    let mut above: Vec<(OsString, Option<Found>)> = Vec::new();
    let mut pending: Vec<OsString> = Vec::new();
    push_names(&mut pending, path);
    let mut symlinks = 0;
    while let Some(name) = pending.pop() {
        if name == ".." {
            above.pop();
            continue;
        }
        let found = match above.last() {
            None => root.entry(&name)?,
            Some((_, Some(Found::Directory(directory)))) => directory.entry(&name)?,
            Some(_) => None,
        };
        if let Some(Found::Symlink(target)) = &found {
            symlinks += 1;
            if symlinks > MOST_SYMLINKS {
                return Err(Errno::ELOOP.into());
            }
            if target.is_absolute() {
                above.clear();
            }
            push_names(&mut pending, target);
            continue;
        }
        above.push((name, found));
    }
    let path = above.iter().map(|(name, _)| name).collect();
    let found = match above.pop() {
        None => Some(Found::Directory(root.clone())),
        Some((_, found)) => found,
    };
    Ok(Resolved { path, found })
}

/// Puts the names of a path on a stack, the first one on top.
fn push_names(pending: &mut Vec<OsString>, path: &Path) {
    let names = path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    pending.extend(names);
}
