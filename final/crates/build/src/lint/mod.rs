//! Checks of a Dockerfile without building it: BuildKit's own, and hadolint's rules.

use crate::dockerfile::{Dockerfile, Span};

/// Something in a Dockerfile that is probably a mistake.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Warning {
    /// `StageNameCasing`, `DL3006`.
    pub rule: String,
    pub message: String,
    pub span: Span,
    pub url: Option<String>,
}

/// All checks that need no build: in the order of the lines.
pub fn check(file: &Dockerfile) -> Vec<Warning> {
    let _ = file;
    vec![]
}
