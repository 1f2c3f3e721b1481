//! Ends containers, any number at once: each is told, and then all are waited for together, so that the slowest one
//! decides how long it takes.
//!
//! ```text
//! Told ──answer──▶ Signalled ──timeout──▶ Killed ──▶ the monitor ends, after its cleanup
//!   │                  │                     │
//!   └──────────────────┴── monitor stopped ──┴──▶ MonitorKilled: its part is done here
//! ```
//!
//! A monitor that is stopped neither reaps nor clears up. It is killed then: its container dies with it, and whoever
//! killed it clears up as after any killed monitor.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::libc::SIGKILL;

use crate::attach::Message;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::monitor::recover;
use crate::running::{ANSWER_TIMEOUT, LOOK, RunningContainer, Stopped, readable};
use crate::state::{Snapshot, Status};

/// How long a monitor may take to clear up after its container. It waits for the disk to take what was written.
const CLEANUP: Duration = Duration::from_secs(60);

/// The same for one whose container is removed by force: what it leaves is cleared by us.
const FORCED_CLEANUP: Duration = Duration::from_secs(10);

/// How long a killed process may take to go. One in an uninterruptible wait goes when that is over.
const DEATH: Duration = Duration::from_secs(10);

/// How a container is to end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    /// Sent first.
    pub signal: i32,
    /// How long until SIGKILL follows.
    pub timeout: Duration,
    /// The container stays though it has `--rm`.
    pub keep: bool,
    /// Its monitor's cleanup does not matter.
    pub force: bool,
}

impl Way {
    pub(crate) const KILL: Self =
        Self { signal: SIGKILL, timeout: Duration::ZERO, keep: false, force: false };
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// The monitor knows that no restart is wanted, or will when it has started the container.
    Told {
        since: Instant,
    },
    /// A time that no clock reaches is none.
    Signalled {
        kill_at: Option<Instant>,
    },
    Killed {
        since: Instant,
    },
    MonitorKilled {
        since: Instant,
    },
}

/// One container on its way to the end.
pub(crate) struct Ending<'a> {
    engine: &'a Engine,
    id: String,
    name: String,
    running: RunningContainer,
    way: Way,
    stage: Stage,
    stopped: Stopped,
    init_ended: Option<Instant>,
}

impl<'a> Ending<'a> {
    /// Tells the monitor, so that no restart comes between it and the signal.
    pub(crate) fn begin(
        engine: &'a Engine,
        id: &str,
        name: &str,
        running: RunningContainer,
        way: Way,
    ) -> Self {
        running.tell(&Message::Stopping { keep: way.keep });
        Self {
            engine,
            id: id.to_owned(),
            name: name.to_owned(),
            running,
            way,
            stage: Stage::Told { since: Instant::now() },
            stopped: Stopped::default(),
            init_ended: None,
        }
    }

    /// What can be done now; true when the container has ended.
    fn step(&mut self, now: Instant) -> Result<bool> {
        if readable(&self.running.monitor, Some(Duration::ZERO))? {
            return self.clear().map(|()| true);
        }
        if self.init_ended.is_none() && self.running.init_has_ended()? {
            self.init_ended = Some(now);
        }
        let is_stopped = self.stopped.look(&self.running.state.monitor);
        match self.stage {
            Stage::Told { since } => self.await_answer(since, is_stopped)?,
            Stage::Signalled { .. } if is_stopped && self.init_ended.is_some() || self.has_lost_its_end() => {
                self.kill_monitor()?;
            }
            Stage::Signalled { kill_at } if kill_at.is_some_and(|at| now >= at) => self.kill()?,
            Stage::Signalled { .. } => {}
            Stage::Killed { since } => self.await_cleanup(since, is_stopped)?,
            Stage::MonitorKilled { since } if since.elapsed() >= DEATH => {
                return Err(self.silent("was killed and has not ended; it waits for the kernel"));
            }
            Stage::MonitorKilled { .. } => {}
        }
        Ok(false)
    }

    /// A monitor that is still starting the container answers when it has. Any other answers at once, or there is
    /// something wrong with it, which the signal must not wait for.
    fn await_answer(&mut self, since: Instant, is_stopped: bool) -> Result<()> {
        let connection = self.running.connection.as_ref();
        let has_answered = connection.map_or(Ok(true), |one| readable(one, Some(Duration::ZERO)))?;
        let is_over = since.elapsed() >= ANSWER_TIMEOUT;
        if has_answered || is_over && self.running.init.is_some() {
            self.running.find_init(self.engine.root(), &self.id)?;
            return self.send_first_signal();
        }
        if is_stopped { self.kill_monitor() } else { Ok(()) }
    }

    fn send_first_signal(&mut self) -> Result<()> {
        if self.running.is_lost && self.running.init.is_none() {
            // Between two runs, and it cannot be told that no other one is wanted.
            return self.kill_monitor();
        }
        if self.way.signal == SIGKILL {
            return self.kill();
        }
        // A frozen process takes no signal but the thaw.
        if self.running.status == Status::Paused {
            self.engine.unpause(&self.id)?;
        }
        self.running.signal(self.way.signal)?;
        self.stage = Stage::Signalled { kill_at: Instant::now().checked_add(self.way.timeout) };
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.stage = Stage::Killed { since: Instant::now() };
        match self.running.signal(SIGKILL) {
            // It has another user's id, in a user namespace that is not ours. It dies with its monitor.
            Err(_) if self.running.is_lost => return self.kill_monitor(),
            sent => sent?,
        }
        if self.running.status == Status::Paused {
            self.engine.thaw(&self.running.state)?;
        }
        Ok(())
    }

    fn await_cleanup(&mut self, since: Instant, is_stopped: bool) -> Result<()> {
        let is_late = self.way.force && since.elapsed() >= FORCED_CLEANUP;
        if is_stopped || is_late || self.has_lost_its_end() {
            return self.kill_monitor();
        }
        match since.elapsed() >= CLEANUP {
            true => Err(self.silent("has not cleared up after it within a minute")),
            false => Ok(()),
        }
    }

    /// A monitor that cannot be told restarts its container, if that is its policy.
    fn has_lost_its_end(&self) -> bool {
        self.running.is_lost && self.init_ended.is_some_and(|at| at.elapsed() >= ANSWER_TIMEOUT)
    }

    fn kill_monitor(&mut self) -> Result<()> {
        self.running.kill_monitor()?;
        self.stage = Stage::MonitorKilled { since: Instant::now() };
        Ok(())
    }

    /// Does what a killed monitor has not done. One that ended by itself has left nothing.
    fn clear(&self) -> Result<()> {
        if !matches!(self.stage, Stage::MonitorKilled { .. }) {
            return Ok(());
        }
        let _lock = match self.engine.lock(&self.id) {
            Err(Error::NoSuchContainer(_)) => return Ok(()),
            lock => lock.map_err(|error| error.for_container(&self.name))?,
        };
        let found = Snapshot::take(self.engine.root(), &self.id)?;
        if found.status.is_active() {
            return Ok(());
        }
        let state = found.state.or_else(|| Some(self.running.state.clone()));
        recover::clear(self.engine, &self.id, &Snapshot { state, ..found })?;
        if self.running.is_lost && !hull_sys::process::in_user_namespace() {
            crate::network::clear_lost(self.engine)?;
        }
        Ok(())
    }

    fn silent(&self, why: &str) -> Error {
        let pid = self.running.state.monitor.pid;
        Error::MonitorSilent { name: self.name.clone(), pid, why: why.into() }
    }

    fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let is_told = matches!(self.stage, Stage::Told { .. });
        let connection = self.running.connection.as_ref().filter(|_| is_told).map(AsFd::as_fd);
        let init = self.running.init.as_ref().filter(|_| self.init_ended.is_none()).map(AsFd::as_fd);
        [Some(self.running.monitor.as_fd()), connection, init].into_iter().flatten()
    }

    /// When to look again though no descriptor has announced anything.
    fn due(&self, now: Instant) -> Option<Instant> {
        match self.stage {
            Stage::Signalled { kill_at } if self.init_ended.is_none() => kill_at,
            // It is at the monitor now, of which no descriptor says that it is stopped.
            _ => Some(now + LOOK),
        }
    }
}

/// Called with the place in the list and the outcome, in the order of the list.
pub(crate) type Done<'a> = &'a mut dyn FnMut(usize, Result<()>);

/// Ends all of them. What has no ending is done already.
pub(crate) fn end_all(begun: Vec<Result<Option<Ending<'_>>>>, done: Done<'_>) {
    let mut waiting: Vec<_> = begun.into_iter().map(|begun| begun.transpose()).collect();
    let mut outcomes: Vec<Option<Result<()>>> = waiting
        .iter_mut()
        .map(|one| match one {
            Some(Ok(_)) => None,
            _ => Some(one.take().map_or(Ok(()), |failed| failed.map(drop))),
        })
        .collect();
    let mut told = 0;
    loop {
        let now = Instant::now();
        for (one, outcome) in waiting.iter_mut().zip(&mut outcomes) {
            if let Some(Ok(ending)) = one {
                match ending.step(now) {
                    Ok(false) => {}
                    ended => {
                        *outcome = Some(ended.map(drop));
                        *one = None;
                    }
                }
            }
        }
        while let Some(outcome) = outcomes.get_mut(told).and_then(Option::take) {
            done(told, outcome);
            told += 1;
        }
        if told == outcomes.len() {
            return;
        }
        let endings: Vec<_> = waiting.iter().flatten().flatten().collect();
        let fds: Vec<_> = endings.iter().flat_map(|ending| ending.descriptors()).collect();
        let due = endings.iter().filter_map(|ending| ending.due(now)).min();
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        // Nothing but poll(2) itself can fail here, and then the steps are taken all the same.
        if hull_sys::wait::until_any_readable(&fds, left).is_err() {
            std::thread::sleep(LOOK);
        }
    }
}

/// Ends one.
pub(crate) fn end(ending: Ending<'_>) -> Result<()> {
    let mut outcome = Ok(());
    end_all(vec![Ok(Some(ending))], &mut |_, ended| outcome = ended);
    outcome
}
