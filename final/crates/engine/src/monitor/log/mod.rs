//! The container's log: its output, cut into lines, for the log driver.
//!
//! ```text
//! json_file   docker's json-file, and local
//! journald    systemd's journal
//! ```

mod journald;
mod json_file;

use std::os::fd::BorrowedFd;
use std::path::Path;

use hull_docker::flags::log::{self, Settings};
use hull_docker::flags::log_attributes::Subject;
use hull_docker::wire::host_config::LogConfig;

use crate::attach::LogEnd;
use crate::records::options::LogDriver;
use crate::records::record::Record;
use crate::records::stream::Stream;
use crate::records::time::Timestamp;
use journald::Journal;
use json_file::JsonFile;

/// docker cuts a line that is longer than this and marks the part by its missing newline.
const LONGEST_LINE: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct Log {
    driver: Driver,
    /// The incomplete last line of each stream.
    partial: [Vec<u8>; 2],
}

#[derive(Debug, Default)]
enum Driver {
    #[default]
    None,
    JsonFile(JsonFile),
    Journal(Box<Journal>),
}

impl Log {
    pub(super) fn new(directory: &Path, record: &Record) -> Self {
        let options = &record.options.log;
        // The options were checked when the container was created.
        let config = LogConfig { config: options.config.clone(), kind: String::new() };
        let settings = |kind: log::Driver| {
            log::parse(&LogConfig { kind: kind.name().into(), ..config.clone() }).unwrap_or_default()
        };
        let driver = match options.driver {
            LogDriver::None => Driver::None,
            LogDriver::Local => Driver::JsonFile(JsonFile::new(directory, options, Default::default())),
            LogDriver::JsonFile => {
                let settings = settings(log::Driver::JsonFile);
                let mut attributes = settings.attributes.chosen(&record.labels, &record.process.env);
                attributes.extend(tag(&settings, record).map(|tag| ("tag".to_owned(), tag)));
                Driver::JsonFile(JsonFile::new(directory, options, attributes))
            }
            LogDriver::Journald => {
                let settings = settings(log::Driver::Journald);
                let tag = tag(&settings, record).unwrap_or_else(|| record.short_id().to_owned());
                Driver::Journal(Box::new(Journal::new(record, &settings, &tag)))
            }
        };
        Self { driver, ..Self::default() }
    }

    /// Whether what comes next has to wait, because the journal does not take it. The container's output stays in its
    /// pipe.
    pub(super) fn is_full(&self) -> bool {
        matches!(&self.driver, Driver::Journal(journal) if journal.is_full())
    }

    /// The descriptor to poll for writing, if something waits for it.
    pub(super) fn to_poll(&self) -> Option<BorrowedFd<'_>> {
        match &self.driver {
            Driver::Journal(journal) => journal.to_poll(),
            _ => None,
        }
    }

    /// Sends what waits, as far as the journal takes it.
    pub(super) fn resume(&mut self) {
        if let Driver::Journal(journal) = &mut self.driver {
            journal.resume();
        }
    }

    /// Where the log ends. The journal has no such place.
    pub(super) fn end(&self) -> LogEnd {
        match &self.driver {
            Driver::JsonFile(file) => file.end(),
            Driver::None | Driver::Journal(_) => LogEnd::default(),
        }
    }

    /// The beginning of a line that is not in the log yet.
    pub(super) fn beginning(&self, stream: Stream) -> Vec<u8> {
        self.partial[stream as usize].clone()
    }

    pub(super) fn write(&mut self, stream: Stream, data: &[u8]) {
        if matches!(self.driver, Driver::None) {
            return;
        }
        let time = Timestamp::now();
        let mut batch = Vec::with_capacity(data.len() + 128);
        let mut partial = std::mem::take(&mut self.partial[stream as usize]);
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            partial.extend_from_slice(piece);
            while partial.ends_with(b"\n") || partial.len() >= LONGEST_LINE {
                let rest = partial.split_off(cut(&partial));
                self.driver.add(&mut batch, stream, &partial, time);
                partial = rest;
            }
        }
        self.partial[stream as usize] = partial;
        self.driver.append(&mut batch);
    }

    /// Writes the last line of each stream even if it has no newline.
    pub(super) fn end_lines(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let partial = std::mem::take(&mut self.partial[stream as usize]);
            if !partial.is_empty() {
                let mut batch = Vec::new();
                self.driver.add(&mut batch, stream, &partial, Timestamp::now());
                self.driver.append(&mut batch);
            }
        }
    }

    /// The same, and waits a moment for a slow journal.
    pub(super) fn flush(&mut self) {
        self.end_lines();
        if let Driver::Journal(journal) = &mut self.driver {
            journal.finish();
        }
    }
}

impl Driver {
    /// Adds a line. A file gets it with `batch`.
    fn add(&mut self, batch: &mut Vec<u8>, stream: Stream, text: &[u8], time: Timestamp) {
        match self {
            Self::None => {}
            Self::JsonFile(file) => file.add_line(batch, stream, text, time),
            Self::Journal(journal) => journal.send(stream, text, time),
        }
    }

    fn append(&mut self, batch: &mut Vec<u8>) {
        if let Self::JsonFile(file) = self {
            file.append(batch);
        }
    }
}

fn tag(settings: &Settings, record: &Record) -> Option<String> {
    let command = record.process.args();
    settings.attributes.tag(&Subject {
        id: &record.id,
        name: &record.name,
        image_id: &record.image_id,
        image: &record.options.image,
        command: &command,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
