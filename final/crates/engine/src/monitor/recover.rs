//! What a killed monitor left: processes in its cgroup, the cgroup, and a state that says it runs.

use crate::engine::Engine;
use crate::error::Result;
use crate::lifecycle::open;
use crate::record::Record;
use crate::state::{Exit, Snapshot};
use crate::time::Timestamp;

/// Clears it, under the container's lock, and records the exit as 137. Mounts went with the monitor's namespace.
pub(crate) fn clear(engine: &Engine, id: &str, snapshot: &Snapshot) -> Result<()> {
    let root = engine.root();
    if let Some(state) = &snapshot.state {
        if let Some(init) = &state.init
            && let Some(pidfd) = open(init)?
        {
            // The init takes its whole pid namespace along.
            let _ =
                hull_sys::process::pidfd_send_signal(std::os::fd::AsFd::as_fd(&pidfd), nix::libc::SIGKILL);
        }
        if let Some(path) = &state.cgroup {
            let cgroup = engine.cgroup(path)?;
            if cgroup.exists() {
                cgroup.kill_all()?;
                cgroup.remove()?;
            }
        }
    }
    crate::network::clear(engine, id)?;
    let record = Record::load(root, id)?;
    if record.options.auto_remove {
        return crate::remove::remove_files(engine, &record, true);
    }
    let state = snapshot.state.as_ref();
    let exit = Exit {
        code: 137,
        started: state.and_then(|state| state.started),
        finished: Some(Timestamp::now()),
        error: "monitor died".into(),
        restart_count: state.map_or(0, |state| state.restart_count),
        ..Exit::default()
    };
    let stored = exit.store(root, id);
    hull_storage::file::remove(&root.container_run_dir(id).join("state.json"))?;
    stored
}
