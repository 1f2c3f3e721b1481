//! The clients that users have, and what they are given.

use std::path::{Path, PathBuf};
use std::process::Command;

use hull_test_support::{Scenario, python, skip};

use super::succeed;

/// docker's command line.
pub struct Docker(PathBuf);

impl Docker {
    pub fn find() -> Option<Self> {
        skip::find_program("docker").map(Self)
    }

    pub fn run(&self, socket: &Path, words: &[&str]) {
        succeed(Command::new(&self.0).arg("-H").arg(url(socket)).args(words));
    }
}

/// Docker Compose v2.
pub struct Compose(PathBuf);

impl Compose {
    /// Says why, if it cannot be had.
    pub fn install() -> Option<Self> {
        python::compose().map_err(|why: String| skip::skip(&why)).ok().map(Self)
    }

    pub fn run(&self, socket: &Path, project: &Path, words: &[&str]) {
        let mut command = Command::new(&self.0);
        command.args(COMPOSE_FLAGS).arg("-f").arg(project).args(words);
        succeed(command.env("DOCKER_HOST", url(socket)));
    }
}

/// Without progress, which is a matter of the terminal.
pub const COMPOSE_FLAGS: [&str; 2] = ["--progress", "quiet"];

/// A project with so many services, which only wait. `keys` are further keys of each.
pub fn waiting_services(t: &Scenario, count: u32, keys: &[&str]) -> PathBuf {
    let mut text = "services:\n".to_owned();
    for number in 0..count {
        text.push_str(&format!("  s{number}:\n"));
        for key in ["image: busybox", "command: sleep 3600", "pull_policy: never"].iter().chain(keys) {
            text.push_str(&format!("    {key}\n"));
        }
    }
    t.write(&format!("waiting-{count}/compose.yaml"), text)
}

fn url(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}
