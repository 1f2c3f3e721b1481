//! The kinds of errors that all crates of hull share.

use nix::libc;

/// The kind of a failure, independent of its text.
///
/// Every error type has a method `kind()` that returns one of these. A caller that must tell failures apart, such as
/// the command line (exit codes, hints) and the API (status codes), looks at the kind and never at the text. Errors that
/// cross a process boundary carry [`Kind::name`]. Beside each kind stands the HTTP status that docker's API has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The object that the caller named does not exist: a container, an image, a volume, a file in a container.
    /// HTTP 404.
    NotFound,
    /// Others still use the object, so it can be neither removed nor claimed: a volume of a container, a port.
    /// HTTP 409.
    InUse,
    /// The object exists, and its state or its name forbids the request: the name is taken, the container is not running.
    /// HTTP 409.
    Conflict,
    /// The request is wrong in itself and would fail on any machine: a bad option, a bad reference, a bad bundle.
    /// HTTP 400.
    Invalid,
    /// The caller lacks the right to do it: EPERM or EACCES from the kernel, or a rule of hull's for unprivileged users.
    /// HTTP 403.
    NotPermitted,
    /// A remote side wants credentials, or does not accept those that it got.
    /// HTTP 401.
    Unauthorized,
    /// This kernel, this machine or this build cannot do it: ENOSYS, EOPNOTSUPP, a missing cgroup controller.
    /// HTTP 501.
    Unsupported,
    /// A limit is reached: no space, no memory, no free address, too many processes.
    /// HTTP 500.
    Exhausted,
    /// Another process or machine does not answer in time: a registry, a monitor that is stopped, a lock's holder.
    /// HTTP 503.
    Unavailable,
    /// Something on disk or in an archive is not what it must be: a damaged record, a wrong digest.
    /// HTTP 500.
    Damaged,
    /// The user's program could not be started because it does not exist (exit code 127).
    /// HTTP 400.
    ProgramNotFound,
    /// The user's program exists and cannot be executed (exit code 126).
    /// HTTP 400.
    ProgramNotExecutable,
    /// The kernel refused a call for any other reason.
    /// HTTP 500.
    Kernel,
}

impl Kind {
    /// All kinds, in the order of their definition.
    pub const ALL: [Self; 13] = [
        Self::NotFound,
        Self::InUse,
        Self::Conflict,
        Self::Invalid,
        Self::NotPermitted,
        Self::Unauthorized,
        Self::Unsupported,
        Self::Exhausted,
        Self::Unavailable,
        Self::Damaged,
        Self::ProgramNotFound,
        Self::ProgramNotExecutable,
        Self::Kernel,
    ];

    /// The kind of a system call's error number, where nothing more is known about the call.
    ///
    /// ENOENT is [`Kind::Kernel`]: only the caller knows whether the missing file is what the user named.
    pub fn from_errno(errno: i32) -> Self {
        match errno {
            libc::EPERM | libc::EACCES | libc::EROFS => Self::NotPermitted,
            libc::ENOSYS | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT => Self::Unsupported,
            libc::ENOSPC | libc::EDQUOT | libc::ENOMEM | libc::EMFILE | libc::ENFILE => Self::Exhausted,
            libc::ETIMEDOUT | libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH => {
                Self::Unavailable
            }
            libc::EBUSY | libc::EADDRINUSE => Self::InUse,
            _ => Self::Kernel,
        }
    }

    /// The kind of an I/O error; see [`Kind::from_errno`].
    pub fn from_io(error: &std::io::Error) -> Self {
        errno_of(error).map_or(Self::Kernel, Self::from_errno)
    }

    /// A stable name, for a pipe or a file between two processes of hull.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::InUse => "in-use",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::NotPermitted => "not-permitted",
            Self::Unauthorized => "unauthorized",
            Self::Unsupported => "unsupported",
            Self::Exhausted => "exhausted",
            Self::Unavailable => "unavailable",
            Self::Damaged => "damaged",
            Self::ProgramNotFound => "program-not-found",
            Self::ProgramNotExecutable => "program-not-executable",
            Self::Kernel => "kernel",
        }
    }

    /// The kind with this [`name`](Kind::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A step that the kernel refused, inside an [`std::io::Error`]: that keeps either an error number or a text of its own, and
/// [`errno_of`] reads the number of both.
#[derive(Debug)]
pub(crate) struct RefusedStep {
    pub step: String,
    pub errno: nix::errno::Errno,
}

impl std::fmt::Display for RefusedStep {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.step, self.errno.desc())
    }
}

impl std::error::Error for RefusedStep {}

impl From<RefusedStep> for std::io::Error {
    fn from(refused: RefusedStep) -> Self {
        Self::new(Self::from(refused.errno).kind(), refused)
    }
}

/// The error number, also of an error that names a step.
pub fn errno_of(error: &std::io::Error) -> Option<i32> {
    let refused = || error.get_ref()?.downcast_ref::<RefusedStep>().map(|refused| refused.errno as i32);
    error.raw_os_error().or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(Kind::from_name("no such kind"), None);
    }
}
