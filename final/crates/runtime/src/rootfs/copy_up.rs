//! The mount option `tmpcopyup`: a tmpfs that starts with a copy of the files that it covers.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use hull_sys::tree::{Created, Exact, Metadata, create_file};
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid};

use super::options::Options;
use crate::error::{Result, Step};

/// A limit for the recursion. No tree that a tmpfs covers is as deep.
const DEEPEST: u32 = 256;

/// Copies the directory `below` into the tmpfs `made` that is mounted on it.
pub(super) fn copy(below: &OwnedFd, made: &OwnedFd, options: &Options, shown: &Path) -> Result<()> {
    let step = || format!("copy what is at {} into the tmpfs there", shown.display());
    let read = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let from = rustix::fs::openat(below, ".", read, Mode::empty()).step(step)?;
    let to = rustix::fs::openat(made, ".", read, Mode::empty()).step(step)?;
    copy_directory(&from, &to, 0).step(step)?;
    // The tmpfs has got the directory's mode as a mount option, and its owner only if an option names one.
    if !options.data.split(',').any(|option| option.starts_with("uid=") || option.starts_with("gid=")) {
        let stat = rustix::fs::fstat(&from).step(step)?;
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        rustix::fs::fchown(&to, Some(uid), Some(gid)).step(step)?;
    }
    Ok(())
}

fn copy_directory(from: &OwnedFd, to: &OwnedFd, depth: u32) -> std::io::Result<()> {
    if depth > DEEPEST {
        return Err(rustix::io::Errno::LOOP.into());
    }
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            copy_entry(from, to, entry.file_name(), depth)?;
        }
    }
    Ok(())
}

fn copy_entry(from: &OwnedFd, to: &OwnedFd, name: &CStr, depth: u32) -> std::io::Result<()> {
    let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let kind = FileType::from_raw_mode(stat.st_mode);
    match kind {
        FileType::Directory => {
            rustix::fs::mkdirat(to, name, Mode::RWXU)?;
            let open = |dir: &OwnedFd| {
                rustix::fs::openat(dir, name, flags | OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
            };
            let (from, to) = (open(from)?, open(to)?);
            copy_directory(&from, &to, depth + 1)?;
            return copy_metadata(from.as_fd(), to.as_fd());
        }
        FileType::RegularFile => {
            // Without O_NONBLOCK, opening a FIFO that has replaced the file would block.
            let read = flags | OFlags::RDONLY | OFlags::NONBLOCK;
            let mut source = std::fs::File::from(rustix::fs::openat(from, name, read, Mode::empty())?);
            let mut target = create_file(to.as_fd(), OsStr::from_bytes(name.to_bytes()))?;
            hull_sys::fs::copy_content(&mut source, &mut target)?;
            return copy_metadata(source.as_fd(), target.as_fd());
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(from, name, Vec::new())?;
            rustix::fs::symlinkat(target, to, name)?;
        }
        kind => rustix::fs::mknodat(to, name, kind, Mode::RUSR | Mode::WUSR, stat.st_rdev)?,
    }
    let name = OsStr::from_bytes(name.to_bytes());
    let is_symlink = kind == FileType::Symlink;
    Created::Named { directory: to.as_fd(), name, is_symlink }.set(&Metadata::of(&stat, &[]), &Exact)
}

fn copy_metadata(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> std::io::Result<()> {
    let attributes = hull_sys::fs::xattrs(from)?;
    Created::Open(to).set(&Metadata::of(&rustix::fs::fstat(from)?, &attributes), &Exact)
}
