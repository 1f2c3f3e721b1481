//! `start`, `attach` and `resize`.

use crate::attach::registration::{Registration, Wanted};
use crate::attach::{AttachStream, LogEnd, Message, StartAttach};
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::events::Event;
use crate::handle::running::{ANSWER_TIMEOUT, readable, resize};
use crate::logs::layout::end_of;
use crate::monitor::launch::{Launch, Launched, launch};
use crate::records::options::WindowSize;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::{Status, wrong_state};

/// How a container was created to be attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerStdio {
    pub tty: bool,
    pub open_stdin: bool,
    /// stdin ends with its first client. That of a terminal stays open.
    pub stdin_once: bool,
}

impl Engine {
    /// Whether a container has a terminal, and takes input.
    pub fn stdio(&self, name: &str) -> Result<ContainerStdio> {
        let options = self.find(name)?.options;
        let stdin_once = options.stdin_once();
        Ok(ContainerStdio { tty: options.tty, open_stdin: options.interactive, stdin_once })
    }

    /// Starts a container, after those that it requires; a running one is left as it is. When attached, the caller gets
    /// the output from the first byte on. `size` is the size of the caller's terminal.
    pub fn start(
        &self,
        name: &str,
        attach: StartAttach,
        size: Option<WindowSize>,
    ) -> Result<Option<AttachStream>> {
        match self.launch(name, attach, size)? {
            Launched::Running if attach == StartAttach::Attached => self.attach(name).map(Some),
            launched => Ok(launched.into_stream()),
        }
    }

    /// The same without an attachment. False if the container runs already.
    pub fn start_detached(&self, name: &str) -> Result<bool> {
        let launched = self.launch(name, StartAttach::Detached, None)?;
        Ok(matches!(launched, Launched::Started(_)))
    }

    fn launch(&self, name: &str, attach: StartAttach, size: Option<WindowSize>) -> Result<Launched> {
        let record = self.find(name)?;
        for required in &record.options.requires {
            // These exist since before this one, so no two require each other.
            self.start_detached(required)?;
        }
        // A snapshot changes the record, which is read again.
        let record = if self.snapshot_at_startup(&record)? { self.find(&record.id)? } else { record };
        let size = size.or(record.options.console_size);
        launch(self, &record, Launch::ByUser, attach, size).map_err(|error| error.for_container(name))
    }

    /// Starts a container that the caller has just created. If it does not start, and is to be removed at its end, it is
    /// removed.
    pub fn start_created(
        &self,
        record: &Record,
        attach: StartAttach,
        size: Option<WindowSize>,
    ) -> Result<Option<AttachStream>> {
        let started = self.start(&record.id, attach, size);
        if started.is_err() && record.options.auto_remove {
            // The monitor has removed it already, unless the monitor died. The first error is the one to report.
            let _ = self.remove(&record.id, true, true);
        }
        started
    }

    /// Joins a running container's output from here on.
    pub fn attach(&self, name: &str) -> Result<AttachStream> {
        let record = self.find(name)?;
        let running = self.running(&record.id)?;
        let Some(mut running) = running.filter(|running| running.status == Status::Running) else {
            let status = self.clear_if_dead(&record, Snapshot::take(self.root(), &record.id)?)?.status;
            return Err(wrong_state("attach to", &record, status));
        };
        running.check_monitor(&record.name)?;
        let connection = running.connection.take().ok_or_else(|| running.silent(&record.name))?;
        connection.send(&Message::Subscribe).context(|| format!("attach to {}", record.name))?;
        Event::container(&record, "attach").emit(self);
        Ok(AttachStream::new(connection).listening_in(self.root().container_run_dir(&record.id)))
    }
    /// Joins a container's output from here on. If the container does not run, this joins its next run, and gets all of its
    /// output. Unlike [`Self::attach`], the stream ends with a run even if another one follows. With `stdin` the
    /// container's stdin ends with this attachment, if it is one that ends with its client.
    ///
    /// Also returns where the log ends of what came before.
    pub fn attach_or_await(&self, name: &str, stdin: bool) -> Result<(AttachStream, LogEnd)> {
        let record = self.find(name)?;
        let run_dir = self.root().container_run_dir(&record.id);
        let (stream, log) = loop {
            if let Some(attached) = self.attach_to_run(&record)? {
                break attached;
            }
            let _lock = self.lock(&record.id).map_err(|error| error.for_container(name))?;
            // Another command may have started it meanwhile.
            if !Snapshot::take(self.root(), &record.id)?.status.is_active() {
                let log = end_of(&self.root().container_dir(&record.id));
                break (AttachStream::awaiting(Registration::make(&run_dir, Wanted::Output)?), log);
            }
        };
        Event::container(&record, "attach").emit(self);
        let stream = stream.listening_in(run_dir);
        let stream = if stdin && record.options.interactive { stream.owning_stdin()? } else { stream };
        Ok((stream, log))
    }

    /// An attachment that carries nothing: an error if the container cannot be attached to in its present state.
    pub fn check_attach(&self, name: &str) -> Result<()> {
        let record = self.find(name)?;
        let status = self.clear_if_dead(&record, Snapshot::take(self.root(), &record.id)?)?.status;
        if matches!(status, Status::Paused | Status::Restarting) {
            return Err(wrong_state("attach to", &record, status));
        }
        Event::container(&record, "attach").emit(self);
        Ok(())
    }

    /// `None` if the container does not run.
    fn attach_to_run(&self, record: &Record) -> Result<Option<(AttachStream, LogEnd)>> {
        let Some(mut running) = self.running(&record.id)? else { return Ok(None) };
        if running.status != Status::Running {
            return Err(wrong_state("attach to", record, running.status));
        }
        running.check_monitor(&record.name)?;
        let connection = running.connection.take().ok_or_else(|| running.silent(&record.name))?;
        let context = || format!("attach to {}", record.name);
        for message in [Message::Wait, Message::SubscribeAfterLog] {
            connection.send(&message).context(context)?;
        }
        let mut buffer = Vec::new();
        loop {
            if !readable(&connection, Some(ANSWER_TIMEOUT))? {
                // The monitor of an older hull does not know where its log ends.
                connection.send(&Message::Subscribe).context(context)?;
                return Ok(Some((AttachStream::new(connection), LogEnd::default())));
            }
            match connection.receive(&mut buffer).context(context)? {
                Some(Message::LogEnd(end)) => return Ok(Some((AttachStream::new(connection), end))),
                Some(_) => {}
                // It has ended meanwhile.
                None => return Ok(None),
            }
        }
    }

    /// Sets the size of a container's terminal. A container without one has no size, and ignores it, as in docker.
    pub fn resize(&self, name: &str, size: WindowSize) -> Result<()> {
        let record = self.find(name)?;
        let Some(running) = self.running(&record.id)? else {
            return Err(wrong_state("resize", &record, Status::Exited));
        };
        resize(running.connection.as_ref().ok_or_else(|| running.silent(&record.name))?, size)
    }
}
