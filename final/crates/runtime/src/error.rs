//! Which step failed, on what, and why the kernel refused.

use nix::errno::Errno;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call was refused, here or in the child.
    #[error("cannot {step}: {}", .errno.desc())]
    Step { step: String, errno: Errno },
    /// The program to run was not found.
    #[error("exec: {program:?}: {why}")]
    NotFound { program: String, why: &'static str },
    /// It was found, but not what runs it: the program of a script's `#!` line, or the dynamic loader.
    #[error("exec {program}: no such file or directory")]
    NoInterpreter { program: String },
    /// It was found, and the kernel would not execute it.
    #[error("exec: {program:?}: {}", .errno.desc())]
    NotExecutable { program: String, errno: Errno },
    #[error("invalid config.json: {0}")]
    Invalid(String),
    #[error("the container's first process died before it was ready")]
    InitDied,
    #[error(
        "the kernel killed the container's first process before it was ready: the memory limit is too low"
    )]
    InitOutOfMemory,
    /// In the words of a hook, or of the child.
    #[error("{0}")]
    Said(String),
    #[error(transparent)]
    Cgroup(#[from] crate::cgroups::Error),
    #[error(transparent)]
    Checkpoint(#[from] crate::checkpoint::Error),
}

impl Error {
    /// docker's: 127 for a program that is not there, 126 for one that cannot be executed, 125 for the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } | Self::NoInterpreter { .. } => 127,
            Self::NotExecutable { .. } => 126,
            _ => 125,
        }
    }

    /// What the reader can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoInterpreter { .. } => {
                Some("the program after #!, or the dynamic loader, is not in the image".into())
            }
            Self::NotExecutable { errno: Errno::ENOEXEC, .. } => {
                Some("a script needs a #! line; a program must be for this machine's architecture".into())
            }
            Self::NotExecutable { errno: Errno::EACCES, .. } => {
                Some("is it a file with the x bit, on a file system without noexec?".into())
            }
            Self::Step { step, errno: Errno::EPERM } if step.contains("limit") => {
                Some("raising a hard limit needs CAP_SYS_RESOURCE, which this process does not have".into())
            }
            // One place for the process that prepares, and one for the one that it clones inside ([`crate::arrival`]).
            Self::Step { step, errno: Errno::EAGAIN } if step == "clone the process" => {
                Some("the limit of processes leaves no room: entering a container takes two for a moment".into())
            }
            // Moving a process takes write access to the common ancestor of both cgroups (cgroup-v2.rst, "Delegation
            // Containment").
            Self::Step { step, errno: Errno::EACCES } if step.starts_with("clone the ") => Some(
                "start hull in a cgroup of your own, so that it may move into the container's: systemd-run --user --scope hull exec …"
                    .into(),
            ),
            Self::Cgroup(error) => error.hint(),
            Self::Checkpoint(error) => error.hint(),
            _ => None,
        }
    }
}

impl From<hull_netlink::Error> for Error {
    fn from(error: hull_netlink::Error) -> Self {
        use hull_netlink::Error as Netlink;
        match error {
            Netlink::Io { action, source } | Netlink::Refused { action, source, .. } => {
                let errno = Errno::from_raw(source.raw_os_error().unwrap_or(nix::libc::EIO));
                Self::Step { step: action, errno }
            }
            answer @ Netlink::Answer { .. } => Self::Said(answer.to_string()),
        }
    }
}

/// Says which step a call belongs to.
pub(crate) trait Step<T> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Step<T> for nix::Result<T> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|errno| Error::Step { step: step(), errno })
    }
}

impl<T> Step<T> for std::io::Result<T> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO));
            Error::Step { step: step(), errno }
        })
    }
}

impl<T> Step<T> for rustix::io::Result<T> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|errno| Error::Step { step: step(), errno: Errno::from_raw(errno.raw_os_error()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_container_is_said_to_be_one() {
        let full = Error::Step { step: "clone the process".into(), errno: Errno::EAGAIN };
        assert!(full.hint().is_some_and(|hint| hint.contains("limit of processes")));
    }
}
