//! Cloning a container's first process into its namespaces.
//!
//! ```text
//! usually                                 clone3 into all new namespaces
//! a user namespace, and joined ones       an intermediate process joins namespaces, clones the first process as its own
//!                                         sibling, and ends
//! a joined pid namespace                  a process outside of it sets up the container (pid_namespace.rs)
//! ```

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use hull_sys::process::{self, Clone3, Cloned, Fork};
use nix::sched::CloneFlags;

use crate::cgroups::Cgroup;
use crate::container::{CreateOptions, Prepared};
use crate::error::{self, CloneStep, Error, Result, Step};
use crate::hooks::{self, Point};
use crate::namespaces;
use crate::protocol::{Channel, Message};
use crate::spec::Spec;

/// The function that the child runs: `init::run`.
type Init = fn(&CreateOptions<'_>, &Prepared, Channel) -> !;

/// The child's pid and pidfd, and the channel to it.
type ClonedInit = (i32, OwnedFd, Channel);

/// Clones the container's first process, or the process that will clone it, and runs `init` there.
pub(crate) fn clone_init(options: &CreateOptions<'_>, prepared: &Prepared, init: Init) -> Result<ClonedInit> {
    if prepared.pid_namespace.is_some() {
        return clone_outside(options, prepared, init);
    }
    if namespaces::needs_intermediate(options.spec) {
        return clone_through_intermediate(options, prepared, init);
    }
    let (ours, theirs) = Channel::pair()?;
    let directory = options.cgroup.as_ref().and_then(Cgroup::open_dir);
    let flags = namespaces::clone_flags(options.spec);
    let request = Clone3 { flags, cgroup: directory.as_ref().map(AsFd::as_fd), sibling: false };
    match process::clone3(&request).clone_step(error::Cloned::First)? {
        Cloned::Child => {
            drop(ours);
            drop(directory);
            init(options, prepared, theirs)
        }
        Cloned::Parent { pid, pidfd } => Ok((pid, pidfd, ours)),
    }
}

/// Clones the process that sets up a container for a pid namespace in which other processes run already. That process
/// joins all the other namespaces itself.
fn clone_outside(options: &CreateOptions<'_>, prepared: &Prepared, init: Init) -> Result<ClonedInit> {
    let (ours, theirs) = Channel::pair()?;
    let (mut reader, mut writer) = std::io::pipe().step(|| "create a pipe".into())?;
    let directory = options.cgroup.as_ref().and_then(Cgroup::open_dir);
    let request = Clone3 { cgroup: directory.as_ref().map(AsFd::as_fd), ..Clone3::default() };
    match process::clone3(&request).clone_step(error::Cloned::Builder)? {
        Cloned::Child => {
            drop((ours, reader, directory));
            let moved = move_in(options.spec, prepared)
                .and_then(|()| writer.write_all(b"x").step(|| "tell the parent".into()));
            drop(writer);
            match moved {
                Ok(()) => init(options, prepared, theirs),
                Err(error) => {
                    let _ = theirs.send(&Message::Failed(error));
                    process::exit_now(1)
                }
            }
        }
        Cloned::Parent { pid, pidfd } => {
            drop((theirs, writer));
            match reader.read_exact(&mut [0]) {
                Ok(()) => Ok((pid, pidfd, ours)),
                Err(_) => {
                    process::reap(pidfd.as_fd()).step(|| "collect a child".into())?;
                    ours.expect()?;
                    Err(Error::InitDied)
                }
            }
        }
    }
}

/// Moves the process that sets up the container into its namespaces. If there is a user namespace, this includes the pid
/// namespace, because from inside the user namespace there are no privileges over it. The process forks nothing before it
/// clones the first process inside.
fn move_in(spec: &Spec, prepared: &Prepared) -> Result<()> {
    if namespaces::has_user(spec) {
        if hooks::has(spec, Point::CreateContainer) {
            let why = "createContainer hooks cannot be combined with a user namespace and a joined pid namespace: its processes would see them";
            return Err(Error::Invalid(why.into()));
        }
        namespaces::join_pid_namespace(prepared.pid_namespace.as_ref())?;
        namespaces::join_before_user(spec)?;
    }
    let flags = namespaces::clone_flags(spec) as i32;
    nix::sched::unshare(CloneFlags::from_bits_retain(flags)).step(|| "create the namespaces".into())
}

/// Forks the intermediate process, which clones the first process as its sibling and sends its pid.
fn clone_through_intermediate(
    options: &CreateOptions<'_>,
    prepared: &Prepared,
    init: Init,
) -> Result<ClonedInit> {
    let (ours, theirs) = Channel::pair()?;
    let (mut reader, mut writer) = std::io::pipe().step(|| "create a pipe".into())?;
    // Processes in a namespace that the intermediate process joins must not look into it through /proc/PID/fd. The
    // setting is inherited over the fork, and undone in the parent afterwards.
    process::set_dumpable(false).step(|| "hide from the container".into())?;
    match process::fork().step(|| "fork".into())? {
        Fork::Child => {
            drop((ours, reader));
            let cloned = clone_sibling(options, prepared, &theirs, init);
            let done = cloned
                .and_then(|pid| writer.write_all(&pid.to_le_bytes()).step(|| "tell the process id".into()));
            if let Err(error) = done {
                let _ = theirs.send(&Message::Failed(error));
            }
            process::exit_now(0)
        }
        Fork::Parent { pid: intermediate } => {
            drop((theirs, writer));
            process::set_dumpable(true).step(|| "be seen again".into())?;
            let mut pid = [0; 4];
            let received = reader.read_exact(&mut pid);
            let pidfd = process::pidfd_open(intermediate).step(|| "watch a child".into())?;
            process::reap(pidfd.as_fd()).step(|| "collect a child".into())?;
            if received.is_err() {
                ours.expect()?;
                return Err(Error::InitDied);
            }
            let pid = i32::from_le_bytes(pid);
            // It is a child of this process, so its pid is not reused before it is reaped.
            let pidfd = process::pidfd_open(pid).step(|| "watch the container's first process".into())?;
            Ok((pid, pidfd, ours))
        }
    }
}

/// Called in the intermediate process. Returns the pid of the container's first process, which is a sibling of it.
fn clone_sibling(
    options: &CreateOptions<'_>,
    prepared: &Prepared,
    channel: &Channel,
    init: Init,
) -> Result<i32> {
    let directory = options.cgroup.as_ref().and_then(Cgroup::open_dir);
    namespaces::join_before_user(options.spec)?;
    let flags = namespaces::clone_flags(options.spec);
    let request = Clone3 { flags, cgroup: directory.as_ref().map(AsFd::as_fd), sibling: true };
    match process::clone3(&request).clone_step(error::Cloned::First)? {
        Cloned::Child => {
            drop(directory);
            let channel = channel.duplicate()?;
            init(options, prepared, channel)
        }
        Cloned::Parent { pid, .. } => Ok(pid),
    }
}
