//! `!reset` and `!override`: what a file takes away from the files before it, and from what its services extend.

use std::collections::BTreeMap;

use hull_yaml::tree::{Node, OVERRIDE, RESET, Value};

/// The keys that a document resets, as a tree from the root on.
#[derive(Debug, Default)]
pub(super) struct Resets {
    is_reset: bool,
    below: BTreeMap<String, Resets>,
}

impl Resets {
    /// Takes the tags out of a document. A node with `!reset` goes away, one with `!override` stays.
    pub(super) fn take(document: &mut Node) -> Self {
        let mut resets = Self::default();
        match &mut document.value {
            Value::Mapping(entries) => entries.retain(|key, entry| {
                let node = &mut entry.node;
                let (is_removed, is_override) = (node.has_tag(RESET), node.has_tag(OVERRIDE));
                let below = match is_removed || is_override {
                    true => Self { is_reset: true, below: BTreeMap::new() },
                    false => Self::take(node),
                };
                if is_override {
                    node.tag = None;
                }
                if below.is_reset || !below.below.is_empty() {
                    resets.below.insert(key.clone(), below);
                }
                !is_removed
            }),
            // An item cannot be named in the files before, so all that a tag can do is to remove the item itself.
            Value::Sequence(items) => items.retain_mut(|item| {
                if item.has_tag(OVERRIDE) {
                    item.tag = None;
                } else {
                    Self::take(item);
                }
                !item.has_tag(RESET)
            }),
            _ => {}
        }
        resets
    }

    /// Removes the keys from what earlier files say.
    pub(super) fn apply(&self, tree: &mut Node) {
        let Value::Mapping(entries) = &mut tree.value else { return };
        for (key, reset) in &self.below {
            match (reset.is_reset, entries.get_mut(key)) {
                (true, Some(_)) => drop(entries.remove(key)),
                (false, Some(entry)) => reset.apply(&mut entry.node),
                (_, None) => {}
            }
        }
    }

    /// Removes the keys of a service from what that service extends.
    pub(super) fn apply_to_service(&self, name: &str, service: &mut Node) {
        if let Some(reset) = self.below.get("services").and_then(|services| services.below.get(name)) {
            reset.apply(service);
        }
    }
}
