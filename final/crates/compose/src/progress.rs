//! What a command is doing, told while it does it. The library prints nothing: the caller shows these as lines, in place
//! on a terminal, or as JSON.

use serde::{Deserialize, Serialize};

/// A step of the work on one object. A later event with the same `id` replaces an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The kind and the name of the object: `Container shop-web-1`, `Network shop_default`.
    pub id: String,
    /// The `id` of the event that this is a part of: a layer belongs to its image.
    pub parent: String,
    /// A detail that stands between `id` and `word`.
    pub text: String,
    pub status: Status,
    /// What is shown of the status: `Creating`, `Started`, an error's text.
    pub word: String,
    /// Bytes that have arrived, of so many; 0 if they are not known.
    pub current: u64,
    pub total: u64,
    pub percent: u8,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    #[default]
    Working,
    Done,
    Warning,
    Error,
}

impl Event {
    pub fn working(id: impl Into<String>, word: impl Into<String>) -> Self {
        Self::new(id, Status::Working, word)
    }

    pub fn done(id: impl Into<String>, word: impl Into<String>) -> Self {
        Self::new(id, Status::Done, word)
    }

    pub fn warning(id: impl Into<String>, word: impl Into<String>) -> Self {
        Self::new(id, Status::Warning, word)
    }

    pub fn error(id: impl Into<String>, word: impl Into<String>) -> Self {
        Self::new(id, Status::Error, word)
    }

    fn new(id: impl Into<String>, status: Status, word: impl Into<String>) -> Self {
        Self { id: id.into(), status, word: word.into(), ..Self::default() }
    }
}

/// The name by which events are about a container, a network or a volume.
pub fn container(name: &str) -> String {
    format!("Container {name}")
}

pub fn network(name: &str) -> String {
    format!("Network {name}")
}

pub fn volume(name: &str) -> String {
    format!("Volume {name}")
}

/// The receiver of events. Several threads may share it.
pub trait Progress: Send {
    fn event(&mut self, event: Event);

    /// A line that a hook has printed. The source is its container's name.
    fn output(&mut self, source: &str, line: &[u8]) {
        let _ = (source, line);
    }

    /// A sentence that is shown below everything else when the work is done.
    fn note(&mut self, text: &str);
}

/// Takes the events and shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&mut self, _: Event) {}

    fn note(&mut self, _: &str) {}
}
