//! Filters of `events` (<https://docs.docker.com/reference/cli/docker/system/events/#filter>).

use super::{FilterError, Filters, Keys};
use crate::wire::events::Message;

const KEYS: Keys = Keys {
    words: &[
        "event",
        "type",
        "scope",
        "label",
        "image",
        "container",
        "volume",
        "network",
        "daemon",
        "plugin",
    ],
    patterns: &[],
    flags: &[],
};

/// The keys whose values are the beginning of an object's id or name.
const OBJECTS: [&str; 5] = ["container", "volume", "network", "daemon", "plugin"];

/// Actions that have an argument, and are wanted with any.
const WITH_ARGUMENT: [&str; 3] = ["health_status", "exec_create", "exec_start"];

#[derive(Debug, Default)]
pub struct EventFilters(Filters);

impl EventFilters {
    pub fn parse(texts: &[String]) -> Result<Self, FilterError> {
        Ok(Self(Filters::parse(texts, KEYS)?))
    }

    /// Whether an event matches every key. docker compares an object's key with the events of all types, so that
    /// `volume=data` also lets a container pass that is called `data-1`.
    pub fn fit(&self, event: &Message) -> bool {
        let filters = &self.0;
        let attributes = &event.actor.attributes;
        let name = attributes.get("name").map_or("", String::as_str);
        let is_object = |wanted: &str| event.actor.id.starts_with(wanted) || name.starts_with(wanted);
        self.action_fits(&event.action)
            && filters.any("type", |kind| kind == event.kind)
            && filters.any("scope", |scope| scope == event.scope)
            && OBJECTS.iter().all(|key| filters.any(key, is_object))
            && self.image_fits(event, name)
            && filters.labels_fit(attributes)
    }

    fn action_fits(&self, action: &str) -> bool {
        // As in docker, one of these makes the other values prefixes too.
        let by_prefix = self.0.values("event").any(|value| WITH_ARGUMENT.contains(&value));
        self.0.any("event", |wanted| action == wanted || by_prefix && action.starts_with(wanted))
    }

    /// An image's events have its name; a container's have the name of the image that it was created from. Both match
    /// without their tag, too.
    fn image_fits(&self, event: &Message, name: &str) -> bool {
        let image = match event.kind.as_str() {
            "image" => name,
            _ => event.actor.attributes.get("image").map_or("", String::as_str),
        };
        let id = event.actor.id.as_str();
        self.0.any("image", |wanted| [id, image, without_tag(id), without_tag(image)].contains(&wanted))
    }
}

/// `host:5000/name` of `host:5000/name:tag` and of `host:5000/name@sha256:…`.
fn without_tag(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::events::Actor;

    fn fits(texts: &[&str], event: &Message) -> bool {
        let texts: Vec<String> = texts.iter().map(|text| text.to_string()).collect();
        EventFilters::parse(&texts).unwrap().fit(event)
    }

    fn event(kind: &str, action: &str, id: &str, attributes: &[(&str, &str)]) -> Message {
        let pairs = attributes.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        Message {
            kind: kind.into(),
            action: action.into(),
            actor: Actor { id: id.into(), attributes: pairs.collect() },
            scope: "local".into(),
            ..Message::default()
        }
    }

    #[test]
    fn every_key_is_compared() {
        let attributes = [("image", "host:5000/web:1"), ("name", "front"), ("tier", "one")];
        let start = event("container", "start", "0123", &attributes);
        for texts in [
            &["type=container"][..],
            &["event=start", "event=die"],
            &["container=fro"],
            &["container=012", "label=tier"],
            &["label=tier=one"],
            &["image=host:5000/web", "scope=local"],
            &["image=host:5000/web:1"],
        ] {
            assert!(fits(texts, &start), "{texts:?}");
        }
        for texts in [
            &["type=image"][..],
            &["event=sta"],
            &["container=x"],
            &["label=tier=two"],
            &["image=host"],
            &["scope=swarm"],
            &["container=front", "event=die"],
        ] {
            assert!(!fits(texts, &start), "{texts:?}");
        }
        assert!(EventFilters::parse(&["colour=blue".into()]).is_err());
    }

    #[test]
    fn an_action_with_an_argument_matches_without_it() {
        let check = event("container", "health_status: healthy", "0", &[]);
        assert!(fits(&["event=health_status"], &check) && fits(&["event=health_status: healthy"], &check));
        assert!(!fits(&["event=health"], &check) && !fits(&["event=exec_create"], &check));
    }

    #[test]
    fn the_name_of_an_image_is_compared_in_its_own_events() {
        let pulled = event("image", "pull", "web:1", &[("name", "web")]);
        assert!(fits(&["image=web"], &pulled) && fits(&["image=web:1"], &pulled));
        assert!(!fits(&["image=we"], &pulled));
    }
}
