//! The clients that users have.

use std::path::{Path, PathBuf};
use std::process::Command;

use hull_test_support::{Scenario, python, skip};

use crate::common::succeed;

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

    /// A project with so many services, which only wait.
    pub fn project(&self, t: &Scenario, services: u32) -> PathBuf {
        let mut text = "services:\n".to_owned();
        for number in 0..services {
            text.push_str(&format!(
                "  s{number}:\n    image: busybox\n    command: sleep 3600\n    stop_signal: SIGKILL\n    pull_policy: never\n"
            ));
        }
        t.write("many/compose.yaml", text)
    }

    pub fn run(&self, socket: &Path, project: &Path, words: &[&str]) {
        let mut command = Command::new(&self.0);
        command.arg("--progress").arg("quiet").arg("-f").arg(project).args(words);
        succeed(command.env("DOCKER_HOST", url(socket)));
    }
}

fn url(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}
