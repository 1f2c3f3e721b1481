//! `kill`: sends a signal to a container's first process, or to all.

use std::os::fd::AsFd;

use anyhow::{Context, Result, bail};
use hull_runtime::spec::{NamespaceKind, Spec};
use nix::errno::Errno;
use nix::libc::SIGKILL;

use crate::cli;
use crate::state::{Root, Status, open};

pub fn kill(root: &Root, args: &cli::Kill) -> Result<u8> {
    let Some(number) = hull_sys::signal::parse(&args.signal) else {
        bail!("unknown signal {:?}: see signal(7) for the names", args.signal);
    };
    let container = root.container(&args.id)?;
    let state = container.read()?;
    let status = container.status(&state);
    let cgroup = state.open_cgroup()?;
    // Without a pid namespace of its own, the container's other processes do not end with the first one.
    let all = args.all
        || (number == SIGKILL && container.read_spec().is_ok_and(|spec| !has_own_pid_namespace(&spec)));
    if all {
        let pids = cgroup.pids();
        if pids.is_empty() && status == Status::Stopped && !args.all {
            bail!("container not running: {}, which is {status}", args.id);
        }
        for pid in pids {
            match send(pid, number) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => return Err(errno).with_context(|| format!("cannot signal process {pid}")),
            }
        }
    } else {
        let init = match (status, &state.init) {
            (Status::Created | Status::Running | Status::Paused, Some(init)) => open(init)?,
            _ => None,
        };
        let Some(init) = init else { bail!("container not running: {}, which is {status}", args.id) };
        hull_sys::process::pidfd_send_signal(init.as_fd(), number)
            .with_context(|| format!("cannot send signal {number} to container {:?}", args.id))?;
    }
    // On cgroup v1 a killed process that is frozen ends only after it is thawed.
    if number == SIGKILL && status == Status::Paused {
        cgroup.thaw()?;
    }
    Ok(0)
}

fn send(pid: i32, number: i32) -> nix::Result<()> {
    // Through the pidfd, because nix has no real-time signals.
    let pidfd = hull_sys::process::pidfd_open(pid)?;
    hull_sys::process::pidfd_send_signal(pidfd.as_fd(), number)
}

fn has_own_pid_namespace(spec: &Spec) -> bool {
    let namespaces = spec.linux.iter().flat_map(|linux| &linux.namespaces);
    namespaces.into_iter().any(|one| one.kind == NamespaceKind::Pid && one.path.is_none())
}
