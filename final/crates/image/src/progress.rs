//! What becomes of the layers of an image that is on its way, for those who watch.

use crate::digest::Digest;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is where it should be.
    Exists,
    /// Another command has it in hand.
    Waiting,
    /// So many bytes of so many.
    Moving {
        done: u64,
        total: u64,
    },
    /// The registry took it from another of its repositories.
    Mounted,
    Done,
}

/// Told from several threads.
pub trait Progress: Sync {
    fn layer(&self, layer: &Digest, step: Step);
    /// Something to know beside the layers.
    fn remark(&self, text: &str);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn layer(&self, _: &Digest, _: Step) {}
    fn remark(&self, _: &str) {}
}
