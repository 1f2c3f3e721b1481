//! Entries: one for each file on its way from a source (a directory or a tar) to a sink (a directory or a tar).

use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use rustix::fs::{FileType, Timespec};

#[derive(Debug, Clone)]
pub struct Entry {
    /// Relative to the root of the tar or to the destination. Empty for that directory itself.
    pub path: PathBuf,
    pub kind: Kind,
    pub uid: u32,
    pub gid: u32,
    /// Permissions, set-ID bits and sticky bit.
    pub mode: u32,
    pub modified: Timespec,
    pub attributes: Vec<(CString, Vec<u8>)>,
}

#[derive(Debug, Clone)]
pub enum Kind {
    Directory,
    File {
        size: u64,
    },
    Symlink(PathBuf),
    /// A device or a FIFO.
    Node {
        kind: FileType,
        device: u64,
    },
    /// Another name of an earlier entry.
    HardLink(PathBuf),
}

pub enum Content<'a> {
    None,
    File(&'a mut File),
    Stream(&'a mut dyn Read),
}
