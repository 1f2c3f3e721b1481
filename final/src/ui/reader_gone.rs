//! Telling that the reader of this process's own output has gone, as `head` does, from every other broken pipe.

use std::io::{self, ErrorKind, Write};

/// In the error of a write to this process's own stdout or stderr: the reader of the pipe has closed it, as `head` does.
/// A broken pipe to any other process, such as a monitor, does not have it.
#[derive(Debug)]
pub struct ReaderGone;

impl std::fmt::Display for ReaderGone {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the reader of the output has gone")
    }
}

impl std::error::Error for ReaderGone {}

/// Marks a broken pipe with [`ReaderGone`].
fn marked(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::BrokenPipe => io::Error::new(ErrorKind::BrokenPipe, ReaderGone),
        _ => error,
    }
}

/// Whether the output could not be written because its reader has gone.
pub fn is_reader_gone(error: &anyhow::Error) -> bool {
    let io_errors = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    io_errors.filter_map(io::Error::get_ref).any(|inner| inner.is::<ReaderGone>())
}

/// Writes to this process's own stdout or stderr, whose broken pipe is marked with [`ReaderGone`].
pub struct Output<W>(pub W);

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(marked)
    }

    /// The default calls [`Self::write`], with which a line-buffered stdout writes a line in several pieces.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).map_err(marked)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(marked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(nix::libc::EPIPE))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Notes how many bytes each write has.
    struct Writes(Vec<usize>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_write_of_a_line_buffered_output() {
        for length in [64, 100_000] {
            let mut out = Output(io::LineWriter::new(Writes(Vec::new())));
            out.write_all(format!("{}\n", "x".repeat(length)).as_bytes()).unwrap();
            writeln!(out, "{}", "x".repeat(64)).unwrap();
            assert_eq!(out.0.get_ref().0, [length + 1, 65]);
        }
    }

    #[test]
    fn only_the_output_s_own_broken_pipe_means_that_its_reader_has_gone() {
        let monitor = hull_engine::Error::Io {
            action: "send to the monitor".into(),
            source: io::Error::from_raw_os_error(nix::libc::EPIPE),
        };
        assert!(!is_reader_gone(&monitor.into()));
        let source = Output(Broken).write_all(b"text").unwrap_err();
        let output = hull_engine::Error::Io { action: "write the log".into(), source };
        assert!(is_reader_gone(&output.into()));
    }
}
