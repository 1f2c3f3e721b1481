//! hull and BuildKit, each with a store on a tmpfs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hull_test_support::peers::Dockerd;
use hull_test_support::{Scenario, cgroups, fixtures, skip};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::contexts::Contexts;
use crate::common::succeed;

/// Debian's client. Another one may be before it in PATH, which refuses to use BuildKit without its plugin.
const DOCKER: &str = "/usr/bin/docker";

pub struct Hull {
    scenario: Scenario,
    memory: [PathBuf; 2],
}

impl Hull {
    pub fn new() -> Option<Self> {
        let scenario = Scenario::start()?;
        let memory = ["data", "memory"].map(|name| scenario.path(name));
        memory.iter().for_each(|directory| on_memory(directory));
        scenario.busybox();
        Some(Self { scenario, memory })
    }

    /// Where the contexts are made.
    pub fn contexts(&self) -> Contexts {
        Contexts::new(&self.memory[1])
    }

    pub fn command(&self, context: &Path, flags: &[&str]) -> Command {
        build(&self.scenario, context, flags)
    }

    pub fn build(&self, context: &Path, flags: &[&str]) {
        succeed(&mut self.command(context, flags));
    }

    pub fn run(&self) {
        succeed(&mut self.scenario.command(&["run", "--rm", "busybox", "echo"]));
    }

    /// Empties the build cache.
    pub fn forget(&self) {
        self.scenario.hull(&["rmi", "bench"]);
        succeed(&mut self.scenario.command(&["builder", "prune", "-af"]));
    }
}

impl Drop for Hull {
    fn drop(&mut self) {
        for directory in &self.memory {
            let _ = unmount(directory, UnmountFlags::DETACH);
        }
    }
}

/// `hull build` of a context.
pub fn build(scenario: &Scenario, context: &Path, flags: &[&str]) -> Command {
    let mut command = scenario.command(&["build", "-q", "-t", "bench"]);
    command.args(flags).arg(context);
    command
}

pub fn on_memory(directory: &Path) {
    fs::create_dir_all(directory).expect("own directory");
    mount("tmpfs", directory, "tmpfs", MountFlags::empty(), None).expect("a tmpfs can be mounted");
}

/// The BuildKit of a dockerd.
pub struct BuildKit<'a> {
    hull: &'a Hull,
    // `None` at its end.
    dockerd: Option<Dockerd>,
}

impl<'a> BuildKit<'a> {
    /// `None` if it is not installed.
    pub fn start(hull: &'a Hull) -> Option<Self> {
        if skip::find_program(DOCKER).is_none() {
            skip::skip("Debian's docker is not installed");
            return None;
        }
        let dockerd = Dockerd::with_network(&hull.scenario, &hull.memory[1].join("docker"))?;
        let busybox = fixtures::busybox();
        let mut import = dockerd.command(&["import", "-c", "CMD [\"sh\"]", "-c", "ENV PATH=/bin"]);
        succeed(import.arg(busybox).arg("busybox"));
        Some(Self { hull, dockerd: Some(dockerd) })
    }

    fn command(&self, args: &[&str]) -> Command {
        let dockerd = self.dockerd.as_ref().expect("it is there until the end");
        let client = dockerd.command(args);
        let mut command = Command::new(DOCKER);
        command.args(client.get_args()).env("DOCKER_BUILDKIT", "1");
        command
    }

    pub fn build(&self, context: &Path, flags: &[&str]) {
        succeed(self.command(&["build", "-q", "-t", "bench"]).args(flags).arg(context));
    }

    pub fn forget(&self) {
        let _ = self.command(&["rmi", "-f", "bench"]).output();
        succeed(&mut self.command(&["builder", "prune", "-af"]));
    }
}

impl Drop for BuildKit<'_> {
    fn drop(&mut self) {
        self.dockerd = None;
        // BuildKit leaves those of its steps.
        let mut left = cgroups::below(self.hull.scenario.cgroup_parent());
        left.retain(|directory| directory.to_string_lossy().contains("buildkit"));
        left.sort();
        for directory in left.iter().rev() {
            let _ = fs::remove_dir(directory);
        }
    }
}
