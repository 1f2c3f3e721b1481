//! docker's `wait`: until a container's run has ended, or until the container is removed.
//!
//! It has two parts, because docker's clients wait before they start the container: once [`Engine::begin_wait`] has returned,
//! no end is missed. [`EndWait::finish`] then waits, and gives up when its client has gone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::attach::registration::{Registration, Wanted};
use crate::attach::{Connection, Message};
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::snapshot::Snapshot;
use crate::records::state::Exit;

/// The exit code of a container whose monitor was killed.
const KILLED: u8 = 137;

/// docker's conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitCondition {
    /// The present run has ended. Holds at once for a container that does not run.
    NotRunning,
    /// The present run has ended, or the next one if the container does not run. A removal ends the wait, too.
    NextExit,
    /// The container is removed.
    Removed,
}

/// A wait that has begun.
pub struct EndWait<'a> {
    engine: &'a Engine,
    id: String,
    condition: WaitCondition,
    source: Source,
    /// The exit code of the last run that has ended.
    code: u8,
}

/// From where the end is learnt.
enum Source {
    /// The condition holds.
    Over,
    /// The next run.
    Registered(Registration),
    Monitor {
        /// `None` for a monitor that cannot be reached.
        connection: Option<Connection>,
        process: Option<OwnedFd>,
        /// Whether it has told an end.
        has_told: bool,
    },
}

impl Engine {
    /// Begins to wait for a container.
    pub fn begin_wait(&self, name: &str, condition: WaitCondition) -> Result<EndWait<'_>> {
        let id = self.resolve(name)?;
        let mut wait = EndWait { engine: self, id, condition, source: Source::Over, code: 0 };
        wait.find_source().map_err(|error| error.for_container(name))?;
        Ok(wait)
    }
}

impl EndWait<'_> {
    /// Waits, and returns the exit code of the container's last run. `None` if `client` has closed its connection before.
    pub fn finish(self, client: BorrowedFd<'_>) -> Result<Option<u8>> {
        let mut ended = None;
        Self::finish_all(vec![self], client, &mut |_, code| ended = Some(code))?;
        Ok(ended)
    }

    /// Waits for several containers, and tells the index and the exit code of each when its wait is over. Returns early if
    /// `client` has closed its connection.
    pub fn finish_all(
        waits: Vec<Self>,
        client: BorrowedFd<'_>,
        done: &mut dyn FnMut(usize, u8),
    ) -> Result<()> {
        let mut buffer = Vec::new();
        let mut waits: Vec<(usize, Self)> = waits.into_iter().enumerate().collect();
        loop {
            waits.retain(|(index, wait)| {
                let is_over = matches!(wait.source, Source::Over);
                if is_over {
                    done(*index, wait.code);
                }
                !is_over
            });
            if waits.is_empty() {
                return Ok(());
            }
            let Some(ready) = await_one(client, &waits)? else { return Ok(()) };
            for ((_, wait), is_ready) in waits.iter_mut().zip(ready) {
                if is_ready {
                    wait.advance(&mut buffer)?;
                }
            }
        }
    }

    /// Takes what its descriptor has, which is ready.
    fn advance(&mut self, buffer: &mut Vec<u8>) -> Result<()> {
        match &self.source {
            Source::Over => {}
            Source::Registered(registration) => {
                if let Some(connection) = registration.connection()? {
                    let connection = Some(connection);
                    self.source = Source::Monitor { connection, process: None, has_told: false };
                }
            }
            Source::Monitor { .. } => self.listen(buffer)?,
        }
        Ok(())
    }

    /// `None` where there is nothing to wait for: the next step can be taken.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.source {
            Source::Over => None,
            Source::Registered(registration) => Some(registration.as_fd()),
            Source::Monitor { connection: Some(connection), .. } => Some(connection.as_fd()),
            Source::Monitor { process, .. } => process.as_ref().map(AsFd::as_fd),
        }
    }

    /// Takes what the monitor has told.
    fn listen(&mut self, buffer: &mut Vec<u8>) -> Result<()> {
        let Source::Monitor { connection, has_told, .. } = &mut self.source else { return Ok(()) };
        let message = match connection.as_ref().map(|connection| connection.try_receive(buffer)) {
            Some(Err(Errno::AGAIN)) => return Ok(()),
            Some(message) => message.context(|| "listen to the monitor".into())?,
            None => None,
        };
        match message {
            Some(Message::Exited(code)) => {
                self.code = code;
                *has_told = true;
                if self.condition != WaitCondition::Removed {
                    self.source = Source::Over;
                }
                Ok(())
            }
            // The container is removed, and has not run.
            Some(Message::Failed(_)) => {
                self.source = Source::Over;
                Ok(())
            }
            Some(_) => Ok(()),
            None => self.monitor_has_gone(),
        }
    }

    fn monitor_has_gone(&mut self) -> Result<()> {
        if let Source::Monitor { has_told: false, .. } = self.source {
            self.code = KILLED;
            if self.condition != WaitCondition::Removed && self.is_over()? {
                self.source = Source::Over;
                return Ok(());
            }
        }
        match self.find_source() {
            Err(Error::NoSuchContainer(_)) => {
                self.source = Source::Over;
                Ok(())
            }
            found => found,
        }
    }

    /// Whether the run of a monitor that has told nothing is over. Its connection is closed a moment before it has ended.
    fn is_over(&mut self) -> Result<bool> {
        let snapshot = Snapshot::take(self.engine.root(), &self.id)
            .and_then(|snapshot| self.engine.clear_if_dead_by_id(&self.id, snapshot));
        match snapshot {
            Err(Error::NoSuchContainer(_)) => Ok(true),
            Ok(snapshot) if snapshot.status.is_active() => Ok(false),
            Ok(snapshot) => {
                self.code = snapshot.exit.map_or(KILLED, |exit| exit.code);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Finds from where the next end is learnt.
    fn find_source(&mut self) -> Result<()> {
        loop {
            if let Some(running) = self.engine.running(&self.id)? {
                running.tell(&Message::Wait);
                let (connection, process) = (running.connection, Some(running.monitor));
                self.source = Source::Monitor { connection, process, has_told: false };
                return Ok(());
            }
            if let Some(exit) = Exit::load(self.engine.root(), &self.id)? {
                self.code = exit.code;
            }
            if self.condition == WaitCondition::NotRunning {
                self.source = Source::Over;
                return Ok(());
            }
            let _lock = self.engine.lock(&self.id)?;
            if !Snapshot::take(self.engine.root(), &self.id)?.status.is_active() {
                let run_dir = self.engine.root().container_run_dir(&self.id);
                self.source = Source::Registered(Registration::make(&run_dir, Wanted::End)?);
                return Ok(());
            }
        }
    }
}

/// Waits until one of the waits can go on, and returns which of them can. `None` if the client has closed its end. dockerd,
/// too, takes a client that has closed only its sending side for gone.
fn await_one(client: BorrowedFd<'_>, waits: &[(usize, EndWait<'_>)]) -> Result<Option<Vec<bool>>> {
    let descriptors: Vec<Option<BorrowedFd<'_>>> = waits.iter().map(|(_, wait)| wait.descriptor()).collect();
    let mut polled = vec![PollFd::from_borrowed_fd(client, PollFlags::RDHUP)];
    polled.extend(descriptors.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)));
    let at_once = descriptors.iter().any(Option::is_none).then_some(rustix::event::Timespec::default());
    match poll(&mut polled, at_once.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno).context(|| "wait for the container".into()),
    }
    if polled[0].revents().intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR) {
        return Ok(None);
    }
    let mut ready = polled[1..].iter().map(|fd| !fd.revents().is_empty());
    Ok(Some(descriptors.iter().map(|fd| fd.is_none() || ready.next() == Some(true)).collect()))
}
