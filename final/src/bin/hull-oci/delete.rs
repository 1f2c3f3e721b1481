//! `delete`: what is left of a container that has stopped.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use hull_runtime::cgroups::Cgroup;
use hull_runtime::hooks::{self, HookState, Point};
use hull_storage::process_id::ProcessId;
use nix::libc::SIGKILL;

use crate::bundle::cgroup_path;
use crate::state::{Container, Root, Status, cgroup, open};
use crate::{cli, report};

/// How long a killed process may take to go.
const TIMEOUT: Duration = Duration::from_secs(10);

pub fn delete(root: &Root, args: &cli::Delete, global: &cli::Global) -> Result<u8> {
    let container = root.container(&args.id)?;
    if args.force && !container.exists() {
        return Ok(0);
    }
    let _lock = container.lock()?;
    let state = match container.read() {
        Ok(state) => state,
        Err(error) if !args.force => return Err(error),
        // Cut short, or not written yet: the bundle's copy says where the cgroup would be.
        Err(_) => {
            let spec = container.read_spec().unwrap_or_default();
            let place = cgroup_path(&spec, &args.id, global.systemd_cgroup);
            destroy(&container, place.and_then(|(path, unit)| cgroup(&path, unit)), None)?;
            return Ok(0);
        }
    };
    match container.status(&state) {
        // A container that was only created has not run its program yet, so nothing is lost.
        Status::Stopped | Status::Created => {}
        status if !args.force => {
            bail!("cannot delete container {} that is not stopped: {status}", args.id)
        }
        _ => {}
    }
    let spec = container.read_spec();
    destroy(&container, state.open_cgroup(), state.init.as_ref())?;
    if let Ok(spec) = spec {
        after(global, state.hook_state(&spec, 0));
    }
    Ok(0)
}

/// Hooks that run when nothing of a container is left; what fails is told, and changes nothing (runtime.md, "Lifecycle").
pub fn after(global: &cli::Global, container: HookState<'_>) {
    for error in hooks::run_all(Point::Poststop, container) {
        report::warning(global, &error.to_string());
    }
}

/// Kills what runs and removes all there is, going on past errors, of which it tells every one. Under the lock.
pub fn destroy(container: &Container, cgroup: Result<Cgroup>, init: Option<&ProcessId>) -> Result<()> {
    let killed = init.map_or(Ok(()), kill);
    let removed = cgroup.and_then(|cgroup| Ok(cgroup.remove()?));
    let gone = init.map_or(Ok(()), await_end);
    let failures: Vec<String> = [killed, removed, gone]
        .into_iter()
        .filter_map(|outcome| outcome.err().map(|error| format!("{error:#}")))
        .collect();
    // Last, and not at all as long as something else is left: the next `delete` must find what it was.
    if !failures.is_empty() {
        bail!("cannot delete all of container {:?}: {}", container.id, failures.join("; "));
    }
    container.remove()
}

/// The first process is in the cgroup, and dies with it; but for one that somebody moved out of it.
fn kill(init: &ProcessId) -> Result<()> {
    if let Some(pidfd) = open(init)? {
        // It may have ended a moment ago.
        let _ = hull_sys::process::pidfd_send_signal(pidfd.as_fd(), SIGKILL);
    }
    Ok(())
}

/// A zombie has ended: whoever made it collects it.
fn await_end(init: &ProcessId) -> Result<()> {
    let started = Instant::now();
    while init.is_alive() {
        if started.elapsed() > TIMEOUT {
            bail!("process {} does not end after SIGKILL", init.pid);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
