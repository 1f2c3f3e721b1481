//! What a value may consist of. A node is counted before it is made, and so is each copy for an anchor or an alias.

use crate::DEPTH;

/// What a value consists of.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) nodes: usize,
    pub(crate) text: usize,
    /// How many sequences and mappings contain each other.
    pub(crate) depth: usize,
}

impl Size {
    /// Of the sequence or mapping that contains a value of size `inner`.
    pub(crate) fn contain(&mut self, inner: Self) {
        self.nodes += inner.nodes;
        self.text += inner.text;
        self.depth = self.depth.max(inner.depth + 1);
    }
}

/// All that was made of a text.
#[derive(Debug)]
pub(crate) struct Meter {
    nodes: usize,
    text: usize,
    most_nodes: usize,
    most_text: usize,
}

impl Meter {
    pub(crate) fn new(most_nodes: usize, most_text: usize) -> Self {
        Self { nodes: 0, text: 0, most_nodes, most_text }
    }

    /// Counts what is about to be made inside of `open` sequences and mappings.
    pub(crate) fn pay(&mut self, size: Size, open: usize) -> Result<(), String> {
        self.nodes += size.nodes;
        self.text += size.text;
        if self.nodes > self.most_nodes {
            return Err(format!("there are more than {} nodes, with aliases expanded", self.most_nodes));
        }
        if self.text > self.most_text {
            return Err(format!(
                "there are more than {} bytes of text, with aliases expanded",
                self.most_text
            ));
        }
        if open + size.depth > DEPTH {
            return Err(format!("the nesting is deeper than {DEPTH} levels"));
        }
        Ok(())
    }
}
