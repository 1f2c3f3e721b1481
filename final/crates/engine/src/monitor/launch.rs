//! Forks the monitor and waits until it says how the start went.

use hull_sys::process::{self, Fork};

use super::{recover, run};
use crate::attach::{AttachStream, Connection, Message, WindowSize};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::record::Record;
use crate::state::{Snapshot, Status};

/// Whether the caller wants the container's output from its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAttach {
    Detached,
    Attached,
}

/// Starts a container under its lock, which is held until the monitor answers. A terminal of the container's has `size`
/// before its program starts: one that asks only once would never learn of a change.
pub(crate) fn launch(
    engine: &Engine,
    record: &Record,
    attach: StartAttach,
    size: Option<WindowSize>,
) -> Result<Option<AttachStream>> {
    let lock = engine.lock(&record.id)?;
    let snapshot = Snapshot::take(engine.root(), &record.id)?;
    match snapshot.status {
        Status::Running | Status::Restarting => return Ok(None),
        Status::Paused => {
            return Err(Error::WrongState { verb: "start", name: record.name.clone(), state: "paused" });
        }
        Status::Dead => {
            recover::clear(engine, &record.id, &snapshot)?;
            // With `--rm` it went with its monitor.
            Record::load(engine.root(), &record.id)?;
        }
        Status::Created | Status::Exited => {}
    }

    let (ours, theirs) = Connection::pair().context(|| "create a socket pair".into())?;
    match process::fork().context(|| "fork the monitor".into())? {
        Fork::Child => {
            drop(ours);
            run::monitor(engine.clone(), record.clone(), (theirs, attach), size, lock)
        }
        Fork::Parent { .. } => {
            drop(theirs);
            let started = await_start(&ours);
            drop(lock);
            started?;
            let run_dir = engine.root().container_run_dir(&record.id);
            Ok((attach == StartAttach::Attached).then(|| AttachStream::new(ours).listening_in(run_dir)))
        }
    }
}

fn await_start(connection: &Connection) -> Result<()> {
    let mut buffer = Vec::new();
    loop {
        match connection.receive(&mut buffer).context(|| "wait for the monitor".into())? {
            Some(Message::Started) => return Ok(()),
            Some(Message::Failed { code, text }) => return Err(Error::from_wire(code, text)),
            Some(_) => {}
            None => return Err(Error::MonitorDied),
        }
    }
}
