//! Why a server cannot begin.

use std::io;
use std::path::{Path, PathBuf};

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{server} already serves {}", path.display())]
    InUse { path: PathBuf, server: String },
    #[error("{} exists, and is not a socket", path.display())]
    NotASocket { path: PathBuf },
    #[error("cannot make the socket {}: its directory does not exist", path.display())]
    NoDirectory { path: PathBuf },
    #[error("the path {} is too long for a socket: the kernel takes 107 bytes", path.display())]
    TooLong { path: PathBuf },
    #[error("the socket {name} that was passed to this process cannot be used: {why}")]
    Inherited { name: String, why: String },
    #[error(
        "the API is served over TCP only with TLS and certificates of the clients, because a client can do what root can"
    )]
    NoTls,
    #[error("cannot use {} for TLS: {why}", path.display())]
    Certificate { path: PathBuf, why: String },
    #[error("cannot {step}")]
    Io { step: String, source: io::Error },
    #[error(transparent)]
    Storage(#[from] hull_storage::Error),
}

impl Error {
    /// For `map_err`: the step that failed, such as `listen on PATH`.
    pub(super) fn at<E: Into<io::Error>>(step: &str, path: &Path) -> impl FnOnce(E) -> Self {
        let step = format!("{step} {}", path.display());
        move |error| Self::Io { step, source: error.into() }
    }
}
