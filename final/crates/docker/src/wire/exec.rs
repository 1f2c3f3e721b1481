//! A command that was started in a running container.

use serde::{Deserialize, Serialize};

/// The body of `POST /containers/ID/exec`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ExecRequest {
    pub user: String,
    pub privileged: bool,
    pub tty: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<[u16; 2]>,
    pub attach_stdin: bool,
    pub attach_stderr: bool,
    pub attach_stdout: bool,
    pub detach_keys: String,
    #[serde(with = "super::nullable")]
    pub env: Vec<String>,
    pub working_dir: String,
    #[serde(with = "super::nullable")]
    pub cmd: Vec<String>,
}
