//! `-f`: follows a log as it is written.
//!
//! inotify(7) reports each write and each new file. The file that was read last is held by descriptor, so its end is
//! read before the file that replaced it in a rotation.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use super::Printer;
use super::files::{LogFile, newer_than};
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::records::process;
use crate::records::snapshot::Snapshot;

/// How often to poll when inotify is not available, because a user's number of inotify instances is limited.
const POLL: Duration = Duration::from_millis(50);

pub(super) struct Follower {
    directory: PathBuf,
    most: u32,
    current: Option<LogFile>,
    /// Up to where the current file has been read, in bytes.
    position: u64,
    events: Option<OwnedFd>,
}

impl Follower {
    /// Starts at the end that the newest file had when it was opened.
    pub(super) fn new(directory: &Path, most: u32, newest: Option<LogFile>) -> Self {
        let position = newest.as_ref().map_or(0, |file| file.end);
        Self { directory: directory.into(), most, current: newest, position, events: watch(directory) }
    }

    /// Follows until the container has ended, `--until` has passed, or the reader has gone.
    pub(super) fn run(mut self, engine: &Engine, id: &str, printer: &mut Printer<'_>) -> Result<()> {
        let snapshot = Snapshot::take(engine.root(), id)?;
        let monitor = match snapshot.state.filter(|_| snapshot.status.is_active()) {
            Some(state) => process::open(&state.monitor)?,
            None => None,
        };
        loop {
            // Checked before reading, so that what the container wrote before its end is still read.
            let running = match &monitor {
                Some(monitor) => !crate::handle::running::readable(monitor, Some(Duration::ZERO))?,
                None => false,
            };
            self.read(printer)?;
            printer.flush()?;
            if !running || printer.is_over() || self.wait(monitor.as_ref(), printer)? {
                return Ok(());
            }
        }
    }

    /// Waits for more. Returns true when the reader has gone.
    fn wait(&self, monitor: Option<&OwnedFd>, printer: &Printer<'_>) -> Result<bool> {
        let reader = printer.sink.reader();
        let hangup = if printer.sink.is_client() { PollFlags::RDHUP } else { PollFlags::empty() };
        let mut fds = vec![PollFd::new(&reader, hangup)];
        fds.extend(monitor.map(|monitor| PollFd::new(monitor, PollFlags::IN)));
        fds.extend(self.events.as_ref().map(|events| PollFd::new(events, PollFlags::IN)));
        let until = printer.options.until.map(|at| at.duration_since(SystemTime::now()).unwrap_or_default());
        // One microsecond longer, because a line with exactly that time still counts.
        let until = until.map(|left| left + Duration::from_micros(1));
        let look = self.events.is_none().then_some(POLL);
        let timeout = [until, look].into_iter().flatten().min();
        match poll(&mut fds, timeout.and_then(|timeout| timeout.try_into().ok()).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).context(|| "wait for the log".into()),
        }
        let gone = fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP | hangup);
        if let Some(events) = &self.events {
            // The events only tell that there is something to read; the files themselves show where.
            let mut buffer = [0; 4096];
            while rustix::io::read(events.as_fd(), &mut buffer).is_ok_and(|length| length == buffer.len()) {}
        }
        Ok(gone)
    }

    /// Reads to the end of the newest file.
    fn read(&mut self, printer: &mut Printer<'_>) -> Result<()> {
        loop {
            self.read_current(printer)?;
            let mut newer =
                newer_than(&self.directory, self.most, self.current.as_ref().map(|file| file.inode))?;
            let Some(newest) = newer.pop() else { return Ok(()) };
            // The monitor writes to the newest file only, so the others are complete.
            self.read_current(printer)?;
            for file in newer {
                file.forwards(0, file.size()?, |line| printer.take(line))?;
            }
            (self.current, self.position) = (Some(newest), 0);
        }
    }

    fn read_current(&mut self, printer: &mut Printer<'_>) -> Result<()> {
        if let Some(file) = &self.current {
            self.position = file.forwards(self.position, file.size()?, |line| printer.take(line))?;
        }
        Ok(())
    }
}

fn watch(directory: &Path) -> Option<OwnedFd> {
    let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
    let wanted = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
    inotify::add_watch(&events, directory, wanted).ok()?;
    Some(events)
}
