//! A step that runs.

use std::os::fd::{AsFd, BorrowedFd};

use super::finished::FinishedStep;
use crate::attach::{AttachEvent, AttachStream};
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::records::record::Record;
use crate::records::stream::Stream;

/// A step that runs. Dropped before its end, it is killed, and nothing is left of it.
#[derive(Debug)]
pub struct RunningStep {
    engine: Engine,
    record: Record,
    stream: AttachStream,
}

impl AsFd for RunningStep {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl RunningStep {
    pub(super) fn new(engine: Engine, record: Record, stream: AttachStream) -> Self {
        Self { engine, record, stream }
    }

    /// For input, signals and the size of a terminal.
    pub fn stream(&mut self) -> &mut AttachStream {
        &mut self.stream
    }

    /// Waits for the end, and hands the output to `output`.
    pub fn wait(mut self, output: &mut dyn FnMut(Stream, &[u8])) -> Result<FinishedStep> {
        loop {
            hull_sys::wait::until_readable(self.as_fd(), None).context(|| "wait for the step".into())?;
            match self.advance(output)? {
                None => {}
                Some(code) => return Ok(self.finished(code)),
            }
        }
    }

    /// Reads what has come, without waiting: for a caller that polls the descriptor. Returns the exit code at the end.
    pub fn advance(&mut self, output: &mut dyn FnMut(Stream, &[u8])) -> Result<Option<u8>> {
        let mut buffer = Vec::new();
        match self.stream.receive(&mut buffer) {
            Ok(Some(AttachEvent::Output { stream, bytes })) => output(stream, bytes),
            Ok(Some(AttachEvent::Exited(code))) => return Ok(Some(code)),
            // What is left, such as a rule of the firewall, is removed by the next user of it. The layer is whole.
            Ok(Some(AttachEvent::Uncleaned(_)) | None) => {}
            Err(error) => {
                return Err(error.with_undo(crate::gc::steps::discard(&self.engine, &self.record.id)));
            }
        }
        Ok(None)
    }

    /// The step has ended with this code.
    pub fn finished(self, code: u8) -> FinishedStep {
        FinishedStep::new(self.engine, self.record, code)
    }
}
