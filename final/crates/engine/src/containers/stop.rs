//! `stop`, `restart`, `kill` and `wait`: what ends a container, and waits for its end.

use std::time::Duration;

use nix::libc;

use crate::attach::{Message, StartAttach};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::handle::ending::{Done, EndOptions, Ended, Ending, ask, end, end_all};
use crate::handle::running::{POLL_INTERVAL, RunningContainer, Stopped, readable};
use crate::records::record::Record;
use crate::records::signal;
use crate::records::snapshot::Snapshot;
use crate::records::state::{Exit, Status, wrong_state};

/// docker's: seconds between the stop signal and SIGKILL.
const STOP_TIMEOUT: u32 = 10;

/// The signals by which a user means to end a program, so that it is not restarted. Any other signal has this effect
/// only if the program ends because of it.
const ENDING: [i32; 4] = [libc::SIGKILL, libc::SIGTERM, libc::SIGINT, libc::SIGQUIT];

impl Engine {
    /// Sends the stop signal to all of them, waits `timeout` seconds, and sends SIGKILL to those that still run. A
    /// container that does not run counts as stopped, as in docker. Calls `done` for each, in the order of the names.
    pub fn stop(
        &self,
        names: &[String],
        signal: Option<&str>,
        timeout: Option<u32>,
        done: &mut dyn FnMut(usize, Result<Ended>),
    ) {
        self.stop_all(names, (signal, timeout), false, &mut |index, stopped| {
            done(index, stopped.map(|(_, ended)| ended));
        });
    }

    /// Calls `done` with the record of each container, which may have been removed at its end (`--rm`), and how it ended.
    fn stop_all(
        &self,
        names: &[String],
        (signal, timeout): (Option<&str>, Option<u32>),
        keep: bool,
        done: &mut dyn FnMut(usize, Result<(Record, Ended)>),
    ) {
        let mut records = Vec::with_capacity(names.len());
        let mut begin = |name: &String| {
            let found = self.find(name);
            records.push(found.as_ref().ok().cloned());
            self.begin_stop(&found?, signal, timeout, keep)
        };
        let begun: Vec<_> = names.iter().map(&mut begin).collect();
        // A container that does not run has no event.
        let running: Vec<bool> = begun.iter().map(|begun| matches!(begun, Ok(Some(_)))).collect();
        end_all(begun, &mut |index, ended| {
            let record = records.get_mut(index).and_then(Option::take);
            let missing = || Error::NoSuchContainer(String::new());
            let has_run = running.get(index) == Some(&true);
            let ended = ended.map(|ended| if has_run { ended } else { Ended::NotRunning });
            let stopped = ended.and_then(|ended| Ok((record.ok_or_else(missing)?, ended)));
            if let (Ok((record, _)), true) = (&stopped, has_run) {
                Event::container(record, "stop").emit(self);
            }
            done(index, stopped);
        });
    }

    /// With `keep` the container stays even if it has `--rm`.
    fn begin_stop(
        &self,
        record: &Record,
        signal: Option<&str>,
        timeout: Option<u32>,
        keep: bool,
    ) -> Result<Option<Ending<'_>>> {
        let options = self.stop_options(record, signal, timeout, keep)?;
        let running = self.running_or_begun(&record.id)?;
        if running.is_none() {
            self.forget_comeback(&record.id)?;
        }
        Ok(running.map(|running| Ending::begin(self, &record.id, &record.name, running, options)))
    }

    /// How a container is stopped, by its own settings where the caller has none.
    pub(crate) fn stop_options(
        &self,
        record: &Record,
        signal: Option<&str>,
        timeout: Option<u32>,
        keep: bool,
    ) -> Result<EndOptions> {
        // A signal that the caller, the container's options or its image name is sent even to an init. Without one, an
        // init is told in its own way.
        let by_init = signal.is_none() && record.options.stop_signal.is_none();
        let signal = signal.map(signal::parse).transpose()?.unwrap_or(record.stop_signal);
        let seconds = timeout.or(record.options.stop_timeout).unwrap_or(STOP_TIMEOUT);
        let timeout = Duration::from_secs(seconds.into());
        Ok(EndOptions { signal, by_init, timeout, keep, force: false, by_shutdown: false })
    }

    /// Stops a container that is to be started again: it stays even if it has `--rm`.
    pub fn stop_and_keep(&self, name: &str) -> Result<()> {
        let mut stopped = Ok(());
        self.stop_all(&[name.to_owned()], (None, None), true, &mut |_, ended| stopped = ended.map(drop));
        stopped
    }

    /// Stops all of them at once and starts each when it has ended.
    pub fn restart(&self, names: &[String], signal: Option<&str>, timeout: Option<u32>, done: Done<'_>) {
        self.stop_all(names, (signal, timeout), true, &mut |index, stopped| {
            let started = stopped.and_then(|(record, _)| {
                let name = names.get(index).map_or(record.id.as_str(), String::as_str);
                self.start(name, StartAttach::Detached, None)?;
                Event::container(&record, "restart").emit(self);
                Ok(())
            });
            done(index, started);
        });
    }

    /// Sends a running container the stop signal, or tells its init to end the system, and does not wait for that.
    pub fn ask_to_stop(&self, name: &str) -> Result<()> {
        let record = self.find(name)?;
        // Nothing follows the first signal, because nobody waits.
        let ending = self.begin_stop(&record, None, Some(u32::MAX), false)?;
        ending.map_or(Ok(()), ask)
    }

    /// Tells the init of a running container to reboot, as LXC does (lxc.container.conf(5), "REBOOT SIGNAL"), and does not
    /// wait for that.
    pub fn ask_to_reboot(&self, name: &str) -> Result<()> {
        let record = self.find(name)?;
        match self.running_or_begun(&record.id)? {
            // An init that reboots is started again, because nobody has stopped the container.
            Some(running) => self.interrupt(&record, running, libc::SIGINT, false),
            None => Err(wrong_state("reboot", &record, Snapshot::take(self.root(), &record.id)?.status)),
        }
    }

    /// Sends a signal to each. After SIGKILL it waits for their ends.
    pub fn kill(&self, names: &[String], signal: &str, done: Done<'_>) {
        let begin = |name: &String| self.begin_kill(&self.find(name)?, signal::parse(signal)?);
        end_all(names.iter().map(begin).collect(), &mut |index, ended| done(index, ended.map(drop)));
    }

    fn begin_kill(&self, record: &Record, signal: i32) -> Result<Option<Ending<'_>>> {
        let Some(running) = self.running_or_begun(&record.id)? else {
            self.forget_comeback(&record.id)?;
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

    /// Sends a signal. The monitor is notified first, because the signal may end the restarts.
    fn interrupt(
        &self,
        record: &Record,
        mut running: RunningContainer,
        signal: i32,
        is_ending: bool,
    ) -> Result<()> {
        let mut stopped = Stopped::default();
        let notified = running.tell(match is_ending {
            true => &Message::Stopping { keep: false, by_shutdown: false },
            false => &Message::Signalling,
        });
        if let Some(connection) = running.connection.as_ref().filter(|_| notified) {
            while !readable(connection, Some(POLL_INTERVAL))? {
                if stopped.check(&running.state.monitor) {
                    return Err(running.silent(&record.name));
                }
            }
            running.find_init(self.root(), &record.id)?;
        }
        match running.init.is_none() && is_ending {
            false => {
                // Before it is sent, so that the event precedes those of the end.
                Event::container(record, "kill").with("signal", signal).emit(self);
                running.signal(signal)
            }
            // The container was waiting for its next run, which is prevented.
            true => end(Ending::begin(self, &record.id, &record.name, running, EndOptions::KILL)),
        }
    }

    /// Waits until the container's program ends and returns its exit code, also if a restart follows, as docker does. For a
    /// container that does not run it returns the exit code of the last run.
    pub fn wait(&self, name: &str) -> Result<u8> {
        let record = self.find(name)?;
        if let Some(running) = self.running(&record.id)? {
            // The monitor sends the exit code before it removes a container with `--rm`.
            if let Some(code) = running.exit_code(&record.name)? {
                return Ok(code);
            }
        }
        Ok(Exit::load(self.root(), &record.id)?.map_or(0, |exit| exit.code))
    }
}
