//! Events: what has happened to containers, images, volumes and networks, for `hull events` and for commands that wait.
//!
//! ```text
//! event   an event of each type, with docker's attributes     log     the files: append a line, rotate
//! exec    the events of one exec                              reader  read the files and follow them
//! emit    append events of this engine
//! ```
//!
//! The process that changes an object emits its event, after the change: a command, a monitor, the session of an
//! `exec`. One call does it:
//!
//! ```text
//! Event::container(&record, "pause").emit(engine);
//! Event::container(&record, format!("health_status: {status}")).emit(engine);
//! Event::container(&record, "die").with("exitCode", code).emit(engine);
//! emit_all(engine, [connected, started]);                   two events with one write
//! ```
//!
//! Emitting never fails and never waits for a reader. If the log cannot be written, the engine's reporter
//! ([`crate::EventReporter`]) is told, and the verb goes on.
//!
//! # On disk
//!
//! ```text
//! <run root>/events/log      one event a line, as JSON of `wire::events::Message`; appended with one write(2)
//!                   log.N    the file before it; the highest N is the newest, and only one is kept
//! ```
//!
//! A line is preceded by a newline of its own, so that a line which a full disk or a kill has cut ends there: a reader
//! skips empty and damaged lines.
//!
//! A writer holds a shared flock(2) on the file, and checks under it that the path still leads to this file. The writer
//! that makes the file too large renames it under the exclusive lock. So nobody writes to a file after its renaming, and a
//! reader that holds the old file by descriptor reads it to its end, and then the files that came after it.

mod emit;
mod event;
mod exec;
mod log;
mod reader;
#[cfg(test)]
mod tests;

pub(crate) use emit::emit_all;
pub(crate) use event::Event;
pub(crate) use exec::ExecEvents;
pub use reader::{EventOptions, EventReader, EventSink, Events};
