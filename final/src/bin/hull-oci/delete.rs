//! `delete`: removes a container that has stopped.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use hull_runtime::cgroups::Cgroup;
use hull_runtime::hooks::{self, HookState, Point};
use hull_storage::process_id::ProcessId;
use nix::errno::Errno;
use nix::libc::SIGKILL;

use crate::bundle::cgroup_path;
use crate::state::{Container, Root, Status, cgroup, open};
use crate::{cli, report};

/// How long a killed process may take to end.
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
        // The state is damaged or not written yet. The copy of config.json tells where the cgroup would be.
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
        run_poststop(global, state.hook_state(&spec, 0));
    }
    Ok(0)
}

/// Runs the poststop hooks, when nothing is left of the container. Their failures are warnings (runtime.md, "Lifecycle").
pub fn run_poststop(global: &cli::Global, container: HookState<'_>) {
    for error in hooks::run_all(Point::Poststop, container) {
        report::warning(global, &error.to_string());
    }
}

/// Kills the container's processes and removes its cgroup and its directory. It continues after errors and reports all
/// of them. The caller holds the container's lock.
pub fn destroy(container: &Container, cgroup: Result<Cgroup>, init: Option<&ProcessId>) -> Result<()> {
    let killed = init.map_or(Ok(()), kill);
    let removed = cgroup.and_then(|cgroup| Ok(cgroup.remove()?));
    let gone = init.map_or(Ok(()), await_end);
    let failures: Vec<String> = [killed, removed, gone]
        .into_iter()
        .filter_map(|outcome| outcome.err().map(|error| format!("{error:#}")))
        .collect();
    // The directory is removed last, and only if nothing else is left, because the next `delete` needs it.
    if !failures.is_empty() {
        bail!("cannot delete all of container {:?}: {}", container.id, failures.join("; "));
    }
    container.remove()
}

/// Kills the first process, which the removal of the cgroup misses if somebody has moved it to another one.
fn kill(init: &ProcessId) -> Result<()> {
    if let Some(pidfd) = open(init)? {
        match hull_sys::process::pidfd_send_signal(pidfd.as_fd(), SIGKILL) {
            // It has just ended.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => bail!("cannot kill process {}: {}", init.pid, errno.desc()),
        }
    }
    Ok(())
}

/// Waits until the process has ended. A zombie counts as ended; its parent reaps it.
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
