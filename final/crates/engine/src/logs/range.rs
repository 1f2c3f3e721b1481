//! Which part of the log is asked for. Only that part is read: times grow along a log, so the beginning of `--since` is
//! found by binary search, and the last lines by reading backwards from the end.

use std::ops::ControlFlow;
use std::time::SystemTime;

use super::entry::Entry;
use super::files::LogFile;
use super::{Printer, wanted};
use crate::error::Result;
use crate::records::options::LogsOptions;
use crate::records::stream::Stream;

/// Below this distance, in bytes, the binary search ends and lines are read one by one.
const CLOSE: u64 = 64 * 1024;

/// How far before the last lines the earlier pieces of one of them are looked for: the other stream may have written
/// between them.
const PIECES_WITHIN: u64 = 1 << 20;

/// Prints what the files contained when they were opened.
pub(super) fn print(files: &[LogFile], options: &LogsOptions, printer: &mut Printer<'_>) -> Result<()> {
    let mut parts = Vec::with_capacity(files.len());
    for file in files {
        let from = options.since.map_or(Ok(0), |since| first(file, |time| time >= since))?;
        let to = match options.until {
            // The search ends a little before the first line that is later; a line may be longer than that.
            Some(until) => first(file, |time| time > until)?.saturating_add(4 * CLOSE).min(file.end),
            None => file.end,
        };
        parts.push(Part { file, from, to });
    }
    if let Some(count) = options.tail {
        let tail = Tail::find(&mut parts, count, options)?;
        for line in tail.pieces.iter().rev() {
            printer.take(line)?;
        }
    }
    for part in &parts {
        part.file.forwards(part.from, part.to, |line| printer.take(line))?;
    }
    Ok(())
}

struct Part<'a> {
    file: &'a LogFile,
    from: u64,
    to: u64,
}

/// The beginning of a line that is at, or shortly before, the first `late` line.
fn first(file: &LogFile, late: impl Fn(SystemTime) -> bool) -> Result<u64> {
    let (mut low, mut high) = (0, file.end);
    while high - low > CLOSE {
        let middle = low + (high - low) / 2;
        let Some((at, line)) = file.line_behind(middle, high)? else {
            high = middle;
            continue;
        };
        // A damaged line has no time. It counts as late here, and is skipped when it is read.
        match Entry::parse(&line).and_then(|entry| entry.time()) {
            Some(time) if !late(time) => low = at,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The last lines, counted from the end. A long line is several entries, and one line.
struct Tail<'a> {
    count: usize,
    options: &'a LogsOptions,
    lines: usize,
    /// For each stream: whether an entry of it is wanted.
    seen: [bool; 2],
    /// Set once all wanted lines were found: from then on only the earlier pieces of a line of this stream are searched
    /// for.
    pieces_of: Option<Stream>,
    /// How many bytes have been searched since then.
    passed: u64,
    /// Entries before the beginning that belong to a wanted line, the last one first.
    pieces: Vec<Vec<u8>>,
}

impl<'a> Tail<'a> {
    /// Moves the beginnings of the parts to where the last lines begin.
    fn find(parts: &mut [Part<'_>], count: usize, options: &'a LogsOptions) -> Result<Self> {
        let mut tail = Self {
            count,
            options,
            lines: 0,
            seen: [false; 2],
            pieces_of: None,
            passed: 0,
            pieces: Vec::new(),
        };
        let mut begin = None;
        for (index, part) in parts.iter().enumerate().rev() {
            let walked = part.file.backwards(part.from, part.to, |at, line| {
                let next = tail.take(line);
                if begin.is_none() && tail.pieces_of.is_some() {
                    begin = Some((index, at + line.len() as u64));
                }
                Ok(next)
            })?;
            if walked.is_break() {
                break;
            }
        }
        if let Some((index, at)) = begin {
            parts[..index].iter_mut().for_each(|part| part.from = part.to);
            parts[index].from = at;
        }
        Ok(tail)
    }

    fn take(&mut self, line: &[u8]) -> ControlFlow<()> {
        let Some(entry) = Entry::parse(line).filter(|entry| wanted(self.options, entry)) else {
            return ControlFlow::Continue(());
        };
        if let Some(stream) = self.pieces_of {
            self.passed += line.len() as u64;
            if entry.stream == stream {
                if entry.ends_line() {
                    return ControlFlow::Break(());
                }
                self.pieces.push(line.to_vec());
            }
            return if self.passed > PIECES_WITHIN {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            };
        }
        let seen = &mut self.seen[entry.stream as usize];
        if entry.ends_line() || !*seen {
            if self.lines == self.count {
                let other = if entry.stream == Stream::Stdout { Stream::Stderr } else { Stream::Stdout };
                self.pieces_of = Some(other);
                let looks = self.seen[other as usize];
                return if looks { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
            }
            self.lines += 1;
        }
        *seen = true;
        ControlFlow::Continue(())
    }
}
