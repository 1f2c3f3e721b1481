//! `pause` and `resume`: freeze and thaw a container's processes (cgroups(7), the freezer).

use anyhow::{Result, bail};

use crate::cli;
use crate::state::{Root, Status};

pub fn pause(root: &Root, args: &cli::Id) -> Result<u8> {
    change(root, &args.id, "pause", |status| matches!(status, Status::Created | Status::Running))
}

pub fn resume(root: &Root, args: &cli::Id) -> Result<u8> {
    change(root, &args.id, "resume", |status| status == Status::Paused)
}

fn change(root: &Root, id: &str, verb: &str, allowed: impl Fn(Status) -> bool) -> Result<u8> {
    let container = root.container(id)?;
    let _lock = container.lock()?;
    let state = container.read()?;
    let status = container.status(&state);
    if !allowed(status) {
        // The sentence is runc's, because engines compare it.
        match verb {
            "pause" => bail!("container not running or created: {id}, which is {status}"),
            _ => bail!("container not paused: {id}, which is {status}"),
        }
    }
    let cgroup = state.open_cgroup()?;
    if verb == "pause" {
        cgroup.freeze()?
    } else {
        cgroup.thaw()?
    }
    Ok(0)
}
