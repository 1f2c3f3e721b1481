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
    /// The program was started. One that could not be started has these events too, as in docker.
    pub(crate) fn begun(&self) {
        // dockerd's form: a program without arguments is followed by a blank.
        let command = match self.command.split_first() {
            Some((program, arguments)) => format!("{program} {}", arguments.join(" ")),
            None => String::new(),
        };
        let actions = [format!("exec_create: {command}"), format!("exec_start: {command}")];
        emit_all(self.engine, actions.into_iter().map(|action| self.event(action)));
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
