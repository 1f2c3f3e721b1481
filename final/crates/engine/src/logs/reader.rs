//! A log that is read as it grows, in a loop of the caller, which may follow many.
//!
//! inotify(7) reports each write and each new file. One instance serves all logs of a process, because a user has 128 of
//! them. The file that was read last is held by descriptor, so its end is read before the file that replaced it in a
//! rotation.

use std::collections::HashSet;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use super::files::{self, LogFile, newer_than};
use super::{LogSink, Printer, range};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records::options::{LogDriver, LogsOptions};

/// Tells which logs have grown.
#[derive(Debug)]
pub struct LogWatch(OwnedFd);

impl AsFd for LogWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The logs that may have grown.
#[derive(Debug)]
pub enum Grown {
    /// Events were lost, or there is no watch.
    Any,
    These(HashSet<i32>),
}

impl LogWatch {
    /// `None` if inotify is not available, because a user's number of instances is limited. The caller then has to look
    /// from time to time.
    pub fn new() -> Option<Self> {
        inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok().map(Self)
    }

    fn add(&self, directory: &Path) -> Option<i32> {
        let wanted = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
        inotify::add_watch(&self.0, directory, wanted).ok()
    }

    /// Takes what was reported. It is to be called before the logs are read, so that what is written meanwhile is reported
    /// again.
    pub fn take(&self) -> Grown {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.0, &mut buffer);
        let (mut grown, mut lost) = (HashSet::new(), false);
        while let Ok(event) = events.next() {
            lost |= event.events().contains(ReadFlags::QUEUE_OVERFLOW);
            grown.insert(event.wd());
        }
        if lost { Grown::Any } else { Grown::These(grown) }
    }
}

/// The log of one container, as far as it was read.
#[derive(Debug)]
pub struct LogReader {
    directory: PathBuf,
    most: u32,
    options: LogsOptions,
    /// What was there at first, until it is read.
    present: Vec<LogFile>,
    current: Option<LogFile>,
    /// Up to where the current file has been read, in bytes.
    position: u64,
    mid_line: [bool; 2],
    watch: Option<i32>,
}

impl Engine {
    /// Opens a log, of which the first [`LogReader::read`] gives what the options ask for. `follow` and `until` are left to
    /// the caller. Fails for a log driver that keeps no files.
    pub fn log_reader(
        &self,
        name: &str,
        options: &LogsOptions,
        watch: Option<&LogWatch>,
    ) -> Result<LogReader> {
        let record = self.find(name)?;
        if !matches!(record.options.log.driver, LogDriver::JsonFile | LogDriver::Local) {
            let why = format!("the log of {} is not in files: its driver keeps none", record.name);
            return Err(Error::Unsupported(why));
        }
        let most = record.options.log.max_file.unwrap_or(1).max(1);
        LogReader::open(&self.root().container_dir(&record.id), most, options, watch)
    }
}

impl LogReader {
    pub(super) fn open(
        directory: &Path,
        most: u32,
        options: &LogsOptions,
        watch: Option<&LogWatch>,
    ) -> Result<Self> {
        // Watched before the files are opened, so that nothing is missed.
        let watch = watch.and_then(|watch| watch.add(directory));
        Ok(Self {
            directory: directory.into(),
            most,
            options: options.clone(),
            present: files::open_all(directory, most)?,
            current: None,
            position: 0,
            mid_line: [false; 2],
            watch,
        })
    }

    /// Whether the watch reports its growth. The kernel may have refused that.
    pub fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// Whether there may be something to read.
    pub fn may_have_grown(&self, grown: &Grown) -> bool {
        match (grown, self.watch) {
            (Grown::These(these), Some(own)) => these.contains(&own),
            _ => true,
        }
    }

    /// Gives the sink what has come since the last time, to the end of the newest file.
    pub fn read(&mut self, sink: &mut dyn LogSink) -> Result<()> {
        let options = self.options.clone();
        let mut printer = Printer { options: &options, sink, mid_line: self.mid_line };
        let read = self.read_to(&mut printer);
        self.mid_line = printer.mid_line;
        read?;
        Printer { options: &options, sink, mid_line: self.mid_line }.flush()
    }

    /// What comes next begins a line, because the container's run has ended.
    pub fn end_lines(&mut self) {
        self.mid_line = [false; 2];
    }

    pub(super) fn read_to(&mut self, printer: &mut Printer<'_>) -> Result<()> {
        if !self.present.is_empty() {
            let files = std::mem::take(&mut self.present);
            range::print(&files, printer.options, printer)?;
            self.current = files.into_iter().last();
            self.position = self.current.as_ref().map_or(0, |file| file.end);
        }
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
