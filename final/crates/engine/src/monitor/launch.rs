//! Forks the monitor and waits for its message whether the container has started.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use hull_storage::lock::Lock;
use hull_storage::process_id::ProcessId;
use hull_sys::process::{self, Fork};

use super::run::{self, Start};
use crate::attach::{AttachStream, Connection, Message, StartAttach};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Report, Result};
use crate::gc::killed_monitor::{self, Killer};
use crate::handle::running::{POLL_INTERVAL, Stopped, readable};
use crate::net::Succession;
use crate::records::monitor_lock::MonitorLock;
use crate::records::options::WindowSize;
use crate::records::record::Record;
use crate::records::restart::Occasion;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;

/// The reason why the container starts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Launch {
    ByUser,
    /// It is not started unless its restart policy still asks for it once the lock is held.
    ByPolicy(Occasion),
}

/// What a launch has come to.
#[derive(Debug)]
pub(crate) enum Launched {
    Started(Option<AttachStream>),
    /// It ran already.
    Running,
    /// Its restart policy asks for nothing.
    NotWanted,
}

impl Launched {
    /// The attachment to a container that was started with one.
    pub(crate) fn into_stream(self) -> Option<AttachStream> {
        match self {
            Self::Started(stream) => stream,
            Self::Running | Self::NotWanted => None,
        }
    }
}

/// A launch that has begun.
pub(crate) enum Begun {
    Starting(Box<Starting>),
    Over(Launched),
}

/// Starts a container under its lock, which is held until the monitor answers. The container's terminal gets `size`
/// before its program starts, because a program may ask for the size only once.
pub(crate) fn launch(
    engine: &Engine,
    record: &Record,
    why: Launch,
    attach: StartAttach,
    size: Option<WindowSize>,
) -> Result<Launched> {
    match begin(engine, record, why, (attach, size), None)? {
        Begun::Over(launched) => Ok(launched),
        Begun::Starting(mut starting) => {
            // Without a limit, because the monitor may have to fill a volume.
            while !starting.step(engine)? {
                readable(&starting.connection, Some(POLL_INTERVAL))?;
            }
            let Starting { connection, record, .. } = *starting;
            let run_dir = engine.root().container_run_dir(&record.id);
            let stream = || AttachStream::new(connection).listening_in(run_dir);
            Ok(Launched::Started((attach == StartAttach::Attached).then(stream)))
        }
    }
}

/// The same without waiting for the monitor's answer. With a succession, the container starts beside the one that it is to
/// replace.
pub(crate) fn begin(
    engine: &Engine,
    record: &Record,
    why: Launch,
    (attach, size): (StartAttach, Option<WindowSize>),
    succession: Option<Succession>,
) -> Result<Begun> {
    let lock = engine.lock(&record.id)?;
    let mut record = record.clone();
    record.refresh(engine.root())?;
    let snapshot = Snapshot::take(engine.root(), &record.id)?;
    match snapshot.status {
        // Its output and its socket cannot be reached, so the start cannot report success.
        status if status.is_active() && snapshot.is_lost => {
            return Err(MonitorLock::refusal(engine.root(), &record.id, &record.name));
        }
        Status::Running | Status::Restarting => return Ok(Begun::Over(Launched::Running)),
        Status::Paused => {
            return Err(Error::WrongState { verb: "start", name: record.name, state: "paused" });
        }
        Status::Dead => {
            killed_monitor::clear(engine, &record.id, &snapshot, Killer::Unknown)?;
            // A container with `--rm` was removed by this cleanup.
            Record::load(engine.root(), &record.id)?;
        }
        Status::Created | Status::Exited => {}
    }
    crate::instance::start::settle(engine, &mut record)?;
    engine.comebacks().forget(&record.id);
    let restart_count = match why {
        Launch::ByUser => 0,
        Launch::ByPolicy(occasion) => {
            let exit = Snapshot::take(engine.root(), &record.id)?.exit;
            match occasion.restart_count(&record, exit.as_ref()) {
                Some(count) => count,
                None => return Ok(Begun::Over(Launched::NotWanted)),
            }
        }
    };

    let (ours, theirs) = Connection::pair().context(|| "create a socket pair".into())?;
    match process::fork().context(|| "fork the monitor".into())? {
        Fork::Child => {
            drop(ours);
            let start = Start { command: theirs, attach, size, restart_count, succession };
            run::monitor(engine.clone(), record, start, lock)
        }
        Fork::Parent { pid } => {
            drop(theirs);
            Ok(Begun::Starting(Box::new(Starting {
                connection: ours,
                pid,
                record,
                _lock: lock,
                begun: Instant::now(),
                monitor: None,
                stopped: Stopped::default(),
            })))
        }
    }
}

/// A monitor that has been forked, and has not told yet whether its container runs.
pub(crate) struct Starting {
    connection: Connection,
    pid: i32,
    record: Record,
    _lock: Lock,
    begun: Instant,
    /// Known of a slow start only.
    monitor: Option<ProcessId>,
    stopped: Stopped,
}

impl Starting {
    /// The descriptor that is readable when the monitor has told something.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }

    /// Does what can be done without waiting. True when the container runs. Fails, too, if the monitor is stopped: then
    /// the start is given up.
    pub(crate) fn step(&mut self, engine: &Engine) -> Result<bool> {
        let mut buffer = Vec::new();
        while readable(&self.connection, Some(Duration::ZERO))? {
            let message = self.connection.receive(&mut buffer);
            match message.context(|| "wait for the monitor".into())? {
                Some(Message::Started) => return Ok(true),
                Some(Message::Failed(report)) => return Err(Report::decode(report).into()),
                Some(_) => {}
                None => return Err(Error::MonitorDied),
            }
        }
        // A usual start is over before this, so the monitor's identity is read only for a slow one.
        if self.begun.elapsed() < POLL_INTERVAL {
            return Ok(false);
        }
        let monitor = match &self.monitor {
            Some(monitor) => monitor,
            None => self.monitor.insert(ProcessId::of(self.pid)?),
        };
        if self.stopped.check(monitor) {
            let silent = Error::MonitorSilent {
                name: self.record.name.clone(),
                pid: monitor.pid,
                why: "is stopped".into(),
            };
            give_up(engine, &self.record, self.pid)?;
            return Err(silent);
        }
        Ok(false)
    }
}

/// Ends a start whose monitor is stopped, and cleans up what it has made. Called under the container's lock.
fn give_up(engine: &Engine, record: &Record, monitor: i32) -> Result<()> {
    let pidfd = process::pidfd_open(monitor).context(|| format!("open process {monitor}"))?;
    process::pidfd_send_signal(pidfd.as_fd(), nix::libc::SIGKILL).context(|| "end the monitor".into())?;
    process::reap(pidfd.as_fd()).context(|| "wait for the monitor's end".into())?;
    let snapshot = Snapshot::take(engine.root(), &record.id)?;
    match snapshot.status {
        Status::Dead => killed_monitor::clear(engine, &record.id, &snapshot, Killer::Command),
        _ => Ok(()),
    }
}
