//! A container that runs, as another command sees it: its monitor and its first process, by descriptor.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use hull_storage::process_id::ProcessId;
use hull_storage::root::Root;
use hull_sys::process;
use nix::errno::Errno;

use crate::attach::{Connection, Message};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::lifecycle::open;
use crate::state::{Snapshot, State, Status};

/// For a monitor that has nothing to do but to answer.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How often it is looked whether a monitor that says nothing is stopped.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

impl Engine {
    /// A container's live monitor. What a killed one left is cleared on the way.
    pub(crate) fn running(&self, id: &str) -> Result<Option<RunningContainer>> {
        let snapshot = self.clear_if_dead_by_id(id, Snapshot::take(self.root(), id)?)?;
        let (true, Some(state)) = (snapshot.status.is_active(), snapshot.state) else { return Ok(None) };
        let Some(monitor) = open(&state.monitor)? else { return Ok(None) };
        let init = match &state.init {
            Some(init) => open(init)?,
            None => None,
        };
        let connection = Connection::connect(&self.root().container_run_dir(id)).ok();
        let is_lost = snapshot.is_lost;
        Ok(Some(RunningContainer { status: snapshot.status, state, is_lost, monitor, init, connection }))
    }
}

/// A container whose monitor was alive when it was looked at, held by descriptors that cannot come to mean others.
pub(crate) struct RunningContainer {
    pub status: Status,
    pub state: State,
    /// Nothing on disk tells of it, and its monitor cannot be reached.
    pub is_lost: bool,
    pub monitor: OwnedFd,
    pub init: Option<OwnedFd>,
    pub connection: Option<Connection>,
}

impl RunningContainer {
    /// False when there is nobody who could answer.
    pub(crate) fn tell(&self, message: &Message<'_>) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.try_send(message).is_ok())
    }

    /// A container that was still starting when it was looked at has its first process once its monitor answers.
    pub(crate) fn find_init(&mut self, root: &Root, id: &str) -> Result<()> {
        if self.init.is_none()
            && let Some(init) = State::load(root, id)?.and_then(|state| state.init)
        {
            self.init = open(&init)?;
        }
        Ok(())
    }

    /// Tells the monitor that the container is on other networks, and waits until its names are right.
    pub(crate) fn say_networks(&self, name: &str) -> Result<()> {
        let connection = self.connection.as_ref().filter(|_| self.tell(&Message::Networks));
        match connection.map_or(Ok(true), |connection| readable(connection, Some(ANSWER_TIMEOUT)))? {
            true => Ok(()),
            false => Err(self.silent(name)),
        }
    }

    /// The container's exit code, once the run that lasts has ended, also where another one follows. `None` when its
    /// monitor went without a word.
    pub(crate) fn exit_code(&self, name: &str) -> Result<Option<u8>> {
        let Some(connection) = self.connection.as_ref().filter(|_| self.tell(&Message::Wait)) else {
            let end = self.init.as_ref().unwrap_or(&self.monitor);
            return readable(end, None).map(|_| None);
        };
        let mut buffer = Vec::new();
        loop {
            self.await_word(connection, name)?;
            match connection.receive(&mut buffer).context(|| "listen to the monitor".into())? {
                Some(Message::Exited(code)) => return Ok(Some(code)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Waits until the monitor says something. Once the container's first process has ended, it does so unless it is
    /// stopped itself.
    fn await_word(&self, connection: &Connection, name: &str) -> Result<()> {
        if let Some(init) = &self.init {
            hull_sys::wait::until_any_readable(&[connection.as_fd(), init.as_fd()], None)
                .context(|| "wait for the container".into())?;
        }
        let mut stopped = Stopped::default();
        while !readable(connection, Some(LOOK))? {
            if stopped.look(&self.state.monitor) && (self.init.is_none() || self.init_has_ended()?) {
                return Err(self.silent(name));
            }
        }
        Ok(())
    }

    /// Refuses what would wait for an answer of a monitor that cannot give one.
    pub(crate) fn check_monitor(&self, name: &str) -> Result<()> {
        if self.is_lost || self.connection.is_none() || self.state.monitor.is_stopped() {
            return Err(self.silent(name));
        }
        Ok(())
    }

    pub(crate) fn silent(&self, name: &str) -> Error {
        let why = match (self.is_lost, self.state.monitor.is_stopped()) {
            (true, _) => "has lost its place in the run root",
            (_, true) => "is stopped",
            _ => "is busy",
        };
        Error::MonitorSilent { name: name.to_owned(), pid: self.state.monitor.pid, why: why.into() }
    }

    pub(crate) fn signal(&self, signal: i32) -> Result<()> {
        self.init.as_ref().map_or(Ok(()), |init| send(init, signal))
    }

    pub(crate) fn kill_monitor(&self) -> Result<()> {
        send(&self.monitor, nix::libc::SIGKILL)
    }

    pub(crate) fn init_has_ended(&self) -> Result<bool> {
        self.init.as_ref().map_or(Ok(false), |init| readable(init, Some(Duration::ZERO)))
    }
}

/// Notices that a process stays stopped. For moments a debugger stops any process it looks at.
#[derive(Debug, Default)]
pub(crate) struct Stopped {
    since: Option<Instant>,
}

impl Stopped {
    /// True once the process has been found stopped for as long as an answer may take.
    pub(crate) fn look(&mut self, process: &ProcessId) -> bool {
        let now = Instant::now();
        match process.is_stopped() {
            true => now - *self.since.get_or_insert(now) >= ANSWER_TIMEOUT,
            false => {
                self.since = None;
                false
            }
        }
    }
}

fn send(process: &OwnedFd, signal: i32) -> Result<()> {
    match process::pidfd_send_signal(process.as_fd(), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno).context(|| format!("send signal {signal}")),
    }
}

pub(crate) fn readable(fd: impl AsFd, timeout: Option<Duration>) -> Result<bool> {
    hull_sys::wait::until_readable(fd, timeout).context(|| "wait for the container".into())
}
