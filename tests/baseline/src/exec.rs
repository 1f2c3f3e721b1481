//! One more program in a running container: setns, cgroup join, clone, exec.

use std::os::fd::AsFd;

use anyhow::{Context, Result};
use hull_sys::process::{self, Clone3, Cloned};
use nix::sched::CloneFlags;

use crate::{cgroups, execute, rights, wait};

pub fn exec(pid: &str, cgroup: &str, program: &[&str]) -> Result<u8> {
    let container = process::pidfd_open(pid.parse().context("a pid")?)?;
    // Join before setns: the container's cgroup namespace does not show this path.
    let directories = cgroups::directories(cgroup);
    cgroups::enter(&directories)?;
    let initial_cgroup = cgroups::initial_cgroup(&directories)?;
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWCGROUP;
    process::setns(container.as_fd(), namespaces.bits())?;
    match process::clone3(&Clone3 { cgroup: initial_cgroup.as_ref().map(AsFd::as_fd), ..Clone3::default() })?
    {
        Cloned::Parent { pid, .. } => wait(pid),
        Cloned::Child => {
            let result = rights::restrict().and_then(|()| execute(program));
            eprintln!("baseline: {:#}", result.expect_err("execve does not return"));
            process::exit_now(125);
        }
    }
}
