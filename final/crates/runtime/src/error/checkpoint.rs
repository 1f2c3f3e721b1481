//! Why a container could not be saved or restored.

use std::path::PathBuf;

use hull_sys::Kind;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot run {}: {why}", .program.display())]
    NoCriu { program: PathBuf, why: String },
    #[error("`criu check` says that this machine's kernel or CRIU is not fit for it: {0}")]
    Unfit(String),
    #[error("criu cannot {verb}: {said} (all of it is in {})", .log.display())]
    Failed { verb: &'static str, said: String, log: PathBuf },
    #[error("criu ended in the middle of a request")]
    Ended,
    /// The bundle has something that CRIU does not support.
    #[error("CRIU cannot save or bring back {0}")]
    Unable(String),
    #[error("{}: {why}", .path.display())]
    Image { path: PathBuf, why: String },
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Self::NoCriu { .. } | Self::Unfit(_) | Self::Unable(_) => Kind::Unsupported,
            Self::Failed { .. } | Self::Ended => Kind::Kernel,
            Self::Image { .. } => Kind::Damaged,
        }
    }

    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoCriu { .. } => "it is Debian's package criu; --criu names another program",
            Self::Unfit(_) => "`criu check --all` tells more; a newer CRIU may know this kernel",
            // CRIU has no error numbers for it, so its log is searched. It compares each saved file with the one it gets.
            Self::Failed { said, .. } if said.contains("File fd/") => {
                "a file that was stdin, stdout or stderr has to be that file again, as it was; a pipe can be another"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
