//! Handling of the messages of attached commands.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::event_loop::EventLoop;
use super::stop::Stop;
use super::timers::Timer;
use crate::attach::Message;
use crate::error::{Error, Report, Result};
use crate::events::Event;
use crate::records::record::Record;
use crate::records::run_dir;
use crate::records::state::{Phase, State};
use crate::records::stream::Stream;
use crate::rootfs::etc_files;

impl EventLoop {
    /// Sends a client what waits for it, and handles one message of it.
    pub(super) fn serve_client(&mut self, index: usize) {
        let Some(client) = self.clients.get_mut(index) else { return };
        client.flush();
        if !is_readable(client.as_fd()) {
            return;
        }
        let mut buffer = Vec::new();
        match client.connection.receive(&mut buffer) {
            Ok(Some(Message::Subscribe)) => client.subscribed = true,
            Ok(Some(Message::SubscribeAfterLog)) => {
                client.subscribed = true;
                let beginnings = [Stream::Stdout, Stream::Stderr].map(|stream| self.log.beginning(stream));
                client.begin(self.log.end(), beginnings);
            }
            Ok(Some(Message::Sync)) => self.answer(index, &Message::Started),
            Ok(Some(Message::Wait)) => client.waits = true,
            Ok(Some(Message::OwnsStdin)) => client.owns_stdin = true,
            Ok(Some(Message::Stdin(data))) => {
                client.feeds = true;
                self.streams.feed(data);
            }
            Ok(Some(Message::StdinEnd)) => {
                if self.stdin_once {
                    self.streams.end_input();
                }
            }
            // An exec is part of its caller's pipeline, where a writer without a reader ends. A container is not.
            Ok(Some(Message::OutputClosed { stderr })) if self.container.is_none() => {
                self.streams.close_pipe(if stderr { Stream::Stderr } else { Stream::Stdout });
            }
            Ok(Some(Message::Resize { rows, columns })) => {
                self.streams.resize(rows, columns);
                self.emit("resize", |event| event.with("height", rows).with("width", columns));
            }
            Ok(Some(Message::Left)) => match &self.left {
                Some((engine, left)) => left.now().emit(engine),
                None => self.emit("detach", |event| event),
            },
            Ok(Some(Message::Signal(number))) => self.signal(number),
            Ok(Some(Message::CheckHealth)) => {
                client.checks = true;
                self.check_health();
            }
            Ok(Some(Message::Freeze)) => self.freeze_for(index),
            Ok(Some(Message::Stopping { keep, by_shutdown })) => {
                self.stop_for(index, Stop::definite(keep, !by_shutdown));
            }
            Ok(Some(Message::Signalling)) => {
                // A definite stop is not replaced by a tentative one.
                if self.stop.is_none_or(|stop| stop.is_tentative()) {
                    self.stop = Some(Stop::tentative());
                }
                self.answer(index, &Message::Started);
            }
            Ok(Some(Message::Networks)) => {
                // A container without a resolver of its own still runs.
                let _ = self.reload_networks();
                self.answer(index, &Message::Started);
            }
            Ok(Some(Message::Proxies)) => match self.renew_forwarders() {
                Ok(()) => self.answer(index, &Message::Started),
                Err(error) => self.answer(index, &Message::Failed(&Report::encode(&error))),
            },
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => client.mark_gone(),
        }
    }

    /// Emits an event of the container. The session of an `exec` has none, as in docker.
    fn emit(&self, action: &str, complete: impl FnOnce(Event) -> Event) {
        if let Some(container) = &self.container
            && let Some(event) = Event::of_container(&container.engine, &container.id, action)
        {
            complete(event).emit(&container.engine);
        }
    }

    /// A client that does not read its answer is not waited for.
    fn answer(&mut self, index: usize, message: &Message<'_>) {
        if let Some(client) = self.clients.get_mut(index) {
            let _ = client.connection.try_send(message);
        }
    }

    pub(super) fn signal(&self, number: u8) {
        if let Some(running) = &self.running {
            // There is nobody to report an error to.
            let _ = self.runtime.signal(&running.pidfd, i32::from(number));
        }
    }

    /// Freezes the container until the client disconnects.
    fn freeze_for(&mut self, index: usize) {
        match self.freeze() {
            Ok(()) => {
                if let Some(client) = self.clients.get_mut(index) {
                    client.freezes = true;
                }
                self.answer(index, &Message::Started);
            }
            Err(error) => {
                self.answer(index, &Message::Failed(&Report::encode(&error)));
            }
        }
    }

    /// The state on disk does not change: it records what the user wants, and this freeze ends with the client.
    fn freeze(&self) -> Result<()> {
        let Some(container) = &self.container else {
            return Err(Error::Unsupported("an exec session freezes nothing".into()));
        };
        let Some(running) = &self.running else {
            let name = container.name.clone();
            return Err(Error::WrongState { verb: "freeze", name, state: "restarting" });
        };
        let Some(cgroup) = &running.cgroup else {
            return Err(Error::Unsupported("freezing needs a cgroup, and this container has none".into()));
        };
        self.runtime.freeze(cgroup)
    }

    /// Thaws what [`Self::freeze`] has frozen, unless the user has paused the container meanwhile.
    pub(super) fn thaw(&self) -> Result<()> {
        let (Some(container), Some(running)) = (&self.container, &self.running) else { return Ok(()) };
        let state = State::load(container.engine.root(), &container.id)?;
        match &running.cgroup {
            Some(cgroup) if state.is_none_or(|state| state.phase != Phase::Paused) => {
                self.runtime.thaw(cgroup)
            }
            _ => Ok(()),
        }
    }

    /// The current run is the last one. The answer tells the client that no restart can come before its signal.
    fn stop_for(&mut self, index: usize, stop: Stop) {
        self.stop = Some(stop);
        // Before the answer, and so before the signal.
        if let Some(container) = &self.container {
            run_dir::mark_stopping(container.engine.root(), &container.id);
        }
        // On cgroup v1 a frozen process does not even take SIGKILL.
        let was_frozen = self.clients.has_freezer();
        self.clients.forget_freezers();
        if was_frozen {
            // If this fails, the client thaws the container itself before it kills it.
            let _ = self.thaw();
        }
        self.answer(index, &Message::Started);
    }

    /// Reads the record, and starts and ends the processes of proxies by it.
    fn renew_forwarders(&mut self) -> Result<()> {
        let (Some(container), Some(running)) = (&self.container, &self.running) else { return Ok(()) };
        let record = Record::load(container.engine.root(), &container.id)?;
        self.forwarders.renew(&record, running.pid)
    }

    /// The container has been connected to a network, or disconnected from one.
    fn reload_networks(&mut self) -> Result<()> {
        let refreshed = self.network.reload();
        self.timers.set(Timer::Network, self.network.timeout());
        if let (true, Some(container)) = (refreshed?, &self.container) {
            let record = Record::load(container.engine.root(), &container.id)?;
            etc_files::name_own_resolver(&container.engine, &record)?;
        }
        Ok(())
    }
}

fn is_readable(fd: BorrowedFd<'_>) -> bool {
    hull_sys::wait::until_readable(fd, Some(Duration::ZERO)) == Ok(true)
}
