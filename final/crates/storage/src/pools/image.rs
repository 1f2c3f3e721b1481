//! Image files: a sparse file with a file system in it, mounted by a loop device.
//!
//! The file takes only as much of the disk as is written to it, and never more than its size. So it limits its content,
//! whatever file system it is on. xfs and btrfs can grow while they are mounted. The kernel frees the loop device when
//! the last mount namespace has unmounted it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hull_sys::loop_device::LoopDevice;
use nix::mount::{MntFlags, MsFlags};
use serde::{Deserialize, Serialize};

use super::open_directory;
use crate::directory::make_dirs;
use crate::error::{Error, IoContext, Result};

/// A file system in an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileSystem {
    Xfs,
    Btrfs,
    Ext4,
}

/// The smallest sizes that mkfs accepts.
const SMALLEST_XFS: u64 = 300 << 20;
const SMALLEST_BTRFS: u64 = 114_294_784;
const SMALLEST_EXT4: u64 = 4 << 20;

/// The offset and the bytes of the mark by which a file system is recognized.
const XFS_MARK: (usize, &[u8]) = (0, b"XFSB");
const EXT4_MARK: (usize, &[u8]) = (0x438, &[0x53, 0xef]);

impl FileSystem {
    /// The file system for a new image of one container or volume with this size.
    fn for_size(bytes: u64) -> Self {
        if bytes >= SMALLEST_XFS { Self::Xfs } else { Self::Ext4 }
    }

    /// The file system of an existing image, by its mark. The image may have grown since, so its size does not tell.
    fn of(image: &Path) -> Option<Self> {
        let mut start = [0; EXT4_MARK.0 + EXT4_MARK.1.len()];
        File::open(image).ok()?.read_exact(&mut start).ok()?;
        let has = |(offset, mark): (usize, &[u8])| start[offset..].starts_with(mark);
        if has(XFS_MARK) {
            return Some(Self::Xfs);
        }
        has(EXT4_MARK).then_some(Self::Ext4)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Ext4 => "ext4",
        }
    }

    pub fn smallest(self) -> u64 {
        match self {
            Self::Xfs => SMALLEST_XFS,
            Self::Btrfs => SMALLEST_BTRFS,
            Self::Ext4 => SMALLEST_EXT4,
        }
    }

    /// The program that makes the file system, its arguments before the file, and its package in Debian.
    pub fn maker(self) -> (&'static str, &'static [&'static str], &'static str) {
        match self {
            Self::Xfs => ("mkfs.xfs", &["-q"], "xfsprogs"),
            Self::Btrfs => ("mkfs.btrfs", &["-q"], "btrfs-progs"),
            // `-m 0`: no blocks are reserved for root, so all of the size is for files.
            Self::Ext4 => ("mkfs.ext4", &["-q", "-F", "-m", "0"], "e2fsprogs"),
        }
    }

    /// The options of a mount. A copy of an image has the same UUID, and xfs mounts a second file system with one UUID
    /// only with `nouuid`.
    fn options(self) -> Option<&'static str> {
        match self {
            Self::Xfs => Some("nouuid"),
            Self::Btrfs | Self::Ext4 => None,
        }
    }
}

/// An image file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub file: PathBuf,
    pub file_system: FileSystem,
}

impl Image {
    /// The image of one container or volume. Its file system is the one that it has, or before it is made the one for
    /// this size.
    pub fn of_size(file: PathBuf, bytes: u64) -> Self {
        let file_system = FileSystem::of(&file).unwrap_or_else(|| FileSystem::for_size(bytes));
        Self { file, file_system }
    }

    /// Makes the file, empty and of this size. The caller runs [`FileSystem::maker`] on it.
    pub fn create(&self, bytes: u64) -> Result<()> {
        let smallest = self.file_system.smallest();
        if bytes < smallest {
            let name = self.file_system.name();
            let why = format!("{name} needs at least {} MiB", smallest.div_ceil(1 << 20));
            return Err(Error::Refused { path: self.file.clone(), why });
        }
        let context = || format!("make the image {}", self.file.display());
        let file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.file).context(context)?;
        file.set_len(bytes).context(context)
    }

    pub fn size(&self) -> Result<u64> {
        let meta = std::fs::metadata(&self.file).context(|| format!("look at {}", self.file.display()))?;
        Ok(meta.len())
    }

    /// Mounts the image, unless something is mounted at `target`. The caller holds the lock under which all images are
    /// mounted.
    pub fn mount_at(&self, target: &Path) -> Result<()> {
        if hull_sys::mount::is_mount_point(target) {
            return Ok(());
        }
        let bad = |step, source: io::Error| Error::Image {
            file: self.file.clone(),
            file_system: self.file_system.name(),
            step,
            source,
        };
        let file = self.open().map_err(|error| bad("open", error))?;
        make_dirs(target, 0o711)?;
        let device = LoopDevice::of(&file).map_err(|error| bad("attach to a loop device", error))?;
        let kind = Some(self.file_system.name());
        nix::mount::mount(Some(device.path()), target, kind, MsFlags::MS_NOATIME, self.file_system.options())
            .map_err(|errno| bad("mount", errno.into()))?;
        // A command may have been killed after it enlarged the file and before it enlarged the file system.
        self.fill(&file, target)
    }

    /// Unmounts an image and removes its mount point. It is no error if nothing is mounted there.
    pub fn unmount(target: &Path, lazily: bool) -> Result<()> {
        let flags = if lazily { MntFlags::MNT_DETACH } else { MntFlags::empty() };
        match nix::mount::umount2(target, flags) {
            Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => {}
            Err(errno) => return Err(errno).context(|| format!("unmount {}", target.display())),
        }
        match std::fs::remove_dir(target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).context(|| format!("remove {}", target.display()))
            }
            _ => Ok(()),
        }
    }

    /// Whether the image can get this size and is smaller. An error says why it cannot.
    pub fn can_grow_to(&self, bytes: u64) -> Result<bool> {
        let present = self.size()?;
        let refuse = |why: String| Err(Error::Refused { path: self.file.clone(), why });
        if bytes < present {
            return refuse(format!(
                "{} does not shrink; its size is {present} bytes",
                self.file_system.name()
            ));
        }
        if bytes == present {
            return Ok(false);
        }
        if self.file_system == FileSystem::Ext4 {
            return refuse(format!(
                "an image under {} MiB has ext4, which does not grow here",
                SMALLEST_XFS >> 20
            ));
        }
        Ok(true)
    }

    /// Gives the image another size while it is mounted at `target`.
    pub fn resize(&self, target: &Path, bytes: u64) -> Result<()> {
        if !self.can_grow_to(bytes)? {
            return Ok(());
        }
        let context = || format!("grow {}", self.file.display());
        let file = self.open().context(context)?;
        file.set_len(bytes).context(context)?;
        self.fill(&file, target)
    }

    /// Enlarges the loop device and the mounted file system to the size of the file.
    fn fill(&self, file: &File, target: &Path) -> Result<()> {
        let context = || format!("grow the file system of {}", self.file.display());
        let bytes = file.metadata().context(context)?.len();
        let root = open_directory(target)?;
        if let Some(device) = LoopDevice::find(file).context(context)? {
            device.follow_size().context(context)?;
        }
        match self.file_system {
            FileSystem::Xfs => hull_sys::xfs::grow(&root, bytes).context(context),
            FileSystem::Btrfs => hull_sys::btrfs::grow_to_device(&root).context(context),
            FileSystem::Ext4 => Ok(()),
        }
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(&self.file)
    }
}
