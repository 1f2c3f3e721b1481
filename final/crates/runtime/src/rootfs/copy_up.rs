//! The mount option `tmpcopyup`: a tmpfs that starts with a copy of the files that it covers.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};

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
    let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            rustix::fs::mkdirat(to, name, mode)?;
            let open = |dir: &OwnedFd| {
                rustix::fs::openat(dir, name, flags | OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
            };
            let (from, to) = (open(from)?, open(to)?);
            copy_directory(&from, &to, depth + 1)?;
            copy_owner_and_mode(&from, &to)?;
        }
        FileType::RegularFile => {
            // Without O_NONBLOCK, opening a FIFO that has replaced the file would block.
            let read = flags | OFlags::RDONLY | OFlags::NONBLOCK;
            let mut source = std::fs::File::from(rustix::fs::openat(from, name, read, Mode::empty())?);
            let create = flags | OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
            let mut target = std::fs::File::from(rustix::fs::openat(to, name, create, mode)?);
            hull_sys::fs::copy_content(&mut source, &mut target)?;
            copy_owner_and_mode(&source, &target)?;
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(from, name, Vec::new())?;
            rustix::fs::symlinkat(target, to, name)?;
            set_owner(to, name, &stat)?;
        }
        kind => {
            rustix::fs::mknodat(to, name, kind, mode, stat.st_rdev)?;
            set_owner(to, name, &stat)?;
        }
    }
    Ok(())
}

fn set_owner(dir: &OwnedFd, name: &CStr, stat: &Stat) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
}

/// Copies the owner first, because changing it clears the setuid bit, and the times last.
fn copy_owner_and_mode(from: impl AsFd, to: impl AsFd) -> std::io::Result<()> {
    let stat = rustix::fs::fstat(&from)?;
    rustix::fs::fchown(&to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    rustix::fs::fchmod(&to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    for (name, value) in hull_sys::fs::xattrs(&from)? {
        hull_sys::fs::set_xattr(&to, &name, &value)?;
    }
    let time = |seconds: i64, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds as _ };
    let times = Timestamps {
        last_access: time(stat.st_atime as i64, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime as i64, stat.st_mtime_nsec),
    };
    Ok(rustix::fs::futimens(&to, &times)?)
}
