//! The mount calls that nix lacks (open_tree(2), move_mount(2), mount_setattr(2)), and entering a mount namespace.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags};

/// Enters a new mount namespace whose mounts are slaves of the old one's: what the host mounts later appears here, and
/// nothing mounted here appears on the host. The kernel unmounts it when the last process in the namespace ends.
pub fn enter_slave_namespace() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&str>)
}

/// Whether something is mounted at `path` itself (statx(2), Linux 5.8).
pub fn is_mount_point(path: &Path) -> bool {
    let stat = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE);
    stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// open_tree(2), Linux 5.2: a detached copy of the mount that `path` is on, showing what is at `path`.
pub fn clone_tree(dir: impl AsFd, path: &CStr, recursive: bool) -> nix::Result<OwnedFd> {
    let mut flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_EMPTY_PATH as u32;
    if recursive {
        flags |= libc::AT_RECURSIVE as u32;
    }
    // SAFETY: the descriptor is borrowed and the path is a C string; both outlive the call.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, dir.as_fd().as_raw_fd(), path.as_ptr(), flags) };
    // SAFETY: a descriptor just made, owned by nobody else.
    Errno::result(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// move_mount(2), Linux 5.2: attaches a detached mount on an open directory or file.
pub fn attach(mount: impl AsFd, target: impl AsFd) -> nix::Result<()> {
    const EMPTY: u32 = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    let (from, to) = (mount.as_fd().as_raw_fd(), target.as_fd().as_raw_fd());
    // SAFETY: both descriptors are borrowed and both paths are empty C strings.
    let done = unsafe { libc::syscall(libc::SYS_move_mount, from, c"".as_ptr(), to, c"".as_ptr(), EMPTY) };
    Errno::result(done).map(drop)
}

/// mount_setattr(2), Linux 5.12: sets and clears `MOUNT_ATTR_*` of a mount, and of those below it.
pub fn set_attributes(
    mount: impl AsFd,
    set: u64,
    clear: u64,
    propagation: u64,
    recursive: bool,
) -> nix::Result<()> {
    setattr(mount, libc::mount_attr { attr_set: set, attr_clr: clear, propagation, userns_fd: 0 }, recursive)
}

/// Maps the ids of a detached mount's files (`MOUNT_ATTR_IDMAP`): an id on the disk is taken as an id inside
/// `user_namespace`, and appears as the id that it has outside. Linux 5.12, if the file system supports it.
pub fn map_ids(mount: impl AsFd, user_namespace: impl AsFd, recursive: bool) -> nix::Result<()> {
    let userns_fd = user_namespace.as_fd().as_raw_fd() as u64;
    let attr_set = libc::MOUNT_ATTR_IDMAP;
    setattr(mount, libc::mount_attr { attr_set, attr_clr: 0, propagation: 0, userns_fd }, recursive)
}

fn setattr(mount: impl AsFd, attributes: libc::mount_attr, recursive: bool) -> nix::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the descriptor is borrowed; the attributes outlive the call and their size is passed.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(done).map(drop)
}
