//! `<<` keys: a mapping gets the entries of other mappings for the keys that it has not.
//!
//! The earlier of several mappings has precedence (<https://yaml.org/type/merge.html>). Compose looks for `!reset` before it
//! merges, and so a key that is reset in one mapping has the value of the next mapping, without what an earlier file says.

use super::{Entry, Mapping, Node, OVERRIDE, RESET, Value};

pub(super) fn apply(entries: &mut Mapping, node: Node) -> Result<(), String> {
    match node.value {
        Value::Mapping(others) => others.into_iter().for_each(|(name, other)| add(entries, name, other)),
        Value::Sequence(items) => {
            for item in items {
                let Value::Mapping(others) = item.value else { return Err(no_mapping()) };
                others.into_iter().for_each(|(name, other)| add(entries, name, other));
            }
        }
        _ => return Err(no_mapping()),
    }
    Ok(())
}

fn add(entries: &mut Mapping, name: String, other: Entry) {
    let Some(entry) = entries.get_mut(&name) else {
        entries.insert(name, other);
        return;
    };
    match (entry.node.has_tag(RESET), other.node.has_tag(RESET)) {
        (true, false) => {
            *entry = other;
            entry.node.tag = Some(OVERRIDE.into());
        }
        (false, true) => entry.node.tag = Some(OVERRIDE.into()),
        _ => {}
    }
}

fn no_mapping() -> String {
    "map merge requires map or sequence of maps as the value of `<<`".into()
}
