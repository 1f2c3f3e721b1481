//! Streams of bytes as lines.

use std::io;
use std::os::fd::BorrowedFd;

use hull_engine::{LogSink, Stream};

/// A line that grows beyond this is given in pieces: a container decides how much is kept here.
const LONGEST: usize = 1 << 20;

/// How much of a log is kept before its lines are given.
const BLOCK: usize = 64 * 1024;

/// What stdout and stderr have begun.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    begun: [Vec<u8>; 2],
}

pub(crate) type Take<'a> = dyn FnMut(Stream, &[u8]) + 'a;

const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

impl Lines {
    pub(crate) fn feed(&mut self, stream: Stream, bytes: &[u8], take: &mut Take<'_>) {
        self.begun[stream as usize].extend_from_slice(bytes);
        self.give(stream, take);
    }

    /// Gives the complete lines of a stream.
    fn give(&mut self, stream: Stream, take: &mut Take<'_>) {
        let begun = &mut self.begun[stream as usize];
        let mut from = 0;
        while let Some(length) = begun[from..].iter().position(|byte| *byte == b'\n') {
            take(stream, &begun[from..from + length]);
            from += length + 1;
        }
        begun.drain(..from);
        if begun.len() > LONGEST {
            take(stream, begun);
            begun.clear();
        }
    }

    /// Gives what has no newline, because nothing follows.
    pub(crate) fn finish(&mut self, take: &mut Take<'_>) {
        for stream in STREAMS {
            self.give(stream, take);
            let begun = &mut self.begun[stream as usize];
            if !begun.is_empty() {
                take(stream, begun);
                begun.clear();
            }
        }
    }
}

/// The receiver of a log.
pub(super) struct Sink<'a> {
    pub lines: &'a mut Lines,
    pub take: &'a mut Take<'a>,
}

impl LogSink for Sink<'_> {
    fn buffer(&mut self, stream: Stream) -> io::Result<&mut Vec<u8>> {
        // Lines of both streams are given in the order in which they were written.
        let other = STREAMS[1 - stream as usize];
        self.lines.give(other, self.take);
        if self.lines.begun[stream as usize].len() > BLOCK {
            self.lines.give(stream, self.take);
        }
        Ok(&mut self.lines.begun[stream as usize])
    }

    fn flush(&mut self) -> io::Result<()> {
        STREAMS.into_iter().for_each(|stream| self.lines.give(stream, self.take));
        Ok(())
    }

    fn reader(&self) -> BorrowedFd<'_> {
        // `LogReader::read` does not wait for this reader.
        rustix::fs::CWD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(work: impl FnOnce(&mut Lines, &mut Take<'_>)) -> Vec<String> {
        let mut got = Vec::new();
        let mut lines = Lines::default();
        work(&mut lines, &mut |stream, line| {
            got.push(format!("{} {}", stream as usize, String::from_utf8_lossy(line)));
        });
        got
    }

    #[test]
    fn only_whole_lines_are_given_and_the_rest_at_the_end() {
        let got = taken(|lines, take| {
            lines.feed(Stream::Stdout, b"on", take);
            lines.feed(Stream::Stderr, b"err\n", take);
            lines.feed(Stream::Stdout, b"e\n\ntwo\nthr", take);
            lines.finish(take);
            lines.finish(take);
        });
        assert_eq!(got, ["1 err", "0 one", "0 ", "0 two", "0 thr"]);
    }

    #[test]
    fn a_line_without_end_is_given_in_pieces() {
        let got = taken(|lines, take| {
            for _ in 0..3 {
                lines.feed(Stream::Stdout, &[b'x'; LONGEST / 2 + 1], take);
            }
            lines.finish(take);
        });
        assert_eq!(got.iter().map(String::len).collect::<Vec<_>>(), [LONGEST + 4, LONGEST / 2 + 3]);
    }

    #[test]
    fn both_streams_of_a_log_stay_in_order() {
        let got = taken(|lines, take| {
            let mut sink = Sink { lines, take };
            for (stream, text) in [(0, "a\n"), (1, "b\n"), (0, "c\n")] {
                sink.buffer(STREAMS[stream]).unwrap().extend_from_slice(text.as_bytes());
            }
            sink.flush().unwrap();
        });
        assert_eq!(got, ["0 a", "1 b", "0 c"]);
    }
}
