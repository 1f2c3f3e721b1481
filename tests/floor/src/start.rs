//! One container, from clone3 to the removal of its cgroups.

use std::io::{Read, Write, pipe};
use std::path::{Path, PathBuf};

use anyhow::Result;
use hull_sys::process::{self, Clone3, Cloned};
use nix::sched::{CloneFlags, unshare};

use crate::{cgroups, execute, rights, rootfs, wait};

/// The parent makes the cgroups while the child mounts; they meet twice: joined, and exec.
pub fn start(dir: &Path, cgroup: &str, program: &[&str]) -> Result<u8> {
    let upper = upper(dir)?;
    let (mut joined, mut join) = pipe()?;
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET;
    let pid = match process::clone3(&Clone3 { flags: namespaces.bits() as u64, cgroup: None })? {
        Cloned::Parent { pid, .. } => pid,
        Cloned::Child => {
            drop(join);
            let result = container(dir, &upper, &mut joined, program);
            eprintln!("floor: {:#}", result.expect_err("execve does not return"));
            process::exit_now(125);
        }
    };
    let directories = cgroups::directories(cgroup);
    cgroups::create(&directories)?;
    cgroups::join(&directories, pid)?;
    join.write_all(b"!")?;
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

fn container(dir: &Path, upper: &Path, joined: &mut impl Read, program: &[&str]) -> Result<()> {
    nix::unistd::setsid()?;
    nix::unistd::sethostname("floor")?;
    process::loopback_up()?;
    process::join_new_session_keyring()?;
    rootfs::build(dir, upper)?;
    joined.read_exact(&mut [0])?;
    // Only after joining: the namespace takes the present cgroup as its root.
    unshare(CloneFlags::CLONE_NEWCGROUP)?;
    rootfs::cgroups()?;
    rootfs::hide()?;
    rootfs::pivot()?;
    rights::restrict()?;
    execute(program)
}
