//! LXD in mount, pid and network namespaces of its own, beside hull.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::beside::{Beside, remove_lxc_cgroups};
use crate::{Outcome, Scenario, outcome, skip};

/// A pool of directories and a profile that has a root in it: what `lxd init` asks for first.
const PRESEED: &str = "\
storage_pools:
- name: default
  driver: dir
profiles:
- name: default
  devices:
    root:
      type: disk
      path: /
      pool: default
";

/// A daemon of the real LXD.
#[derive(Debug)]
pub struct Lxd<'a> {
    scenario: &'a Scenario,
    beside: Beside<'a>,
    daemon: Option<Child>,
}

impl<'a> Lxd<'a> {
    /// Skips the test where LXD is not installed.
    pub fn start(scenario: &'a Scenario) -> Option<Self> {
        for program in ["lxd", "lxc"] {
            if skip::find_program(program).is_none() {
                skip::skip(&format!("{program} is not installed"));
                return None;
            }
        }
        let mut lxd = Self { beside: Beside::start(scenario), scenario, daemon: None };
        // The daemon's socket is in this directory, and its path must be short (unix(7)).
        std::fs::create_dir_all(scenario.path("lxd")).expect("own directory");
        let log = std::fs::File::create(scenario.path("lxd.log")).expect("own directory");
        let mut daemon = lxd.command(&["lxd", "--group", "root"]);
        daemon.stdin(Stdio::null()).stdout(log.try_clone().expect("a descriptor")).stderr(log);
        lxd.daemon = Some(daemon.spawn().expect("it is installed"));
        outcome::run(&mut lxd.command(&["lxd", "waitready", "--timeout=60"])).ok();
        outcome::run_with_input(&mut lxd.command(&["lxd", "init", "--preseed"]), PRESEED.as_bytes()).ok();
        Some(lxd)
    }

    /// A command in LXD's namespaces.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.beside.command(words);
        command.env("LXD_DIR", self.scenario.path("lxd")).env("LXD_CONF", self.scenario.path("lxd-conf"));
        command
    }

    /// Runs `lxc args…`.
    pub fn lxc(&self, args: &[&str]) -> Outcome {
        // The time is limited, because a stop waits for ever for an init that has not begun to listen.
        let mut command = self.command(&[&["timeout", "60", "lxc"], args].concat());
        outcome::run(command.stdin(Stdio::null()))
    }
}

impl Drop for Lxd<'_> {
    fn drop(&mut self) {
        // The daemon ends its containers. Whatever it leaves ends with the namespaces.
        let _ = outcome::run(&mut self.command(&["lxd", "shutdown", "--timeout", "20"]));
        let deadline = Instant::now() + Duration::from_secs(20);
        if let Some(daemon) = &mut self.daemon {
            while Instant::now() < deadline && daemon.try_wait().is_ok_and(|ended| ended.is_none()) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        self.beside.end();
        if let Some(daemon) = &mut self.daemon {
            let _ = daemon.wait();
        }
        remove_lxc_cgroups();
    }
}
