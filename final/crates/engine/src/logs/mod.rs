//! `logs`: reads the log of json-file and local, oldest file first, and follows the newest.
//!
//! ```text
//! files   the log's files, and their lines forwards and backwards
//! entry   a line of a file as what the container wrote
//! range   where `--since`, `--until` and `--tail` begin and end
//! reader  a log that is read as it grows
//! follow  `-f`
//! journal the same for the log driver journald
//! ```
//! The reader and the monitor share nothing but the files. The monitor renames a file and never writes to it again, so
//! a reader that holds it by descriptor reads it to its end, and then the files that came after it.

mod entry;
mod files;
mod follow;
pub(crate) mod journal;
pub(crate) mod layout;
mod range;
mod reader;

use std::io;
use std::os::fd::BorrowedFd;
use std::time::SystemTime;

use hull_docker::flags::log_attributes::details;

use crate::attach::LogEnd;
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::options::{LogDriver, LogsOptions};
use crate::records::stream::Stream;
use entry::Entry;
pub use reader::{Grown, LogReader, LogWatch};

/// The receiver of a log's text.
pub trait LogSink {
    /// The text of this stream is appended here. The sink empties it as it likes.
    fn buffer(&mut self, stream: Stream) -> io::Result<&mut Vec<u8>>;

    /// Called when there is nothing more for now: everything appended so far must reach the reader.
    fn flush(&mut self) -> io::Result<()>;

    /// The descriptor on which poll(2) reports an error or a hangup when the reader has gone: a pipe, a terminal, or
    /// the socket of a client.
    fn reader(&self) -> BorrowedFd<'_>;

    /// Whether a reader that has closed its sending side of the connection counts as gone, too. A client of dockerd does.
    fn is_client(&self) -> bool {
        false
    }
}

impl Engine {
    /// Writes what is in the log to the sink; with `follow` also what is added, until the container ends or the reader
    /// has gone.
    pub fn logs(&self, name: &str, options: &LogsOptions, sink: &mut dyn LogSink) -> Result<()> {
        let record = self.find(name)?;
        let directory = self.root().container_dir(&record.id);
        let most = record.options.log.max_file.unwrap_or(1).max(1);
        let mut printer = Printer { options, sink, mid_line: [false; 2] };
        match record.options.log.driver {
            LogDriver::None => {
                return Err(Error::Unsupported(format!(
                    "{} keeps no log: its log driver is none",
                    record.name
                )));
            }
            LogDriver::Journald => return journal::print(self, &record, options, &mut printer),
            LogDriver::JsonFile | LogDriver::Local => {}
        }
        if options.follow {
            let watch = LogWatch::new();
            let reader = LogReader::open(&directory, most, options, watch.as_ref())?;
            return follow::follow(reader, watch.as_ref(), self, &record.id, &mut printer);
        }
        range::print(&files::open_all(&directory, most)?, options, &mut printer)?;
        printer.flush()
    }
}

impl Engine {
    /// Whether a container's log driver keeps what it gets.
    pub fn has_readable_log(&self, name: &str) -> Result<bool> {
        Ok(self.find(name)?.options.log.driver != LogDriver::None)
    }

    /// Writes what was in the log at this end. A log that is not in files has no ends, and is written whole.
    pub fn logs_before(&self, name: &str, end: LogEnd, sink: &mut dyn LogSink) -> Result<()> {
        let record = self.find(name)?;
        if matches!(record.options.log.driver, LogDriver::None | LogDriver::Journald) {
            return self.logs(name, &LogsOptions::default(), sink);
        }
        let most = record.options.log.max_file.unwrap_or(1).max(1);
        let mut files = files::open_all(&self.root().container_dir(&record.id), most)?;
        // Files after that one are newer. Without it, all are.
        let newest = files.iter().position(|file| file.inode == end.inode);
        files.truncate(newest.map_or(0, |newest| newest + 1));
        if let Some(newest) = files.last_mut() {
            newest.end = newest.end.min(end.size);
        }
        let options = LogsOptions::default();
        let mut printer = Printer { options: &options, sink, mid_line: [false; 2] };
        range::print(&files, &options, &mut printer)?;
        printer.flush()
    }
}

/// Prints the entries that are asked for.
struct Printer<'a> {
    options: &'a LogsOptions,
    sink: &'a mut dyn LogSink,
    /// For each stream: whether the last entry did not end its line.
    mid_line: [bool; 2],
}

impl Printer<'_> {
    /// Prints a line of the file. A line that was cut by a full disk or a crash is left out.
    fn take(&mut self, line: &[u8]) -> Result<()> {
        Entry::parse(line).map_or(Ok(()), |entry| self.take_entry(&entry))
    }

    fn take_entry(&mut self, entry: &Entry<'_>) -> Result<()> {
        match wanted(self.options, entry) {
            true => self.print(entry),
            false => Ok(()),
        }
    }

    fn print(&mut self, entry: &Entry<'_>) -> Result<()> {
        let context = || "write the log".to_owned();
        let buffer = self.sink.buffer(entry.stream).context(context)?;
        let before = buffer.len();
        let mid_line = &mut self.mid_line[entry.stream as usize];
        if self.options.timestamps && !*mid_line {
            buffer.extend_from_slice(entry.time_text().as_bytes());
            buffer.push(b' ');
        }
        if self.options.details && !*mid_line {
            buffer.extend_from_slice(details(entry.attributes()).as_bytes());
            buffer.push(b' ');
        }
        match entry.append_text(buffer) {
            true => *mid_line = !entry.ends_line(),
            false => buffer.truncate(before),
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.sink.flush().context(|| "write the log".into())
    }

    fn is_over(&self) -> bool {
        self.options.until.is_some_and(|until| SystemTime::now() > until)
    }
}

fn wanted(options: &LogsOptions, entry: &Entry<'_>) -> bool {
    if options.since.is_none() && options.until.is_none() {
        return true;
    }
    entry.time().is_some_and(|time| {
        options.since.is_none_or(|since| time >= since) && options.until.is_none_or(|until| time <= until)
    })
}
