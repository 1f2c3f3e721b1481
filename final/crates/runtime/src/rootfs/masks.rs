//! Paths that the container must not see (masked paths) or not write (read-only paths).
//!
//! A path that does not exist is skipped. Any other failure is an error, because the path would stay accessible.

use std::os::fd::OwnedFd;
use std::path::Path;

use hull_sys::Kind;
use nix::errno::Errno;
use nix::libc;
use rustix::fs::{FileType, Mode, OFlags};

use super::file_systems;
use super::options::Options;
use super::root::Rootfs;
use crate::error::{Error, Result, Step};

/// The mounts that cover masked paths. Each is made when it is first needed.
#[derive(Default)]
pub(crate) struct Masks {
    /// The host's /dev/null, because the image controls the container's own (CVE-2025-31133).
    null: Option<OwnedFd>,
    /// An empty read-only tmpfs, attached on the first directory and copied for the others.
    empty: Option<OwnedFd>,
}

impl Masks {
    /// Covers a file with /dev/null and a directory with an empty directory.
    pub(crate) fn mask(&mut self, rootfs: &Rootfs, path: &Path) -> Result<()> {
        let step = || format!("mask {}", path.display());
        let Some(target) = find(rootfs, path).step(step)? else { return Ok(()) };
        let stat = rustix::fs::fstat(&target).step(step)?;
        let is_directory = FileType::from_raw_mode(stat.st_mode).is_dir();
        let cover = match (is_directory, &self.empty) {
            (true, None) => {
                let empty = self.empty.insert(empty_directory()?);
                return hull_sys::mount::attach(empty, &target).step(step);
            }
            (true, Some(empty)) => empty,
            (false, _) => match &mut self.null {
                Some(null) => null,
                none => none.insert(null_device()?),
            },
        };
        let copy = hull_sys::mount::clone_tree(cover, c"", false).step(step)?;
        hull_sys::mount::attach(&copy, &target).step(step)
    }
}

fn empty_directory() -> Result<OwnedFd> {
    let attributes =
        libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
    let data = "nr_blocks=1,nr_inodes=1".to_owned();
    let options = Options { attributes, flags: libc::MS_RDONLY, data, ..Options::default() };
    file_systems::create("tmpfs", "tmpfs", &options).step(|| "make an empty directory to mask others".into())
}

/// Opens /dev/null and checks that it is the null device, because another file at this path would not hide anything. The
/// checked descriptor itself is bound.
fn null_device() -> Result<OwnedFd> {
    let step = || "open /dev/null to mask files".to_owned();
    let null = rustix::fs::open("/dev/null", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).step(step)?;
    match hull_sys::fs::is_null_device(&null).step(step)? {
        true => Ok(null),
        false => {
            let text = "/dev/null is not the null device: it would mask nothing";
            Err(Error::failed(Kind::Damaged, text))
        }
    }
}

/// Binds a path on itself, read-only, with all mounts below it.
pub(crate) fn read_only(rootfs: &Rootfs, path: &Path) -> Result<()> {
    let step = || format!("make {} read-only", path.display());
    let Some(target) = find(rootfs, path).step(step)? else { return Ok(()) };
    let tree = hull_sys::mount::clone_tree(&target, c"", true).step(step)?;
    hull_sys::mount::set_attributes(&tree, libc::MOUNT_ATTR_RDONLY, 0, 0, true).step(step)?;
    hull_sys::mount::attach(&tree, &target).step(step)
}

fn find(rootfs: &Rootfs, path: &Path) -> nix::Result<Option<OwnedFd>> {
    match rootfs.find(path, OFlags::PATH) {
        Err(Errno::ENOENT) => Ok(None),
        found => found.map(Some),
    }
}
