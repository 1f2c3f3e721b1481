//! `start stop kill restart pause unpause wait rename`: one container from one state to another.

use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use hull_runtime::cgroups::Cgroup;
use hull_storage::lock::Lock;
use hull_storage::process_id::ProcessId;
use hull_storage::root::Root;
use hull_sys::process;

use crate::attach::{AttachStream, Connection, Message, WindowSize};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::monitor::launch::{StartAttach, launch};
use crate::record::Record;
use crate::signal;
use crate::state::{Exit, Phase, Snapshot, State, Status};

/// docker's: seconds between the stop signal and SIGKILL.
const STOP_TIMEOUT: u32 = 10;

/// For a monitor that has nothing to do but to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

impl Engine {
    /// Starts a container; a running one is left as it is. Attached, its output is there from the first byte. `size` is
    /// that of the caller's terminal.
    pub fn start(
        &self,
        name: &str,
        attach: StartAttach,
        size: Option<WindowSize>,
    ) -> Result<Option<AttachStream>> {
        let record = self.find(name)?;
        match launch(self, &record, attach, size)? {
            None if attach == StartAttach::Attached => self.attach(&record.id).map(Some),
            stream => Ok(stream),
        }
    }

    /// Joins a running container's output from here on.
    pub fn attach(&self, name: &str) -> Result<AttachStream> {
        let record = self.find(name)?;
        let snapshot = Snapshot::take(self.root(), &record.id)?;
        if snapshot.status != Status::Running {
            return Err(wrong_state("attach to", &record, snapshot.status));
        }
        let run_dir = self.root().container_run_dir(&record.id);
        let connection =
            Connection::connect(&run_dir).context(|| format!("reach the monitor of {}", record.name))?;
        connection.send(&Message::Subscribe).context(|| format!("attach to {}", record.name))?;
        Ok(AttachStream::new(connection).listening_in(run_dir))
    }

    /// The stop signal, a wait, then SIGKILL. Stopping what does not run is success, as in docker.
    pub fn stop(&self, name: &str, signal: Option<&str>, timeout: Option<u32>) -> Result<()> {
        self.end(&self.find(name)?, signal, timeout, false)
    }

    /// With `keep` the container stays though it has `--rm`.
    fn end(&self, record: &Record, signal: Option<&str>, timeout: Option<u32>, keep: bool) -> Result<()> {
        let signal = signal.map(signal::parse).transpose()?.unwrap_or(record.stop_signal);
        let seconds = timeout.or(record.options.stop_timeout).unwrap_or(STOP_TIMEOUT);
        let Some(mut running) = self.running(record)? else { return Ok(()) };
        running.say_stopping(self.root(), &record.id, keep)?;
        // A frozen process takes no signal but the thaw.
        if running.status == Status::Paused {
            self.unpause(&record.id)?;
        }
        running.signal(signal)?;
        if !running.wait(Some(Duration::from_secs(seconds.into())))? {
            running.signal(nix::libc::SIGKILL)?;
            running.wait(None)?;
        }
        Ok(())
    }

    pub fn kill(&self, name: &str, signal: &str) -> Result<()> {
        let record = self.find(name)?;
        let signal = signal::parse(signal)?;
        let not_running = |status| wrong_state("kill", &record, status);
        let Some(mut running) = self.running(&record)? else {
            return Err(not_running(Snapshot::take(self.root(), &record.id)?.status));
        };
        // docker's rule: whoever chose no stop signal ends the container with any, also for its restart policy.
        if signal == nix::libc::SIGKILL || [signal, nix::libc::SIGTERM].contains(&record.stop_signal) {
            running.say_stopping(self.root(), &record.id, false)?;
        }
        if running.init.is_none() {
            return Err(not_running(running.status));
        }
        running.signal(signal)?;
        if signal == nix::libc::SIGKILL {
            if running.status == Status::Paused {
                self.thaw(&record)?;
            }
            running.wait(None)?;
        }
        Ok(())
    }

    pub fn restart(&self, name: &str, signal: Option<&str>, timeout: Option<u32>) -> Result<()> {
        let record = self.find(name)?;
        self.end(&record, signal, timeout, true)?;
        self.start(&record.id, StartAttach::Detached, None).map(drop)
    }

    /// Waits until the container is not running and returns its exit code.
    pub fn wait(&self, name: &str) -> Result<u8> {
        let record = self.find(name)?;
        if let Some(running) = self.running(&record)? {
            // The monitor's last word comes before it removes what `--rm` removes.
            if let Ok(Some(code)) = self.exit_from_monitor(&record.id) {
                return Ok(code);
            }
            running.wait(None)?;
        }
        Ok(Exit::load(self.root(), &record.id)?.map_or(0, |exit| exit.code))
    }

    /// Everyone who is connected hears of the exit. Who also asked for the output would brake the container with it.
    fn exit_from_monitor(&self, id: &str) -> Result<Option<u8>> {
        let connection =
            Connection::connect(&self.root().container_run_dir(id)).context(|| "reach the monitor".into())?;
        let mut buffer = Vec::new();
        loop {
            match connection.receive(&mut buffer).context(|| "listen to the monitor".into())? {
                Some(Message::Exited(code)) => return Ok(Some(code)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    pub fn pause(&self, name: &str) -> Result<()> {
        let record = self.find(name)?;
        self.change_phase(&record, "pause", Status::Running, Phase::Paused, Cgroup::freeze)
    }

    pub fn unpause(&self, name: &str) -> Result<()> {
        let record = self.find(name)?;
        self.change_phase(&record, "unpause", Status::Paused, Phase::Running, Cgroup::thaw)
    }

    fn change_phase(
        &self,
        record: &Record,
        verb: &'static str,
        from: Status,
        to: Phase,
        change: impl FnOnce(&Cgroup) -> std::result::Result<(), hull_runtime::cgroups::Error>,
    ) -> Result<()> {
        let _lock = self.lock(&record.id)?;
        let snapshot = Snapshot::take(self.root(), &record.id)?;
        let (status, Some(state)) = (snapshot.status, snapshot.state) else {
            return Err(wrong_state(verb, record, snapshot.status));
        };
        if status != from {
            return Err(wrong_state(verb, record, status));
        }
        let Some(path) = &state.cgroup else {
            return Err(Error::Unsupported(format!(
                "cannot {verb} {}: freezing needs a cgroup, and an ordinary user has none without delegation",
                record.name
            )));
        };
        change(&self.cgroup(path)?)?;
        State { phase: to, ..state }.store(self.root(), &record.id)
    }

    /// Lets a killed container die: on cgroup v1 a frozen process does not even take SIGKILL. On v2 it does, and may
    /// have gone by now.
    pub(crate) fn thaw(&self, record: &Record) -> Result<()> {
        let state = State::load(self.root(), &record.id)?;
        let Some(path) = state.and_then(|state| state.cgroup) else { return Ok(()) };
        let cgroup = self.cgroup(&path)?;
        match cgroup.thaw() {
            Err(_) if !cgroup.exists() => Ok(()),
            thawed => Ok(thawed?),
        }
    }

    pub fn rename(&self, name: &str, new: &str) -> Result<()> {
        let mut record = self.find(name)?;
        let _lock = self.lock(&record.id)?;
        let old = std::mem::replace(&mut record.name, new.into());
        hull_storage::names::rename(self.root(), &record.id, &old, new, || {
            record.store(&self.root().container_dir(&record.id))
        })?;
        crate::network::rename(self, &record)
    }

    /// A container's lock, for one transition.
    pub(crate) fn lock(&self, id: &str) -> Result<Lock> {
        let directory = self.root().container_run_dir(id);
        loop {
            std::fs::create_dir_all(&directory).context(|| format!("create {}", directory.display()))?;
            match Lock::exclusive(&directory.join("lock")) {
                // Its monitor was the last to hold it, and removed the directory in between.
                Err(hull_storage::Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
                other => return Ok(other?),
            }
        }
    }

    /// A container's live monitor. What a killed one left is cleared on the way.
    pub(crate) fn running(&self, record: &Record) -> Result<Option<RunningContainer>> {
        let snapshot = self.clear_if_dead(record, Snapshot::take(self.root(), &record.id)?)?;
        let (true, Some(state)) = (snapshot.status.is_active(), snapshot.state) else { return Ok(None) };
        let Some(monitor) = open(&state.monitor)? else { return Ok(None) };
        let init = match &state.init {
            Some(init) => open(init)?,
            None => None,
        };
        let connection = Connection::connect(&self.root().container_run_dir(&record.id)).ok();
        Ok(Some(RunningContainer { status: snapshot.status, monitor, init, connection }))
    }
}

/// A process by descriptor, or `None` when the pid means another one by now.
pub(crate) fn open(id: &ProcessId) -> Result<Option<OwnedFd>> {
    match process::pidfd_open(id.pid) {
        // Looked at after the descriptor is ours: from here on it cannot mean another process.
        Ok(pidfd) => Ok(id.is_alive().then_some(pidfd)),
        Err(nix::errno::Errno::ESRCH) => Ok(None),
        Err(errno) => Err(errno).context(|| format!("open process {}", id.pid)),
    }
}

pub(crate) fn wrong_state(verb: &'static str, record: &Record, status: Status) -> Error {
    let state = match status {
        Status::Created | Status::Exited | Status::Dead => "not running",
        other => other.as_str(),
    };
    Error::WrongState { verb, name: record.name.clone(), state }
}

/// A container whose monitor was alive when it was looked at, held by descriptors that cannot come to mean others.
pub(crate) struct RunningContainer {
    pub status: Status,
    monitor: OwnedFd,
    init: Option<OwnedFd>,
    connection: Option<Connection>,
}

impl RunningContainer {
    /// Tells the monitor not to restart, and waits for its answer so that no restart comes in between. A container
    /// that was still starting has its first process by then.
    pub(crate) fn say_stopping(&mut self, root: &Root, id: &str, keep: bool) -> Result<()> {
        let Some(connection) = &self.connection else { return Ok(()) };
        // A monitor that is still starting the container answers when it has. Any other answers at once, or there is
        // something wrong with it, which the signal must not wait for.
        let timeout = self.init.is_some().then_some(ANSWER_TIMEOUT);
        if connection.send(&Message::Stopping { keep }).is_ok() && readable(connection, timeout)? {
            let _ = connection.receive(&mut Vec::new());
        }
        if self.init.is_none()
            && let Some(init) = State::load(root, id)?.and_then(|state| state.init)
        {
            self.init = open(&init)?;
        }
        Ok(())
    }

    /// Tells the monitor that the container is on other networks, and waits until its names are right.
    pub(crate) fn say_networks(&self) -> Result<()> {
        let Some(connection) = &self.connection else { return Ok(()) };
        if connection.send(&Message::Networks).is_ok() {
            readable(connection.as_fd(), Some(ANSWER_TIMEOUT))?;
        }
        Ok(())
    }

    pub(crate) fn signal(&self, signal: i32) -> Result<()> {
        let Some(init) = &self.init else { return Ok(()) };
        match process::pidfd_send_signal(init.as_fd(), signal) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(errno) => Err(errno).context(|| format!("send signal {signal}")),
        }
    }

    /// Waits for the monitor's end, which is after its cleanup. False when the time is up.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        readable(&self.monitor, timeout)
    }
}

pub(crate) fn readable(fd: impl AsFd, timeout: Option<Duration>) -> Result<bool> {
    hull_sys::wait::until_readable(fd, timeout).context(|| "wait for the container".into())
}
