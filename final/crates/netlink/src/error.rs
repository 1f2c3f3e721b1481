//! Errors of a netlink request: what was asked of the kernel, and why it did not happen.

use std::io;

use hull_sys::Kind;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed before the kernel saw the request, or while its answer was read.
    #[error("cannot {action}: {source}")]
    Io { action: String, source: io::Error },
    /// The kernel refused the request. `reason` is its own sentence (`NETLINK_EXT_ACK`), which is often empty.
    #[error("cannot {action}: {source}{}", in_parentheses(reason))]
    Refused { action: String, source: io::Error, reason: String },
    /// The answer is missing, or is not what the protocol promises.
    #[error("cannot {action}: {why}")]
    Answer { action: String, why: &'static str },
}

fn in_parentheses(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}

impl Error {
    /// The kernel's error number, if it gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Io { source, .. } | Self::Refused { source, .. } => source.raw_os_error(),
            Self::Answer { .. } => None,
        }
    }

    pub fn kind(&self) -> Kind {
        self.errno().map_or(Kind::Kernel, Kind::from_errno)
    }
}

hull_sys::define_context!(Error);
