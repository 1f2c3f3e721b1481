//! Errors of the store: what was being done, on which path, and why it failed.

use std::io;
use std::path::PathBuf;

use hull_sys::Kind;
use serde::{Deserialize, Serialize};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action}: {source}")]
    Io { action: String, source: io::Error },
    #[error("{} is damaged: {source}", path.display())]
    Damaged { path: PathBuf, source: serde_json::Error },
    #[error("{} is locked by {}", path.display(), describe_holder(*holder, *is_stopped))]
    Held { path: PathBuf, holder: i32, is_stopped: bool },
    #[error("{} was written by a newer hull (format {found}; this one knows {known})", path.display())]
    NewerFormat { path: PathBuf, found: u32, known: u32 },
    #[error("{} belongs to user {owner} and is not safe to keep state in", path.display())]
    ForeignDirectory { path: PathBuf, owner: u32 },
    #[error("{} cannot be used with another data root: {why}", path.display())]
    ForeignRunRoot { path: PathBuf, why: String },
    #[error("the container name {name:?} is already in use by container {id}")]
    NameTaken { name: String, id: String },
    #[error("invalid {what} name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
    InvalidName { what: &'static str, name: String },
    #[error("no such volume: {0}")]
    NoSuchVolume(String),
    #[error("volume {name} is in use by {}", users.join(", "))]
    VolumeInUse { name: String, users: Vec<String> },
    #[error("cannot mount the overlay at {}: {step}: {source}", target.display())]
    Overlay { target: PathBuf, step: String, source: io::Error, obstacle: Option<OverlayObstacle> },
    /// A failure with the image file of a storage pool, or of a container or volume with a size.
    #[error("cannot {step} the image {} with its {file_system}: {source}", file.display())]
    Image { file: PathBuf, file_system: &'static str, step: &'static str, source: io::Error },
    #[error("{}: {why}", path.display())]
    Refused { path: PathBuf, why: String },
}

/// Why an overlay cannot be mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OverlayObstacle {
    /// The writable layer is on an overlay itself, and an upper layer must not be.
    RootOnOverlay,
    /// The machine went down while the volatile overlay was mounted, so the kernel refuses to mount it again
    /// (overlayfs.rst, "Volatile mount").
    VolatileAfterCrash,
    /// The file system of the writable layer probably cannot hold one: network file systems cannot.
    RootFileSystem,
    /// Overlays in a user namespace came with Linux 5.11.
    OldKernel,
    NotInKernel,
    /// Another overlay has the same directories.
    InUse,
    TooManyLayers,
    /// The file system has no idmapped mounts (mount_setattr(2)).
    IdMapping,
}

impl Error {
    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Io { source, .. } | Self::Overlay { source, .. } => Kind::from_io(source),
            Self::Image { source, .. } if source.kind() == io::ErrorKind::NotFound => Kind::NotFound,
            Self::Image { step: "mount", .. } => Kind::Damaged,
            Self::Image { source, .. } => Kind::from_io(source),
            Self::Damaged { .. } => Kind::Damaged,
            Self::Held { .. } => Kind::Unavailable,
            Self::NewerFormat { .. } => Kind::Unsupported,
            Self::ForeignDirectory { .. } => Kind::NotPermitted,
            Self::NameTaken { .. } => Kind::Conflict,
            Self::InvalidName { .. } | Self::Refused { .. } | Self::ForeignRunRoot { .. } => Kind::Invalid,
            Self::NoSuchVolume(_) => Kind::NotFound,
            Self::VolumeInUse { .. } => Kind::InUse,
        }
    }
}

/// Describes the holder of a lock within a sentence. A pid of 0 is a process in a pid namespace that is not visible
/// from here.
pub fn describe_holder(pid: i32, is_stopped: bool) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let state = if is_stopped { ", which is stopped" } else { "" };
    match pid {
        0 => "another process".into(),
        _ => format!("process {pid} ({}){state}", name.trim_end()),
    }
}

hull_sys::define_context!(Error);
