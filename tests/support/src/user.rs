//! An unprivileged user who exists in one scenario only: name, home and subordinate ids are bound over `/etc` in its mount
//! namespace, and nothing is added to the machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::mount_bind;

use crate::program;

/// The user's and their group's.
pub const ID: u32 = 12345;
const NAME: &str = "hulltest";

/// See the module's documentation.
#[derive(Debug)]
pub struct UnprivilegedUser {
    dir: PathBuf,
}

impl UnprivilegedUser {
    /// Makes the user's files below `dir` and binds the user databases.
    pub(crate) fn create(dir: &Path) -> Self {
        let user = Self { dir: dir.to_owned() };
        for home in [user.home(), user.runtime_dir(), dir.join("bin")] {
            fs::create_dir(&home).expect("a new directory");
            chown(&home, Some(ID), Some(ID)).expect("root may");
        }
        // The build directory may lie where the user cannot go.
        let binary = user.binary();
        fs::copy(program::hull(), &binary).expect("the binary can be copied");
        fs::set_permissions(&binary, PermissionsExt::from_mode(0o755)).expect("own file");
        let home = user.home();
        user.bind("passwd", &format!("{NAME}:x:{ID}:{ID}::{}:/bin/sh\n", home.display()));
        user.bind("group", &format!("{NAME}:x:{ID}:\n"));
        user.bind("subuid", &format!("{NAME}:1000000:65536\n"));
        user.bind("subgid", &format!("{NAME}:1000000:65536\n"));
        user
    }

    pub fn home(&self) -> PathBuf {
        self.dir.join("home")
    }

    pub fn runtime_dir(&self) -> PathBuf {
        self.dir.join("runtime")
    }

    fn binary(&self) -> PathBuf {
        self.dir.join("bin/hull")
    }

    /// `hull`, run by the user with an environment of theirs.
    pub(crate) fn command(&self) -> Command {
        // By its path: busybox's shell has a command of that name, which knows no users.
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--reuid", NAME, "--regid", NAME, "--clear-groups", "--inh-caps=-all", "--"]);
        command.arg(self.binary()).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin").env("USER", NAME);
        command.env("HOME", self.home()).env("XDG_RUNTIME_DIR", self.runtime_dir());
        command
    }

    /// Binds a copy of `/etc/name` with `line` added over the original.
    fn bind(&self, name: &str, line: &str) {
        let original = Path::new("/etc").join(name);
        let text = fs::read_to_string(&original).unwrap_or_default();
        let copy = self.dir.join(name);
        fs::write(&copy, text + line).expect("own directory");
        if original.exists() {
            mount_bind(&copy, &original).expect("a bind mount in the scenario's own namespace");
        }
    }
}
