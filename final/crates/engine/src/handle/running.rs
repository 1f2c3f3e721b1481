//! A running container as another command sees it: its monitor and its first process, held by pidfd.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use hull_storage::process_id::ProcessId;
use hull_storage::root::Root;

use crate::attach::{Connection, Message};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Report, Result};
use crate::records::options::WindowSize;
use crate::records::process::open;
use crate::records::run_dir;
use crate::records::snapshot::Snapshot;
use crate::records::state::{State, Status};
use crate::runtimes::{Runtime, send};

/// How long a monitor may take to answer a message that takes no work.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How often to check whether a silent monitor is stopped.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(200);

impl Engine {
    /// The container, if its monitor is alive. Cleans up after a monitor that was killed.
    pub(crate) fn running(&self, id: &str) -> Result<Option<RunningContainer>> {
        let snapshot = self.clear_if_dead_by_id(id, Snapshot::take(self.root(), id)?)?;
        let (true, Some(state)) = (snapshot.status.is_active(), snapshot.state) else { return Ok(None) };
        let Some(monitor) = open(&state.monitor)? else { return Ok(None) };
        let init = match &state.init {
            Some(init) => open(init)?,
            None => None,
        };
        let runtime = Runtime::of(state.runtime.as_ref(), self.root(), id);
        let connection = Connection::connect(&self.root().container_run_dir(id)).ok();
        let is_lost = snapshot.is_lost;
        let status = snapshot.status;
        Ok(Some(RunningContainer { status, state, runtime, is_lost, monitor, init, connection }))
    }

    /// A container that is to end. A start that has begun holds the container's lock until it is over, also if the command
    /// that began it was killed: the container would run after all.
    pub(crate) fn running_or_begun(&self, id: &str) -> Result<Option<RunningContainer>> {
        let running = self.running(id)?;
        if running.is_some() || !self.root().container_run_dir(id).join(run_dir::LOCK).exists() {
            return Ok(running);
        }
        drop(self.lock(id)?);
        self.running(id)
    }
}

/// A container whose monitor was alive when it was looked up. Its processes are held by pidfds, so their pids cannot be
/// reused unnoticed.
pub(crate) struct RunningContainer {
    pub status: Status,
    pub state: State,
    pub runtime: Runtime,
    /// No state on disk describes it, and its monitor cannot be reached.
    pub is_lost: bool,
    pub monitor: OwnedFd,
    pub init: Option<OwnedFd>,
    pub connection: Option<Connection>,
}

impl RunningContainer {
    /// False if the message could not be sent.
    pub(crate) fn tell(&self, message: &Message<'_>) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.try_send(message).is_ok())
    }

    /// Looks for the first process again: a container that was still starting has one once its monitor has answered.
    pub(crate) fn find_init(&mut self, root: &Root, id: &str) -> Result<()> {
        if self.init.is_none()
            && let Some(state) = State::load(root, id)?
            && let Some(init) = &state.init
        {
            self.init = open(init)?;
            self.state.halt = state.halt;
            self.state.init = state.init;
        }
        Ok(())
    }

    /// Tells the monitor that the container's networks have changed, and waits until its resolver knows them.
    pub(crate) fn notify_networks_changed(&self, name: &str) -> Result<()> {
        let connection = self.connection.as_ref().filter(|_| self.tell(&Message::Networks));
        match connection.map_or(Ok(true), |connection| readable(connection, Some(ANSWER_TIMEOUT)))? {
            true => Ok(()),
            false => Err(self.silent(name)),
        }
    }

    /// Has the monitor start and end the processes of proxies, so that they fit the container's record.
    pub(crate) fn notify_proxies_changed(&self, name: &str) -> Result<()> {
        let connection = self.connection.as_ref().filter(|_| self.tell(&Message::Proxies));
        let connection = connection.ok_or_else(|| self.silent(name))?;
        if !readable(connection, Some(ANSWER_TIMEOUT))? {
            return Err(self.silent(name));
        }
        let mut buffer = Vec::new();
        match connection.receive(&mut buffer).context(|| "listen to the monitor".into())? {
            Some(Message::Failed(report)) => Err(Error::Reported(Report::decode(report))),
            _ => Ok(()),
        }
    }

    /// Waits for the end of the current run, even if another run follows, and returns its exit code. `None` if the
    /// monitor ended without telling it.
    pub(crate) fn exit_code(&self, name: &str) -> Result<Option<u8>> {
        let Some(connection) = self.connection.as_ref().filter(|_| self.tell(&Message::Wait)) else {
            let end = self.init.as_ref().unwrap_or(&self.monitor);
            return readable(end, None).map(|_| None);
        };
        let mut buffer = Vec::new();
        loop {
            self.await_message(connection, name)?;
            match connection.receive(&mut buffer).context(|| "listen to the monitor".into())? {
                Some(Message::Exited(code)) => return Ok(Some(code)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Waits for a message of the monitor. It fails if the container's first process has ended and the monitor is
    /// stopped.
    fn await_message(&self, connection: &Connection, name: &str) -> Result<()> {
        if let Some(init) = &self.init {
            hull_sys::wait::until_any_readable(&[connection.as_fd(), init.as_fd()], None)
                .context(|| "wait for the container".into())?;
        }
        let mut stopped = Stopped::default();
        while !readable(connection, Some(POLL_INTERVAL))? {
            if stopped.check(&self.state.monitor) && (self.init.is_none() || self.init_has_ended()?) {
                return Err(self.silent(name));
            }
        }
        Ok(())
    }

    /// An error if the monitor cannot answer.
    pub(crate) fn check_monitor(&self, name: &str) -> Result<()> {
        if self.is_lost || self.connection.is_none() || self.state.monitor.is_stopped() {
            return Err(self.silent(name));
        }
        Ok(())
    }

    pub(crate) fn silent(&self, name: &str) -> Error {
        let why = match (self.is_lost, self.state.monitor.is_stopped()) {
            (true, _) => "has lost its directory in the run root",
            (_, true) => "is stopped",
            _ => "is busy",
        };
        Error::MonitorSilent { name: name.to_owned(), pid: self.state.monitor.pid, why: why.into() }
    }

    pub(crate) fn signal(&self, signal: i32) -> Result<()> {
        self.init.as_ref().map_or(Ok(()), |init| self.runtime.signal(init, signal))
    }

    pub(crate) fn kill_monitor(&self) -> Result<()> {
        send(&self.monitor, nix::libc::SIGKILL)
    }

    pub(crate) fn init_has_ended(&self) -> Result<bool> {
        self.init.as_ref().map_or(Ok(false), |init| readable(init, Some(Duration::ZERO)))
    }
}

/// Sends the size of a terminal, and waits until it is set. A process that was started by an older hull does not tell, and
/// one that is busy is not waited for longer.
pub(crate) fn resize(connection: &Connection, (rows, columns): WindowSize) -> Result<()> {
    for message in [Message::Resize { rows, columns }, Message::Sync] {
        connection.try_send(&message).context(|| "set the size of the terminal".into())?;
    }
    readable(connection, Some(ANSWER_TIMEOUT)).map(drop)
}

/// Detects that a process stays stopped. A debugger stops processes too, but only for moments.
#[derive(Debug, Default)]
pub(crate) struct Stopped {
    since: Option<Instant>,
}

impl Stopped {
    /// True once the process has been stopped for [`ANSWER_TIMEOUT`].
    pub(crate) fn check(&mut self, process: &ProcessId) -> bool {
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

pub(crate) fn readable(fd: impl AsFd, timeout: Option<Duration>) -> Result<bool> {
    hull_sys::wait::until_readable(fd, timeout).context(|| "wait for the container".into())
}
