//! ADD unpacks archives of the build context, as BuildKit does: beneath the destination, with the owners of the archive.
//!
//! A member may come after another one that it replaces, so the layer's tar is made of its directory at the end. The
//! directory of a member is found through symlinks, those of the image and those of earlier members, and they lead nowhere
//! but beneath the destination. The member itself replaces what has its name; only directories are merged. A name such as
//! `.wh.x` is a name, and [`Layer`] refuses it.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use hull_image::members::{EntryType, Member, Members, relative, shown};
use hull_image::packing::{Content, Entry, Kind};
use hull_image::{Bounded, Error as ImageError};
use rustix::fs::{FileType, Mode, OFlags, Timespec, makedev};

use super::layer::Layer;
use super::open::{joined, modified};
use super::view::{Found, View, resolve};
use crate::error::IoContext;
use crate::{Error, Result};

const BUFFER: usize = 128 * 1024;

/// What an archive is unpacked onto.
pub(super) struct Unpack<'a, 'l> {
    pub layer: &'a mut Layer<'l>,
    /// The layer on top of those below, and those below alone.
    pub merged: View,
    pub below: Option<View>,
    /// Relative to the root, without symlinks; the layer has it.
    pub destination: PathBuf,
    pub chown: Option<(u32, u32)>,
}

impl Unpack<'_, '_> {
    /// Unpacks an archive. `name` is for errors.
    pub(super) fn unpack(&mut self, file: File, name: &str) -> Result<()> {
        let in_archive = |source| Error::InArchive { archive: name.to_owned(), source };
        let stream = Bounded::new(BufReader::with_capacity(BUFFER, file)).map_err(in_archive)?;
        let mut members = Members::new(BufReader::with_capacity(BUFFER, stream));
        let Some(Found::Directory(top)) =
            resolve(&self.merged, &self.destination).context(|| "look up the destination".into())?.found
        else {
            return Ok(());
        };
        while let Some(member) = members.next_member().map_err(in_archive)? {
            let path = relative(&member.path).map_err(in_archive)?;
            // The destination keeps its metadata.
            if !path.as_os_str().is_empty() {
                self.member(&top, &path, &member, &mut members).map_err(|error| match error {
                    Error::Image(source) => in_archive(source),
                    error => error,
                })?;
            }
        }
        Ok(())
    }

    fn member(&mut self, top: &View, path: &Path, member: &Member, content: &mut dyn Read) -> Result<()> {
        let looking_up = || format!("look up {} beneath the destination", member.shown());
        let is_directory = member.kind == EntryType::Directory;
        let above = resolve(top, path.parent().unwrap_or(Path::new(""))).context(looking_up)?.path;
        let path = joined(&above, Path::new(path.file_name().unwrap_or_default()));
        let path = joined(&self.destination, &path);
        self.directories(path.parent().unwrap_or(Path::new("")))?;
        let found = self.found(&path)?;
        let is_merged = is_directory && matches!(found, Some(Found::Directory(_)));
        if found.is_some() && !is_merged {
            self.layer.remove(&path)?;
        }
        let kind = self.kind(top, member)?;
        let (uid, gid) = self.chown.unwrap_or((member.uid, member.gid));
        let attributes = member.attributes.clone();
        let entry = Entry {
            path: path.clone(),
            kind,
            uid,
            gid,
            mode: member.mode & 0o7777,
            modified: Timespec { tv_sec: member.modified.0, tv_nsec: member.modified.1 },
            attributes,
        };
        match entry.kind {
            Kind::File { .. } => self.layer.put(entry, Content::Stream(content))?,
            _ => self.layer.put(entry, Content::None)?,
        }
        // What was hidden by a file before stays hidden.
        let was_hidden = is_directory && !is_merged;
        if was_hidden && matches!(self.found_below(&path)?, Some(Found::Directory(_))) {
            self.layer.set_opaque(&path)?;
        }
        Ok(())
    }

    fn kind(&mut self, top: &View, member: &Member) -> Result<Kind> {
        let refused = |why: String| Error::Image(ImageError::Refused { member: member.shown(), why });
        let node = |kind| Kind::Node { kind, device: makedev(member.device.0, member.device.1) };
        Ok(match member.kind {
            EntryType::Directory => Kind::Directory,
            _ if member.has_holes() => return Err(refused("it is a file with holes".into())),
            EntryType::Regular | EntryType::Continuous => Kind::File { size: member.size },
            EntryType::Symlink => Kind::Symlink(member.link.clone()),
            EntryType::Link => Kind::HardLink(self.linked(top, member)?),
            EntryType::Fifo => Kind::Node { kind: FileType::Fifo, device: 0 },
            EntryType::Char if member.device == (0, 0) => {
                return Err(refused("a layer cannot have the device 0:0: it would delete a file".into()));
            }
            EntryType::Char => node(FileType::CharacterDevice),
            EntryType::Block => node(FileType::BlockDevice),
            other => return Err(refused(format!("it is of an unknown type, {:#x}", other.as_byte()))),
        })
    }

    /// The file that a hard link is another name of. One of the layers below is copied up, as overlayfs does.
    fn linked(&mut self, top: &View, member: &Member) -> Result<PathBuf> {
        let refused = |why: &str| {
            let why = format!("it is a hard link to {}: {why}", shown(&member.link));
            Error::Image(ImageError::Refused { member: member.shown(), why })
        };
        let target = relative(&member.link)?;
        let above = resolve(top, target.parent().unwrap_or(Path::new("")))
            .context(|| format!("look up {} beneath the destination", shown(&target)))?;
        let target = joined(&above.path, Path::new(target.file_name().unwrap_or_default()));
        let target = joined(&self.destination, &target);
        match self.found(&target)? {
            None => return Err(refused("there is no such file")),
            Some(Found::Directory(_)) => return Err(refused("a directory has one name only")),
            Some(Found::Symlink(_)) if !self.layer.has(&target) => {
                return Err(refused("it is a symlink of the layers below"));
            }
            Some(Found::Other(directory)) if !self.layer.has(&target) => {
                let reading = || format!("read /{} in the layers below", shown(&target));
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let name = target.file_name().unwrap_or_default();
                let opened = rustix::fs::openat(&*directory, name, flags, Mode::empty());
                let mut file = File::from(opened.context(reading)?);
                let stat = rustix::fs::fstat(&file).context(reading)?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Err(refused("it is not a regular file"));
                }
                let attributes = hull_sys::fs::xattrs(&file).context(reading)?;
                self.directories(target.parent().unwrap_or(Path::new("")))?;
                let entry = Entry {
                    path: target.clone(),
                    kind: Kind::File { size: stat.st_size as u64 },
                    uid: stat.st_uid,
                    gid: stat.st_gid,
                    mode: stat.st_mode & 0o7777,
                    modified: modified(&stat),
                    attributes,
                };
                self.layer.put(entry, Content::File(&mut file))?;
            }
            Some(_) => {}
        }
        Ok(target)
    }

    /// Makes the directories of a path in the layer: as the layers below have them, or those that an archive implies
    /// without listing them.
    pub(super) fn directories(&mut self, path: &Path) -> Result<()> {
        if self.layer.has(path) {
            return Ok(());
        }
        let mut at = PathBuf::new();
        for name in path {
            at.push(name);
            if self.layer.has(&at) {
                continue;
            }
            let entry = match self.found_below(&at)? {
                Some(Found::Directory(below)) => below.as_entry(&at)?,
                _ => self.layer.created(&at, (0, 0)),
            };
            self.layer.put(entry, Content::None)?;
        }
        Ok(())
    }

    pub(super) fn directories_of_destination(&mut self) -> Result<()> {
        self.directories(&self.destination.clone())
    }

    fn found(&self, path: &Path) -> Result<Option<Found>> {
        look_up(&self.merged, path)
    }

    fn found_below(&self, path: &Path) -> Result<Option<Found>> {
        self.below.as_ref().map_or(Ok(None), |below| look_up(below, path))
    }
}

/// Looks up a path that has no symlinks before its last name.
fn look_up(root: &View, path: &Path) -> Result<Option<Found>> {
    let mut found = Some(Found::Directory(root.clone()));
    for name in path {
        found = match found {
            Some(Found::Directory(directory)) => {
                directory.entry(name).context(|| format!("look up /{}", shown(path)))?
            }
            _ => return Ok(None),
        };
    }
    Ok(found)
}
