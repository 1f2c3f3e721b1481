//! The text of a Dockerfile becomes instructions, each with its lines. Nothing is expanded here.
//!
//! ```text
//! instruction  the instructions, with their flags and words      mount  the value of RUN --mount
//! ```

pub mod instruction;
pub mod mount;

pub use instruction::{
    Argument, Command, Dockerfile, From, Healthcheck, Heredoc, Instruction, Kind, Run, Transfer,
};

use crate::Result;

/// The lines of an instruction, counted from 1, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Span {
    pub first: u32,
    pub last: u32,
}

/// Parses the text of a Dockerfile.
///
/// # Errors
///
/// [`crate::Error::At`] with the lines of the instruction that is wrong. `name` is the file's name in the error.
pub fn parse(name: &str, text: &[u8]) -> Result<Dockerfile> {
    let _ = (name, text);
    Err(crate::Error::Unsupported("Dockerfiles are not parsed".into()))
}
