//! One file of a source becomes an entry of the layer.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use hull_image::packing::{Content, Entry, Kind};
use hull_sys::tree::describes_content;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

use super::Source;
use super::open::{modified, open_directory};
use super::plan::{Single, blocked};
use super::walk::Walk;
use crate::Result;
use crate::error::IoContext;

type Attributes = Vec<(CString, Vec<u8>)>;

impl Walk<'_, '_> {
    /// Copies a file that the instruction names.
    pub(super) fn single(&mut self, single: &Single, to: PathBuf) -> Result<()> {
        let (Some(path), Some(tree)) = (&single.path, self.tree(single.source)) else {
            return self.heredoc(single.source, to);
        };
        let reading = || self.reading(single.source, path);
        let directory = open_directory(tree, path.parent().unwrap_or(Path::new(""))).context(reading)?;
        let name = path.file_name().unwrap_or_default();
        let stat = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW).context(reading)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        self.copy((single.source, single.order), &directory, name, kind, to)
    }

    fn heredoc(&mut self, source: usize, path: PathBuf) -> Result<()> {
        let Source::Content { bytes, .. } = &self.request.sources[source] else { return Ok(()) };
        let (uid, gid) = self.changes.chown.unwrap_or((0, 0));
        let mode = self.changes.chmod.as_ref().map_or(0o644, |chmod| chmod.apply(0o644, false));
        let kind = Kind::File { size: bytes.len() as u64 };
        let entry = Entry { path, kind, uid, gid, mode, modified: self.layer.now(), attributes: vec![] };
        self.layer.put(entry, Content::Stream(&mut bytes.as_slice()))
    }

    /// Copies what has a name in a directory, and is no directory. `from` is the number of the source, and its position in
    /// the order of the instruction.
    pub(super) fn copy(
        &mut self,
        from: (usize, usize),
        directory: &OwnedFd,
        name: &OsStr,
        kind: FileType,
        to: PathBuf,
    ) -> Result<()> {
        match kind {
            FileType::RegularFile => self.regular(from, directory, name, to),
            // A socket is nothing without the program that made it, and a tar has no form for it.
            FileType::Socket => Ok(()),
            _ => self.special(from.0, directory, name, to),
        }
    }

    fn regular(
        &mut self,
        (source, order): (usize, usize),
        directory: &OwnedFd,
        name: &OsStr,
        to: PathBuf,
    ) -> Result<()> {
        let reading = || self.reading(source, Path::new(name));
        // NONBLOCK: if a FIFO has taken the file's name, opening it must not wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(directory, name, flags, Mode::empty());
        let mut file = File::from(opened.context(reading)?);
        let stat = rustix::fs::fstat(&file).context(reading)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("it was replaced while it was read")).context(reading);
        }
        let identity = (order, stat.st_dev, stat.st_ino);
        let first = if stat.st_nlink > 1 { self.linked.get(&identity).cloned() } else { None };
        if let Some(first) = first {
            let entry = self.entry(source, to, Kind::HardLink(first), &stat, vec![]);
            return self.layer.put(entry, Content::None);
        }
        let attributes = self.attributes(source, &file).context(reading)?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let entry = self.entry(source, to, Kind::File { size }, &stat, attributes);
        if stat.st_nlink > 1 {
            self.linked.insert(identity, entry.path.clone());
        }
        self.layer.put(entry, Content::File(&mut file))
    }

    fn special(&mut self, source: usize, directory: &OwnedFd, name: &OsStr, to: PathBuf) -> Result<()> {
        let reading = || self.reading(source, Path::new(name));
        let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).context(reading)?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(directory, name, Vec::new()).context(reading)?;
                Kind::Symlink(OsString::from_vec(target.into_bytes()).into())
            }
            FileType::CharacterDevice if stat.st_rdev == 0 => {
                return Err(blocked(
                    &to,
                    "a layer cannot have the device 0:0: it would delete a file of the layers below",
                ));
            }
            kind @ (FileType::Fifo | FileType::CharacterDevice | FileType::BlockDevice) => {
                Kind::Node { kind, device: stat.st_rdev }
            }
            _ => return Err(io::Error::other("it was replaced while it was read")).context(reading),
        };
        let entry = self.entry(source, to, kind, &stat, vec![]);
        self.layer.put(entry, Content::None)
    }

    fn is_local(&self, source: usize) -> bool {
        self.tree(source).is_some_and(|tree| tree.has_local_owners)
    }

    /// docker sends a context without attributes: a capability of a file is one of this machine.
    pub(super) fn attributes(&self, source: usize, file: impl AsFd) -> io::Result<Attributes> {
        if self.is_local(source) {
            return Ok(vec![]);
        }
        let mut attributes = hull_sys::fs::xattrs(file)?;
        attributes.retain(|(name, _)| describes_content(name.to_bytes()));
        Ok(attributes)
    }

    /// The entry for a file of a source.
    pub(super) fn entry(
        &self,
        source: usize,
        path: PathBuf,
        kind: Kind,
        stat: &Stat,
        attributes: Attributes,
    ) -> Entry {
        let is_local = self.is_local(source);
        let own = if is_local { (0, 0) } else { (stat.st_uid, stat.st_gid) };
        let (uid, gid) = self.changes.chown.unwrap_or(own);
        let mode = match (&self.changes.chmod, &kind) {
            (Some(chmod), kind) if !matches!(kind, Kind::Symlink(_)) => {
                chmod.apply(stat.st_mode, matches!(kind, Kind::Directory))
            }
            _ => stat.st_mode & 0o7777,
        };
        Entry { path, kind, uid, gid, mode, modified: modified(stat), attributes }
    }
}
