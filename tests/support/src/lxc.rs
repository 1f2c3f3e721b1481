//! LXC's programs in namespaces of their own, beside hull.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::beside::{Beside, remove_lxc_cgroups};
use crate::outcome::run;
use crate::systems::System;
use crate::{Outcome, Scenario, skip};

/// What a new container gets: no link but lo, and proc.
const CONFIGURATION: &str = "lxc.net.0.type = empty\nlxc.mount.auto = proc:mixed sys:ro\n";

/// The programs of the real LXC, with a directory of containers of their own.
#[derive(Debug)]
pub struct Lxc<'a> {
    scenario: &'a Scenario,
    beside: Beside<'a>,
    /// What its template `local` makes a container from: the description and the root.
    pub archives: (PathBuf, PathBuf),
}

impl<'a> Lxc<'a> {
    /// Skips the test where LXC is not installed. The containers have the root of this system.
    pub fn start(scenario: &'a Scenario, system: System) -> Option<Self> {
        if skip::find_program("lxc-start").is_none() {
            skip::skip("lxc-start is not installed");
            return None;
        }
        let description = scenario.write("lxc/config", CONFIGURATION);
        let archives = (scenario.path("description.tar.xz"), scenario.path("root.tar.xz"));
        let directory = description.parent().expect("a directory");
        run(Command::new("tar").arg("-cJf").arg(&archives.0).arg("-C").arg(directory).arg("config")).ok();
        let root = std::fs::File::open(system.archive().expect("the scenario has it")).expect("it is there");
        let packed = std::fs::File::create(&archives.1).expect("own directory");
        let status = Command::new("xz").arg("-1c").stdin(root).stdout(packed).status();
        assert!(status.is_ok_and(|status| status.success()), "xz packs the root");
        std::fs::create_dir_all(scenario.path("containers")).expect("own directory");
        Some(Self { scenario, beside: Beside::start(scenario), archives })
    }

    /// Runs one of LXC's programs. The first word is its name.
    pub fn run(&self, words: &[&str]) -> Outcome {
        let containers = self.scenario.path("containers");
        let path = ["-P", containers.to_str().expect("a plain path")];
        // `lxc-create` needs a configuration, and the machine's names a bridge that the namespace does not have.
        let created = ["-f", "lxc/config"];
        let own: &[&str] = if words[0] == "lxc-create" { &created } else { &[] };
        let mut command =
            self.beside.command(&[&["timeout", "60", words[0]], &path[..], own, &words[1..]].concat());
        run(command.stdin(Stdio::null()))
    }
}

impl Drop for Lxc<'_> {
    fn drop(&mut self) {
        self.beside.end();
        remove_lxc_cgroups();
    }
}
