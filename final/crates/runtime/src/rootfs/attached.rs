//! Mounts that the caller makes for a container in its own mount namespace, beside those of the spec.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::mount::MsFlags;
use rustix::fs::{CWD, Mode, OFlags};

use super::file_systems;
use super::options::{self, Options};

/// Mounts a file system, or with `bind` or `rbind` among the options a directory, on the directory `target`. The options
/// are those of mount(8).
pub fn mount_at(target: &Path, kind: &str, source: &str, options: &[String]) -> nix::Result<()> {
    let parsed = options::parse(options);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(target, flags, Mode::empty());
    let opened = opened.map_err(|errno| Errno::from_raw(errno.raw_os_error()))?;
    if !parsed.bind && file_systems::needs_mount(&parsed) {
        return by_path(target, kind, source, &parsed);
    }
    let made = match parsed.bind {
        true => bound(source, &parsed)?,
        false => file_systems::create(kind, source, &parsed)?,
    };
    if let Some(kind) = parsed.propagation {
        let recursive = kind & libc::MS_REC != 0;
        hull_sys::mount::set_attributes(&made, 0, 0, kind & !libc::MS_REC, recursive)?;
    }
    hull_sys::mount::attach(&made, &opened)
}

fn bound(source: &str, options: &Options) -> nix::Result<OwnedFd> {
    let path = CString::new(source).map_err(|_| Errno::EINVAL)?;
    let tree = hull_sys::mount::clone_tree(CWD, &path, options.recursive)?;
    if options.attributes != 0 {
        hull_sys::mount::set_attributes(&tree, options.attributes, options.clear(), 0, false)?;
    }
    let (set, clear) = (options.recursive_attributes, options.recursive_clear);
    if (set | clear) != 0 {
        hull_sys::mount::set_attributes(&tree, set, clear, 0, true)?;
    }
    Ok(tree)
}

fn by_path(target: &Path, kind: &str, source: &str, options: &Options) -> nix::Result<()> {
    let flags = MsFlags::from_bits_retain(options.flags);
    let data = Some(options.data.as_str()).filter(|data| !data.is_empty());
    nix::mount::mount(Some(source), target, Some(kind), flags, data)?;
    match options.propagation {
        Some(kind) => {
            let flags = MsFlags::from_bits_retain(kind);
            nix::mount::mount(None::<&str>, target, None::<&str>, flags, None::<&str>)
        }
        None => Ok(()),
    }
}

/// A detached copy of the mount at `path` in another process's mount namespace (open_tree(2), `OPEN_TREE_CLONE`). The
/// kernel clones a mount only from the namespace that it is in, so the caller, which has one thread, goes there and comes
/// back. `namespace` is that process's /proc/PID/ns/mnt.
pub fn clone_from(namespace: &File, path: &Path, recursive: bool) -> nix::Result<OwnedFd> {
    let errno = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0));
    let path = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| Errno::EINVAL)?;
    let own = File::open("/proc/self/ns/mnt").map_err(errno)?;
    hull_sys::process::setns(namespace.as_fd(), libc::CLONE_NEWNS)?;
    let tree = hull_sys::mount::clone_tree(CWD, &path, recursive);
    hull_sys::process::setns(own.as_fd(), libc::CLONE_NEWNS)?;
    tree
}
