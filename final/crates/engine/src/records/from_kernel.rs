//! Reconstructs the state of a container that runs although it has no `state.json`, because the run root was emptied,
//! another one is in use, or the file is damaged. The monitor is found by the lock that it holds, and the
//! kernel knows the rest.

use std::fs;

use hull_storage::lock;
use hull_storage::process_id::ProcessId;
use hull_storage::root::Root;

use crate::records::monitor_lock::MonitorLock;
use crate::records::record::Record;
use crate::records::state::{Phase, State};
use crate::records::time::Timestamp;

/// `None` if no monitor is alive, or if a monitor is starting and will write its state itself.
pub(crate) fn find(root: &Root, id: &str) -> Option<State> {
    let monitor = MonitorLock::holder(root, id)?;
    if is_in_transition(root, id) {
        return None;
    }
    // The monitor may have written its state, or ended, meanwhile.
    if let Ok(Some(state)) = State::load(root, id) {
        return Some(state);
    }
    if !monitor.is_alive() {
        return None;
    }
    let init = init_of(&monitor, id);
    let cgroup = init.as_ref().and_then(|init| cgroup_of(init.pid, id));
    let is_frozen = cgroup.as_deref().is_some_and(is_frozen);
    Some(State {
        format: Record::FORMAT,
        phase: match (&init, is_frozen) {
            (None, _) => Phase::Restarting,
            (Some(_), true) => Phase::Paused,
            (Some(_), false) => Phase::Running,
        },
        halt: None,
        started: init.as_ref().map(|init| Timestamp(init.started())),
        monitor,
        init,
        cgroup,
        restart_count: 0,
        runtime: Record::load(root, id).ok().and_then(|record| record.options.runtime),
    })
}

/// Whether a start is in progress: it holds the container's lock, and locks the directory before it writes the state.
fn is_in_transition(root: &Root, id: &str) -> bool {
    let Ok(file) = fs::File::open(root.container_run_dir(id).join("lock")) else { return false };
    lock::holders(&file).iter().any(|holder| holder.pid != std::process::id() as i32)
}

/// The child of the monitor that is in the container's pid namespace or cgroup. Its other children are the user-mode
/// network, and writers of the last output to slow readers.
fn init_of(monitor: &ProcessId, id: &str) -> Option<ProcessId> {
    let depth = |pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:").map(str::to_owned));
        pids.map_or(0, |pids| pids.split_whitespace().count())
    };
    let own = depth(monitor.pid);
    let is_inside = |child: &ProcessId| depth(child.pid) > own || cgroup_of(child.pid, id).is_some();
    monitor.children().into_iter().find(is_inside)
}

/// The container's cgroup among those of a process: the one with the container's id for a name.
fn cgroup_of(pid: i32, id: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let mut paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.find_map(|path| {
        let end = path.find(id)? + id.len();
        Some(path[..end].to_owned())
    })
}

fn is_frozen(path: &str) -> bool {
    hull_runtime::cgroups::detect().is_ok_and(|layout| layout.cgroup(path).is_frozen())
}
