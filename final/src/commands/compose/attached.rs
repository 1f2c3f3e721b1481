//! `up` at a terminal: what the containers print, until all have ended or the user stops them.
//!
//! ```text
//! this command: one poll loop                       children, forked when they are needed
//!   logs and ends of the containers  ─┐               start   when the loop follows the containers
//!   ctrl-c                           ─┼─▶ stdout      stop    at the first ctrl-c, or when a container's end stops all
//!   what the children say            ─┘               kill    at the second ctrl-c
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use hull_compose::follow::{self, Audience, Follow};
use hull_compose::progress::Progress;
use hull_engine::options::LogsOptions;
use hull_engine::{Engine, Stream};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::watch;
use super::watching::Watching;
use crate::ui::compose::display::{Display, Settings};
use crate::ui::compose::progress::{Child, INTERRUPTED, Said};
use crate::ui::compose::signals::Signals;

/// What the end of a container means for the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnExit {
    #[default]
    Ignore,
    /// `--abort-on-container-exit`
    Stop,
    /// `--abort-on-container-failure`
    StopAfterFailure,
}

/// Some work of a child.
pub type Work<'w> = dyn Fn(&mut dyn Progress) -> Result<()> + 'w;

pub struct Attached<'w> {
    pub engine: &'w Engine,
    pub project: String,
    /// The services whose containers are waited for.
    pub services: BTreeSet<String>,
    /// Those whose output is shown.
    pub shown: BTreeSet<String>,
    pub settings: Settings,
    pub timestamps: bool,
    pub on_exit: OnExit,
    /// The service whose exit code is the command's.
    pub exit_code_from: Option<String>,
    pub start: &'w Work<'w>,
    pub stop: &'w Work<'w>,
    pub kill: &'w Work<'w>,
    /// Prints a child's error, and gives its exit code.
    pub report: fn(&anyhow::Error) -> u8,
}

/// What a child is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Start,
    Stop,
    Kill,
}

struct Loop<'l, 'w> {
    attached: &'l Attached<'w>,
    follow: Follow<'w>,
    display: Display<'l>,
    signals: &'l Signals,
    children: Vec<(Role, Child)>,
    /// `--watch`
    watching: Option<Watching<'w>>,
    interrupts: u32,
    /// A container's end has stopped the others.
    is_stopping: bool,
    /// That of the container whose end decides.
    code: Option<u8>,
    failed: Option<u8>,
}

impl<'w> Attached<'w> {
    /// Starts the containers and shows what they print. Returns the command's exit code.
    pub fn run(&self, watching: Option<Watching<'w>>) -> Result<u8> {
        let signals = Signals::take_over()?;
        // What containers have printed before is not shown.
        let logs = LogsOptions { tail: Some(0), timestamps: self.timestamps, ..LogsOptions::default() };
        let options = follow::Options {
            project: self.project.clone(),
            services: self.services.clone(),
            shown: Some(self.shown.clone()),
            index: None,
            logs,
        };
        let follow = Follow::begin(self.engine, options)?;
        let sources = follow.sources();
        let mut display = Display::new(self.settings, &sources, Some(&signals));
        if !sources.is_empty() {
            display.say(&format!("Attaching to {}", sources.join(", ")));
        }
        if watching.is_some() {
            display.say_of_watch("Watch enabled");
        }
        let start = (Role::Start, Child::start(self.report, |progress| (self.start)(progress))?);
        let mut run = Loop {
            attached: self,
            follow,
            display,
            signals: &signals,
            children: vec![start],
            watching,
            interrupts: 0,
            is_stopping: false,
            code: None,
            failed: None,
        };
        let outcome = run.until_all_have_ended();
        if outcome.is_err() {
            // The reader of the output has gone. The containers are started all the same.
            run.await_start()?;
        }
        outcome?;
        run.display.outlet.finish()?;
        Ok(match run.interrupts {
            0 => run.code.filter(|code| *code != 0).or(run.failed).unwrap_or(0),
            _ => INTERRUPTED,
        })
    }
}

impl Loop<'_, '_> {
    fn until_all_have_ended(&mut self) -> Result<()> {
        loop {
            self.wait()?;
            while self.signals.next()? {
                self.interrupt()?;
                if self.interrupts > 2 {
                    return Ok(());
                }
            }
            self.hear_children()?;
            // Not before the containers run: a file that is copied then stays.
            let is_starting = self.children.iter().any(|(role, _)| *role == Role::Start);
            if let Some(watching) = self.watching.as_mut().filter(|_| !is_starting) {
                let display = &mut self.display;
                watching.turn(&mut |said| watch::show(display, said))?;
            }
            if !self.display.outlet.has_enough() {
                self.follow.turn(&mut self.display)?;
                self.display.check()?;
                self.judge_ends()?;
            }
            let has_failed = self.failed.is_some() && self.interrupts == 0 && !self.is_stopping;
            // The containers that a change restarts may be gone for a moment.
            let is_busy = self.watching.as_ref().is_some_and(Watching::is_busy);
            // What the stop has prevented from starting does not end either.
            let is_stopped = (self.interrupts > 0 || self.is_stopping) && !self.follow.is_running();
            let is_over = (self.follow.is_over() || is_stopped) && self.children.is_empty() && !is_busy;
            if has_failed || is_over {
                return Ok(());
            }
        }
    }

    fn wait(&mut self) -> Result<()> {
        let mut fds = vec![self.display.outlet.interest(), PollFd::new(self.signals, PollFlags::IN)];
        fds.extend(self.children.iter().map(|(_, child)| PollFd::new(child, PollFlags::IN)));
        let is_starting = self.children.iter().any(|(role, _)| *role == Role::Start);
        let watching = self.watching.as_ref().filter(|_| !is_starting);
        fds.extend(watching.iter().flat_map(|watching| watching.interests()));
        let is_full = self.display.outlet.has_enough();
        if !is_full {
            fds.extend(self.follow.interests());
        }
        let own: Option<Duration> = self.follow.timeout().filter(|_| !is_full);
        let timeout = own.into_iter().chain(watching.and_then(Watching::timeout)).min();
        match poll(&mut fds, timeout.and_then(|timeout| timeout.try_into().ok()).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).context("cannot wait for the containers"),
        }
        let flags = fds[0].revents();
        drop(fds);
        self.display.outlet.write(flags)
    }

    /// The first ctrl-c stops the containers, and the second one kills them.
    fn interrupt(&mut self) -> Result<()> {
        self.interrupts += 1;
        match self.interrupts {
            1 => {
                // What changes from now on is left to the next command.
                self.watching = None;
                self.display.say("Gracefully Stopping... press Ctrl+C again to force");
                self.stop()
            }
            2 => {
                let child = Child::start(self.attached.report, |progress| (self.attached.kill)(progress))?;
                self.children.push((Role::Kill, child));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Ends the start, and stops what it has started. Not before it has ended: what it is about to start would be missed.
    fn stop(&mut self) -> Result<()> {
        self.children.retain(|(role, _)| *role != Role::Start);
        if self.children.iter().any(|(role, _)| *role == Role::Stop) {
            return Ok(());
        }
        let child = Child::start(self.attached.report, |progress| (self.attached.stop)(progress))?;
        self.children.push((Role::Stop, child));
        Ok(())
    }

    fn hear_children(&mut self) -> Result<()> {
        let mut index = 0;
        while index < self.children.len() {
            let (role, child) = &mut self.children[index];
            let role = *role;
            let mut has_ended = false;
            for said in child.read()? {
                match said {
                    // Compose shows nothing of the start, because the containers' output is there.
                    Said::Event(event) if role != Role::Start => self.display.event(&event),
                    Said::Event(_) => {}
                    Said::Note(text) => self.display.say(&text),
                    Said::Output(source, line) => self.display.line(&source, Stream::Stdout, &line),
                    Said::Failed => {
                        // The child prints its error below what is waiting.
                        self.display.outlet.finish()?;
                        child.let_it_report();
                    }
                    Said::Ended(code) => {
                        has_ended = true;
                        // A start that was interrupted has not failed, and what is to be killed may have ended.
                        if code != 0 && role != Role::Kill && (role == Role::Stop || self.interrupts == 0) {
                            self.failed = Some(code);
                        }
                    }
                }
            }
            match has_ended {
                true => drop(self.children.remove(index)),
                false => index += 1,
            }
        }
        Ok(())
    }

    /// What the ends of containers mean for the others, and for the exit code.
    fn judge_ends(&mut self) -> Result<()> {
        for (service, code) in std::mem::take(&mut self.display.ended) {
            let stops = match self.attached.on_exit {
                OnExit::Ignore => false,
                OnExit::Stop => true,
                OnExit::StopAfterFailure => code != 0,
            };
            if stops && !self.is_stopping {
                self.is_stopping = true;
                if self.attached.exit_code_from.is_none() {
                    self.code = Some(code);
                }
                self.display.alarm("Aborting on container exit...");
                self.stop()?;
            }
            if self.attached.exit_code_from.as_ref() == Some(&service) {
                self.code.get_or_insert(code);
            }
        }
        Ok(())
    }

    fn await_start(&mut self) -> Result<()> {
        let Some(index) = self.children.iter().position(|(role, _)| *role == Role::Start) else {
            return Ok(());
        };
        let child = &mut self.children[index].1;
        loop {
            hull_sys::wait::until_readable(&*child, None)?;
            for said in child.read()? {
                match said {
                    Said::Failed => child.let_it_report(),
                    Said::Ended(_) => return Ok(()),
                    Said::Event(_) | Said::Note(_) | Said::Output(..) => {}
                }
            }
        }
    }
}
