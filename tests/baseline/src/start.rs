//! One container, from clone3 to the removal of its cgroups.

use std::io::{PipeReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Result;
use hull_sys::process::{self, Clone3, Cloned};
use nix::sched::{CloneFlags, unshare};

use crate::{cgroups, execute, network, rights, rootfs, wait};

/// The cgroups are made first: clone3 puts the child into the one of v2, and the child enters those of v1 itself.
pub fn start(dir: &Path, cgroup: &str, bridge: Option<&str>, program: &[&str]) -> Result<u8> {
    let upper = upper(dir)?;
    let directories = cgroups::directories(cgroup);
    cgroups::create(&directories)?;
    let initial_cgroup = cgroups::initial_cgroup(&directories)?;
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET;
    let request = Clone3 {
        flags: namespaces.bits() as u64,
        cgroup: initial_cgroup.as_ref().map(std::os::fd::AsFd::as_fd),
        ..Clone3::default()
    };
    let (network_ready, network_pending) = std::io::pipe()?;
    let pid = match process::clone3(&request)? {
        Cloned::Parent { pid, .. } => pid,
        Cloned::Child => {
            drop(network_pending);
            let result = container(dir, &upper, &directories, network_ready, program);
            eprintln!("baseline: {:#}", result.expect_err("execve does not return"));
            process::exit_now(125);
        }
    };
    if let Some(bridge) = bridge {
        network::connect(bridge, pid)?;
    }
    drop(network_pending);
    let code = wait(pid)?;
    cgroups::remove(&directories)?;
    std::fs::remove_dir_all(upper)?;
    Ok(code)
}

/// A new upper and work directory: the kernel refuses to mount a volatile overlay on ones that were used before.
fn upper(dir: &Path) -> Result<PathBuf> {
    let upper = dir.join(format!("container-{}", std::process::id()));
    for name in ["", "upper", "work"] {
        std::fs::create_dir(upper.join(name))?;
    }
    Ok(upper)
}

fn container(
    dir: &Path,
    upper: &Path,
    directories: &[PathBuf],
    mut network_ready: PipeReader,
    program: &[&str],
) -> Result<()> {
    nix::unistd::setsid()?;
    nix::unistd::sethostname("baseline")?;
    process::loopback_up()?;
    process::join_new_session_keyring()?;
    cgroups::enter(directories)?;
    // After joining the cgroups: a cgroup namespace's root is the cgroup that its maker is in.
    unshare(CloneFlags::CLONE_NEWCGROUP)?;
    rootfs::build(dir, upper)?;
    rootfs::cgroups()?;
    rootfs::hide()?;
    rootfs::pivot()?;
    // Wait until the parent has closed its end: the network is complete before the program starts.
    network_ready.read_to_end(&mut Vec::new())?;
    rights::restrict()?;
    execute(program)
}
