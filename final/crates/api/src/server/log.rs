//! The log: a line for each request that may change something, and for each that was refused.

use std::os::fd::OwnedFd;
use std::time::{Instant, SystemTime};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::io::Errno;

use super::peer::Peer;
use crate::http::Head;

/// A longer path is cut.
const MAX_PATH: usize = 1024;

/// Where the lines go. Each is one write, so lines of several workers do not mix.
#[derive(Debug)]
pub struct Log(pub OwnedFd);

/// A request that is being answered.
pub(super) struct Entry {
    method: String,
    path: String,
    begun: Instant,
}

impl Entry {
    /// `None` for a request that only reads. The query is left out, because it may contain secrets: a build's arguments.
    pub fn of(head: &Head) -> Option<Self> {
        let is_read = matches!(head.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        (!is_read).then(|| Self::of_any(head))
    }

    pub fn of_any(head: &Head) -> Self {
        let shown = |text: &str| text.escape_debug().take(MAX_PATH).collect();
        Self { method: shown(&head.method), path: shown(&head.path), begun: Instant::now() }
    }
}

impl Log {
    /// The time, who asked for what, the status, and how long the answer took.
    pub(super) fn write(&self, entry: &Entry, peer: &Peer, status: u16) {
        let now = humantime::format_rfc3339_millis(SystemTime::now());
        let Entry { method, path, begun } = entry;
        let took = begun.elapsed().as_secs_f64() * 1e3;
        let line = format!("{now} {peer} {method} {path} {status} {took:.1}ms\n");
        // A log that cannot be written does not keep requests from being served.
        let _ = self.append(line.as_bytes());
    }

    /// Writes without a SIGPIPE where nobody reads the log any more. The signal is not ignored, because containers would inherit
    /// that.
    fn append(&self, line: &[u8]) -> std::io::Result<()> {
        let signal = SigSet::from(Signal::SIGPIPE);
        signal.thread_block()?;
        let written = rustix::io::write(&self.0, line);
        if written == Err(Errno::PIPE) {
            let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
            SignalFd::with_flags(&signal, flags)?.read_signal()?;
        }
        signal.thread_unblock()?;
        written.map(drop).map_err(Into::into)
    }
}
