//! What was left out of an image: owners whose ids are not mapped and device nodes, both in a user namespace, and
//! perhaps the end of an archive.
//!
//! This is not an error, because the rest of the image is there. The command line reports it, because this crate prints
//! nothing.

use std::path::PathBuf;
use std::sync::OnceLock;

static REPORTER: OnceLock<fn(&LeftOut)> = OnceLock::new();

/// What the layers unpacked by one command lack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// How many files belong to the namespace's root because their owner's id is not mapped.
    pub owners: u64,
    /// Device nodes and hard links to them, except those in /dev, because a container has its own /dev.
    pub devices: Vec<PathBuf>,
    /// The archive has no end marker.
    pub end: bool,
}

impl LeftOut {
    pub(crate) fn add(&mut self, other: &Self) {
        self.owners += other.owners;
        self.end |= other.end;
        self.devices.extend(other.devices.iter().filter(|path| !path.starts_with("dev")).cloned());
    }

    /// Calls the reporter, unless nothing was left out.
    pub(crate) fn report(&self) {
        if let Some(reporter) = REPORTER.get()
            && *self != Self::default()
        {
            reporter(self);
        }
    }
}

/// Sets the function that reports what is left out. Only the first call counts.
pub fn report_to(reporter: fn(&LeftOut)) {
    let _ = REPORTER.set(reporter);
}
