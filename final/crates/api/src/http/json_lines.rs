//! An answer of JSON lines, as `pull`, `push` and `build` give it.

use hull_docker::wire::message::Message;
use serde::Serialize;

use super::exchange::Exchange;
use super::stream::Stream;
use crate::failure::{Failure, Result};

/// The answer begins with its first line. So an error that comes before has a status of its own, and one that comes later is
/// the last line.
pub struct JsonLines<'a, 'c>(State<'a, 'c>);

enum State<'a, 'c> {
    Waiting(&'a mut Exchange<'c>),
    Begun(Stream<'a>),
    /// The client has gone.
    Broken,
}

impl<'a, 'c> JsonLines<'a, 'c> {
    pub fn new(exchange: &'a mut Exchange<'c>) -> Self {
        Self(State::Waiting(exchange))
    }

    pub fn has_begun(&self) -> bool {
        !matches!(self.0, State::Waiting(_))
    }

    pub fn send(&mut self, value: &impl Serialize) -> Result<()> {
        self.begin()?.json_line(value)
    }

    fn begin(&mut self) -> Result<&mut Stream<'a>> {
        self.0 = match std::mem::replace(&mut self.0, State::Broken) {
            State::Waiting(exchange) => State::Begun(exchange.stream(200, "application/json")?),
            begun => begun,
        };
        match &mut self.0 {
            State::Begun(stream) => Ok(stream),
            _ => Err(Failure::client_gone(std::io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Sends a last line, and ends the answer.
    pub fn end_after(mut self, value: &impl Serialize) -> Result<()> {
        self.send(value)?;
        self.end(Ok(()))
    }

    /// Ends the answer, with the failure if there is one.
    pub fn end(self, outcome: Result<()>) -> Result<()> {
        self.end_with(outcome, None)
    }

    /// The same, where a failure may have an exit code.
    pub fn end_with(mut self, outcome: Result<()>, code: Option<i32>) -> Result<()> {
        if let Err(failure) = outcome {
            if !self.has_begun() {
                return Err(failure);
            }
            self.send(&Message::error(failure.message, code))?;
        }
        self.begin()?;
        match self.0 {
            State::Begun(stream) => stream.finish(),
            _ => Ok(()),
        }
    }
}
