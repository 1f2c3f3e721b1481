//! Where a member goes. Every directory on the way is opened beneath the layer without following a link: a symlink
//! that an earlier member made, then a file "through" it, ends in an error and not on the host.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_sys::fs::openat2;
use nix::errno::Errno;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat};

use crate::error::{Context, Error, Result};
use crate::members::shown;

/// A member's directory, open, and its name there.
pub(super) struct Place {
    pub directory: OwnedFd,
    pub name: OsString,
}

/// Finds the directory of a member, making what the archive implies but does not list.
pub(super) fn find(top: &OwnedFd, path: &Path, implied: &mut BTreeSet<PathBuf>) -> Result<Place> {
    let name = path.file_name().unwrap_or(OsStr::new(".")).to_owned();
    let parent = path.parent().unwrap_or(Path::new(""));
    let directory = match open_directory(top, parent) {
        Err(Errno::ENOENT) => make(top, parent, implied)?,
        found => found.map_err(|errno| blocked(path, errno))?,
    };
    Ok(Place { directory, name })
}

/// A file or directory beneath the layer, through no symlink: one at the end is opened itself.
pub(super) fn open(top: &OwnedFd, path: &Path) -> nix::Result<OwnedFd> {
    open_as(top, path, OFlags::PATH | OFlags::NOFOLLOW)
}

/// A directory; a symlink to one is an error (ELOOP) that tells it from a file.
fn open_directory(top: &OwnedFd, path: &Path) -> nix::Result<OwnedFd> {
    open_as(top, path, OFlags::PATH | OFlags::DIRECTORY)
}

fn open_as(top: &OwnedFd, path: &Path, flags: OFlags) -> nix::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(top, path, flags, Mode::empty(), resolve)
}

fn make(top: &OwnedFd, path: &Path, implied: &mut BTreeSet<PathBuf>) -> Result<OwnedFd> {
    let mut made = PathBuf::new();
    for name in path {
        let parent = open_directory(top, &made).map_err(|errno| blocked(path, errno))?;
        made.push(name);
        let mode = Mode::from_raw_mode(0o755);
        // mkdir(2) takes the umask off, and whose command this is says nothing about the image.
        let mkdir = || {
            rustix::fs::mkdirat(&parent, name, mode)?;
            rustix::fs::chmodat(&parent, name, mode, AtFlags::empty())
        };
        match mkdir() {
            Ok(()) => drop(implied.insert(made.clone())),
            Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(errno).context(|| format!("create {}", shown(&made))),
        }
    }
    open_directory(top, path).map_err(|errno| blocked(path, errno))
}

/// What stands there.
pub(super) fn stat(place: &Place) -> Option<Stat> {
    rustix::fs::statat(&place.directory, &place.name, AtFlags::SYMLINK_NOFOLLOW).ok()
}

fn blocked(path: &Path, errno: Errno) -> Error {
    let why = match errno {
        Errno::ELOOP | Errno::EXDEV => "a symlink stands in its path".to_owned(),
        Errno::ENOTDIR => "a file stands in its path".to_owned(),
        errno => errno.desc().to_owned(),
    };
    Error::Refused { member: shown(path), why }
}

impl Place {
    /// Makes room: what stands there goes, but for a directory that a directory replaces.
    pub(super) fn clear(&self, for_directory: bool) -> Result<()> {
        let action = || format!("replace {}", shown(Path::new(&self.name)));
        match rustix::fs::unlinkat(&self.directory, &self.name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(rustix::io::Errno::ISDIR) if for_directory => Ok(()),
            Err(rustix::io::Errno::ISDIR) => {
                let path = Path::new(&hull_sys::fs::fd_path(&self.directory)).join(&self.name);
                Ok(hull_storage::tree::remove_tree(&path)?)
            }
            Err(errno) => Err(errno).context(action),
        }
    }

    /// For the calls that take a path only.
    pub(super) fn path(&self) -> PathBuf {
        Path::new(&hull_sys::fs::fd_path(&self.directory)).join(&self.name)
    }
}

/// `.wh.x` hides x; `.wh..wh..opq` hides everything below (image-spec, layer.md).
pub(super) fn whiteout(name: &OsStr) -> Option<&OsStr> {
    name.as_bytes().strip_prefix(b".wh.").map(OsStr::from_bytes)
}
