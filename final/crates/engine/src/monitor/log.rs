//! docker's json-file log: one JSON object a line, rotated by size.
//!
//! ```text
//! containers/<id>/log  log.1  log.2 …     newest first; `max-file` of them
//! ```
//! A write that fails (a full disk) never blocks or ends the container: its lines are dropped, and a notice with their number
//! precedes the next line that can be written.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::logs::layout::file_name;
use crate::records::options::{LogDriver, LogOptions};
use crate::records::stream::Stream;
use crate::records::time::Timestamp;

/// docker cuts a line that is longer than this and marks the part by its missing newline.
const LONGEST_LINE: usize = 16 * 1024;

#[derive(Serialize)]
struct Line<'a> {
    log: &'a str,
    stream: &'a str,
    time: Timestamp,
}

#[derive(Debug)]
pub(super) struct Log {
    directory: PathBuf,
    options: LogOptions,
    file: Option<File>,
    size: u64,
    /// The incomplete last line of each stream.
    partial: [Vec<u8>; 2],
    /// Lines that could not be written, and why.
    lost: Option<(usize, std::io::Error)>,
}

impl Default for Log {
    /// A log that keeps nothing.
    fn default() -> Self {
        Self {
            directory: PathBuf::new(),
            options: LogOptions { driver: LogDriver::None, ..LogOptions::default() },
            file: None,
            size: 0,
            partial: [vec![], vec![]],
            lost: None,
        }
    }
}

impl Log {
    /// The file is made with the first line.
    pub(super) fn new(directory: &Path, options: &LogOptions) -> Self {
        Self { directory: directory.into(), options: options.clone(), ..Self::default() }
    }

    fn is_kept(&self) -> bool {
        self.options.driver == LogDriver::JsonFile
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        let file = OpenOptions::new().append(true).create(true).open(self.directory.join(file_name(0)))?;
        self.size = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    pub(super) fn write(&mut self, stream: Stream, data: &[u8]) {
        if !self.is_kept() {
            return;
        }
        let time = Timestamp::now();
        let mut batch = Vec::with_capacity(data.len() + 128);
        let mut partial = std::mem::take(&mut self.partial[stream as usize]);
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            partial.extend_from_slice(piece);
            while partial.ends_with(b"\n") || partial.len() >= LONGEST_LINE {
                let rest = partial.split_off(cut(&partial));
                self.add_line(&mut batch, stream, &partial, time);
                partial = rest;
            }
        }
        self.partial[stream as usize] = partial;
        self.append(&mut batch);
    }

    /// Writes the last line of each stream even if it has no newline.
    pub(super) fn flush(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let partial = std::mem::take(&mut self.partial[stream as usize]);
            if !partial.is_empty() && self.is_kept() {
                let mut batch = Vec::new();
                self.add_line(&mut batch, stream, &partial, Timestamp::now());
                self.append(&mut batch);
            }
        }
    }

    /// Adds a line to what is written next. One that would make the file too large begins a new file.
    fn add_line(&mut self, batch: &mut Vec<u8>, stream: Stream, text: &[u8], time: Timestamp) {
        let before = batch.len();
        encode(batch, stream, text, time);
        let Some(limit) = self.options.max_size else { return };
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
    fn append(&mut self, batch: &mut Vec<u8>) {
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
            encode(&mut notice, Stream::Stderr, text.as_bytes(), Timestamp::now());
            file.write_all(&notice)?;
            self.size += notice.len() as u64;
            self.lost = None;
        }
        file.write_all(batch)?;
        self.size += batch.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> std::io::Result<()> {
        let files = self.options.max_file.unwrap_or(1).max(1);
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

/// Where a line ends, or has to be cut. It is not cut inside a character, because both parts of it would be lost.
fn cut(line: &[u8]) -> usize {
    let end = line.len().min(LONGEST_LINE);
    if end < LONGEST_LINE || line[end - 1].is_ascii() {
        return end;
    }
    // UTF-8: the first byte tells the length, and the others begin with the bits 10.
    let first = line[..end].iter().rposition(|byte| byte & 0xc0 != 0x80).unwrap_or(end);
    let length = line.get(first).map_or(0, |byte| byte.leading_ones() as usize);
    if end - first < length && length <= 4 { first } else { end }
}

fn encode(batch: &mut Vec<u8>, stream: Stream, text: &[u8], time: Timestamp) {
    let log = String::from_utf8_lossy(text);
    let line = Line { log: &log, stream: stream.as_str(), time };
    // Writing to memory cannot fail.
    let _ = serde_json::to_writer(&mut *batch, &line);
    batch.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("hull-log-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn lines_are_joined_across_reads_and_long_ones_cut() {
        let dir = scratch("lines");
        let mut log = Log::new(&dir, &LogOptions::default());
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
    fn a_long_line_is_cut_between_characters() {
        for before in 0..5 {
            let text = "x".repeat(LONGEST_LINE - before) + "€€";
            let at = cut(text.as_bytes());
            assert!(text.is_char_boundary(at) && LONGEST_LINE - at < 3, "{before}: {at}");
        }
        assert_eq!(cut(&[0xff; LONGEST_LINE + 1]), LONGEST_LINE);
        assert_eq!(cut(&[0x80; LONGEST_LINE + 1]), LONGEST_LINE);
    }

    #[test]
    fn a_log_is_rotated_and_never_has_more_files_than_allowed() {
        let dir = scratch("rotate");
        let options = LogOptions { max_size: Some(300), max_file: Some(2), ..Default::default() };
        let mut log = Log::new(&dir, &options);
        let text: String = (0..50).map(|n| format!("line {n}\n")).collect();
        log.write(Stream::Stdout, text.as_bytes());
        let mut names: Vec<_> =
            std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["log", "log.1"]);
        assert!(std::fs::metadata(dir.join("log.1")).unwrap().len() <= 300);
        assert!(std::fs::metadata(dir.join("log")).unwrap().len() <= 300);
        assert!(std::fs::read_to_string(dir.join("log")).unwrap().contains("line 49"));
        assert!(log.lost.is_none());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
