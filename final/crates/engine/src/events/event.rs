//! An event of each type, with docker's attributes
//! (<https://docs.docker.com/reference/cli/docker/system/events/#object-types>).

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use hull_docker::wire::events::{Actor, Message};

use crate::engine::Engine;
use crate::records::record::{MountKind, MountRecord, Record};

/// The most that a line may have, in bytes. Labels are an image's, which may have any number of them, and a command may
/// be two megabytes long; neither may fill the log.
pub(super) const MAX_LINE: usize = 128 * 1024;

/// The most that is kept of an action with a long argument.
const MAX_ACTION: usize = MAX_LINE / 4;

/// An event that has not been written. Its time is that of its making.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    message: Message,
    /// A container's or image's own labels. An attribute of the event's replaces one of the same name.
    labels: BTreeMap<String, String>,
    /// It is not written: the steps of a build have no events, as with BuildKit.
    is_muted: bool,
}

impl Event {
    fn new(kind: &str, action: String, id: &str) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let message = Message {
            kind: kind.to_owned(),
            action,
            actor: Actor { id: id.to_owned(), attributes: BTreeMap::new() },
            scope: "local".to_owned(),
            time: now.as_secs().try_into().unwrap_or(i64::MAX),
            time_nano: now.as_nanos().try_into().unwrap_or(i64::MAX),
            ..Message::default()
        };
        Self { message, labels: BTreeMap::new(), is_muted: false }
    }

    /// `action` is docker's, with its argument if it has one: `start`, `exec_create: sh -c date`.
    pub(crate) fn container(record: &Record, action: impl Into<String>) -> Self {
        let mut event = Self::new("container", action.into(), &record.id);
        event.labels.clone_from(&record.labels);
        event.message.id.clone_from(&record.id);
        event.message.from.clone_from(&record.options.image);
        event.message.status.clone_from(&event.message.action);
        event.of(record).with("image", &record.options.image).with("name", &record.name)
    }

    /// The same for a container whose record has to be read. `None` if it cannot be read.
    pub(crate) fn of_container(engine: &Engine, id: &str, action: impl Into<String>) -> Option<Self> {
        Record::load(engine.root(), id).ok().map(|record| Self::container(&record, action))
    }

    /// `id` is the image's, or its name if it is pulled or pushed.
    pub(crate) fn image(id: &str, name: &str, labels: BTreeMap<String, String>, action: &str) -> Self {
        let mut event = Self::new("image", action.to_owned(), id);
        event.labels = labels;
        event.message.id = id.to_owned();
        event.message.status = action.to_owned();
        event.with("name", name)
    }

    pub(crate) fn volume(name: &str, action: &str) -> Self {
        Self::new("volume", action.to_owned(), name).with("driver", "local")
    }

    /// `mount` or `unmount` of each volume of a container.
    pub(crate) fn volumes_of(record: &Record, action: &str) -> Vec<Self> {
        let volumes = record.mounts.iter().filter(|mount| mount.kind == MountKind::Volume);
        let event = |mount: &MountRecord| {
            let event = Self::volume(mount.name.as_ref()?, action).with("container", &record.id);
            Some(match action {
                "mount" => event
                    .with("destination", mount.destination.display())
                    .with("read/write", !mount.read_only)
                    .with("propagation", ""),
                _ => event,
            })
        };
        volumes.filter_map(event).collect()
    }

    /// `driver` is the network's, which docker calls its type.
    pub(crate) fn network(id: &str, name: &str, driver: &str, action: &str) -> Self {
        Self::new("network", action.to_owned(), id).with("name", name).with("type", driver)
    }

    /// The end of a `prune` of objects of this type, which has freed so many bytes.
    pub(crate) fn prune(kind: &str, bytes: u64) -> Self {
        let mut event = Self::new(kind, "prune".to_owned(), "");
        if matches!(kind, "container" | "image") {
            event.message.status.clone_from(&event.message.action);
        }
        event.with("reclaimed", bytes)
    }

    /// The event is about this container.
    pub(crate) fn of(self, record: &Record) -> Self {
        Self { is_muted: self.is_muted || record.is_step(), ..self }
    }

    pub(super) fn is_muted(&self) -> bool {
        self.is_muted
    }

    /// Adds an attribute.
    pub(crate) fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.message.actor.attributes.insert(key.to_owned(), value.to_string());
        self
    }

    /// The same event, happening now.
    pub(crate) fn now(&self) -> Self {
        let Message { kind, action, actor, .. } = &self.message;
        let Message { time, time_nano, .. } = Self::new(kind, action.clone(), &actor.id).message;
        Self { message: Message { time, time_nano, ..self.message.clone() }, ..self.clone() }
    }

    /// Appends the event's line. One that would be too long loses its labels, and then the end of its action.
    pub(super) fn write_line(mut self, lines: &mut Vec<u8>) {
        let start = lines.len();
        let own = std::mem::take(&mut self.message.actor.attributes);
        let mut all = self.labels;
        all.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
        self.message.actor.attributes = all;
        append(&self.message, lines);
        if lines.len() - start > MAX_LINE {
            lines.truncate(start);
            self.message.actor.attributes = own;
            shorten(&mut self.message.action);
            shorten(&mut self.message.status);
            append(&self.message, lines);
        }
    }
}

fn append(message: &Message, lines: &mut Vec<u8>) {
    // Only a map whose keys are no strings, or a writer that fails, makes this fail.
    let _ = serde_json::to_writer(&mut *lines, message);
    lines.push(b'\n');
}

fn shorten(action: &mut String) {
    if action.len() > MAX_ACTION {
        let end = (0..=MAX_ACTION).rev().find(|end| action.is_char_boundary(*end)).unwrap_or(0);
        action.truncate(end);
    }
}
