//! `start stop kill restart pause unpause wait rename`: one container from one state to another.

use std::time::Duration;

use hull_runtime::cgroups::Cgroup;
use nix::libc;

use crate::attach::{AttachStream, Message, StartAttach};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::handle::ending::{Done, EndOptions, Ending, end_all};
use crate::handle::running::{LOOK, RunningContainer, Stopped, readable};
use crate::monitor::launch::launch;
use crate::records::options::WindowSize;
use crate::records::record::Record;
use crate::records::signal;
use crate::records::snapshot::Snapshot;
use crate::records::state::wrong_state;
use crate::records::state::{Exit, Phase, State, Status};

/// docker's: seconds between the stop signal and SIGKILL.
const STOP_TIMEOUT: u32 = 10;

/// The signals by which a user means to end a program, so that it is not restarted. Any other signal has this effect
/// only if the program ends because of it.
const ENDING: [i32; 4] = [libc::SIGKILL, libc::SIGTERM, libc::SIGINT, libc::SIGQUIT];

impl Engine {
    /// Starts a container; a running one is left as it is. When attached, the caller gets the output from the first
    /// byte on. `size` is the size of the caller's terminal.
    pub fn start(
        &self,
        name: &str,
        attach: StartAttach,
        size: Option<WindowSize>,
    ) -> Result<Option<AttachStream>> {
        let record = self.find(name)?;
        match launch(self, &record, attach, size).map_err(|error| error.for_container(name))? {
            None if attach == StartAttach::Attached => self.attach(&record.id).map(Some),
            stream => Ok(stream),
        }
    }

    /// Joins a running container's output from here on.
    pub fn attach(&self, name: &str) -> Result<AttachStream> {
        let record = self.find(name)?;
        let running = self.running(&record.id)?;
        let Some(mut running) = running.filter(|running| running.status == Status::Running) else {
            let status = Snapshot::take(self.root(), &record.id)?.status;
            return Err(wrong_state("attach to", &record, status));
        };
        running.check_monitor(&record.name)?;
        let connection = running.connection.take().ok_or_else(|| running.silent(&record.name))?;
        connection.send(&Message::Subscribe).context(|| format!("attach to {}", record.name))?;
        Ok(AttachStream::new(connection).listening_in(self.root().container_run_dir(&record.id)))
    }

    /// Sends the stop signal to all of them, waits `timeout` seconds, and sends SIGKILL to those that still run. A
    /// container that does not run counts as stopped, as in docker. Calls `done` for each, in the order of the names.
    pub fn stop(&self, names: &[String], signal: Option<&str>, timeout: Option<u32>, done: Done<'_>) {
        let begin = |name: &String| self.begin_stop(&self.find(name)?, signal, timeout, false);
        end_all(names.iter().map(begin).collect(), done);
    }

    /// With `keep` the container stays though it has `--rm`.
    fn begin_stop(
        &self,
        record: &Record,
        signal: Option<&str>,
        timeout: Option<u32>,
        keep: bool,
    ) -> Result<Option<Ending<'_>>> {
        let signal = signal.map(signal::parse).transpose()?.unwrap_or(record.stop_signal);
        let seconds = timeout.or(record.options.stop_timeout).unwrap_or(STOP_TIMEOUT);
        let options = EndOptions { signal, timeout: Duration::from_secs(seconds.into()), keep, force: false };
        let running = self.running(&record.id)?;
        Ok(running.map(|running| Ending::begin(self, &record.id, &record.name, running, options)))
    }

    /// Stops all of them at once and starts each when it has ended.
    pub fn restart(&self, names: &[String], signal: Option<&str>, timeout: Option<u32>, done: Done<'_>) {
        let begin = |name: &String| self.begin_stop(&self.find(name)?, signal, timeout, true);
        end_all(names.iter().map(begin).collect(), &mut |index, ended| {
            let started = ended.and_then(|()| match names.get(index) {
                Some(name) => self.start(name, StartAttach::Detached, None).map(drop),
                None => Ok(()),
            });
            done(index, started);
        });
    }

    /// Sends a signal to each. After SIGKILL it waits for their ends.
    pub fn kill(&self, names: &[String], signal: &str, done: Done<'_>) {
        let begin = |name: &String| self.begin_kill(&self.find(name)?, signal::parse(signal)?);
        end_all(names.iter().map(begin).collect(), done);
    }

    fn begin_kill(&self, record: &Record, signal: i32) -> Result<Option<Ending<'_>>> {
        let Some(running) = self.running(&record.id)? else {
            let status = Snapshot::take(self.root(), &record.id)?.status;
            return Err(wrong_state("kill", record, status));
        };
        if signal == libc::SIGKILL {
            return Ok(Some(Ending::begin(self, &record.id, &record.name, running, EndOptions::KILL)));
        }
        let is_ending = signal == record.stop_signal || ENDING.contains(&signal);
        if running.status == Status::Restarting && !is_ending {
            return Err(wrong_state("kill", record, running.status));
        }
        self.interrupt(record, running, signal, is_ending).map(|()| None)
    }

    /// Sends a signal, after the monitor has been told what follows for the restart policy.
    fn interrupt(
        &self,
        record: &Record,
        mut running: RunningContainer,
        signal: i32,
        is_ending: bool,
    ) -> Result<()> {
        let mut stopped = Stopped::default();
        let told = running.tell(match is_ending {
            true => &Message::Stopping { keep: false },
            false => &Message::Signalling,
        });
        if let Some(connection) = running.connection.as_ref().filter(|_| told) {
            while !readable(connection, Some(LOOK))? {
                if stopped.look(&running.state.monitor) {
                    return Err(running.silent(&record.name));
                }
            }
            running.find_init(self.root(), &record.id)?;
        }
        match running.init.is_none() && is_ending {
            false => running.signal(signal),
            // The container was waiting for its next run, which must not come.
            true => crate::handle::ending::end(Ending::begin(
                self,
                &record.id,
                &record.name,
                running,
                EndOptions::KILL,
            )),
        }
    }

    /// Waits until the container's program ends and returns its exit code, also where a restart follows, as docker does.
    /// Of a container that does not run, that of its last run.
    pub fn wait(&self, name: &str) -> Result<u8> {
        let record = self.find(name)?;
        if let Some(running) = self.running(&record.id)? {
            // The monitor's last word comes before it removes what `--rm` removes.
            if let Some(code) = running.exit_code(&record.name)? {
                return Ok(code);
            }
        }
        Ok(Exit::load(self.root(), &record.id)?.map_or(0, |exit| exit.code))
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
        let _lock = self.lock(&record.id).map_err(|error| error.for_container(&record.name))?;
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
        let cgroup = self.cgroup(path)?;
        let changed = State { phase: to, ..state.clone() };
        if to != Phase::Paused {
            change(&cgroup)?;
            return changed.store(self.root(), &record.id);
        }
        // The state is written first, so that a command killed in between leaves no frozen container that is recorded
        // as running.
        changed.store(self.root(), &record.id)?;
        let frozen = change(&cgroup);
        if frozen.is_err() {
            state.store(self.root(), &record.id)?;
        }
        Ok(frozen?)
    }

    /// Lets a killed container die: on cgroup v1 a frozen process does not even take SIGKILL. On v2 it does, and may
    /// have gone by now.
    pub(crate) fn thaw(&self, state: &State) -> Result<()> {
        let Some(path) = &state.cgroup else { return Ok(()) };
        let cgroup = self.cgroup(path)?;
        match cgroup.thaw() {
            Err(_) if !cgroup.exists() => Ok(()),
            thawed => Ok(thawed?),
        }
    }

    pub fn rename(&self, name: &str, new: &str) -> Result<()> {
        let id = self.resolve(name)?;
        let _lock = self.lock(&id).map_err(|error| error.for_container(name))?;
        // Under the lock: another command may have changed the record.
        let mut record = Record::load(self.root(), &id).map_err(|error| error.for_container(name))?;
        let old = std::mem::replace(&mut record.name, new.into());
        hull_storage::names::rename(self.root(), &record.id, &old, new, || {
            record.store(&self.root().container_dir(&record.id))
        })?;
        crate::net::rename(self, &record)
    }
}
