//! What an image lacks: in a user namespace other owners than its ids, and device nodes; and perhaps the end of an archive.
//!
//! The rest of the image is there, so it is no error; but somebody has to say it, and this crate has no terminal.

use std::path::PathBuf;
use std::sync::OnceLock;

static REPORTER: OnceLock<fn(&LeftOut)> = OnceLock::new();

/// What is not as the image has it, of the layers that one command unpacked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// So many files have an owner who is no id of the user namespace, and belong to its root.
    pub owners: u64,
    /// Device nodes and other names of theirs, without those in /dev: a container has a /dev of its own.
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

    /// Tells whoever asked to be told; nobody when nothing was left out.
    pub(crate) fn report(&self) {
        if let Some(reporter) = REPORTER.get()
            && *self != Self::default()
        {
            reporter(self);
        }
    }
}

/// Has `reporter` told, from now on, of what is left out. The first one counts.
pub fn report_to(reporter: fn(&LeftOut)) {
    let _ = REPORTER.set(reporter);
}
