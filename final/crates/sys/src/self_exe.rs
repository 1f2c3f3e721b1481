//! Executes this program again from a file that cannot be written.
//!
//! A process in a container can open `/proc/PID/exe` of a hull process that enters the container, wait until that process
//! has ended, and then write to hull's program file (CVE-2019-5736). On a read-only mount, opening it for writing always
//! fails with EROFS.
//!
//! An unprivileged user can mount only in a user namespace, which the containers share, and a container with CAP_SYS_ADMIN
//! could make a mount writable again. An overlay without an upper layer cannot be written, whatever its mount flags are.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, Stat, StatVfsMountFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen, move_mount,
};

const SELF: &CStr = c"/proc/self/exe";

/// Executes this program again from a read-only file. Returns if it already runs from one.
pub fn protect() -> nix::Result<()> {
    // A mount takes CAP_SYS_ADMIN. Without it the program is executed from a sealed copy in memory.
    protect_by(read_only_mount)
}

/// Like [`protect`], for root of a user namespace in a mount namespace of its own. `other` is an unused directory, made if
/// missing, that is the second lower layer and the mount point: an overlay without an upper layer needs two lower layers.
/// Before Linux 5.11, and on a file system that overlay does not accept, the program is copied to memory.
pub fn protect_in_user_namespace(other: &Path) -> nix::Result<()> {
    protect_by(|| make_and_mount(other))
}

/// Executes this program with other arguments, from a read-only file. `other` is [`protect_in_user_namespace`]'s, in such a
/// namespace.
pub fn execute_with(args: &[CString], other: Option<&Path>) -> nix::Result<Infallible> {
    let own = rustix::fs::open(SELF, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(errno)?;
    let file = match (is_protected(&own)?, other) {
        (true, _) => Ok(own),
        (false, None) => read_only_mount(),
        (false, Some(other)) => make_and_mount(other),
    };
    execute(&file.or_else(|_| sealed_memory())?, args)
}

fn make_and_mount(other: &Path) -> nix::Result<OwnedFd> {
    match rustix::fs::mkdir(other, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => read_only_overlay(other),
        Err(error) => Err(errno(error)),
    }
}

/// Executes this program again from the file that `mount` gives, or from a sealed copy in memory if there is no mount. Returns
/// if the program already runs from such a file.
fn protect_by(mount: impl FnOnce() -> nix::Result<OwnedFd>) -> nix::Result<()> {
    let own = rustix::fs::open(SELF, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(errno)?;
    if is_protected(&own)? {
        return Ok(());
    }
    let copy = match mount() {
        Ok(mount) => mount,
        Err(_) => sealed_memory()?,
    };
    let args: Vec<CString> =
        std::env::args_os().filter_map(|arg| CString::new(arg.as_bytes()).ok()).collect();
    // The call returns only with an error: its success is a new program.
    match execute(&copy, &args)? {}
}

fn execute(file: &OwnedFd, args: &[CString]) -> nix::Result<Infallible> {
    let env: Vec<CString> = std::env::vars_os()
        .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok())
        .collect();
    nix::unistd::execveat(file.as_fd(), c"", args, &env, nix::fcntl::AtFlags::AT_EMPTY_PATH)
}

fn is_protected(own: &OwnedFd) -> nix::Result<bool> {
    if rustix::fs::fstatvfs(own).map_err(errno)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Ok(true);
    }
    // Only a memfd has seals. For other files fcntl(2) fails with EINVAL.
    Ok(rustix::fs::fcntl_get_seals(own).is_ok_and(|seals| seals.contains(SealFlags::WRITE)))
}

fn read_only_mount() -> nix::Result<OwnedFd> {
    let exe = std::fs::read_link("/proc/self/exe").map_err(|_| Errno::ENOENT)?;
    let path = CString::new(exe.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let here = rustix::fs::open(c"/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(errno)?;
    let mount = crate::mount::clone_tree(&here, &path, false)?;
    // The file at the path may have been replaced since it was executed.
    let (ours, theirs) = own_file_and(&mount)?;
    if (ours.st_dev, ours.st_ino) != (theirs.st_dev, theirs.st_ino) {
        return Err(Errno::ESTALE);
    }
    crate::mount::set_attributes(&mount, libc::MOUNT_ATTR_RDONLY, 0, 0, false)?;
    Ok(mount)
}

fn read_only_overlay(other: &Path) -> nix::Result<OwnedFd> {
    let exe = std::fs::read_link("/proc/self/exe").map_err(|_| Errno::ENOENT)?;
    let (Some(directory), Some(name)) = (exe.parent(), exe.file_name()) else { return Err(Errno::EINVAL) };
    let overlay = || -> rustix::io::Result<OwnedFd> {
        let open = |path: &Path| {
            rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        };
        let (lower, other) = (open(directory)?, open(other)?);
        // The links in /proc/self/fd have no character that needs escaping.
        let layers = format!("{}:{}", crate::fs::fd_path(&lower), crate::fs::fd_path(&other));
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "lowerdir", layers)?;
        fsconfig_create(&context)?;
        let mount = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)?;
        // execve(2) closes the descriptor. If the mount were detached, that would unmount it and wait for an RCU grace
        // period. An attached mount is unmounted later, with the namespace.
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(&mount, "", &other, "", flags)?;
        rustix::fs::openat(&mount, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
    };
    let copy = overlay().map_err(errno)?;
    // The file at the path may have been replaced since it was executed. An overlay shows the file's own inode number, but
    // another device number.
    let (ours, theirs) = own_file_and(&copy)?;
    let identity = |stat: &Stat| (stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    if identity(&ours) != identity(&theirs) {
        return Err(Errno::ESTALE);
    }
    Ok(copy)
}

fn sealed_memory() -> nix::Result<OwnedFd> {
    let memory =
        rustix::fs::memfd_create(c"hull", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).map_err(errno)?;
    let mut file = std::fs::File::from(memory);
    let mut own = std::fs::File::open("/proc/self/exe").map_err(|_| Errno::EIO)?;
    std::io::copy(&mut own, &mut file).map_err(|_| Errno::EIO)?;
    file.flush().map_err(|_| Errno::EIO)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&file, seals).map_err(errno)?;
    // A descriptor open for writing cannot be executed (ETXTBSY).
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(errno)
}

/// The status of this program's file and of the copy that is to be executed.
fn own_file_and(copy: &OwnedFd) -> nix::Result<(Stat, Stat)> {
    Ok((rustix::fs::stat(SELF).map_err(errno)?, rustix::fs::fstat(copy).map_err(errno)?))
}

/// This crate's functions return nix's error type. Both are the same number.
fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}
