//! Growing a mounted xfs (xfs/xfs_fs.h).

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;

/// `struct xfs_fsop_geom_v1`, as far as it is read.
#[repr(C)]
#[derive(Default)]
struct Geometry {
    block_size: u32,
    realtime_extent: u32,
    group_blocks: u32,
    groups: u32,
    log_blocks: u32,
    sector: u32,
    inode: u32,
    inode_percent: u32,
    data_blocks: u64,
    rest: [u64; 9],
}

/// `struct xfs_growfs_data`.
#[repr(C)]
struct Growth {
    blocks: u64,
    inode_percent: u32,
}

const _: () = assert!(size_of::<Geometry>() == 112 && size_of::<Growth>() == 16);

/// `_IOR('X', 100, …)` and `_IOW('X', 110, …)` of asm-generic/ioctl.h.
const GEOMETRY: libc::Ioctl = (2 << 30 | 112 << 16 | 0x58 << 8 | 100_u32) as libc::Ioctl;
const GROW: libc::Ioctl = (1 << 30 | 16 << 16 | 0x58 << 8 | 110_u32) as libc::Ioctl;

/// Lets a mounted file system have `bytes`, which its device has to have. The file system never shrinks.
pub fn grow(file_system: impl AsFd, bytes: u64) -> nix::Result<()> {
    let fd = file_system.as_fd().as_raw_fd();
    let mut geometry = Geometry::default();
    // SAFETY: the descriptor is borrowed, and the kernel writes one `xfs_fsop_geom_v1` to the pointer.
    Errno::result(unsafe { libc::ioctl(fd, GEOMETRY, &raw mut geometry) })?;
    let blocks = bytes.checked_div(geometry.block_size.into()).ok_or(Errno::EINVAL)?;
    if blocks <= geometry.data_blocks {
        return Ok(());
    }
    let growth = Growth { blocks, inode_percent: geometry.inode_percent };
    // SAFETY: the descriptor is borrowed, and the kernel reads one `xfs_growfs_data` from the pointer.
    Errno::result(unsafe { libc::ioctl(fd, GROW, &raw const growth) }).map(drop)
}
