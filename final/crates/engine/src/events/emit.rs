//! Appending events to the log of an engine.

use super::event::Event;
use super::log;
use crate::engine::Engine;
use crate::error::{Error, IoContext};

impl Event {
    /// Appends the event to the log.
    pub(crate) fn emit(self, engine: &Engine) {
        emit_all(engine, [self]);
    }
}

/// Appends several events with one write, in this order.
pub(crate) fn emit_all(engine: &Engine, events: impl IntoIterator<Item = Event>) {
    let mut lines = vec![b'\n'];
    for event in events.into_iter().filter(|event| !event.is_muted()) {
        event.write_line(&mut lines);
    }
    if lines.len() == 1 {
        return;
    }
    let directory = log::directory(engine.root());
    let written: Result<(), Error> =
        log::append(&directory, &lines).context(|| format!("record an event in {}", directory.display()));
    if let Err(error) = written {
        engine.event_reporter().report(&error);
    }
}
