//! Errors of images, archives and registries.

use hull_sys::Kind;

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
    #[error("the archive is damaged: not a tar: {0}")]
    NotATar(&'static str),
    /// The input is in a known format that is not a tar.
    #[error("this is {what}, and not a tar")]
    Foreign { what: &'static str, instead: &'static str },
    #[error("this is no image: {0}")]
    NotAnImage(String),
    #[error("the image is for {}, and not for {host}", offered.join(", "))]
    OtherPlatform { offered: Vec<String>, host: String },
    #[error("cannot {action}: {source}")]
    Io { action: String, source: std::io::Error },
    #[error("image {name} is used by container {container}")]
    InUse { name: String, container: String },
    #[error("{path} is damaged: {source}")]
    Json { path: String, source: serde_json::Error },
    /// Stopped because of another error, which is the one to report.
    #[error("cancelled")]
    Cancelled,
    #[error("registry {registry}: {why}")]
    Registry { registry: String, why: String, problem: RegistryProblem },
    /// The error of a child process that did the work.
    #[error("{text}")]
    Child { kind: Kind, text: String },
    #[error(transparent)]
    Storage(#[from] hull_storage::Error),
}

/// The kind of a registry's failure. The hint for the user depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryProblem {
    Unreachable,
    Certificate,
    Denied,
    NotFound,
    TooMany,
    /// It broke the protocol, or its data contradict each other.
    Wrong,
    Other,
}

impl Error {
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Registry { problem: RegistryProblem::NotFound, .. })
    }

    /// Wraps the error so that it passes through a [`std::io::Read`]. [`crate::members::read`] unwraps it.
    pub(crate) fn into_io(self) -> std::io::Error {
        match self {
            Self::Io { source, .. } if source.raw_os_error().is_some() => source,
            other => std::io::Error::other(other),
        }
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::NoSuchImage { .. } => Kind::NotFound,
            Self::Invalid { .. } | Self::Refused { .. } | Self::Foreign { .. } | Self::NotAnImage(_) => {
                Kind::Invalid
            }
            Self::Damaged(_) | Self::NotATar(_) | Self::Json { .. } => Kind::Damaged,
            Self::OtherPlatform { .. } => Kind::Unsupported,
            Self::Io { source, .. } => Kind::from_io(source),
            Self::InUse { .. } => Kind::InUse,
            Self::Cancelled => Kind::Kernel,
            Self::Registry { problem, .. } => problem.kind(),
            Self::Child { kind, .. } => *kind,
            Self::Storage(error) => error.kind(),
        }
    }
}

impl RegistryProblem {
    fn kind(self) -> Kind {
        match self {
            Self::Denied => Kind::Unauthorized,
            Self::NotFound => Kind::NotFound,
            Self::Wrong => Kind::Damaged,
            Self::Unreachable | Self::Certificate | Self::TooMany | Self::Other => Kind::Unavailable,
        }
    }
}

hull_sys::define_context!(Error);
