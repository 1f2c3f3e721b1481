//! Waiting in the foreground: passes signals to the container, copies its terminal and its output, returns its exit code.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};
use hull_sys::process;
use hull_sys::terminal::RawMode;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::streams::Copied;

/// The signals that are passed on to the container, read from a signalfd.
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals and reads them by descriptor from here on.
    pub fn take() -> Result<Self> {
        let mut set = SigSet::all();
        // These concern this process: the end of a child, a closed pipe, a fault.
        for signal in [
            Signal::SIGCHLD,
            Signal::SIGPIPE,
            Signal::SIGURG,
            Signal::SIGSEGV,
            Signal::SIGBUS,
            Signal::SIGILL,
            Signal::SIGFPE,
            Signal::SIGABRT,
        ] {
            set.remove(signal);
        }
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let fd = set.thread_block().and_then(|()| SignalFd::with_flags(&set, flags));
        Ok(Self(fd.context("cannot take over the signals")?))
    }
}

/// Waits for the end of a child. Returns its exit code, or 128 plus the number of the signal that ended it.
pub fn wait(child: &OwnedFd, signals: &Signals, console: Option<OwnedFd>, copied: Vec<Copied>) -> Result<u8> {
    let _raw = console.is_some().then(RawMode::enter_for_input).flatten();
    if let Some(console) = &console {
        rustix::io::ioctl_fionbio(console, true).context("cannot set up the terminal")?;
        pass_size(console);
    }
    let mut relay = Relay { child, signals, console, copied, stdin_open: true, typed: Vec::new() };
    while !relay.step()? {}
    relay.drain();
    process::reap(child.as_fd()).context("cannot read the exit status")
}

struct Relay<'a> {
    child: &'a OwnedFd,
    signals: &'a Signals,
    console: Option<OwnedFd>,
    copied: Vec<Copied>,
    stdin_open: bool,
    /// Input that was read from stdin and not yet written to the terminal.
    typed: Vec<u8>,
}

impl Relay<'_> {
    /// Waits for the next event and handles it. Returns true when the child has ended.
    fn step(&mut self) -> Result<bool> {
        let stdin = rustix::stdio::stdin();
        let (mut console_at, mut stdin_at) = (usize::MAX, usize::MAX);
        let mut fds =
            vec![PollFd::new(self.child, PollFlags::IN), PollFd::new(&self.signals.0, PollFlags::IN)];
        if let Some(console) = &self.console {
            let wanted = if self.typed.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
            console_at = fds.len();
            fds.push(PollFd::new(console, wanted));
            if self.stdin_open && self.typed.is_empty() {
                stdin_at = fds.len();
                fds.push(PollFd::new(&stdin, PollFlags::IN));
            }
        }
        let copied_at = fds.len();
        fds.extend(self.copied.iter().map(|one| PollFd::new(&one.from, PollFlags::IN)));
        match poll(&mut fds, None) {
            Err(Errno::INTR) => return Ok(false),
            result => result.context("cannot wait for the container")?,
        };
        let ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        let (ended, signal, console, stdin) = (ready(0), ready(1), ready(console_at), ready(stdin_at));
        let has_output = (copied_at..fds.len()).any(ready);
        drop(fds);
        if has_output {
            self.copied.retain(|one| copy(one) != Copying::Finished);
        }
        if signal {
            self.pass_signal()?;
        }
        if console {
            self.print();
            self.type_in();
        }
        if stdin {
            self.read_stdin();
        }
        Ok(ended)
    }

    fn pass_signal(&mut self) -> Result<()> {
        let Some(info) = self.signals.0.read_signal().context("cannot read a signal")? else { return Ok(()) };
        match (&self.console, info.ssi_signo as i32) {
            (Some(console), number) if number == Signal::SIGWINCH as i32 => pass_size(console),
            // The signal fails if the child has just ended, which the next step notices.
            (_, number) => drop(process::pidfd_send_signal(self.child.as_fd(), number)),
        }
        Ok(())
    }

    /// Prints the output that the terminal has. False if there is none, or if the terminal is closed, which reads as EIO.
    fn print(&mut self) -> bool {
        let Some(console) = &self.console else { return false };
        let mut buffer = [0; 16 * 1024];
        match rustix::io::read(console, &mut buffer) {
            Ok(length @ 1..) => write_all(rustix::stdio::stdout(), &buffer[..length]),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return false,
            _ => {
                self.console = None;
                return false;
            }
        }
        true
    }

    fn type_in(&mut self) {
        let (Some(console), false) = (&self.console, self.typed.is_empty()) else { return };
        if let Ok(length) = rustix::io::write(console, &self.typed) {
            self.typed.drain(..length);
        }
    }

    fn read_stdin(&mut self) {
        let mut buffer = [0; 4096];
        match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
            Ok(length @ 1..) => self.typed.extend_from_slice(&buffer[..length]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            // The end of the input, or the caller's terminal is closed.
            _ => self.stdin_open = false,
        }
    }

    /// Copies the last output, which may still be in the terminal or the pipes after the program has ended.
    fn drain(&mut self) {
        for one in &self.copied {
            while copy(one) == Copying::More {}
        }
        while let Some(console) = &self.console {
            let mut fds = [PollFd::new(console, PollFlags::IN)];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            if !matches!(poll(&mut fds, Some(&now)), Ok(1..)) || !self.print() {
                return;
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copying {
    More,
    NothingYet,
    Finished,
}

/// Copies the output that a pipe has, up to the size of a pipe.
fn copy(one: &Copied) -> Copying {
    let mut buffer = [0; 64 * 1024];
    match rustix::io::read(&one.from, &mut buffer) {
        Ok(length @ 1..) => {
            write_all(one.to, &buffer[..length]);
            Copying::More
        }
        Err(Errno::INTR) => Copying::More,
        Err(Errno::AGAIN) => Copying::NothingYet,
        _ => Copying::Finished,
    }
}

fn write_all(fd: BorrowedFd<'_>, mut data: &[u8]) {
    while !data.is_empty() {
        match rustix::io::write(fd, data) {
            Ok(written) => data = &data[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => drop(poll(&mut [PollFd::new(&fd, PollFlags::OUT)], None)),
            // No process reads the output. The container keeps running.
            Err(_) => return,
        }
    }
}

pub fn pass_size(console: &OwnedFd) {
    if let Ok(size) = rustix::termios::tcgetwinsize(rustix::stdio::stdin()) {
        // A program with a wrong window size still runs.
        let _ = rustix::termios::tcsetwinsize(console, size);
    }
}
