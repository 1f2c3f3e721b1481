//! What could not be unpacked of an image: owners whose ids are not mapped and device nodes, both in a user namespace,
//! and perhaps the end of an archive.
//!
//! This is not an error, because the rest of the image is there. The caller decides what to do about it: this crate
//! prints nothing.

use std::path::PathBuf;
use std::sync::Arc;

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
}

/// Called after layers have been unpacked, if something was left out. This may be in a child process.
#[derive(Clone)]
pub struct Reporter(Arc<dyn Fn(&LeftOut) + Send + Sync>);

impl Reporter {
    pub fn new(report: impl Fn(&LeftOut) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }

    pub(crate) fn report(&self, left_out: &LeftOut) {
        if *left_out != LeftOut::default() {
            (self.0)(left_out);
        }
    }
}

/// Reports to nobody.
impl Default for Reporter {
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reporter")
    }
}
