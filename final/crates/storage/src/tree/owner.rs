//! `chown -R` that follows no symlink and enters no mount.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};

use super::walk::{OnError, Visitor, as_path, walk};
use crate::error::{Error, IoContext, Result};

/// Gives `path` and everything below it to another owner. A process that changes the tree meanwhile can neither lead it
/// out nor, because an entry that has the owner already is passed over, make it take long.
pub fn change_owner(path: &Path, uid: u32, gid: u32) -> Result<()> {
    let context = || format!("change the owner of {}", path.display());
    let held = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).context(context)?;
    let stat = rustix::fs::fstat(&held).context(context)?;
    let mut owner = Owner { uid, gid };
    if FileType::from_raw_mode(stat.st_mode).is_dir() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // By the descriptor's link: the directory that is held, whatever its name leads to now.
        let top = rustix::fs::open(hull_sys::fs::fd_path(&held), flags, Mode::empty()).context(context)?;
        walk(top, &mut owner, OnError::Stop).map_err(|failure| Error::Io {
            action: format!("change the owner of {}", path.join(failure.path).display()),
            source: failure.error,
        })?;
    }
    owner.set(held.as_fd(), c"", &stat, AtFlags::EMPTY_PATH).context(context)
}

struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    fn set(&self, dir: BorrowedFd<'_>, name: &CStr, stat: &Stat, flags: AtFlags) -> io::Result<()> {
        if (stat.st_uid, stat.st_gid) == (self.uid, self.gid) {
            return Ok(());
        }
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        match rustix::fs::chownat(dir, as_path(name), Some(uid), Some(gid), flags) {
            // It was removed after its name was read.
            Err(rustix::io::Errno::NOENT) => Ok(()),
            done => Ok(done?),
        }
    }
}

impl Visitor for Owner {
    fn file(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => self.set(dir, name, &stat, AtFlags::SYMLINK_NOFOLLOW),
            Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn leave(&mut self, _dir: BorrowedFd<'_>, _name: &CStr, child: BorrowedFd<'_>) -> io::Result<()> {
        let stat = rustix::fs::fstat(child)?;
        self.set(child, c"", &stat, AtFlags::EMPTY_PATH)
    }
}
