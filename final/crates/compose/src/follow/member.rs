//! One container that is followed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use hull_engine::options::LogsOptions;
use hull_engine::{AttachEvent, AttachStream, Engine, Grown, LogReader, LogWatch};
use hull_sys::process::pidfd_open;
use hull_sys::wait::until_readable;

use super::Audience;
use super::lines::{Lines, Sink};
use crate::error::{Context, Result};
use crate::names;
use crate::observe::Container;

pub(super) struct Member {
    pub id: String,
    /// The container's name without its project's.
    pub source: String,
    pub service: String,
    pub is_shown: bool,
    /// It runs, or is going to.
    pub may_run: bool,
    pub has_started: bool,
    output: Output,
    lines: Lines,
    /// The process that stays with the container, while it runs.
    monitor: Option<OwnedFd>,
}

enum Output {
    Log(LogReader),
    /// The log driver keeps no files.
    Attached(AttachStream),
    None,
}

impl Member {
    pub(super) fn new(container: &Container, project: &str, is_shown: bool) -> Self {
        Self {
            id: container.id.clone(),
            source: names::without_project(project, &container.service, &container.name).to_owned(),
            service: container.service.clone(),
            is_shown,
            may_run: true,
            has_started: false,
            output: Output::None,
            lines: Lines::default(),
            monitor: None,
        }
    }

    /// Opens the log. A container without one is attached to; what it has printed before is lost.
    pub(super) fn open(&mut self, engine: &Engine, logs: &LogsOptions, watch: Option<&LogWatch>) {
        self.note_monitor(engine);
        if !self.is_shown {
            return;
        }
        self.output = match engine.log_reader(&self.id, logs, watch) {
            Ok(reader) => Output::Log(reader),
            Err(_) => Self::attachment(engine, &self.id),
        };
    }

    /// A container that was removed meanwhile has no output.
    fn attachment(engine: &Engine, id: &str) -> Output {
        engine.attach_or_await(id, false).map_or(Output::None, |(stream, _)| Output::Attached(stream))
    }

    fn note_monitor(&mut self, engine: &Engine) {
        let monitor = engine.moment(&self.id).ok().and_then(|moment| moment.monitor);
        self.has_started |= monitor.is_some();
        self.monitor = monitor.and_then(|pid| pidfd_open(pid).ok());
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let attached = match &self.output {
            Output::Attached(stream) => Some(stream.as_fd()),
            Output::Log(_) | Output::None => None,
        };
        attached.into_iter().chain(self.monitor.as_ref().map(AsFd::as_fd))
    }

    pub(super) fn is_watched(&self) -> bool {
        match &self.output {
            Output::Log(reader) => reader.is_watched(),
            Output::Attached(_) | Output::None => true,
        }
    }

    /// Gives what has come.
    pub(super) fn read(&mut self, grown: &Grown, audience: &mut dyn Audience) -> Result<()> {
        let source = &self.source;
        let mut take = |stream, line: &[u8]| audience.line(source, stream, line);
        match &mut self.output {
            Output::Log(reader) if reader.may_have_grown(grown) => {
                let mut sink = Sink { lines: &mut self.lines, take: &mut take };
                reader.read(&mut sink).context(|| "read the log".into())
            }
            Output::Attached(stream) => {
                let mut buffer = Vec::new();
                loop {
                    match stream.receive(&mut buffer) {
                        Ok(Some(AttachEvent::Output { stream, bytes })) => {
                            self.lines.feed(stream, bytes, &mut take);
                        }
                        Ok(Some(AttachEvent::Uncleaned(_))) => {}
                        Ok(None) => return Ok(()),
                        // The event log reports the next start.
                        Ok(Some(AttachEvent::Exited(_))) | Err(_) => {
                            self.output = Output::None;
                            return Ok(());
                        }
                    }
                }
            }
            Output::Log(_) | Output::None => Ok(()),
        }
    }

    /// Gives the line that has no end, because nothing follows.
    pub(super) fn finish(&mut self, audience: &mut dyn Audience) {
        if let Output::Log(reader) = &mut self.output {
            reader.end_lines();
        }
        let source = &self.source;
        self.lines.finish(&mut |stream, line| audience.line(source, stream, line));
    }

    /// It has started. It may have got its name since it was created.
    pub(super) fn start(&mut self, engine: &Engine, project: &str, name: Option<&str>) {
        if let Some(name) = name {
            self.source = names::without_project(project, &self.service, name).to_owned();
        }
        (self.may_run, self.has_started) = (true, true);
        self.note_monitor(engine);
        if self.is_shown && matches!(self.output, Output::None) {
            self.output = Self::attachment(engine, &self.id);
        }
    }

    pub(super) fn end(&mut self, is_restarting: bool) {
        self.may_run = is_restarting;
        if !is_restarting {
            self.monitor = None;
        }
    }

    /// Whether its monitor has ended without an event about the container's end.
    pub(super) fn has_lost_monitor(&mut self) -> bool {
        let is_over = |monitor: &OwnedFd| until_readable(monitor, Some(Duration::ZERO)).unwrap_or(true);
        self.monitor.take_if(|monitor| is_over(monitor)).is_some()
    }
}
