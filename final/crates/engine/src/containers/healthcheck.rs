//! `healthcheck run`: a check at once, whatever the interval says.

use crate::attach::Message;
use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::handle::running::readable;
use crate::records::health::Check;
use crate::records::snapshot::Snapshot;
use crate::records::state::{Status, wrong_state};

const VERB: &str = "check the health of";

impl Engine {
    /// Makes a health check, or waits for the end of the one that is being made. Its result is recorded like any other.
    /// Returns whether it succeeded.
    pub fn check_health(&self, name: &str) -> Result<bool> {
        let record = self.find(name)?;
        if Check::of(&record).is_none() {
            return Err(Error::Unsupported(format!("container {} has no health check", record.name)));
        }
        let snapshot = self.clear_if_dead(&record, Snapshot::take(self.root(), &record.id)?)?;
        if snapshot.status != Status::Running {
            return Err(wrong_state(VERB, &record, snapshot.status));
        }
        let Some(running) = self.running(&record.id)? else {
            return Err(wrong_state(VERB, &record, Status::Exited));
        };
        let Some(connection) = running.connection.as_ref().filter(|_| running.tell(&Message::CheckHealth))
        else {
            return Err(running.silent(&record.name));
        };
        // The monitor answers when the check has ended or its time is over, and closes the connection when it ends.
        while !readable(connection, Some(crate::handle::running::ANSWER_TIMEOUT))? {
            if running.state.monitor.is_stopped() {
                return Err(running.silent(&record.name));
            }
        }
        let mut buffer = Vec::new();
        match connection.receive(&mut buffer).context(|| "listen to the monitor".into())? {
            Some(Message::Exited(0)) => Ok(true),
            Some(Message::Exited(1)) => Ok(false),
            _ => {
                let why = "it was paused or ended meanwhile, or no process could be started";
                Err(Error::Unsupported(format!("container {} was not checked: {why}", record.name)))
            }
        }
    }
}
