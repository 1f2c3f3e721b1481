//! The paths of a build context that `.dockerignore` leaves out, for a bind mount of the context: the mount shows what
//! COPY would take.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_sys::fs::openat2;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};

use crate::Result;
use crate::context::Tree;
use crate::error::IoContext;

/// The topmost paths that are left out at `part` and below it.
pub(super) fn of(tree: &Tree, part: &Path) -> Result<Vec<PathBuf>> {
    let mut hidden = Vec::new();
    if tree.ignore.is_empty() {
        return Ok(hidden);
    }
    let part = part.strip_prefix("/").unwrap_or(part).to_owned();
    let mut pending = vec![part];
    while let Some(directory) = pending.pop() {
        let context = || format!("read {} in {}", directory.display(), tree.name);
        let at = if directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let opened = match openat2(tree.root.as_fd(), at, flags, Mode::empty(), resolve) {
            // It is a file, or it is reached through a symlink: what is there is decided by its own path.
            Err(nix::errno::Errno::ENOTDIR | nix::errno::Errno::ELOOP | nix::errno::Errno::ENOENT) => {
                continue;
            }
            opened => opened.context(context)?,
        };
        for entry in Dir::read_from(&opened).context(context)? {
            let entry = entry.context(context)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let path = directory.join(OsStr::from_bytes(name.to_bytes()));
            let is_directory = match entry.file_type() {
                FileType::Unknown => {
                    let stat =
                        rustix::fs::statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW).context(context)?;
                    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
                }
                kind => kind == FileType::Directory,
            };
            match (tree.ignore.excludes(&path), is_directory) {
                (true, true) if tree.ignore.may_include_beneath(&path) => pending.push(path),
                (true, _) => hidden.push(path),
                (false, true) => pending.push(path),
                (false, false) => {}
            }
        }
    }
    Ok(hidden)
}
