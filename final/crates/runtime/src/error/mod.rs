//! Which step failed, on what, and why the kernel refused.

mod checkpoint;

use hull_sys::Kind;
use nix::errno::Errno;

pub use checkpoint::Error as CheckpointError;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed, here or in the child.
    #[error("cannot {step}: {}", .errno.desc())]
    Step { step: String, errno: Errno },
    /// A process could not be cloned.
    #[error("cannot clone {}: {}", .process.name(), .errno.desc())]
    Clone { process: Cloned, errno: Errno },
    /// A resource limit of the process (getrlimit(2)) could not be set.
    #[error("cannot set the limit {limit}: {}", .errno.desc())]
    ResourceLimit { limit: String, errno: Errno },
    /// The program to run does not exist.
    #[error("exec: {program:?}: {}", if *.in_path { IN_PATH } else { NO_FILE })]
    ProgramNotFound {
        program: String,
        /// The program was searched in PATH.
        in_path: bool,
    },
    /// The program exists, but not what runs it: the interpreter of a script's `#!` line, or the dynamic loader.
    #[error("exec {program}: no such file or directory")]
    NoInterpreter { program: String },
    /// The program exists, and the kernel would not execute it.
    #[error("exec: {program:?}: {}", .errno.desc())]
    ProgramNotExecutable { program: String, errno: Errno },
    #[error("invalid config.json: {0}")]
    Invalid(String),
    #[error("the container's first process died before it was ready")]
    InitDied,
    #[error(
        "the kernel killed the container's first process before it was ready: the memory limit is too low"
    )]
    InitOutOfMemory,
    /// A hook failed. The sentence has the end of its output.
    #[error("{0}")]
    Hook(String),
    /// A failure that has a sentence of its own.
    #[error("{text}")]
    Failed { kind: Kind, text: String },
    #[error(transparent)]
    Cgroup(#[from] crate::cgroups::Error),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// An error, and the errors of the cleanup after it.
    #[error("{first}{}", cleanup.iter().map(|error| format!("; {error}")).collect::<String>())]
    WithCleanup { first: Box<Error>, cleanup: Vec<Error> },
}

/// Which process could not be cloned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloned {
    /// The container's first process.
    First,
    /// The process that sets up a container from outside the pid namespace that it joins.
    Builder,
    /// The process that runs the program inside an existing pid namespace.
    Inside,
    /// A process that opens a file in another namespace.
    Helper,
    /// The process that holds a user namespace for an idmapped mount.
    UserNamespace,
}

impl Cloned {
    pub(crate) const ALL: [Self; 5] =
        [Self::First, Self::Builder, Self::Inside, Self::Helper, Self::UserNamespace];

    fn name(self) -> &'static str {
        match self {
            Self::First => "the container's first process",
            Self::Builder => "the container's builder",
            Self::Inside => "the process",
            Self::Helper => "a helper",
            Self::UserNamespace => "a user namespace for a mount",
        }
    }
}

const IN_PATH: &str = "executable file not found in $PATH";
const NO_FILE: &str = "no such file or directory";

impl Error {
    /// A failure of this kind, in a sentence of its own.
    pub(crate) fn failed(kind: Kind, text: impl Into<String>) -> Self {
        Self::Failed { kind, text: text.into() }
    }

    /// This error, together with what could not be cleaned up after it.
    pub(crate) fn with_cleanup(self, cleanup: Vec<Error>) -> Self {
        if cleanup.is_empty() { self } else { Self::WithCleanup { first: Box::new(self), cleanup } }
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Step { errno, .. } | Self::Clone { errno, .. } | Self::ResourceLimit { errno, .. } => {
                Kind::from_errno(*errno as i32)
            }
            Self::ProgramNotFound { .. } | Self::NoInterpreter { .. } => Kind::ProgramNotFound,
            Self::ProgramNotExecutable { .. } => Kind::ProgramNotExecutable,
            Self::Invalid(_) => Kind::Invalid,
            Self::InitDied | Self::Hook(_) => Kind::Kernel,
            Self::InitOutOfMemory => Kind::Exhausted,
            Self::Failed { kind, .. } => *kind,
            Self::Cgroup(error) => error.kind(),
            Self::Checkpoint(error) => error.kind(),
            Self::WithCleanup { first, .. } => first.kind(),
        }
    }

    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoInterpreter { .. } => "the program after #!, or the dynamic loader, is not in the image",
            Self::ProgramNotExecutable { errno: Errno::ENOEXEC, .. } => {
                "a script needs a #! line; a program must be for this machine's architecture"
            }
            Self::ProgramNotExecutable { errno: Errno::EACCES, .. } => {
                "is it a file with the x bit, on a file system without noexec?"
            }
            Self::ResourceLimit { errno: Errno::EPERM, .. } => {
                "raising a hard limit needs CAP_SYS_RESOURCE, which this process does not have"
            }
            // Entering a container takes a process that prepares, and one that it clones inside.
            Self::Clone { process: Cloned::Inside, errno: Errno::EAGAIN } => {
                "the limit of processes leaves no room: entering a container takes two for a moment"
            }
            // Moving a process takes write access to the common ancestor of both cgroups (cgroup-v2.rst, "Delegation
            // Containment").
            Self::Clone { errno: Errno::EACCES, .. } => {
                "start hull in a cgroup of your own, so that it may move into the container's: systemd-run --user --scope hull exec …"
            }
            Self::Cgroup(error) => return error.hint(),
            Self::Checkpoint(error) => return error.hint(),
            Self::WithCleanup { first, .. } => return first.hint(),
            _ => return None,
        };
        Some(hint.to_owned())
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
            answer @ Netlink::Answer { .. } => Self::failed(answer.kind(), answer.to_string()),
        }
    }
}

/// Says which step a failed call belongs to. `step` completes the sentence "cannot …".
pub(crate) trait Step<T>: Sized {
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

/// Says which process could not be cloned.
pub(crate) trait CloneStep<T> {
    fn clone_step(self, process: Cloned) -> Result<T>;
}

impl<T> CloneStep<T> for nix::Result<T> {
    fn clone_step(self, process: Cloned) -> Result<T> {
        self.map_err(|errno| Error::Clone { process, errno })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_without_room_for_another_process_has_a_hint() {
        let full = Error::Clone { process: Cloned::Inside, errno: Errno::EAGAIN };
        assert!(full.hint().is_some_and(|hint| hint.contains("limit of processes")));
    }

    #[test]
    fn errors_of_the_cleanup_follow_the_first_one_and_do_not_change_its_kind() {
        let cleanup = vec![Error::Step { step: "remove the cgroup /x".into(), errno: Errno::EBUSY }];
        let error = Error::Invalid("no root".into()).with_cleanup(cleanup);
        assert_eq!(error.kind(), Kind::Invalid);
        let text = error.to_string();
        assert!(text.ends_with("no root; cannot remove the cgroup /x: Device or resource busy"), "{text}");
    }
}
