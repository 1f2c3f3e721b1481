//! `!reset` and `!override`: what a file takes away from the files before it, and from what its services extend.

use hull_yaml::tree::{Node, OVERRIDE, RESET, Value};

/// The keys that a document resets, each from the root on.
#[derive(Debug, Default)]
pub(super) struct Resets(Vec<Vec<String>>);

impl Resets {
    /// Takes the tags out of a document. A node with `!reset` goes away, one with `!override` stays.
    pub(super) fn take(document: &mut Node) -> Self {
        let mut resets = Self::default();
        resets.walk(document, &mut Vec::new());
        resets
    }

    fn walk(&mut self, node: &mut Node, path: &mut Vec<String>) {
        match &mut node.value {
            Value::Mapping(entries) => entries.retain(|key, entry| {
                path.push(key.clone());
                let stays = self.keep(&mut entry.node, path);
                path.pop();
                stays
            }),
            // An item cannot be named in the files before, so all that a tag can do is to remove the item itself.
            Value::Sequence(items) => items.retain_mut(|item| {
                if item.has_tag(RESET) {
                    return false;
                }
                match item.has_tag(OVERRIDE) {
                    true => item.tag = None,
                    false => Self::default().walk(item, path),
                }
                true
            }),
            _ => {}
        }
    }

    /// Whether the node that stands at `path` stays in its document.
    fn keep(&mut self, node: &mut Node, path: &mut Vec<String>) -> bool {
        let (is_reset, is_override) = (node.has_tag(RESET), node.has_tag(OVERRIDE));
        if is_reset || is_override {
            self.0.push(path.clone());
            node.tag = None;
        } else {
            self.walk(node, path);
        }
        !is_reset
    }

    /// Removes the keys from what earlier files say.
    pub(super) fn apply(&self, tree: &mut Node) {
        for path in &self.0 {
            let keys: Vec<_> = path.iter().map(String::as_str).collect();
            remove(tree, &keys);
        }
    }

    /// Removes the keys of a service from what that service extends.
    pub(super) fn apply_to_service(&self, name: &str, service: &mut Node) {
        for path in &self.0 {
            match path.as_slice() {
                [services, service_name, rest @ ..] if services == "services" && service_name == name => {
                    remove(service, &rest.iter().map(String::as_str).collect::<Vec<_>>());
                }
                _ => {}
            }
        }
    }
}

fn remove(tree: &mut Node, path: &[&str]) {
    let Value::Mapping(entries) = &mut tree.value else { return };
    match path {
        [] => {}
        [last] => drop(entries.remove(*last)),
        [key, rest @ ..] => {
            if let Some(entry) = entries.get_mut(*key) {
                remove(&mut entry.node, rest);
            }
        }
    }
}
