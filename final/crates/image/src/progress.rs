//! Reports the progress of the layers of an image that is pulled or pushed.

use crate::config::Descriptor;
use crate::digest::Digest;
use crate::reference::Reference;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The layer is at its destination already.
    Exists,
    /// Another command is transferring the layer.
    Waiting,
    /// Bytes transferred so far, and in all.
    Moving {
        done: u64,
        total: u64,
    },
    /// The registry took the layer from another of its repositories.
    Mounted,
    Done,
}

/// Called from several threads.
pub trait Progress: Sync {
    /// An image of this name was found, and these of its layers may have to be transferred.
    fn found(&self, reference: &Reference, layers: &[&Descriptor]) {
        let _ = (reference, layers);
    }
    fn layer(&self, layer: &Digest, step: Step);
    /// The registry took the layer from another of its repositories.
    fn mounted(&self, layer: &Digest, from: &str) {
        let _ = from;
        self.layer(layer, Step::Mounted);
    }
    /// A remark that concerns no single layer.
    fn remark(&self, text: &str);
}

/// Reports nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn layer(&self, _: &Digest, _: Step) {}
    fn remark(&self, _: &str) {}
}
