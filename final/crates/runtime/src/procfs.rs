//! The file system at /proc, checked to be a procfs.
//!
//! Writes to /proc matter for security: labels, id mappings, sysctls. If somebody else can mount something over /proc or a
//! file in it, such a write could reach another file of the kernel and change the host, or succeed without effect
//! (CVE-2019-16884, CVE-2025-52881). So the root is checked to be that of a procfs before anything below it is opened, and
//! no lookup crosses a mount.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;

use hull_sys::Kind;
use hull_sys::fs::magic::{PROC, SYSFS, file_system_of};
use nix::errno::Errno;
use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::error::{Error, Result, Step};

/// The inode of the root of every procfs, and of nothing else in it (`PROC_ROOT_INO` of linux/proc_ns.h).
const ROOT_INODE: u64 = 1;

pub(crate) struct Procfs(OwnedFd);

impl Procfs {
    /// Opens /proc of the current mount namespace, and fails if it is not a procfs.
    pub(crate) fn open() -> Result<Self> {
        let step = || "open /proc".to_owned();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open("/proc", flags, Mode::empty()).step(step)?;
        match is_root(&root).step(step)? {
            true => Ok(Self(root)),
            false => {
                let text = "/proc is not a proc file system: nothing there can be trusted";
                Err(Error::failed(Kind::NotPermitted, text))
            }
        }
    }

    /// Opens a file in it. `self` is the only link that is followed; another one, or a mount on the way, is an error.
    pub(crate) fn file(&self, path: &Path, flags: OFlags) -> nix::Result<File> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
        hull_sys::fs::openat2(&self.0, path, flags, Mode::empty(), resolve).map(File::from)
    }

    /// Writes the text in one call, as most files in /proc demand.
    pub(crate) fn write(&self, path: impl AsRef<Path>, text: &str) -> std::io::Result<()> {
        let mut file = self.file(path.as_ref(), OFlags::WRONLY)?;
        file.write(text.as_bytes()).and_then(|written| match written == text.len() {
            true => Ok(()),
            false => Err(std::io::ErrorKind::WriteZero.into()),
        })
    }

    /// Opens a namespace of a process (namespaces(7)). It is the target of the magic link `ns/NAME` and has no path.
    pub(crate) fn namespace(&self, process: &str, name: &str) -> std::io::Result<OwnedFd> {
        let directory = self.file(&Path::new(process).join("ns"), OFlags::PATH | OFlags::DIRECTORY)?;
        Ok(rustix::fs::openat(directory, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// This process's pid in the pid namespace that the procfs was mounted for.
    pub(crate) fn own_pid(&self) -> std::io::Result<i32> {
        let name = rustix::fs::readlinkat(&self.0, "self", Vec::new())?;
        let pid = name.to_str().ok().and_then(|name| name.parse().ok());
        pid.ok_or_else(|| Errno::ESRCH.into())
    }
}

/// True for the root of a procfs.
pub(crate) fn is_root(fd: &OwnedFd) -> nix::Result<bool> {
    Ok(is_procfs(fd)? && stat(fd)?.st_ino == ROOT_INODE)
}

/// True for any file on a procfs.
pub(crate) fn is_procfs(fd: &OwnedFd) -> nix::Result<bool> {
    Ok(file_system_of(fd)? == PROC)
}

pub(crate) fn is_sysfs(fd: &OwnedFd) -> nix::Result<bool> {
    Ok(file_system_of(fd)? == SYSFS)
}

fn stat(fd: &OwnedFd) -> nix::Result<rustix::fs::Stat> {
    rustix::fs::fstat(fd).map_err(|errno| Errno::from_raw(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn only_the_root_of_a_procfs_is_taken_for_one() {
        let open = |path: &str| OwnedFd::from(File::open(path).unwrap());
        assert!(is_root(&open("/proc")).unwrap());
        assert!(!is_root(&open("/proc/self")).unwrap() && is_procfs(&open("/proc/self")).unwrap());
        assert!(!is_root(&open("/dev")).unwrap() && !is_procfs(&open("/dev")).unwrap());
    }

    #[test]
    fn self_is_followed_and_no_other_link() {
        let procfs = Procfs::open().unwrap();
        assert_eq!(procfs.own_pid().unwrap(), std::process::id() as i32);
        let mut name = String::new();
        procfs.file(Path::new("self/comm"), OFlags::RDONLY).unwrap().read_to_string(&mut name).unwrap();
        assert!(!name.is_empty());
        for link in ["self/exe", "self/root/etc/passwd", "self/cwd", "self/fd/0"] {
            assert_eq!(procfs.file(Path::new(link), OFlags::PATH).unwrap_err(), Errno::ELOOP, "{link}");
        }
        assert!(procfs.file(Path::new("../etc/passwd"), OFlags::PATH).is_err());
        procfs.namespace("self", "user").unwrap();
    }
}
