//! Reading the log, and following it with inotify(7).

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hull_docker::filters::event::EventFilters;
use hull_docker::wire::events::Message;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use super::event::MAX_LINE;
use super::log::{self, Files};
use crate::engine::Engine;
use crate::error::{IoContext, Result};

/// How often to look when inotify is not available, because a user's number of inotify instances is limited.
const POLL: Duration = Duration::from_millis(50);

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// Which events to give, and how long.
#[derive(Debug, Default)]
pub struct EventOptions {
    /// Also those that are in the log from this time on. Without `since` and `until`, only new ones. A time that has not come
    /// yet asks for the new ones, as in dockerd.
    pub since: Option<SystemTime>,
    /// Only those up to this time. If it has passed, nothing is waited for.
    pub until: Option<SystemTime>,
    pub filters: EventFilters,
}

/// The receiver of events.
pub trait EventSink {
    fn take(&mut self, event: Message) -> io::Result<()>;

    /// Called when there is nothing more for now: everything taken so far must reach the reader.
    fn flush(&mut self) -> io::Result<()>;

    /// Events are missing here, because they came faster than this reader took them.
    fn missed(&mut self);

    /// The descriptor on which poll(2) reports an error or a hangup when the reader has gone.
    fn reader(&self) -> BorrowedFd<'_>;

    /// Whether a reader that has closed its sending side of the connection counts as gone, too. A client of dockerd does.
    fn is_client(&self) -> bool {
        false
    }
}

impl Engine {
    /// Begins to listen: no event is missed that comes after this call.
    pub fn begin_events(&self, options: EventOptions) -> Result<Events> {
        let since = options.since.map(|since| since.min(SystemTime::now()));
        let from_start = options.since.is_some() || options.until.is_some();
        let reader = self.event_reader(from_start)?;
        Ok(Events { options: EventOptions { since, ..options }, reader })
    }

    /// A reader of the log: of all that is in it, or only of what is added from here on.
    pub fn event_reader(&self, from_start: bool) -> Result<EventReader> {
        EventReader::open(log::directory(self.root()), from_start)
    }
}

/// The events that are asked for.
pub struct Events {
    options: EventOptions,
    reader: EventReader,
}

impl Events {
    /// Gives the sink the events, until the last moment that was asked for has passed or the sink's reader has gone.
    pub fn give(mut self, sink: &mut dyn EventSink) -> Result<()> {
        let Self { options, reader } = &mut self;
        loop {
            // Checked before reading, so that an event of the last moment is still read.
            let is_over = options.until.is_some_and(|until| SystemTime::now() > until);
            reader.read(sink, &mut |event| is_wanted(options, event))?;
            sink.flush().context(write_events)?;
            if is_over || reader.wait(options.until, sink)? {
                return Ok(());
            }
        }
    }
}

impl EventReader {
    pub(super) fn open(directory: PathBuf, from_start: bool) -> Result<Self> {
        let open = || format!("open {}", directory.display());
        log::make(&directory).context(open)?;
        // Watched before the files are opened, so that no rotation is missed.
        let watch = watch(&directory);
        let Files { old, present } = log::open_all(&directory).context(open)?;
        let next_number = old.last().map_or(1, |(number, _)| number.saturating_add(1));
        let mut files: VecDeque<File> = VecDeque::new();
        if from_start {
            files.extend(old.into_iter().map(|(_, file)| file));
        }
        let mut position = 0;
        if let (Some(file), false) = (&present, from_start) {
            position = file.metadata().context(open)?.len();
        }
        files.extend(present);
        Ok(Self { directory, files, position, next_number, line: Vec::new(), overlong: false, watch })
    }
}

fn write_events() -> String {
    "write the events".into()
}

fn is_wanted(options: &EventOptions, event: &Message) -> bool {
    let nanoseconds = u64::try_from(event.time_nano).unwrap_or(0);
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds);
    options.since.is_none_or(|since| time >= since)
        && options.until.is_none_or(|until| time <= until)
        && options.filters.fit(event)
}

/// Reads the log and follows it over rotations.
pub struct EventReader {
    directory: PathBuf,
    /// The files that are still to be read, held by descriptor. The last one may grow.
    files: VecDeque<File>,
    /// How much of the first of them has been read, in bytes.
    position: u64,
    /// The number that the last of them gets when it is renamed.
    next_number: u64,
    /// The beginning of a line whose end is not written yet.
    line: Vec<u8>,
    /// The line is longer than any event, so its end is skipped too.
    overlong: bool,
    watch: Option<OwnedFd>,
}

impl EventReader {
    /// The descriptor that is readable when there may be more; `None` if the kernel has no inotify instance left for
    /// this user. Then [`Self::read`] has to be called from time to time.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    /// Gives the sink what is there and `wanted`.
    pub fn read(&mut self, sink: &mut dyn EventSink, wanted: &mut dyn FnMut(&Message) -> bool) -> Result<()> {
        // The inotify events tell only that there is something to read. They are taken before the files are read, so
        // that what is written meanwhile is reported again.
        if let Some(watch) = &self.watch {
            let mut buffer = [0; 4096];
            while rustix::io::read(watch, &mut buffer).is_ok_and(|length| length > 0) {}
        }
        let mut take = |line: &[u8]| match serde_json::from_slice::<Message>(line) {
            Ok(event) if wanted(&event) => sink.take(event).context(write_events),
            // A line that was cut by a full disk or a kill is left out.
            _ => Ok(()),
        };
        let mut missed = false;
        loop {
            self.read_first(&mut take)?;
            if self.files.len() > 1 {
                self.files.pop_front();
                self.position = 0;
                self.line.clear();
                self.overlong = false;
                continue;
            }
            let before = self.files.len();
            missed |= !self.find_next()?;
            if self.files.len() == before {
                break;
            }
            // The file has been renamed meanwhile. Nobody writes to it any more, so its end can be read now.
        }
        if missed {
            sink.missed();
        }
        Ok(())
    }

    /// Opens the files that have come after the last one, if there are any. Returns false if some are gone already.
    fn find_next(&mut self) -> Result<bool> {
        let context = || format!("read {}", self.directory.display());
        let Some(last) = self.files.back() else {
            let found = log::open_all(&self.directory).context(context)?;
            return Ok(self.add(found, self.next_number));
        };
        if log::is_present(&self.directory, last).context(context)? || !log::has_present(&self.directory) {
            return Ok(true);
        }
        let found = log::open_all(&self.directory).context(context)?;
        let number = match number_of(&found, last).context(context)? {
            Some(number) => number.saturating_add(1),
            None => self.next_number.saturating_add(1),
        };
        // Without an entry of its own it has been removed by a second rotation.
        Ok(self.add(found, number))
    }

    /// Adds the files from the old one with this number on. Returns false if it is gone.
    fn add(&mut self, found: Files, number: u64) -> bool {
        let newest = found.old.last().map_or(0, |(number, _)| *number);
        let newer: Vec<_> = found.old.into_iter().filter(|(own, _)| *own >= number).collect();
        let is_complete = newer.first().map_or(newest < number, |(first, _)| *first == number);
        self.next_number = newest.saturating_add(1);
        self.files.extend(newer.into_iter().map(|(_, file)| file).chain(found.present));
        is_complete
    }

    /// Reads the first file to its end.
    fn read_first(&mut self, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let Some(file) = self.files.front() else { return Ok(()) };
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = match file.read_at(&mut buffer, self.position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.context(|| format!("read {}", self.directory.display()))?,
            };
            if length == 0 {
                return Ok(());
            }
            self.position += length as u64;
            for part in buffer[..length].split_inclusive(|byte| *byte == b'\n') {
                let is_whole = part.last() == Some(&b'\n');
                if !self.overlong {
                    self.line.extend_from_slice(part);
                }
                if self.line.len() > 2 * MAX_LINE {
                    self.overlong = true;
                    self.line.clear();
                }
                if is_whole {
                    if self.line.len() > 1 && !self.overlong {
                        take(&self.line)?;
                    }
                    self.overlong = false;
                    self.line.clear();
                }
            }
        }
    }

    /// Waits for more. Returns true when the reader has gone.
    fn wait(&self, until: Option<SystemTime>, sink: &dyn EventSink) -> Result<bool> {
        let hangup = if sink.is_client() { PollFlags::RDHUP } else { PollFlags::empty() };
        let mut fds = vec![PollFd::from_borrowed_fd(sink.reader(), hangup)];
        fds.extend(self.descriptor().map(|watch| PollFd::from_borrowed_fd(watch, PollFlags::IN)));
        let until = until.map(|at| at.duration_since(SystemTime::now()).unwrap_or_default());
        // One microsecond longer, because an event of exactly that time still counts.
        let until = until.map(|left| left + Duration::from_micros(1));
        let look = self.watch.is_none().then_some(POLL);
        let timeout = [until, look].into_iter().flatten().min();
        match poll(&mut fds, timeout.and_then(|timeout| timeout.try_into().ok()).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).context(|| "wait for events".into()),
        }
        Ok(fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP | hangup))
    }
}

/// The number of an old file.
fn number_of(found: &Files, file: &File) -> io::Result<Option<u64>> {
    let ours = file.metadata()?;
    for (number, old) in &found.old {
        let old = old.metadata()?;
        if (old.dev(), old.ino()) == (ours.dev(), ours.ino()) {
            return Ok(Some(*number));
        }
    }
    Ok(None)
}

fn watch(directory: &Path) -> Option<OwnedFd> {
    let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
    let wanted = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
    inotify::add_watch(&watch, directory, wanted).ok()?;
    Some(watch)
}
