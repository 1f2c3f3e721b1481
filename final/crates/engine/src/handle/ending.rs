//! Ends any number of containers at once: it signals all of them first and then waits for all together, so the whole
//! takes as long as the slowest one.
//!
//! ```text
//! Notified ─answer──▶ Signalled ──timeout──▶ Killed ──▶ the monitor ends, after its cleanup
//!    │                  │                     │
//!   └──────────────────┴── monitor stopped ──┴──▶ MonitorKilled: its part is done here
//! ```
//!
//! A monitor that is stopped (SIGSTOP) neither reaps nor cleans up. It is killed, and its container dies with it; the
//! command that killed it then cleans up, as after any killed monitor.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::libc::SIGKILL;

use crate::attach::Message;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::gc::killed_monitor::{self, Killer};
use crate::handle::halt;
use crate::handle::running::{ANSWER_TIMEOUT, POLL_INTERVAL, RunningContainer, Stopped, readable};
use crate::records::halt::Halt;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;

/// How long a monitor may take to clean up after its container. It waits until the disk has stored what was written.
const CLEANUP: Duration = Duration::from_secs(60);

/// The same when the container is removed by force, where this command can clean up instead.
const FORCED_CLEANUP: Duration = Duration::from_secs(10);

/// How long a killed process may take to end. One in an uninterruptible wait ends only after that.
const DEATH: Duration = Duration::from_secs(10);

/// The time between two runs of the command that tells an init to end the system.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How a container is to end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndOptions {
    /// Sent first.
    pub signal: i32,
    /// If the container runs an init, it is told in its own way instead of by `signal`.
    pub by_init: bool,
    /// How long until SIGKILL follows.
    pub timeout: Duration,
    /// The container is kept even if it has `--rm`.
    pub keep: bool,
    /// Do not wait long for the monitor's cleanup.
    pub force: bool,
    /// The machine goes down: the user has not stopped the container.
    pub by_shutdown: bool,
}

impl EndOptions {
    pub(crate) const KILL: Self = Self {
        signal: SIGKILL,
        by_init: false,
        timeout: Duration::ZERO,
        keep: false,
        force: false,
        by_shutdown: false,
    };
}

/// How a container has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    NotRunning,
    /// The first signal ended it.
    InTime,
    /// It still ran after this time, and was sent SIGKILL.
    Killed {
        after: Duration,
    },
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// The monitor has been sent the message that no restart is wanted. A monitor that is starting the container reads
    /// it after the start.
    Notified {
        since: Instant,
    },
    /// `None` when the timeout is beyond what the clock can represent.
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

/// One container that is being ended.
pub(crate) struct Ending<'a> {
    engine: &'a Engine,
    id: String,
    name: String,
    running: RunningContainer,
    options: EndOptions,
    stage: Stage,
    stopped: Stopped,
    /// The time at which the init is told again to end the system.
    ask_again: Option<Instant>,
    init_ended: Option<Instant>,
    ended: Ended,
}

impl<'a> Ending<'a> {
    /// Tells the monitor first, so that no restart happens between the message and the signal.
    pub(crate) fn begin(
        engine: &'a Engine,
        id: &str,
        name: &str,
        running: RunningContainer,
        options: EndOptions,
    ) -> Self {
        running.tell(&Message::Stopping { keep: options.keep, by_shutdown: options.by_shutdown });
        Self {
            engine,
            id: id.to_owned(),
            name: name.to_owned(),
            running,
            options,
            stage: Stage::Notified { since: Instant::now() },
            stopped: Stopped::default(),
            ask_again: None,
            init_ended: None,
            ended: Ended::InTime,
        }
    }

    /// Does what can be done without waiting. True when the container has ended.
    fn step(&mut self, now: Instant) -> Result<bool> {
        if readable(&self.running.monitor, Some(Duration::ZERO))? {
            return self.clear().map(|()| true);
        }
        if self.init_ended.is_none() && self.running.init_has_ended()? {
            self.init_ended = Some(now);
        }
        let is_stopped = self.stopped.check(&self.running.state.monitor);
        match self.stage {
            Stage::Notified { since } => self.await_answer(since, is_stopped)?,
            Stage::Signalled { .. } if is_stopped && self.init_ended.is_some() || self.has_lost_its_end() => {
                self.kill_monitor()?;
            }
            Stage::Signalled { kill_at } if kill_at.is_some_and(|at| now >= at) => {
                if self.init_ended.is_none() {
                    self.ended = Ended::Killed { after: self.options.timeout };
                }
                self.kill()?;
            }
            Stage::Signalled { kill_at } => {
                let is_due = self.ask_again.is_some_and(|at| at <= Instant::now());
                if is_due && self.init_ended.is_none() {
                    self.ask_init(kill_at)?;
                }
            }
            Stage::Killed { since } => {
                if self.init_ended.is_none() {
                    self.engine.thaw_below(&self.running.state)?;
                }
                self.await_cleanup(since, is_stopped)?;
            }
            Stage::MonitorKilled { since } if since.elapsed() >= DEATH => {
                return Err(self.silent("was killed and has not ended: it is blocked in the kernel"));
            }
            Stage::MonitorKilled { .. } => {}
        }
        Ok(false)
    }

    /// A monitor that is still starting the container answers once it has started. Any other answers at once; if it
    /// does not, something is wrong with it, and the signal is sent anyway.
    fn await_answer(&mut self, since: Instant, is_stopped: bool) -> Result<()> {
        let connection = self.running.connection.as_ref();
        let has_answered = connection.map_or(Ok(true), |one| readable(one, Some(Duration::ZERO)))?;
        let is_over = since.elapsed() >= ANSWER_TIMEOUT;
        if has_answered || is_over && self.running.init.is_some() {
            self.running.find_init(self.engine.root(), &self.id)?;
            return self.send_first_signal();
        }
        // A runtime of its own, or a hook, may keep the monitor from answering for a minute.
        let is_late = self.options.force && since.elapsed() >= FORCED_CLEANUP;
        if is_stopped || is_late { self.kill_monitor() } else { Ok(()) }
    }

    fn send_first_signal(&mut self) -> Result<()> {
        if self.running.is_lost && self.running.init.is_none() {
            // The container is between two runs, and the monitor cannot be told to skip the next one.
            return self.kill_monitor();
        }
        if self.options.signal == SIGKILL {
            return self.kill();
        }
        // A frozen process handles no signal until it is thawed.
        if self.running.status == Status::Paused {
            self.engine.unpause(&self.id)?;
        }
        let kill_at = Instant::now().checked_add(self.options.timeout);
        match self.running.state.halt.is_some() && self.options.by_init {
            true => self.ask_init(kill_at)?,
            false => self.send(self.options.signal)?,
        }
        self.stage = Stage::Signalled { kill_at };
        Ok(())
    }

    /// Tells the init to end the system. An init that has just started may not listen yet, and is asked again later.
    fn ask_init(&mut self, kill_at: Option<Instant>) -> Result<()> {
        self.ask_again = match self.running.state.halt.clone() {
            Some(Halt::Run(command)) => {
                // The result does not tell whether the init has received the message: runit's command succeeds even
                // while runit boots and drops the message. Sending it again to an init that is ending the system does
                // no harm.
                let left = kill_at.map(|at| at.saturating_duration_since(Instant::now()));
                let _ = halt::run(self.engine, &self.id, &command, left);
                Some(Instant::now() + ASK_AGAIN)
            }
            Some(Halt::Signal(signal)) if halt::hears(&self.running.state, signal) => {
                self.send(signal)?;
                None
            }
            Some(Halt::Signal(_)) => Some(Instant::now()),
            None => None,
        };
        Ok(())
    }

    /// Whether the container has been told to end, so that it needs no more than time.
    fn is_asked(&self) -> bool {
        let is_by_command = matches!(self.running.state.halt, Some(Halt::Run(_)));
        match self.stage {
            Stage::Notified { .. } => false,
            Stage::Signalled { .. } => self.ask_again.is_none() || is_by_command,
            Stage::Killed { .. } | Stage::MonitorKilled { .. } => true,
        }
    }

    fn send(&self, signal: i32) -> Result<()> {
        self.emit_kill(signal);
        self.running.signal(signal)
    }

    fn kill(&mut self) -> Result<()> {
        self.stage = Stage::Killed { since: Instant::now() };
        self.emit_kill(SIGKILL);
        match self.running.signal(SIGKILL) {
            // The process belongs to another user namespace, so it cannot be signalled. It dies with its monitor.
            Err(_) if self.running.is_lost => return self.kill_monitor(),
            sent => sent?,
        }
        if self.running.status == Status::Paused {
            self.engine.thaw(&self.id, &self.running.state)?;
        }
        Ok(())
    }

    /// Before the signal is sent, so that the event precedes those of the end.
    fn emit_kill(&self, signal: i32) {
        if let Some(event) = Event::of_container(self.engine, &self.id, "kill") {
            event.with("signal", signal).emit(self.engine);
        }
    }

    fn await_cleanup(&mut self, since: Instant, is_stopped: bool) -> Result<()> {
        let is_late = self.options.force && since.elapsed() >= FORCED_CLEANUP;
        if is_stopped || is_late || self.has_lost_its_end() {
            return self.kill_monitor();
        }
        match since.elapsed() >= CLEANUP {
            true => Err(self.silent("has not finished its cleanup within a minute")),
            false => Ok(()),
        }
    }

    /// True when the container ended and its monitor, which cannot be reached, may restart it.
    fn has_lost_its_end(&self) -> bool {
        self.running.is_lost && self.init_ended.is_some_and(|at| at.elapsed() >= ANSWER_TIMEOUT)
    }

    fn kill_monitor(&mut self) -> Result<()> {
        self.running.kill_monitor()?;
        self.stage = Stage::MonitorKilled { since: Instant::now() };
        Ok(())
    }

    /// Cleans up after a killed monitor. A monitor that ended by itself has done this already.
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
        let killer = if self.options.by_shutdown { Killer::Unknown } else { Killer::Command };
        killed_monitor::clear(self.engine, &self.id, &Snapshot { state, ..found }, killer)?;
        if self.running.is_lost && !hull_sys::id_map::in_user_namespace() {
            crate::net::clear_lost(self.engine.root())?;
        }
        Ok(())
    }

    fn silent(&self, why: &str) -> Error {
        let pid = self.running.state.monitor.pid;
        Error::MonitorSilent { name: self.name.clone(), pid, why: why.into() }
    }

    fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let is_notified = matches!(self.stage, Stage::Notified { .. });
        let connection = self.running.connection.as_ref().filter(|_| is_notified).map(AsFd::as_fd);
        let init = self.running.init.as_ref().filter(|_| self.init_ended.is_none()).map(AsFd::as_fd);
        [Some(self.running.monitor.as_fd()), connection, init].into_iter().flatten()
    }

    /// When to call [`Self::step`] again if no descriptor becomes readable.
    fn due(&self, now: Instant) -> Option<Instant> {
        match self.stage {
            Stage::Signalled { kill_at } if self.init_ended.is_none() && self.ask_again.is_none() => kill_at,
            // The monitor has to act next, and no descriptor reports that it is stopped.
            _ => Some(now + POLL_INTERVAL),
        }
    }
}

/// Called with the index of each container and its outcome, in the order of the list.
pub(crate) type Done<'a> = &'a mut dyn FnMut(usize, Result<()>);

/// Containers that are being ended, each with its caller's number.
#[derive(Default)]
pub(crate) struct Endings<'a>(Vec<(usize, Ending<'a>)>);

impl<'a> Endings<'a> {
    pub(crate) fn add(&mut self, number: usize, ending: Ending<'a>) {
        self.0.push((number, ending));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Does what can be done without waiting, and takes out those that have ended.
    pub(crate) fn step(&mut self, now: Instant) -> Vec<(usize, Result<Ended>)> {
        let mut ended = Vec::new();
        self.0.retain_mut(|(number, ending)| match ending.step(now) {
            Ok(false) => true,
            outcome => {
                ended.push((*number, outcome.map(|_| ending.ended)));
                false
            }
        });
        ended
    }

    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().flat_map(|(_, ending)| ending.descriptors())
    }

    /// When to call [`Self::step`] again if no descriptor becomes readable.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        self.0.iter().filter_map(|(_, ending)| ending.due(now)).min()
    }
}

/// Ends all of them, and says of each how it ended. An entry that is `None` has ended already.
pub(crate) fn end_all(begun: Vec<Result<Option<Ending<'_>>>>, done: &mut dyn FnMut(usize, Result<Ended>)) {
    let mut endings = Endings::default();
    let mut outcomes: Vec<Option<Result<Ended>>> = Vec::with_capacity(begun.len());
    for (index, begun) in begun.into_iter().enumerate() {
        outcomes.push(match begun {
            Ok(Some(ending)) => {
                endings.add(index, ending);
                None
            }
            Ok(None) => Some(Ok(Ended::InTime)),
            Err(error) => Some(Err(error)),
        });
    }
    let mut reported = 0;
    loop {
        let now = Instant::now();
        for (index, outcome) in endings.step(now) {
            outcomes[index] = Some(outcome);
        }
        while let Some(outcome) = outcomes.get_mut(reported).and_then(Option::take) {
            done(reported, outcome);
            reported += 1;
        }
        if endings.is_empty() {
            return;
        }
        let fds: Vec<_> = endings.descriptors().collect();
        wait_for_any(&fds, endings.due(now));
    }
}

/// Waits until one of the descriptors is readable, or until the time has come.
pub(crate) fn wait_for_any(fds: &[BorrowedFd<'_>], due: Option<Instant>) {
    let left = due.map(|due| due.saturating_duration_since(Instant::now()));
    // Only poll(2) itself can fail here. The caller then continues without it.
    if hull_sys::wait::until_any_readable(fds, left).is_err() {
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Ends one.
pub(crate) fn end(ending: Ending<'_>) -> Result<()> {
    let mut outcome = Ok(());
    end_all(vec![Ok(Some(ending))], &mut |_, ended| outcome = ended.map(drop));
    outcome
}

/// Tells one to end, and does not wait until it has.
pub(crate) fn ask(mut ending: Ending<'_>) -> Result<()> {
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    while !ending.step(Instant::now())? && !ending.is_asked() {
        if Instant::now() >= deadline {
            return Err(ending.silent("does not listen yet"));
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}
