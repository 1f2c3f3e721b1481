//! The monitor's poll loop. It owns every descriptor that it waits on, and one list of timers.
//!
//! ```text
//! sources: the process's pidfd · the attach socket · clients · stdin, stdout, stderr or the terminal · network
//! timers:  timers.rs                     clients' messages: requests.rs
//! ```

use std::os::fd::AsFd;
use std::time::Duration;

use hull_runtime::Running;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::checks::Checks;
use super::clients::{Client, Clients, Queued};
use super::forwarders::Forwarders;
use super::log::Log;
use super::stdio::{Read, Streams};
use super::stop::Stop;
use super::timers::{Timer, Timers};
use crate::attach::{Connection, Listener, MAX_PAYLOAD};
use crate::engine::Engine;
use crate::events;
use crate::net::Attachment;
use crate::records::stream::Stream;
use crate::runtimes::Runtime;

/// When to try again where no descriptor reports the change.
const RETRY: Duration = Duration::from_millis(250);

/// The most that is read after the end: twice what a pipe can hold (pipe(7), pipe-max-size).
const LAST_OUTPUT: usize = 2 << 20;

/// A shorter run is not delayed by returning memory to the kernel.
const SHORT_RUN: Duration = Duration::from_secs(1);

/// The container that a monitor belongs to.
pub(super) struct Container {
    pub engine: Engine,
    pub id: String,
    pub name: String,
}

#[derive(Default)]
pub(super) struct EventLoop {
    /// None for an `exec` session, which belongs to one command.
    pub container: Option<Container>,
    /// The socket to which commands connect. The session of an `exec` of the command line has none: only the command that
    /// started it is attached.
    pub listener: Option<Listener>,
    pub clients: Clients,
    pub log: Log,
    pub streams: Streams,
    pub network: Attachment,
    /// The processes of the container's proxies.
    pub forwarders: Forwarders,
    /// The built-in one for an `exec` session, whose process is a child of the session in any case.
    pub runtime: Runtime,
    /// stdin ends with the command that started the container (docker's `StdinOnce`). A detached container keeps its
    /// stdin, and a terminal stays open when a client leaves.
    pub stdin_once: bool,
    /// The container ends with the command that started it: a step of a build, with its builder.
    pub ends_with_command: bool,
    /// That command has ended before the container.
    pub has_lost_command: bool,
    pub stop: Option<Stop>,
    /// None for a container without a health check.
    pub checks: Option<Checks>,
    /// The container is unhealthy, and starts again when it has ended.
    pub restart_wanted: bool,
    /// The event of an `exec` session whose user leaves by the detach keys.
    pub left: Option<(Engine, events::Event)>,
    /// The process of the present run; none between two runs.
    pub(super) running: Option<Running>,
    pub(super) timers: Timers,
}

/// A descriptor that woke the loop.
#[derive(Debug, Clone, Copy)]
enum Source {
    Exit,
    Listener,
    Output(Stream),
    Input,
    Client(usize),
    Network,
    /// The journal takes more.
    Log,
    Checked,
    Orphan,
}

/// The event that ended the wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Exited,
    MemoryDue,
    RestartDue,
}

impl EventLoop {
    /// Returns once the process has ended and its output has been read. The process is still to be reaped.
    pub(super) fn run_until_exit(&mut self, running: Running) -> Result<Running, Errno> {
        let mut buffer = vec![0; MAX_PAYLOAD / 2];
        self.timers.set(Timer::ReturnMemory, Some(SHORT_RUN));
        self.timers.set(Timer::Network, self.network.timeout());
        self.running = Some(running);
        self.begin_checks();
        loop {
            match self.turn(&mut buffer)? {
                Some(Event::Exited) => break,
                // Here, and not in `turn`: only the stack below the caller's frame can be released.
                Some(Event::MemoryDue) => hull_sys::memory::release_unused(),
                Some(Event::RestartDue) | None => {}
            }
        }
        self.timers.set(Timer::ReturnMemory, None);
        self.timers.set(Timer::Terminal, None);
        self.end_checks();
        self.drain(&mut buffer);
        self.running.take().ok_or(Errno::SRCH)
    }

    /// Serves clients between two runs, until `pause` has passed or the user stops the container.
    pub(super) fn run_until_restart(&mut self, pause: Duration) -> Result<(), Errno> {
        self.timers.set(Timer::Restart, Some(pause));
        while !self.is_stopping() && self.turn(&mut [])? != Some(Event::RestartDue) {}
        self.timers.set(Timer::Restart, None);
        Ok(())
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_some_and(|stop| stop.holds())
    }

    pub(super) fn is_stopped_by_user(&self) -> bool {
        self.stop.is_some_and(|stop| stop.by_user)
    }

    /// Whether `boot stop` ends the container.
    pub(super) fn is_ended_by_shutdown(&self) -> bool {
        self.stop.is_some_and(|stop| !stop.by_user)
    }

    /// Waits once, and does what has become possible.
    fn turn(&mut self, buffer: &mut [u8]) -> Result<Option<Event>, Errno> {
        let mut event = None;
        let sources = self.wait()?;
        // Several sources may belong to the network. One call serves all of them.
        if sources.iter().any(|source| matches!(source, Source::Network)) {
            self.serve_network();
        }
        for source in sources {
            match source {
                Source::Network => {}
                Source::Log => self.log.resume(),
                Source::Exit => event = Some(Event::Exited),
                Source::Listener => self.accept(),
                Source::Output(stream) => drop(self.pump(stream, buffer)),
                Source::Input => self.streams.flush_input(),
                Source::Client(index) => self.serve_client(index),
                Source::Checked => self.health_checked(),
                Source::Orphan => {
                    if let Some(checks) = &mut self.checks {
                        checks.orphans.reap();
                    }
                }
            }
        }
        while let Some(timer) = self.timers.take_due() {
            match timer {
                // Nothing to do: the next wait polls the listener again, because its timer is not set.
                Timer::Accept => {}
                Timer::Terminal => self.read_closed_terminal(buffer),
                Timer::Network => self.serve_network(),
                Timer::Check => self.check_health(),
                Timer::Kill => self.signal(nix::libc::SIGKILL as u8),
                Timer::ReturnMemory => event = event.or(Some(Event::MemoryDue)),
                Timer::Restart => event = event.or(Some(Event::RestartDue)),
            }
        }
        self.forget_clients();
        Ok(event)
    }

    /// Waits for the next source or timer. A signal ends the wait without either.
    fn wait(&self) -> Result<Vec<Source>, Errno> {
        let mut fds = Vec::with_capacity(8);
        let mut sources = Vec::with_capacity(8);
        let mut watch = |source, fd, flags| {
            sources.push(source);
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        };
        if let Some(running) = &self.running {
            watch(Source::Exit, running.pidfd.as_fd(), PollFlags::IN);
        }
        if let Some(listener) = self.listener.as_ref().filter(|_| !self.timers.is_set(Timer::Accept)) {
            watch(Source::Listener, listener.as_fd(), PollFlags::IN);
        }
        // A full queue is backpressure: what the container writes stays in its pipe.
        if self.clients.have_room() && !self.log.is_full() {
            for stream in [Stream::Stdout, Stream::Stderr] {
                if let Some(fd) = self.streams.output_to_poll(stream) {
                    watch(Source::Output(stream), fd.as_fd(), PollFlags::IN);
                }
            }
        }
        if let Some(fd) = self.log.to_poll() {
            watch(Source::Log, fd, PollFlags::OUT);
        }
        if let Some((fd, flags)) = self.streams.input_to_poll() {
            watch(Source::Input, fd.as_fd(), flags);
        }
        for (index, client) in self.clients.iter().enumerate() {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, !client.feeds || self.streams.wants_input());
            flags.set(PollFlags::OUT, client.has_waiting());
            watch(Source::Client(index), client.as_fd(), flags);
        }
        if let Some(child) = self.checks.as_ref().and_then(Checks::running) {
            watch(Source::Checked, child, PollFlags::IN);
        }
        for orphan in self.checks.iter().flat_map(|checks| checks.orphans.descriptors()) {
            watch(Source::Orphan, orphan, PollFlags::IN);
        }
        for (fd, flags) in self.network.descriptors() {
            watch(Source::Network, fd, flags);
        }
        match poll(&mut fds, self.timers.next().and_then(|next| next.try_into().ok()).as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(vec![]),
            Err(errno) => return Err(errno),
        }
        let ready = sources.into_iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|(source, _)| source).collect())
    }

    fn serve_network(&mut self) {
        self.network.serve();
        self.timers.set(Timer::Network, self.network.timeout());
    }

    fn accept(&mut self) {
        match self.listener.as_ref().map(Connection::accept) {
            Some(Ok(connection)) => self.clients.add(Client::new(connection)),
            // The connection stays in the queue, and poll(2) would report it without end.
            Some(Err(_)) => self.timers.set(Timer::Accept, Some(RETRY)),
            None => {}
        }
    }

    /// Hands one read of output to the log and the clients; true when there was something.
    fn pump(&mut self, stream: Stream, buffer: &mut [u8]) -> bool {
        let found = match self.streams.read(stream, buffer) {
            Read::Data(length) => {
                let data = &buffer[..length];
                self.log.write(stream, data);
                let message = match stream {
                    Stream::Stdout => Queued::Stdout(data.to_vec()),
                    Stream::Stderr => Queued::Stderr(data.to_vec()),
                };
                self.clients.broadcast(&message);
                true
            }
            Read::Again => false,
            Read::End => {
                self.streams.close_output(stream);
                false
            }
        };
        if self.streams.is_hung_up() && !self.timers.is_set(Timer::Terminal) {
            self.timers.set(Timer::Terminal, Some(RETRY));
        }
        found
    }

    fn read_closed_terminal(&mut self, buffer: &mut [u8]) {
        match self.clients.have_room() && !self.log.is_full() {
            true => drop(self.pump(Stream::Stdout, buffer)),
            false => self.timers.set(Timer::Terminal, Some(RETRY)),
        }
    }

    /// Removes the clients that have disconnected, and what ended with them.
    fn forget_clients(&mut self) {
        let left = self.clients.remove_gone();
        if left.stdin && self.stdin_once {
            self.streams.end_input();
        }
        if left.starter && self.ends_with_command {
            self.has_lost_command = true;
            self.signal(nix::libc::SIGKILL as u8);
        }
        // A freeze lasts as long as the client's connection, whether the client was killed or is done.
        if left.freezer && !self.clients.has_freezer() {
            // The container may have ended meanwhile.
            let _ = self.thaw();
        }
    }

    /// What the container wrote before it died is still in its pipes. The clients' queues may hold that much, so no
    /// client is waited for. There is a limit, because another process may have the other end and keep writing.
    fn drain(&mut self, buffer: &mut [u8]) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            for _ in 0..LAST_OUTPUT / buffer.len() {
                if !self.pump(stream, buffer) {
                    break;
                }
            }
        }
    }
}
