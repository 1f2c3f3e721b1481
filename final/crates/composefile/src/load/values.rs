//! Values that are as good as missing.

use hull_yaml::tree::{Mapping, Node, Value};

/// An empty name server is none.
pub(super) fn omit_empty(model: &mut Node) {
    for service in children(model, "services") {
        if let Some(servers) = entry(service, "dns")
            && let Value::Sequence(items) = &mut servers.value
        {
            items.retain(|item| match &item.value {
                Value::Null => false,
                Value::String(text) => !text.is_empty(),
                _ => true,
            });
        }
    }
}

fn children<'a>(model: &'a mut Node, kind: &str) -> impl Iterator<Item = &'a mut Node> {
    let entries = entry(model, kind).and_then(|node| match &mut node.value {
        Value::Mapping(entries) => Some(entries),
        _ => None,
    });
    entries.into_iter().flat_map(|entries: &mut Mapping| entries.values_mut().map(|entry| &mut entry.node))
}

fn entry<'a>(node: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    match &mut node.value {
        Value::Mapping(entries) => entries.get_mut(key).map(|entry| &mut entry.node),
        _ => None,
    }
}
