//! What can go wrong with an image.

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("No such image: {name}")]
    NoSuchImage { name: String, nearest: Option<String> },
    #[error("invalid {what}: {why}")]
    Invalid { what: String, why: String },
    #[error("the archive is refused: {member}: {why}")]
    Refused { member: String, why: String },
    #[error("the archive is damaged: {0}")]
    Damaged(String),
    #[error("this is no image: {0}")]
    NotAnImage(String),
    #[error("the image is for {}, and this machine is {host}", offered.join(", "))]
    OtherPlatform { offered: Vec<String>, host: String },
    #[error("cannot {action}: {source}")]
    Io { action: String, source: std::io::Error },
    #[error("image {name} is used by container {container}")]
    InUse { name: String, container: String },
    #[error("{path} is damaged: {source}")]
    Json { path: String, source: serde_json::Error },
    #[error(transparent)]
    Storage(#[from] hull_storage::Error),
}

impl Error {
    /// What the reader can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSuchImage { nearest: Some(nearest), .. } => Some(format!("did you mean {nearest}?")),
            Self::NoSuchImage { .. } => Some(
                "hull images lists what is here; hull import takes a root file system; `host` needs nothing"
                    .into(),
            ),
            Self::InUse { container, .. } => Some(format!("remove the container first: hull rm {container}")),
            Self::NotAnImage(_) => Some(
                "hull load reads what docker save or an OCI layout holds; a root file system: hull import"
                    .into(),
            ),
            Self::Io { source, .. }
                if matches!(source.raw_os_error(), Some(nix::libc::ENOSPC | nix::libc::EDQUOT)) =>
            {
                Some("make room: hull system prune".into())
            }
            Self::Damaged(_) => Some("fetch it again: it is incomplete or was changed on the way".into()),
            Self::Storage(error) => error.hint(),
            _ => None,
        }
    }
}

/// Says what was being done when the kernel refused.
pub(crate) trait Context<T> {
    fn context(self, action: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, action: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::Io { action: action(), source: error.into() })
    }
}
