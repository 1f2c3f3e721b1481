//! `exec`: another process in a running container.

use crate::attach::AttachStream;
use crate::engine::Engine;
use crate::error::Result;
use crate::handle::enter::Entry;
use crate::monitor::session;
use crate::records::options::ExecOptions;
use crate::records::snapshot::Snapshot;

impl Engine {
    /// Starts a command in a container. Returns an attachment to it, or `None` when detached.
    pub fn exec(&self, name: &str, options: &ExecOptions) -> Result<Option<AttachStream>> {
        let record = self.find(name)?;
        let snapshot = Snapshot::take(self.root(), &record.id)?;
        let entry = Entry::prepare(self, &record, &snapshot, options)?;
        let enter = |stdio| entry.start(stdio);
        let stream = session::launch(&enter, options.tty, options.interactive, options.detach)
            .map_err(|error| entry.unless_ended(error))?;
        Ok((!options.detach).then_some(stream))
    }
}
