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
    /// Because of another error, which is the one to tell.
    #[error("given up")]
    GivenUp,
    #[error("registry {registry}: {why}")]
    Registry { registry: String, why: String, problem: RegistryProblem },
    /// From the process that did the work, in its words.
    #[error("{text}")]
    Aside { text: String, hint: Option<String> },
    #[error(transparent)]
    Storage(#[from] hull_storage::Error),
}

/// What kind of trouble there is with a registry: what can be done differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryProblem {
    Unreachable,
    Certificate,
    Denied,
    NotFound,
    TooMany,
    /// It sent what it should not have.
    Wrong,
    Other,
}

impl RegistryProblem {
    fn hint(self, registry: &str) -> Option<String> {
        match self {
            Self::Unreachable => Some("is the name right, and is a proxy needed (HTTPS_PROXY)?".into()),
            Self::Certificate => Some(format!(
                "put the authority's certificate into /etc/docker/certs.d/{registry}/ca.crt, or do without: \
                 --tls-verify=false"
            )),
            Self::Denied => Some(format!("hull login {registry}, or look at the name once more")),
            Self::NotFound => Some(
                "hull image tags lists what a repository has; a private one is there for those who log in"
                    .into(),
            ),
            Self::TooMany => Some("wait, or hull login: who is known is often allowed more".into()),
            Self::Wrong | Self::Other => None,
        }
    }
}

impl Error {
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Registry { problem: RegistryProblem::NotFound, .. })
    }

    /// Through a reader, which [`crate::members::read`] takes it out of again.
    pub(crate) fn into_io(self) -> std::io::Error {
        match self {
            Self::Io { source, .. } if source.raw_os_error().is_some() => source,
            other => std::io::Error::other(other),
        }
    }

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
            Self::Foreign { instead, .. } => Some((*instead).into()),
            Self::Damaged(why) if why.starts_with("not a tar") => Some(
                "expected a tar, plain or packed with gzip, zstd, xz or bzip2; if it is one, it was changed on the way"
                    .into(),
            ),
            Self::Damaged(_) => Some("fetch it again: it is incomplete or was changed on the way".into()),
            Self::Registry { registry, problem, .. } => problem.hint(registry),
            Self::Aside { hint, .. } => hint.clone(),
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
