//! `logs`: reads the json-file log, oldest file first, and follows the newest.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::monitor::log::file_name;
use crate::options::{LogDriver, LogsOptions};
use crate::state::Snapshot;
use crate::time::Timestamp;

/// How often a follower looks for more; people read, so this is quick enough and costs nothing.
const POLL: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
struct Line {
    log: String,
    stream: String,
    time: Timestamp,
}

impl Engine {
    pub fn logs(
        &self,
        name: &str,
        options: &LogsOptions,
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> Result<()> {
        let record = self.find(name)?;
        if record.options.log.driver == LogDriver::None {
            return Err(Error::Unsupported(format!("{} keeps no log: its log driver is none", record.name)));
        }
        let directory = self.root().container_dir(&record.id);
        let tail = options.tail.map(|count| (count, VecDeque::new()));
        let mut printer = Printer { options, out, err, tail };
        for path in rotated(&directory) {
            match open(&path) {
                Ok(file) => read_lines(BufReader::new(file), &mut printer)?,
                // Rotated away since we looked.
                Err(_) if !path.exists() => {}
                Err(error) => return Err(error),
            }
        }
        let mut follower = Follower::open(&directory.join(file_name(0)))?;
        follower.read(&mut printer)?;
        printer.end_tail()?;
        if options.follow {
            self.follow(&record.id, &mut follower, &mut printer)?;
        }
        Ok(())
    }

    fn follow(&self, id: &str, follower: &mut Follower, printer: &mut Printer<'_>) -> Result<()> {
        loop {
            // Looked at before reading: what was written before the end is still read.
            let running = Snapshot::take(self.root(), id)?.status.is_active();
            follower.read(printer)?;
            printer.flush()?;
            if !running || printer.options.until.is_some_and(|until| SystemTime::now() > until) {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
    }
}

/// The older files, oldest first.
fn rotated(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        (1..).map(|n| directory.join(file_name(n))).take_while(|path| path.exists()).collect();
    paths.reverse();
    paths
}

fn open(path: &Path) -> Result<File> {
    File::open(path).context(|| format!("open {}", path.display()))
}

fn read_lines(mut reader: impl BufRead, printer: &mut Printer<'_>) -> Result<()> {
    let mut text = Vec::new();
    loop {
        text.clear();
        let length = reader.read_until(b'\n', &mut text).context(|| "read the log".into())?;
        if length == 0 {
            return Ok(());
        }
        // A line cut by a full disk or a crash is no line.
        if let Ok(line) = serde_json::from_slice(&text) {
            printer.take(line)?;
        }
    }
}

/// Reads on where it stopped, also after the file was rotated away.
struct Follower {
    path: PathBuf,
    reader: Option<BufReader<File>>,
    inode: u64,
    partial: Vec<u8>,
}

impl Follower {
    fn open(path: &Path) -> Result<Self> {
        let mut follower = Self { path: path.into(), reader: None, inode: 0, partial: vec![] };
        follower.reopen()?;
        Ok(follower)
    }

    /// A container that never ran has no log yet.
    fn reopen(&mut self) -> Result<()> {
        if self.path.exists() {
            let file = open(&self.path)?;
            self.inode = file.metadata().context(|| "look at the log".into())?.ino();
            self.reader = Some(BufReader::new(file));
        }
        Ok(())
    }

    fn read(&mut self, printer: &mut Printer<'_>) -> Result<()> {
        self.read_to_end(printer)?;
        let rotated = std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.ino() != self.inode);
        if rotated {
            self.read_to_end(printer)?;
            self.partial.clear();
            self.reopen()?;
            self.read_to_end(printer)?;
        }
        Ok(())
    }

    fn read_to_end(&mut self, printer: &mut Printer<'_>) -> Result<()> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        loop {
            let length = reader.read_until(b'\n', &mut self.partial).context(|| "read the log".into())?;
            if length == 0 || !self.partial.ends_with(b"\n") {
                return Ok(());
            }
            if let Ok(line) = serde_json::from_slice(&self.partial) {
                printer.take(line)?;
            }
            self.partial.clear();
        }
    }
}

/// Prints lines as they are read; with `--tail` it keeps the last few and prints those.
struct Printer<'a> {
    options: &'a LogsOptions,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    tail: Option<(usize, VecDeque<Line>)>,
}

impl Printer<'_> {
    fn take(&mut self, line: Line) -> Result<()> {
        let wanted = self.options.since.is_none_or(|since| line.time.0 >= since)
            && self.options.until.is_none_or(|until| line.time.0 <= until);
        if !wanted {
            return Ok(());
        }
        let Some((count, last)) = &mut self.tail else { return self.print(&line) };
        last.push_back(line);
        if last.len() > *count {
            last.pop_front();
        }
        Ok(())
    }

    /// From here on every line is printed.
    fn end_tail(&mut self) -> Result<()> {
        for line in self.tail.take().into_iter().flat_map(|(_, last)| last) {
            self.print(&line)?;
        }
        self.flush()
    }

    fn print(&mut self, line: &Line) -> Result<()> {
        let to = if line.stream == "stderr" { &mut self.err } else { &mut self.out };
        let written = match self.options.timestamps {
            true => write!(to, "{} {}", line.time, line.log),
            false => to.write_all(line.log.as_bytes()),
        };
        written.context(|| "write the log".into())
    }

    fn flush(&mut self) -> Result<()> {
        self.out.flush().and_then(|()| self.err.flush()).context(|| "write the log".into())
    }
}
