//! `exec`: another process in a running container.

use crate::attach::AttachStream;
use crate::engine::Engine;
use crate::error::Result;
use crate::events::ExecEvents;
use crate::handle::enter::Entry;
use crate::monitor::session;
use crate::records::exec_instance::{self, ExecInstance};
use crate::records::options::ExecOptions;
use crate::records::snapshot::Snapshot;

impl Engine {
    /// Starts a command in a container. Returns an attachment to it, or `None` when detached.
    pub fn exec(&self, name: &str, options: &ExecOptions) -> Result<Option<AttachStream>> {
        let record = self.find(name)?;
        let snapshot = Snapshot::take(self.root(), &record.id)?;
        let entry = Entry::prepare(self, &record, &snapshot, options)?;
        let events =
            ExecEvents { engine: self, record: &record, id: &entry.instance().id, command: &options.command };
        let program = session::Program { entry: &entry, options, events: &events };
        let stream = session::launch(&program).map_err(|error| entry.unless_ended(error))?;
        Ok((!options.detach).then_some(stream))
    }

    /// The exec instances of a container: those that run, and the detached ones that have ended in the last minutes.
    pub fn exec_instances(&self, name: &str) -> Result<Vec<ExecInstance>> {
        Ok(exec_instance::all(self.root(), &self.find(name)?.id))
    }
}
