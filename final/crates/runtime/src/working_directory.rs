//! The program's working directory.

use std::path::Path;

use nix::errno::Errno;

use crate::error::{Error, Result, Step};

/// Changes to the working directory. Returns false if the permission is missing.
pub(crate) fn enter(directory: &Path) -> Result<bool> {
    match nix::unistd::chdir(directory) {
        Err(Errno::EACCES | Errno::EPERM) => Ok(false),
        done => done.step(|| entering(directory)).map(|()| true),
    }
}

/// Changes to the working directory as the program's user. Missing permission is an error.
pub(crate) fn enter_as_user(directory: &Path) -> Result<()> {
    nix::unistd::chdir(directory).step(|| entering(directory))
}

fn entering(directory: &Path) -> String {
    format!("change to the working directory {}", directory.display())
}

/// Checks that the working directory is inside the root. A hostile image may lead elsewhere (CVE-2024-21626), and
/// getcwd(2) then returns a path that begins with "(unreachable)".
pub(crate) fn check() -> Result<()> {
    let reached = nix::unistd::getcwd().step(|| "find out where the working directory is".into())?;
    match reached.is_absolute() {
        true => Ok(()),
        false => Err(Error::Invalid("the working directory is outside the container".into())),
    }
}
