//! The value of `RUN --mount`.

use crate::Result;

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mount {
    pub kind: MountKind,
    /// Where it is in the container; relative to the working directory. Secrets and agents have defaults of their own.
    pub target: Option<String>,
    /// `rw`, `ro`: what is written to a bind mount is discarded.
    pub read_only: bool,
    pub required: bool,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mode: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum MountKind {
    Bind { from: Option<String>, source: Option<String> },
    Cache { id: Option<String>, sharing: Sharing, from: Option<String>, source: Option<String> },
    Tmpfs { size: Option<u64> },
    Secret { id: Option<String>, env: Option<String> },
    Ssh { id: Option<String> },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Sharing {
    #[default]
    Shared,
    Private,
    Locked,
}

impl Mount {
    /// Parses `type=cache,target=/x,…`, after expansion of variables.
    pub fn parse(text: &str) -> Result<Self> {
        Err(crate::Error::Unsupported(format!("--mount={text}")))
    }
}
