//! Reads a container's messages from systemd's journal, with `journalctl -o export`
//! (<https://systemd.io/JOURNAL_EXPORT_FORMATS/>). The journal's files are its own: their format and their permissions are
//! for that program.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::Printer;
use super::entry::Entry;
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::records::options::LogsOptions;
use crate::records::process;
use crate::records::record::Record;
use crate::records::snapshot::Snapshot;
use crate::records::stream::Stream;

const PROGRAM: &str = "journalctl";
const BLOCK: usize = 64 * 1024;

/// The fields that are not a container's labels or variables, which may not have these names. Those of the journal's own
/// begin with an underscore.
pub(crate) const OWN_FIELDS: [&str; 14] = [
    "MESSAGE",
    "MESSAGE_ID",
    "PRIORITY",
    "CODE_FILE",
    "CODE_LINE",
    "CODE_FUNC",
    "SYSLOG_IDENTIFIER",
    "SYSLOG_TIMESTAMP",
    "CONTAINER_ID",
    "CONTAINER_ID_FULL",
    "CONTAINER_NAME",
    "CONTAINER_TAG",
    "CONTAINER_PARTIAL_MESSAGE",
    "IMAGE_NAME",
];

/// Prints the messages, and with `follow` those that come, until the container has ended or the reader has gone.
pub(super) fn print(
    engine: &Engine,
    record: &Record,
    options: &LogsOptions,
    printer: &mut Printer<'_>,
) -> Result<()> {
    if !engine.programs().has(PROGRAM) {
        return Err(Error::Unsupported(format!(
            "the log of {} is in the journal, and reading it takes {PROGRAM}, which no directory of PATH has",
            record.name
        )));
    }
    let monitor = match options.follow {
        true => monitor_of(engine, record)?,
        false => None,
    };
    let mut reader = Reader::start(engine, record, &arguments(options, monitor.is_some()))?;
    if let Some(monitor) = &monitor {
        let is_over = reader.follow(monitor, printer)?;
        let cursor = reader.cursor.take();
        if is_over {
            return Ok(());
        }
        // What the container wrote last may not have been read when its monitor ended.
        let mut rest = arguments(options, false);
        rest.extend(cursor.map(|cursor| format!("--after-cursor={cursor}")));
        let _ = engine.programs().command(PROGRAM)?.arg("--sync").stderr(Stdio::null()).status();
        reader = Reader::start(engine, record, &rest)?;
    }
    while reader.read(printer)? {}
    printer.flush()?;
    reader.finish()
}

fn monitor_of(engine: &Engine, record: &Record) -> Result<Option<OwnedFd>> {
    let snapshot = Snapshot::take(engine.root(), &record.id)?;
    match snapshot.state.filter(|_| snapshot.status.is_active()) {
        Some(state) => process::open(&state.monitor),
        None => Ok(None),
    }
}

/// Whole seconds around the times that are asked for. The entries themselves are compared exactly.
fn arguments(options: &LogsOptions, follow: bool) -> Vec<String> {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut arguments = Vec::new();
    arguments.extend(options.since.map(|time| format!("--since=@{}", seconds(time))));
    arguments.extend(options.until.map(|time| format!("--until=@{}", seconds(time) + 1)));
    let lines = options.tail.map_or_else(|| "all".to_owned(), |count| count.to_string());
    arguments.push(format!("--lines={lines}"));
    arguments.extend(follow.then(|| "--follow".to_owned()));
    if !options.details {
        arguments.push("--output-fields=MESSAGE,PRIORITY,CONTAINER_PARTIAL_MESSAGE,SYSLOG_TIMESTAMP".into());
    }
    arguments
}

/// A running journalctl, and what it has written and was not printed yet.
struct Reader {
    child: Child,
    output: ChildStdout,
    buffer: Vec<u8>,
    /// Where in the journal the last entry is.
    cursor: Option<String>,
}

impl Reader {
    fn start(engine: &Engine, record: &Record, arguments: &[String]) -> Result<Self> {
        let mut command: Command = engine.programs().command(PROGRAM)?;
        command.args(["--no-pager", "--quiet", "--all", "--output=export"]).args(arguments);
        command.arg(format!("CONTAINER_ID_FULL={}", record.id));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context(|| format!("run {PROGRAM}"))?;
        let output = child.stdout.take().ok_or(Error::MonitorDied)?;
        Ok(Self { child, output, buffer: Vec::new(), cursor: None })
    }

    /// Prints what comes until the container's monitor has ended. True when there is no more to print: the reader has
    /// gone, `--until` has passed, or journalctl has ended.
    fn follow(&mut self, monitor: &OwnedFd, printer: &mut Printer<'_>) -> Result<bool> {
        rustix::io::ioctl_fionbio(&self.output, true).context(|| format!("read from {PROGRAM}"))?;
        loop {
            let (is_there, has_ended, has_gone) = self.wait(monitor, printer)?;
            if is_there && !self.read(printer)? || has_gone || printer.is_over() {
                printer.flush()?;
                return Ok(true);
            }
            printer.flush()?;
            if has_ended && !is_there {
                return Ok(false);
            }
        }
    }

    /// Whether there is output, whether the monitor has ended, and whether the reader has gone.
    fn wait(&self, monitor: &OwnedFd, printer: &Printer<'_>) -> Result<(bool, bool, bool)> {
        let reader = printer.sink.reader();
        let mut fds = [
            PollFd::new(&self.output, PollFlags::IN),
            PollFd::new(monitor, PollFlags::IN),
            PollFd::new(&reader, PollFlags::empty()),
        ];
        let until = printer.options.until.map(|at| at.duration_since(SystemTime::now()).unwrap_or_default());
        let timeout = until.map(|left| left + Duration::from_millis(1));
        match poll(&mut fds, timeout.and_then(|timeout| timeout.try_into().ok()).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).context(|| "wait for the journal".into()),
        }
        let [output, monitor, reader] = fds.map(|fd| !fd.revents().is_empty());
        Ok((output, monitor, reader))
    }

    /// Reads once and prints the complete entries. False at the end of the output.
    fn read(&mut self, printer: &mut Printer<'_>) -> Result<bool> {
        let mut block = vec![0; BLOCK];
        let length = match self.output.read(&mut block) {
            Ok(length) => length,
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) => {
                return Ok(true);
            }
            Err(error) => return Err(error).context(|| format!("read from {PROGRAM}")),
        };
        self.buffer.extend_from_slice(&block[..length]);
        let mut used = 0;
        while let Some((message, end)) = Message::parse(&self.buffer[used..]) {
            used += end;
            self.cursor = message.cursor.clone().or(self.cursor.take());
            if let Some(entry) = message.entry() {
                printer.take_entry(&entry)?;
            }
        }
        self.buffer.drain(..used);
        Ok(length > 0)
    }

    fn finish(mut self) -> Result<()> {
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            // It says little, and has ended.
            let _ = stderr.read_to_string(&mut said);
        }
        let status = self.child.wait().context(|| format!("wait for {PROGRAM}"))?;
        // Without an entry it may end with 1 and say nothing.
        match status.success() || said.trim().is_empty() {
            true => Ok(()),
            false => Err(Error::Unsupported(format!("{PROGRAM} cannot read the journal: {}", said.trim()))),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It has ended, or it does now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An entry of the journal.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    text: Option<Vec<u8>>,
    is_error: bool,
    is_partial: bool,
    /// RFC 3339; of the container's line.
    written: Option<String>,
    /// When the journal got it: microseconds.
    received: Option<u64>,
    cursor: Option<String>,
    attributes: BTreeMap<String, String>,
}

impl Message {
    /// The first entry, and where it ends. `None` if there is no complete one.
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut message = Self::default();
        let mut at = 0;
        loop {
            let line = at + memchr::memchr(b'\n', bytes.get(at..)?)?;
            let head = &bytes[at..line];
            at = line + 1;
            if head.is_empty() {
                return Some((message, at));
            }
            let (name, value) = match memchr::memchr(b'=', head) {
                Some(equals) => (&head[..equals], &head[equals + 1..]),
                // A binary value: its length in eight bytes, the value, and a newline.
                None => {
                    let length = u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?);
                    let end = at.checked_add(8)?.checked_add(usize::try_from(length).ok()?)?;
                    let value = bytes.get(at + 8..end)?;
                    bytes.get(end)?;
                    at = end + 1;
                    (head, value)
                }
            };
            message.set(&String::from_utf8_lossy(name), value);
        }
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        let text = || String::from_utf8_lossy(value).into_owned();
        match name {
            "MESSAGE" => self.text = Some(value.to_vec()),
            "PRIORITY" => self.is_error = value == b"3",
            "CONTAINER_PARTIAL_MESSAGE" => self.is_partial = value == b"true",
            "SYSLOG_TIMESTAMP" => self.written = Some(text()),
            "__REALTIME_TIMESTAMP" => self.received = text().parse().ok(),
            "__CURSOR" => self.cursor = Some(text()),
            name if !name.starts_with('_') && !OWN_FIELDS.contains(&name) => {
                self.attributes.insert(name.to_owned(), text());
            }
            _ => {}
        }
    }

    fn entry(self) -> Option<Entry<'static>> {
        let mut text = self.text?;
        if !self.is_partial {
            text.push(b'\n');
        }
        let written = self.written.filter(|time| humantime::parse_rfc3339(time).is_ok());
        let received = || {
            let time = UNIX_EPOCH + Duration::from_micros(self.received.unwrap_or(0));
            humantime::format_rfc3339_nanos(time).to_string()
        };
        let stream = if self.is_error { Stream::Stderr } else { Stream::Stdout };
        Some(Entry::plain(stream, text, written.unwrap_or_else(received), self.attributes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_whole_with_text_and_binary_values() {
        let mut bytes =
            b"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1500000\nPRIORITY=3\nLABEL=a=b\nMESSAGE\n".to_vec();
        bytes.extend(7_u64.to_le_bytes());
        bytes.extend(b"two\n\nxy\n_PID=3\n\nMESSAGE=next\nCONTAINER_PARTIAL_MESSAGE=true\n\nMESSAGE=cut");
        let (first, end) = Message::parse(&bytes).unwrap();
        assert_eq!(first.text.as_deref(), Some(&b"two\n\nxy"[..]));
        assert!(first.is_error && !first.is_partial);
        assert_eq!((first.cursor.as_deref(), first.received), (Some("s=1;i=2"), Some(1_500_000)));
        assert_eq!(first.attributes, BTreeMap::from([("LABEL".to_owned(), "a=b".to_owned())]));
        assert_eq!(first.entry().unwrap().time_text(), "1970-01-01T00:00:01.500000000Z");
        let (second, more) = Message::parse(&bytes[end..]).unwrap();
        assert!(second.is_partial && second.text.as_deref() == Some(b"next"));
        assert_eq!(Message::parse(&bytes[end + more..]), None);
        for length in 0..end {
            assert_eq!(Message::parse(&bytes[..length]), None, "{length}");
        }
    }
}
