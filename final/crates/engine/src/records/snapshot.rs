//! A container at one moment: its state, asked of the disk and of the kernel, and its last exit.
//!
//! Where the state file is missing or damaged, the monitor is searched for ([`from_kernel`]).

use std::os::fd::OwnedFd;

use hull_storage::root::Root;
use hull_storage::writable_layer::WritableLayer;

use crate::error::{Error, Result};
use crate::records::from_kernel;
use crate::records::monitor_lock::MonitorLock;
use crate::records::state::{Exit, INTERRUPTED, Phase, State, Status};

/// A container's state and its last exit, as they are on disk at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub status: Status,
    pub state: Option<State>,
    pub exit: Option<Exit>,
    /// The state was found without a state file ([`from_kernel`]). Its monitor cannot be reached, because its socket
    /// may be gone too.
    pub is_lost: bool,
}

impl Snapshot {
    pub fn take(root: &Root, id: &str) -> Result<Self> {
        match State::load(root, id) {
            Ok(Some(state)) => Self::with(root, id, Some(state)),
            Ok(None) => Self::without_state(root, id),
            Err(Error::Storage(hull_storage::Error::Damaged { .. })) => match from_kernel::find(root, id) {
                Some(state) => Ok(Self { is_lost: true, ..Self::with(root, id, Some(state))? }),
                // No monitor is alive to write another one, so it is cleaned up as after a kill.
                None => Ok(Self { status: Status::Dead, ..Self::with(root, id, None)? }),
            },
            Err(error) => Err(error),
        }
    }

    /// The snapshot of a container without a state file.
    pub(crate) fn without_state(root: &Root, id: &str) -> Result<Self> {
        let found = from_kernel::find(root, id);
        let is_lost = found.is_some();
        Ok(Self { is_lost, ..Self::with(root, id, found)? })
    }

    /// The same, of a container whose directory is open: a listing looks at hundreds.
    pub(crate) fn without_state_in(root: &Root, id: &str, directory: &OwnedFd) -> Result<Self> {
        let path = root.container_dir(id).join("exit.json");
        if !MonitorLock::is_held(directory) {
            match hull_storage::file::read_json_in(directory, "exit.json", &path) {
                Ok(Some(exit)) => {
                    return Ok(Self {
                        status: Status::Exited,
                        state: None,
                        exit: Some(exit),
                        is_lost: false,
                    });
                }
                Ok(None) if !WritableLayer::was_mounted_in(directory) => {
                    return Ok(Self { status: Status::Created, state: None, exit: None, is_lost: false });
                }
                // Something is unusual: a monitor died, or the file is damaged.
                Ok(None) | Err(_) => {}
            }
        }
        Self::without_state(root, id)
    }

    fn with(root: &Root, id: &str, state: Option<State>) -> Result<Self> {
        // The last exit of a container that runs is not needed, so the file is not read.
        let status = match &state {
            Some(state) if !state.monitor.is_alive() => Status::Dead,
            Some(state) => match state.phase {
                Phase::Paused => Status::Paused,
                Phase::Restarting => Status::Restarting,
                Phase::Ended => Status::Exited,
                Phase::Starting | Phase::Running => Status::Running,
            },
            None => Status::Created,
        };
        let runs = matches!(status, Status::Running | Status::Paused);
        let exit = if runs { None } else { Exit::load(root, id)? };
        // An exit that is only inferred is wrong if a monitor has started after its state was looked for.
        let inferred = exit.as_ref().is_some_and(|exit| exit.finished.is_none() && exit.code == INTERRUPTED);
        if state.is_none() && inferred && matches!(State::load(root, id), Ok(Some(_))) {
            return Self::take(root, id);
        }
        let status = if status == Status::Created && exit.is_some() { Status::Exited } else { status };
        Ok(Self { status, state, exit, is_lost: false })
    }

    pub fn init_pid(&self) -> Option<i32> {
        let state = self.state.as_ref().filter(|_| self.status.is_active())?;
        state.init.as_ref().map(|init| init.pid)
    }
}
