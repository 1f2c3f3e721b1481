//! `logs`: reads the json-file log, oldest file first, and follows the newest.

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
        let mut printer = Printer { options, out, err };
        let mut lines = Vec::new();
        for path in rotated(&directory) {
            read_lines(BufReader::new(open(&path)?), &mut lines)?;
        }
        let current = directory.join(file_name(0));
        let mut follower = Follower::open(&current)?;
        follower.read(&mut lines)?;
        lines.retain(|line| printer.wants(line));
        let skip = options.tail.map_or(0, |tail| lines.len().saturating_sub(tail));
        printer.print(&lines[skip..])?;
        while options.follow {
            // Looked at before reading: what was written before the end is still read.
            let running = Snapshot::take(self.root(), &record.id)?.status.is_active();
            lines.clear();
            follower.read(&mut lines)?;
            lines.retain(|line| printer.wants(line));
            printer.print(&lines)?;
            if !running || options.until.is_some_and(|until| SystemTime::now() > until) {
                break;
            }
            std::thread::sleep(POLL);
        }
        Ok(())
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

fn read_lines(mut reader: impl BufRead, lines: &mut Vec<Line>) -> Result<()> {
    let mut text = Vec::new();
    loop {
        text.clear();
        let length = reader.read_until(b'\n', &mut text).context(|| "read the log".into())?;
        if length == 0 {
            return Ok(());
        }
        // A line cut by a full disk or a crash is no line.
        if let Ok(line) = serde_json::from_slice(&text) {
            lines.push(line);
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

    fn read(&mut self, lines: &mut Vec<Line>) -> Result<()> {
        self.read_to_end(lines)?;
        let rotated = std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.ino() != self.inode);
        if rotated {
            self.read_to_end(lines)?;
            self.partial.clear();
            self.reopen()?;
            self.read_to_end(lines)?;
        }
        Ok(())
    }

    fn read_to_end(&mut self, lines: &mut Vec<Line>) -> Result<()> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        loop {
            let length = reader.read_until(b'\n', &mut self.partial).context(|| "read the log".into())?;
            if length == 0 || !self.partial.ends_with(b"\n") {
                return Ok(());
            }
            if let Ok(line) = serde_json::from_slice(&self.partial) {
                lines.push(line);
            }
            self.partial.clear();
        }
    }
}

struct Printer<'a> {
    options: &'a LogsOptions,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

impl Printer<'_> {
    fn wants(&self, line: &Line) -> bool {
        self.options.since.is_none_or(|since| line.time.0 >= since)
            && self.options.until.is_none_or(|until| line.time.0 <= until)
    }

    fn print(&mut self, lines: &[Line]) -> Result<()> {
        for line in lines {
            let to = if line.stream == "stderr" { &mut self.err } else { &mut self.out };
            let written = match self.options.timestamps {
                true => write!(to, "{} {}", line.time, line.log),
                false => to.write_all(line.log.as_bytes()),
            };
            written.context(|| "write the log".into())?;
        }
        self.out.flush().and_then(|()| self.err.flush()).context(|| "write the log".into())
    }
}
