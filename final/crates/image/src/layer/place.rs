//! Where a member goes. Every directory on the way is opened beneath the layer without following a link: a symlink
//! that an earlier member made, then a file "through" it, ends in an error and not on the host.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hull_sys::fs::openat2;
use nix::errno::Errno;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat};

use crate::error::{Error, IoContext, Result};
use crate::members::shown;

/// A member's directory, open, and its name there.
pub(super) struct Place {
    pub directory: Rc<OwnedFd>,
    pub name: OsString,
    /// Whether something had to make room.
    pub replaced: Cell<bool>,
}

/// The directory that the last member was in. Members come in the order of the tree, so the next one is often there
/// too; and no member takes away the directory that it lies in itself.
pub(super) type LastDirectory = Option<(PathBuf, Rc<OwnedFd>)>;

/// Finds the directory of a member, making what the archive implies but does not list.
pub(super) fn find(
    top: &OwnedFd,
    path: &Path,
    last: &mut LastDirectory,
    implied: &mut BTreeSet<PathBuf>,
) -> Result<Place> {
    let name = path.file_name().unwrap_or(OsStr::new(".")).to_owned();
    let parent = path.parent().unwrap_or(Path::new(""));
    if let Some((path, directory)) = &*last
        && path == parent
    {
        return Ok(Place::new(directory.clone(), name));
    }
    let directory = match open_directory(top, parent) {
        Err(Errno::ENOENT) => make(top, parent, implied)?,
        found => found.map_err(|errno| blocked(path, errno))?,
    };
    let directory = Rc::new(directory);
    *last = Some((parent.to_owned(), directory.clone()));
    Ok(Place::new(directory, name))
}

/// A file or directory beneath the layer, through no symlink: one at the end is opened itself.
pub(super) fn open(top: &OwnedFd, path: &Path) -> nix::Result<OwnedFd> {
    open_as(top, path, OFlags::PATH | OFlags::NOFOLLOW)
}

/// A directory; a symlink to one is an error (ELOOP) that tells it from a file.
pub(super) fn open_directory(top: &OwnedFd, path: &Path) -> nix::Result<OwnedFd> {
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
    rustix::fs::statat(&*place.directory, &place.name, AtFlags::SYMLINK_NOFOLLOW).ok()
}

/// A file or a symlink stands in a path.
pub(super) fn is_in_the_way(errno: Errno) -> bool {
    matches!(errno, Errno::ENOTDIR | Errno::ELOOP)
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
    fn new(directory: Rc<OwnedFd>, name: OsString) -> Self {
        Self { directory, name, replaced: Cell::new(false) }
    }

    /// Makes something where hardly ever anything stands; what does goes first.
    pub(super) fn make<T>(
        &self,
        step: impl FnOnce() -> String,
        make: impl Fn(&OwnedFd, &OsStr) -> rustix::io::Result<T>,
    ) -> Result<T> {
        match make(&self.directory, &self.name) {
            Err(rustix::io::Errno::EXIST) => {
                self.clear()?;
                make(&self.directory, &self.name).context(step)
            }
            made => made.context(step),
        }
    }

    /// Makes room.
    fn clear(&self) -> Result<()> {
        self.replaced.set(true);
        match rustix::fs::unlinkat(&*self.directory, &self.name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(rustix::io::Errno::ISDIR) => Ok(hull_storage::tree::remove_tree(&self.path())?),
            Err(errno) => Err(errno).context(|| format!("replace {}", shown(Path::new(&self.name)))),
        }
    }

    /// For the calls that take a path only.
    pub(super) fn path(&self) -> PathBuf {
        Path::new(&hull_sys::fs::fd_path(&*self.directory)).join(&self.name)
    }
}

/// `.wh.x` hides x; `.wh..wh..opq` hides everything below (image-spec, layer.md).
pub(super) fn whiteout(name: &OsStr) -> Option<&OsStr> {
    name.as_bytes().strip_prefix(b".wh.").map(OsStr::from_bytes)
}
