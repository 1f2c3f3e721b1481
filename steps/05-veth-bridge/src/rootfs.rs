//! The root file system: a tree of mounts, built in a mount namespace of its own, which then
//! replaces the host's.
//!
//! ```text
//! detach       mounts that follow are not seen on the host
//!   skeleton     /etc, /root, /tmp and the links of /
//!   bind_usr     this machine's programs, read-only
//! mount_kernel   /proc, /sys and /dev
//! pivot        "/" becomes the new tree, and the old one goes
//! ```
//!
//! Nothing has to be unmounted: the kernel removes the mounts with the namespace, and the namespace
//! with its last process.
//!
//! The order matters. Files of the host can be bound into the new tree only while the old root is
//! there. And before the pivot no path in the new tree may be followed blindly: a symbolic link in
//! it is still resolved from the host's root.

// For a system call that nix does not wrap.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};

use crate::report;

/// The directories and their usual modes: everybody may create files in /tmp, and remove their own.
const DIRECTORIES: [(&str, u32); 9] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
];

/// The least that programs need: which user is number 0, and how to look up names.
const FILES: [(&str, &str); 4] = [
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
];

/// Names in the root directory that are links into /usr on most machines, and directories on
/// others.
const TOP: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// What programs need outside /usr, if it exists.
const BOUND: [&str; 6] =
    ["nix/store", "gnu/store", "etc/alternatives", "etc/ld.so.cache", "etc/ssl/certs", "etc/terminfo"];

/// The devices that every program may need. No disks.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// The flags of file systems in which nobody needs set-user-ID programs, devices or executables.
const PLAIN: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

/// Checks the directory of --rootfs, outside and before anything is created. Returns its absolute
/// path.
pub fn check(dir: &Path) -> Result<PathBuf> {
    // The child has another working directory, where a relative path would mean something else.
    let root = dir.canonicalize().with_context(|| format!("realpath({})", dir.display()))?;
    if !root.is_dir() {
        return Err(Errno::ENOTDIR).with_context(|| format!("--rootfs {}", root.display()));
    }
    if root == Path::new("/") {
        // pivot_root to the present root fails with EBUSY; say so early.
        return Err(Errno::EBUSY)
            .context("hint: this is the root already; leave --rootfs out")
            .context("--rootfs /");
    }
    // Some machines mount /tmp noexec, where a program with all its x bits fails with "Permission
    // denied".
    let flags = statvfs(&root).with_context(|| format!("statvfs({})", root.display()))?.flags();
    if flags.contains(FsFlags::ST_NOEXEC) {
        return Err(Errno::EACCES)
            .context("hint: its file system is mounted noexec, so no program in it could run")
            .with_context(|| format!("--rootfs {}", root.display()));
    }
    Ok(root)
}

/// Makes all mounts private. A new mount namespace starts with a copy of the parent's mounts. If
/// they are shared (systemd shares all mounts), a mount in one copy appears in the other one too.
/// Without this call, the mounts that follow would appear on the host. In a user namespace the
/// kernel has already made the copies slaves of the host's mounts: mounts of the host appear here,
/// and ours do not appear there. For root, only this call protects the host (mount_namespaces(7)).
pub fn detach() -> Result<()> {
    // Recursive, because each mount has its own propagation type. With this flag mount(2) ignores
    // its other arguments.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .context("mount(/, MS_REC | MS_PRIVATE)")?;
    report::trace("mount(/, MS_REC | MS_PRIVATE)");
    Ok(())
}

/// Creates the directories that a root needs in addition to programs, and the mount points for the
/// programs.
pub fn skeleton(root: &Path) -> Result<()> {
    for (name, mode) in DIRECTORIES {
        let path = root.join(name);
        fs::create_dir_all(&path).with_context(|| format!("mkdir({})", path.display()))?;
        // With chmod, because the umask clears bits of the mode that mkdir gets.
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(&path, mode).with_context(|| format!("chmod({})", path.display()))?;
    }
    for (name, text) in FILES {
        let path = root.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    // Most programs need these names: scripts begin with #!/bin/sh, and dynamic programs name
    // /lib64/ld-linux-x86-64.so.2. A link on the host is a link here too; a directory is bound
    // below.
    for name in TOP {
        if let Ok(target) = fs::read_link(Path::new("/").join(name)) {
            let path = root.join(name);
            symlink(target, &path).with_context(|| format!("symlink({})", path.display()))?;
        }
    }
    for name in bound() {
        let to = root.join(name);
        // A directory can be mounted on a directory only, and a file on a file only (ENOTDIR).
        let made = match Path::new("/").join(name).is_dir() {
            true => fs::create_dir_all(&to),
            false => fs::write(&to, ""),
        };
        made.with_context(|| format!("create the mount point {}", to.display()))?;
    }
    Ok(())
}

/// Binds this machine's programs, read-only. A bind mount shows a directory in a second place;
/// nothing is copied.
pub fn bind_usr(root: &Path) -> Result<()> {
    for name in bound() {
        let to = root.join(name);
        bind(&Path::new("/").join(name), &to)?;
        // These are the machine's own files, and root inside could change them. The read-only flag
        // belongs to the mount, not to the files: they cannot be changed through this mount.
        make_read_only(&to)?;
    }
    Ok(())
}

/// The names that this machine has and that are not links. Distributions keep different things
/// outside /usr: NixOS and Guix keep their programs there, and Debian keeps the links between
/// alternatives there.
fn bound() -> impl Iterator<Item = &'static str> {
    let top = TOP.into_iter().filter(|name| !Path::new("/").join(name).is_symlink());
    ["usr"].into_iter().chain(top).chain(BOUND).filter(|name| Path::new("/").join(name).exists())
}

/// Binds a directory with all mounts below it (MS_REC). Without them the bind would show the files
/// that these mounts hide, so in a user namespace it fails with EINVAL (mount_namespaces(7)).
fn bind(from: &Path, to: &Path) -> Result<()> {
    let call = || format!("mount({} -> {}, MS_BIND | MS_REC)", from.display(), to.display());
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .with_context(call)?;
    report::trace(call());
    Ok(())
}

/// Makes a mount and all mounts below it read-only, with mount_setattr(2) (Linux 5.12). The older
/// mount(2) changes one mount only, and the caller has to repeat all its other flags.
pub fn make_read_only(tree: &Path) -> Result<()> {
    let call = || format!("mount_setattr({}, MOUNT_ATTR_RDONLY, recursive)", tree.display());
    let path = CString::new(tree.as_os_str().as_encoded_bytes()).with_context(call)?;
    let attr =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let (flags, size) = (libc::AT_RECURSIVE, size_of_val(&attr));
    // SAFETY: the path ends in a zero byte, and `attr` is as long as we say.
    let done = unsafe {
        libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, path.as_ptr(), flags, &raw const attr, size)
    };
    Errno::result(done).with_context(call)?;
    report::trace(call());
    Ok(())
}

/// Mounts the kernel's own file systems. /proc shows the PID namespace that it was mounted in. With
/// the /proc of the host, `ps` would list the processes of the host, and `kill` would not find them.
pub fn mount_kernel(root: &Path) -> Result<()> {
    mount_new("proc", &mount_point(root, "proc")?, PLAIN, "")?;
    // It shows the network namespace of the process that mounts it, and so it takes one (step 5).
    // Its other files are about the machine, so it is read-only.
    mount_new("sysfs", &mount_point(root, "sys")?, PLAIN | MsFlags::MS_RDONLY, "")?;
    let dev = mount_point(root, "dev")?;
    mount_new("tmpfs", &dev, MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, "mode=0755")?;
    bind_devices(&dev)?;
    mount_terminals(&dev)
}

/// Binds the devices of the host. In a user namespace no device can be created, because a new device
/// would give access to the host's hardware.
fn bind_devices(dev: &Path) -> Result<()> {
    for name in DEVICES {
        let to = dev.join(name);
        fs::write(&to, "").with_context(|| format!("create the mount point {}", to.display()))?;
        bind(&Path::new("/dev").join(name), &to)?;
    }
    Ok(())
}

/// Mounts terminals and shared memory of the container's own, and creates the links that programs
/// expect in /dev.
fn mount_terminals(dev: &Path) -> Result<()> {
    for name in ["pts", "shm"] {
        fs::create_dir(dev.join(name)).with_context(|| format!("mkdir({}/{name})", dev.display()))?;
    }
    // newinstance: an empty /dev/pts, and a ptmx that opens new terminals in it. The terminal on
    // stdin belongs to the host, so it is not in this /dev/pts.
    let noexec = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount_new("devpts", &dev.join("pts"), noexec, "newinstance,ptmxmode=0666,mode=0620")?;
    // 1777 as for /tmp: everybody may create files, and remove their own (the sticky bit).
    mount_new("tmpfs", &dev.join("shm"), PLAIN, "mode=1777")?;
    // Traditional names of files in /proc, which shells and scripts use.
    let descriptors = [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")];
    for (name, rest) in descriptors {
        symlink(format!("/proc/self/fd{rest}"), dev.join(name))
            .with_context(|| format!("symlink(dev/{name})"))?;
    }
    symlink("pts/ptmx", dev.join("ptmx")).context("symlink(dev/ptmx)")
}

/// Returns a mount point, created if it is missing. A symbolic link is refused: mount(2) follows
/// links, so `dev -> /etc` in an untrusted tree would lead to a mount over the host's /etc. (The
/// lesson on images uses openat2(2), with which the kernel itself refuses such a path.)
fn mount_point(root: &Path, name: &str) -> Result<PathBuf> {
    let path = root.join(name);
    if path.is_symlink() {
        bail!("{} is a link, which would lead out of the new root", path.display());
    }
    fs::create_dir_all(&path).with_context(|| format!("mkdir({})", path.display()))?;
    Ok(path)
}

/// Mounts a new file system that is not on a disk.
fn mount_new(kind: &str, at: &Path, flags: MsFlags, data: &str) -> Result<()> {
    let comma = if data.is_empty() { "" } else { ", " };
    let call = format!("mount({kind} -> {}{comma}{data})", at.display());
    mount(Some(kind), at, Some(kind), flags, Some(data)).map_err(|errno| {
        let error = anyhow::Error::new(errno);
        // In a user namespace a new proc may show no more than an existing one does
        // (mount_namespaces(7)).
        let error = match (kind, errno) {
            ("proc", Errno::EPERM) => error.context(
                "hint: something is mounted over parts of /proc, as docker does it: run the outer container with\n      \
                 --privileged, or with --security-opt systempaths=unconfined",
            ),
            _ => error,
        };
        error.context(call.clone())
    })?;
    report::trace(call);
    Ok(())
}

/// Makes `root` the root directory and detaches the old one. chroot(2) is not enough: it changes only
/// where "/" leads, and the old tree stays mounted. Root gets back to it with a second chroot into a
/// subdirectory, which leaves the working directory outside of the new root, and then with `..`.
/// After a pivot there is nothing above the root.
pub fn pivot(root: &Path) -> Result<()> {
    nix::unistd::chdir(root).with_context(|| format!("chdir({})", root.display()))?;
    // The second argument is where the old root is mounted. "." mounts it on top of the new root, so
    // no directory is needed for it (pivot_root(2)).
    nix::unistd::pivot_root(".", ".").map_err(|errno| {
        let error = anyhow::Error::new(errno);
        let error = match errno {
            Errno::EINVAL => error.context(
                "hint: the present root is an initramfs, which pivot_root cannot leave, or it is shared",
            ),
            _ => error,
        };
        error.context("pivot_root(., .)")
    })?;
    report::trace(format!("pivot_root({}, .)   the old root is on top", root.display()));
    // "." is the upper one of the two, the old root. It is busy, so use MNT_DETACH: the kernel
    // removes the whole tree at once, and frees each mount when nothing uses it any more.
    umount2(".", MntFlags::MNT_DETACH).context("umount2(., MNT_DETACH)")?;
    report::trace("umount2(., MNT_DETACH)   the old root is gone");
    // The working directory was the new root already. This line does not depend on that.
    nix::unistd::chdir("/").context("chdir(/)")
}
