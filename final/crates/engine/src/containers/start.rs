//! `start` and `attach`.

use crate::attach::{AttachStream, Message, StartAttach};
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::events::Event;
use crate::monitor::launch::{Launch, launch};
use crate::records::options::WindowSize;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::state::{Status, wrong_state};

/// How a container was created to be attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerStdio {
    pub tty: bool,
    pub open_stdin: bool,
}

impl Engine {
    /// Whether a container has a terminal, and takes input.
    pub fn stdio(&self, name: &str) -> Result<ContainerStdio> {
        let options = self.find(name)?.options;
        Ok(ContainerStdio { tty: options.tty, open_stdin: options.interactive })
    }

    /// Starts a container, after those that it requires; a running one is left as it is. When attached, the caller gets
    /// the output from the first byte on. `size` is the size of the caller's terminal.
    pub fn start(
        &self,
        name: &str,
        attach: StartAttach,
        size: Option<WindowSize>,
    ) -> Result<Option<AttachStream>> {
        let record = self.find(name)?;
        for required in &record.options.requires {
            // These exist since before this one, so no two require each other.
            self.start(required, StartAttach::Detached, None)?;
        }
        match launch(self, &record, Launch::ByUser, attach, size)
            .map_err(|error| error.for_container(name))?
        {
            None if attach == StartAttach::Attached => self.attach(&record.id).map(Some),
            stream => Ok(stream),
        }
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
}
