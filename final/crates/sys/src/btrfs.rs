//! Subvolumes, snapshots and quotas of btrfs (linux/btrfs.h).
//!
//! A subvolume is a tree of files of its own within one file system. A snapshot is a subvolume that begins with the content of another
//! one and shares its blocks until either changes. A quota group is made with each subvolume and counts its bytes, once quotas are on.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;

/// statfs(2), `f_type`.
const BTRFS_SUPER_MAGIC: u64 = 0x9123_683e;
/// The inode of every subvolume's root directory.
const ROOT_INODE: u64 = 256;

const WRITE: u32 = 1;
const READ: u32 = 2;

/// `_IOC(direction, BTRFS_IOCTL_MAGIC, number, size)` of asm-generic/ioctl.h.
const fn request(direction: u32, number: u32, size: usize) -> libc::Ioctl {
    (direction << 30 | (size as u32) << 16 | 0x94 << 8 | number) as libc::Ioctl
}

/// `struct btrfs_ioctl_vol_args`.
#[repr(C)]
struct Name {
    fd: i64,
    name: [u8; 4088],
}

/// `struct btrfs_ioctl_vol_args_v2` without the parts that are not used here.
#[repr(C)]
struct NewSubvolume {
    fd: i64,
    transaction: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; 4040],
}

/// `struct btrfs_ioctl_qgroup_limit_args`; a group of 0 is that of the subvolume on which the call is made.
#[repr(C)]
struct Limit {
    group: u64,
    flags: u64,
    referenced: u64,
    exclusive: u64,
    reserved: [u64; 2],
}

/// `struct btrfs_ioctl_quota_ctl_args`.
#[repr(C)]
struct QuotaControl {
    command: u64,
    status: u64,
}

const _: () = assert!(size_of::<Name>() == 4096 && size_of::<NewSubvolume>() == 4096);
const _: () = assert!(size_of::<Limit>() == 48);

const SNAP_DESTROY: libc::Ioctl = request(WRITE, 15, size_of::<Name>());
const RESIZE: libc::Ioctl = request(WRITE, 3, size_of::<Name>());
const SNAP_CREATE_V2: libc::Ioctl = request(WRITE, 23, size_of::<NewSubvolume>());
const SUBVOL_CREATE_V2: libc::Ioctl = request(WRITE, 24, size_of::<NewSubvolume>());
const QUOTA_CTL: libc::Ioctl = request(READ | WRITE, 40, size_of::<QuotaControl>());
const QGROUP_LIMIT: libc::Ioctl = request(READ, 43, size_of::<Limit>());
const QUOTA_RESCAN_WAIT: libc::Ioctl = request(0, 46, 0);
const QUOTA_ENABLE: u64 = 1;
const MAX_REFERENCED: u64 = 1;

/// Whether the open file is on btrfs.
pub fn is_btrfs(file: impl AsFd) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|stat| stat.f_type as u64 == BTRFS_SUPER_MAGIC)
}

/// Whether the open directory is the root of a subvolume.
pub fn is_subvolume(directory: impl AsFd) -> bool {
    is_btrfs(&directory) && rustix::fs::fstat(&directory).is_ok_and(|stat| stat.st_ino == ROOT_INODE)
}

/// Makes an empty subvolume in a directory.
pub fn create_subvolume(parent: impl AsFd, name: &CStr) -> nix::Result<()> {
    let mut arguments = NewSubvolume::new(0, name)?;
    call(parent, SUBVOL_CREATE_V2, &mut arguments)
}

/// Makes a writable snapshot of the subvolume `source` in a directory. What processes have written before the call is in it.
pub fn snapshot(source: impl AsFd, parent: impl AsFd, name: &CStr) -> nix::Result<()> {
    let mut arguments = NewSubvolume::new(source.as_fd().as_raw_fd().into(), name)?;
    call(parent, SNAP_CREATE_V2, &mut arguments)
}

/// Removes a subvolume, whatever is in it but other subvolumes (ENOTEMPTY). The kernel frees its blocks later.
pub fn delete_subvolume(parent: impl AsFd, name: &CStr) -> nix::Result<()> {
    let mut arguments = Name { fd: 0, name: fixed(name)? };
    call(parent, SNAP_DESTROY, &mut arguments)
}

/// Lets the file system fill its device.
pub fn grow_to_device(file_system: impl AsFd) -> nix::Result<()> {
    let mut arguments = Name { fd: 0, name: fixed(c"max")? };
    call(file_system, RESIZE, &mut arguments)
}

/// Turns quotas on, and waits until the kernel has counted what is there. It is no error if they are on.
pub fn enable_quotas(file_system: impl AsFd) -> nix::Result<()> {
    let mut arguments = QuotaControl { command: QUOTA_ENABLE, status: 0 };
    call(&file_system, QUOTA_CTL, &mut arguments)?;
    call(&file_system, QUOTA_RESCAN_WAIT, &mut ())
}

/// Limits the bytes that a subvolume refers to, those that it shares with others included. `None` lifts the limit.
pub fn limit(subvolume: impl AsFd, bytes: Option<u64>) -> nix::Result<()> {
    let referenced = bytes.unwrap_or(u64::MAX);
    let mut arguments = Limit { group: 0, flags: MAX_REFERENCED, referenced, exclusive: 0, reserved: [0; 2] };
    call(subvolume, QGROUP_LIMIT, &mut arguments)
}

impl NewSubvolume {
    fn new(source: i64, name: &CStr) -> nix::Result<Self> {
        Ok(Self { fd: source, transaction: 0, flags: 0, unused: [0; 4], name: fixed(name)? })
    }
}

/// The name in an array, with a zero at its end.
fn fixed<const N: usize>(name: &CStr) -> nix::Result<[u8; N]> {
    let bytes = name.to_bytes();
    let mut array = [0; N];
    array
        .get_mut(..bytes.len())
        .filter(|_| bytes.len() < N)
        .ok_or(Errno::ENAMETOOLONG)?
        .copy_from_slice(bytes);
    Ok(array)
}

fn call<T>(file: impl AsFd, request: libc::Ioctl, arguments: &mut T) -> nix::Result<()> {
    // SAFETY: the descriptor is borrowed. The requests of this file carry the size of their argument, and each caller passes the
    // structure of its request.
    let done = unsafe { libc::ioctl(file.as_fd().as_raw_fd(), request, std::ptr::from_mut(arguments)) };
    Errno::result(done).map(drop)
}
