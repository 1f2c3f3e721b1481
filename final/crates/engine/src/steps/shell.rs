//! A shell in a step that has failed.

use crate::attach::{AttachStream, StartAttach};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::monitor::launch::{Launch, launch};
use crate::records::options::WindowSize;
use crate::records::record::{Kind, Record};

impl Engine {
    /// Runs `args` with a terminal in a step that was kept, with the step's files, user, variables and network. What its
    /// builder handed over, bind mounts, caches and secrets, is not there. When the stream is dropped, the program is
    /// killed; the caller then calls [`Self::remove_step`].
    pub fn open_step(&self, id: &str, args: Vec<String>, size: Option<WindowSize>) -> Result<AttachStream> {
        let mut record = Record::load(self.root(), id)?;
        if !matches!(record.kind, Kind::Build { .. }) {
            return Err(Error::NoSuchContainer(id.into()));
        }
        record.process.command = args;
        record.mounts.retain(|mount| mount.extras.handed.is_none());
        record.options.tty = true;
        record.options.interactive = true;
        record.store(&self.root().container_dir(id))?;
        let record = Record::load(self.root(), id)?;
        // The builder has not crashed: it is calling.
        crate::rootfs::mount::allow_remount(self, &record)?;
        let stream = launch(self, &record, Launch::ByUser, StartAttach::Attached, size)?.into_stream();
        stream.ok_or(Error::MonitorDied)
    }

    /// Removes a step that was kept.
    pub fn remove_step(&self, id: &str) -> Result<()> {
        crate::gc::steps::discard(self, id)
    }
}
