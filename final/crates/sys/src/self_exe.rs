//! Runs this program from a copy of its own file that cannot be written.
//!
//! A process in a container can open `/proc/PID/exe` of a hull process that enters it, wait until the program has
//! ended, and write through it (CVE-2019-5736). From a read-only mount that `open` fails with EROFS, at any time.
//!
//! An ordinary user can mount only in a user namespace, which containers share, and a container with CAP_SYS_ADMIN
//! could make a mount writable again. An overlay without an upper layer cannot be written, whatever its flags.

use std::ffi::{CStr, CString};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::statvfs::FsFlags;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen, move_mount,
};

const SELF: &CStr = c"/proc/self/exe";

/// Executes this program again from a read-only place; returns at once where it already runs from one.
pub fn protect() -> nix::Result<()> {
    // A mount needs CAP_SYS_ADMIN in its namespace; an ordinary user gets a sealed copy in memory.
    protect_by(read_only_mount)
}

/// The same for root of a user namespace, in its own mount namespace. `other` is an unused directory, made if missing,
/// that serves as second lower layer and as mount point: an overlay without an upper layer needs two lower ones. Takes
/// Linux 5.11; before that, and on a file system that overlay does not accept, the program is copied.
pub fn protect_in_user_namespace(other: &Path) -> nix::Result<()> {
    protect_by(|| match rustix::fs::mkdir(other, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => read_only_overlay(other),
        Err(errno) => Err(Errno::from_raw(errno.raw_os_error())),
    })
}

fn protect_by(mount: impl FnOnce() -> nix::Result<OwnedFd>) -> nix::Result<()> {
    let own = nix::fcntl::open(
        SELF,
        nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )?;
    if is_protected(&own)? {
        return Ok(());
    }
    let copy = match mount() {
        Ok(mount) => mount,
        Err(_) => sealed_memory()?,
    };
    let args: Vec<CString> =
        std::env::args_os().filter_map(|arg| CString::new(arg.as_bytes()).ok()).collect();
    let env: Vec<CString> = std::env::vars_os()
        .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok())
        .collect();
    match nix::unistd::execveat(copy.as_fd(), c"", &args, &env, nix::fcntl::AtFlags::AT_EMPTY_PATH) {
        Err(errno) => Err(errno),
        Ok(never) => match never {},
    }
}

fn is_protected(own: &OwnedFd) -> nix::Result<bool> {
    if nix::sys::statvfs::fstatvfs(own)?.flags().contains(FsFlags::ST_RDONLY) {
        return Ok(true);
    }
    // Only a memfd has seals: EINVAL for other files (fcntl(2)).
    let seals = fcntl(own, FcntlArg::F_GET_SEALS).unwrap_or(0);
    Ok(SealFlag::from_bits_truncate(seals).contains(SealFlag::F_SEAL_WRITE))
}

fn read_only_mount() -> nix::Result<OwnedFd> {
    let exe = std::fs::read_link("/proc/self/exe").map_err(|_| Errno::ENOENT)?;
    let path = CString::new(exe.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let here = nix::fcntl::open(
        c"/",
        nix::fcntl::OFlag::O_PATH | nix::fcntl::OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )?;
    let mount = crate::mount::clone_tree(&here, &path, false)?;
    // The path may have been replaced since we were started from it.
    let (ours, theirs) = (nix::sys::stat::stat(SELF)?, nix::sys::stat::fstat(&mount)?);
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
        // A detached mount goes with its descriptor, at execve(2), which then waits for an RCU grace period. An
        // attached one goes later, with the namespace.
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(&mount, "", &other, "", flags)?;
        rustix::fs::openat(&mount, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
    };
    let copy = overlay().map_err(|errno| Errno::from_raw(errno.raw_os_error()))?;
    // The path may have been replaced since we were started from it. An overlay shows a file's own inode number, and a device
    // number of its own.
    let (ours, theirs) = (nix::sys::stat::stat(SELF)?, nix::sys::stat::fstat(&copy)?);
    let identity = |stat: &libc::stat| (stat.st_ino, stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    if identity(&ours) != identity(&theirs) {
        return Err(Errno::ESTALE);
    }
    Ok(copy)
}

fn sealed_memory() -> nix::Result<OwnedFd> {
    let memory = memfd_create(c"hull", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = std::fs::File::from(memory);
    let mut own = std::fs::File::open("/proc/self/exe").map_err(|_| Errno::EIO)?;
    std::io::copy(&mut own, &mut file).map_err(|_| Errno::EIO)?;
    file.flush().map_err(|_| Errno::EIO)?;
    let seals =
        SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    // A descriptor open for writing cannot be executed (ETXTBSY).
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    nix::fcntl::open(
        path.as_str(),
        nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )
}
