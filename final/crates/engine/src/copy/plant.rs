//! Entries become files in a directory that somebody hostile may be changing: the container's processes, or what an
//! earlier member of the same tar made.
//!
//! Every step is relative to an open directory beneath the top. What stands in a file's place is unlinked and the file
//! made anew (`O_EXCL`), never written through; owner, mode and times go to the descriptor of what was made.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hull_sys::sparse::HoleWriter;
use nix::errno::Errno;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, StatxAttributes, StatxFlags, Timestamps,
    Uid,
};

use super::entry::{Content, Entry, Kind, Sink, copy_exactly, shown};
use super::tree::{beneath, resolve_beneath};
use super::view::kind;
use crate::error::{Error, IoContext, Result};

/// Whose the copies are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Set(u32, u32),
    /// `-a`: as at the source, or not at all.
    Keep,
    /// As a tar says. An ordinary user's namespace may not have that id; the file is then the user's.
    KeepIfMapped,
}

/// Which of a file's privileges are copied. A set-ID bit or a capability was granted by the owner at the source; under
/// another owner it would grant the rights of somebody who never agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Privileges {
    /// None: the file comes out of a container, and nobody vouches for it.
    Dropped,
    /// Set-ID bits, file capabilities and the mode of devices, as docker does for what its user copies into a
    /// container.
    Kept,
    /// ACLs as well: the users they name are the same at both ends.
    WithAcls,
}

/// What is kept and what is not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub owner: Owner,
    pub privileges: Privileges,
    /// Directories that were there before become like the source's as well.
    pub existing_directories: bool,
    /// Members of a tar may lie behind a symlink that stays beneath the destination (`lib` → `usr/lib`).
    pub through_symlinks: bool,
}

pub(super) struct Planter {
    top: OwnedFd,
    identity: (u64, u64),
    rules: Rules,
    /// What the destination is called in errors.
    shown: String,
    /// Their metadata comes last: writing into a directory needs permission, and changes its time.
    directories: Vec<Entry>,
    /// All that were not there before.
    made: HashSet<PathBuf>,
    /// The directory of the last entry: the next one is mostly in it too.
    last: Option<(PathBuf, Rc<OwnedFd>)>,
}

/// Where an entry goes: the directory it is in, and its name there.
struct Spot {
    directory: Rc<OwnedFd>,
    name: OsString,
}

impl Planter {
    pub(super) fn new(top: OwnedFd, shown: &str, rules: Rules) -> Result<Self> {
        let stat = rustix::fs::fstat(&top).context(|| format!("look at {shown}"))?;
        let identity = (stat.st_dev, stat.st_ino);
        Ok(Self {
            top,
            identity,
            rules,
            shown: shown.to_owned(),
            directories: Vec::new(),
            made: HashSet::new(),
            last: None,
        })
    }

    /// Gives the directories their owner, mode and times, the deepest ones first.
    pub(super) fn finish(mut self) -> Result<()> {
        for entry in std::mem::take(&mut self.directories).iter().rev() {
            let opened = self.open(&entry.path, OFlags::RDONLY);
            let opened = opened.context(|| self.writing(entry))?;
            self.describe(opened.as_fd(), entry).context(|| self.writing(entry))?;
        }
        Ok(())
    }

    fn writing(&self, entry: &Entry) -> String {
        format!("copy {} to {}", shown(&entry.path), self.shown)
    }

    fn spot(&mut self, entry: &Entry) -> Result<Spot> {
        let parent = entry.path.parent().unwrap_or(Path::new(""));
        let name = entry.path.file_name().unwrap_or(OsStr::new(".")).to_owned();
        if let Some((_, directory)) = self.last.as_ref().filter(|(path, _)| path == parent) {
            return Ok(Spot { directory: Rc::clone(directory), name });
        }
        let directory = match self.open(parent, OFlags::PATH) {
            Err(Errno::ENOENT) => self.make_implied(parent),
            directory => directory,
        };
        match directory.map(Rc::new) {
            Ok(directory) => {
                self.last = Some((parent.to_owned(), Rc::clone(&directory)));
                Ok(Spot { directory, name })
            }
            Err(Errno::ELOOP | Errno::EXDEV | Errno::ENOTDIR) => {
                Err(self.refused(entry, "something that is not a directory stands in its path"))
            }
            Err(errno) => Err(errno).context(|| self.writing(entry)),
        }
    }

    fn open(&self, path: &Path, flags: OFlags) -> nix::Result<OwnedFd> {
        let flags = flags | OFlags::DIRECTORY;
        match self.rules.through_symlinks {
            true => {
                let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
                resolve_beneath(&self.top, path, flags, resolve)
            }
            false => beneath(&self.top, path, flags),
        }
    }

    /// The directories that a tar implies and does not list.
    fn make_implied(&mut self, path: &Path) -> nix::Result<OwnedFd> {
        let mut made = PathBuf::new();
        for name in path {
            let parent = self.open(&made, OFlags::PATH)?;
            made.push(name);
            match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
                Ok(()) => drop(self.made.insert(made.clone())),
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(Errno::from_raw(error.raw_os_error())),
            }
        }
        self.open(path, OFlags::PATH)
    }

    fn refused(&self, entry: &Entry, why: &str) -> Error {
        let what = format!("destination {} in {}", shown(&entry.path), self.shown);
        Error::Invalid { what, why: why.into() }
    }

    fn directory(&mut self, entry: &Entry) -> Result<()> {
        if !entry.path.as_os_str().is_empty() {
            let spot = self.spot(entry)?;
            match rustix::fs::mkdirat(&*spot.directory, &spot.name, Mode::RWXU) {
                Ok(()) => drop(self.made.insert(entry.path.clone())),
                Err(rustix::io::Errno::EXIST) if spot.kind() == Some(FileType::Directory) => {}
                Err(rustix::io::Errno::EXIST) => {
                    return Err(self.refused(entry, "cannot overwrite a non-directory with a directory"));
                }
                Err(errno) => return Err(errno).context(|| self.writing(entry)),
            }
        }
        if self.rules.existing_directories || self.made.contains(&entry.path) {
            let (path, attributes) = (entry.path.clone(), entry.attributes.clone());
            self.directories.push(Entry { path, kind: Kind::Directory, attributes, ..*entry });
        }
        Ok(())
    }

    /// Makes room for anything but a directory.
    fn clear(&self, spot: &Spot, entry: &Entry) -> Result<()> {
        let mounted = || self.refused(entry, "something is mounted there, so it cannot be replaced");
        // Ours to look for: unlink(2) refuses a mount point in our own mount namespace only, and in another one, as the
        // container's, takes the mount away with the name.
        if spot.is_mount_point() {
            return Err(mounted());
        }
        match rustix::fs::unlinkat(&*spot.directory, &spot.name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            // unlink(2): one of them for a directory, by file system.
            Err(rustix::io::Errno::ISDIR | rustix::io::Errno::PERM)
                if spot.kind() == Some(FileType::Directory) =>
            {
                Err(self.refused(entry, "cannot overwrite a directory with a non-directory"))
            }
            Err(rustix::io::Errno::BUSY) => Err(mounted()),
            Err(errno) => Err(errno).context(|| format!("replace {}", self.writing(entry))),
        }
    }

    fn file(&mut self, entry: &Entry, size: u64, content: Content<'_>) -> Result<()> {
        let spot = self.spot(entry)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Its user's alone until it is whole and its owner is set.
        let create = || rustix::fs::openat(&*spot.directory, &spot.name, flags, Mode::RUSR | Mode::WUSR);
        let opened = match create() {
            Err(rustix::io::Errno::EXIST) => {
                self.clear(&spot, entry)?;
                create()
            }
            opened => opened,
        };
        let mut file = File::from(opened.context(|| self.writing(entry))?);
        let copied = match content {
            Content::File(from) => hull_sys::fs::copy_content(from, &mut file),
            Content::Stream(from) => {
                // A tar has no holes, or none that are read here.
                let mut file = HoleWriter::new(&file);
                copy_exactly(from, &mut file, size).and_then(|()| io::Write::flush(&mut file))
            }
            Content::None => Ok(()),
        };
        copied
            .and_then(|()| self.describe(file.as_fd(), entry))
            .inspect_err(|_| {
                // Half a file is worse than none.
                let _ = rustix::fs::unlinkat(&*spot.directory, &spot.name, AtFlags::empty());
            })
            .context(|| self.writing(entry))
    }

    fn symlink(&mut self, entry: &Entry, target: &Path) -> Result<()> {
        let spot = self.spot(entry)?;
        self.clear(&spot, entry)?;
        let make = || -> io::Result<()> {
            rustix::fs::symlinkat(target, &*spot.directory, &spot.name)?;
            let made = spot.held(FileType::Symlink, 0)?;
            self.set_owner(made.as_fd(), entry)?;
            // By name, for utimensat(2) takes no symlink by descriptor. It follows none, and a time is all it sets.
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            Ok(rustix::fs::utimensat(&*spot.directory, &spot.name, &times(entry), flags)?)
        };
        make().context(|| self.writing(entry))
    }

    fn node(&mut self, entry: &Entry, kind: FileType, device: u64) -> Result<()> {
        let spot = self.spot(entry)?;
        self.clear(&spot, entry)?;
        let mode = match kind {
            FileType::Fifo => entry.mode,
            // Whoever may open a device has the hardware.
            _ if self.rules.privileges != Privileges::Dropped => entry.mode,
            _ => entry.mode & 0o600,
        };
        let make = || -> io::Result<()> {
            rustix::fs::mknodat(&*spot.directory, &spot.name, kind, Mode::RUSR | Mode::WUSR, device)?;
            let made = spot.held(kind, device)?;
            self.set_owner(made.as_fd(), entry)?;
            // chmod(2) and utimensat(2) take a node by its descriptor's link only: opening it would call its driver.
            let link = hull_sys::fs::fd_path(&made);
            rustix::fs::chmod(&link, Mode::from_raw_mode(mode & 0o777))?;
            Ok(rustix::fs::utimensat(CWD, &link, &times(entry), AtFlags::empty())?)
        };
        make().context(|| self.writing(entry))
    }

    /// Owner, mode, attributes and times of an open file or directory.
    fn describe(&self, file: BorrowedFd<'_>, entry: &Entry) -> io::Result<()> {
        let privileges = self.rules.privileges;
        // In this order: chown(2) takes set-user-ID bits and file capabilities away.
        self.set_owner(file, entry)?;
        let mode = if privileges == Privileges::Dropped { entry.mode & 0o1777 } else { entry.mode };
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
        for (name, value) in &entry.attributes {
            let travels = match privileges {
                Privileges::WithAcls => true,
                Privileges::Kept if name.as_c_str() == c"security.capability" => true,
                _ => name.to_bytes().starts_with(b"user."),
            };
            if !travels {
                continue;
            }
            match hull_sys::fs::set_xattr(file, name, value) {
                Ok(()) | Err(Errno::ENOTSUP) => {}
                // Not for a user namespace to set.
                Err(Errno::EPERM) if hull_sys::id_map::in_user_namespace() => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(rustix::fs::futimens(file, &times(entry))?)
    }

    fn set_owner(&self, file: BorrowedFd<'_>, entry: &Entry) -> io::Result<()> {
        let (uid, gid) = match self.rules.owner {
            Owner::Set(uid, gid) => (uid, gid),
            Owner::Keep | Owner::KeepIfMapped => (entry.uid, entry.gid),
        };
        let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        match rustix::fs::chownat(file, c"", owner, group, AtFlags::EMPTY_PATH) {
            // Not an id of this user namespace; chown(2).
            Err(rustix::io::Errno::INVAL) if self.rules.owner == Owner::KeepIfMapped => Ok(()),
            Err(rustix::io::Errno::INVAL) => {
                Err(io::Error::other(format!("the owner {uid}:{gid} does not exist in this user namespace")))
            }
            done => Ok(done?),
        }
    }
}

impl Sink for Planter {
    fn put(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        match &entry.kind {
            Kind::Directory => self.directory(entry),
            Kind::File { size } => self.file(entry, *size, content),
            Kind::Symlink(target) => self.symlink(entry, target),
            Kind::Node { kind, device } => self.node(entry, *kind, *device),
            Kind::HardLink(target) => match self.link(entry, target)? {
                true => Ok(()),
                false => Err(self.refused(entry, &format!("it cannot be a link to {}", shown(target)))),
            },
        }
    }

    fn link(&mut self, entry: &Entry, target: &Path) -> Result<bool> {
        let spot = self.spot(entry)?;
        let linked =
            beneath(&self.top, target, OFlags::PATH).context(|| format!("link to {}", shown(target)))?;
        self.clear(&spot, entry)?;
        // By the descriptor's link: the file that was found, whatever its name means by now.
        let from = hull_sys::fs::fd_path(&linked);
        match rustix::fs::linkat(CWD, from, &*spot.directory, &spot.name, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => Ok(true),
            // Another file system, a directory, too many links.
            Err(rustix::io::Errno::XDEV | rustix::io::Errno::PERM | rustix::io::Errno::MLINK) => Ok(false),
            Err(errno) => Err(errno).context(|| self.writing(entry)),
        }
    }

    fn is_destination(&self, stat: &Stat) -> bool {
        (stat.st_dev, stat.st_ino) == self.identity
    }
}

impl Spot {
    fn kind(&self) -> Option<FileType> {
        let stat = rustix::fs::statat(&*self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        stat.ok().map(|stat| kind(&stat))
    }

    /// Linux 5.8; statx(2), `STATX_ATTR_MOUNT_ROOT`.
    fn is_mount_point(&self) -> bool {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let stat = rustix::fs::statx(&*self.directory, &self.name, flags, StatxFlags::TYPE);
        stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
    }

    /// What was just made here, by descriptor. Somebody may have put another file in its place.
    fn held(&self, expected: FileType, device: u64) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&*self.directory, &self.name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&made)?;
        if kind(&stat) != expected || stat.st_rdev != device || stat.st_nlink != 1 {
            return Err(io::Error::other("something else was put in its place meanwhile"));
        }
        Ok(made)
    }
}

fn times(entry: &Entry) -> Timestamps {
    Timestamps { last_access: entry.modified, last_modification: entry.modified }
}
