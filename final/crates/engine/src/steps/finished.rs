//! A step that has ended.

use std::path::PathBuf;

use hull_storage::writable_layer::WritableLayer;

use crate::engine::Engine;
use crate::error::Result;
use crate::gc::removal::{Remains, remove_files};
use crate::records::record::Record;

/// A step that has ended. Dropped, it is removed, unless it is kept.
#[derive(Debug)]
pub struct FinishedStep {
    pub(super) engine: Engine,
    pub(super) record: Record,
    code: u8,
    is_kept: bool,
}

impl FinishedStep {
    pub(super) fn new(engine: Engine, record: Record, code: u8) -> Self {
        Self { engine, record, code, is_kept: false }
    }

    /// The exit code: 128 and its number for a signal.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// What the step has changed, as overlayfs records it.
    pub fn upper(&self) -> PathBuf {
        WritableLayer::of(&self.record.home(self.engine.root())).upper().to_owned()
    }

    /// The directory whose metadata the upper directory had at first.
    pub(super) fn below(&self) -> Result<PathBuf> {
        let data = self.engine.root().data();
        match self.record.layers.last() {
            Some(top) => Ok(data.join(top)),
            None => crate::mountpoints::ensure(self.engine.root(), &self.record),
        }
    }

    /// Leaves the step until its builder has ended. Returns its id.
    pub fn keep(mut self) -> String {
        self.is_kept = true;
        self.record.id.clone()
    }

    /// Removes the step and everything that it has written.
    pub fn remove(mut self) -> Result<()> {
        self.is_kept = true;
        self.remove_files()
    }

    fn remove_files(&self) -> Result<()> {
        // Nobody else looks for it, so this needs no lock.
        remove_files(&self.engine, Remains::of(&self.record, false))
    }
}

impl Drop for FinishedStep {
    fn drop(&mut self) {
        if !self.is_kept {
            // What is left is removed when the builder has ended.
            let _ = self.remove_files();
        }
    }
}
