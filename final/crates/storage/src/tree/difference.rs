//! The difference between a snapshot and its original, written as the upper directory of an overlay: changed and new
//! files, and a whiteout (a character device 0:0, overlayfs.rst) for each file that is gone. Code that reads layers can
//! then read it.
//!
//! The files of a btrfs snapshot have the inode numbers and the change times (ctime) of their originals. The kernel
//! sets the ctime with every change and lets nobody choose it. So a file with the same inode number and ctime is
//! unchanged, and is not read.

use std::collections::HashMap;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

use super::copy::{Copier, copy_metadata};
use super::walk::{Identity, OnError, Visitor, identity, parent_of, walk};
use crate::error::{Error, IoContext, Result};

/// Writes the difference between the snapshot `changed` and its original `base` into `upper`, which is created.
pub fn difference(base: &Path, changed: &Path, upper: &Path) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |path: &Path| {
        rustix::fs::open(path, flags, Mode::empty()).context(|| format!("open {}", path.display()))
    };
    let context = || format!("compare {} with {}", changed.display(), base.display());
    rustix::fs::mkdir(upper, Mode::RWXU).context(|| format!("make {}", upper.display()))?;
    let (original, source, top) = (open(base)?, open(changed)?, open(upper)?);
    let current = top.try_clone().context(context)?;
    let copier = Copier {
        top,
        current,
        levels: Vec::new(),
        linked: HashMap::new(),
        owner: &|uid, gid| (uid, gid),
        is_layer: false,
    };
    let mut visitor = Difference { copier, base: original, levels: Vec::new() };
    walk(source.try_clone().context(context)?, &mut visitor, OnError::Stop).map_err(|failure| Error::Io {
        action: format!("compare {}", changed.join(failure.path).display()),
        source: failure.error,
    })?;
    visitor.mark_removed(source.as_fd()).context(context)?;
    copy_metadata(source.as_fd(), visitor.copier.top.as_fd()).context(context)
}

/// What the original has for a directory that the walk has entered.
enum Level {
    /// The original has the directory. The identity is that of the original's directory above.
    Has(Identity),
    /// The original has no directory of this name.
    Lacks,
}

struct Difference<'a> {
    copier: Copier<'a>,
    /// The original's directory for the deepest one on the walk's path that the original has.
    base: OwnedFd,
    levels: Vec<Level>,
}

impl Difference<'_> {
    /// The original's directory for the one that the walk is in.
    fn original(&self) -> Option<&OwnedFd> {
        match self.levels.last() {
            Some(Level::Lacks) => None,
            Some(Level::Has(_)) | None => Some(&self.base),
        }
    }

    /// Makes whiteouts for the entries that the original has and the snapshot's directory lacks.
    fn mark_removed(&self, directory: BorrowedFd<'_>) -> io::Result<()> {
        let Some(original) = self.original() else { return Ok(()) };
        for entry in Dir::read_from(original)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(rustix::io::Errno::NOENT) => {
                    let kind = FileType::CharacterDevice;
                    rustix::fs::mknodat(&self.copier.current, name, kind, Mode::empty(), 0)?;
                }
                found => drop(found?),
            }
        }
        Ok(())
    }
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_ino, one.st_mode, one.st_ctime, one.st_ctime_nsec)
        == (other.st_ino, other.st_mode, other.st_ctime, other.st_ctime_nsec)
}

impl Visitor for Difference<'_> {
    fn open(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Option<OwnedFd>> {
        let child = self.copier.open(dir, name)?;
        if child.is_some() {
            let original =
                self.original().map(|base| hull_sys::fs::open_subdirectory(base, name, OFlags::RDONLY));
            match original {
                Some(Ok(below)) => {
                    self.levels.push(Level::Has(identity(self.base.as_fd())?));
                    self.base = below;
                }
                Some(Err(_)) | None => self.levels.push(Level::Lacks),
            }
        }
        Ok(child)
    }

    fn file(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        if let Some(base) = self.original()
            && let Ok(original) = rustix::fs::statat(base, name, AtFlags::SYMLINK_NOFOLLOW)
            && is_same(&original, &rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?)
        {
            return Ok(());
        }
        self.copier.file(dir, name)
    }

    fn leave(&mut self, dir: BorrowedFd<'_>, name: &CStr, child: BorrowedFd<'_>) -> io::Result<()> {
        self.mark_removed(child)?;
        let is_unchanged = match self.original() {
            Some(original) => is_same(&rustix::fs::fstat(original)?, &rustix::fs::fstat(child)?),
            None => false,
        };
        self.copier.leave(dir, name, child)?;
        if is_unchanged {
            // An empty copy means that nothing below the directory has changed either. Otherwise rmdir fails, and the
            // copy stays.
            match rustix::fs::unlinkat(&self.copier.current, name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(rustix::io::Errno::NOTEMPTY) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(Level::Has(above)) = self.levels.pop() {
            self.base = parent_of(self.base.as_fd(), above)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{FileTypeExt, MetadataExt};

    use super::*;
    use crate::testing::{Scratch, as_root};

    /// Hard links have the inodes and times of their originals, as the files of a snapshot have; directories have not.
    fn snapshot(from: &Path, to: &Path) {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let (one, other) = (entry.path(), to.join(entry.file_name()));
            match entry.file_type().unwrap().is_dir() {
                true => snapshot(&one, &other),
                false => fs::hard_link(one, other).unwrap(),
            }
        }
    }

    #[test]
    fn only_what_has_changed_is_written() {
        as_root("only_what_has_changed_is_written", || {
            let scratch = Scratch::new();
            let at = |path: &str| scratch.path().join(path);
            fs::create_dir_all(at("base/a/b")).unwrap();
            for file in ["base/a/b/kept", "base/a/gone", "base/a/changed", "base/file"] {
                fs::write(at(file), file).unwrap();
            }
            snapshot(&at("base"), &at("new"));
            fs::remove_file(at("new/a/gone")).unwrap();
            fs::remove_file(at("new/a/changed")).unwrap();
            fs::write(at("new/a/changed"), "other").unwrap();
            fs::create_dir_all(at("new/added/deep")).unwrap();
            fs::remove_file(at("new/file")).unwrap();
            fs::create_dir(at("new/file")).unwrap();
            difference(&at("base"), &at("new"), &at("upper")).unwrap();

            let kind = |path: &str| fs::symlink_metadata(at(path)).map(|meta| meta.file_type());
            let whiteout = fs::symlink_metadata(at("upper/a/gone")).unwrap();
            assert!(whiteout.file_type().is_char_device() && whiteout.rdev() == 0);
            assert_eq!(fs::read_to_string(at("upper/a/changed")).unwrap(), "other");
            assert!(kind("upper/added/deep").unwrap().is_dir() && kind("upper/file").unwrap().is_dir());
            assert!(kind("upper/a/b/kept").is_err());
        });
    }
}
