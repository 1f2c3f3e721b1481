//! A failed request: docker's status, and the message for the client.

use hull_docker::filters::FilterError;
use hull_engine::Error;
use hull_sys::Kind;
use serde::Serialize;

use crate::words::{as_go_writes, worded};

pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// The answer to a request that has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub status: u16,
    pub message: String,
    /// Sent as plain text.
    pub is_text: bool,
}

/// The body of such an answer.
#[derive(Debug, Serialize)]
pub struct Body<'a> {
    pub message: &'a str,
}

impl Failure {
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), is_text: false }
    }

    /// 400: the request is wrong in itself.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }

    /// The connection is broken, so no answer can be sent: the status is only for the log.
    pub fn client_gone(error: std::io::Error) -> Self {
        Self::new(499, format!("the client has gone: {error}"))
    }

    pub fn of(kind: Kind, message: impl Into<String>) -> Self {
        Self::new(status(kind), message)
    }
}

/// The statuses that stand beside each kind (`sys/src/kind.rs`).
fn status(kind: Kind) -> u16 {
    match kind {
        Kind::NotFound => 404,
        Kind::InUse | Kind::Conflict => 409,
        Kind::Invalid | Kind::ProgramNotFound | Kind::ProgramNotExecutable => 400,
        Kind::NotPermitted => 403,
        Kind::Unauthorized => 401,
        Kind::Unsupported => 501,
        Kind::Unavailable => 503,
        Kind::Exhausted | Kind::Damaged | Kind::Kernel => 500,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = worded(&error).unwrap_or_else(|| as_go_writes(&error.to_string()));
        Self::of(error.kind(), message)
    }
}

impl From<FilterError> for Failure {
    fn from(error: FilterError) -> Self {
        Self::invalid(match error {
            FilterError::UnknownKey { key, .. } => format!("invalid filter '{key}'"),
            FilterError::Invalid(why) => why,
        })
    }
}

impl From<hull_image::Error> for Failure {
    fn from(error: hull_image::Error) -> Self {
        Self::of(error.kind(), error.to_string())
    }
}

impl From<hull_build::Error> for Failure {
    fn from(error: hull_build::Error) -> Self {
        Self::of(error.kind(), error.to_string())
    }
}

impl From<hull_storage::Error> for Failure {
    fn from(error: hull_storage::Error) -> Self {
        Self::of(error.kind(), error.to_string())
    }
}
