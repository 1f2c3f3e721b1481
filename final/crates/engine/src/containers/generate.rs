//! `generate systemd`: the container that a unit runs.

use crate::engine::Engine;
use crate::error::Result;
use crate::records::options::RestartPolicy;

/// What a unit of systemd has to know of its container.
#[derive(Debug, Clone)]
pub struct UnitSubject {
    pub id: String,
    pub name: String,
    pub restart: RestartPolicy,
    /// Seconds.
    pub stop_timeout: Option<u32>,
    /// It has a terminal, or takes input, which a unit has not.
    pub is_interactive: bool,
    /// The command line that created it; empty if it was created otherwise.
    pub create_command: Vec<String>,
    /// How many of its last words are the image and the program's.
    pub program_words: usize,
}

impl Engine {
    pub fn unit_subject(&self, name: &str) -> Result<UnitSubject> {
        let record = self.find(name)?;
        let options = record.options;
        Ok(UnitSubject {
            id: record.id,
            name: record.name,
            restart: options.restart,
            stop_timeout: options.stop_timeout,
            is_interactive: options.tty || options.interactive,
            create_command: options.create_command,
            program_words: 1 + options.command.len(),
        })
    }
}
