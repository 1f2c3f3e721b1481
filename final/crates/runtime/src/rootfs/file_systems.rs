//! New file systems. They are mounted detached (fsopen(2), fsmount(2)), so that the mount is held by its descriptor from the
//! start, and attached later. Attributes that are set on it, and files that are made in it, go to this mount even if the
//! path leads elsewhere by then.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::libc;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::options::Options;

/// The longest value that fsconfig(2) takes.
const LONGEST_VALUE: usize = 255;

/// Mount flags that belong to the file system and not to the mount, by the names that fsconfig(2) takes.
const SUPERBLOCK_FLAGS: &[(u64, &str)] = &[
    (libc::MS_RDONLY, "ro"),
    (libc::MS_SYNCHRONOUS, "sync"),
    (libc::MS_DIRSYNC, "dirsync"),
    (libc::MS_MANDLOCK, "mand"),
    (libc::MS_LAZYTIME, "lazytime"),
];

/// A detached mount of a new file system.
pub(super) fn create(kind: &str, source: &str, options: &Options) -> nix::Result<OwnedFd> {
    let context = &open(kind)?;
    match make(context, source, options, |_| true) {
        // In a user namespace group 5 may have no mapping. The terminals then belong to the group of the process that
        // opens them.
        Err(Errno::EINVAL) if kind == "devpts" && options.data.contains("gid=") => {
            make(&open(kind)?, source, options, |name| name != "gid")
        }
        result => result,
    }
}

/// A detached mount of the file system whose context was opened before.
pub(super) fn create_in(context: &OwnedFd, source: &str, options: &Options) -> nix::Result<OwnedFd> {
    make(context, source, options, |_| true)
}

pub(super) fn open(kind: &str) -> nix::Result<OwnedFd> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC);
    context.map_err(|errno| Errno::from_raw(errno.raw_os_error()))
}

fn make(
    context: &OwnedFd,
    source: &str,
    options: &Options,
    is_wanted: impl Fn(&str) -> bool,
) -> nix::Result<OwnedFd> {
    use rustix::mount::{fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount};
    let errno = |errno: rustix::io::Errno| Errno::from_raw(errno.raw_os_error());
    fsconfig_set_string(context, "source", source).map_err(errno)?;
    for (flag, name) in SUPERBLOCK_FLAGS {
        if options.flags & flag != 0 {
            fsconfig_set_flag(context, *name).map_err(errno)?;
        }
    }
    for option in options.data.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some((name, value)) if is_wanted(name) => fsconfig_set_string(context, name, value),
            Some(_) => Ok(()),
            None => fsconfig_set_flag(context, option),
        }
        .map_err(errno)?;
    }
    fsconfig_create(context).map_err(errno)?;
    let attributes = MountAttrFlags::from_bits_retain(options.attributes as u32);
    fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(errno)
}

/// True if only mount(2) can make the mount: fsconfig(2) does not accept long values, such as a list of layers, and has no
/// names for a few old flags.
pub(super) fn needs_mount(options: &Options) -> bool {
    let is_long = |option: &str| option.split_once('=').is_some_and(|(_, value)| value.len() > LONGEST_VALUE);
    options.flags & (libc::MS_I_VERSION | libc::MS_SILENT) != 0 || options.data.split(',').any(is_long)
}
