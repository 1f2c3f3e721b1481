//! Many containers that start and end at the same time, in one poll loop.
//!
//! ```text
//! start ──▶ its monitor is forked ──▶ Started or an error      stop ──▶ signalled ──▶ Stopped or an error
//! restart ──▶ signalled ──▶ its monitor is forked ──▶ Started or an error
//! ```
//!
//! The caller gives each container a number of its own, and may begin another transition whenever one is over: so a service
//! starts as soon as those that it depends on run.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use crate::attach::StartAttach;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::events::Event;
use crate::handle::ending::{Ended, Ending, Endings, wait_for_any};
use crate::handle::running::POLL_INTERVAL;
use crate::monitor::launch::{Begun, Launch, Launched, Starting, begin};
use crate::net::Succession;
use crate::records::health::{self, Check, HealthStatus};
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;

/// What has become of a container.
#[derive(Debug)]
pub enum Transition {
    /// False if it ran already.
    Started(Result<bool>),
    Stopped(Result<Ended>),
}

/// Containers in transition.
pub struct Transitions<'a> {
    engine: &'a Engine,
    starting: Vec<(usize, String, Box<Starting>)>,
    endings: Endings<'a>,
    /// The records of those that end, for the event, and whether each is to start again.
    ending: Vec<(usize, Record, Next)>,
    /// Those of [`Self::starting`] that have been stopped for it.
    restarting: Vec<(usize, Record)>,
    over: Vec<(usize, Transition)>,
}

/// What follows the end of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Nothing,
    Start,
}

/// A container at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub status: Status,
    /// Of the last run, unless one is going on.
    pub exit_code: Option<u8>,
    /// `None` for a container that has no health check, or has never run.
    pub health: Option<HealthStatus>,
    pub has_check: bool,
    /// The process that stays with it while it runs.
    pub monitor: Option<i32>,
}

impl Engine {
    pub fn transitions(&self) -> Transitions<'_> {
        Transitions {
            engine: self,
            starting: vec![],
            endings: Endings::default(),
            ending: vec![],
            restarting: vec![],
            over: vec![],
        }
    }

    /// A container's state, its health and its last exit code.
    pub fn moment(&self, name: &str) -> Result<Moment> {
        let record = self.find(name)?;
        let snapshot = self.clear_if_dead(&record, Snapshot::take(self.root(), &record.id)?)?;
        let run = snapshot.state.as_ref().and_then(|state| state.started);
        let has_check = Check::of(&record).is_some();
        let health = || health::status(self.root(), &record.id, snapshot.status, run);
        let is_active = snapshot.status.is_active();
        Ok(Moment {
            status: snapshot.status,
            health: has_check.then(health).flatten(),
            has_check,
            exit_code: snapshot
                .exit
                .as_ref()
                .filter(|_| snapshot.status != Status::Running)
                .map(|exit| exit.code),
            monitor: snapshot.state.filter(|_| is_active).map(|state| state.monitor.pid),
        })
    }
}

impl Transitions<'_> {
    /// How many are under way.
    pub fn len(&self) -> usize {
        self.starting.len() + self.ending.len() + self.over.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins to start a container, after those that it requires.
    pub fn start(&mut self, number: usize, name: &str) {
        let begun = self.begin_start(name, None);
        self.note_begun(number, name, begun);
    }

    /// Begins to start a container beside a running one, `old`, that it is to replace: it has none of its ports and aliases
    /// until [`Engine::take_over`].
    pub fn start_beside(&mut self, number: usize, name: &str, old: &str) {
        let begun = self.begin_start(name, Some(old));
        self.note_begun(number, name, begun);
    }

    fn note_begun(&mut self, number: usize, name: &str, begun: Result<Begun>) {
        match begun {
            Ok(Begun::Starting(starting)) => self.starting.push((number, name.to_owned(), starting)),
            Ok(Begun::Over(launched)) => {
                let started = matches!(launched, Launched::Started(_));
                self.over.push((number, Transition::Started(Ok(started))));
            }
            Err(error) => self.over.push((number, Transition::Started(Err(error.for_container(name))))),
        }
    }

    fn begin_start(&self, name: &str, old: Option<&str>) -> Result<Begun> {
        let record = self.engine.find(name)?;
        let succession = match old {
            Some(old) => Succession::of(self.engine, &record, &self.engine.find(old)?)?,
            None => None,
        };
        for required in &record.options.requires {
            self.engine.start_detached(required)?;
        }
        let size = record.options.console_size;
        begin(self.engine, &record, Launch::ByUser, (StartAttach::Detached, size), succession)
    }

    /// Begins to stop a container as [`Engine::stop`] does. One that does not run is over at once.
    pub fn stop(&mut self, number: usize, name: &str, signal: Option<&str>, timeout: Option<u32>) {
        match self.begin_stop(number, name, (signal, timeout), Next::Nothing) {
            Ok(true) => {}
            Ok(false) => self.over.push((number, Transition::Stopped(Ok(Ended::NotRunning)))),
            Err(error) => self.over.push((number, Transition::Stopped(Err(error)))),
        }
    }

    /// Begins to stop a container, and starts it when it has ended. One that does not run is started.
    pub fn restart(&mut self, number: usize, name: &str, signal: Option<&str>, timeout: Option<u32>) {
        match self.begin_stop(number, name, (signal, timeout), Next::Start) {
            Ok(true) => {}
            Ok(false) => self.start(number, name),
            Err(error) => self.over.push((number, Transition::Started(Err(error)))),
        }
    }

    /// False if the container does not run.
    fn begin_stop(
        &mut self,
        number: usize,
        name: &str,
        (signal, timeout): (Option<&str>, Option<u32>),
        next: Next,
    ) -> Result<bool> {
        let record = self.engine.find(name)?;
        let options = self.engine.stop_options(&record, signal, timeout, next == Next::Start)?;
        let Some(running) = self.engine.running_or_begun(&record.id)? else {
            self.engine.forget_comeback(&record.id)?;
            return Ok(false);
        };
        self.endings.add(number, Ending::begin(self.engine, &record.id, &record.name, running, options));
        self.ending.push((number, record, next));
        Ok(true)
    }

    /// Waits until a transition is over, one of the other descriptors is readable, or the time has come. Returns those that
    /// are over.
    pub fn wait(&mut self, others: &[BorrowedFd<'_>], until: Option<Instant>) -> Vec<(usize, Transition)> {
        self.step();
        if self.over.is_empty() {
            let now = Instant::now();
            let mut fds: Vec<_> = self.starting.iter().map(|(.., starting)| starting.descriptor()).collect();
            fds.extend(self.endings.descriptors());
            fds.extend(others);
            let slow_start = (!self.starting.is_empty()).then(|| now + POLL_INTERVAL);
            let due = [slow_start, self.endings.due(now), until].into_iter().flatten().min();
            wait_for_any(&fds, due);
            self.step();
        }
        std::mem::take(&mut self.over)
    }

    fn step(&mut self) {
        for (number, ended) in self.endings.step(Instant::now()) {
            let found = self.ending.iter().position(|(other, ..)| *other == number);
            let Some((_, record, next)) = found.map(|index| self.ending.swap_remove(index)) else { continue };
            if ended.is_ok() {
                Event::container(&record, "stop").emit(self.engine);
            }
            match (next, ended) {
                (Next::Nothing, ended) => self.over.push((number, Transition::Stopped(ended))),
                (Next::Start, Err(error)) => self.over.push((number, Transition::Started(Err(error)))),
                (Next::Start, Ok(_)) => {
                    self.start(number, &record.id);
                    self.restarting.push((number, record));
                }
            }
        }
        let (engine, over) = (self.engine, &mut self.over);
        self.starting.retain_mut(|(number, name, starting)| {
            let started = match starting.step(engine) {
                Ok(false) => return true,
                started => started.map_err(|error| error.for_container(name)),
            };
            over.push((*number, Transition::Started(started)));
            false
        });
        for (number, transition) in &self.over {
            let found = self.restarting.iter().position(|(other, _)| other == number);
            if let Some((_, record)) = found.map(|index| self.restarting.swap_remove(index))
                && matches!(transition, Transition::Started(Ok(_)))
            {
                Event::container(&record, "restart").emit(self.engine);
            }
        }
    }
}

/// The error of a container that another command has removed.
impl Transition {
    pub fn is_of_missing_container(&self) -> bool {
        let (Self::Started(Err(error)) | Self::Stopped(Err(error))) = self else { return false };
        matches!(error, Error::NoSuchContainer(_))
    }
}
