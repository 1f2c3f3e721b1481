//! The state of a container: `state.json` while a monitor lives, `exit.json` once a run has ended.
//!
//! `state.json` lies in the run root, which a reboot empties; `exit.json` lies with the container and outlives it.
//! The monitor writes both. A reader takes no lock: it reads a whole file or none, and asks the kernel whether the
//! monitor named there still lives (`snapshot.rs`).

use hull_storage::process_id::ProcessId;
use hull_storage::root::Root;
use hull_sys::Kind;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Errors, Result};
use crate::records::halt::Halt;
use crate::records::record::Record;
use crate::records::runtime::RuntimeOption;
use crate::records::time::Timestamp;
use crate::records::writable::start_mark;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub format: u32,
    pub phase: Phase,
    pub monitor: ProcessId,
    /// The container's first process, once it exists.
    pub init: Option<ProcessId>,
    /// Recorded before it is created, so that a cgroup without a monitor can be attributed.
    pub cgroup: Option<String>,
    pub started: Option<Timestamp>,
    pub restart_count: u32,
    /// How the init that runs is told to end the system. `None` if no init runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halt: Option<Halt>,
    /// The runtime that has made the container, unless it is the one that is built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<RuntimeOption>,
}

/// The phase of its container that a monitor is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Starting,
    Running,
    Paused,
    /// Between the end of a run and the next start.
    Restarting,
    /// The run has ended, which clients are told of, and its monitor is removing what is left of it.
    Ended,
}

/// How the last run ended.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Exit {
    pub code: u8,
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
    pub oom_killed: bool,
    pub error: String,
    pub restart_count: u32,
    /// Whether `stop` or `kill` has ended it; `--restart unless-stopped` then does not start it again.
    pub stopped_by_user: bool,
    /// The monitor was killed, so nobody has applied the restart policy to this end.
    pub monitor_killed: bool,
    /// `boot stop` has ended it, because the machine was going down.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ended_by_shutdown: bool,
}

/// docker's names of a container's states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Created,
    Running,
    Paused,
    Restarting,
    Exited,
    /// The monitor was killed. The next command cleans up after it.
    Dead,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }

    /// A monitor is there.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

impl State {
    pub(crate) fn load(root: &Root, id: &str) -> Result<Option<Self>> {
        Ok(hull_storage::file::read_json(&root.container_run_dir(id).join("state.json"))?)
    }

    pub(crate) fn store(&self, root: &Root, id: &str) -> Result<()> {
        Ok(hull_storage::file::write_json_atomic(&root.container_run_dir(id).join("state.json"), self)?)
    }
}

/// docker's exit code for a container that was running when the machine went down.
pub(super) const INTERRUPTED: u8 = 255;

impl Exit {
    /// The end of a container that could not be started, with docker's exit codes: 127 if the program or its
    /// working directory does not exist, 126
    /// if it cannot be executed, 125 for all else. The rest is `before`'s.
    pub(crate) fn of_failed_start(error: &Error, before: Self) -> Self {
        let code = match error.kind() {
            Kind::ProgramNotFound | Kind::NotFound => 127,
            Kind::ProgramNotExecutable => 126,
            _ => 125,
        };
        Self { code, error: error.to_string(), ..before }
    }

    /// The same end, with what could not be cleaned up after it.
    pub(crate) fn with_cleanup(&self, errors: &Errors) -> Self {
        let own = (!self.error.is_empty()).then(|| self.error.clone());
        let cleanup = errors.iter().map(|error| error.to_string());
        let error = own.into_iter().chain(cleanup).collect::<Vec<_>>().join("; ");
        Self { error, ..self.clone() }
    }

    pub(crate) fn load(root: &Root, id: &str) -> Result<Option<Self>> {
        let directory = root.container_dir(id);
        let path = directory.join("exit.json");
        match hull_storage::file::read_json(&path) {
            Ok(Some(exit)) => return Ok(Some(exit)),
            Ok(None) => {}
            // The file was written when the container ended, so its modification time is the time of the end.
            Err(error @ hull_storage::Error::Damaged { .. }) => {
                let written = std::fs::metadata(&path).and_then(|file| file.modified());
                let finished = written.ok().map(Timestamp);
                let error = error.to_string();
                return Ok(Some(Self { code: INTERRUPTED, finished, error, ..Self::default() }));
            }
            Err(error) => return Err(error.into()),
        }
        // The layer is first mounted by a container's first start, and each end writes an exit. With neither an end
        // nor a monitor the machine went down in between.
        let began = start_mark(root, id).first_mounted();
        Ok(began.map(|began| Self {
            code: INTERRUPTED,
            started: Some(Timestamp(began)),
            error: "the machine went down while it ran".into(),
            ..Self::default()
        }))
    }

    pub(crate) fn store(&self, root: &Root, id: &str) -> Result<()> {
        Ok(hull_storage::file::write_json_atomic(&root.container_dir(id).join("exit.json"), self)?)
    }

    /// Removes the exit, because another run begins.
    pub(crate) fn forget(root: &Root, id: &str) -> Result<()> {
        Ok(hull_storage::file::remove(&root.container_dir(id).join("exit.json"))?)
    }
}

/// The error of a verb that a container in this status does not allow.
pub(crate) fn wrong_state(verb: &'static str, record: &Record, status: Status) -> Error {
    let state = match status {
        Status::Created | Status::Exited | Status::Dead => "not running",
        other => other.as_str(),
    };
    Error::WrongState { verb, name: record.name.clone(), state }
}
