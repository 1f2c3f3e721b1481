//! The disk that a file is on.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, StatxFlags, major, makedev, minor, stat, statx};

/// The numbers of the disk that has this file's data, or that of a block device. The kernel's limits are for whole disks and not for partitions.
pub fn disk_of(path: &Path) -> io::Result<(u32, u32)> {
    let found = stat(path)?;
    // On btrfs and some other file systems the number of a file's device is that of no block device.
    let device = match major(found.st_dev) {
        _ if FileType::from_raw_mode(found.st_mode).is_block_device() => found.st_rdev,
        0 => mounted_device(path)?,
        _ => found.st_dev,
    };
    let (major, minor) = (major(device), minor(device));
    let entry = Path::new("/sys/dev/block").join(format!("{major}:{minor}"));
    match entry.join("partition").exists() {
        false => Ok((major, minor)),
        // In sysfs the directory of a partition is in that of its disk.
        true => numbers(std::fs::read_to_string(entry.join("../dev"))?.trim())
            .ok_or_else(|| io::Error::other(format!("the disk of the partition {major}:{minor} is unknown"))),
    }
}

fn numbers(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The block device of the mount that has this file.
fn mounted_device(path: &Path) -> io::Result<u64> {
    let id = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID)?.stx_mnt_id;
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    let line = table.lines().find(|line| line.split(' ').next() == Some(&id.to_string()));
    // The type and the source follow after " - ".
    let source = line.and_then(|line| line.split_once(" - ")?.1.split(' ').nth(1));
    let source = source.filter(|source| source.starts_with('/'));
    let none = || io::Error::other("it is on no disk of this machine");
    let device = stat(source.ok_or_else(none)?)?.st_rdev;
    if device == makedev(0, 0) {
        return Err(none());
    }
    Ok(device)
}
