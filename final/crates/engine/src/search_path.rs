//! The search path for programs that the engine runs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

use rustix::fs::{Access, access};

use crate::error::{Error, Result};

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
        env::split_paths(&self.0).map(|directory| directory.join(program)).find(|path| is_executable(path))
    }

    pub(crate) fn has(&self, program: &str) -> bool {
        self.find(program).is_some()
    }

    /// A command with the program's path. A bare name would be looked up in this process's own `PATH`.
    pub(crate) fn command(&self, program: &str) -> Result<Command> {
        self.find(program).map(Command::new).ok_or_else(|| Error::Io {
            action: format!("run {program}"),
            source: io::Error::new(io::ErrorKind::NotFound, "no directory of PATH has this program"),
        })
    }
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_executable_files_of_the_given_path_are_found() {
        let directory = env::temp_dir().join(format!("hull-search-path-{}", std::process::id()));
        let (first, second) = (directory.join("first"), directory.join("second"));
        for (parent, mode) in [(&first, 0o644), (&second, 0o755)] {
            fs::create_dir_all(parent).unwrap();
            fs::write(parent.join("tool"), "").unwrap();
            fs::set_permissions(parent.join("tool"), Permissions::from_mode(mode)).unwrap();
        }
        let path = SearchPath::from(env::join_paths([&first, &second]).unwrap());
        assert_eq!(path.find("tool"), Some(second.join("tool")));
        assert_eq!(path.command("tool").unwrap().get_program(), second.join("tool"));
        // This process's own PATH has it.
        let error = path.command("sh").unwrap_err().to_string();
        assert_eq!(error, "cannot run sh: no directory of PATH has this program");
        fs::remove_dir_all(directory).unwrap();
    }
}
