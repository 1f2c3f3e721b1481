//! The size of a tree.

use std::collections::HashSet;
use std::ffi::CStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};

use super::walk::{Identity, OnError, Visitor, walk};
use crate::error::{IoContext, Result};

/// The number of bytes in the files below `path`. A file with several names is counted once, and directories and mounts
/// are not counted, nor is anything that cannot be read or that disappears meanwhile.
pub fn disk_usage(path: &Path) -> Result<u64> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top: OwnedFd = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(0),
        top => top.context(|| format!("measure {}", path.display()))?,
    };
    let mut usage = Usage::default();
    // A running container changes its files meanwhile, so a file that cannot be read is not an error.
    let _ = walk(top, &mut usage, OnError::GoOn);
    Ok(usage.bytes)
}

#[derive(Default)]
struct Usage {
    bytes: u64,
    linked: HashSet<Identity>,
}

impl Visitor for Usage {
    fn file(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if stat.st_nlink < 2 || self.linked.insert((stat.st_dev, stat.st_ino)) {
            self.bytes += stat.st_size as u64;
        }
        Ok(())
    }

    fn leave(&mut self, _dir: BorrowedFd<'_>, _name: &CStr, _child: BorrowedFd<'_>) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::fs;

    #[test]
    fn a_file_with_two_names_counts_once() {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path().join("a")).unwrap();
        fs::write(scratch.path().join("a/one"), [0; 1000]).unwrap();
        fs::hard_link(scratch.path().join("a/one"), scratch.path().join("two")).unwrap();
        fs::write(scratch.path().join("three"), [0; 10]).unwrap();
        assert_eq!(disk_usage(scratch.path()).unwrap(), 1010);
        assert_eq!(disk_usage(&scratch.path().join("gone")).unwrap(), 0);
    }
}
