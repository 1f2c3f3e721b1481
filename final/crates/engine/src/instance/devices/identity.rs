//! Telling mounted files apart.

use std::os::fd::OwnedFd;

use rustix::fs::Stat;

/// What tells one mounted file from another: its file system and inode, or the numbers of a device node.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Identity {
    File(u64, u64),
    Node(u64),
}

fn identity(stat: &Stat) -> Identity {
    use rustix::fs::FileType;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice | FileType::BlockDevice => Identity::Node(stat.st_rdev),
        _ => Identity::File(stat.st_dev, stat.st_ino),
    }
}

pub(super) fn identity_of(file: &OwnedFd) -> rustix::io::Result<Identity> {
    rustix::fs::fstat(file).map(|stat| identity(&stat))
}
