//! docker's json-file log: one JSON object a line, rotated by size. `local` has the same files.
//!
//! ```text
//! containers/<id>/log  log.1  log.2 …     newest first; `max-file` of them
//! ```
//! A write that fails (a full disk) never blocks or ends the container: its lines are dropped, and a notice with their number
//! precedes the next line that can be written.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::attach::LogEnd;
use crate::logs::layout::{end_of, file_name};
use crate::records::options::LogOptions;
use crate::records::stream::Stream;
use crate::records::time::Timestamp;

#[derive(Serialize)]
struct Line<'a> {
    log: &'a str,
    stream: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attrs: &'a BTreeMap<String, String>,
    time: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct JsonFile {
    directory: PathBuf,
    max_size: Option<u64>,
    max_file: u32,
    /// What each line says of the container.
    attributes: BTreeMap<String, String>,
    file: Option<File>,
    size: u64,
    /// Lines that could not be written, and why.
    lost: Option<(usize, std::io::Error)>,
}

impl JsonFile {
    /// The file is made with the first line.
    pub(super) fn new(directory: &Path, options: &LogOptions, attributes: BTreeMap<String, String>) -> Self {
        let max_file = options.max_file.unwrap_or(1).max(1);
        Self {
            directory: directory.into(),
            max_size: options.max_size,
            max_file,
            attributes,
            ..Self::default()
        }
    }

    pub(super) fn end(&self) -> LogEnd {
        match self.file.as_ref().and_then(|file| file.metadata().ok()) {
            Some(file) => LogEnd { inode: file.ino(), size: self.size },
            // Nothing was written in this run.
            None => end_of(&self.directory),
        }
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        let file = OpenOptions::new().append(true).create(true).open(self.directory.join(file_name(0)))?;
        self.size = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    /// Adds a line to what is written next. One that would make the file too large begins a new file.
    pub(super) fn add_line(&mut self, batch: &mut Vec<u8>, stream: Stream, text: &[u8], time: Timestamp) {
        let before = batch.len();
        encode(batch, stream, text, time, &self.attributes);
        let Some(limit) = self.max_size else { return };
        if self.size + batch.len() as u64 <= limit || self.size + before as u64 == 0 {
            return;
        }
        let line = batch.split_off(before);
        self.append(batch);
        // One that cannot be renamed grows: better too long than lost.
        let _ = self.rotate();
        *batch = line;
    }

    /// Writes whole lines or none, so that what follows a failure is read as it was written.
    pub(super) fn append(&mut self, batch: &mut Vec<u8>) {
        if batch.is_empty() {
            return;
        }
        if let Err(error) = self.try_append(batch) {
            if let Some(file) = &self.file {
                // If this fails too, a reader sees a line that is cut short, and skips it.
                let _ = file.set_len(self.size);
            }
            let lines = batch.iter().filter(|byte| **byte == b'\n').count();
            let before = self.lost.as_ref().map_or(0, |(lines, _)| *lines);
            self.lost = Some((before + lines, error));
        }
        batch.clear();
    }

    fn try_append(&mut self, batch: &[u8]) -> std::io::Result<()> {
        // Made with the first line.
        if self.file.is_none() {
            self.reopen()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        if let Some((lines, error)) = &self.lost {
            let mut notice = Vec::new();
            let text = format!("hull: here are missing {lines} lines that could not be written: {error}\n");
            encode(&mut notice, Stream::Stderr, text.as_bytes(), Timestamp::now(), &BTreeMap::new());
            file.write_all(&notice)?;
            self.size += notice.len() as u64;
            self.lost = None;
        }
        file.write_all(batch)?;
        self.size += batch.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> std::io::Result<()> {
        let files = self.max_file;
        let path = |n: u32| self.directory.join(file_name(n));
        for n in (1..files).rev() {
            match std::fs::rename(path(n - 1), path(n)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if files == 1 {
            std::fs::remove_file(path(0))?;
        }
        self.file = None;
        self.reopen()
    }
}

fn encode(
    batch: &mut Vec<u8>,
    stream: Stream,
    text: &[u8],
    time: Timestamp,
    attrs: &BTreeMap<String, String>,
) {
    let log = String::from_utf8_lossy(text);
    let line = Line { log: &log, stream: stream.as_str(), attrs, time };
    // Writing to memory cannot fail.
    let _ = serde_json::to_writer(&mut *batch, &line);
    batch.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::super::{Driver, LONGEST_LINE, Log};
    use super::*;

    fn log(directory: &Path, options: &LogOptions) -> Log {
        Log { driver: Driver::JsonFile(JsonFile::new(directory, options, BTreeMap::new())), ..Log::default() }
    }

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("hull-log-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn lines_are_joined_across_reads_and_long_ones_cut() {
        let dir = scratch("lines");
        let mut log = log(&dir, &LogOptions::default());
        log.write(Stream::Stdout, b"one\ntw");
        log.write(Stream::Stderr, &[b'x'; LONGEST_LINE + 3]);
        log.write(Stream::Stdout, b"o\n");
        log.flush();
        let text = std::fs::read_to_string(dir.join("log")).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let logs: Vec<_> = lines.iter().map(|line| line["log"].as_str().unwrap()).collect();
        assert_eq!(logs[0], "one\n");
        assert_eq!(logs[1].len(), LONGEST_LINE);
        assert_eq!(logs[2], "two\n");
        assert_eq!(logs[3], "xxx");
        assert_eq!(lines[3]["stream"], "stderr");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_log_is_rotated_and_never_has_more_files_than_allowed() {
        let dir = scratch("rotate");
        let options = LogOptions { max_size: Some(300), max_file: Some(2), ..Default::default() };
        let mut log = log(&dir, &options);
        let text: String = (0..50).map(|n| format!("line {n}\n")).collect();
        log.write(Stream::Stdout, text.as_bytes());
        let mut names: Vec<_> =
            std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["log", "log.1"]);
        assert!(std::fs::metadata(dir.join("log.1")).unwrap().len() <= 300);
        assert!(std::fs::metadata(dir.join("log")).unwrap().len() <= 300);
        assert!(std::fs::read_to_string(dir.join("log")).unwrap().contains("line 49"));
        assert!(matches!(log.driver, Driver::JsonFile(JsonFile { lost: None, .. })));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
