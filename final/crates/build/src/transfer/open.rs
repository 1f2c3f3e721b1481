//! Opens what is in a tree. Paths have no symlinks here, so one that is there is an attack.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_image::Bounded;
use hull_image::members::{Members, shown};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec};

use crate::Result;
use crate::context::Tree;
use crate::error::IoContext;

/// Whether a file is a tar, plain or compressed, with at least one member. Its content decides, and not its name.
pub(super) fn is_archive(tree: &Tree, path: &Path) -> Result<bool> {
    let Some(file) = open_file(tree, path)? else { return Ok(false) };
    let Ok(stream) = Bounded::new(BufReader::new(file)) else { return Ok(false) };
    Ok(matches!(Members::new(BufReader::new(stream)).next_member(), Ok(Some(_))))
}

/// Joining an empty path would leave a slash at the end.
pub(super) fn joined(path: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { path.to_owned() } else { path.join(below) }
}

/// Opens a directory of a tree.
pub(super) fn open_directory(tree: &Tree, path: &Path) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    Ok(hull_storage::tree::open_beneath(&tree.root, path, flags, resolve)?)
}

/// Opens a regular file of a tree. `None` if it is none.
pub(super) fn open_file(tree: &Tree, path: &Path) -> Result<Option<File>> {
    let reading = || format!("read {} in {}", shown(path), tree.name);
    let directory = open_directory(tree, path.parent().unwrap_or(Path::new(""))).context(reading)?;
    let name = path.file_name().unwrap_or_default();
    let stat = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW).context(reading)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    // NONBLOCK: if a FIFO has taken the file's name, opening it must not wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(&directory, name, flags, Mode::empty()).context(reading)?);
    Ok(file.metadata().context(reading)?.is_file().then_some(file))
}

/// The names in a directory, sorted so that equal trees make equal layers, and their types.
pub(super) fn names(directory: &OwnedFd) -> io::Result<Vec<(OsString, FileType)>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name: &CStr = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not say it here.
            FileType::Unknown => {
                let stat = match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Err(rustix::io::Errno::NOENT) => continue,
                    stat => stat?,
                };
                FileType::from_raw_mode(stat.st_mode)
            }
            kind => kind,
        };
        names.push((OsStr::from_bytes(name.to_bytes()).to_owned(), kind));
    }
    names.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    Ok(names)
}

pub(super) fn modified(stat: &Stat) -> Timespec {
    Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as i64 }
}
