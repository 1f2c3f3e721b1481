//! The search path for programs that the engine runs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// The value of the caller's `PATH`. The engine reads no environment variable itself: a process that serves several users
/// has one environment for each of them.
#[derive(Debug, Clone, Default)]
pub struct SearchPath(OsString);

impl From<OsString> for SearchPath {
    fn from(path: OsString) -> Self {
        Self(path)
    }
}

impl SearchPath {
    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        std::env::split_paths(&self.0).map(|directory| directory.join(program)).find(|path| path.is_file())
    }

    pub(crate) fn has(&self, program: &str) -> bool {
        self.find(program).is_some()
    }

    /// A command with the program that is found, or with its bare name, so that starting it fails and names it.
    pub(crate) fn command(&self, program: &str) -> Command {
        Command::new(self.find(program).unwrap_or_else(|| program.into()))
    }
}
