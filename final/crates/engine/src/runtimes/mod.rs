//! The OCI runtime of a container: the one that is built in, or another program with runc's command line.
//!
//! ```text
//! resolve   a name of --runtime → a program             external  create, start, kill, delete … of such a program
//! invoke    one run of it: limits on time and output    console   the socket on which it sends the terminal's master
//! ```
//!
//! The built-in runtime needs nothing from here but a branch. The monitor runs the other kind from its own mount namespace,
//! in which the container's root is mounted, and is the parent of the container's first process in both cases: the
//! runtime's `create` ends, and its child is then the monitor's (`PR_SET_CHILD_SUBREAPER`, prctl(2)).

mod console;
mod external;
mod invoke;
pub(crate) mod resolve;

use std::os::fd::{AsFd, OwnedFd};

use hull_runtime::cgroups::Cgroup;
use hull_storage::root::Root;
use hull_sys::process;
use nix::errno::Errno;

use crate::error::{IoContext, Result};
use crate::records::runtime::RuntimeOption;

pub(crate) use external::{External, Made};

#[derive(Debug, Clone, Default)]
pub(crate) enum Runtime {
    #[default]
    BuiltIn,
    External(Box<External>),
}

impl Runtime {
    pub(crate) fn of(option: Option<&RuntimeOption>, root: &Root, id: &str) -> Self {
        match option {
            None => Self::BuiltIn,
            Some(option) => Self::External(Box::new(External::new(option, root, id))),
        }
    }

    pub(crate) fn external(&self) -> Option<&External> {
        match self {
            Self::BuiltIn => None,
            Self::External(external) => Some(external),
        }
    }

    /// Sends a signal to the container's program, whose first process is `init`. A program that has ended takes none.
    pub(crate) fn signal(&self, init: &OwnedFd, signal: i32) -> Result<()> {
        match self {
            Self::BuiltIn => send(init, signal),
            Self::External(external) => external.signal(init, signal),
        }
    }

    pub(crate) fn freeze(&self, cgroup: &Cgroup) -> Result<()> {
        match self {
            Self::BuiltIn => Ok(cgroup.freeze()?),
            Self::External(external) => external.pause(),
        }
    }

    pub(crate) fn thaw(&self, cgroup: &Cgroup) -> Result<()> {
        match self {
            Self::BuiltIn => Ok(cgroup.thaw()?),
            Self::External(external) => external.resume(),
        }
    }

    /// Lets the runtime remove what it has of a container that has ended, and kill what has not.
    pub(crate) fn delete(&self) -> Result<()> {
        match self {
            Self::BuiltIn => Ok(()),
            Self::External(external) => external.delete(),
        }
    }
}

pub(crate) fn send(process: &OwnedFd, signal: i32) -> Result<()> {
    match process::pidfd_send_signal(process.as_fd(), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno).context(|| format!("send signal {signal}")),
    }
}
