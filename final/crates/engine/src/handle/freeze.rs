//! Freezes a running container while a command reads its files.
//!
//! The monitor freezes the container, and thaws it when the command's connection closes. So nothing stays frozen
//! however the command ends: SIGKILL closes the connection too.

use std::time::Duration;

use crate::attach::{Connection, Message};
use crate::engine::Engine;
use crate::error::{IoContext, Report, Result};
use crate::handle::running::readable;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::{State, Status};
use crate::runtimes::Runtime;

/// A process in a slow system call is frozen only when the call returns.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The container is frozen until this is dropped.
#[derive(Debug)]
pub(crate) struct Frozen {
    _connection: Connection,
}

impl Engine {
    /// Lets a killed container die: on cgroup v1 a frozen process does not even take SIGKILL. On v2 it does, and may
    /// have gone by now. An external runtime may have thawed it with its own kill.
    pub(crate) fn thaw(&self, id: &str, state: &State) -> Result<()> {
        let Some(path) = &state.cgroup else { return Ok(()) };
        let cgroup = self.cgroup(path)?;
        match Runtime::of(state.runtime.as_ref(), self.root(), id).thaw(&cgroup) {
            Err(_) if !cgroup.exists() || !cgroup.is_frozen() => Ok(()),
            thawed => thawed,
        }
    }

    /// Thaws the processes that a system container has frozen itself, in cgroups of its own. The first process of a
    /// container ends only after all the others (pid_namespaces(7)), and frozen ones do not end.
    pub(crate) fn thaw_below(&self, state: &State) -> Result<()> {
        if let Some(path) = &state.cgroup {
            self.cgroup(path)?.thaw_all();
        }
        Ok(())
    }

    /// Freezes a container that runs. `None` for one that does not, or that its user has paused.
    pub(crate) fn freeze(&self, record: &Record) -> Result<Option<Frozen>> {
        if Snapshot::take(self.root(), &record.id)?.status != Status::Running {
            return Ok(None);
        }
        let monitor = || format!("reach the monitor of {}", record.name);
        let connection = Connection::connect(&self.root().container_run_dir(&record.id)).context(monitor)?;
        connection.send(&Message::Freeze).context(monitor)?;
        if !readable(&connection, Some(ANSWER_TIMEOUT))? {
            return Err(std::io::Error::from(std::io::ErrorKind::TimedOut)).context(monitor);
        }
        match connection.receive(&mut Vec::new()).context(monitor)? {
            Some(Message::Started) => Ok(Some(Frozen { _connection: connection })),
            Some(Message::Failed(report)) => Err(Report::decode(report).into()),
            // It has ended meanwhile.
            _ => Ok(None),
        }
    }
}
