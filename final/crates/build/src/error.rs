//! Why a build failed, and at which line of the Dockerfile.

use std::path::PathBuf;

use hull_sys::Kind;

use crate::dockerfile::Span;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An error of an instruction, with its lines.
    #[error("{file}:{}: {source}", span.first)]
    At { file: String, span: Span, source: Box<Error> },
    /// The Dockerfile cannot be parsed or cannot mean anything.
    #[error("{0}")]
    Syntax(String),
    /// An option or an argument of an instruction, or of the command, is wrong.
    #[error("invalid {what}: {why}")]
    Invalid { what: String, why: String },
    /// A file that an instruction names does not exist in the build context, in a stage or in an image.
    #[error("{path:?} is not in {place}")]
    NoSuchFile { path: PathBuf, place: String },
    /// A command of RUN ended with another code than 0. `kept` is the id of its step, for
    /// [`hull_engine::Engine::open_step`], if the request asks that failed steps be kept.
    #[error("process {command:?} did not complete successfully: exit code: {code}{}", reason(*code))]
    Failed { command: String, code: i32, kept: Option<String> },
    /// An archive that ADD unpacks.
    #[error("{archive}: {source}")]
    InArchive { archive: String, source: hull_image::Error },
    #[error("{0}")]
    Unsupported(String),
    #[error("cannot {action}: {source}")]
    Io { action: String, source: std::io::Error },
    #[error(transparent)]
    Engine(#[from] hull_engine::Error),
    #[error(transparent)]
    Image(#[from] hull_image::Error),
    #[error(transparent)]
    Storage(#[from] hull_storage::Error),
    /// The error of a process of the build, as it crossed to this one.
    #[error("{text}")]
    Worker { kind: Kind, text: String },
    #[error("the build was cancelled")]
    Cancelled,
}

/// SIGKILL is most often the kernel's, for want of memory.
fn reason(code: i32) -> &'static str {
    if code == 137 { " (it was killed)" } else { "" }
}

impl Error {
    /// The same error, at these lines of the Dockerfile, unless it has lines already.
    pub fn at(self, file: &str, span: Span) -> Self {
        match self {
            at @ Self::At { .. } => at,
            source => Self::At { file: file.into(), span, source: Box::new(source) },
        }
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::At { source, .. } => source.kind(),
            Self::Syntax(_) | Self::Invalid { .. } | Self::Failed { .. } => Kind::Invalid,
            Self::NoSuchFile { .. } => Kind::NotFound,
            Self::Unsupported(_) => Kind::Unsupported,
            Self::Io { source, .. } => Kind::from_io(source),
            Self::Engine(error) => error.kind(),
            Self::Image(error) | Self::InArchive { source: error, .. } => error.kind(),
            Self::Storage(error) => error.kind(),
            Self::Worker { kind, .. } => *kind,
            Self::Cancelled => Kind::Kernel,
        }
    }
}

hull_sys::define_context!(Error);
