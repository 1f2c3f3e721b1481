//! One container, from clone3 to the removal of its cgroups.

use std::io::{PipeReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Result;
use hull_sys::process::{self, Clone3, Cloned};
use nix::sched::{CloneFlags, unshare};

use crate::{cgroups, execute, network, rights, rootfs, wait};

/// The cgroups come first: the child is born in v2's and enters v1's by itself.
pub fn start(dir: &Path, cgroup: &str, bridge: Option<&str>, program: &[&str]) -> Result<u8> {
    let upper = upper(dir)?;
    let directories = cgroups::directories(cgroup);
    cgroups::create(&directories)?;
    let birthplace = cgroups::birthplace(&directories)?;
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET;
    let request = Clone3 {
        flags: namespaces.bits() as u64,
        cgroup: birthplace.as_ref().map(std::os::fd::AsFd::as_fd),
        ..Clone3::default()
    };
    let (plugged, plug) = std::io::pipe()?;
    let pid = match process::clone3(&request)? {
        Cloned::Parent { pid, .. } => pid,
        Cloned::Child => {
            drop(plug);
            let result = container(dir, &upper, &directories, plugged, program);
            eprintln!("floor: {:#}", result.expect_err("execve does not return"));
            process::exit_now(125);
        }
    };
    if let Some(bridge) = bridge {
        network::plug(bridge, pid)?;
    }
    drop(plug);
    let code = wait(pid)?;
    cgroups::remove(&directories)?;
    std::fs::remove_dir_all(upper)?;
    Ok(code)
}

/// A new upper and work directory: a volatile overlay takes none that was used before.
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
    mut plugged: PipeReader,
    program: &[&str],
) -> Result<()> {
    nix::unistd::setsid()?;
    nix::unistd::sethostname("floor")?;
    process::loopback_up()?;
    process::join_new_session_keyring()?;
    cgroups::enter(directories)?;
    // Only now: the namespace takes the present cgroup as its root.
    unshare(CloneFlags::CLONE_NEWCGROUP)?;
    rootfs::build(dir, upper)?;
    rootfs::cgroups()?;
    rootfs::hide()?;
    rootfs::pivot()?;
    // The program finds its network.
    plugged.read_to_end(&mut Vec::new())?;
    rights::restrict()?;
    execute(program)
}
