//! The events of one `exec`.

use super::emit::emit_all;
use super::event::Event;
use crate::engine::Engine;
use crate::records::record::Record;

pub(crate) struct ExecEvents<'a> {
    pub engine: &'a Engine,
    pub record: &'a Record,
    /// The instance's id.
    pub id: &'a str,
    pub command: &'a [String],
}

impl ExecEvents<'_> {
    /// An instance is created and started at once. A program that could not be started has these events too, as in docker.
    pub(crate) fn begun(&self) {
        emit_all(self.engine, [self.created(), self.started()]);
    }

    pub(crate) fn created(&self) -> Event {
        self.event(format!("exec_create: {}", self.words()))
    }

    pub(crate) fn started(&self) -> Event {
        self.event(format!("exec_start: {}", self.words()))
    }

    /// dockerd's form: a program without arguments is followed by a blank.
    fn words(&self) -> String {
        match self.command.split_first() {
            Some((program, arguments)) => format!("{program} {}", arguments.join(" ")),
            None => String::new(),
        }
    }

    /// The user has left by the detach keys, and the program continues.
    pub(crate) fn left(&self) -> Event {
        self.event("exec_detach".into())
    }

    pub(crate) fn ended(&self, code: u8) {
        self.event("exec_die".into()).with("exitCode", code).emit(self.engine);
    }

    fn event(&self, action: String) -> Event {
        Event::container(self.record, action).with("execID", self.id)
    }
}
