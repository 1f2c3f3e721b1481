//! The command's side of an attachment: this terminal, or these pipes, joined to a container.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hull_sys::terminal::{RawMode, window_size};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::detach::{DetachKeys, Typed};
use super::{Connection, MAX_PAYLOAD, Message};
use crate::error::{Error, IoContext, Report, Result};

/// docker's default.
const DETACH_KEYS: &str = "ctrl-p,ctrl-q";

/// The command ends at this many SIGINT and SIGTERM, as docker's does, whatever the container does with them.
const MAX_INTERRUPTS: u8 = 3;

/// How long a program of `exec` may take to end once nobody reads its output.
const GRACE: Duration = Duration::from_secs(1);

/// pipe(7), `PIPE_BUF`: a pipe that poll(2) calls writable takes so much without blocking.
const PIPE_BUF: usize = 4096;

#[derive(Debug, Clone, Default)]
pub struct AttachOptions {
    /// Forward the caller's stdin.
    pub stdin: bool,
    /// The container has a terminal: ours goes into raw mode and its size is passed on.
    pub tty: bool,
    /// Pass signals on to the container.
    pub sig_proxy: bool,
    /// `None` for docker's default; an empty text for no detaching.
    pub detach_keys: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachEnd {
    Exited(u8),
    Detached,
    /// Nobody reads our output any more. The container goes on, as it does when docker's client is in a pipe.
    ReaderGone,
    /// The user interrupted the command until it gave up. The container was sent the signals, and may go on.
    Interrupted,
}

/// A connection that has been told to carry the container's output.
#[derive(Debug)]
pub struct AttachStream {
    connection: Connection,
    run_dir: Option<PathBuf>,
}

impl AttachStream {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, run_dir: None }
    }

    /// The monitor can also be reached where it listens.
    pub(crate) fn listening_in(self, run_dir: PathBuf) -> Self {
        Self { run_dir: Some(run_dir), ..self }
    }

    /// Carries bytes, sizes and signals until the container exits or the user detaches.
    pub fn run(self, options: &AttachOptions) -> Result<AttachEnd> {
        let keys = options.detach_keys.as_deref().unwrap_or(DETACH_KEYS);
        let keys = DetachKeys::parse(keys).ok_or_else(|| Error::Invalid {
            what: format!("detach keys {keys:?}"),
            why: "expected characters or ctrl-<letter>, separated by commas".into(),
        })?;
        let signals = proxied_signals(options)?;
        let _raw = options.tty.then(RawMode::enter).flatten();
        let size = options.tty.then(window_size).flatten();
        let mut session = Session {
            in_pipeline: self.run_dir.is_none(),
            connection: self.connection,
            run_dir: self.run_dir,
            aside: None,
            signals,
            interrupts: 0,
            keys: options.tty.then_some(keys),
            feeds: options.stdin,
            stdin_open: options.stdin,
            closed: [false; 2],
            deadline: None,
            pending: size.map(|(rows, columns)| Outgoing::Resize { rows, columns }).into_iter().collect(),
        };
        session.pump()
    }
}

/// What waits to be sent: the monitor may be slower than the user types.
enum Outgoing {
    Stdin(Vec<u8>),
    StdinEnd,
    Resize { rows: u16, columns: u16 },
    Signal(u8),
    OutputClosed { stderr: bool },
}

impl Outgoing {
    fn message(&self) -> Message<'_> {
        match self {
            Self::Stdin(data) => Message::Stdin(data),
            Self::StdinEnd => Message::StdinEnd,
            Self::Resize { rows, columns } => Message::Resize { rows: *rows, columns: *columns },
            Self::Signal(number) => Message::Signal(*number),
            Self::OutputClosed { stderr } => Message::OutputClosed { stderr: *stderr },
        }
    }
}

struct Session {
    connection: Connection,
    run_dir: Option<PathBuf>,
    /// True for `exec`: its program is a part of the caller's pipeline and ends when nobody reads its output. A
    /// container does not.
    in_pipeline: bool,
    /// A second connection, for what must not wait behind stdin that the container does not read.
    aside: Option<Connection>,
    signals: SignalFd,
    /// How many SIGINT and SIGTERM have come.
    interrupts: u8,
    /// Only a terminal has detach keys: in a pipe they are data.
    keys: Option<DetachKeys>,
    /// Stdin may fill the connection, whatever of it we still have to send.
    feeds: bool,
    stdin_open: bool,
    /// Of our stdout and stderr, those that nobody reads.
    closed: [bool; 2],
    /// When this command stops waiting for a program whose output nobody reads.
    deadline: Option<Instant>,
    pending: VecDeque<Outgoing>,
}

impl Session {
    /// Reading goes on while a send waits. A client that blocked in `send` would stop draining the output, the
    /// container would block on its stdout and never read the stdin we are sending.
    fn pump(&mut self) -> Result<AttachEnd> {
        let mut buffer = Vec::new();
        loop {
            let ready = self.wait()?;
            if ready.connection
                && let Some(end) = self.take_output(&mut buffer)?
            {
                return Ok(end);
            }
            if ready.reader_gone {
                self.note_reader_gone(false);
            }
            self.flush()?;
            if ready.signal {
                self.take_signal()?;
            }
            if let Some(end) = self.has_to_leave() {
                return Ok(end);
            }
            if ready.stdin && self.pending.is_empty() && self.take_stdin()? {
                return Ok(AttachEnd::Detached);
            }
            self.flush()?;
        }
    }

    fn has_to_leave(&self) -> Option<AttachEnd> {
        if self.interrupts >= MAX_INTERRUPTS {
            return Some(AttachEnd::Interrupted);
        }
        let unread = match self.in_pipeline {
            true => self.deadline.is_some_and(|at| at <= Instant::now()),
            false => self.closed.contains(&true),
        };
        unread.then_some(AttachEnd::ReaderGone)
    }

    fn wait(&self) -> Result<Ready> {
        let idle = self.pending.is_empty();
        let (stdin, stdout) = (rustix::stdio::stdin(), rustix::stdio::stdout());
        let output = if idle { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
        let mut fds = vec![PollFd::new(&self.connection, output), PollFd::new(&self.signals, PollFlags::IN)];
        // poll(2) reports POLLERR without being asked for it, so a lost reader is noticed even while the container
        // prints nothing.
        let watched = (!self.closed[0]).then(|| fds.push(PollFd::new(&stdout, PollFlags::empty())));
        if idle && self.stdin_open {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
        }
        let left = self.deadline.map(|at| at.saturating_duration_since(Instant::now()));
        match poll(&mut fds, left.and_then(|left| left.try_into().ok()).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).context(|| "wait for the container".into()),
        }
        let found = |at: usize, flags| fds.get(at).is_some_and(|fd| fd.revents().intersects(flags));
        let readable = |at| found(at, PollFlags::IN | PollFlags::HUP);
        Ok(Ready {
            connection: readable(0),
            signal: readable(1),
            reader_gone: watched.is_some() && found(2, PollFlags::ERR | PollFlags::HUP),
            stdin: readable(if watched.is_some() { 3 } else { 2 }),
        })
    }

    fn take_output(&mut self, buffer: &mut Vec<u8>) -> Result<Option<AttachEnd>> {
        let message = self.connection.receive(buffer).context(|| "read the container's output".into())?;
        match message {
            Some(Message::Stdout(data)) => self.print(false, data)?,
            Some(Message::Stderr(data)) => self.print(true, data)?,
            Some(Message::Exited(code)) => return Ok(Some(AttachEnd::Exited(code))),
            Some(Message::Failed(report)) => {
                return Err(Report::decode(report).into());
            }
            Some(_) => {}
            None => return Err(Error::MonitorDied),
        }
        Ok(None)
    }

    /// Signals are handled while the reader is slow. Otherwise only SIGKILL could end a command that writes into a full
    /// pipe.
    fn print(&mut self, stderr: bool, mut data: &[u8]) -> Result<()> {
        let fd = if stderr { rustix::stdio::stderr() } else { rustix::stdio::stdout() };
        while !data.is_empty() && !self.closed[usize::from(stderr)] {
            let mut fds = [PollFd::new(&fd, PollFlags::OUT), PollFd::new(&self.signals, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).context(|| "wait for the reader of the output".into()),
            }
            let (writable, signal) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
            if signal {
                self.take_signal()?;
                self.flush()?;
                if self.interrupts >= MAX_INTERRUPTS {
                    return Ok(());
                }
            }
            if !writable {
                continue;
            }
            match rustix::io::write(fd, &data[..data.len().min(PIPE_BUF)]) {
                Ok(written) => data = &data[written..],
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(Errno::PIPE) => self.note_reader_gone(stderr),
                Err(errno) => return Err(errno).context(|| "write the container's output".into()),
            }
        }
        Ok(())
    }

    fn note_reader_gone(&mut self, stderr: bool) {
        if std::mem::replace(&mut self.closed[usize::from(stderr)], true) || !self.in_pipeline {
            return;
        }
        self.pending.push_back(Outgoing::OutputClosed { stderr });
        if !stderr {
            self.deadline = Some(Instant::now() + GRACE);
        }
    }

    fn take_signal(&mut self) -> Result<()> {
        let info = self.signals.read_signal().map_err(std::io::Error::from);
        let Some(info) = info.context(|| "read a signal".into())? else { return Ok(()) };
        if [Signal::SIGINT as u32, Signal::SIGTERM as u32].contains(&info.ssi_signo) {
            self.interrupts = self.interrupts.saturating_add(1);
        }
        let outgoing = match info.ssi_signo == Signal::SIGWINCH as u32 {
            true => window_size().map(|(rows, columns)| Outgoing::Resize { rows, columns }),
            false => u8::try_from(info.ssi_signo).ok().map(Outgoing::Signal),
        };
        if let Some(outgoing) = outgoing
            && !(self.feeds && self.send_aside(&outgoing))
        {
            self.pending.push_back(outgoing);
        }
        Ok(())
    }

    /// False where the monitor cannot be reached a second time.
    fn send_aside(&mut self, outgoing: &Outgoing) -> bool {
        if self.aside.is_none() {
            self.aside = self.run_dir.as_deref().and_then(|run_dir| Connection::connect(run_dir).ok());
        }
        self.aside.as_ref().is_some_and(|aside| aside.try_send(&outgoing.message()).is_ok())
    }

    /// True when the user typed the detach keys.
    fn take_stdin(&mut self) -> Result<bool> {
        let mut data = vec![0; MAX_PAYLOAD / 2];
        let length = match rustix::io::read(rustix::stdio::stdin(), &mut data[..]) {
            Ok(length) => length,
            Err(Errno::INTR | Errno::AGAIN) => return Ok(false),
            // EIO: our terminal is gone, which is the end of input.
            Err(_) => 0,
        };
        data.truncate(length);
        if length == 0 {
            self.stdin_open = false;
            self.pending.push_back(Outgoing::StdinEnd);
            return Ok(false);
        }
        let (data, detach) = match self.keys.as_mut().map(|keys| keys.feed(&data)) {
            None => (data, false),
            Some(Typed::Forward(data)) => (data, false),
            Some(Typed::Detach(data)) => (data, true),
        };
        if !data.is_empty() {
            self.pending.push_back(Outgoing::Stdin(data));
        }
        Ok(detach)
    }

    fn flush(&mut self) -> Result<()> {
        while let Some(outgoing) = self.pending.front() {
            match self.connection.try_send(&outgoing.message()) {
                Err(Errno::AGAIN) => return Ok(()),
                // After the latter two the monitor is leaving: its last words are still to be read.
                Ok(()) | Err(Errno::PIPE | Errno::CONNRESET) => drop(self.pending.pop_front()),
                Err(errno) => return Err(errno).context(|| "send to the container".into()),
            }
        }
        Ok(())
    }
}

struct Ready {
    connection: bool,
    signal: bool,
    reader_gone: bool,
    stdin: bool,
}

/// The signals docker's `--sig-proxy` passes on, and the window's changes of size.
fn proxied_signals(options: &AttachOptions) -> Result<SignalFd> {
    let mut set = SigSet::empty();
    if options.tty {
        set.add(Signal::SIGWINCH);
    }
    if options.sig_proxy {
        for signal in [
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGQUIT,
            Signal::SIGUSR1,
            Signal::SIGUSR2,
        ] {
            set.add(signal);
        }
    }
    set.thread_block()
        .and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK))
        .map_err(std::io::Error::from)
        .context(|| "take over the signals".into())
}
