//! What the builder hands to the monitor of a step in memory: the sources of its mounts, and its secrets. None of it is in
//! a file.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// What a step gets.
#[derive(Default)]
pub struct Handed {
    /// The sources of mounts, by their numbers in [`crate::records::mount_extras::MountExtras::handed`].
    pub sources: Vec<HandedSource>,
    /// `KEY=VALUE`, for the program only.
    pub env: Vec<String>,
    /// The network namespace of its stage, which the step joins.
    pub network: Option<OwnedFd>,
    /// Kept open until the step has ended: locks.
    pub kept: Vec<OwnedFd>,
}

/// The source of a mount.
#[derive(Debug)]
pub enum HandedSource {
    /// A part of a tree of files. `root` is a detached mount ([`hull_sys::mount::clone_tree`]), `part` a path in it that is
    /// resolved beneath it; the paths `hidden` do not appear.
    Tree { root: OwnedFd, part: PathBuf, hidden: Vec<PathBuf> },
    /// A part of what these layers show together, the lowest first.
    Layers { directories: Vec<PathBuf>, part: PathBuf },
    /// A file with this content, which is in memory only.
    Content { bytes: Secret, metadata: Metadata },
    /// A socket whose connections are forwarded to a socket of the host, which `opened` refers to (`O_PATH`).
    Socket { opened: OwnedFd, metadata: Metadata },
}

/// Bytes that no message shows.
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// Owner and mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
}

impl Handed {
    /// The bytes in memory that the files of [`HandedSource::Content`] take, in whole pages.
    pub(crate) fn content_size(&self) -> usize {
        let sizes = self.sources.iter().map(|source| match source {
            HandedSource::Content { bytes, .. } => bytes.0.len().next_multiple_of(64 << 10),
            _ => 0,
        });
        sizes.sum()
    }

    /// The descriptors that the monitor needs.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let sources = self.sources.iter().filter_map(|source| match source {
            HandedSource::Tree { root, .. } => Some(root.as_fd()),
            HandedSource::Socket { opened, .. } => Some(opened.as_fd()),
            HandedSource::Layers { .. } | HandedSource::Content { .. } => None,
        });
        sources.chain(self.network.iter().chain(&self.kept).map(AsFd::as_fd))
    }
}

/// Secrets are not shown.
impl fmt::Debug for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sources, {} variables", self.sources.len(), self.env.len())
    }
}
