//! A container that is about to be created, and what its two sides, parent and child, share.

use std::os::fd::OwnedFd;
use std::path::Path;

use crate::cgroups::Cgroup;
use crate::network_devices;
use crate::rootfs::{DetachedMount, Sources};
use crate::security::seccomp::{Filter, Program};
use crate::spec::Spec;
use crate::stdio::Stdio;

/// Everything that a container is made from. The calling process must have only one thread.
#[derive(Debug)]
pub struct CreateOptions<'a> {
    pub id: &'a str,
    /// The bundle's directory, to which relative paths in the spec are relative.
    pub bundle: &'a Path,
    pub spec: &'a Spec,
    pub stdio: Stdio,
    /// Mounts from another mount namespace. They are attached after the spec's own mounts.
    pub detached_mounts: Vec<DetachedMount>,
    /// Without a cgroup the container stays in the caller's.
    pub cgroup: Option<Cgroup>,
    /// Whether PID 1 is hull's own init, which reaps zombies and forwards signals, with the program as its child.
    pub init: bool,
    /// Whether the container is killed when the caller dies.
    pub parent_death_signal: bool,
    pub filter: Filter<'a>,
    /// The socket, from [`crate::rendezvous::bind`], at which the container waits for another process to call
    /// [`crate::start`] after [`Created::detach`](crate::Created::detach). Without it the container waits for
    /// [`Created::start`](crate::Created::start).
    pub rendezvous: Option<OwnedFd>,
    /// How many descriptors, from 3 on, the program inherits.
    pub preserved_fds: u32,
    /// Whether the container gets its own session keyring (keyrings(7)) instead of its caller's keyring.
    pub new_keyring: bool,
    /// Whether the root may be moved over the old one where pivot_root(2) is impossible, as on an initial ramdisk.
    pub may_move_root: bool,
    /// Whether the terminal, if there is one, becomes the controlling terminal of the first process. Then keys such as
    /// Ctrl+C send a signal to this process.
    pub controls_terminal: bool,
}

/// What the parent prepares before the clone and the child uses.
pub(crate) struct Prepared {
    pub filter: Option<Program>,
    pub sources: Sources,
    pub devices: Vec<network_devices::Device>,
    /// A pid namespace that the container joins, and in which other processes run already.
    pub pid_namespace: Option<OwnedFd>,
}

/// A container's first process, or a process of `exec`, that runs the user's program.
#[derive(Debug)]
pub struct Running {
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub cgroup: Option<Cgroup>,
}
