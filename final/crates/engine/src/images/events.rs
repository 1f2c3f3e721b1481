//! What the events of an image say. dockerd gives most of them the image's id as its name.

use std::collections::BTreeMap;

use hull_image::pull::Pulled;
use hull_image::reference::Reference;
use hull_image::remove::Removed;
use hull_image::store::ImageRecord;

use crate::engine::Engine;
use crate::events::Event;

/// An image as its events describe it, read before it is changed.
pub(super) struct ImageOfEvent {
    id: String,
    labels: BTreeMap<String, String>,
}

impl ImageOfEvent {
    /// `None` if there is no such image, or if it cannot be read.
    pub(super) fn find(engine: &Engine, name: &str) -> Option<Self> {
        let (id, labels) = engine.images().labels(name).ok()?;
        Some(Self { id: id.to_string(), labels })
    }

    pub(super) fn event(&self, action: &str) -> Event {
        self.named(&self.id, action)
    }

    pub(super) fn named(&self, name: &str, action: &str) -> Event {
        Event::image(&self.id, name, self.labels.clone(), action)
    }

    /// A deleted image has no labels.
    pub(super) fn removal(&self, removed: &Removed) -> Event {
        match removed {
            Removed::Untagged(_) => self.event("untag"),
            Removed::Deleted(_) => Event::image(&self.id, &self.id, BTreeMap::new(), "delete"),
        }
    }
}

/// The events of an image that was pruned with all of its names.
pub(super) fn of_pruned(image: &ImageRecord) -> impl Iterator<Item = Event> {
    let described = ImageOfEvent { id: image.id.to_string(), labels: image.labels.clone() };
    let names = image.names.iter().cloned().map(Removed::Untagged);
    let removed = names.chain([Removed::Deleted(described.id.clone())]);
    removed.map(|removed| described.removal(&removed)).collect::<Vec<_>>().into_iter()
}

impl Engine {
    pub(super) fn emit_pulled(&self, pulled: &Pulled) {
        self.emit_transfer(&pulled.reference, &pulled.id.to_string(), "pull");
    }

    /// A pull's or push's event is about a name, `debian:12`, whose repository it has as its name.
    pub(super) fn emit_transfer(&self, reference: &Reference, image: &str, action: &str) {
        let labels = ImageOfEvent::find(self, image).map(|image| image.labels).unwrap_or_default();
        Event::image(&reference.familiar(), &reference.familiar_repository(), labels, action).emit(self);
    }

    pub(super) fn emit_image(&self, name: &str, action: &str) {
        if let Some(image) = ImageOfEvent::find(self, name) {
            image.event(action).emit(self);
        }
    }
}
