//! A file, directory or anything else in a tree.

use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::rc::Rc;

use hull_sys::tree::{describes_content, path_of};
use rustix::fs::{FileType, Mode, OFlags, Stat};

use crate::error::IoContext;
use crate::{Error, Result};

/// The name and the value of an extended attribute.
pub type Attribute = (CString, Vec<u8>);

/// An entry of a tree, with the metadata that COPY gives its copy.
#[derive(Debug)]
pub struct Entry {
    /// Relative to where the walk began, and empty for that itself.
    pub path: PathBuf,
    pub kind: FileType,
    /// Permissions, set-ID bits and sticky bit.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// As the file system has it; the owner may be another than [`Self::uid`].
    pub stat: Stat,
    pub(super) directory: Rc<OwnedFd>,
    pub(super) name: CString,
}

impl Entry {
    /// Bytes of a regular file.
    pub fn size(&self) -> u64 {
        self.stat.st_size as u64
    }

    /// Seconds and nanoseconds since the epoch.
    pub fn modified(&self) -> (i64, i64) {
        (self.stat.st_mtime, self.stat.st_mtime_nsec as i64)
    }

    /// Equal for the names of one file. `None` if it has only one.
    pub fn link_identity(&self) -> Option<(u64, u64)> {
        let has_others = self.kind != FileType::Directory && self.stat.st_nlink > 1;
        has_others.then_some((self.stat.st_dev, self.stat.st_ino))
    }

    /// The open directory that it is in, and its name there. A file that is the root of a walk has its directory too.
    pub fn place(&self) -> (BorrowedFd<'_>, &CStr) {
        (self.directory.as_fd(), &self.name)
    }

    /// Opens a regular file or a directory for reading.
    ///
    /// # Errors
    ///
    /// If another file has its name by now.
    pub fn open(&self) -> Result<File> {
        let action = || format!("open {}", self.path.display());
        // A FIFO in the file's place would make the open wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&*self.directory, &*self.name, flags, Mode::empty()).context(action)?;
        let found = rustix::fs::fstat(&file).context(action)?;
        if (found.st_dev, found.st_ino) != (self.stat.st_dev, self.stat.st_ino) {
            let source = io::Error::other("another file was put in its place meanwhile");
            return Err(Error::Io { action: action(), source });
        }
        Ok(file.into())
    }

    /// Its extended attributes, sorted by name. Those that depend on the file's place are left out:
    /// [`describes_content`].
    pub fn attributes(&self) -> Result<Vec<Attribute>> {
        let path = path_of(self.directory.as_fd(), std::ffi::OsStr::from_bytes(self.name.to_bytes()));
        let found = hull_sys::fs::xattrs_at(&path);
        let mut found = found.context(|| format!("read the attributes of {}", self.path.display()))?;
        found.retain(|(name, _)| describes_content(name.to_bytes()));
        found.sort_unstable();
        Ok(found)
    }

    /// Where a symlink leads.
    pub fn link_target(&self) -> Result<OsString> {
        let target = rustix::fs::readlinkat(&*self.directory, &*self.name, Vec::new());
        let target = target.context(|| format!("read the link {}", self.path.display()))?;
        Ok(OsString::from_vec(target.into_bytes()))
    }
}
