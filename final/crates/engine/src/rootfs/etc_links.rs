//! Symlinks of an image at the paths of the files in /etc that hull mounts.
//!
//! A symlink of the image is followed within the container's root, as in docker: /etc/resolv.conf of a distribution
//! often is one. But through a symlink into /proc, /sys or /dev the file would be mounted over one of the kernel's
//! files or over a device. The runtime refuses that in /proc. Such a symlink is replaced by an empty file, in the
//! container's own layer.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hull_sys::fs::open_in_root;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use super::etc_files::NAMES;
use crate::error::{IoContext, Result};
use crate::records::record::Record;

const OF_THE_KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The highest number of symlinks that the kernel follows in one path (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Replaces symlinks that lead to the kernel's files. Called before a process of the container runs. `rootfs` is its
/// mounted root, in which /proc is not mounted yet.
pub(crate) fn replace(record: &Record, rootfs: &Path) -> Result<()> {
    // The layer of a build's step becomes part of the image, which must not change.
    if record.is_step() {
        return Ok(());
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(rootfs, flags, Mode::empty())
        .context(|| format!("open the root of container {}", record.name))?;
    for name in NAMES.into_iter().filter(|name| !record.options.process_extras.leaves_out(name)) {
        let path = Path::new("/etc").join(name);
        let is_users = record.mounts.iter().any(|mount| mount.destination == path);
        if !is_users && leads_to_kernel(&root, &path) {
            let (uid, gid) = record.mapped_ids().map_or((0, 0), |maps| maps.root());
            let context = || format!("replace the link {} of container {}", path.display(), record.name);
            hull_sys::fs_ids::with(uid, gid, || put_file(&root, name)).context(context)?.context(context)?;
        }
    }
    Ok(())
}

fn put_file(root: &OwnedFd, name: &str) -> std::io::Result<()> {
    let directory = open_in_root(root, "/etc", OFlags::PATH | OFlags::DIRECTORY)?;
    rustix::fs::unlinkat(&directory, name, AtFlags::empty())?;
    let file = hull_sys::tree::create_file(directory.as_fd(), OsStr::new(name))?;
    Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644))?)
}

/// Whether the path is a symlink that leads into a file system of the kernel.
fn leads_to_kernel(root: &OwnedFd, path: &Path) -> bool {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Some(target) = link(root, &path) else { return false };
        path = hull_runtime::plain_path(&path.parent().unwrap_or(Path::new("/")).join(target));
        if OF_THE_KERNEL.iter().any(|kernel| path.starts_with(kernel)) {
            return true;
        }
    }
    false
}

fn link(root: &OwnedFd, path: &Path) -> Option<PathBuf> {
    let found = open_in_root(root, path, OFlags::PATH | OFlags::NOFOLLOW).ok()?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&found).ok()?.st_mode);
    if kind != FileType::Symlink {
        return None;
    }
    let target = rustix::fs::readlinkat(&found, "", Vec::new()).ok()?;
    Some(PathBuf::from(OsStr::from_bytes(target.as_bytes())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_followed_to_its_end() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("etc")).unwrap();
        let root: OwnedFd = std::fs::File::open(directory.path()).unwrap().into();
        for (name, target) in [
            ("near", "../proc/mounts"),
            ("far", "/etc/near"),
            ("device", "/../dev/null"),
            ("round", "round"),
            ("other", "../run/resolv.conf"),
            ("similar", "/process/file"),
        ] {
            symlink(target, directory.path().join("etc").join(name)).unwrap();
        }
        std::fs::write(directory.path().join("etc/file"), "").unwrap();
        let leads = |name: &str| leads_to_kernel(&root, &Path::new("/etc").join(name));
        assert!(["near", "far", "device"].into_iter().all(leads));
        assert!(!["round", "other", "similar", "file", "none"].into_iter().any(leads));
    }
}
