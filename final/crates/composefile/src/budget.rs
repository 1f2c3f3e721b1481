//! How much a project may be made of. A few hundred bytes can stand for gigabytes, also without aliases: services that extend
//! a large one, files that include the same file again and again, variables whose values are other variables twice.

use hull_yaml::tree::{Node, Value};

use crate::{Error, Result};

/// How many nodes all files may have together, with those that services extend and that files include again.
const NODES: usize = 1_500_000;

/// How many bytes all texts may have together, with their variables replaced.
const TEXT: usize = 64 << 20;

/// What is left.
#[derive(Debug)]
pub(crate) struct Budget {
    nodes: usize,
    text: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { nodes: NODES, text: TEXT }
    }
}

impl Budget {
    /// Pays for a copy of a node.
    pub(crate) fn pay(&mut self, node: &Node) -> Result<()> {
        let (nodes, text) = size(node);
        self.nodes = self.nodes.checked_sub(nodes).ok_or_else(|| {
            let why = format!("the files have more than {NODES} nodes with what they include and extend");
            Error::new(why).at(node.place)
        })?;
        self.pay_text(text).map_err(|error| error.at(node.place))
    }

    /// Pays for a text.
    pub(crate) fn pay_text(&mut self, length: usize) -> Result<()> {
        self.text = self.text.checked_sub(length).ok_or_else(|| {
            Error::new(format!("the files have more than {TEXT} bytes of text with all variables replaced"))
        })?;
        Ok(())
    }
}

/// How many nodes there are, and how many bytes their texts and keys have.
fn size(node: &Node) -> (usize, usize) {
    let add = |sum: (usize, usize), other: (usize, usize)| (sum.0 + other.0, sum.1 + other.1);
    match &node.value {
        Value::String(text) => (1, text.len()),
        Value::Sequence(items) => items.iter().map(size).fold((1, 0), add),
        Value::Mapping(entries) => {
            let sizes = entries.iter().map(|(key, entry)| add(size(&entry.node), (0, key.len())));
            sizes.fold((1, 0), add)
        }
        _ => (1, 0),
    }
}
