//! `-f`: follows a log until its container ends.

use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::Printer;
use super::reader::{LogReader, LogWatch};
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::records::process;
use crate::records::snapshot::Snapshot;

/// How often to poll when inotify is not available.
const POLL: Duration = Duration::from_millis(50);

/// Follows until the container has ended, `--until` has passed, or the reader has gone.
pub(super) fn follow(
    mut reader: LogReader,
    watch: Option<&LogWatch>,
    engine: &Engine,
    id: &str,
    printer: &mut Printer<'_>,
) -> Result<()> {
    let snapshot = Snapshot::take(engine.root(), id)?;
    let monitor = match snapshot.state.filter(|_| snapshot.status.is_active()) {
        Some(state) => process::open(&state.monitor)?,
        None => None,
    };
    let watch = watch.filter(|_| reader.is_watched());
    loop {
        // Checked before reading, so that what the container wrote before its end is still read.
        let running = match &monitor {
            Some(monitor) => !crate::handle::running::readable(monitor, Some(Duration::ZERO))?,
            None => false,
        };
        reader.read_to(printer)?;
        printer.flush()?;
        if !running || printer.is_over() || wait(watch, monitor.as_ref(), printer)? {
            return Ok(());
        }
    }
}

/// Waits for more. Returns true when the reader has gone.
fn wait(watch: Option<&LogWatch>, monitor: Option<&OwnedFd>, printer: &Printer<'_>) -> Result<bool> {
    let reader = printer.sink.reader();
    let hangup = if printer.sink.is_client() { PollFlags::RDHUP } else { PollFlags::empty() };
    let mut fds = vec![PollFd::new(&reader, hangup)];
    fds.extend(monitor.map(|monitor| PollFd::new(monitor, PollFlags::IN)));
    fds.extend(watch.map(|watch| PollFd::new(watch, PollFlags::IN)));
    let until = printer.options.until.map(|at| at.duration_since(SystemTime::now()).unwrap_or_default());
    // One microsecond longer, because a line with exactly that time still counts.
    let until = until.map(|left| left + Duration::from_micros(1));
    let look = watch.is_none().then_some(POLL);
    let timeout = [until, look].into_iter().flatten().min();
    match poll(&mut fds, timeout.and_then(|timeout| timeout.try_into().ok()).as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno).context(|| "wait for the log".into()),
    }
    let gone = fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP | hangup);
    // What was reported tells only that there is something to read; the files themselves show where.
    let _ = watch.map(LogWatch::take);
    Ok(gone)
}
