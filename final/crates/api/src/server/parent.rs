//! The parent: one poll loop over its workers.

use std::collections::HashSet;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use hull_sys::process::{Fork, exit_now, fork};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::WaitOptions;

use super::Server;
use super::status::{self, Reader, Writer};
use super::worker::Worker;

/// Idle workers that are kept ready. A burst of more connections waits in the listeners' queues while others are forked.
const READY: usize = 2;

/// How many connections are served at the same time. More of them wait.
const MAX_CONNECTIONS: usize = 1024;

/// How long no worker is forked after one could not be, or has ended without a connection.
const PAUSE: Duration = Duration::from_millis(200);

/// Memory that is not needed to wait is released when nothing has happened for so long.
const QUIET: Duration = Duration::from_secs(1);

/// How long the last connections are waited for that came before the sockets' files were removed.
const FAREWELL: Duration = Duration::from_secs(2);

struct Parent {
    server: Server,
    signals: SignalFd,
    status: (Reader, Writer),
    idle: HashSet<u32>,
    busy: HashSet<u32>,
    /// No worker is forked before this.
    paused_until: Option<Instant>,
    /// Nothing has happened since memory was released.
    is_quiet: bool,
}

/// Why the loop returns.
enum Event {
    End,
    Other,
}

pub(super) fn run(server: Server) -> io::Result<()> {
    let mut handled = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        handled.add(signal);
    }
    handled.thread_block()?;
    let mut parent = Parent {
        server,
        signals: SignalFd::with_flags(&handled, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?,
        status: status::pipe()?,
        idle: HashSet::new(),
        busy: HashSet::new(),
        paused_until: None,
        is_quiet: false,
    };
    parent.serve()
}

impl Parent {
    fn serve(&mut self) -> io::Result<()> {
        let mut unused_since = Instant::now();
        loop {
            self.fill_pool();
            let left = match self.server.idle {
                Some(idle) if self.busy.is_empty() => Some(idle.saturating_sub(unused_since.elapsed())),
                _ => None,
            };
            if left.is_some_and(|left| left.is_zero()) {
                return self.leave();
            }
            let busy = self.busy.len();
            if let Event::End = self.wait(left) {
                return self.leave();
            }
            if busy > 0 || !self.busy.is_empty() {
                unused_since = Instant::now();
            }
        }
    }

    /// Keeps idle workers ready. What keeps one from being forked (a limit of processes, memory) may pass.
    fn fill_pool(&mut self) {
        if self.paused_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        self.paused_until = None;
        while self.idle.len() < READY && self.idle.len() + self.busy.len() < MAX_CONNECTIONS {
            if self.fork_worker().is_err() {
                self.paused_until = Some(Instant::now() + PAUSE);
                return;
            }
        }
    }

    /// Waits for news of the workers, for a signal, and at most for this long.
    fn wait(&mut self, limit: Option<Duration>) -> Event {
        let paused = self.paused_until.map(|until| until.saturating_duration_since(Instant::now()));
        let quiet = (!self.is_quiet).then_some(QUIET);
        let timeout =
            limit.into_iter().chain(paused).chain(quiet).min().and_then(|limit| limit.try_into().ok());
        let mut fds = [
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
            PollFd::new(&self.status.0, PollFlags::IN),
        ];
        // A signal is read below, and a lack of memory may pass.
        let happened = poll(&mut fds, timeout.as_ref()) != Ok(0);
        if !happened && !self.is_quiet {
            // A worker maps what it needs of the program's file.
            hull_sys::memory::release_unused();
        }
        self.is_quiet = !happened;
        let mut event = Event::Other;
        while let Ok(Some(signal)) = self.signals.read_signal() {
            if signal.ssi_signo != Signal::SIGCHLD as u32 {
                event = Event::End;
            }
        }
        self.note_workers();
        event
    }

    /// Takes down which workers have become busy, and which have ended.
    fn note_workers(&mut self) {
        let mut ended = Vec::new();
        while let Ok(Some((pid, _))) = rustix::process::wait(WaitOptions::NOHANG) {
            ended.push(pid.as_raw_nonzero().get().unsigned_abs());
        }
        // Only after that: a worker says that it is busy before it ends.
        for pid in self.status.0.read() {
            if self.idle.remove(&pid) {
                self.busy.insert(pid);
            }
        }
        for pid in ended {
            self.busy.remove(&pid);
            if self.idle.remove(&pid) {
                // Others would end as this one did.
                self.paused_until = Some(Instant::now() + PAUSE);
            }
        }
    }

    /// Removes the sockets' files, so that no connection comes any more, and has those served that have come already. A socket
    /// without such a file is systemd's, which keeps its queue.
    fn leave(&mut self) -> io::Result<()> {
        for file in self.server.listeners.iter().filter_map(|listener| listener.file.as_ref()) {
            file.remove();
        }
        self.server.listeners.retain(|listener| listener.file.is_some());
        let end = Instant::now() + FAREWELL;
        while self.has_waiting() && Instant::now() < end {
            self.fill_pool();
            self.wait(Some(Duration::from_millis(20)));
        }
        Ok(())
    }

    /// Whether a connection waits for a worker.
    fn has_waiting(&self) -> bool {
        let sockets = self.server.listeners.iter().map(|listener| &listener.socket);
        let mut fds: Vec<_> = sockets.map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|count| count > 0)
    }

    fn fork_worker(&mut self) -> io::Result<()> {
        let parent = std::process::id();
        match fork()? {
            Fork::Parent { pid } => {
                self.idle.insert(pid.unsigned_abs());
                Ok(())
            }
            Fork::Child => {
                let worker = Worker { server: &mut self.server, status: &self.status.1, parent };
                exit_now(i32::from(worker.run().is_err()))
            }
        }
    }
}
