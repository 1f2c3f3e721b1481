//! Creating one entry of a directory tree with its metadata. Copies, extracted archives, unpacked layers and filled
//! volumes are all made with it.
//!
//! Every call takes an open directory and one name in it, so no path is resolved and no symlink is followed. Metadata
//! is set in the one order that keeps it: chown(2) clears set-ID bits and file capabilities, so the owner comes first;
//! and everything else changes the times, so they come last.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};

use crate::fs::{fd_path, set_xattr, set_xattr_at};
use crate::kind::RefusedStep;

/// The metadata of an entry.
#[derive(Debug, Clone)]
pub struct Metadata<'a> {
    pub uid: u32,
    pub gid: u32,
    /// Permissions, set-ID bits and sticky bit. A symlink has none.
    pub mode: u32,
    /// Extended attributes. Those that depend on the file's place and not on its content are skipped:
    /// [`describes_content`].
    pub attributes: &'a [(CString, Vec<u8>)],
    /// `None` for a directory that is still to be filled.
    pub times: Option<Timestamps>,
}

/// Which metadata a caller wants set, and which errors it ignores. The error for an attribute that the file system does
/// not support (ENOTSUP) is always ignored.
pub trait Policy {
    fn sets_attribute(&self, _name: &CStr) -> bool {
        true
    }

    /// Whether the mark of an opaque directory is set, too: [`is_opaque_mark`].
    fn sets_opaque_mark(&self) -> bool {
        false
    }

    /// Whether a failing chown(2) is ignored: the entry then belongs to the caller.
    fn ignores_owner(&self, _error: Errno) -> bool {
        false
    }

    /// The error for a failing chown(2) that is not ignored.
    fn owner_error(&self, _uid: u32, _gid: u32, error: Errno) -> io::Error {
        error.into()
    }

    fn ignores_attribute(&self, _name: &CStr, _error: Errno) -> bool {
        false
    }
}

/// Sets everything; each failure is an error.
#[derive(Debug, Clone, Copy)]
pub struct Exact;

impl Policy for Exact {}

/// The same for a file of an overlay's upper directory, whose copy is one as well.
#[derive(Debug, Clone, Copy)]
pub struct ExactInLayer;

impl Policy for ExactInLayer {
    fn sets_opaque_mark(&self) -> bool {
        true
    }
}

/// An entry that has just been created.
#[derive(Debug, Clone, Copy)]
pub enum Created<'a> {
    /// A regular file or directory that is open.
    Open(BorrowedFd<'a>),
    /// Any entry, by its name, of a directory that no other process changes.
    Named { directory: BorrowedFd<'a>, name: &'a OsStr, is_symlink: bool },
    /// A symlink or node of a directory that other processes change too, opened with `O_PATH`: [`hold`]. No attributes
    /// are set on it: those of users exist only on regular files and directories (xattr(7)).
    Held { entry: BorrowedFd<'a>, directory: BorrowedFd<'a>, name: &'a OsStr, is_symlink: bool },
}

impl<'a> Metadata<'a> {
    /// The metadata of another file.
    pub fn of(stat: &Stat, attributes: &'a [(CString, Vec<u8>)]) -> Self {
        let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
        let times = Timestamps {
            last_access: time(stat.st_atime, stat.st_atime_nsec as i64),
            last_modification: time(stat.st_mtime, stat.st_mtime_nsec as i64),
        };
        let mode = stat.st_mode & 0o7777;
        Self { uid: stat.st_uid, gid: stat.st_gid, mode, attributes, times: Some(times) }
    }
}

impl Created<'_> {
    /// Sets all of an entry's metadata, in the order that the module describes.
    pub fn set(self, metadata: &Metadata<'_>, policy: &impl Policy) -> io::Result<()> {
        self.set_owner(metadata.uid, metadata.gid, policy)?;
        if !self.is_symlink() {
            self.set_mode(Mode::from_raw_mode(metadata.mode))?;
        }
        for (name, value) in metadata.attributes {
            let is_wanted = match is_opaque_mark(name.to_bytes()) {
                true => policy.sets_opaque_mark(),
                false => describes_content(name.to_bytes()) && policy.sets_attribute(name),
            };
            if is_wanted {
                self.set_attribute(name, value, policy)?;
            }
        }
        metadata.times.as_ref().map_or(Ok(()), |times| Ok(self.set_times(times)?))
    }

    fn set_owner(self, uid: u32, gid: u32, policy: &impl Policy) -> io::Result<()> {
        let (user, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        let set = match self {
            Self::Open(file) => rustix::fs::fchown(file, user, group),
            Self::Named { directory, name, .. } => {
                rustix::fs::chownat(directory, name, user, group, AtFlags::SYMLINK_NOFOLLOW)
            }
            Self::Held { entry, .. } => rustix::fs::chownat(entry, c"", user, group, AtFlags::EMPTY_PATH),
        };
        match set.map_err(|error| Errno::from_raw(error.raw_os_error())) {
            Err(error) if policy.ignores_owner(error) => Ok(()),
            set => set.map_err(|error| policy.owner_error(uid, gid, error)),
        }
    }

    fn set_mode(self, mode: Mode) -> rustix::io::Result<()> {
        match self {
            Self::Open(file) => rustix::fs::fchmod(file, mode),
            Self::Named { directory, name, .. } => {
                rustix::fs::chmodat(directory, name, mode, AtFlags::empty())
            }
            // Through the descriptor's link in /proc: fchmod(2) refuses O_PATH, and opening a node would call its
            // driver.
            Self::Held { entry, .. } => rustix::fs::chmod(fd_path(entry), mode),
        }
    }

    fn set_attribute(self, name: &CStr, value: &[u8], policy: &impl Policy) -> io::Result<()> {
        let set = match self {
            Self::Open(file) => set_xattr(file, name, value),
            Self::Named { directory, name: file, .. } => set_xattr_at(&path_of(directory, file), name, value),
            Self::Held { .. } => Ok(()),
        };
        match set {
            Err(Errno::ENOTSUP) => Ok(()),
            Err(error) if policy.ignores_attribute(name, error) => Ok(()),
            Err(error) => {
                let step = format!("set the attribute {}", name.to_string_lossy());
                Err(RefusedStep { step, errno: error }.into())
            }
            Ok(()) => Ok(()),
        }
    }

    fn set_times(self, times: &Timestamps) -> rustix::io::Result<()> {
        match self {
            Self::Open(file) => rustix::fs::futimens(file, times),
            Self::Held { entry, is_symlink: false, .. } => {
                rustix::fs::utimensat(CWD, fd_path(entry), times, AtFlags::empty())
            }
            // Also for a held symlink, because utimensat(2) does not accept one by descriptor. If another entry has
            // replaced it, only that entry's times change.
            Self::Named { directory, name, .. } | Self::Held { directory, name, .. } => {
                rustix::fs::utimensat(directory, name, times, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }

    fn is_symlink(self) -> bool {
        match self {
            Self::Open(_) => false,
            Self::Named { is_symlink, .. } | Self::Held { is_symlink, .. } => is_symlink,
        }
    }
}

/// Creates a regular file, which only its owner can open until its metadata is set.
pub fn create_file(directory: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<File> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// Opens an entry that has just been created with `O_PATH`, so that no driver and no FIFO is opened. Fails if another
/// process has replaced it.
pub fn hold(directory: BorrowedFd<'_>, name: &OsStr, expected: FileType, device: u64) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let entry = rustix::fs::openat(directory, name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&entry)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != expected || stat.st_rdev != device || stat.st_nlink != 1 {
        return Err(io::Error::other("something else was put in its place meanwhile"));
    }
    Ok(entry)
}

/// Whether an attribute belongs to a file's content. The overlay's own marks and the SELinux label depend on the file's
/// place, and are not copied.
pub fn describes_content(name: &[u8]) -> bool {
    !name.starts_with(b"trusted.overlay.")
        && !name.starts_with(b"user.overlay.")
        && name != b"security.selinux"
}

/// Whether an attribute says that a directory of an upper directory hides what is below (overlayfs.rst).
pub fn is_opaque_mark(name: &[u8]) -> bool {
    matches!(name, b"trusted.overlay.opaque" | b"user.overlay.opaque")
}

/// A path for the calls that take no directory descriptor.
pub fn path_of(directory: BorrowedFd<'_>, name: &OsStr) -> PathBuf {
    Path::new(&fd_path(directory)).join(name)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::kind::{Kind, errno_of};

    #[test]
    fn a_refused_attribute_is_named_and_keeps_its_error_number() {
        let file: File =
            rustix::fs::memfd_create("hull-test", rustix::fs::MemfdFlags::CLOEXEC).unwrap().into();
        // The empty name of a namespace is invalid (xattr(7)). tmpfs has had the namespace trusted for long, and user since Linux 6.6.
        let attributes = [(c"trusted.".to_owned(), b"value".to_vec())];
        let stat = rustix::fs::fstat(&file).unwrap();
        let error = Created::Open(file.as_fd()).set(&Metadata::of(&stat, &attributes), &Exact).unwrap_err();
        assert_eq!(errno_of(&error), Some(libc::EINVAL));
        assert!(error.to_string().starts_with("set the attribute trusted.: "), "{error}");
        let full = RefusedStep { step: "set the attribute user.a".into(), errno: Errno::ENOSPC };
        assert_eq!(Kind::from_io(&full.into()), Kind::Exhausted);
    }
}
