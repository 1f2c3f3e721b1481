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
    /// The registry has an image of this name, with these layers. Nothing is transferred yet.
    fn found(&self, reference: &Reference, layers: &[Descriptor]) {
        let _ = (reference, layers);
    }
    fn layer(&self, layer: &Digest, step: Step);
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
